//! What every route shares, and which routes there are.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use jiff::Timestamp;
use nightcrew_crew::handle::Handle;
use nightcrew_intake::otlp::meter::Meter;
use tokio::sync::{Semaphore, watch};

use crate::api::incident_changes::Change;
use crate::body::Room;
use crate::limit::{BODIES_BYTES_MAX, STREAMS_MAX};
use crate::problem::{Kind, Problem};
use crate::{alertmanager, api, chat, door, events, health, intake, metrics, otlp, page};

/// The version that answers name.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What every route shares; cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) handle: Handle,
    /// When serving began.
    pub(crate) started_at: Timestamp,
    /// The room for the bodies of requests.
    pub(crate) bodies: Room,
    /// The places for event streams.
    pub(crate) streams: Arc<Semaphore>,
    /// True when it is time to stop; event streams end then.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) counters: Counters,
    /// What the doors remember between requests.
    pub(crate) doors: intake::Memory,
    /// What OTLP series had counted so far.
    pub(crate) meter: Mutex<Meter>,
}

/// What the server itself counts, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Alerts that could not be read.
    pub(crate) alerts_bad: AtomicU64,
    /// Items of telemetry that were rejected.
    pub(crate) telemetry_rejected: AtomicU64,
    /// Alerts that an Alertmanager left out of its webhooks.
    pub(crate) alerts_truncated: AtomicU64,
}

impl App {
    pub(crate) fn new(handle: Handle, stopping: watch::Receiver<bool>) -> Self {
        let started_at = handle.clock().now();
        Self(Arc::new(Shared {
            handle,
            started_at,
            bodies: Room::new(BODIES_BYTES_MAX),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            stopping,
            counters: Counters::default(),
            doors: intake::Memory::default(),
            meter: Mutex::default(),
        }))
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Every route; `bound` is the address at which they are served.
pub(crate) fn routes(app: App, bound: Option<SocketAddr>) -> Router {
    Router::new()
        .merge(alertmanager_routes())
        .merge(api_routes())
        .merge(health_routes())
        .merge(chat_routes())
        .merge(door_routes())
        .merge(otlp_routes())
        .layer(from_fn(page::never_stored))
        .merge(page::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(bound, door::keep))
        .with_state(app)
}

fn alertmanager_routes() -> Router<App> {
    Router::new()
        .route("/api/v2/alerts", get(alertmanager::alerts::alerts).post(intake::alerts::post))
        .route("/api/v2/alerts/groups", get(alertmanager::groups::groups))
        .route("/api/v2/receivers", get(alertmanager::status::receivers))
        .route(
            "/api/v2/silence/{id}",
            get(alertmanager::silences::silence).delete(alertmanager::silences::delete),
        )
        .route(
            "/api/v2/silences",
            get(alertmanager::silences::silences).post(alertmanager::silences::post),
        )
        .route("/api/v2/status", get(alertmanager::status::status))
        .route("/-/healthy", get(health::healthy))
        .route("/-/ready", get(health::am_ready))
        .route("/-/reload", post(alertmanager::reload::reload))
}

fn api_routes() -> Router<App> {
    Router::new()
        .route("/api/v1/agents", get(api::agents))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/alerts/{fingerprint}", get(api::alert_story::alert))
        .route("/api/v1/alerts/{fingerprint}/chart.svg", get(api::alert_story::picture))
        .merge(approval_routes())
        .route("/api/v1/audit", get(api::audit::audit))
        .route("/api/v1/dead-letters", get(api::dead_letters::list))
        .route("/api/v1/dead-letters/{id}", get(api::dead_letters::letter))
        .route("/api/v1/dead-letters/{id}/replay", post(api::dead_letters::post_replay))
        .route("/api/v1/detection", get(api::detection::detection))
        .route("/api/v1/healing", get(api::healing::healing))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/incidents", get(api::incidents))
        .route("/api/v1/incidents/{id}", get(api::incident))
        .merge(incident_changes())
        .route("/api/v1/channels/{name}/test", post(api::trial::channel))
        .route("/api/v1/locks", get(api::locks::locks).post(api::locks::take))
        .route("/api/v1/locks/{name}/release", post(api::locks::release))
        .route("/api/v1/metrics", get(api::series::list))
        .route("/api/v1/metrics/export", get(api::series::exported))
        .route("/api/v1/metrics/query", get(api::series::query))
        .route("/api/v1/oncall", get(api::oncall::on_call))
        .route("/api/v1/oncall/{schedule}", get(api::oncall::schedule))
        .route("/api/v1/oncall/{schedule}/overrides", post(api::oncall::replace))
        .route("/api/v1/playbooks", get(api::playbooks))
        .route("/api/v1/playbooks/review", get(api::shadow::review))
        .route("/api/v1/routes/test", post(api::trial::routes))
        .route("/api/v1/services", get(api::services))
        .route("/api/v1/slo", get(api::slo::slos))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/topology", get(api::topology::topology))
}

fn health_routes() -> Router<App> {
    Router::new()
        .route("/health", get(health::alive))
        .route("/healthz", get(health::alive))
        .route("/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
}

fn door_routes() -> Router<App> {
    let opsgenie = any(intake::hooks::opsgenie);
    let hook = post(intake::hooks::hook).put(intake::hooks::hook);
    Router::new()
        .route("/hooks/{door}", hook.clone())
        .route(
            "/hooks/{door}/{*below}",
            hook.patch(intake::hooks::hook).delete(intake::hooks::hook),
        )
        .route("/v2/alerts", post(intake::hooks::opsgenie))
        .route("/v2/alerts/requests/{id}", get(intake::hooks::opsgenie_request))
        .route("/v2/alerts/{*below}", opsgenie)
}

fn otlp_routes() -> Router<App> {
    ["", "/otlp"].into_iter().fold(Router::new(), |router, below| {
        router
            .route(&format!("{below}/v1/metrics"), post(otlp::metrics))
            .route(&format!("{below}/v1/logs"), post(otlp::logs))
            .route(&format!("{below}/v1/traces"), post(otlp::traces))
    })
}

fn chat_routes() -> Router<App> {
    Router::new()
        .route("/chat/discord", post(chat::discord::discord))
        .route("/chat/slack", post(chat::slack::slack))
        .route("/chat/telegram", post(chat::telegram::telegram))
}

fn incident_changes() -> Router<App> {
    let changes = [
        ("acknowledge", Change::Acknowledge),
        ("unacknowledge", Change::Unacknowledge),
        ("resolve", Change::Resolve),
        ("escalate", Change::Escalate),
    ];
    changes.into_iter().fold(Router::new(), |router, (word, change)| {
        let path = format!("/api/v1/incidents/{{id}}/{word}");
        router.route(&path, post(move |app, id, asker| change.post(app, id, asker)))
    })
}

fn approval_routes() -> Router<App> {
    use api::approvals;
    Router::new()
        .route("/api/v1/approvals", get(approvals::approvals))
        .route("/api/v1/approvals/{incident}/{number}/approve", post(approvals::approve))
        .route("/api/v1/approvals/{incident}/{number}/deny", post(approvals::deny))
        .route("/api/v1/standing-approvals", post(approvals::stand))
        .route("/api/v1/standing-approvals/{name}/end", post(approvals::end))
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(
        format!("path {}", uri.path()),
        "the paths are /, /api/v1/…, /api/v2/…, /hooks/DOOR, /v2/alerts, /chat/SERVICE, /v1/…, \
         /otlp/v1/…, /healthz, /readyz and /metrics",
    )
}

async fn method_not_allowed(uri: Uri) -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        format!("the path {} has no such method", uri.path()),
        "the Allow header names the methods that it has",
    )
}
