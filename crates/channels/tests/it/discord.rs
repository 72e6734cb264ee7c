//! Discord.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use nightcrew_channels::message::Sending;
use nightcrew_config::settings::{ChannelKind, Secret};
use nightcrew_model::decision::{NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::id::Target;
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::unit::Millis;
use nightcrew_testkit::fake::{Answer, Discord};
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{TOKEN, deliver, discord, incident, message, permanent};

fn fake() -> Discord {
    let fake = Discord::default();
    fake.only_token(TOKEN);
    fake
}

fn refusing() -> Discord {
    let fake = fake();
    fake.refuse_embeds();
    fake
}

fn answering(status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> Discord {
    let fake = fake();
    let answer = Answer::new(status, body);
    fake.answer_next([headers
        .iter()
        .fold(answer, |answer, (name, value)| answer.header(name, value))]);
    fake
}

/// What came of a message that is there under this id.
fn delivered(id: &str) -> Delivery {
    Delivery::Delivered { receipt: Some(Receipt(id.to_owned())) }
}

#[tokio::test]
async fn a_message_becomes_one_embed() {
    let fake = fake();
    let delivery = deliver(&discord(), &message(), fake.router()).await;
    assert_eq!(delivery, delivered("1"));
    insta::assert_json_snapshot!(fake.bodies()[0], @r#"
    {
      "allowed_mentions": {
        "parse": []
      },
      "embeds": [
        {
          "color": 14101311,
          "description": "디스크가 가득 찼고, 정리해도 줄지 않았습니다.\n• Detected: disk\\_usage = 97 %\n• Tried: clean\\_files /var/log; removed 0 files\n• With a person now: INC-42/1 did not heal it",
          "fields": [
            {
              "inline": true,
              "name": "Incident",
              "value": "INC-42"
            },
            {
              "inline": true,
              "name": "Service",
              "value": "host:/var"
            },
            {
              "inline": true,
              "name": "Symptom",
              "value": "disk\\_space\\_low"
            },
            {
              "inline": true,
              "name": "Severity",
              "value": "critical"
            },
            {
              "inline": false,
              "name": "Record",
              "value": "incidents/2026-11-21-INC-42.md"
            }
          ],
          "footer": {
            "text": "nightcrew-INC-42-escalated-7-1795230005"
          },
          "timestamp": "2026-11-21T03:00:05.250Z",
          "title": "🚨 INC-42 needs a person: host:/var disk\\_space\\_low"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_possible_repeat_says_so_and_what_is_over_is_green() {
    let fake = fake();
    let mut message = message();
    message.sending = Sending::PossibleRepeat;
    message.kind = NotificationKind::Resolved;
    deliver(&discord(), &message, fake.router()).await;
    let embed = &fake.bodies()[0]["embeds"][0];
    let description = embed["description"].as_str().unwrap();
    assert!(description.starts_with("*This may be a repeat"));
    assert_eq!(embed["color"], 0x2e_a0_43);
    assert!(embed["title"].as_str().unwrap().starts_with('✅'));
}

#[tokio::test]
async fn an_embed_that_is_refused_goes_out_as_plain_text_once() {
    let fake = refusing();
    let mut long = message();
    long.story = vec!["긴 줄 *굵게* 🔥 ".repeat(60); 80];
    let delivery = deliver(&discord(), &long, fake.router()).await;
    assert_eq!(delivery, delivered("1"));
    assert_eq!(fake.asked(), 2);
    let content = fake.bodies()[0]["content"].as_str().unwrap().to_owned();
    assert!(content.contains("INC-42 needs a person"));
    assert!(content.contains("lines left out"));
    assert!(content.ends_with(r"Record: incidents/2026-11-21-INC-42.md"), "{content}");
}

#[tokio::test]
async fn what_is_over_changes_the_earlier_message() {
    let fake = fake();
    let mut message = message();
    message.mentions = vec!["<@77>".into(), "<@&88>".into()];
    assert_eq!(deliver(&discord(), &message, fake.router()).await, delivered("1"));
    assert_eq!(fake.messages()[&1]["content"], "<@77> <@&88>");
    message.mentions.clear();
    message.kind = NotificationKind::Resolved;
    message.edits = Some(Receipt("1".into()));
    assert_eq!(deliver(&discord(), &message, fake.router()).await, delivered("1"));
    assert_eq!(fake.messages().len(), 1);
    assert_eq!(fake.messages()[&1]["embeds"][0]["color"], 0x2e_a0_43);
    // A change makes no sound, so who has to wake up gets a message of its own.
    message.kind = NotificationKind::Escalated;
    assert_eq!(deliver(&discord(), &message, fake.router()).await, delivered("2"));
    assert_eq!(fake.refused(), Vec::<String>::new());
}

#[tokio::test]
async fn a_message_that_was_removed_is_sent_anew() {
    let fake = fake();
    deliver(&discord(), &message(), fake.router()).await;
    fake.clear();
    let mut over = message();
    over.kind = NotificationKind::Resolved;
    over.edits = Some(Receipt("1".into()));
    assert_eq!(deliver(&discord(), &over, fake.router()).await, delivered("2"));
    // What is no id never becomes a part of a URL.
    over.edits = Some(Receipt("../../1".into()));
    assert_eq!(deliver(&discord(), &over, fake.router()).await, delivered("3"));
}

#[tokio::test]
async fn plain_text_that_is_refused_too_is_permanent_after_two_requests() {
    let fake = answering(400, &[], r#"{"message":"Invalid Form Body","code":50035}"#);
    fake.answer_next([Answer::new(400, r#"{"message":"Invalid Form Body","code":50035}"#)]);
    let error = permanent(deliver(&discord(), &message(), fake.router()).await);
    assert!(error.contains("`Invalid Form Body` (code 50035)"), "{error}");
    assert_eq!(fake.asked(), 2);
}

#[tokio::test]
async fn a_forum_channel_needs_a_thread_and_the_error_says_how() {
    let body = json!({"message": "Webhooks posted to forum channels must have a thread_name or thread_id", "code": 220_001});
    let fake = answering(400, &[], body.to_string());
    let error = permanent(deliver(&discord(), &message(), fake.router()).await);
    assert!(error.contains("?thread_id="), "{error}");
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn a_rate_limit_is_honoured_by_the_longest_of_its_three_words() {
    let body = |after: &str| {
        format!(
            r#"{{"message":"You are being rate limited.","retry_after":{after},"global":false}}"#
        )
    };
    for (headers, body, expected) in [
        (&[][..], body("1.337"), Some(1_337)),
        (&[("x-ratelimit-reset-after", "2.5"), ("retry-after", "1")], body("0.3"), Some(2_500)),
        (&[("x-ratelimit-reset-after", "2.5"), ("retry-after", "65")], body("0.3"), Some(65_000)),
        (&[("retry-after", "3")], "<html>Cloudflare 1015</html>".into(), Some(3_000)),
        (&[("x-ratelimit-reset-after", "nan")], body("-4"), None),
        (&[], body("\"soon\""), None),
        (&[], r#"{"retry_after":"#.into(), None),
        (&[], "[1,2,3]".into(), None),
        (&[], body("1e30"), Some(3_600_000)),
    ] {
        let fake = answering(429, headers, body.clone());
        let delivery = deliver(&discord(), &message(), fake.router()).await;
        let Delivery::Retry { after, error } = delivery else {
            panic!("{delivery:?} for {body}");
        };
        assert_eq!(after, expected.map(Millis), "{body}");
        assert!(error.contains("HTTP 429"), "{error}");
        assert!(fake.bodies().is_empty());
    }
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_permanent_and_says_what_to_do() {
    for (status, body) in [
        (401, r#"{"message":"Invalid Webhook Token","code":50027}"#),
        (403, "<html><body>Forbidden</body></html>"),
        (404, r#"{"message":"Unknown Webhook","code":10015}"#),
        (404, ""),
    ] {
        let fake = answering(status, &[], body);
        let error = permanent(deliver(&discord(), &message(), fake.router()).await);
        assert!(error.contains("create a new one"), "{error}");
        assert!(!error.contains('<'), "{error}");
        assert_eq!(fake.asked(), 1);
    }
    let mut other = discord();
    other.kind = ChannelKind::Discord {
        webhook_url: Secret::new("https://discord.com/api/webhooks/1/an-old-t0ken"),
    };
    let error = permanent(deliver(&other, &message(), fake().router()).await);
    assert!(error.contains("HTTP 401: `Invalid Webhook Token` (code 50027)"), "{error}");
}

#[tokio::test]
async fn an_outage_is_tried_again() {
    for (status, body) in [
        (500, "{}".to_owned()),
        (502, format!("<html>Bad gateway for /api/webhooks/1234567/{TOKEN}</html>")),
        (503, format!("upstream of {TOKEN} is down")),
        (408, String::new()),
    ] {
        let fake = answering(status, &[("retry-after", "7")], body);
        let delivery = deliver(&discord(), &message(), fake.router()).await;
        assert_eq!(
            delivery,
            Delivery::Retry {
                after: Some(Millis::from_secs(7)),
                error: format!("Discord answered HTTP {status}"),
            }
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = answering(301, &[("location", "https://evil.example/t0ken")], "");
    let error = permanent(deliver(&discord(), &message(), fake.router()).await);
    assert!(error.contains("redirects are not followed"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_body_never_ends_is_no_answer() {
    let slow = || async {
        let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"id\":"))]);
        Body::from_stream(begun.chain(stream::pending()))
    };
    let router = Router::new().fallback(slow);
    assert_eq!(
        deliver(&discord(), &message(), router).await,
        Delivery::Retry { after: None, error: "no answer within 10 s".into() }
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn discord_takes_whatever_text_there_is(
        title in "(\\PC|[*_`~|>#\\[\\]()\\\\]|한글|🔥){0,400}",
        service in "(\\PC|[*_`]|한글|🔥|\\s){0,300}",
        line in "(\\PC|[*_`]|한글|🔥|\u{1b}){0,700}",
        lines in 0usize..120,
        refuses_embeds: bool,
    ) {
        let fake = if refuses_embeds { refusing() } else { fake() };
        let mut message = message();
        message.title = title.clone();
        message.summary = line.repeat(4);
        message.story = vec![line; lines];
        let key = IncidentKey {
            target: Target::part(service.as_str().into(), &title),
            symptom: title.as_str().into(),
        };
        message.about = incident(key);
        message.record = Some(service.repeat(4).into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let delivery = runtime.block_on(deliver(&discord(), &message, fake.router()));
        prop_assert_eq!(delivery, delivered("1"));
        let expected = if refuses_embeds { 2 } else { 1 };
        prop_assert_eq!(fake.asked(), expected);
    }
}
