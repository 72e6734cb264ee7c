//! Whatever a tracker answers, a try ends by itself, says what it means and gives no secret away.

use axum::Router;
use axum::http::StatusCode;
use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::Undone;
use nightcrew_config::settings::{JiraFlavour, Secret, Tracker, TrackerKind};
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake;
use proptest::prelude::*;

use crate::fixture::TOKEN;
use crate::ticket_fixture::{client, drafted, github, gitlab, jira, said};

fn trackers() -> [(Tracker, &'static str); 4] {
    [
        (jira(JiraFlavour::Cloud), "OPS-1"),
        (jira(JiraFlavour::DataCenter), "OPS-1"),
        (github(), "acme/ops#1"),
        (gitlab(), "acme/ops#1"),
    ]
}

/// Every operation, each with what came of it.
async fn everything(tracker: &Tracker, key: &str, http: &Http) -> Vec<Result<(), Undone>> {
    let (client, draft, key) = (client(tracker, http), drafted(tracker, 42), key.into());
    let now = "2026-02-11T05:30:00Z".parse().unwrap();
    vec![
        client.open(&draft).await.map(drop),
        client.look_again(&draft.label, Millis(0)).await.map(drop),
        client.comment(&key, &said(Stage::Done, "done", &[]), Sending::PossibleRepeat).await,
        client.move_to(&key, Stage::Done).await.map(drop),
        client.reopen(&key).await.map(drop),
        client.search_open("auto-heal", now, now).await.map(drop),
    ]
}

fn always(status: u16, body: String) -> Http {
    let status = StatusCode::from_u16(status).unwrap();
    Http::Fake(Router::new().fallback(move || async move { (status, body) }))
}

fn body() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        "null",
        "[]",
        "[null, 1, {\"number\": -1}]",
        "{\"key\": \"../../admin\", \"id\": 7}",
        "{\"key\": \"OPS-1\", \"fields\": {\"status\": {\"name\": \"\"}}}",
        "{\"key\": \"OPS-1\", \"fields\": {\"status\": {\"name\": \"x\"}}, \"transitions\": [{}]}",
        "{\"transitions\": [{\"id\": \"1\", \"to\": {\"name\": \"x\"}}]}",
        "{\"issues\": [{}], \"nextPageToken\": \"again\"}",
        "{\"errors\": {\"priority\": 7}, \"errorMessages\": [null, \"t0ken-THAT-nobody-may-see\"]}",
        "{\"errors\": {\"priority\": \"t0ken-THAT-nobody-may-see\"}}",
        "{\"message\": {\"title\": [\"t0ken-THAT-nobody-may-see\"]}}",
        "{\"message\": \"t0ken-THAT-nobody-may-see\"}",
        "{\"number\": 1, \"iid\": 1, \"id\": 1, \"state\": \"closed\", \"labels\": [7, {}]}",
        "\u{feff}{}",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => "\\PC{0,60}"]
}

proptest! {
    #[test]
    fn nonsense_is_no_panic_no_loop_and_no_leak(
        status in prop::sample::select(vec![200, 201, 204, 301, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503]),
        body in body(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for (tracker, key) in trackers() {
                for outcome in everything(&tracker, key, &always(status, body.clone())).await {
                    let Err(undone) = outcome else {
                        assert!(status < 300, "{status} {body}");
                        continue;
                    };
                    let retried = matches!(undone, Undone::Retry { .. });
                    // What no tracker would say (a page in between) passes.
                    assert!(retried || status >= 300, "{status} {undone:?}");
                    assert_eq!(matches!(status, 409 | 429 | 500..), retried && status >= 300, "{undone:?}");
                    assert!(!undone.error().contains(TOKEN), "{undone}");
                }
            }
        });
    }
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_there_once() {
    let (jira_fake, github_fake, gitlab_fake) =
        (fake::Jira::default(), fake::GithubIssues::default(), fake::Gitlab::default());
    let routers = [
        (jira_fake.router(), jira_fake.desk()),
        (jira_fake.router(), jira_fake.desk()),
        (github_fake.router(), github_fake.desk()),
        (gitlab_fake.router(), gitlab_fake.desk()),
    ];
    for ((tracker, _), (router, desk)) in trackers().into_iter().zip(routers) {
        let http = Http::Fake(router);
        let client = client(&tracker, &http);
        let key = client.open(&drafted(&tracker, 42)).await.unwrap().key;
        for n in 0..60 {
            let other = said(Stage::InProgress, &format!("try {n}"), &[]);
            client.comment(&key, &other, Sending::First).await.unwrap();
        }
        let text = said(Stage::Done, "#1 @all {code} 끝", &["``` 1 %"]);
        desk.fail_with(fake::Mode::CloseMidBody);
        client.comment(&key, &text, Sending::First).await.unwrap_err();
        desk.fail_with(fake::Mode::Ok);
        let asked = desk.exchanges().len();
        client.comment(&key, &text, Sending::PossibleRepeat).await.unwrap();
        let later: String = desk.exchanges()[asked..].iter().map(ToString::to_string).collect();
        assert!(later.starts_with("GET ") && !later.contains("POST "), "{later}");
        let other = said(Stage::Done, "#1 @all {code} 끝!", &[]);
        client.comment(&key, &other, Sending::PossibleRepeat).await.unwrap();
        assert!(desk.exchanges().last().unwrap().request.starts_with("POST "));
    }
}

#[tokio::test]
async fn over_the_network_it_is_the_same() {
    let (url, fake) = fake::Jira::start().await;
    let mut tracker = jira(JiraFlavour::Cloud);
    if let TrackerKind::Jira { url: configured, .. } = &mut tracker.kind {
        *configured = format!("{url}/");
    }
    for outcome in everything(&tracker, "OPS-1", &Http::net()).await {
        outcome.unwrap();
    }
    assert_eq!(fake.issues()[0].statuses.last().unwrap(), "To Do");
    assert_eq!(fake.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_tracker_that_cannot_be_right_is_never_asked() {
    let nobody = always(200, "{}".into());
    for (mut tracker, key) in trackers() {
        match &mut tracker.kind {
            TrackerKind::Jira { token, email, .. } => {
                *token = Secret::new("two\nlines");
                *email = None;
            }
            TrackerKind::Github { repository, .. } => *repository = "../x".into(),
            TrackerKind::Gitlab { token, .. } => *token = Secret::new("two\nlines"),
        }
        for outcome in everything(&tracker, key, &nobody).await {
            assert!(matches!(outcome, Err(Undone::Permanent { .. })), "{outcome:?}");
        }
    }
    for (tracker, _) in trackers() {
        let client = client(&tracker, &nobody);
        for key in ["", "x", "OPS-1/comment", "acme/ops#1/x", "acme/ops#", "../OPS-1"] {
            let moved = client.move_to(&key.into(), Stage::Done).await;
            assert!(matches!(moved, Err(Undone::Permanent { .. })), "{key}: {moved:?}");
        }
    }
}
