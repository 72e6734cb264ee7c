//! Sources, asked through stand-ins that speak the documented formats.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::{
    Asked, Endpoint, Given, Held, Prometheus, Query, ServiceOf, SourceKind,
};
use nightcrew_model::sample::{Observation, Sample, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_observe::source::Source;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

/// A stand-in that answers every request by its path, and remembers what it was asked.
#[derive(Clone)]
pub(crate) struct StandIn {
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

#[derive(Clone)]
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    after: Millis,
}

impl StandIn {
    pub(crate) fn new() -> Self {
        Self { answers: Arc::default(), asked: Arc::default() }
    }

    pub(crate) fn say(&self, path: &str, body: impl Into<Vec<u8>>) {
        self.answer(path, 200, body, &[], Millis(0));
    }

    pub(crate) fn answer(
        &self,
        path: &str,
        status: u16,
        body: impl Into<Vec<u8>>,
        headers: &[(&'static str, &str)],
        after: Millis,
    ) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let answer = Answer { status, headers, body: body.into(), after };
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// The bodies that came to a path.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let of = asked.iter().filter(|(there, _)| there == path);
        of.map(|(_, body)| body.clone()).collect()
    }

    /// Every path that was asked for, with its query.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn http(&self) -> Http {
        let it = self.clone();
        Http::Fake(Router::new().fallback(move |uri: Uri, body: Bytes| {
            let path = uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
            let body = String::from_utf8_lossy(&body).into_owned();
            it.asked.lock().unwrap().push((path.clone(), body));
            let answers = it.answers.lock().unwrap();
            // What is asked for with a time is known by its path alone.
            let found = answers.get(&path).or_else(|| answers.get(uri.path())).cloned();
            drop(answers);
            async move {
                let Some(answer) = found else {
                    return StatusCode::NOT_FOUND.into_response();
                };
                tokio::time::sleep(answer.after.duration()).await;
                let mut response =
                    (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
                response.headers_mut().remove("content-type");
                for (name, value) in answer.headers {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
        }))
    }
}

pub(crate) fn endpoint() -> Endpoint {
    let token = settings::Secret::new("Bearer t0p");
    Endpoint {
        url: "http://source.example".to_owned(),
        headers: [("authorization".to_owned(), token)].into_iter().collect(),
    }
}

pub(crate) fn asked(metric: &str, given: Given, service: ServiceOf) -> Asked {
    let held = Held::of(given, &metric.into()).unwrap();
    Asked { metric: metric.into(), given, held, service, resource_label: None }
}

pub(crate) fn by_label(label: &str) -> ServiceOf {
    ServiceOf::Label(label.to_owned())
}

pub(crate) fn source(kind: SourceKind) -> Source {
    let settings = settings::source::Source {
        name: "prom".into(),
        kind,
        interval: Millis::from_secs(30),
        timeout: Millis::from_secs(10),
        queries_per_minute: 600,
    };
    Source::new(&settings, settings::Breaker::default()).unwrap()
}

pub(crate) fn clock() -> Clock {
    Clock::starting_at(Timestamp::from_second(1_800_000_000).unwrap())
}

/// The samples in words, without the one of the source itself.
pub(crate) fn said(samples: &[Sample]) -> Vec<String> {
    let own = samples.iter().filter(|sample| sample.target.to_string() != "prom:answers");
    own.map(|sample| format!("{} {} {}", sample.target, sample.metric, sample.observation))
        .collect()
}

/// Whether the source itself answers.
pub(crate) fn health(samples: &[Sample]) -> String {
    let own = samples.iter().find(|sample| sample.target.to_string() == "prom:answers").unwrap();
    own.observation.to_string()
}

fn prometheus() -> Source {
    let asked = asked("api_latency_ms", Given::Seconds, by_label("job"));
    source(SourceKind::Prometheus(Prometheus {
        endpoint: endpoint(),
        queries: vec![Query { query: "slow{x=\"1\"}".to_owned(), asked }],
        backfill: Millis(0),
        alerts: false,
    }))
}

const QUERY: &str = "/api/v1/query";

/// The answer to an instant query with these series: `job` and value.
fn vector(series: &[(&str, &str)]) -> String {
    let one = |(job, value): &(&str, &str)| {
        format!("{{\"metric\":{{\"job\":\"{job}\"}},\"value\":[1800000000.1,\"{value}\"]}}")
    };
    let series: Vec<String> = series.iter().map(one).collect();
    let series = series.join(",");
    format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{series}]}}}}"
    )
}

#[tokio::test(start_paused = true)]
async fn a_query_becomes_samples_in_our_units() {
    let stand_in = StandIn::new();
    stand_in.say(QUERY, vector(&[("checkout", "0.25"), ("cart", "NaN"), ("ad", "+Inf")]));
    let samples = prometheus().look(&stand_in.http(), &clock()).await;
    assert_eq!(
        said(&samples),
        [
            "ad api_latency_ms unknown (not plausible: inf ms)",
            "cart api_latency_ms unknown (not plausible: NaN ms)",
            "checkout api_latency_ms 250 ms",
        ]
    );
    assert_eq!(health(&samples), "passing");
    assert_eq!(stand_in.asked(QUERY), ["query=slow%7Bx%3D%221%22%7D&timeout=10000ms"]);
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_is_unknown_and_never_the_number_of_before() {
    let good = vector(&[("checkout", "0.25")]);
    let half = good.split_at(good.len() / 2).0;
    let success = |rest: &str| format!("{{\"status\":\"success\",{rest}}}");
    let empty_vector = "\"data\":{\"resultType\":\"vector\",\"result\":[]}";
    let cases: [(u16, String, &str, &str); 14] = [
        (200, vector(&[]), "the answer does not have it", "passing"),
        (
            200,
            "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"no space\"}".into(),
            "it says internal: no space",
            "failing",
        ),
        (200, half.to_owned(), "not what was expected: EOF", "failing"),
        (200, "<html>sign in</html>".into(), "not what was expected", "failing"),
        (200, String::new(), "not what was expected", "failing"),
        (200, success("\"data\":null"), "has no `data`", "failing"),
        (
            200,
            success(&format!("\"warnings\":[\"remote read: timeout\"],{empty_vector}")),
            "may be partial: remote read: timeout",
            "failing",
        ),
        (200, success(&format!("\"isPartial\":true,{empty_vector}")), "is partial", "failing"),
        (
            200,
            success("\"data\":{\"resultType\":\"matrix\",\"result\":[]}"),
            "the query gives a matrix",
            "failing",
        ),
        (
            200,
            vector(&[("checkout", "1"), ("checkout", "2")]),
            "2 series are one target",
            "failing",
        ),
        (
            422,
            "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"too many\"}".into(),
            "HTTP 422: too many",
            "failing",
        ),
        (302, String::new(), "HTTP 302", "failing"),
        (401, "Unauthorized".into(), "HTTP 401", "failing"),
        (502, "Bad gateway".into(), "HTTP 502", "failing"),
    ];
    for (status, body, expected, own) in cases {
        let stand_in = StandIn::new();
        let (http, clock, mut source) = (stand_in.http(), clock(), prometheus());
        stand_in.say(QUERY, good.clone());
        assert_eq!(said(&source.look(&http, &clock).await), ["checkout api_latency_ms 250 ms"]);
        stand_in.answer(QUERY, status, body.clone(), &[], Millis(0));
        let samples = source.look(&http, &clock).await;
        let said = said(&samples);
        assert_eq!(said.len(), 1, "{body}: {said:?}");
        let begins = said[0].starts_with("checkout api_latency_ms unknown");
        assert!(begins && said[0].contains(expected), "{body}: {said:?}");
        assert_eq!(health(&samples), own, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_29_seconds_is_no_answer_and_the_breaker_opens() {
    let stand_in = StandIn::new();
    let (http, clock, mut source) = (stand_in.http(), clock(), prometheus());
    stand_in.say(QUERY, vector(&[("checkout", "0.25")]));
    source.look(&http, &clock).await;
    stand_in.answer(QUERY, 200, vector(&[("checkout", "9")]), &[], Millis::from_secs(29));
    for _ in 0..3 {
        let samples = source.look(&http, &clock).await;
        assert_eq!(samples[0].observation, Observation::Unknown(Unknown::TimedOut(Millis(10_000))));
        assert_eq!(health(&samples), "failing");
    }
    let samples = source.look(&http, &clock).await;
    assert_eq!(samples[0].observation, Observation::Unknown(Unknown::BreakerOpen));
    assert_eq!(stand_in.asked(QUERY).len(), 4, "an open breaker asks nothing");
    stand_in.say(QUERY, vector(&[("checkout", "0.5")]));
    tokio::time::sleep(Millis::from_secs(61).duration()).await;
    let samples = source.look(&http, &clock).await;
    assert_eq!(said(&samples), ["checkout api_latency_ms 500 ms"]);
    assert_eq!(source.state().up, Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_wants_to_be_left_alone_is() {
    let stand_in = StandIn::new();
    let (http, clock, mut source) = (stand_in.http(), clock(), prometheus());
    stand_in.answer(QUERY, 429, "slow down", &[("retry-after", "90")], Millis(0));
    let samples = source.look(&http, &clock).await;
    assert_eq!(said(&samples), [""; 0], "nobody knows yet whose number it would be");
    assert!(source.state().last_error.as_ref().unwrap().1.contains("HTTP 429"));
    assert!(health(&samples).contains("it wants to be left alone for 1 min 30 s"), "{samples:?}");
    stand_in.say(QUERY, vector(&[("checkout", "0.5")]));
    let samples = source.look(&http, &clock).await;
    assert!(health(&samples).contains("left alone for 1 min 30 s"), "{samples:?}");
    assert_eq!(stand_in.asked(QUERY).len(), 1);
    tokio::time::sleep(Millis::from_secs(90).duration()).await;
    let samples = source.look(&http, &clock).await;
    assert_eq!(said(&samples).last().unwrap(), "checkout api_latency_ms 500 ms");
}

/// A server that begins an answer and goes away.
async fn half_a_server() -> (std::net::SocketAddr, tokio::task::JoinSet<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":\"success\",";
            let _ = stream.write_all(head.as_bytes()).await;
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_no_answer() {
    let (address, _tasks) = half_a_server().await;
    let asked = asked("api_latency_ms", Given::Seconds, by_label("job"));
    let endpoint = Endpoint { url: format!("http://{address}"), headers: BTreeMap::new() };
    let query = Query { query: "up".to_owned(), asked };
    let kind = Prometheus { endpoint, queries: vec![query], backfill: Millis(0), alerts: false };
    let mut source = source(SourceKind::Prometheus(kind));
    let samples = source.look(&Http::net(), &Clock::System).await;
    assert!(source.state().last_error.is_some(), "{samples:?}");
    assert_eq!(health(&samples), "failing");
}

#[tokio::test(start_paused = true)]
async fn alerts_and_broken_rules_are_taken_over() {
    let stand_in = StandIn::new();
    let kind =
        Prometheus { endpoint: endpoint(), queries: Vec::new(), backfill: Millis(0), alerts: true };
    let mut source = source(SourceKind::Victoriametrics(kind));
    stand_in.say(
        "/api/v1/alerts",
        r#"{"status":"success","data":{"alerts":[
            {"activeAt":"2026-11-21T10:00:00.123456789Z","annotations":{"summary":"느림"},
             "labels":{"alertname":"Slow","service":"checkout","severity":"critical"},
             "state":"firing","value":"1e+00"},
            {"activeAt":"2026-11-21T10:00:00Z","annotations":{},"labels":{"alertname":"Soon"},
             "state":"pending","value":"1"}]}}"#,
    );
    stand_in.say(
        "/api/v1/rules?type=alert",
        r#"{"status":"success","data":{"groups":[{"name":"g","rules":[
            {"name":"Slow","health":"ok","type":"alerting"},
            {"name":"Broken","health":"err","lastError":"vector cannot contain","type":"alerting"}
        ]}]}}"#,
    );
    let samples = source.look(&stand_in.http(), &clock()).await;
    assert_eq!(said(&samples), ["prom rules_failing 1"]);
    assert_eq!(samples[0].detail.as_deref(), Some("Broken: vector cannot contain"));
    let alerts = source.alerts().unwrap();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].labels.get("alertname"), Some("Slow"));
    assert_eq!(alerts[0].starts_at.unwrap().as_second(), 1_795_255_200);
    assert_eq!(alerts[0].ends_at, None);
    stand_in.answer("/api/v1/alerts", 500, "", &[], Millis(0));
    source.look(&stand_in.http(), &clock()).await;
    assert!(source.alerts().is_none(), "what is not known has not ended");
}

#[tokio::test(start_paused = true)]
async fn the_past_is_asked_for_once() {
    let stand_in = StandIn::new();
    stand_in.say(
        "/api/v1/query_range",
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},
            "values":[[1799999940,"0.1"],[1799999970.5,"NaN"],[1800000000,"0.2"]]}]}}"#,
    );
    let asked = asked("api_latency_ms", Given::Seconds, by_label("job"));
    let mut source = source(SourceKind::Prometheus(Prometheus {
        endpoint: endpoint(),
        queries: vec![Query { query: "slow".to_owned(), asked }],
        backfill: Millis::from_secs(6 * 3_600),
        alerts: false,
    }));
    let past = source.history(&stand_in.http(), &clock()).await;
    assert_eq!(said(&past), ["a api_latency_ms 100 ms", "a api_latency_ms 200 ms"]);
    assert!(source.history(&stand_in.http(), &clock()).await.is_empty());
    let form = "query=slow&start=1799978400&end=1800000000&step=60";
    assert_eq!(stand_in.asked("/api/v1/query_range"), [form]);
}
