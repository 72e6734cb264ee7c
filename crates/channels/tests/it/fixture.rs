//! Messages and channels that the tests send and use.

use std::collections::BTreeMap;

use nightcrew_channels::channel;
use nightcrew_channels::console::Console;
use nightcrew_channels::message::{Message, Sending};
use nightcrew_config::settings::{Channel, ChannelKind, Secret};
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::event::Delivery;
use nightcrew_model::id::{IncidentId, NotificationId, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::severity::Severity;
use nightcrew_runtime::http::Http;

/// The part of every URL here that nobody may see.
pub(crate) const TOKEN: &str = "t0ken-THAT-nobody-may-see";

pub(crate) fn message() -> Message {
    Message {
        notification: NotificationId(7),
        kind: NotificationKind::Escalated,
        incident: IncidentId(42),
        key: IncidentKey {
            target: Target::part("host".into(), "/var"),
            symptom: "disk_space_low".into(),
        },
        severity: Severity::Critical,
        at: "2026-11-21T03:00:05.25Z".parse().unwrap(),
        title: "INC-42 needs a person: host:/var disk_space_low".into(),
        summary: "디스크가 가득 찼고, 정리해도 줄지 않았습니다.".into(),
        story: vec![
            "Detected: disk_usage = 97 %".into(),
            "Tried: clean_files /var/log; removed 0 files".into(),
            "With a person now: INC-42/1 did not heal it".into(),
        ],
        record: Some("incidents/2026-11-21-INC-42.md".into()),
        sending: Sending::First,
    }
}

pub(crate) fn discord() -> Channel {
    channel(ChannelKind::Discord {
        webhook_url: Secret::new(format!("https://discord.com/api/webhooks/1234567/{TOKEN}")),
    })
}

pub(crate) fn webhook(headers: &[(&str, &str)]) -> Channel {
    let headers: BTreeMap<String, Secret> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect();
    channel(ChannelKind::Webhook {
        url: Secret::new(format!("https://example.org/hook/{TOKEN}?key={TOKEN}")),
        headers,
    })
}

fn channel(kind: ChannelKind) -> Channel {
    Channel {
        name: "night".into(),
        kind,
        notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
    }
}

/// Makes one try, and sees to it that what came of it gives no secret away.
pub(crate) async fn deliver(
    channel: &Channel,
    message: &Message,
    router: axum::Router,
) -> Delivery {
    let http = Http::Fake(router);
    let console = Console::new(std::io::sink());
    let delivery = channel::deliver(channel, message, &http, &console).await;
    let said = format!("{delivery:?}");
    assert!(!said.contains("t0ken"), "a secret in {said}");
    delivery
}

/// The error of a try that must not be made again.
pub(crate) fn permanent(delivery: Delivery) -> String {
    match delivery {
        Delivery::Permanent { error } => error,
        other @ (Delivery::Delivered | Delivery::Retry { .. }) => panic!("{other:?}"),
    }
}
