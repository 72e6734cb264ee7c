//! Tickets that are issues of GitHub and GitLab.

use std::time::Duration;

use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::Undone;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{GithubIssues, Gitlab, Mode};
use serde_json::json;

use crate::ticket_fixture::{client, drafted, github, gitlab, said};

const WALK: [Stage; 4] = [Stage::InProgress, Stage::Escalated, Stage::InReview, Stage::Done];

#[tokio::test]
async fn an_issue_of_github_lives_from_to_do_to_closed_and_again() {
    let fake = GithubIssues::default();
    let (tracker, http) = (github(), Http::Fake(fake.router()));
    let github = client(&tracker, &http);
    let draft = drafted(&tracker, 42);
    let made = github.open(&draft).await.unwrap();
    assert_eq!(made.key.as_str(), "acme/ops#1");
    assert_eq!(made.left_out, Vec::<String>::new());
    for stage in WALK {
        github.move_to(&made.key, stage).await.unwrap();
        github
            .comment(&made.key, &said(stage, "@all closes #1", &["```"]), Sending::First)
            .await
            .unwrap();
    }
    println!("{}", fake.transcript());
    let issue = fake.issues().remove(0);
    let state = [&issue["state"], &issue["state_reason"]];
    assert_eq!(state, [&json!("closed"), &json!("completed")]);
    let labels: Vec<_> = issue["labels"].as_array().unwrap().iter().map(|l| &l["name"]).collect();
    assert_eq!(labels, ["auto-detected", "ops-monitor", draft.label.as_str(), "status: done"]);
    assert_eq!(issue["comments_sent"].as_array().unwrap().len(), 4);
    assert!(!issue["comments_sent"].to_string().contains("@all"));

    github.reopen(&made.key).await.unwrap();
    assert_eq!(fake.issues()[0]["state"], "open");
    let again = github.look_again(&draft.label, Millis(0)).await.unwrap().unwrap();
    assert!(again.found && again.key == made.key);
    assert_eq!(fake.issues().len(), 1);
}

#[tokio::test]
async fn an_issue_of_gitlab_lives_from_to_do_to_closed_and_again() {
    let fake = Gitlab::default();
    let (tracker, http) = (gitlab(), Http::Fake(fake.router()));
    let gitlab = client(&tracker, &http);
    let draft = drafted(&tracker, 42);
    let made = gitlab.open(&draft).await.unwrap();
    for stage in WALK {
        gitlab.move_to(&made.key, stage).await.unwrap();
        gitlab
            .comment(&made.key, &said(stage, "/close", &["/close"]), Sending::First)
            .await
            .unwrap();
    }
    gitlab.move_to(&made.key, Stage::Done).await.unwrap();
    println!("{}", fake.transcript());
    let issue = fake.issues().remove(0);
    assert_eq!(issue["state"], "closed");
    assert_eq!(issue["notes_sent"].as_array().unwrap().len(), 4);
    assert!(issue["labels"].as_array().unwrap().contains(&json!("status: done")));
    gitlab.reopen(&made.key).await.unwrap();
    assert_eq!(fake.issues()[0]["state"], "opened");
    let again = gitlab.look_again(&draft.label, Millis(0)).await.unwrap().unwrap();
    assert!(again.found && again.key == made.key);
    assert_eq!(fake.refused(), Vec::<String>::new());
    assert!(fake.transcript().contains("/api/v4/projects/acme%2Fops/issues"));
}

#[tokio::test]
async fn a_limit_is_waited_for_and_a_refusal_is_said() {
    let (fake, tracker) = (GithubIssues::default(), github());
    let http = Http::Fake(fake.router());
    let draft = drafted(&tracker, 42);
    fake.fail_with(Mode::RateLimited { after: Duration::from_secs(60) });
    let limited = client(&tracker, &http).open(&draft).await.unwrap_err();
    assert!(matches!(limited, Undone::Retry { after: Some(Millis(60_000)), .. }), "{limited:?}");
    fake.fail_with(Mode::ErrorBody);
    let refused = client(&tracker, &http).open(&draft).await.unwrap_err();
    assert!(refused.error().contains("Issues are disabled"), "{refused}");

    let (fake, tracker) = (Gitlab::default(), gitlab());
    let http = Http::Fake(fake.router());
    fake.fail_with(Mode::RateLimited { after: Duration::from_secs(60) });
    let limited = client(&tracker, &http).open(&draft).await.unwrap_err();
    assert!(matches!(limited, Undone::Retry { after: Some(Millis(60_000)), .. }), "{limited:?}");
    fake.fail_with(Mode::ErrorBody);
    let refused = client(&tracker, &http).open(&draft).await.unwrap_err();
    assert!(matches!(refused, Undone::Permanent { .. }), "{refused}");
}

#[tokio::test]
async fn open_issues_of_people_are_found() {
    let fake = GithubIssues::default();
    let (mut tracker, http) = (github(), Http::Fake(fake.router()));
    tracker.labels = vec!["auto-heal".into()];
    let github = client(&tracker, &http);
    for n in 0..3 {
        github.open(&drafted(&tracker, n)).await.unwrap();
    }
    github.move_to(&"acme/ops#2".into(), Stage::Done).await.unwrap();
    let now = "2026-02-11T05:30:00Z".parse().unwrap();
    let found = github.search_open("auto-heal", now, now).await.unwrap();
    let keys: Vec<&str> = found.iter().map(|ticket| ticket.key.as_str()).collect();
    assert_eq!(keys, ["acme/ops#3", "acme/ops#1"]);
    let other = github.move_to(&"acme/other#1".into(), Stage::Done).await.unwrap_err();
    assert!(matches!(other, Undone::Permanent { .. }), "{other}");
}
