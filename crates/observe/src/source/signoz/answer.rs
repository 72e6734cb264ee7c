//! What a `SigNoz` answers.

use std::collections::BTreeMap;

use nightcrew_model::labels::Labels;
use nightcrew_model::sample::Unknown;
use nightcrew_runtime::http::Response;
use serde::Deserialize;
use serde_json::Value;

use crate::source::exchange::json;
use crate::source::expected::{Point, missing};
use crate::source::reading::float;

/// The largest number of rules that are looked at.
const RULES_MAX: usize = 5_000;

/// One service of the list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Service {
    #[serde(rename = "serviceName")]
    pub(super) name: String,
    /// In nanoseconds.
    #[serde(deserialize_with = "number")]
    pub(super) p99: f64,
    #[serde(rename = "numCalls", deserialize_with = "number")]
    pub(super) calls: f64,
    /// In a second.
    #[serde(rename = "callRate", deserialize_with = "number")]
    pub(super) call_rate: f64,
    #[serde(rename = "numErrors", deserialize_with = "number")]
    pub(super) errors: f64,
    /// In percent.
    #[serde(rename = "errorRate", deserialize_with = "number")]
    pub(super) error_rate: f64,
}

/// A number, or a text for what JSON has no number for: `"NaN"`, `"Inf"`.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    read_number(&value).ok_or_else(|| serde::de::Error::custom("expected a number"))
}

fn read_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => float(text),
        _ => None,
    }
}

/// The envelope of every answer but the first form of the list.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    status: String,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    error: Value,
}

fn open(response: &Response) -> Result<Value, Unknown> {
    let envelope: Envelope = json(response)?;
    if envelope.status != "success" {
        let error = &envelope.error;
        let said = error.as_str().or_else(|| error.get("message")?.as_str()).unwrap_or("no words");
        return Err(Unknown::Failed(format!("it says {:?}: {said}", envelope.status)));
    }
    Ok(envelope.data)
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Unknown> {
    serde_json::from_value(value)
        .map_err(|error| Unknown::Failed(format!("the answer is not what was expected: {error}")))
}

/// The services, in either form: a bare array, or one in an envelope.
pub(super) fn services(response: &Response) -> Result<Vec<Service>, Unknown> {
    let value: Value = json(response)?;
    match value {
        // Go writes an empty list as nothing.
        Value::Null => Ok(Vec::new()),
        list @ Value::Array(_) => read(list),
        _ => match open(response)? {
            Value::Null => Ok(Vec::new()),
            list => read(list),
        },
    }
}

#[derive(Debug, Deserialize)]
struct QueryData {
    data: Results,
}

#[derive(Debug, Deserialize)]
struct Results {
    #[serde(default = "Vec::new")]
    results: Vec<QueryResult>,
}

#[derive(Debug, Deserialize)]
struct QueryResult {
    #[serde(default)]
    aggregations: Option<Vec<Aggregated>>,
    #[serde(default)]
    rows: Option<Vec<Row>>,
}

#[derive(Debug, Deserialize)]
struct Aggregated {
    #[serde(default)]
    series: Option<Vec<Series>>,
}

#[derive(Debug, Deserialize)]
struct Series {
    #[serde(default)]
    labels: Option<Vec<Label>>,
    #[serde(default)]
    values: Option<Vec<Timed>>,
}

#[derive(Debug, Deserialize)]
struct Label {
    key: Key,
    #[serde(default)]
    value: Value,
}

#[derive(Debug, Deserialize)]
struct Key {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Timed {
    timestamp: i64,
    value: Value,
    /// Whether the span of this point is not over yet, or was not asked for as a whole.
    #[serde(default)]
    partial: bool,
}

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(default)]
    data: BTreeMap<String, Value>,
}

/// The last whole point of every series.
pub(super) fn latest(response: &Response) -> Result<Vec<Point>, Unknown> {
    let data: QueryData = read(open(response)?)?;
    let aggregations =
        data.data.results.into_iter().flat_map(|it| it.aggregations.unwrap_or_default());
    let series = aggregations.flat_map(|it| it.series.unwrap_or_default());
    let points = series.map(|series| {
        let labels = series.labels.unwrap_or_default();
        let labels = labels.iter().map(|label| (label.key.name.as_str(), shown(&label.value)));
        let labels: Labels = labels.collect();
        let values = series.values.unwrap_or_default();
        let last = values.iter().filter(|it| !it.partial).max_by_key(|it| it.timestamp);
        let value = match last {
            None => Err(missing()),
            Some(last) => read_number(&last.value)
                .ok_or_else(|| Unknown::NotPlausible(last.value.to_string())),
        };
        Point { labels, value, detail: None }
    });
    Ok(points.collect())
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The one span that was asked for, in words; none where there is none.
pub(super) fn trace(response: &Response) -> Result<Option<String>, Unknown> {
    let data: QueryData = read(open(response)?)?;
    let rows = data.data.results.into_iter().flat_map(|it| it.rows.unwrap_or_default());
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let text = |name: &str| row.data.get(name).map(shown).unwrap_or_default();
    let duration = row.data.get("duration_nano").and_then(read_number);
    let took = duration.map_or_else(String::new, |ns| format!(", {:.0} ms", ns / 1e6));
    Ok(Some(format!("trace {}: {}{took}", text("trace_id"), text("name"))))
}

/// A rule that fires.
#[derive(Debug, Deserialize)]
pub(super) struct Rule {
    #[serde(deserialize_with = "id")]
    pub(super) id: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    alert: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

/// An id is a number in older releases and a UUID in newer ones.
fn id<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(shown(&Value::deserialize(deserializer)?))
}

impl Rule {
    /// Its labels, with the names that its notifications carry too.
    pub(super) fn labels(&self) -> Labels {
        let mut labels = Labels::from(self.labels.clone());
        labels.set("alertname", &self.alert);
        labels.set("ruleId", &self.id);
        labels
    }
}

/// The rules that fire.
pub(super) fn firing(response: &Response) -> Result<Vec<Rule>, Unknown> {
    let list = match open(response)? {
        Value::Object(mut object) => object.remove("rules").unwrap_or(Value::Null),
        list => list,
    };
    if list.is_null() {
        return Ok(Vec::new());
    }
    let rules: Vec<Rule> = read(list)?;
    if rules.len() > RULES_MAX {
        return Err(Unknown::Failed(format!("{} rules, more than {RULES_MAX}", rules.len())));
    }
    Ok(rules.into_iter().filter(|rule| rule.state == "firing").collect())
}
