//! `/api/v1/metrics`: what was measured, now and before.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::{Span, SpanRelativeTo, Timestamp};
use nightcrew_crew::recording::{SeriesError, SeriesStatus, labels_of};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::unit::Unit;
use nightcrew_series::answer::{Question, Rows, Step};
use nightcrew_series::sample::Moment;
use nightcrew_series::selector;
use nightcrew_series::view::AnswerView;
use nightcrew_series::{export, store::Store};
use serde::{Deserialize, Serialize};

use super::{bad_parameter, limit};
use crate::app::App;
use crate::exposition;
use crate::limit::METRICS_PAGE_MAX;
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};

/// How many metrics are listed where the request does not say.
const METRICS_PAGE: usize = 1_000;

/// How far back is looked where the request does not say.
const SINCE: &str = "1h";

/// Which metrics are asked for.
#[derive(Deserialize)]
pub(crate) struct ListQuery {
    selector: Option<String>,
    limit: Option<String>,
}

/// The latest look at every metric.
#[derive(Serialize)]
pub(crate) struct Metrics {
    now: Timestamp,
    items: Vec<MetricView>,
    /// Whether there are more than are shown.
    more: bool,
    store: StoreView,
}

/// The latest look at a metric.  Exactly one of `value`, `status` and `unknown` says what was seen.
#[derive(Serialize)]
struct MetricView {
    metric: String,
    service: String,
    resource: Option<String>,
    unit: Option<Unit>,
    value: Option<f64>,
    status: Option<Status>,
    unknown: Option<String>,
    at: Timestamp,
    detail: Option<String>,
}

impl MetricView {
    fn of(sample: &Sample) -> Self {
        let mut view = Self {
            metric: sample.metric.as_str().to_owned(),
            service: sample.target.service.as_str().to_owned(),
            resource: sample.target.resource.as_ref().map(|part| part.as_str().to_owned()),
            unit: None,
            value: None,
            status: None,
            unknown: None,
            at: sample.at,
            detail: sample.detail.clone(),
        };
        match &sample.observation {
            Observation::Read(Reading::Quantity(read)) => {
                (view.value, view.unit) = (Some(read.value()), Some(read.unit()));
            }
            Observation::Read(Reading::Status(status)) => view.status = Some(*status),
            Observation::Unknown(why) => view.unknown = Some(why.to_string()),
        }
        view
    }
}

/// How the store of series is.
#[derive(Serialize)]
pub(crate) struct StoreView {
    open: bool,
    /// Why nothing is stored or tidied up; none: all is well.
    trouble: Option<String>,
    damage: Vec<String>,
    series: usize,
    samples_in_memory: usize,
    samples_on_disk: u64,
    bytes_on_disk: u64,
    dropped: u64,
    refused: u64,
}

impl From<SeriesStatus> for StoreView {
    fn from(status: SeriesStatus) -> Self {
        let stats = status.stats.unwrap_or_default();
        Self {
            open: status.stats.is_some(),
            trouble: status.trouble,
            damage: status.damage,
            series: stats.series,
            samples_in_memory: stats.head_samples,
            samples_on_disk: stats.segment_samples,
            bytes_on_disk: stats.segment_bytes,
            dropped: status.dropped,
            refused: status.refused,
        }
    }
}

/// `GET /api/v1/metrics`.
pub(crate) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Metrics>, Problem> {
    let matchers = matchers(query.selector.as_deref())?;
    let limit = limit(query.limit.as_deref(), METRICS_PAGE, METRICS_PAGE_MAX)?;
    let latest = app.handle.latest();
    let mut wanted = latest.iter().filter(|sample| matchers.hold(&labels_of(sample)));
    let items = wanted.by_ref().take(limit).map(MetricView::of).collect();
    let more = wanted.next().is_some();
    let (now, store) = (app.handle.clock().now(), app.handle.series_status().into());
    Ok(Json(Metrics { now, items, more, store }))
}

/// Which part of which series is asked for.
#[derive(Deserialize)]
pub(crate) struct RangeQuery {
    selector: Option<String>,
    since: Option<String>,
    until: Option<String>,
    step: Option<String>,
    format: Option<String>,
}

impl RangeQuery {
    fn question(&self, now: Timestamp) -> Result<Question, Problem> {
        let until = match self.until.as_deref() {
            None => now,
            Some(text) => text
                .parse()
                .map_err(|_| bad_parameter("until", text, "a moment: 2026-11-21T03:00:00Z"))?,
        };
        let from = self.since.as_deref().unwrap_or(SINCE);
        let from = since(from, until).ok_or_else(|| {
            bad_parameter("since", from, "a span such as 24h, or a moment: 2026-11-21T03:00:00Z")
        })?;
        let step = self.step.as_deref().unwrap_or("auto");
        let step: Step = step.parse().map_err(|_| {
            bad_parameter("step", step, "auto, raw, or a span such as 30s, 5m or 1h")
        })?;
        Ok(Question {
            matchers: matchers(self.selector.as_deref())?,
            from: Moment::from(from),
            until: Moment::from(until),
            step,
        })
    }
}

/// Where a range starts that ends at `until`.
fn since(text: &str, until: Timestamp) -> Option<Timestamp> {
    if let Ok(moment) = text.parse() {
        return Some(moment);
    }
    let span: Span = text.trim().parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if length.is_zero() || length.is_negative() {
        return None;
    }
    // Nothing was measured before 1970.
    let earliest = Timestamp::UNIX_EPOCH;
    Some(until.checked_sub(length).unwrap_or(earliest).max(earliest))
}

fn matchers(text: Option<&str>) -> Result<Matchers, Problem> {
    selector::parse(text.unwrap_or_default()).map_err(|bad| {
        let hint = "write it like disk_usage{service=\"host\",resource=~\"/var.*\"}";
        Problem::bad_request(bad.to_string(), hint)
    })
}

/// `GET /api/v1/metrics/query`.
pub(crate) async fn query(
    State(app): State<App>,
    Parameters(range): Parameters<RangeQuery>,
) -> Result<Json<AnswerView>, Problem> {
    let question = range.question(app.handle.clock().now())?;
    Ok(Json(AnswerView::of(&app.handle.ask_series(question).await?)))
}

/// How series are written.
#[derive(Clone, Copy)]
enum Format {
    Prometheus,
    Csv,
}

/// `GET /api/v1/metrics/export`.
pub(crate) async fn exported(
    State(app): State<App>,
    Parameters(range): Parameters<RangeQuery>,
) -> Result<Response, Problem> {
    let format = match range.format.as_deref() {
        None | Some("prometheus") => Format::Prometheus,
        Some("csv") => Format::Csv,
        Some(other) => return Err(bad_parameter("format", other, "prometheus or csv")),
    };
    let now = app.handle.clock().now();
    let question = Question { step: Step::Raw, ..range.question(now)? };
    let write = move |store: &Store| -> Result<String, SeriesError> {
        let Rows::Samples(lines) = store.answer(Moment::from(now), &question)?.rows else {
            return Ok(String::new());
        };
        Ok(match format {
            Format::Prometheus => export::prometheus_text(&lines),
            Format::Csv => export::csv(&lines),
        })
    };
    let text = app.handle.read_series(write).await?;
    let kind = match format {
        Format::Prometheus => exposition::CONTENT_TYPE,
        Format::Csv => "text/csv; charset=utf-8",
    };
    Ok(([(CONTENT_TYPE, kind)], text).into_response())
}

impl From<SeriesError> for Problem {
    fn from(error: SeriesError) -> Self {
        match error {
            SeriesError::Query(_) => Self::bad_request(
                error.to_string(),
                "narrow the selector, shorten the range, or give a larger step",
            ),
            SeriesError::Closed(_) | SeriesError::Fell => Self::new(
                Kind::SeriesUnavailable,
                error.to_string(),
                "`nightcrew doctor` looks at the data folder; everything else goes on",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_span_or_a_moment() {
        let until: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        let from = |text: &str| since(text, until).map(|from| from.to_string());
        assert_eq!(from("24h").as_deref(), Some("2026-11-20T03:00:00Z"));
        assert_eq!(from("1d 12h").as_deref(), Some("2026-11-19T15:00:00Z"));
        assert_eq!(from("2026-01-01T00:00:00Z").as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(from("3000000h").as_deref(), Some("1970-01-01T00:00:00Z"));
        for bad in ["", "soon", "-1h", "0s", "5"] {
            assert_eq!(from(bad), None, "{bad}");
        }
    }
}
