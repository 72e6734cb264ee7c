//! Reloads, requests and waits.

use std::fs;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{any, get};
use nightcrew_act::executor::Executor;
use nightcrew_act::request::ANSWER_BYTES_MAX;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::{Reload, Service, Signal};
use nightcrew_model::argv::Argv;
use nightcrew_model::plan::{Action, Method, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

use crate::machine::service;
use crate::stage::{Stranger, act, act_within, gate, number, refusal, until};

fn reload(name: &str) -> Action {
    Action::ReloadService { service: name.into() }
}

#[tokio::test]
async fn a_reload_reaches_the_head_of_the_family_and_nobody_dies() {
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let body =
        "trap 'echo reloaded >> \"$1\"' USR1; : > \"$1.ready\"; while :; do sleep 0.02; done";
    let stranger = Stranger::script(body, &[said.to_str().unwrap()]);
    until("the process", || folder.path().join("said.ready").exists()).await;
    let found = stranger.service("web", folder.path());
    let web = Service { reload: Some(Reload::Signal(Signal::Usr1)), ..found.clone() };
    let deaf = Service { reload: Some(Reload::Signal(Signal::Hup)), name: "deaf".into(), ..found };
    let gate = gate(folder.path(), vec![web, deaf]);
    let outcome = act(&gate, &reload("web")).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    until("the reload", || fs::read_to_string(&said).is_ok_and(|text| text == "reloaded\n")).await;
    let outcome = act(&gate, &reload("deaf")).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("would die of it"), "{}", outcome.output);
    assert!(gate.judge(&reload("web")).class == RiskClass::Reversible);
}

#[test]
fn a_reload_goes_by_unit_or_by_a_command_that_the_grammar_knows() {
    let folder = tempfile::tempdir().unwrap();
    let command = |line: &str| Some(Reload::Command(Argv::parse(line).unwrap()));
    let gate = gate(
        folder.path(),
        vec![
            Service { reload: command("nginx -s reload"), ..service("nginx") },
            Service { reload: command("bash -c true"), ..service("shell") },
            Service {
                reload: Some(Reload::Unit),
                unit: Some("web.service".into()),
                ..service("web")
            },
            Service { reload: Some(Reload::Unit), ..service("lost") },
            service("none"),
        ],
    );
    assert_eq!(gate.judge(&reload("nginx")).rule, "nginx.reload");
    assert_eq!(gate.judge(&reload("web")).argv, ["systemctl", "reload", "web.service"]);
    assert!(refusal(&gate, &reload("shell")).contains("starts another program"));
    assert!(refusal(&gate, &reload("lost")).contains("services.lost.unit"));
    assert!(refusal(&gate, &reload("none")).contains("services.none.reload"));
    assert!(refusal(&gate, &reload("nobody")).contains("not a declared service"));
}

#[tokio::test]
async fn a_request_goes_to_a_declared_url_and_its_answer_decides() {
    let folder = tempfile::tempdir().unwrap();
    let long = "가".repeat(ANSWER_BYTES_MAX);
    let server = Router::new()
        .route("/pool/reset", any(|| async { "pool reset" }))
        .route("/long", get(|| async { long }))
        .route("/broken", any(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/elsewhere", any(|| async { Redirect::temporary("http://169.254.169.254/") }));
    let url = |path: &str| format!("http://127.0.0.1:9{path}");
    let actions = ["/pool/reset", "/long", "/broken", "/elsewhere"].map(url).to_vec();
    let gate = gate(folder.path(), vec![Service { http_actions: actions, ..service("web") }]);
    let around = Surroundings { http: Http::Fake(server), ..Surroundings::new(Clock::System) };
    let send = async |method, path: &str| {
        let action = Action::Request { method, url: url(path) };
        act_within(&gate, &action, Millis::from_secs(5), &around).await
    };
    let outcome = send(Method::Post, "/pool/reset").await;
    assert_eq!(outcome.status, StepStatus::Succeeded);
    assert_eq!(outcome.output, "200 OK pool reset");
    assert_eq!(number(&outcome, "status"), Some(200.0));
    assert!(send(Method::Get, "/long").await.output.len() < 2 * ANSWER_BYTES_MAX);
    assert_eq!(send(Method::Post, "/broken").await.status, StepStatus::Failed);
    let outcome = send(Method::Get, "/elsewhere").await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("redirects are not followed"));
}

#[test]
fn only_the_declared_url_letter_by_letter_and_the_method_says_what_it_can_cost() {
    let folder = tempfile::tempdir().unwrap();
    let declared = "http://127.0.0.1:8080/pool/reset";
    let actions = vec![declared.to_owned(), "file:///etc/passwd".to_owned()];
    let gate = gate(folder.path(), vec![Service { http_actions: actions, ..service("web") }]);
    let judge = |method, url: &str| gate.judge(&Action::Request { method, url: url.to_owned() });
    for (method, class) in [
        (Method::Get, RiskClass::Reversible),
        (Method::Post, RiskClass::Reversible),
        (Method::Put, RiskClass::Disruptive),
        (Method::Delete, RiskClass::Disruptive),
    ] {
        let verdict = judge(method, declared);
        assert_eq!((verdict.verdict, verdict.class), (Ruling::Admitted, class));
    }
    for url in [
        "http://127.0.0.1:8080/pool/reset/",
        "http://127.0.0.1:8080/pool/reset?x=1",
        "http://127.0.0.1:8080/pool/reset#x",
        "http://127.0.0.1:8080/pool/%72eset",
        "HTTP://127.0.0.1:8080/pool/reset",
        "http://127.0.0.1:8080/pool/reset\0.ok.com",
        "http://127.0.0.1:8080/pool/reset\r\nX: y",
        "http://127.0.0.1:8080@evil/pool/reset",
        "file:///etc/passwd",
        "",
    ] {
        assert_eq!(judge(Method::Get, url).verdict, Ruling::Refused, "{url:?}");
    }
}

#[tokio::test]
async fn a_wait_waits_within_its_limits_and_a_dry_run_waits_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let gate = gate(folder.path(), Vec::new());
    let wait = |millis| Action::Wait { duration: Millis(millis) };
    let around = Surroundings::new(Clock::System);
    let outcome = act_within(&gate, &wait(20), Millis::from_secs(5), &around).await;
    assert_eq!(outcome.status, StepStatus::Succeeded);
    let outcome = act_within(&gate, &wait(60_000), Millis(20), &around).await;
    assert_eq!(outcome.status, StepStatus::TimedOut);
    let admitted = gate.admit(&wait(500_000), Clock::System.now()).admitted.unwrap();
    let outcome = Executor::DryRun.execute(admitted, Millis::from_secs(500), &around).await;
    assert_eq!(outcome.status, StepStatus::Shown);
    assert!(refusal(&gate, &wait(600_000)).contains("action_timeout_max"));
}
