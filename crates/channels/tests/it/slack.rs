//! Slack, by webhook and by the Web API.

use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_testkit::fake::{Answer, Mode, Slack};
use serde_json::json;

use crate::fixture::{
    TOKEN, acknowledge, deliver, group, message, over, permanent, receipt, slack_api, slack_webhook,
};

const BASE: &str = "https://slack.example";

#[tokio::test]
async fn a_message_is_blocks_with_plain_text_beside() {
    let fake = Slack::default();
    let mut message = message();
    message.mentions = vec!["<@U123>".into(), "@everyone <b>".into()];
    message.actions = vec![acknowledge()];
    message.title = "INC-42 needs <!channel> & *you*".into();
    deliver(&slack_webhook(BASE), &message, fake.router()).await;
    let mut body = fake.bodies().remove(0);
    let blocks = body["blocks"].take();
    let blocks = blocks.as_array().unwrap().iter();
    let lines: Vec<String> = blocks.chain([&body]).map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"text":{"emoji":false,"text":"🚨 INC-42 needs <!channel> & *you*","type":"plain_text"},"type":"header"}
    {"text":{"text":"<@U123> @everyone &lt;b&gt;","type":"mrkdwn"},"type":"section"}
    {"fields":[{"emoji":false,"text":"Incident: INC-42","type":"plain_text"},{"emoji":false,"text":"Service: host:/var","type":"plain_text"},{"emoji":false,"text":"Symptom: disk_space_low","type":"plain_text"},{"emoji":false,"text":"Severity: critical","type":"plain_text"}],"type":"section"}
    {"text":{"emoji":false,"text":"디스크가 가득 찼고, 정리해도 줄지 않았습니다.\n• Detected: disk_usage = 97 %\n• Tried: clean_files /var/log; removed 0 files\n• With a person now: INC-42/1 did not heal it","type":"plain_text"},"type":"section"}
    {"elements":[{"action_id":"nightcrew_acknowledge","text":{"emoji":false,"text":"Acknowledge","type":"plain_text"},"type":"button","value":"ack:INC-42"}],"type":"actions"}
    {"elements":[{"emoji":false,"text":"Acknowledge: nightcrew incidents ack INC-42\nRecord: incidents/2026-11-21-INC-42.md\n2026-11-21T03:00:05Z  nightcrew-INC-42-escalated-7-1795230005","type":"plain_text"}],"type":"context"}
    {"blocks":null,"link_names":false,"mrkdwn":false,"parse":"none","text":"🚨 INC-42 needs &lt;!channel&gt; &amp; *you*","unfurl_links":false,"unfurl_media":false}
    "#);
}

#[tokio::test]
async fn blocks_that_are_refused_go_out_as_plain_text_once() {
    for channel in [slack_webhook(BASE), slack_api(BASE)] {
        let fake = Slack::default();
        fake.refuse_blocks();
        let mut message = group(60);
        message.mentions = vec!["<!here>".into()];
        message.story = vec!["<a> & ".repeat(50); 60];
        let delivery = deliver(&channel, &message, fake.router()).await;
        assert!(matches!(delivery, Delivery::Delivered { .. }), "{delivery:?}");
        assert_eq!(fake.asked(), 2);
        let text = fake.posts()[0].text.clone();
        assert!(text.starts_with("<!here>\n🔥 [FIRING:60] 디스크\n"), "{text}");
        assert!(text.contains("lines left out"), "{text}");
        assert!(text.chars().count() <= 4_000);
    }
}

#[tokio::test]
async fn what_is_over_changes_the_earlier_message() {
    let fake = Slack::default();
    fake.only_token(&format!("xoxb-{TOKEN}"));
    let channel = slack_api(BASE);
    let first = receipt(deliver(&channel, &message(), fake.router()).await);
    assert_eq!(first.as_deref(), Some("C0NIGHT:1.000100"));
    let mut over = over();
    over.edits = first.clone().map(Receipt);
    assert_eq!(receipt(deliver(&channel, &over, fake.router()).await), first);
    assert_eq!((fake.posts().len(), fake.posts()[0].edits), (1, 1));
    assert!(fake.posts()[0].text.contains("INC-42 is over"));
    // Somebody removed it.
    fake.clear();
    deliver(&channel, &over, fake.router()).await;
    assert_eq!((fake.posts().len(), fake.posts()[0].edits), (1, 0));
    // A second page about the same incident makes a sound of its own.
    over.kind = NotificationKind::Escalated;
    deliver(&channel, &over, fake.router()).await;
    assert_eq!(fake.posts().len(), 2);
}

#[tokio::test]
async fn two_hundred_with_an_error_is_an_error() {
    for (word, advice) in [
        ("invalid_auth", "`xoxb-…`"),
        ("token_revoked", "`xoxb-…`"),
        ("missing_scope", "`chat:write`"),
        ("channel_not_found", "set `channel` to its id"),
        ("not_in_channel", "/invite"),
        ("is_archived", "archived"),
        ("restricted_action", "administrator"),
        ("msg_too_long", "neither as blocks nor as plain text"),
    ] {
        let fake = Slack::default();
        fake.error_word(word);
        fake.fail_with(Mode::ErrorBody);
        let error = permanent(deliver(&slack_api(BASE), &message(), fake.router()).await);
        assert!(error.contains(word) && error.contains(advice), "{error}");
    }
    for word in ["ratelimited", "internal_error", "fatal_error", "request_timeout", "new_word"] {
        let fake = Slack::default();
        let answer = Answer::json(200, &json!({"ok": false, "error": word}));
        fake.answer_next([answer.header("retry-after", 9)]);
        let delivery = deliver(&slack_api(BASE), &message(), fake.router()).await;
        let Delivery::Retry { after, error } = delivery else {
            panic!("{delivery:?}");
        };
        assert_eq!(after, Some(Millis::from_secs(9)));
        assert!(error.contains(word), "{error}");
    }
    let fake = Slack::default();
    fake.only_token("xoxb-another");
    let error = permanent(deliver(&slack_api(BASE), &message(), fake.router()).await);
    assert!(error.contains("invalid_auth"), "{error}");
}

#[tokio::test]
async fn a_webhooks_words_are_understood() {
    for (status, word, advice) in [
        (404, "no_service", "create a new one"),
        (403, "invalid_token", "create a new one"),
        (410, "channel_is_archived", "archived"),
        (403, "action_prohibited", "administrator"),
        (200, "invalid_token", "documentation"),
        (413, "too_large", "incoming webhook"),
    ] {
        let fake = Slack::default();
        fake.answer_next([Answer::new(status, word)]);
        let error = permanent(deliver(&slack_webhook(BASE), &message(), fake.router()).await);
        assert!(error.contains(&format!("HTTP {status}: `{word}`")), "{error}");
        assert!(error.contains(advice), "{error}");
    }
    let fake = Slack::default();
    fake.answer_next([Answer::json(200, &json!({"success": true}))]);
    let delivery = deliver(&slack_webhook(BASE), &message(), fake.router()).await;
    assert_eq!(delivery, Delivery::Delivered { receipt: None }, "what speaks Slack will do");
}
