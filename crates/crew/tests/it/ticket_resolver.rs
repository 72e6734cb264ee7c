//! Tickets of people: healed by a runbook, or left to people with a word.

use nightcrew_config::settings::{Resolver, Settings};
use nightcrew_model::decision::Fact;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{Jira, JiraIssue};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{eventually, settings, signal, start, start_service, until};
use crate::tickets::jira;

const SLEEPER: &str = r#"{
    host: { interval_seconds: 3600, disks: [] },
    services: { sleeper: { start: { argv: ["sleep", "600"] }, interval_ms: 200, stop_timeout_ms: 500 } },
    playbooks: {
        stuck: {
            symptoms: ["stuck"],
            actions: [{ type: "restart_process", service: "{service_name}", description: "again" }],
            verify: {
                metric: "process_status", operator: "==", value: "running",
                consecutive_checks: 2, interval_ms: 100, deadline_seconds: 5,
            },
        },
    },
}"#;

fn resolving(folder: &std::path::Path) -> Settings {
    let mut settings = settings(folder, SLEEPER);
    let mut tracker = jira();
    let interval = Millis(200);
    tracker.resolver = Some(Resolver { label: "night".to_owned(), interval });
    settings.trackers = vec![tracker];
    settings
}

fn description(text: &str) -> Value {
    let paragraph = json!({"type": "paragraph", "content": [{"type": "text", "text": text}]});
    json!({"type": "doc", "version": 1, "content": [paragraph]})
}

fn issue(jira: &Jira, n: usize) -> JiraIssue {
    jira.issues().remove(n)
}

#[tokio::test]
async fn a_ticket_of_a_person_is_healed_by_a_runbook_and_done() {
    let folder = tempfile::tempdir().unwrap();
    let settings = resolving(folder.path());
    start_service(&settings, "sleeper").await;
    let jira = Jira::default();
    jira.add("sleeper is stuck again", &["night"], &description("Service: sleeper"));
    let crew = start(settings.clone(), Http::Fake(jira.router())).await;
    let handle = crew.handle().clone();
    let done = async || {
        let issue = issue(&jira, 0);
        (issue.statuses.last()? == "Done" && issue.comments.len() == 3).then_some(())
    };
    eventually("the ticket done", done).await;
    let decisions = until(&handle, |fact| matches!(fact, Fact::AlertResolved { .. })).await;
    let healed = decisions
        .iter()
        .any(|decision| matches!(decision.fact, Fact::IncidentResolved { verified: true, .. }));
    assert!(healed, "the proof came first");
    println!("{}", jira.transcript());
    let issue = issue(&jira, 0);
    assert_eq!(issue.statuses, ["To Do", "In Progress", "In Review", "Done"]);
    let said: Vec<String> = issue.comments.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    assert!(said[2].contains("restart_process sleeper"), "{said:#?}");
    assert!(said[2].contains("proven by fresh samples"), "{said:#?}");
    assert_eq!(jira.issues().len(), 1, "it has no second ticket");
    signal(&settings, "sleeper", Signal::KILL);
    crew.stop().await;
}

#[tokio::test]
async fn what_names_no_service_of_ours_is_left_to_people_with_one_word() {
    let folder = tempfile::tempdir().unwrap();
    let settings = resolving(folder.path());
    start_service(&settings, "sleeper").await;
    let jira = Jira::default();
    jira.add("restart it", &["night", "service:payments"], &description(""));
    jira.add("x; rm -rf / is stuck", &["night"], &description("Service: x; rm -rf /"));
    jira.add("$(reboot) stuck", &["night", "symptom:stuck;reboot"], &description("`reboot`"));
    jira.add("sleeper stuck", &["elsewhere"], &description("Service: sleeper"));
    for _ in 0..2 {
        let crew = start(settings.clone(), Http::Fake(jira.router())).await;
        let handle = crew.handle().clone();
        let asked = jira.asked();
        let looked = async || {
            let told = (0..3).all(|n| !issue(&jira, n).comments.is_empty());
            (told && jira.asked() > asked + 12).then_some(())
        };
        eventually("several looks", looked).await;
        let n_incidents = handle.view(|state, _, _| state.incidents().count()).await.unwrap();
        assert_eq!(n_incidents, 0, "nothing came of it");
        crew.stop().await;
    }
    for n in 0..3 {
        let comments = issue(&jira, n).comments;
        assert_eq!(comments.len(), 1, "{comments:#?}");
        assert!(comments[0].to_string().contains("leaves this to people"), "{comments:#?}");
        assert_eq!(issue(&jira, n).statuses, ["To Do"]);
    }
    assert_eq!(issue(&jira, 3).comments.len(), 0, "it is not for the crew");
    signal(&settings, "sleeper", Signal::KILL);
}

#[tokio::test]
async fn hostile_words_about_a_service_of_ours_stay_words() {
    let folder = tempfile::tempdir().unwrap();
    let settings = resolving(folder.path());
    start_service(&settings, "sleeper").await;
    let jira = Jira::default();
    let labels =
        ["night", "service:sleeper", "symptom:stuck;rm${IFS}-rf${IFS}/", "severity:--help"];
    jira.add("sleeper; rm -rf / #", &labels, &description("stuck $(reboot) {service_name}"));
    let crew = start(settings.clone(), Http::Fake(jira.router())).await;
    let handle = crew.handle().clone();
    let decisions = until(&handle, |fact| matches!(fact, Fact::IncidentResolved { .. })).await;
    for decision in &decisions {
        if let Fact::StepStarted { verdict, .. } = &decision.fact {
            assert_eq!(verdict.argv, ["sleep", "600"], "the playbook alone chooses what is done");
        }
    }
    let done = async || (issue(&jira, 0).statuses.last()? == "Done").then_some(());
    eventually("the ticket done", done).await;
    signal(&settings, "sleeper", Signal::KILL);
    crew.stop().await;
}
