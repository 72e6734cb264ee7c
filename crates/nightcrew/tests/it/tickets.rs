//! A ticket's whole life: a real process dies and is healed, and a tracker that speaks Jira's API
//! shows it, over HTTP.

use nightcrew_runtime::process::read_child_pid_file;
use nightcrew_testkit::fake::{Jira, JiraIssue};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::crew::{Crew, QUIET_HOST};
use crate::stage::{Stage, until};

/// The configuration of a crew that keeps its tickets there; the proof takes long enough to be seen
/// as a review.
fn config(url: &str) -> String {
    format!(
        "{{ {QUIET_HOST},
           services: {{ cartservice: {{ start: {{ argv: ['sleep', '600'] }}, interval_ms: 60000 }} }},
           healing: {{ cooldown_ms: 1, verify: {{ consecutive_checks: 3, interval_ms: 1200 }} }},
           tickets: {{ jira: {{ type: 'jira', url: '{url}', email: 'crew@acme.example',
                               token: 'token', project: 'OPS', labels: ['auto-detected'] }} }} }}"
    )
}

/// Waits until the only issue was in these statuses, each with its comment.
fn walked(jira: &Jira, statuses: &[&str]) -> JiraIssue {
    until(&format!("{statuses:?}"), || {
        let issues = jira.issues();
        assert!(issues.len() <= 1, "{}", jira.transcript());
        let said = statuses.len() - 1;
        let is_there = |it: &JiraIssue| it.statuses == statuses && it.comments.len() >= said;
        issues.into_iter().find(is_there)
    })
}

#[test]
fn a_ticket_follows_its_incident_from_the_kill_to_the_proof_and_over_a_crash() {
    let runtime = Runtime::new().unwrap();
    let (url, jira) = runtime.block_on(Jira::start());
    let stage = Stage::new();
    let crew = Crew::up(&stage, &config(&url));
    // It did not run: starting it was the first repair.
    crew.until_healthy("cartservice");
    let life = ["To Do", "In Progress", "In Review", "Done"];
    let issue = walked(&jira, &life);
    println!("{}", jira.transcript());
    let said: Vec<String> = issue.comments.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:#?}");
    for part in ["INC-1", "restart_service cartservice", "proven by fresh samples"] {
        assert!(said[2].contains(part), "{part}: {said:#?}");
    }
    let description = issue.fields["description"].to_string();
    for part in ["Detected at", "cartservice", "process_status", "Recommended action"] {
        assert!(description.contains(part), "{part}: {description}");
    }

    // The crew is killed, then the service: the ticket is known, and opened again.
    crew.kill();
    let file = stage.path("data/run/cartservice.pid");
    let child = read_child_pid_file(&file).unwrap().expect("a process").pid;
    assert!(stage.signal(child, Signal::KILL));
    let crew = Crew::listening(&stage);
    // What is back soon after a proven repair is a person's; people see that in the same ticket.
    until("the same ticket, with a person", || {
        let issue = jira.issues().remove(0);
        let is_marked = issue.labels.iter().any(|label| label == "escalated");
        let is_said = issue.comments.last()?.to_string().contains("INC-1 is escalated");
        (issue.statuses.len() > life.len() && is_marked && is_said).then_some(())
    });
    assert_eq!(jira.issues().len(), 1, "{}", jira.transcript());
    assert_eq!(jira.refused(), [""; 0]);
    crew.stop();
    println!("{}", jira.transcript());
}
