//! What was stored of samples, as samples again.

use jiff::Timestamp;
use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::unit::{Quantity, Unit};
use nightcrew_series::error::QueryError;
use nightcrew_series::key::{METRIC_LABEL, UNIT_LABEL};
use nightcrew_series::query::{Line, Selection};
use nightcrew_series::sample::Moment;
use nightcrew_series::store::Store;

use crate::recording::STATUS_UNIT;

/// The samples of a time, series by series: each in the order of time.
///
/// # Errors
/// When more would be found than one answer may have.
pub(crate) fn stored(
    store: &Store,
    from: Timestamp,
    until: Timestamp,
    damage: &mut Vec<String>,
) -> Result<Vec<Sample>, QueryError> {
    let selection = Selection::parse("", Moment::from(from), Moment::from(until))?;
    let mut found = Vec::new();
    let mut lines = store.select(&selection)?;
    for Line { labels, rows } in lines.by_ref() {
        let Some(series) = Series::of(&labels) else { continue };
        found.extend(rows.into_iter().filter_map(|row| series.sample(row.at, row.value)));
    }
    damage.extend(lines.damage().iter().map(ToString::to_string));
    Ok(found)
}

/// What the labels of a series say of its samples.
struct Series {
    target: Target,
    metric: String,
    kind: Read,
}

/// What the numbers of a series stand for.
enum Read {
    Numbers(Unit),
    /// A state, by its number: as it should be, and not.
    States(Status, Status),
}

impl Series {
    fn of(labels: &Labels) -> Option<Self> {
        let metric = labels.get(METRIC_LABEL)?.to_owned();
        let unit = labels.get(UNIT_LABEL)?;
        let kind = if unit == STATUS_UNIT {
            match catalogue::metric(&metric).map(|known| known.kind) {
                Some(Kind::States([good, bad])) => Read::States(*good, *bad),
                _ => return None,
            }
        } else {
            let word = serde_json::Value::String(unit.to_owned());
            Read::Numbers(serde_json::from_value(word).ok()?)
        };
        let service = ServiceName::from(labels.get("service")?);
        let target = match labels.get("resource").filter(|part| !part.is_empty()) {
            Some(part) => Target::part(service, part),
            None => Target::service(service),
        };
        Some(Self { target, metric, kind })
    }

    fn sample(&self, at: Moment, value: f64) -> Option<Sample> {
        let reading = match self.kind {
            Read::Numbers(unit) => Reading::Quantity(Quantity::new(value, unit)?),
            Read::States(good, _) if value > 0.5 => Reading::Status(good),
            Read::States(_, bad) => Reading::Status(bad),
        };
        Some(Sample {
            target: self.target.clone(),
            metric: self.metric.as_str().into(),
            at: at.timestamp()?,
            observation: Observation::Read(reading),
            detail: None,
        })
    }
}
