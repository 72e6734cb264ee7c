//! Tickets in Jira.

use std::time::Duration;

use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::{Moved, Undone};
use nightcrew_config::settings::{JiraFlavour, TrackerKind};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{self, Answer, Mode, Workflow};
use serde_json::json;

use crate::fixture::TOKEN;
use crate::ticket_fixture::{client, drafted, jira, said};

const FLAVOURS: [JiraFlavour; 2] = [JiraFlavour::Cloud, JiraFlavour::DataCenter];

fn to(name: &str) -> Moved {
    Moved::To { status_name: name.to_owned() }
}

#[tokio::test]
async fn a_ticket_lives_from_to_do_to_done_with_evidence() {
    for flavour in FLAVOURS {
        let fake = fake::Jira::default();
        fake.only(match flavour {
            JiraFlavour::Cloud => {
                "Basic Y3Jld0BhY21lLmV4YW1wbGU6dDBrZW4tVEhBVC1ub2JvZHktbWF5LXNlZQ=="
            }
            JiraFlavour::DataCenter => "Bearer t0ken-THAT-nobody-may-see",
        });
        let (tracker, http) = (jira(flavour), Http::Fake(fake.router()));
        let jira = client(&tracker, &http);
        let made = jira.open(&drafted(&tracker, 42)).await.unwrap();
        assert_eq!(made.key.as_str(), "OPS-1");
        assert_eq!(made.url.as_deref(), Some("https://acme.atlassian.example/browse/OPS-1"));
        for (stage, name, what, evidence) in [
            (Stage::InProgress, "In Progress", "restart cartservice", &["docker restart cart"][..]),
            (Stage::InReview, "In Review", "fresh samples decide", &[]),
            (Stage::Done, "Done", "3 good samples in a row", &["error_rate 0.2 %"]),
        ] {
            assert_eq!(jira.move_to(&made.key, stage).await.unwrap(), to(name));
            jira.comment(&made.key, &said(stage, what, evidence), Sending::First).await.unwrap();
        }
        println!("{flavour:?}\n{}", fake.transcript());
        let issue = fake.issues().remove(0);
        assert_eq!(issue.statuses, ["To Do", "In Progress", "In Review", "Done"]);
        assert_eq!(issue.comments.len(), 3);
        assert_eq!(issue.fields["summary"], "[Auto] cartservice: 에러율 급증 (12.3%)");
        assert_eq!(issue.fields["priority"]["name"], "High");
        assert_eq!(issue.labels[..2], ["auto-detected", "ops-monitor"]);
        assert_eq!(fake.refused(), Vec::<String>::new());
        assert!(!fake.transcript().contains(TOKEN));
    }
}

#[tokio::test]
async fn the_description_names_what_a_person_needs() {
    let fake = fake::Jira::default();
    let (tracker, http) = (jira(JiraFlavour::DataCenter), Http::Fake(fake.router()));
    client(&tracker, &http).open(&drafted(&tracker, 42)).await.unwrap();
    let text = fake.issues().remove(0).fields["description"].as_str().unwrap().to_owned();
    insta::assert_snapshot!(text, @r"
    * *Detected at*: 2026-02-11T14:30:00&#43;09:00
    * *Service*: cartservice
    * *Symptom*: 에러율 12.3% &#40;기준&#58; 5%&#41;
    * *Severity*: critical
    * *Impact*: 높음 &#45; 사용자 장바구니 기능 장애
    * *Related*: [4bf92f3577b34da6|https://signoz.example/trace/4bf92f3577b34da6]
    * *Recommended action*: 서비스 재시작 후 메트릭 확인
    * *Incident*: [INC-42|https://night.example:7979/incidents/INC-42]

    Evidence&#58;

    {noformat}
    14:29:30 error_rate 11.8 %
    14:30:00 error_rate 12.3 %
    {noformat}

    This ticket follows the incident by itself&#58; its status and its comments are written by the crew.
    ");
}

#[tokio::test]
async fn a_refused_priority_is_left_out_and_said() {
    let fake = fake::Jira::default();
    fake.only_priorities(&[]);
    let (tracker, http) = (jira(JiraFlavour::Cloud), Http::Fake(fake.router()));
    let made = client(&tracker, &http).open(&drafted(&tracker, 42)).await.unwrap();
    let error = "priority: `Field 'priority' cannot be set. It is not on the appropriate screen, \
                 or unknown.`";
    assert_eq!(made.left_out, [error]);
    assert_eq!(fake.issues().len(), 1);
    assert!(fake.issues()[0].fields["priority"].is_null());
}

#[tokio::test]
async fn a_korean_workflow_without_short_cuts_is_walked_by_meaning() {
    let fake = fake::Jira::default();
    fake.workflow(Workflow::korean());
    let (tracker, http) = (jira(JiraFlavour::Cloud), Http::Fake(fake.router()));
    let jira = client(&tracker, &http);
    let key = jira.open(&drafted(&tracker, 42)).await.unwrap().key;
    assert_eq!(jira.move_to(&key, Stage::Done).await.unwrap(), to("완료"));
    assert_eq!(fake.issues()[0].statuses, ["해야 할 일", "진행 중", "검토 중", "완료"]);
    assert_eq!(jira.reopen(&key).await.unwrap(), to("해야 할 일"));
    assert_eq!(jira.move_to(&key, Stage::InProgress).await.unwrap(), to("진행 중"));
    let asked = fake.asked();
    assert_eq!(jira.move_to(&key, Stage::InProgress).await.unwrap(), to("진행 중"));
    assert_eq!(fake.asked(), asked + 1, "where it stands already, nothing is moved");
    assert_eq!(fake.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_workflow_that_does_not_lead_there_says_where_it_leads() {
    let fake = fake::Jira::default();
    fake.workflow(Workflow::without_review());
    let (tracker, http) = (jira(JiraFlavour::Cloud), Http::Fake(fake.router()));
    let jira = client(&tracker, &http);
    let key = jira.open(&drafted(&tracker, 42)).await.unwrap().key;
    let no_way = Moved::NoWay {
        status_name: "Doing".into(),
        available: vec!["Backlog".into(), "Closed".into()],
    };
    assert_eq!(jira.move_to(&key, Stage::InReview).await.unwrap(), no_way);
    assert_eq!(jira.move_to(&key, Stage::Done).await.unwrap(), to("Closed"));

    let fake = fake::Jira::default();
    let wants = |name, values| Workflow { done_wants: Some((name, values)), ..Workflow::simple() };
    fake.workflow(wants("resolution", vec!["Won't Do", "Fixed"]));
    let http = Http::Fake(fake.router());
    let jira = client(&tracker, &http);
    let key = jira.open(&drafted(&tracker, 42)).await.unwrap().key;
    assert_eq!(jira.move_to(&key, Stage::Done).await.unwrap(), to("Done"));
    fake.workflow(wants("Root cause", vec![]));
    jira.reopen(&key).await.unwrap();
    let Moved::NoWay { available, .. } = jira.move_to(&key, Stage::Done).await.unwrap() else {
        panic!("only a person knows the root cause");
    };
    assert!(available.contains(&"Done (wants `Root cause`)".to_owned()), "{available:?}");
}

#[tokio::test]
async fn a_validator_that_refuses_is_quoted_and_not_asked_for_ever() {
    let fake = fake::Jira::default();
    let done_refused = Some("Attach the review first.");
    fake.workflow(Workflow { done_refused, ..Workflow::korean() });
    let (tracker, http) = (jira(JiraFlavour::Cloud), Http::Fake(fake.router()));
    let jira = client(&tracker, &http);
    let key = jira.open(&drafted(&tracker, 42)).await.unwrap().key;
    let moved = jira.move_to(&key, Stage::Done).await.unwrap();
    assert_eq!(
        moved.shortfall().unwrap(),
        "status: its workflow does not lead there from `검토 중`, only to 완료 (refused: `Attach \
         the review first.`)"
    );
}

#[tokio::test]
async fn what_is_with_a_person_is_in_progress_and_says_so_by_a_label() {
    let fake = fake::Jira::default();
    let (tracker, http) = (jira(JiraFlavour::Cloud), Http::Fake(fake.router()));
    let jira = client(&tracker, &http);
    let key = jira.open(&drafted(&tracker, 42)).await.unwrap().key;
    assert_eq!(jira.move_to(&key, Stage::Escalated).await.unwrap(), to("In Progress"));
    assert_eq!(fake.issues()[0].labels.last().unwrap(), "escalated");
    jira.move_to(&key, Stage::Done).await.unwrap();
    assert_eq!(fake.issues()[0].labels.last().unwrap(), "escalated", "it was with a person");
    jira.reopen(&key).await.unwrap();
    assert!(!fake.issues()[0].labels.contains(&"escalated".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_intent_and_key_makes_no_second_ticket() {
    let fake = fake::Jira::default();
    fake.search_lags(Duration::from_secs(20));
    let (tracker, http) = (jira(JiraFlavour::Cloud), Http::Fake(fake.router()));
    let jira = client(&tracker, &http);
    let draft = drafted(&tracker, 42);
    let begun = tokio::time::Instant::now();
    fake.fail_with(Mode::CloseMidBody);
    let lost = jira.open(&draft).await.unwrap_err();
    assert!(matches!(lost, Undone::Retry { .. }), "{lost}");
    fake.fail_with(Mode::Ok);
    assert_eq!(fake.issues().len(), 1, "it was made, and nobody was told");
    let since = || Millis(u64::try_from(begun.elapsed().as_millis()).unwrap());
    // The search does not see it yet, so nothing is made.
    let later = jira.look_again(&draft.label, since()).await.unwrap_err();
    assert!(matches!(later, Undone::Retry { after: Some(Millis(50_000..)), .. }), "{later:?}");
    tokio::time::advance(Duration::from_secs(21)).await;
    let found = jira.look_again(&draft.label, since()).await.unwrap().unwrap();
    assert!(found.found && found.key.as_str() == "OPS-1");
    // Where nothing was made, it may be made once the search had its time.
    let other = drafted(&tracker, 43).label;
    assert!(jira.look_again(&other, since()).await.is_err());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(jira.look_again(&other, since()).await.unwrap(), None);
    assert_eq!(fake.issues().len(), 1);
}

#[tokio::test]
async fn the_answer_decides() {
    let (tracker, fake) = (jira(JiraFlavour::Cloud), fake::Jira::default());
    let http = Http::Fake(fake.router());
    let jira = client(&tracker, &http);
    let draft = drafted(&tracker, 42);
    fake.fail_with(Mode::RateLimited { after: Duration::from_secs(30) });
    let limited = jira.open(&draft).await.unwrap_err();
    assert!(matches!(limited, Undone::Retry { after: Some(Millis(30_000)), .. }), "{limited:?}");
    fake.fail_with(Mode::Status(503));
    let down = jira.open(&draft).await.unwrap_err();
    assert!(matches!(down, Undone::Retry { after: None, .. }), "{down:?}");
    fake.fail_with(Mode::ErrorBody);
    let never = jira.open(&draft).await.unwrap_err();
    assert_eq!(
        never,
        Undone::Permanent {
            error: "Jira answered HTTP 400: `The project is archived.`; check the settings of the \
                    tracker, and the state of the project"
                .into()
        }
    );
    fake.fail_with(Mode::Page(200));
    let page = jira.open(&draft).await.unwrap_err();
    assert!(matches!(page, Undone::Retry { .. }), "{page:?}");
    fake.fail_with(Mode::Redirect);
    assert!(matches!(jira.open(&draft).await.unwrap_err(), Undone::Permanent { .. }));
    fake.fail_with(Mode::Ok);
    fake.answer_next([Answer::json(409, &json!({"errorMessages": ["edited elsewhere"]}))]);
    assert!(matches!(jira.open(&draft).await.unwrap_err(), Undone::Retry { .. }));
    let key = jira.open(&draft).await.unwrap().key;
    fake.clear();
    let gone = jira.move_to(&key, Stage::Done).await.unwrap_err();
    assert!(matches!(gone, Undone::Gone { .. }), "{gone:?}");
    fake.only("Bearer another");
    let unknown = jira.open(&draft).await.unwrap_err();
    assert!(unknown.error().contains("set a new one as `token`"), "{unknown}");
    assert!(!format!("{unknown:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_wrong_project_is_said_in_the_words_of_jira() {
    let mut tracker = jira(JiraFlavour::Cloud);
    if let TrackerKind::Jira { project, priorities, .. } = &mut tracker.kind {
        *project = "OPZ".into();
        priorities.insert(Severity::Critical, "Höchste".into());
    }
    let fake = fake::Jira::default();
    let http = Http::Fake(fake.router());
    let error = client(&tracker, &http).open(&drafted(&tracker, 42)).await.unwrap_err();
    assert!(error.error().contains("project: valid project is required"), "{error}");
    assert!(error.error().contains("; check `project` of the tracker"), "{error}");
    assert!(fake.issues().is_empty());
    tracker.labels = vec!["".into(), " 온콜 야간, 1 ".into(), "x".repeat(90)];
    if let TrackerKind::Jira { project, .. } = &mut tracker.kind {
        *project = "OPS".into();
    }
    client(&tracker, &http).open(&drafted(&tracker, 42)).await.unwrap();
    let labels = &fake.issues()[0].labels;
    assert_eq!((labels.len(), labels[0].as_str()), (3, "온콜-야간--1"));
}

#[tokio::test]
async fn open_tickets_of_people_are_found_page_by_page() {
    for flavour in FLAVOURS {
        let fake = fake::Jira::default();
        for n in 0..70 {
            fake.add(&format!("cartservice slow {n}"), &["auto-heal"], &json!(null));
        }
        fake.add("frontend: 느림", &["other"], &json!(null));
        let (tracker, http) = (jira(flavour), Http::Fake(fake.router()));
        let jira = client(&tracker, &http);
        jira.move_to(&"OPS-3".into(), Stage::Done).await.unwrap();
        let now = "2026-02-11T05:30:00Z".parse().unwrap();
        let since = "2026-02-10T05:30:00Z".parse().unwrap();
        let found = jira.search_open("auto-heal", since, now).await.unwrap();
        assert_eq!(found.len(), 69, "{flavour:?}");
        assert_eq!(found[0].summary, "cartservice slow 69");
        assert!(fake.transcript().contains("created >= -1440m"));
    }
}
