//! What holds for every channel over HTTP: how it takes trouble, and what it never says.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use nightcrew_channels::message::{About, DigestContent, Message, Sending};
use nightcrew_channels::retry;
use nightcrew_config::settings::{Channel, WebhookBody};
use nightcrew_model::decision::{CrewTopic, NotificationKind, Receipt};
use nightcrew_model::event::Delivery;
use nightcrew_model::id::{NotificationId, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::mute::Scope;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::Http;
use nightcrew_testkit::fake::{self, Desk, Mode};
use proptest::prelude::*;

use crate::fixture::{self, acknowledge, deliver, deliver_by, group, incident, message, permanent};

/// One channel and its service.
struct Case {
    name: &'static str,
    channel: fn(&str) -> Channel,
    router: Router,
    desk: Arc<Desk>,
}

macro_rules! case {
    ($name:literal, $fake:ident, $channel:expr) => {{
        let fake = fake::$fake::default();
        Case { name: $name, channel: $channel, router: fake.router(), desk: fake.desk() }
    }};
}

fn ours(base: &str) -> Channel {
    fixture::webhook_at(base, &[("x-key", fixture::TOKEN)], WebhookBody::Nightcrew)
}

fn alertmanager(base: &str) -> Channel {
    fixture::webhook_at(base, &[], WebhookBody::Alertmanager)
}

fn template(base: &str) -> Channel {
    let source = r#"{"text": {{ title ~ " " ~ severity }}, "story": {{ story }}}"#;
    fixture::webhook_at(base, &[], WebhookBody::Template(source.to_owned()))
}

fn cases() -> Vec<Case> {
    vec![
        case!("discord", Discord, fixture::discord_at),
        case!("slack webhook", Slack, fixture::slack_webhook),
        case!("slack api", Slack, fixture::slack_api),
        case!("telegram", Telegram, fixture::telegram),
        case!("pagerduty", Pagerduty, fixture::pagerduty),
        case!("opsgenie", Opsgenie, fixture::opsgenie),
        case!("github", Github, fixture::github),
        case!("webhook", Webhook, ours),
        case!("alertmanager", Webhook, alertmanager),
        case!("template", Webhook, template),
    ]
}

impl Case {
    async fn tell(&self, message: &Message) -> Delivery {
        deliver(&(self.channel)("https://service.example"), message, self.router.clone()).await
    }

    fn is_generic(&self) -> bool {
        ["webhook", "alertmanager", "template"].contains(&self.name)
    }
}

#[tokio::test]
async fn what_is_well_arrives_in_one_request() {
    for case in cases() {
        for message in [message(), group(3)] {
            let delivery = case.tell(&message).await;
            assert!(matches!(delivery, Delivery::Delivered { .. }), "{}: {delivery:?}", case.name);
        }
        assert_eq!(case.desk.refused(), Vec::<String>::new(), "{}", case.name);
        assert_eq!(case.desk.asked(), 2, "{}", case.name);
    }
}

#[tokio::test]
async fn a_service_in_trouble_is_tried_again() {
    for case in cases() {
        for status in [500, 502, 503, 504, 408] {
            case.desk.fail_with(Mode::Status(status));
            let delivery = case.tell(&message()).await;
            let Delivery::Retry { after: None, error } = &delivery else {
                panic!("{}: {delivery:?}", case.name);
            };
            assert!(error.contains(&format!("HTTP {status}")), "{}: {error}", case.name);
            assert!(!retry::end_unknown(error), "{}: {error}", case.name);
        }
    }
}

#[tokio::test]
async fn a_rate_limit_for_ever_is_honoured_each_time() {
    for case in cases() {
        let after = Duration::from_secs(37);
        case.desk.fail_with(Mode::RateLimited { after });
        for _ in 0..3 {
            let delivery = case.tell(&message()).await;
            let Delivery::Retry { after: Some(asked), .. } = delivery else {
                panic!("{}: {delivery:?}", case.name);
            };
            assert_eq!(asked, Millis::from_secs(37), "{}", case.name);
        }
        assert_eq!(case.desk.asked(), 3, "{}: a limited channel asks once a try", case.name);
        assert!(case.desk.received().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_may_have_the_message() {
    for case in cases() {
        case.desk.fail_with(Mode::Slow(Duration::from_secs(3_600)));
        let delivery = case.tell(&message()).await;
        let Delivery::Retry { after: None, error } = &delivery else {
            panic!("{}: {delivery:?}", case.name);
        };
        assert!(retry::end_unknown(error), "{}: {error}", case.name);
        assert_eq!(case.desk.received().len(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    for case in cases() {
        case.desk.fail_with(Mode::CloseMidBody);
        let delivery = case.tell(&message()).await;
        let Delivery::Retry { after: None, error } = &delivery else {
            panic!("{}: {delivery:?}", case.name);
        };
        assert!(retry::end_unknown(error), "{}: {error}", case.name);
    }
}

#[tokio::test]
async fn an_error_in_the_services_own_words_is_understood() {
    for case in cases() {
        case.desk.fail_with(Mode::ErrorBody);
        let error = permanent(case.tell(&message()).await);
        assert!(error.contains(": `"), "{}: {error}", case.name);
        assert!(error.contains("; "), "{} gives no advice: {error}", case.name);
        assert!(case.desk.received().is_empty());
    }
}

#[tokio::test]
async fn the_page_of_a_proxy_is_not_the_service() {
    for case in cases() {
        case.desk.fail_with(Mode::Page(502));
        let Delivery::Retry { error, .. } = case.tell(&message()).await else {
            panic!("{}", case.name);
        };
        assert!(!error.contains('<'), "{error}");
        case.desk.fail_with(Mode::Page(200));
        let delivery = case.tell(&message()).await;
        if case.is_generic() {
            assert_eq!(delivery, Delivery::Delivered { receipt: None }, "any 2xx will do");
        } else {
            assert!(matches!(delivery, Delivery::Retry { .. }), "{}: {delivery:?}", case.name);
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for case in cases() {
        case.desk.fail_with(Mode::Redirect);
        let error = permanent(case.tell(&message()).await);
        assert!(error.contains("redirects are not followed"), "{}: {error}", case.name);
        assert!(!error.contains("elsewhere"), "{}: {error}", case.name);
        assert_eq!(case.desk.asked(), 1, "{}", case.name);
    }
}

#[tokio::test]
async fn a_service_that_is_down_did_not_get_the_message() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for case in cases() {
        let channel = (case.channel)(&format!("http://127.0.0.1:{port}"));
        let delivery = deliver_by(&Http::net(), &channel, &message()).await;
        let Delivery::Retry { after: None, error } = &delivery else {
            panic!("{}: {delivery:?}", case.name);
        };
        assert!(error.contains("refused"), "{}: {error}", case.name);
        assert!(!retry::end_unknown(error), "{}: {error}", case.name);
    }
}

#[tokio::test]
async fn over_the_network_it_is_the_same() {
    let (url, fake) = fake::Pagerduty::start().await;
    let http = Http::net();
    let channel = fixture::pagerduty(&url);
    let delivery = deliver_by(&http, &channel, &message()).await;
    assert!(matches!(delivery, Delivery::Delivered { .. }), "{delivery:?}");
    fake.fail_with(Mode::CloseMidBody);
    let delivery = deliver_by(&http, &channel, &message()).await;
    let Delivery::Retry { error, .. } = &delivery else {
        panic!("{delivery:?}");
    };
    assert!(retry::end_unknown(error), "{error}");
    assert_eq!(fake.incidents().len(), 1, "a repeat makes no second incident");
    assert_eq!(fake.incidents()[&message().subject_key()].triggers, 2);
}

/// Answers with whatever it was sent, headers and all.
async fn echo(status: u16, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let body = String::from_utf8_lossy(&body);
    let words = format!("you sent {} {:?} {body}", parts.uri, parts.headers);
    let plain = matches!(status % 2, 0);
    let json = serde_json::json!({
        "message": words, "error": words, "description": words, "errors": [words], "ok": false,
    });
    let text = if plain { words } else { json.to_string() };
    Response::builder().status(status).body(Body::from(text)).unwrap()
}

#[tokio::test]
async fn what_a_service_echoes_is_not_repeated() {
    for status in [200, 201, 301, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503] {
        let router = Router::new().fallback(move |request| echo(status, request));
        for case in cases() {
            let channel = (case.channel)("https://service.example");
            // The fixture looks for secrets in the error and in the log.
            let delivery = deliver(&channel, &message(), router.clone()).await;
            let known = case.is_generic() || case.name == "discord";
            let good = matches!(delivery, Delivery::Delivered { .. });
            assert!(!good || status < 300 && known, "{}: {status}", case.name);
        }
    }
}

#[tokio::test]
async fn every_kind_of_message_is_told_or_refused_with_advice() {
    let at = "2026-11-21T09:00:00Z".parse().unwrap();
    let digest = About::Digest(DigestContent {
        scope: Scope::Everything,
        suppressed: 4_321,
        window: Millis::from_secs(300),
        sample: vec!["INC-7 결제".into()],
    });
    let new = |kind, about| Message::new(NotificationId(3), kind, about, at);
    let mut digest = new(NotificationKind::Digest, digest);
    digest.title = "4321 more were kept back".into();
    let mut all_clear = new(NotificationKind::AllClear, About::Crew(CrewTopic::AllClear));
    all_clear.title = "All is well".into();
    let test = Message::test(NotificationId(4), &"김하나".into(), at);
    let mut acknowledged = message();
    acknowledged.kind = NotificationKind::Acknowledged;
    for case in cases() {
        for message in [&digest, &all_clear, &test, &acknowledged, &fixture::over()] {
            let delivery = case.tell(message).await;
            let tickets = ["pagerduty", "opsgenie", "github"].contains(&case.name);
            if message.kind == NotificationKind::AllClear && tickets {
                let error = permanent(delivery);
                assert!(error.contains("send `all_clear` to a chat or by mail"), "{error}");
            } else {
                let good = matches!(delivery, Delivery::Delivered { .. });
                assert!(good, "{} {}: {delivery:?}", case.name, message.kind);
            }
        }
        assert_eq!(case.desk.refused(), Vec::<String>::new(), "{}", case.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_service_takes_whatever_text_there_is(
        title in "(\\PC|[*_`~|>#&<\\[\\]()\\\\@]|한글|🔥|\u{202e}|<!channel>|@everyone){0,120}",
        service in "(\\PC|[*_`]|한글|🔥|\\s){0,300}",
        line in "(\\PC|[*_`&<@]|한글|🔥|\u{1b}|</b>){0,400}",
        lines in 0usize..120,
        grouped: bool,
        repeat: bool,
    ) {
        let mut message = if grouped { group(2) } else {
            let mut message = message();
            message.about = incident(IncidentKey {
                target: Target::part(service.as_str().into(), &title),
                symptom: title.as_str().into(),
            });
            message
        };
        message.title.clone_from(&title);
        message.summary = line.repeat(4);
        message.story = vec![line.clone(); lines];
        message.record = Some(service.repeat(4).into());
        message.actions = vec![acknowledge()];
        message.installation = title;
        if repeat {
            message.sending = Sending::PossibleRepeat;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for case in cases() {
            let delivery = runtime.block_on(case.tell(&message));
            prop_assert!(matches!(delivery, Delivery::Delivered { .. }), "{}: {delivery:?}", case.name);
            prop_assert_eq!(case.desk.refused(), Vec::<String>::new(), "{}", case.name);
            let mut over = message.clone();
            over.kind = NotificationKind::Resolved;
            if let Delivery::Delivered { receipt } = delivery {
                over.edits = receipt;
            }
            let delivery = runtime.block_on(case.tell(&over));
            prop_assert!(matches!(delivery, Delivery::Delivered { .. }), "{}: {delivery:?}", case.name);
            prop_assert_eq!(case.desk.refused(), Vec::<String>::new(), "{}", case.name);
        }
    }

    #[test]
    fn no_receipt_leads_astray(receipt in "\\PC{0,30}|[0-9:./?#-]{0,20}") {
        let mut over = fixture::over();
        over.edits = Some(Receipt(receipt));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for case in cases() {
            let delivery = runtime.block_on(case.tell(&over));
            prop_assert!(matches!(delivery, Delivery::Delivered { .. }), "{}: {delivery:?}", case.name);
        }
    }
}
