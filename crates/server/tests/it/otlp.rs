//! `POST /v1/metrics`, `/v1/logs` and `/v1/traces`.

use std::io::Write as _;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::FutureExt as _;
use nightcrew_model::sample::Observation;
use nightcrew_server::limit::{TELEMETRY_BODY_BYTES_MAX, TELEMETRY_JSON_BYTES_MAX};
use serde_json::{Value, json};

use crate::outpost::{Answer, Outpost, soon};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/x-protobuf";

async fn send(
    outpost: &Outpost,
    path: &str,
    content_type: &str,
    coding: Option<&str>,
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::post(path).header("host", "localhost:7979");
    request = request.header("content-type", content_type);
    if let Some(coding) = coding {
        request = request.header("content-encoding", coding);
    }
    outpost.send(request.body(body.into()).unwrap()).await
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn resource(service: &str) -> Value {
    json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]})
}

fn gauge(service: &str, metric: &str, value: f64) -> String {
    json!({"resourceMetrics": [{"resource": resource(service), "scopeMetrics": [{"metrics": [
        {"name": metric, "unit": "%", "gauge": {"dataPoints": [{"asDouble": value}]}}]}]}]})
    .to_string()
}

#[tokio::test]
async fn a_metric_that_a_service_sends_is_a_sample_of_the_crew() {
    let outpost = Outpost::start().await;
    for (path, coding) in [("/v1/metrics", None), ("/otlp/v1/metrics", Some("gzip"))] {
        let body = gauge("결제", &format!("pool{}", path.len()), 71.5);
        let body = if coding.is_some() { packed(body.as_bytes()) } else { body.into_bytes() };
        let answer = send(&outpost, path, JSON, coding, body).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "{}"));
        assert_eq!(answer.header("content-type"), JSON);
    }
    let seen = async {
        loop {
            let latest = outpost.handle().latest();
            let pools = latest.iter().filter(|sample| sample.metric.as_str().starts_with("pool"));
            let pools: Vec<String> =
                pools.map(|sample| format!("{} {}", sample.target, sample.observation)).collect();
            if pools.len() == 2 {
                return pools;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(soon("the samples", seen).await, ["결제 71.5 %", "결제 71.5 %"]);
    outpost.stop().await;
}

#[tokio::test]
async fn what_is_rejected_is_told_as_a_partial_success() {
    let outpost = Outpost::start().await;
    let answer = send(&outpost, "/v1/metrics", JSON, None, gauge("host", "x", 1.0)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let partial = &answer.json()["partialSuccess"];
    assert_eq!(partial["rejectedDataPoints"], "1");
    assert!(partial["errorMessage"].as_str().unwrap().contains("stands for this machine"));
    let taken = gauge("a", "health_status", 1.0);
    let answer = send(&outpost, "/v1/metrics", JSON, None, taken).await;
    let why = answer.json()["partialSuccess"]["errorMessage"].to_string();
    assert!(why.contains("name it differently"), "{why}");
    let text = outpost.get("/metrics").await.text;
    assert!(text.contains("\nnightcrew_telemetry_rejected_total 2\n"), "{text}");
    outpost.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_encoding_of_the_request() {
    let outpost = Outpost::start().await;
    let refused = async |content_type, coding, body: Vec<u8>| {
        let answer = send(&outpost, "/v1/traces", content_type, coding, body).await;
        (answer.status.as_u16(), answer.text)
    };
    let (status, text) = refused(JSON, None, b"{".to_vec()).await;
    let message: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 400);
    assert!(message["message"].as_str().unwrap().starts_with("the body is not JSON"), "{text}");
    let (status, text) = refused(PROTOBUF, None, b"\x0a\x7f".to_vec()).await;
    assert_eq!(status, 400);
    assert!(text.starts_with('\u{12}') && text.contains("ends in the middle"), "{text}");
    assert_eq!(refused("text/plain", None, Vec::new()).await.0, 415);
    assert_eq!(refused(JSON, Some("br"), b"{}".to_vec()).await.0, 415);
    assert_eq!(refused(JSON, Some("gzip"), b"{}".to_vec()).await.0, 400);
    assert_eq!(refused(JSON, Some("identity"), b"{}".to_vec()).await, (200, "{}".to_owned()));
    assert_eq!(refused(PROTOBUF, None, Vec::new()).await, (200, String::new()));
    outpost.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_as_they_are_sent_and_as_they_are_unpacked() {
    let outpost = Outpost::start().await;
    let status = async |content_type, coding, body: Vec<u8>| {
        send(&outpost, "/v1/logs", content_type, coding, body).await.status.as_u16()
    };
    assert_eq!(status(PROTOBUF, None, vec![0; TELEMETRY_BODY_BYTES_MAX + 1]).await, 413);
    let bomb = packed(&vec![0; TELEMETRY_BODY_BYTES_MAX + 1]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(status(PROTOBUF, Some("gzip"), bomb).await, 413);
    let spaces = packed(&vec![b' '; TELEMETRY_JSON_BYTES_MAX + 1]);
    assert_eq!(status(JSON, Some("gzip"), spaces).await, 413);
    outpost.stop().await;
}

fn logs(n: usize, body: &str) -> String {
    let records = vec![json!({"severityNumber": 17, "body": {"stringValue": body}}); n];
    json!({"resourceLogs": [{"resource": resource("결제"), "scopeLogs": [{"logRecords": records}]}]})
        .to_string()
}

#[tokio::test]
async fn log_lines_wait_for_their_reader_and_too_many_are_refused() {
    let outpost = Outpost::start().await;
    let send = |body: String| send(&outpost, "/v1/logs", JSON, None, body);
    assert_eq!(send(logs(1, "아무도 읽지 않음")).await.status, StatusCode::OK);
    let read = || outpost.handle().log_lines();
    assert_eq!(read().now_or_never(), None, "nothing was kept for nobody");
    assert_eq!(send(logs(2, "연결이 끊겼습니다")).await.status, StatusCode::OK);
    let lines = soon("the lines", read()).await;
    let bodies: Vec<_> = lines.iter().map(|line| line.body.as_str()).collect();
    assert_eq!(bodies, ["연결이 끊겼습니다"; 2]);
    // Twice 10,000 fit.
    for _ in 0..2 {
        assert_eq!(send(logs(10_000, "x")).await.status, StatusCode::OK);
    }
    let full = send(logs(1, "x")).await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(full.header("retry-after"), "1");
    assert_eq!(soon("the lines", read()).await.len(), 20_000);
    assert_eq!(send(logs(1, "x")).await.status, StatusCode::OK);
    outpost.stop().await;
}

#[tokio::test]
async fn spans_teach_who_calls_whom_and_how_services_do() {
    let outpost = Outpost::start().await;
    let span = |span: u8, parent: &str, kind: u8, code: u8| {
        json!({"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": format!("{span:016x}"),
            "parentSpanId": parent, "kind": kind, "status": {"code": code},
            "startTimeUnixNano": "1795230000000000000", "endTimeUnixNano": "1795230000250000000"})
    };
    let of = |service: &str, spans: Value| json!({"resource": resource(service), "scopeSpans": [{"spans": spans}]});
    let body = json!({"resourceSpans": [
        of("web", json!([span(1, "", 2, 0), span(2, "0000000000000001", 3, 0)])),
        of("결제", json!([span(3, "0000000000000002", 2, 2)])),
    ]});
    let answer = send(&outpost, "/v1/traces", JSON, None, body.to_string()).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "{}"));
    let calls = outpost.handle().learned_calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((call.edge.caller.as_str(), call.edge.callee.as_str()), ("web", "결제"));
    let bad = json!({"resourceSpans": [of("web", json!([{"spanId": "01"}]))]});
    let answer = send(&outpost, "/v1/traces", JSON, None, bad.to_string()).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
    let known = outpost.handle().latest();
    assert!(known.iter().all(|sample| !matches!(&sample.observation, Observation::Unknown(_))));
    outpost.stop().await;
}
