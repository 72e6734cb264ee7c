use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use jiff::SignedDuration;
use nightcrew_config::settings::{Breaker, Check, Probe};
use nightcrew_model::catalogue::{API_LATENCY_MS, HEALTH_STATUS, SSL_EXPIRES_IN_DAYS};
use nightcrew_model::sample::{Observation, Unknown};
use nightcrew_observe::check::{BadCheck, CheckProbe};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::{Http, RESPONSE_BYTES_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fixture::{check, checks, http, network, of, said, service, value};

const CLOCK: Clock = Clock::System;

/// A server of the test; it ends when the set is dropped.
async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, tasks)
}

/// A server that answers each connection with these bytes, then closes it.
async fn answer_with(bytes: &'static [u8]) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1_024];
            let _read = stream.read(&mut request).await;
            stream.write_all(bytes).await.ok();
        }
    });
    (url, tasks)
}

/// An address on which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}

async fn ask(check: Check) -> (String, String) {
    let samples = checks(vec![check]).look(&network(), &CLOCK).await;
    said(&samples, HEALTH_STATUS)
}

fn failing(words: &str) -> (String, String) {
    ("failing".into(), words.into())
}

fn expecting(url: String, expect_status: &[u16], expect_body: Option<&str>) -> Check {
    let probe = Probe::Http {
        url,
        expect_status: expect_status.to_vec(),
        expect_body: expect_body.map(str::to_owned),
    };
    check(probe, 5_000)
}

fn pages() -> Router {
    Router::new()
        .route("/", get(|| async { "상태: 정상\n" }))
        .route("/500", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/302", get(|| async { (StatusCode::FOUND, [("location", "/500")]) }))
        .route("/huge", get(|| async { "x".repeat(RESPONSE_BYTES_MAX + 1) + "끝" }))
        .route("/never", get(std::future::pending::<String>))
}

#[tokio::test]
async fn a_good_answer_passes_with_its_latency() {
    let (url, _server) = serve(pages()).await;
    let mut checks = checks(vec![http(format!("{url}/"), 5_000)]);
    let before = CLOCK.now();
    let samples = checks.next(&network(), &CLOCK).await;
    assert_eq!(said(&samples, HEALTH_STATUS), ("passing".into(), "HTTP 200".into()));
    assert!(value(&samples, API_LATENCY_MS) > 0.0);
    assert!(of(&samples, SSL_EXPIRES_IN_DAYS).is_none());
    assert!(samples.iter().all(|sample| before <= sample.at && sample.at <= CLOCK.now()));
}

#[tokio::test]
async fn status_and_body_decide() {
    let (url, _server) = serve(pages()).await;
    let at = |path: &str| format!("{url}{path}");
    let passing = |words: &str| ("passing".to_owned(), words.to_owned());
    assert_eq!(ask(http(at("/500"), 5_000)).await, failing("HTTP 500"));
    assert_eq!(ask(http(at("/302"), 5_000)).await, passing("HTTP 302"));
    assert_eq!(ask(expecting(at("/"), &[204], None)).await, failing("HTTP 200"));
    assert_eq!(ask(expecting(at("/500"), &[500], None)).await, passing("HTTP 500"));
    assert_eq!(ask(expecting(at("/"), &[], Some("정상"))).await, passing("HTTP 200"));
    assert_eq!(
        ask(expecting(at("/"), &[], Some("^점검"))).await,
        failing("body does not match /^점검/")
    );
    assert_eq!(
        ask(expecting(at("/huge"), &[], Some("끝"))).await,
        failing("the beginning of the body does not match /끝/")
    );
}

#[tokio::test]
async fn no_whole_answer_fails_and_has_no_latency() {
    let (url, _server) = serve(pages()).await;
    let mut hanging = checks(vec![http(format!("{url}/never"), 50)]);
    let samples = hanging.look(&network(), &CLOCK).await;
    assert_eq!(said(&samples, HEALTH_STATUS), failing("no answer within 50 ms"));
    let latency = &of(&samples, API_LATENCY_MS).unwrap().observation;
    assert!(matches!(latency, Observation::Unknown(Unknown::Failed(_))), "{latency}");

    let (url, _server) = answer_with(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let (status, words) = ask(http(url, 5_000)).await;
    assert_eq!(status, "failing", "{words}");
    let (url, _server) = answer_with(b"SSH-2.0-OpenSSH_9.2\r\n").await;
    let (status, words) = ask(http(url, 5_000)).await;
    assert_eq!(status, "failing", "{words}");
    let refused = ask(http(format!("http://{}", nobody().await), 5_000)).await;
    assert_eq!(refused, failing("connection refused"));
}

#[tokio::test]
async fn a_service_that_is_down_is_asked_on() {
    let url = format!("http://{}/", nobody().await);
    let mut checks = checks(vec![http(url, 5_000)]);
    for _ in 0..10 {
        let samples = checks.look(&network(), &CLOCK).await;
        assert_eq!(said(&samples, HEALTH_STATUS), failing("connection refused"));
    }
}

fn tcp(address: String) -> Check {
    check(Probe::Tcp { address }, 5_000)
}

#[tokio::test]
async fn a_tcp_check_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // `localhost` may stand for ::1 first, where nobody listens.
    let samples = checks(vec![tcp(format!("localhost:{port}"))]).look(&network(), &CLOCK).await;
    assert_eq!(said(&samples, HEALTH_STATUS), ("passing".into(), "connected".into()));
    assert!(value(&samples, API_LATENCY_MS) > 0.0);
    assert_eq!(ask(tcp(nobody().await)).await, failing("connection refused"));
}

#[tokio::test]
async fn the_worst_check_decides_and_is_named() {
    let (url, _server) = serve(pages()).await;
    let dead = nobody().await;
    let mut checks = checks(vec![http(format!("{url}/?key=secret"), 5_000), tcp(dead.clone())]);
    let samples = checks.next(&network(), &CLOCK).await;
    let expected = format!("check 2 of 2, TCP {dead}: connection refused");
    assert_eq!(said(&samples, HEALTH_STATUS), failing(&expected));
    let health = samples.iter().filter(|sample| sample.metric.as_str() == HEALTH_STATUS);
    assert_eq!(health.count(), 1, "two would flap");
    let latency = &of(&samples, API_LATENCY_MS).unwrap().observation;
    assert!(matches!(latency, Observation::Unknown(_)), "{latency}");
    assert!(!format!("{samples:?}").contains("secret"));
}

/// The same service twice, checked at different intervals.
fn two_speeds(url: &str) -> Vec<Check> {
    [(200, "/a"), (3_600_000, "/b")]
        .map(|(interval, path)| {
            let mut check = http(format!("{url}{path}"), 5_000);
            check.interval = nightcrew_model::unit::Millis(interval);
            check
        })
        .to_vec()
}

#[tokio::test]
async fn passing_is_as_old_as_its_oldest_answer_and_a_change_asks_all_again() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    let (broken, asked_b) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (of_a, of_b) = (Arc::clone(&broken), Arc::clone(&asked_b));
    let router = Router::new()
        .route(
            "/a",
            get(move || {
                let broken = of_a.load(Ordering::SeqCst);
                async move { if broken { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK } }
            }),
        )
        .route(
            "/b",
            get(move || {
                of_b.fetch_add(1, Ordering::SeqCst);
                async { StatusCode::OK }
            }),
        );
    let http = Http::Fake(router);
    let mut checks = checks(two_speeds("http://결제"));
    let first = checks.next(&http, &CLOCK).await;
    let second = checks.next(&http, &CLOCK).await;
    assert_eq!(said(&second, HEALTH_STATUS).0, "passing");
    let later = second[0].at.duration_since(first[0].at);
    assert!(later < SignedDuration::from_millis(200), "b was asked again: {later}");
    assert_eq!(asked_b.load(Ordering::SeqCst), 1);

    broken.store(true, Ordering::SeqCst);
    let third = checks.next(&http, &CLOCK).await;
    assert_eq!(said(&third, HEALTH_STATUS).0, "failing");
    assert!(third[0].at > second[0].at);
    assert_eq!(asked_b.load(Ordering::SeqCst), 2);

    broken.store(false, Ordering::SeqCst);
    let fourth = checks.next(&http, &CLOCK).await;
    assert_eq!(said(&fourth, HEALTH_STATUS).0, "passing");
    assert!(fourth[0].at > third[0].at, "recovery rests on fresh answers of both");
    assert_eq!(asked_b.load(Ordering::SeqCst), 3);
}

#[test]
fn checks_that_cannot_be_made_are_refused() {
    let probe = |probe: Probe| CheckProbe::new(&check(probe, 1), Breaker::default()).unwrap_err();
    for url in ["", "127.0.0.1:80", "ftp://x/", "http://"] {
        let error = CheckProbe::new(&http(url.into(), 1), Breaker::default()).unwrap_err();
        assert!(matches!(error, BadCheck::Url), "{url}");
    }
    for address in ["", "localhost", "localhost:", "localhost:0", "a:99999"] {
        let error = probe(Probe::Tcp { address: address.into() });
        assert!(matches!(error, BadCheck::Address(_)), "{address}");
    }
    let error = CheckProbe::new(&expecting("http://x/".into(), &[], Some("(")), Breaker::default());
    assert!(matches!(error.unwrap_err(), BadCheck::Pattern(_)));
    let none = nightcrew_observe::service_checks::ServiceChecks::new(
        &service(None, Vec::new()),
        Breaker::default(),
    );
    assert!(none.unwrap().is_none());
}

#[tokio::test]
async fn a_slow_answer_is_still_an_answer() {
    const DELAY_MS: u64 = 60;
    let slow = get(|| async {
        tokio::time::sleep(Duration::from_millis(DELAY_MS)).await;
        "늦음"
    });
    let (url, _server) = serve(Router::new().route("/", slow)).await;
    let samples = checks(vec![http(url, 5_000)]).look(&network(), &CLOCK).await;
    assert_eq!(said(&samples, HEALTH_STATUS).0, "passing");
    assert!(value(&samples, API_LATENCY_MS) >= 60.0);
}
