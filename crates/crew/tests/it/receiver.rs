//! A receiver of webhooks inside the process, with every fault that receivers have.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::{Response, StatusCode};
use axum::routing::{any, get};
use jiff::Timestamp;
use nightcrew_config::settings::{Channel, ChannelKind, Secret, WebhookBody};
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use serde_json::Value;

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Takes,
    Answers(u16),
    Limited { after_seconds: u64 },
    TakesAfter { seconds: u64 },
    Never,
    CutsMidBody,
}

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) channel: String,
    pub(crate) at: Timestamp,
    pub(crate) accepted: bool,
    pub(crate) body: Value,
}

impl Arrived {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or("")
    }
}

/// Every receiver of a test, by the name of its channel.
#[derive(Clone)]
pub(crate) struct Receivers {
    clock: Clock,
    modes: Arc<Mutex<BTreeMap<String, Mode>>>,
    arrived: Arc<Mutex<Vec<Arrived>>>,
    beats: Arc<Mutex<Vec<Timestamp>>>,
}

impl Receivers {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            modes: Arc::default(),
            arrived: Arc::default(),
            beats: Arc::default(),
        }
    }

    pub(crate) fn set(&self, channel: &str, mode: Mode) {
        self.modes.lock().unwrap().insert(channel.to_owned(), mode);
    }

    /// Everything that came to a channel, in order.
    pub(crate) fn at(&self, channel: &str) -> Vec<Arrived> {
        let all = self.arrived.lock().unwrap();
        all.iter().filter(|arrived| arrived.channel == channel).cloned().collect()
    }

    /// What a channel took, in order.
    pub(crate) fn taken(&self, channel: &str) -> Vec<Arrived> {
        self.at(channel).into_iter().filter(|arrived| arrived.accepted).collect()
    }

    /// When the external heartbeat was called.
    pub(crate) fn beats(&self) -> Vec<Timestamp> {
        self.beats.lock().unwrap().clone()
    }

    pub(crate) fn http(&self) -> Http {
        let (hooks, beats, posted, edited) =
            (self.clone(), self.clone(), self.clone(), self.clone());
        let router = Router::new()
            .route(
                "/hook/{channel}",
                any(async move |Path(channel): Path<String>, body: Bytes| {
                    hooks.answer(channel, &body).await
                }),
            )
            .route(
                "/beat",
                get(async move || {
                    let now = beats.clock.now();
                    beats.beats.lock().unwrap().push(now);
                }),
            )
            .route(
                "/api/webhooks/1/token",
                any(async move |body: Bytes| {
                    posted.note("discord POST", &body);
                    axum::Json(serde_json::json!({"id": "4711"}))
                }),
            )
            .route(
                "/api/webhooks/1/token/messages/{id}",
                any(async move |Path(id): Path<String>, body: Bytes| {
                    edited.note(&format!("discord PATCH {id}"), &body);
                    axum::Json(serde_json::json!({"id": id}))
                }),
            );
        Http::Fake(router)
    }

    fn note(&self, channel: &str, body: &Bytes) {
        self.arrived.lock().unwrap().push(Arrived {
            channel: channel.to_owned(),
            at: self.clock.now(),
            accepted: true,
            body: serde_json::from_slice(body).unwrap(),
        });
    }

    async fn answer(&self, channel: String, body: &Bytes) -> Response<Body> {
        let mode = self.modes.lock().unwrap().get(&channel).copied().unwrap_or(Mode::Takes);
        let refuses = matches!(mode, Mode::Answers(_) | Mode::Limited { .. } | Mode::Never);
        let accepted = !refuses;
        self.arrived.lock().unwrap().push(Arrived {
            channel,
            at: self.clock.now(),
            accepted,
            body: serde_json::from_slice(body).unwrap(),
        });
        let status =
            |status: u16| Response::builder().status(StatusCode::from_u16(status).unwrap());
        match mode {
            Mode::Takes => status(200).body(Body::empty()).unwrap(),
            Mode::Answers(code) => status(code).body(Body::from("나중에")).unwrap(),
            Mode::Limited { after_seconds } => {
                let limited = status(429).header("retry-after", after_seconds);
                limited.body(Body::empty()).unwrap()
            }
            Mode::TakesAfter { seconds } => {
                tokio::time::sleep(Millis::from_secs(seconds).duration()).await;
                status(200).body(Body::empty()).unwrap()
            }
            Mode::Never => std::future::pending().await,
            Mode::CutsMidBody => {
                let begun = Ok::<_, std::io::Error>(Bytes::from_static(b"{\"ok\":"));
                let cut = Err(std::io::Error::other("connection reset by peer"));
                let stream = futures_util::stream::iter([begun, cut]);
                status(200).body(Body::from_stream(stream)).unwrap()
            }
        }
    }
}

/// A webhook to the receiver of that name, told of escalations and of what is over.
pub(crate) fn webhook(name: &str) -> Channel {
    Channel {
        name: name.into(),
        kind: ChannelKind::Webhook {
            url: Secret::new(format!("http://receiver.test/hook/{name}")),
            headers: BTreeMap::new(),
            body: WebhookBody::Nightcrew,
        },
        notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
        send_resolved: true,
        fallback: None,
        rate: None,
    }
}

pub(crate) fn seconds(n: u64) -> Millis {
    Millis::from_secs(n)
}
