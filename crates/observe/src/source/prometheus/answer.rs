//! What Prometheus answers.
//!
//! **Invariant:** status 200 is not enough: an answer that says `error`, that is partial, or that
//! warns, is no reading.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::Unknown;
use nightcrew_runtime::http::Response;
use serde::Deserialize;
use serde_json::Value;

use crate::source::exchange::json;
use crate::source::expected::Point;
use crate::source::reading::float;

/// The envelope of every answer.
#[derive(Debug, Deserialize)]
struct Envelope<T> {
    status: String,
    #[serde(default = "Option::default")]
    data: Option<T>,
    #[serde(default, rename = "errorType")]
    error_type: String,
    #[serde(default)]
    error: String,
    /// What makes the answer doubtful, such as a storage that did not answer; `infos` do not.
    #[serde(default)]
    warnings: Vec<String>,
    /// Of a `VictoriaMetrics` cluster: some of its storage did not answer.
    #[serde(default, rename = "isPartial")]
    is_partial: bool,
}

/// The result of a query.
#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

#[derive(Debug, Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    value: Option<(f64, String)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
}

fn open<'a, T: Deserialize<'a>>(response: &'a Response) -> Result<T, Unknown> {
    let envelope: Envelope<T> = json(response)?;
    if envelope.status != "success" {
        let Envelope { error_type, error, .. } = envelope;
        return Err(Unknown::Failed(format!("it says {error_type}: {error}")));
    }
    if envelope.is_partial {
        return Err(Unknown::Failed("the answer is partial: some storage is away".to_owned()));
    }
    if let Some(warning) = envelope.warnings.first() {
        return Err(Unknown::Failed(format!("the answer may be partial: {warning}")));
    }
    envelope.data.ok_or_else(|| Unknown::Failed("the answer has no `data`".to_owned()))
}

fn broken(what: &str) -> Unknown {
    Unknown::Failed(format!("the answer is not what was expected: {what}"))
}

/// The series of an instant query.
pub(super) fn instant(response: &Response) -> Result<Vec<Point>, Unknown> {
    let data: Data = open(response)?;
    match data.kind.as_str() {
        "vector" => {
            let series: Vec<Series> = read(data.result)?;
            Ok(series.into_iter().map(point).collect())
        }
        "scalar" => {
            let (_, text): (f64, String) = read(data.result)?;
            let value = float(&text).ok_or_else(|| broken("a scalar that is no number"))?;
            Ok(vec![Point::new(Labels::default(), value)])
        }
        kind => Err(Unknown::Failed(format!(
            "the query gives a {kind}, and not one number for each series"
        ))),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Unknown> {
    serde_json::from_value(value).map_err(|error| broken(&error.to_string()))
}

fn point(series: Series) -> Point {
    let labels = Labels::from(series.metric);
    let value = match &series.value {
        None => Err(Unknown::NotPlausible("a histogram; ask for a quantile of it".to_owned())),
        Some((_, text)) => float(text).ok_or_else(|| Unknown::NotPlausible(text.clone())),
    };
    Point { labels, value, detail: None }
}

/// The numbers of one series over time; what is no number is left out.
pub(super) type Past = (Labels, Vec<(Timestamp, f64)>);

/// The series of a range query.
pub(super) fn range(response: &Response) -> Result<Vec<Past>, Unknown> {
    let data: Data = open(response)?;
    if data.kind != "matrix" {
        return Err(broken("a range query that gives no matrix"));
    }
    let series: Vec<Series> = read(data.result)?;
    let one = |series: Series| {
        let values = series.values.iter();
        let values = values.filter_map(|(seconds, text)| {
            #[expect(clippy::cast_possible_truncation, reason = "out of range saturates")]
            let at = Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()?;
            Some((at, float(text)?))
        });
        (Labels::from(series.metric), values.collect())
    };
    Ok(series.into_iter().map(one).collect())
}

#[derive(Debug, Deserialize)]
struct Alerts {
    alerts: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
struct Alert {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    state: String,
    #[serde(rename = "activeAt", default)]
    active_at: Option<Timestamp>,
}

/// The alerts that fire; those that only may soon are left out.
pub(super) fn firing(response: &Response) -> Result<Vec<IncomingAlert>, Unknown> {
    let data: Alerts = open(response)?;
    let firing = data.alerts.into_iter().filter(|alert| alert.state == "firing");
    let alerts = firing.map(|alert| IncomingAlert {
        labels: Labels::from(alert.labels),
        annotations: Labels::from(alert.annotations),
        starts_at: alert.active_at,
        ends_at: None,
        generator_url: String::new(),
    });
    Ok(alerts.filter(|alert| !alert.labels.is_empty()).collect())
}

#[derive(Debug, Deserialize)]
struct Rules {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(default)]
    name: String,
    #[serde(default)]
    health: String,
    #[serde(default, rename = "lastError")]
    last_error: String,
}

/// The alerting rules that cannot be evaluated, each with the reason.
pub(super) fn failing_rules(response: &Response) -> Result<Vec<String>, Unknown> {
    let data: Rules = open(response)?;
    let rules = data.groups.into_iter().flat_map(|group| group.rules);
    let failing = rules.filter(|rule| rule.health == "err" || rule.health == "bad");
    Ok(failing.map(|rule| format!("{}: {}", rule.name, rule.last_error)).collect())
}
