//! Amazon `CloudWatch`.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html> in the
//! protocol AWS JSON 1.0, signed with Signature Version 4.
//!
//! Points come late: what is told is the newest whole period, and its time is the end of that
//! period, so that an old point proves nothing.  A point that was told is not told again.

mod sign;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::CloudwatchQuery;
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, HttpError, Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use self::sign::{Scope, Signed};
use crate::source::exchange::{self, ANSWER_BYTES_MAX, Heard, REST_DEFAULT};
use crate::source::expected::{Expected, Point};

/// How many metrics one request may ask for.
const QUERIES_PER_REQUEST_MAX: usize = 500;

/// How many further pages of one answer are asked for.
const PAGES_MAX: usize = 10;

/// How late a point may come.
const LATE_MAX: Millis = Millis::from_secs(15 * 60);

const TARGET: &str = "GraniteServiceVersion20100801.GetMetricData";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";

/// Asks `CloudWatch` in one region.
#[derive(Debug)]
pub(crate) struct Cloudwatch {
    it: settings::source::Cloudwatch,
    url: String,
    /// The host of the URL with its port, as it is signed.
    host: String,
    path: String,
    timeout: Millis,
    heard: Heard,
    queries: Vec<Metric>,
}

#[derive(Debug)]
struct Metric {
    query: CloudwatchQuery,
    expected: Expected,
    /// The end of the period that was told last.
    told: Option<Timestamp>,
}

impl Cloudwatch {
    pub(crate) fn new(
        source: &settings::source::Source,
        it: &settings::source::Cloudwatch,
    ) -> Self {
        let amazon = || {
            let ending = if it.region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://monitoring.{}.amazonaws.com{ending}", it.region)
        };
        let url = it.url.clone().unwrap_or_else(amazon);
        let (_, rest) = url.split_once("://").unwrap_or(("", &url));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let metric = |query: &CloudwatchQuery| Metric {
            query: query.clone(),
            expected: Expected::new(&source.name, &query.asked),
            told: None,
        };
        Self {
            host: host.to_owned(),
            path: format!("/{path}"),
            timeout: source.timeout,
            heard: Heard::default(),
            queries: it.queries.iter().map(metric).collect(),
            it: it.clone(),
            url,
        }
    }

    pub(crate) fn questions(&self) -> usize {
        self.queries.len().div_ceil(QUERIES_PER_REQUEST_MAX)
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        std::mem::take(&mut self.heard)
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut queries = std::mem::take(&mut self.queries);
        for part in queries.chunks_mut(QUERIES_PER_REQUEST_MAX) {
            let at = clock.now();
            let asked: Vec<&CloudwatchQuery> = part.iter().map(|metric| &metric.query).collect();
            let answer = self.ask(http, clock, &asked).await;
            for (n, metric) in part.iter_mut().enumerate() {
                let newest = match &answer {
                    Ok(results) => newest(results.get(&id(n)), &metric.query, at),
                    Err(why) => Err(why.clone()),
                };
                samples.extend(metric.told(at, newest));
            }
        }
        self.queries = queries;
        samples
    }

    /// Asks for some metrics, page by page.
    async fn ask(
        &mut self,
        http: &Http,
        clock: &Clock,
        asked: &[&CloudwatchQuery],
    ) -> Result<HashMap<String, Series>, Unknown> {
        let mut found: HashMap<String, Series> = HashMap::new();
        let mut token: Option<String> = None;
        let now = clock.now();
        for _ in 0..PAGES_MAX {
            let body = question(asked, now, token.as_deref());
            let response = self.send(http, clock.now(), body).await?;
            let answer: Answer = exchange::json(&response)?;
            if let Some(message) = answer.messages.first() {
                return Err(Unknown::Failed(format!("it warns: {}", message.value)));
            }
            for result in answer.results {
                found.entry(result.id.clone()).or_default().add(result);
            }
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
        Err(Unknown::Failed(format!("the answer has more than {PAGES_MAX} pages; ask for less")))
    }

    async fn send(
        &mut self,
        http: &Http,
        now: Timestamp,
        body: Value,
    ) -> Result<Response, Unknown> {
        let body = body.to_string();
        let moment = sign::moment(now);
        let mut headers: BTreeMap<&str, &str> = BTreeMap::from([
            ("content-type", CONTENT_TYPE),
            ("host", &self.host),
            ("x-amz-date", &moment),
            ("x-amz-target", TARGET),
        ]);
        if let Some(token) = &self.it.session_token {
            headers.insert("x-amz-security-token", token.expose());
        }
        let headers: Vec<(&str, &str)> = headers.into_iter().collect();
        let scope = Scope {
            access_key_id: self.it.access_key_id.expose(),
            secret_access_key: self.it.secret_access_key.expose(),
            region: &self.it.region,
            service: "monitoring",
        };
        let signed = Signed {
            method: "POST",
            path: &self.path,
            query: "",
            headers: &headers,
            body: body.as_bytes(),
        };
        let authorization = sign::authorization(scope, signed, &moment);
        let mut request = Request::get(&self.url, self.timeout).method(Method::POST);
        // The client itself says the host.
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        request = request.header("authorization", &authorization);
        request.body = Bytes::from(body);
        request.body_bytes_max = ANSWER_BYTES_MAX;
        self.heard.questions += 1;
        let response = http.send(request).await.map_err(|error| match error {
            HttpError::TimedOut(after) => Unknown::TimedOut(after),
            HttpError::Url | HttpError::Connection(_) => Unknown::Failed(error.to_string()),
        })?;
        self.heard.answered |= !matches!(response.status.as_u16(), 502..=504);
        if response.status.is_success() && !response.cut {
            return Ok(response);
        }
        let refused = refusal(&response);
        // `Throttling` and `ThrottlingException` come with status 400.
        if refused.contains("Throttling") || response.status.as_u16() == 429 {
            self.heard.rest = self.heard.rest.max(Some(REST_DEFAULT));
        }
        Err(Unknown::Failed(refused))
    }
}

impl Metric {
    fn told(&mut self, at: Timestamp, newest: Result<(Timestamp, f64), Unknown>) -> Vec<Sample> {
        match newest {
            Ok((end, _)) if self.told.is_some_and(|told| told >= end) => Vec::new(),
            Ok((end, value)) => {
                self.told = Some(end);
                self.expected.samples(end, Ok(vec![Point::new(Labels::default(), value)]))
            }
            Err(Unknown::Absent) => self.expected.samples(at, Ok(Vec::new())),
            Err(why) => self.expected.samples(at, Err(why)),
        }
    }
}

fn id(n: usize) -> String {
    format!("q{n}")
}

/// A moment, moved back to the end of a whole period, in seconds since 1970.
fn aligned(at: Timestamp, period: Millis) -> i64 {
    let period = i64::try_from(period.0 / 1_000).unwrap_or(60).max(1);
    at.as_second().div_euclid(period) * period
}

fn question(asked: &[&CloudwatchQuery], now: Timestamp, token: Option<&str>) -> Value {
    let longest = asked.iter().map(|query| query.period).max().unwrap_or(Millis::from_secs(60));
    let back = longest.0.saturating_mul(2).saturating_add(LATE_MAX.0) / 1_000;
    let end = aligned(now, Millis::from_secs(60));
    let start = end.saturating_sub(i64::try_from(back).unwrap_or(i64::MAX));
    let query = |(n, query): (usize, &&CloudwatchQuery)| {
        let dimension = |(name, value): (&String, &String)| json!({ "Name": name, "Value": value });
        let dimensions: Vec<Value> = query.dimensions.iter().map(dimension).collect();
        json!({
            "Id": id(n),
            "MetricStat": {
                "Metric": {
                    "Namespace": query.namespace,
                    "MetricName": query.name,
                    "Dimensions": dimensions,
                },
                "Period": query.period.0 / 1_000,
                "Stat": query.statistic,
            },
            "ReturnData": true,
        })
    };
    let queries: Vec<Value> = asked.iter().enumerate().map(query).collect();
    let mut body = json!({
        "StartTime": start,
        "EndTime": end,
        "ScanBy": "TimestampDescending",
        "MetricDataQueries": queries,
    });
    if let (Some(token), Some(members)) = (token, body.as_object_mut()) {
        members.insert("NextToken".to_owned(), Value::from(token));
    }
    body
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default, rename = "MetricDataResults")]
    results: Vec<Outcome>,
    #[serde(default, rename = "NextToken")]
    next_token: Option<String>,
    #[serde(default, rename = "Messages")]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    id: String,
    #[serde(default)]
    timestamps: Vec<f64>,
    #[serde(default)]
    values: Vec<f64>,
    #[serde(default)]
    status_code: String,
    #[serde(default)]
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default, rename = "Value")]
    value: String,
}

/// What all pages say of one metric.
#[derive(Debug, Default)]
struct Series {
    /// Seconds since 1970, and values.
    points: Vec<(f64, f64)>,
    /// That of the last page: one page may be partial and the next complete.
    status: String,
    message: Option<String>,
    is_odd: bool,
}

impl Series {
    fn add(&mut self, result: Outcome) {
        self.is_odd |= result.timestamps.len() != result.values.len();
        self.points.extend(result.timestamps.into_iter().zip(result.values));
        self.status = result.status_code;
        self.message = result.messages.into_iter().next().map(|message| message.value);
    }
}

/// The newest whole period: its end and its value.
fn newest(
    series: Option<&Series>,
    query: &CloudwatchQuery,
    now: Timestamp,
) -> Result<(Timestamp, f64), Unknown> {
    let series =
        series.ok_or_else(|| Unknown::Failed("the answer leaves the metric out".to_owned()))?;
    if series.is_odd {
        return Err(Unknown::Failed("the answer has not one time for each value".to_owned()));
    }
    if series.status != "Complete" {
        let why = series.message.as_deref().unwrap_or("it does not say why");
        return Err(Unknown::Failed(format!("it says {}: {why}", series.status)));
    }
    let end_of = |seconds: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "out of range saturates")]
        let start = Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()?;
        Some(query.period.after(start))
    };
    let points = series.points.iter().filter_map(|(at, value)| Some((end_of(*at)?, *value)));
    // The period of now is not over.
    let whole = points.filter(|(end, _)| *end <= now);
    whole.max_by_key(|(end, _)| *end).ok_or(Unknown::Absent)
}

/// `HTTP 400: AccessDenied: …`.
fn refusal(response: &Response) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default, rename = "__type")]
        kind: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    let code = response.status.as_u16();
    if response.cut {
        return format!("HTTP {code}: the answer is too long");
    }
    match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(Refusal { kind, message }) => {
            let kind = kind.rsplit_once('#').map_or(kind.as_str(), |(_, kind)| kind);
            format!("HTTP {code}: {kind}: {message}")
        }
        Err(_) => format!("HTTP {code}"),
    }
}
