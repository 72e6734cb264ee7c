//! Grafana Loki.
//!
//! <https://grafana.com/docs/loki/latest/reference/loki-http-api/>: `GET /loki/api/v1/query` for
//! metric queries, `GET /loki/api/v1/query_range` for lines.  A tenant is the header
//! `X-Scope-OrgID` of the endpoint; without one a Loki with tenants answers 401 `no org id`.

use std::collections::BTreeMap;

use form_urlencoded::Serializer;
use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::{Asked, LineQuery, ServiceOf};
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, Response};
use serde::Deserialize;

use crate::sampling::float as number_of;
use crate::source::exchange::{Exchange, Heard, json};
use crate::source::expected::{Expected, Point};
use crate::source::reading::float;

/// Asks one Loki.
#[derive(Debug)]
pub(crate) struct Loki {
    exchange: Exchange,
    queries: Vec<(String, Expected)>,
    lines: Vec<(LineQuery, Expected)>,
}

impl Loki {
    pub(crate) fn new(source: &settings::source::Source, it: &settings::source::Loki) -> Self {
        let expected = |asked: &Asked| Expected::new(&source.name, asked);
        let queries = it.queries.iter().map(|q| (q.query.clone(), expected(&q.asked)));
        let lines = it.lines.iter().map(|q| (q.clone(), expected(&q.asked)));
        Self {
            exchange: Exchange::new(&it.endpoint, source.timeout),
            queries: queries.collect(),
            lines: lines.collect(),
        }
    }

    pub(crate) fn questions(&self) -> usize {
        self.queries.len() + self.lines.len()
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        self.exchange.take_heard()
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (query, expected) in &mut self.queries {
            let at = clock.now();
            let pairs = [("query", query.as_str()), ("time", &at.as_nanosecond().to_string())];
            let path = with_query("/loki/api/v1/query", &pairs);
            let answer = self.exchange.get(http, &path).await;
            samples.extend(expected.samples(at, answer.and_then(|response| numbers(&response))));
        }
        for (query, expected) in &mut self.lines {
            let at = clock.now();
            let answer = self.exchange.get(http, &range_of(query, at)).await;
            let points = answer.and_then(|response| counted(query, &response));
            samples.extend(expected.samples(at, points));
        }
        samples
    }
}

fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{path}?{query}")
}

fn range_of(query: &LineQuery, at: Timestamp) -> String {
    let start = at.checked_sub(query.window.duration()).unwrap_or(Timestamp::UNIX_EPOCH);
    with_query(
        "/loki/api/v1/query_range",
        &[
            ("query", &query.query),
            ("start", &start.as_nanosecond().to_string()),
            ("end", &at.as_nanosecond().to_string()),
            ("limit", &query.limit.to_string()),
            ("direction", "backward"),
        ],
    )
}

#[derive(Debug, Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    /// What makes the answer doubtful.
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Number>),
    Scalar((f64, String)),
    Streams(Vec<Stream>),
    Matrix(serde::de::IgnoredAny),
}

#[derive(Debug, Deserialize)]
struct Number {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

#[derive(Debug, Deserialize)]
struct Stream {
    #[serde(default)]
    stream: BTreeMap<String, String>,
    /// Nanoseconds as text, the line, and since Loki 3 what is known of the line.
    values: Vec<Vec<serde_json::Value>>,
}

fn open(response: &Response) -> Result<Data, Unknown> {
    let envelope: Envelope = json(response)?;
    if envelope.status != "success" {
        return Err(Unknown::Failed(format!("it says {}", envelope.status)));
    }
    if let Some(warning) = envelope.warnings.first() {
        return Err(Unknown::Failed(format!("the answer may be partial: {warning}")));
    }
    envelope.data.ok_or_else(|| Unknown::Failed("the answer has no `data`".to_owned()))
}

/// The series of a metric query.
fn numbers(response: &Response) -> Result<Vec<Point>, Unknown> {
    let point = |labels: Labels, text: &str| {
        let value = float(text).ok_or_else(|| Unknown::NotPlausible(text.to_owned()));
        Point { labels, value, detail: None }
    };
    match open(response)? {
        Data::Vector(series) => {
            let series = series.into_iter();
            Ok(series.map(|one| point(Labels::from(one.metric), &one.value.1)).collect())
        }
        Data::Scalar((_, text)) => Ok(vec![point(Labels::default(), &text)]),
        Data::Streams(_) => Err(Unknown::Failed(
            "the query gives lines and no numbers; move it to `lines`, or count them: \
             count_over_time(… [1m])"
                .to_owned(),
        )),
        Data::Matrix(_) => Err(Unknown::Failed("the query gives a range".to_owned())),
    }
}

/// What was counted for one target.
#[derive(Debug, Default)]
struct Count {
    n_lines: u64,
    newest: Option<(i128, String)>,
}

/// How many lines each target has, with the newest.
fn counted(query: &LineQuery, response: &Response) -> Result<Vec<Point>, Unknown> {
    let streams = match open(response)? {
        Data::Streams(streams) => streams,
        Data::Vector(_) | Data::Scalar(_) | Data::Matrix(_) => {
            return Err(Unknown::Failed(
                "the query gives numbers and no lines; move it to `queries`".to_owned(),
            ));
        }
    };
    let mut counts: BTreeMap<Vec<(String, String)>, Count> = BTreeMap::new();
    // A whole answer without a line says so of a service that is named.
    if let (ServiceOf::Fixed(_), None) = (&query.asked.service, &query.asked.resource_label) {
        counts.insert(Vec::new(), Count::default());
    }
    let mut n_total = 0;
    for stream in streams {
        // Streams that differ in other labels are lines of the same target.
        let kept = kept(&query.asked, stream.stream);
        let count = counts.entry(kept).or_default();
        n_total += stream.values.len();
        count.n_lines += stream.values.len() as u64;
        for value in &stream.values {
            let [at, line, ..] = value.as_slice() else { return Err(odd()) };
            let at = at.as_str().and_then(|at| at.parse().ok()).ok_or_else(odd)?;
            let line = line.as_str().ok_or_else(odd)?;
            if count.newest.as_ref().is_none_or(|(newest, _)| *newest < at) {
                count.newest = Some((at, line.to_owned()));
            }
        }
    }
    if n_total >= query.limit as usize {
        return Ok(vec![more_than(query, counts)]);
    }
    let point = |(labels, count): (Vec<(String, String)>, Count)| Point {
        labels: labels.into_iter().collect(),
        value: Ok(number_of(count.n_lines)),
        detail: count.newest.map(|(_, line)| line),
    };
    Ok(counts.into_iter().map(point).collect())
}

/// An answer that is full: whose the lines are that it leaves out is not known, so only a single
/// target has a number, and that is the least that it can be.
fn more_than(query: &LineQuery, counts: BTreeMap<Vec<(String, String)>, Count>) -> Point {
    let limit = query.limit;
    let n_targets = counts.len();
    let (labels, count) = counts.into_iter().next_back().unwrap_or_default();
    if n_targets == 1 {
        let newest = count.newest.map(|(_, line)| line).unwrap_or_default();
        let detail = Some(format!("at least {limit} lines; {newest}"));
        return Point {
            labels: labels.into_iter().collect(),
            value: Ok(number_of(count.n_lines)),
            detail,
        };
    }
    let why = format!("there are more than {limit} lines; count them: count_over_time(… [1m])");
    let labels = labels.into_iter().collect();
    Point { labels, value: Err(Unknown::Failed(why)), detail: None }
}

/// The labels that name the target.
fn kept(asked: &Asked, labels: BTreeMap<String, String>) -> Vec<(String, String)> {
    let names = |label: &str| {
        let service = match &asked.service {
            ServiceOf::Label(name) => name == label,
            ServiceOf::Fixed(_) => false,
        };
        service || asked.resource_label.as_deref() == Some(label)
    };
    labels.into_iter().filter(|(label, _)| names(label)).collect()
}

fn odd() -> Unknown {
    Unknown::Failed("the answer is not what was expected: a line without time or text".to_owned())
}
