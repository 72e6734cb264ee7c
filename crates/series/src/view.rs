//! An answer as other programs read it.

use std::collections::BTreeMap;

use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::answer::{Answer, Rows};
use crate::key::{METRIC_LABEL, UNIT_LABEL};

/// The columns of samples.
const SAMPLE_COLUMNS: &[&str] = &["at_ms", "value"];

/// The columns of buckets.
const BUCKET_COLUMNS: &[&str] = &["at_ms", "mean", "min", "max", "last", "count"];

/// An answer.
#[derive(Debug, Serialize)]
pub struct AnswerView {
    /// Where the range starts, as RFC 3339 has it.
    pub from: String,
    /// Where it ends.
    pub until: String,
    /// How wide a bucket is, in milliseconds; none where the points are samples.
    pub step_ms: Option<u64>,
    /// What the numbers of a point are.
    pub columns: &'static [&'static str],
    /// The series that have points.
    pub series: Vec<SeriesView>,
    /// What could not be read.
    pub damage: Vec<String>,
}

/// A series.
#[derive(Debug, Serialize)]
pub struct SeriesView {
    /// The name of the metric.
    pub metric: String,
    /// The unit of its numbers, such as `percent`; none where nobody said.
    pub unit: Option<String>,
    /// Every other label.
    pub labels: BTreeMap<String, String>,
    /// The points, in the order of time.
    pub points: Vec<Point>,
}

/// A point: its moment in milliseconds since 1970, and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Point {
    /// A sample.
    Sample(i64, f64),
    /// A bucket: mean, smallest, largest and last value, and how many there were.
    Bucket(i64, f64, f64, f64, f64, u64),
}

impl AnswerView {
    /// The view of an answer.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        let (width, columns, series) = match &answer.rows {
            Rows::Samples(lines) => {
                let series = lines.iter().map(|line| {
                    let point = line.rows.iter().map(|row| Point::Sample(row.at.0, row.value));
                    SeriesView::of(&line.labels, point.collect())
                });
                (None, SAMPLE_COLUMNS, series.collect())
            }
            Rows::Buckets { width, lines } => {
                let series = lines.iter().map(|line| {
                    let points = line.rows.iter().map(|row| {
                        Point::Bucket(row.at.0, row.mean(), row.min, row.max, row.last, row.count)
                    });
                    SeriesView::of(&line.labels, points.collect())
                });
                (Some(*width), BUCKET_COLUMNS, series.collect())
            }
        };
        Self {
            from: answer.from.to_string(),
            until: answer.until.to_string(),
            step_ms: width.map(|Millis(ms)| ms),
            columns,
            series,
            damage: answer.damage.iter().map(ToString::to_string).collect(),
        }
    }
}

impl SeriesView {
    /// The view of a series with these points.
    #[must_use]
    pub fn of(labels: &Labels, points: Vec<Point>) -> Self {
        let others = labels.iter().filter(|(name, _)| ![METRIC_LABEL, UNIT_LABEL].contains(name));
        Self {
            metric: labels.get(METRIC_LABEL).unwrap_or_default().to_owned(),
            unit: labels.get(UNIT_LABEL).map(str::to_owned),
            labels: others.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            points,
        }
    }
}
