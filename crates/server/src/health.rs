//! Whether the process serves, and whether the crew is ready.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use nightcrew_crew::oversee;
use serde::Serialize;

use crate::app::App;
use crate::view::agent::AgentView;

/// The answer to `/readyz`.
#[derive(Serialize)]
pub(crate) struct Ready {
    ready: bool,
    agents: Vec<AgentView>,
    /// Why the journal cannot be written; none while it can.
    storage: Option<String>,
}

/// `/healthz`: always 200 while the process serves.
pub(crate) async fn alive() -> &'static str {
    "OK\n"
}

/// `/readyz`: 200 when every agent has made its first round, none is down and the journal can be
/// written; 503 otherwise, with what is missing.
pub(crate) async fn ready(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let ready = app.handle.is_ready();
    let body = Ready { ready, agents: agents(&app), storage: app.handle.storage_trouble() };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body))
}

/// How every agent is, by name.
pub(crate) fn agents(app: &App) -> Vec<AgentView> {
    let agents = oversee::agents(app.handle.board(), app.handle.clock().now());
    agents.into_iter().map(AgentView::from).collect()
}
