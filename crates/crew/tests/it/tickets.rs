//! Tickets of a whole crew: storms, limits, crashes and trackers that are away, on a clock that the
//! test moves.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nightcrew_config::settings::{
    JiraFlavour, OpenTicket, Rate, Secret, Settings, Tracker, TrackerKind,
};
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{GithubIssues, Gitlab, Jira, JiraIssue, Mode};

use crate::receiver::Receivers;
use crate::stage::alert;
use crate::stage_virtual::{EPOCH, Scene, quiet};
use crate::time::Time;

pub(crate) fn jira() -> Tracker {
    tracker(TrackerKind::Jira {
        url: "https://acme.atlassian.example".to_owned(),
        flavour: JiraFlavour::Cloud,
        email: Some("crew@acme.example".to_owned()),
        token: Secret::new("token"),
        project: "OPS".to_owned(),
        issue_type: "Bug".to_owned(),
        priorities: BTreeMap::new(),
        statuses: BTreeMap::new(),
    })
}

pub(crate) fn tracker(kind: TrackerKind) -> Tracker {
    Tracker {
        name: "tracker".into(),
        kind,
        open: OpenTicket::Every,
        labels: vec!["auto-detected".to_owned()],
        limit: Rate { messages: 10, window: Millis::from_secs(3_600) },
        reopen_window: Millis::from_secs(86_400),
        resolver: None,
        page_url: None,
    }
}

fn with_tracker(folder: &Path, tracker: Tracker) -> Settings {
    let mut settings = quiet(folder, Vec::new());
    settings.trackers = vec![tracker];
    settings
}

async fn begin(settings: Settings, http: Http) -> Scene {
    let clock = Clock::starting_at(EPOCH.parse().unwrap());
    let receivers = Receivers::new(&clock);
    Scene::begin_through(settings, clock, receivers, Time::held(), http).await
}

fn trouble(service: &str) -> IncomingAlert {
    alert(&[("alertname", "응답 없음"), ("service", service), ("severity", "critical")])
}

fn over(scene: &Scene, service: &str) -> IncomingAlert {
    IncomingAlert { ends_at: Some(scene.clock.now()), ..trouble(service) }
}

/// Waits until the only issue was in these statuses.
async fn walked(scene: &Scene, jira: &Jira, statuses: &[&str]) {
    let look = async || {
        let issues = jira.issues();
        // A move is followed by a word about it.
        let walked =
            |it: &&JiraIssue| it.statuses == statuses && it.comments.len() + 1 >= statuses.len();
        issues.first().filter(walked).map(drop)
    };
    scene.until(200, &format!("{statuses:?}\n{}", jira.transcript()), look).await;
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_duplicates_and_a_flapping_alert_have_one_ticket_each() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    let scene = begin(with_tracker(folder.path(), self::jira()), Http::Fake(jira.router())).await;
    for n in 0..40 {
        let mut storm: Vec<IncomingAlert> = (0..20).map(|_| trouble("결제")).collect();
        // Another alert of the same service and symptom each time.
        storm[0].labels =
            storm[0].labels.iter().chain([("pod", format!("pod-{n}").as_str())]).collect();
        storm.push(if n % 2 == 0 { trouble("주문") } else { over(&scene, "주문") });
        scene.alerts(storm).await;
        scene.pass(3).await;
    }
    scene.pass(120).await;
    let issues = jira.issues();
    println!("{}", jira.transcript());
    let summaries: Vec<&str> =
        issues.iter().map(|it| it.fields["summary"].as_str().unwrap()).collect();
    assert_eq!(issues.len(), 2, "{summaries:?}");
    let flapping = issues.iter().find(|it| it.fields["summary"].to_string().contains("주문"));
    let comments = flapping.unwrap().comments.len();
    assert!(comments < 20, "{comments} comments about what came and went 20 times");
    assert_eq!(jira.refused(), [""; 0]);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_hour_delays_tickets_and_holds_up_no_move() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    let scene = begin(with_tracker(folder.path(), self::jira()), Http::Fake(jira.router())).await;
    let services: Vec<String> = (0..45).map(|n| format!("s{n:02}")).collect();
    let ends_at = scene.clock.now().checked_add(Duration::from_secs(86_400)).ok();
    let long = |service: &String| IncomingAlert { ends_at, ..trouble(service) };
    scene.alerts(services.iter().map(long).collect()).await;
    scene.pass(60).await;
    assert_eq!(jira.issues().len(), 10);
    // Those that have one go on, although more than one round can serve wait before them.
    scene.alerts(vec![over(&scene, "s00"), over(&scene, "s09")]).await;
    let done = async || {
        let issues = jira.issues();
        let is_done = |it: &&JiraIssue| it.statuses.last().is_some_and(|status| status == "Done");
        (issues.iter().filter(is_done).count() == 2).then_some(())
    };
    scene.until(60, "two that are done", done).await;
    assert_eq!(jira.issues().len(), 10);
    for expected in [20, 30, 40, 45] {
        scene.pass(3_500).await;
        let made = async || (jira.issues().len() == expected).then_some(());
        scene.until(600, "the tickets of the next hour", made).await;
    }
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_the_intent_and_the_key_makes_one_ticket() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    jira.search_lags(Duration::from_secs(50));
    let settings = with_tracker(folder.path(), self::jira());
    let mut scene = begin(settings.clone(), Http::Fake(jira.router())).await;
    // The tracker makes it at once, and its answer never comes.
    jira.fail_with(Mode::Slow(Duration::from_secs(3_600)));
    scene.alerts(vec![trouble("결제")]).await;
    for _ in 0..3 {
        let made = async || (jira.issues().len() == 1).then_some(());
        scene.until(30, "the request", made).await;
        let (clock, receivers, time) = scene.kill().await;
        jira.fail_with(Mode::Ok);
        let http = Http::Fake(jira.router());
        scene = Scene::begin_through(settings.clone(), clock, receivers, time, http).await;
        scene.pass(5).await;
        scene.alerts(vec![trouble("결제")]).await;
    }
    walked(&scene, &jira, &["To Do", "In Progress"]).await;
    scene.pass(300).await;
    println!("{}", jira.transcript());
    assert_eq!(jira.issues().len(), 1);
    assert_eq!(jira.issues()[0].comments.len(), 1, "{:?}", jira.issues()[0].comments);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_person_has_is_marked_so_and_what_comes_back_has_its_ticket_again() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    let scene = begin(with_tracker(folder.path(), self::jira()), Http::Fake(jira.router())).await;
    scene.alerts(vec![trouble("결제")]).await;
    walked(&scene, &jira, &["To Do", "In Progress"]).await;
    let issue = jira.issues().remove(0);
    assert!(issue.labels.contains(&"escalated".to_owned()), "{:?}", issue.labels);
    let said = issue.comments[0].to_string();
    assert!(said.contains("INC-1 is escalated") && said.contains("응답 없음"), "{said}");
    scene.alerts(vec![over(&scene, "결제")]).await;
    walked(&scene, &jira, &["To Do", "In Progress", "Done"]).await;
    // The incident closes after an hour; what comes within the window is another incident.
    scene.pass(2 * 3_600).await;
    scene.alerts(vec![trouble("결제")]).await;
    let again = ["To Do", "In Progress", "Done", "To Do", "In Progress"];
    walked(&scene, &jira, &again).await;
    assert!(
        scene
            .handle
            .journal()
            .incident(nightcrew_model::id::IncidentId(2))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(jira.issues().len(), 1);
    scene.alerts(vec![over(&scene, "결제")]).await;
    scene.pass(26 * 3_600).await;
    scene.alerts(vec![trouble("결제")]).await;
    scene.pass(60).await;
    assert_eq!(jira.issues().len(), 2, "the window is over");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_ticket_of_before_that_was_deleted_is_followed_by_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    let scene = begin(with_tracker(folder.path(), self::jira()), Http::Fake(jira.router())).await;
    scene.alerts(vec![trouble("결제")]).await;
    walked(&scene, &jira, &["To Do", "In Progress"]).await;
    scene.alerts(vec![over(&scene, "결제")]).await;
    walked(&scene, &jira, &["To Do", "In Progress", "Done"]).await;
    scene.pass(2 * 3_600).await;
    jira.clear();
    scene.alerts(vec![trouble("결제")]).await;
    let made = async || (jira.issues().len() == 2).then_some(());
    scene.until(60, "a new ticket", made).await;
    scene.pass(60).await;
    assert_eq!(jira.issues().len(), 2);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tracker_that_is_down_for_hours_loses_nothing_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    let scene = begin(with_tracker(folder.path(), self::jira()), Http::Fake(jira.router())).await;
    scene.alerts(vec![trouble("결제")]).await;
    walked(&scene, &jira, &["To Do", "In Progress"]).await;
    jira.fail_with(Mode::Status(503));
    scene.alerts(vec![over(&scene, "결제"), trouble("주문"), trouble("배송")]).await;
    scene.pass(1_800).await;
    scene.alerts(vec![trouble("주문"), over(&scene, "배송"), trouble("재고")]).await;
    scene.pass(1_200).await;
    // Everything else went on.
    let open = scene.handle.view(|state, _, _| {
        state.incidents().filter(|(_, incident)| incident.state.is_open()).count()
    });
    assert_eq!(open.await.unwrap(), 2);
    assert_eq!(jira.issues().len(), 1);
    let asked = jira.asked();
    assert!(asked < 400, "{asked} requests to a tracker that is down");
    jira.fail_with(Mode::Ok);
    let whole = async || {
        let issues = jira.issues();
        let last = |n: usize| issues.get(n)?.statuses.last().cloned();
        let ends: Vec<String> = (0..4).filter_map(last).collect();
        let done = ends.iter().filter(|status| *status == "Done").count();
        (ends.len() == 4 && done == 2).then_some(())
    };
    scene.until(1_200, "every ticket where its incident is", whole).await;
    scene.pass(300).await;
    assert_eq!(jira.issues().len(), 4);
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn issues_of_github_and_gitlab_follow_their_incident_too() {
    let (github, gitlab) = (GithubIssues::default(), Gitlab::default());
    let kinds = [
        (
            TrackerKind::Github {
                url: "https://api.github.example".to_owned(),
                repository: "acme/ops".to_owned(),
                token: Secret::new("token"),
            },
            Http::Fake(github.router()),
        ),
        (
            TrackerKind::Gitlab {
                url: "https://gitlab.example".to_owned(),
                project: "acme/ops".to_owned(),
                token: Secret::new("token"),
            },
            Http::Fake(gitlab.router()),
        ),
    ];
    for (kind, http) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let scene = begin(with_tracker(folder.path(), tracker(kind.clone())), http).await;
        let issues = || match &kind {
            TrackerKind::Github { .. } => github.issues(),
            _ => gitlab.issues(),
        };
        let stands = async |wanted: &str| {
            let look = async || {
                let issues = issues();
                let labels = issues.first()?["labels"].to_string();
                let state = issues.first()?["state"].to_string();
                (issues.len() == 1 && format!("{labels} {state}").contains(wanted)).then_some(())
            };
            scene.until(60, wanted, look).await;
        };
        scene.alerts(vec![trouble("결제")]).await;
        stands("escalated").await;
        scene.alerts(vec![over(&scene, "결제")]).await;
        stands("closed").await;
        scene.pass(10).await;
        scene.stop().await;
    }
    assert_eq!(github.refused(), [""; 0]);
    assert_eq!(gitlab.refused(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_told_once_and_asked_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let jira = Jira::default();
    jira.fail_with(Mode::ErrorBody);
    let scene = begin(with_tracker(folder.path(), self::jira()), Http::Fake(jira.router())).await;
    scene.alerts(vec![trouble("결제")]).await;
    let refused = async || {
        let look = scene.handle.view(|state, _, _| {
            state.tickets().filter_map(|(_, _, ticket)| ticket.refused.clone()).next()
        });
        look.await.unwrap()
    };
    let why = scene.until(60, "a refusal", refused).await;
    assert!(why.contains("The project is archived."), "{why}");
    let asked = jira.asked();
    scene.pass(600).await;
    assert_eq!(jira.asked(), asked);
    scene.stop().await;
}
