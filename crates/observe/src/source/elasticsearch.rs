//! Elasticsearch and `OpenSearch`.
//!
//! <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-search>:
//! `POST /INDEX/_search` with aggregations.
//!
//! **Invariant:** an answer of which a part is missing (a time-out, a shard or a cluster that did
//! not answer, groups beyond the limit, no index at all) is `Unknown`, never "0 errors".

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::{Aggregation, SearchQuery, ServiceOf};
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sampling::float;
use crate::source::exchange::{self, Exchange, Heard};
use crate::source::expected::{Expected, Point, SERIES_PER_QUERY_MAX, nothing_counted};

/// The aggregation that holds the number.
const NUMBER: &str = "number";

/// The aggregation that keeps services or their parts apart.
const GROUP: &str = "group";

/// Asks one Elasticsearch.
#[derive(Debug)]
pub(crate) struct Elasticsearch {
    exchange: Exchange,
    timeout: Millis,
    queries: Vec<(SearchQuery, Expected)>,
}

impl Elasticsearch {
    pub(crate) fn new(
        source: &settings::source::Source,
        it: &settings::source::Elasticsearch,
    ) -> Self {
        let queries = it.queries.iter();
        let queries = queries.map(|q| (q.clone(), Expected::new(&source.name, &q.asked)));
        Self {
            exchange: Exchange::new(&it.endpoint, source.timeout),
            timeout: source.timeout,
            queries: queries.collect(),
        }
    }

    pub(crate) fn questions(&self) -> usize {
        self.queries.len()
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        self.exchange.take_heard()
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (query, expected) in &mut self.queries {
            let at = clock.now();
            // Only what the API has in its path; without a partial answer by choice.
            let path = format!("/{}/_search?allow_partial_search_results=false", query.index);
            let body = question(query, self.timeout, at);
            let answer = self.exchange.post_json(http, &path, &body).await;
            let points = answer.and_then(|response| points(query, &response));
            samples.extend(expected.samples(at, points));
        }
        samples
    }
}

/// The fields that keep targets apart, the service first.
fn groups(query: &SearchQuery) -> Vec<&str> {
    let service = match &query.asked.service {
        ServiceOf::Label(field) => Some(field.as_str()),
        ServiceOf::Fixed(_) => None,
    };
    service.into_iter().chain(query.asked.resource_label.as_deref()).collect()
}

fn question(query: &SearchQuery, timeout: Millis, at: Timestamp) -> Value {
    let start = at.checked_sub(query.window.duration()).unwrap_or(Timestamp::UNIX_EPOCH);
    let range = json!({
        "gte": start.as_millisecond(), "lt": at.as_millisecond(), "format": "epoch_millis",
    });
    let mut filter = vec![json!({ "range": { &query.time_field: range } })];
    if !query.query.is_empty() {
        filter.push(json!({ "query_string": { "query": &query.query } }));
    }
    let mut aggregations = match &query.aggregation {
        Aggregation::Count => json!({}),
        Aggregation::Average(field) => json!({ NUMBER: { "avg": { "field": field } } }),
        Aggregation::Maximum(field) => json!({ NUMBER: { "max": { "field": field } } }),
        Aggregation::Sum(field) => json!({ NUMBER: { "sum": { "field": field } } }),
        Aggregation::Percentile { field, percent } => json!({
            NUMBER: { "percentiles": { "field": field, "percents": [percent], "keyed": false } },
        }),
    };
    for field in groups(query).into_iter().rev() {
        let terms = json!({ "field": field, "size": SERIES_PER_QUERY_MAX });
        aggregations = json!({ GROUP: { "terms": terms, "aggs": aggregations } });
    }
    json!({
        "size": 0,
        "track_total_hits": true,
        "timeout": format!("{}ms", timeout.0),
        "query": { "bool": { "filter": filter } },
        "aggs": aggregations,
    })
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    timed_out: bool,
    #[serde(default)]
    terminated_early: bool,
    #[serde(rename = "_shards")]
    shards: Shards,
    #[serde(default, rename = "_clusters")]
    clusters: Option<Clusters>,
    hits: Hits,
    #[serde(default)]
    aggregations: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Shards {
    total: u64,
    #[serde(default)]
    failed: u64,
    #[serde(default)]
    failures: Vec<Value>,
}

#[derive(Debug, Deserialize)]
struct Clusters {
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    partial: u64,
    #[serde(default)]
    failed: u64,
}

#[derive(Debug, Deserialize)]
struct Hits {
    total: Total,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Total {
    /// Since version 7.
    Related { value: u64, relation: String },
    /// Before.
    Plain(u64),
}

/// The numbers of an answer that is whole.
fn points(query: &SearchQuery, response: &Response) -> Result<Vec<Point>, Unknown> {
    let answer: Answer = exchange::json(response)?;
    whole(&answer)?;
    let groups = groups(query);
    if groups.is_empty() {
        let n_found = match answer.hits.total {
            Total::Plain(value) => value,
            Total::Related { value, relation } if relation == "eq" => value,
            Total::Related { value, .. } => {
                return Err(Unknown::Failed(format!(
                    "it found {value} or more, and did not count"
                )));
            }
        };
        let found = answer.aggregations.unwrap_or_default();
        let value = value(&query.aggregation, n_found, &found);
        return Ok(vec![Point { labels: Labels::default(), value, detail: None }]);
    }
    let aggregations = answer.aggregations.ok_or_else(|| odd("it has no aggregations"))?;
    let mut points = Vec::new();
    gather(&query.aggregation, &groups, &aggregations, &Labels::default(), &mut points)?;
    Ok(points)
}

fn whole(answer: &Answer) -> Result<(), Unknown> {
    let failed = |why: String| Err(Unknown::Failed(why));
    if answer.timed_out {
        return failed("it ran out of time, and knows a part only".to_owned());
    }
    if answer.terminated_early {
        return failed("it stopped early, and knows a part only".to_owned());
    }
    let Shards { total, failed: n_failed, failures } = &answer.shards;
    if *n_failed > 0 {
        let why = failures.first().and_then(|failure| failure.pointer("/reason/reason"));
        let why = why.and_then(Value::as_str).unwrap_or("it does not say why");
        return failed(format!("{n_failed} of {total} shards failed: {why}"));
    }
    if *total == 0 {
        return failed("there is no index of that name".to_owned());
    }
    if let Some(Clusters { skipped, partial, failed: away }) = &answer.clusters
        && skipped + partial + away > 0
    {
        return failed(format!("{} clusters did not answer wholly", skipped + partial + away));
    }
    Ok(())
}

/// The numbers below one level of groups.
fn gather(
    aggregation: &Aggregation,
    groups: &[&str],
    found: &Value,
    labels: &Labels,
    points: &mut Vec<Point>,
) -> Result<(), Unknown> {
    let Some((field, below)) = groups.split_first() else { return Ok(()) };
    let group = found.get(GROUP).ok_or_else(|| odd("a group is missing"))?;
    let others = group.get("sum_other_doc_count").and_then(Value::as_u64).unwrap_or(0);
    if others > 0 {
        return Err(Unknown::Failed(format!(
            "there are more than {SERIES_PER_QUERY_MAX} values of {field}; ask for fewer"
        )));
    }
    let buckets = group.get("buckets").and_then(Value::as_array);
    for bucket in buckets.ok_or_else(|| odd("a group has no buckets"))? {
        let key = bucket.get("key_as_string").or_else(|| bucket.get("key"));
        let key = match key {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => return Err(odd("a bucket has no key")),
        };
        let mut labels = labels.clone();
        labels.set(field, &key);
        if !below.is_empty() {
            gather(aggregation, below, bucket, &labels, points)?;
            continue;
        }
        let n_found = bucket.get("doc_count").and_then(Value::as_u64);
        let value =
            value(aggregation, n_found.ok_or_else(|| odd("a bucket has no count"))?, bucket);
        points.push(Point { labels, value, detail: None });
    }
    Ok(())
}

/// The number of one group: none of what has no value.
fn value(aggregation: &Aggregation, n_found: u64, found: &Value) -> Result<f64, Unknown> {
    let path = match aggregation {
        Aggregation::Count => return Ok(float(n_found)),
        Aggregation::Average(_) | Aggregation::Maximum(_) | Aggregation::Sum(_) => "/number/value",
        Aggregation::Percentile { .. } => "/number/values/0/value",
    };
    match found.pointer(path) {
        // Nothing was found that has the field; of a sum too, which would be 0.
        _ if n_found == 0 => Err(nothing_counted()),
        Some(Value::Null) => Err(nothing_counted()),
        Some(Value::Number(number)) => number.as_f64().ok_or_else(nothing_counted),
        Some(Value::String(text)) if text == "NaN" => Err(nothing_counted()),
        Some(_) | None => Err(odd("the number is missing")),
    }
}

fn odd(what: &str) -> Unknown {
    Unknown::Failed(format!("the answer is not what was expected: {what}"))
}
