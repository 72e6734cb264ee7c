//! Whether the process serves, and whether the crew is ready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use nightcrew_crew::oversee;
use serde::Serialize;

use crate::api::audit::AuditView;
use crate::app::App;
use crate::view::agent::AgentView;

/// The answer to `/readyz`.
#[derive(Serialize)]
pub(crate) struct Ready {
    ready: bool,
    agents: Vec<AgentView>,
    /// Why the journal cannot be written; none while it can.
    storage: Option<String>,
    /// Whether everything that is not over is gone on with; none before the first look.
    audit: Option<AuditView>,
}

impl Ready {
    fn of(app: &App) -> Self {
        let now = app.handle.clock().now();
        let audit = app.handle.audit().map(|audit| AuditView::of(&audit, now));
        let attended = audit.as_ref().is_none_or(|audit| audit.passes);
        Self {
            ready: app.handle.is_ready() && attended,
            agents: agents(app),
            storage: app.handle.storage_trouble(),
            audit,
        }
    }

    fn status(&self) -> StatusCode {
        if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// `/healthz`: always 200 while the process serves.
pub(crate) async fn alive() -> &'static str {
    "OK\n"
}

/// `/-/healthy`, as Alertmanager answers it.
pub(crate) async fn healthy() -> &'static str {
    "OK"
}

/// `/readyz`: 200 when every agent has made its first round, none is down, the journal can be
/// written and the audit passes; 503 otherwise, with what is missing.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let ready = Ready::of(&app);
    (ready.status(), Json(ready))
}

/// `/-/ready`: as `/readyz`, with Alertmanager's answer while all is well.
pub(crate) async fn am_ready(State(app): State<App>) -> Response {
    let ready = Ready::of(&app);
    if ready.ready { "OK".into_response() } else { (ready.status(), Json(ready)).into_response() }
}

/// How every agent is, by name.
pub(crate) fn agents(app: &App) -> Vec<AgentView> {
    let agents = oversee::agents(app.handle.board(), app.handle.clock().now());
    agents.into_iter().map(AgentView::from).collect()
}
