//! GitHub issues.

use std::time::Duration;

use nightcrew_channels::message::Sending;
use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::id::NotificationId;
use nightcrew_model::unit::Millis;
use nightcrew_testkit::fake::{Answer, Github, Mode};
use serde_json::json;

use crate::fixture::{TOKEN, deliver, github, group, message, over, permanent, receipt};

const BASE: &str = "https://github.example";

#[tokio::test]
async fn an_issue_is_made_commented_closed_and_reopened() {
    let fake = Github::default();
    fake.only_token(TOKEN);
    let number = receipt(deliver(&github(BASE), &message(), fake.router()).await);
    assert_eq!(number.as_deref(), Some("1"));
    let made = fake.issues().remove(0);
    assert_eq!((made.labels, made.assignees), (vec!["incident".into()], vec!["kim".into()]));
    assert_eq!(made.title, "🚨 INC-42 needs a person: host:/var disk_space_low");
    insta::assert_snapshot!(made.body, @r"
    **INC\-42 needs a person: host:/var disk\_space\_low**

    디스크가 가득 찼고, 정리해도 줄지 않았습니다.

    - Incident: INC\-42
    - Service: host:/var
    - Symptom: disk\_space\_low
    - Severity: critical

    ```text
    Detected: disk_usage = 97 %
    Tried: clean_files /var/log; removed 0 files
    With a person now: INC-42/1 did not heal it
    ```

    Record: incidents/2026\-11\-21\-INC\-42.md

    2026-11-21T03:00:05Z
    <!-- nightcrew:nightcrew/night-1/INC-42/1795229880 -->
    <!-- nightcrew:nightcrew-INC-42-escalated-7-1795230005 -->
    ");

    let mut acknowledged = message();
    acknowledged.kind = NotificationKind::Acknowledged;
    acknowledged.edits = number.clone().map(Receipt);
    deliver(&github(BASE), &acknowledged, fake.router()).await;
    let mut over = over();
    over.edits = number.clone().map(Receipt);
    deliver(&github(BASE), &over, fake.router()).await;
    let closed = fake.issues().remove(0);
    assert_eq!((closed.open, closed.comments.len()), (false, 2));
    assert!(closed.comments[1].body.contains("is over: host:/var"));

    let mut again = message();
    again.notification = NotificationId(11);
    again.edits = number.map(Receipt);
    deliver(&github(BASE), &again, fake.router()).await;
    assert_eq!(fake.issues().len(), 1);
    let reopened = fake.issues().remove(0);
    assert_eq!((reopened.open, reopened.comments.len()), (true, 3));
    assert_eq!(fake.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_crash_cut_off_is_found_again() {
    for message in [message(), group(2)] {
        let fake = Github::default();
        // Others write issues, too.
        for n in 0..40_u64 {
            let mut other = crate::fixture::message();
            other.installation = format!("other-{n}");
            deliver(&github(BASE), &other, fake.router()).await;
        }
        fake.fail_with(Mode::CloseMidBody);
        let cut = deliver(&github(BASE), &message, fake.router()).await;
        assert!(matches!(cut, Delivery::Retry { .. }));
        fake.fail_with(Mode::Ok);
        for _ in 0..4 {
            let mut other = over();
            other.installation = "late".into();
            other.kind = NotificationKind::Escalated;
            deliver(&github(BASE), &other, fake.router()).await;
        }
        let mut repeat = message.clone();
        repeat.sending = Sending::PossibleRepeat;
        let number = receipt(deliver(&github(BASE), &repeat, fake.router()).await);
        assert_eq!(number.as_deref(), Some("41"));
        let marker = format!("<!-- nightcrew:{} -->", message.subject_key());
        let holding = fake.issues().into_iter().filter(|issue| issue.body.contains(&marker));
        assert_eq!(holding.count(), 1);
        assert!(fake.issues()[40].comments.is_empty());
    }
}

#[tokio::test]
async fn a_comment_that_a_crash_cut_off_is_found_again() {
    let fake = Github::default();
    let number = receipt(deliver(&github(BASE), &message(), fake.router()).await);
    let mut over = over();
    over.edits = number.map(Receipt);
    deliver(&github(BASE), &over, fake.router()).await;
    over.sending = Sending::PossibleRepeat;
    deliver(&github(BASE), &over, fake.router()).await;
    assert_eq!(fake.issues()[0].comments.len(), 1);
    // A page that did not arrive is told.
    let mut page = message();
    page.notification = NotificationId(12);
    page.edits.clone_from(&over.edits);
    page.sending = Sending::PossibleRepeat;
    deliver(&github(BASE), &page, fake.router()).await;
    assert_eq!(fake.issues()[0].comments.len(), 2);
    assert!(fake.issues()[0].comments[1].body.contains("may be a repeat"));
}

#[tokio::test]
async fn an_issue_that_was_deleted_is_made_anew() {
    let fake = Github::default();
    deliver(&github(BASE), &message(), fake.router()).await;
    fake.clear();
    let mut again = message();
    again.edits = Some(Receipt("1".into()));
    assert_eq!(receipt(deliver(&github(BASE), &again, fake.router()).await).unwrap(), "2");
    // What is over needs no issue.
    fake.clear();
    let mut over = over();
    over.edits = Some(Receipt("2".into()));
    assert_eq!(receipt(deliver(&github(BASE), &over, fake.router()).await), None);
    assert_eq!(fake.issues().len(), 2);
}

#[tokio::test]
async fn what_is_over_without_a_receipt_finds_its_issue() {
    let fake = Github::default();
    deliver(&github(BASE), &message(), fake.router()).await;
    assert_eq!(receipt(deliver(&github(BASE), &over(), fake.router()).await).unwrap(), "1");
    let issue = fake.issues().remove(0);
    assert_eq!((issue.open, issue.comments.len()), (false, 1));
}

#[tokio::test]
async fn an_assignee_who_left_does_not_keep_the_issue_from_being_made() {
    let fake = Github::default();
    fake.only_assignees(&["lee"]);
    assert!(receipt(deliver(&github(BASE), &message(), fake.router()).await).is_some());
    assert_eq!(fake.issues()[0].assignees, Vec::<String>::new());
    assert_eq!(fake.refused(), ["kim cannot be assigned"]);
}

#[tokio::test]
async fn both_rate_limits_are_honoured() {
    let fake = Github::default();
    fake.fail_with(Mode::RateLimited { after: Duration::from_secs(60) });
    let delivery = deliver(&github(BASE), &message(), fake.router()).await;
    let Delivery::Retry { after, .. } = delivery else {
        panic!("{delivery:?}");
    };
    assert_eq!(after, Some(Millis::from_secs(60)));
    fake.fail_with(Mode::Ok);
    let limited = Answer::json(403, &json!({"message": "API rate limit exceeded"}))
        .header("date", "Sat, 21 Nov 2026 03:00:00 GMT")
        .header("x-ratelimit-remaining", 0)
        .header("x-ratelimit-reset", 1_795_230_000 + 90);
    fake.answer_next([limited]);
    let delivery = deliver(&github(BASE), &message(), fake.router()).await;
    let Delivery::Retry { after, error } = delivery else {
        panic!("{delivery:?}");
    };
    assert_eq!(after, Some(Millis::from_secs(90)), "{error}");
    let forbidden = Answer::json(403, &json!({"message": "Resource not accessible"}));
    fake.answer_next([forbidden]);
    let error = permanent(deliver(&github(BASE), &message(), fake.router()).await);
    assert!(error.contains("permission to write issues"), "{error}");
}

#[tokio::test]
async fn a_test_leaves_no_open_issue() {
    let fake = Github::default();
    let at = "2026-11-21T03:00:00Z".parse().unwrap();
    let test = nightcrew_channels::message::Message::test(NotificationId(1), &"김".into(), at);
    deliver(&github(BASE), &test, fake.router()).await;
    assert_eq!((fake.issues().len(), fake.issues()[0].open), (1, false));
}
