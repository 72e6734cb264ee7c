//! What every route shares, and which routes there are.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use jiff::Timestamp;
use nightcrew_crew::handle::Handle;
use tokio::sync::{Semaphore, watch};

use crate::body::Room;
use crate::intake::route::{post_alertmanager, post_alerts};
use crate::limit::{BODIES_BYTES_MAX, STREAMS_MAX};
use crate::problem::{Kind, Problem};
use crate::{alertmanager, api, door, events, health, metrics, page};

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
}

/// What the server itself counts, for `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Alerts that could not be read.
    pub(crate) alerts_bad: AtomicU64,
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
    let alertmanager = Router::new()
        .route("/api/v2/alerts", get(alertmanager::alerts).post(post_alerts))
        .route("/api/v2/receivers", get(alertmanager::receivers))
        .route("/api/v2/status", get(alertmanager::status))
        .route("/-/healthy", get(health::alive))
        .route("/-/ready", get(health::ready));
    let api = Router::new()
        .route("/api/v1/agents", get(api::agents))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/alerts/{fingerprint}", get(api::alert))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/incidents", get(api::incidents))
        .route("/api/v1/incidents/{id}", get(api::incident))
        .route("/api/v1/playbooks", get(api::playbooks))
        .route("/api/v1/services", get(api::services))
        .route("/api/v1/status", get(api::status));
    let health = Router::new()
        .route("/health", get(health::alive))
        .route("/healthz", get(health::alive))
        .route("/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics));
    Router::new()
        .merge(alertmanager)
        .merge(api)
        .merge(health)
        .route("/hooks/alertmanager", post(post_alertmanager))
        .layer(from_fn(page::never_stored))
        .merge(page::routes())
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(bound, door::keep))
        .with_state(app)
}

async fn not_found(uri: Uri) -> Problem {
    Problem::not_found(
        format!("path {}", uri.path()),
        "the paths are /, /api/v1/…, /api/v2/…, /hooks/alertmanager, /healthz, /readyz and /metrics",
    )
}

async fn method_not_allowed(uri: Uri) -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        format!("the path {} has no such method", uri.path()),
        "the Allow header names the methods that it has",
    )
}
