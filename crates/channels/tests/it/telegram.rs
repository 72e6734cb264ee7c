//! Telegram.

use nightcrew_config::settings::{ChannelKind, Secret};
use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_testkit::fake::{Answer, Telegram};
use serde_json::json;

use crate::fixture::{TOKEN, acknowledge, deliver, message, over, permanent, receipt, telegram};

const BASE: &str = "https://telegram.example";

#[tokio::test]
async fn a_message_is_html_in_its_topic() {
    let fake = Telegram::default();
    fake.only_token(&format!("1234567:{TOKEN}"));
    let mut message = message();
    message.mentions = vec!["@kim_night".into()];
    message.actions = vec![acknowledge()];
    message.summary = "<b>&amp; @everybody 굵게".into();
    let delivery = deliver(&telegram(BASE), &message, fake.router()).await;
    assert_eq!(receipt(delivery).as_deref(), Some("-42:1"));
    let mut body = fake.bodies().remove(0);
    let text = body["text"].as_str().unwrap().replace('\u{2060}', "⁀");
    body["text"] = text.into();
    insta::assert_json_snapshot!(body, @r#"
    {
      "chat_id": "-42",
      "link_preview_options": {
        "is_disabled": true
      },
      "message_thread_id": 5,
      "parse_mode": "HTML",
      "reply_markup": {
        "inline_keyboard": [
          [
            {
              "callback_data": "ack:INC-42",
              "text": "Acknowledge"
            }
          ]
        ]
      },
      "text": "@kim_night\n<b>🚨 INC-42 needs a person: host:/var disk_space_low</b>\n&lt;b&gt;&amp;amp; @⁀everybody 굵게\nIncident: INC-42\nService: host:/var\nSymptom: disk_space_low\nSeverity: critical\n• Detected: disk_usage = 97 %\n• Tried: clean_files /var/log; removed 0 files\n• With a person now: INC-42/1 did not heal it\nAcknowledge: nightcrew incidents ack INC-42\nRecord: incidents/2026-11-21-INC-42.md\n2026-11-21T03:00:05Z nightcrew-INC-42-escalated-7-1795230005"
    }
    "#);
    assert_eq!(fake.sent()[0].mentions, ["kim_night"], "only who was configured is called");
    assert!(fake.sent()[0].text.contains("<b>&amp; @\u{2060}everybody 굵게"));
}

#[tokio::test]
async fn the_limit_counts_utf_16_after_the_entities() {
    let fake = Telegram::default();
    let mut message = message();
    message.story = vec!["🔥".repeat(400); 60];
    deliver(&telegram(BASE), &message, fake.router()).await;
    message.story = vec!["<&>".repeat(133); 60];
    deliver(&telegram(BASE), &message, fake.router()).await;
    assert_eq!(fake.refused(), Vec::<String>::new());
    for sent in fake.sent() {
        let units = sent.text.encode_utf16().count();
        assert!((3_000..=4_096).contains(&units), "{units}: the room is used");
        assert!(sent.text.contains("lines left out"));
    }
}

#[tokio::test]
async fn html_that_is_refused_goes_out_as_plain_text_once() {
    let fake = Telegram::default();
    fake.refuse_html();
    let mut message = message();
    message.mentions = vec!["@kim_night".into()];
    message.title = "a < b & c".into();
    deliver(&telegram(BASE), &message, fake.router()).await;
    assert_eq!(fake.asked(), 2);
    assert!(fake.sent()[0].text.starts_with("@kim_night\n🚨 a < b & c\n"), "{:?}", fake.sent());
}

#[tokio::test]
async fn a_group_that_moved_gets_the_message_in_the_same_try() {
    let fake = Telegram::default();
    fake.move_to(-1_009);
    let delivery = deliver(&telegram(BASE), &message(), fake.router()).await;
    assert_eq!(receipt(delivery).as_deref(), Some("-1009:1"));
    assert_eq!(fake.asked(), 2);
    // It is changed where it is now.
    let mut over = over();
    over.edits = Some(Receipt("-1009:1".into()));
    assert_eq!(receipt(deliver(&telegram(BASE), &over, fake.router()).await).unwrap(), "-1009:1");
    assert_eq!((fake.sent().len(), fake.sent()[0].edits), (1, 1));
    // A service that moves it for ever is not followed for ever.
    let moved = json!({"ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat", "parameters": {"migrate_to_chat_id": -7}});
    fake.answer_next([Answer::json(400, &moved), Answer::json(400, &moved)]);
    let error = permanent(deliver(&telegram(BASE), &message(), fake.router()).await);
    assert!(error.contains("check `chat_id`"), "{error}");
}

#[tokio::test]
async fn what_says_so_already_is_delivered() {
    let fake = Telegram::default();
    let mut over = over();
    let first = receipt(deliver(&telegram(BASE), &over, fake.router()).await);
    over.edits = first.clone().map(Receipt);
    assert_eq!(receipt(deliver(&telegram(BASE), &over, fake.router()).await), first);
    assert_eq!(fake.sent()[0].edits, 0);
    // A removed message is sent anew; so is the next page.
    fake.clear();
    assert_eq!(receipt(deliver(&telegram(BASE), &over, fake.router()).await).unwrap(), "-42:2");
    over.kind = NotificationKind::Escalated;
    assert_eq!(receipt(deliver(&telegram(BASE), &over, fake.router()).await).unwrap(), "-42:3");
}

#[tokio::test]
async fn errors_say_what_to_do() {
    for (code, description, advice) in [
        (400, "Bad Request: chat not found", "add the bot to it"),
        (400, "Bad Request: message thread not found", "`thread_id`"),
        (401, "Unauthorized", "@BotFather"),
        (403, "Forbidden: bot was kicked from the supergroup chat", "add it to the chat"),
        (404, "Not Found", "@BotFather"),
    ] {
        let fake = Telegram::default();
        let body = json!({"ok": false, "error_code": code, "description": description});
        fake.answer_next([Answer::json(code, &body)]);
        let error = permanent(deliver(&telegram(BASE), &message(), fake.router()).await);
        assert!(error.contains(description) && error.contains(advice), "{error}");
    }
    // A token that would lead elsewhere leads nowhere.
    for bad in ["", "1/../2", "1:a?b=c", "1:토큰"] {
        let mut channel = telegram(BASE);
        channel.kind = ChannelKind::Telegram {
            token: Secret::new(bad),
            chat_id: "1".into(),
            thread_id: None,
            api_url: BASE.into(),
        };
        let fake = Telegram::default();
        let error = permanent(deliver(&channel, &message(), fake.router()).await);
        assert!(error.contains("@BotFather"), "{error}");
        assert_eq!(fake.asked(), 0);
    }
    let fake = Telegram::default();
    let delivery = deliver(&telegram(BASE), &message(), fake.router()).await;
    assert!(matches!(delivery, Delivery::Delivered { .. }));
}
