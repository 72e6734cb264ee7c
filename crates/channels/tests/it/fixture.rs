//! Messages and channels that the tests send and use.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use nightcrew_channels::channel;
use nightcrew_channels::console::Console;
use nightcrew_channels::group::{AlertContent, AlertStatus, GroupContent};
use nightcrew_channels::message::{About, Action, ActionKind, IncidentContent, Message};
use nightcrew_config::settings::{Channel, ChannelKind, Secret, SmtpTls, WebhookBody};
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::event::Delivery;
use nightcrew_model::id::{IncidentId, NotificationId, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::Labels;
use nightcrew_model::severity::Severity;
use nightcrew_runtime::http::Http;
use tracing_subscriber::fmt::MakeWriter;

/// The part of every URL and key here that nobody may see.
pub(crate) const TOKEN: &str = "t0ken-THAT-nobody-may-see";

pub(crate) fn incident(key: IncidentKey) -> About {
    let opened_at = "2026-11-21T02:58:00Z".parse().unwrap();
    About::Incident(IncidentContent { incident: IncidentId(42), key, opened_at })
}

pub(crate) fn message() -> Message {
    let about = incident(IncidentKey {
        target: Target::part("host".into(), "/var"),
        symptom: "disk_space_low".into(),
    });
    let at = "2026-11-21T03:00:05.25Z".parse().unwrap();
    Message {
        installation: "night-1".into(),
        severity: Severity::Critical,
        title: "INC-42 needs a person: host:/var disk_space_low".into(),
        summary: "디스크가 가득 찼고, 정리해도 줄지 않았습니다.".into(),
        story: vec![
            "Detected: disk_usage = 97 %".into(),
            "Tried: clean_files /var/log; removed 0 files".into(),
            "With a person now: INC-42/1 did not heal it".into(),
        ],
        record: Some("incidents/2026-11-21-INC-42.md".into()),
        ..Message::new(NotificationId(7), NotificationKind::Escalated, about, at)
    }
}

/// The message about the same incident that it is over.
pub(crate) fn over() -> Message {
    let mut message = message();
    message.notification = NotificationId(9);
    message.kind = NotificationKind::Resolved;
    message.title = "INC-42 is over: host:/var disk_space_low".into();
    message
}

pub(crate) fn acknowledge() -> Action {
    Action {
        kind: ActionKind::Acknowledge,
        command: "nightcrew incidents ack INC-42".into(),
        button: Some("ack:INC-42".into()),
    }
}

/// A message about a group of so many alerts.
pub(crate) fn group(alerts: usize) -> Message {
    let mut content = GroupContent::new("team".into(), r#"{}:{alertname="디스크"}"#.into());
    content.group_labels = [("alertname", "디스크")].into_iter().collect();
    content.external_url = "http://127.0.0.1:7979".into();
    for n in 0..alerts {
        let labels: Labels =
            [("alertname", "디스크".to_owned()), ("instance", n.to_string())].into_iter().collect();
        content.alerts.push(AlertContent {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: [("summary", "가득 참")].into_iter().collect(),
            status: AlertStatus::Firing,
            starts_at: Timestamp::UNIX_EPOCH,
            ends_at: None,
            generator_url: String::new(),
        });
    }
    let at = "2026-11-21T03:00:05.25Z".parse().unwrap();
    Message {
        installation: "night-1".into(),
        severity: Severity::Warning,
        title: format!("[FIRING:{alerts}] 디스크"),
        story: (0..alerts).map(|n| format!("instance={n}")).collect(),
        ..Message::new(NotificationId(8), NotificationKind::Firing, About::Group(content), at)
    }
}

pub(crate) fn discord() -> Channel {
    discord_at("https://discord.com")
}

pub(crate) fn discord_at(base: &str) -> Channel {
    let webhook_url = Secret::new(format!("{base}/api/webhooks/1234567/{TOKEN}"));
    channel(ChannelKind::Discord { webhook_url })
}

pub(crate) fn slack_webhook(base: &str) -> Channel {
    let webhook_url = Secret::new(format!("{base}/services/T0NIGHT/B0NIGHT/{TOKEN}"));
    channel(ChannelKind::SlackWebhook { webhook_url })
}

pub(crate) fn slack_api(base: &str) -> Channel {
    channel(ChannelKind::SlackApi {
        token: Secret::new(format!("xoxb-{TOKEN}")),
        channel: "#야간".into(),
        api_url: format!("{base}/api"),
    })
}

pub(crate) fn telegram(base: &str) -> Channel {
    channel(ChannelKind::Telegram {
        token: Secret::new(format!("1234567:{TOKEN}")),
        chat_id: "-42".into(),
        thread_id: Some(5),
        api_url: base.into(),
    })
}

pub(crate) fn pagerduty(base: &str) -> Channel {
    channel(ChannelKind::Pagerduty {
        routing_key: Secret::new(TOKEN),
        url: format!("{base}/v2/enqueue"),
    })
}

pub(crate) fn opsgenie(base: &str) -> Channel {
    channel(ChannelKind::Opsgenie {
        api_key: Secret::new(TOKEN),
        api_url: base.into(),
        responders: vec!["team:야간".into(), "user:kim@example.org".into()],
        tags: vec!["nightcrew".into()],
    })
}

pub(crate) fn github(base: &str) -> Channel {
    channel(ChannelKind::Github {
        repository: "acme/shop".into(),
        token: Secret::new(TOKEN),
        api_url: base.into(),
        labels: vec!["incident".into()],
        assignees: vec!["kim".into()],
    })
}

pub(crate) fn email(smarthost: &str) -> Channel {
    channel(ChannelKind::Email {
        smarthost: smarthost.into(),
        tls: SmtpTls::None,
        username: None,
        password: None,
        from: "Nightcrew <crew@example.org>".into(),
        to: vec!["kim@example.org".into(), "Lee <lee@example.org>".into()],
    })
}

pub(crate) fn webhook(headers: &[(&str, &str)]) -> Channel {
    webhook_at("https://example.org", headers, WebhookBody::Nightcrew)
}

pub(crate) fn webhook_at(base: &str, headers: &[(&str, &str)], body: WebhookBody) -> Channel {
    let headers: BTreeMap<String, Secret> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    let url = Secret::new(format!("{base}/hook/{TOKEN}?key={TOKEN}"));
    channel(ChannelKind::Webhook { url, headers, body })
}

fn channel(kind: ChannelKind) -> Channel {
    Channel {
        name: "night".into(),
        kind,
        notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
        send_resolved: true,
        fallback: None,
        rate: None,
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Makes one try inside the process.
pub(crate) async fn deliver(
    channel: &Channel,
    message: &Message,
    router: axum::Router,
) -> Delivery {
    deliver_by(&Http::Fake(router), channel, message).await
}

/// Makes one try, and sees to it that neither what came of it nor the log gives a secret away.
pub(crate) async fn deliver_by(http: &Http, channel: &Channel, message: &Message) -> Delivery {
    let console = Console::new(std::io::sink());
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let logging = tracing::subscriber::set_default(subscriber);
    let delivery = channel::deliver(channel, message, http, &console).await;
    drop(logging);
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    let said = format!("{delivery:?}\n{logged}").to_lowercase();
    assert!(!said.contains("t0ken"), "a secret in {said}");
    delivery
}

/// The error of a try that must not be made again.
pub(crate) fn permanent(delivery: Delivery) -> String {
    match delivery {
        Delivery::Permanent { error } => error,
        other @ (Delivery::Delivered { .. } | Delivery::Retry { .. }) => panic!("{other:?}"),
    }
}

/// The receipt of a message that arrived.
pub(crate) fn receipt(delivery: Delivery) -> Option<String> {
    match delivery {
        Delivery::Delivered { receipt } => receipt.map(|receipt| receipt.0),
        other @ (Delivery::Permanent { .. } | Delivery::Retry { .. }) => panic!("{other:?}"),
    }
}
