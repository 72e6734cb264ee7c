//! `POST /-/reload`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::app::App;

/// Reads the configuration again and goes by it.  On an error, which is told as Alertmanager
/// does, the one before stays in force.
pub(crate) async fn reload(State(app): State<App>) -> Response {
    match app.handle.reload_again().await {
        Ok(reloaded) if reloaded.needs_restart.is_empty() => StatusCode::OK.into_response(),
        Ok(reloaded) => {
            let parts = reloaded.needs_restart.join(", ");
            format!("reloaded; a restart is needed for: {parts}\n").into_response()
        }
        Err(error) => {
            let why = format!("failed to reload config: {error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        }
    }
}
