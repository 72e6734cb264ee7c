//! Amazon `CloudWatch` and the Docker Engine, asked through stand-ins.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;

use nightcrew_config::settings::Secret;
use nightcrew_config::settings::source::{
    Cloudwatch, CloudwatchQuery, Docker, Given, ServiceOf, SourceKind,
};
use nightcrew_model::unit::Millis;
use nightcrew_observe::source::Source;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use serde_json::{Value, json};

use crate::sources::{StandIn, asked, clock, health, said, source};

fn cloudwatch(n: usize) -> Source {
    let query = |n: usize| CloudwatchQuery {
        namespace: "AWS/ApplicationELB".to_owned(),
        name: "TargetResponseTime".to_owned(),
        dimensions: BTreeMap::from([("LoadBalancer".to_owned(), format!("app/{n}"))]),
        statistic: "p99".to_owned(),
        period: Millis::from_secs(60),
        asked: asked("api_latency_ms", Given::Seconds, ServiceOf::Fixed(format!("s{n}").into())),
    };
    source(SourceKind::Cloudwatch(Cloudwatch {
        region: "ap-northeast-2".to_owned(),
        url: Some("http://aws.example".to_owned()),
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("비밀"),
        session_token: Some(Secret::new("session")),
        queries: (0..n).map(query).collect(),
    }))
}

/// An answer about one metric; the times are seconds from the start of the clock.
fn answer(status: &str, points: &[(f64, f64)]) -> Value {
    let times: Vec<f64> = points.iter().map(|(at, _)| 1.8e9 + at).collect();
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    json!({"Messages": [], "MetricDataResults": [{"Id": "q0", "Label": "x", "StatusCode": status,
        "Timestamps": times, "Values": values}]})
}

#[tokio::test(start_paused = true)]
async fn cloudwatch_tells_the_newest_whole_period_once() {
    let stand_in = StandIn::new();
    let points = [(-30.0, 9.0), (-120.0, 0.25), (-180.0, 0.5)];
    stand_in.say("/", answer("Complete", &points).to_string());
    let mut source = cloudwatch(1);
    let clock = clock();
    let samples = source.look(&stand_in.http(), &clock).await;
    assert_eq!(said(&samples), ["s0 api_latency_ms 250 ms"], "the period of now is not over");
    assert_eq!(samples[0].at.as_second(), 1_800_000_000 - 60, "as old as what it tells");
    let again = source.look(&stand_in.http(), &clock).await;
    assert_eq!(said(&again), Vec::<String>::new());
    assert_eq!(health(&again), "passing");
    let asked: Value = serde_json::from_str(&stand_in.asked("/")[0]).unwrap();
    assert_eq!(
        (&asked["EndTime"], &asked["StartTime"]),
        (&json!(1.8e9 as i64), &json!(1_799_998_980))
    );
    let stat = &asked["MetricDataQueries"][0]["MetricStat"];
    assert_eq!((&stat["Period"], &stat["Stat"]), (&json!(60), &json!("p99")));
    let dimensions = json!([{"Name": "LoadBalancer", "Value": "app/0"}]);
    assert_eq!(stat["Metric"]["Dimensions"], dimensions);
}

#[tokio::test(start_paused = true)]
async fn what_cloudwatch_does_not_know_wholly_is_unknown() {
    let stand_in = StandIn::new();
    for (body, why) in [
        (answer("PartialData", &[(-60.0, 1.0)]), "it says PartialData: it does not say why"),
        (answer("InternalError", &[]), "it says InternalError"),
        (answer("Forbidden", &[]), "it says Forbidden"),
        (answer("Complete", &[]), "the answer does not have it"),
        (answer("Complete", &[(0.0, 1.0)]), "the answer does not have it"),
        (json!({"MetricDataResults": []}), "leaves the metric out"),
        (json!({"Messages": [{"Code": "x", "Value": "한도"}]}), "it warns: 한도"),
    ] {
        stand_in.say("/", body.to_string());
        let samples = cloudwatch(1).look(&stand_in.http(), &clock()).await;
        let said = said(&samples).remove(0);
        assert!(said.starts_with("s0 api_latency_ms unknown") && said.contains(why), "{said}");
    }
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#;
    stand_in.answer("/", 400, denied, &[], Millis(0));
    let samples = cloudwatch(1).look(&stand_in.http(), &clock()).await;
    assert!(said(&samples)[0].contains("HTTP 400: AccessDeniedException: no"), "{samples:?}");
    stand_in.answer("/", 200, "{}", &[], Millis::from_secs(29));
    let samples = cloudwatch(1).look(&stand_in.http(), &clock()).await;
    assert!(said(&samples)[0].contains("no answer within 10 s"), "{samples:?}");
}

#[tokio::test(start_paused = true)]
async fn cloudwatch_is_left_alone_when_it_throttles() {
    let stand_in = StandIn::new();
    let throttled = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
    stand_in.answer("/", 400, throttled, &[], Millis(0));
    let mut source = cloudwatch(1);
    let clock = clock();
    source.look(&stand_in.http(), &clock).await;
    let resting = source.look(&stand_in.http(), &clock).await;
    assert!(health(&resting).contains("left alone for 1 min"), "{resting:?}");
    assert_eq!(stand_in.paths().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn pages_are_put_together_and_questions_split() {
    let stand_in = StandIn::new();
    let mut page = answer("PartialData", &[(-60.0, 0.1)]);
    page["NextToken"] = json!("weiter");
    stand_in.say("/", page.to_string());
    let samples = cloudwatch(1).look(&stand_in.http(), &clock()).await;
    assert!(said(&samples)[0].contains("more than 10 pages"), "{samples:?}");
    let asked = stand_in.asked("/");
    assert_eq!(asked.len(), 10);
    assert!(!asked[0].contains("NextToken") && asked[1].contains(r#""NextToken":"weiter""#));
    let stand_in = StandIn::new();
    stand_in.say("/", answer("Complete", &[(-60.0, 0.1)]).to_string());
    let samples = cloudwatch(501).look(&stand_in.http(), &clock()).await;
    assert_eq!(stand_in.asked("/").len(), 2, "500 metrics a request");
    assert_eq!(said(&samples)[500], "s500 api_latency_ms 100 ms", "the first of the second part");
}

fn docker() -> Source {
    let service_label = "com.docker.compose.service".to_owned();
    source(SourceKind::Docker(Docker { socket: "/none".into(), service_label }))
}

const LIST: &str = "/v1.41/containers/json";

fn listed(id: &str, service: Option<&str>) -> Value {
    let labels = service.map(|service| json!({"com.docker.compose.service": service}));
    json!({"Id": id, "Names": [format!("/shop-{id}-1")], "Labels": labels, "State": "running"})
}

fn inspect(stand_in: &StandIn, id: &str, state: &Value, policy: &str, restarts: u64) {
    let body = json!({"Id": id, "State": state, "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": policy, "MaximumRetryCount": 0}}});
    stand_in.say(&format!("/v1.41/containers/{id}/json"), body.to_string());
}

fn stats(stand_in: &StandIn, id: &str, cpu: u64) {
    let body = json!({
        "cpu_stats": {"cpu_usage": {"total_usage": cpu}, "online_cpus": 2},
        "memory_stats": {"usage": 300_000_000, "limit": 400_000_000,
            "stats": {"inactive_file": 100_000_000}},
    });
    stand_in.say(&format!("/v1.41/containers/{id}/stats"), body.to_string());
}

async fn look(source: &mut Source, stand_in: &StandIn, clock: &Clock) -> Vec<String> {
    said(&source.look(&stand_in.http(), clock).await)
}

#[tokio::test(start_paused = true)]
async fn containers_are_processes_with_health_cpu_memory_and_restarts() {
    let stand_in = StandIn::new();
    stand_in.say(LIST, json!([listed("web", Some("web"))]).to_string());
    let state = json!({"Status": "running", "OOMKilled": false, "ExitCode": 0,
        "Health": {"Status": "unhealthy", "Log": [{"Output": "거절됨\n"}]}});
    inspect(&stand_in, "web", &state, "always", 3);
    stats(&stand_in, "web", 5_000_000_000);
    let (mut source, clock) = (docker(), clock());
    let first = look(&mut source, &stand_in, &clock).await;
    assert_eq!(
        first,
        [
            "web process_status running",
            "web container_restarts 3",
            "web health_status failing",
            "web process_memory_mb 200 MB",
            "web container_memory 50 %",
        ]
    );
    tokio::time::advance(Millis::from_secs(10).duration()).await;
    stats(&stand_in, "web", 20_000_000_000);
    let second = look(&mut source, &stand_in, &clock).await;
    assert!(second.contains(&"web process_cpu 150 %".to_owned()), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ran_is_told_to_be_stopped_and_a_job_is_not() {
    let stand_in = StandIn::new();
    let list = [listed("web", Some("web")), listed("job", None), listed("db", Some("db"))];
    stand_in.say(LIST, json!(list).to_string());
    let ended = |code: i32, oom: bool| json!({"Status": "exited", "OOMKilled": oom, "ExitCode": code, "Error": ""});
    inspect(&stand_in, "web", &json!({"Status": "running"}), "no", 0);
    stats(&stand_in, "web", 1);
    inspect(&stand_in, "job", &ended(0, false), "no", 0);
    inspect(&stand_in, "db", &ended(137, true), "unless-stopped", 0);
    let (mut source, clock) = (docker(), clock());
    let samples = source.look(&stand_in.http(), &clock).await;
    let db = samples.iter().find(|sample| sample.target.to_string() == "db").unwrap();
    assert_eq!(db.observation.to_string(), "stopped");
    let detail = "container shop-db-1: exited with code 137, killed for lack of memory";
    assert_eq!(db.detail.as_deref(), Some(detail));
    assert!(said(&samples).iter().all(|line| !line.contains("job")), "{samples:?}");
    inspect(&stand_in, "web", &ended(1, false), "no", 0);
    let later = look(&mut source, &stand_in, &clock).await;
    assert_eq!(later[0], "web process_status stopped", "it was seen running");
    stand_in.say(LIST, json!([listed("db", Some("db"))]).to_string());
    let gone = look(&mut source, &stand_in, &clock).await;
    assert_eq!(gone.last().unwrap(), "web process_status unknown (the answer does not have it)");
}

#[tokio::test(start_paused = true)]
async fn several_containers_of_a_service_are_its_parts() {
    let stand_in = StandIn::new();
    let list = [listed("a", Some("web")), listed("b", Some("web"))];
    stand_in.say(LIST, json!(list).to_string());
    for id in ["a", "b"] {
        inspect(&stand_in, id, &json!({"Status": "paused"}), "always", 0);
    }
    let seen = look(&mut docker(), &stand_in, &clock()).await;
    assert_eq!(seen[0], "web:shop-a-1 process_status stopped");
    assert_eq!(seen[2], "web:shop-b-1 process_status stopped");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_makes_containers_unknown() {
    let stand_in = StandIn::new();
    stand_in.say(LIST, json!([listed("web", Some("web"))]).to_string());
    inspect(&stand_in, "web", &json!({"Status": "running"}), "always", 0);
    let (mut source, clock) = (docker(), clock());
    let first = look(&mut source, &stand_in, &clock).await;
    assert!(first.contains(&"web process_memory_mb unknown (HTTP 404)".to_owned()), "{first:?}");
    stand_in.answer(LIST, 500, r#"{"message":"고장"}"#, &[], Millis(0));
    let broken = look(&mut source, &stand_in, &clock).await;
    assert_eq!(broken, ["web process_status unknown (HTTP 500: 고장)"]);
    stand_in.answer(LIST, 200, "[]", &[], Millis::from_secs(29));
    let slow = source.look(&stand_in.http(), &clock).await;
    assert!(said(&slow)[0].contains("no answer within 10 s"), "{slow:?}");
    assert_eq!(health(&slow), "failing");
}

#[tokio::test]
async fn the_engine_is_asked_over_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let list = axum::routing::get(|uri: axum::http::Uri| async move {
        assert_eq!(uri.query(), Some("all=true"));
        axum::Json(json!([]))
    });
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let engine = axum::serve(listener, axum::Router::new().route(LIST, list));
    let service_label = "service".to_owned();
    let mut source = source(SourceKind::Docker(Docker { socket, service_label }));
    let (http, clock) = (Http::net(), Clock::System);
    let samples = tokio::select! {
        samples = source.look(&http, &clock) => samples,
        ended = engine.into_future() => panic!("{ended:?}"),
    };
    assert_eq!(health(&samples), "passing");
}
