//! `POST /api/v2/alerts`, the way of Prometheus, vmalert and amtool.

use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use nightcrew_config::settings::Inbound;
use nightcrew_intake::door::alerts_api;
use nightcrew_model::alert::Source;

use super::dead_letter::{keep, only};
use super::door::{ALERTS_API, open};
use super::store::store;
use crate::alertmanager::answer::Answer;
use crate::app::App;
use crate::body;
use crate::limit::ALERTS_BODY_BYTES_MAX;
use crate::problem::Kind;

/// `POST /api/v2/alerts`.  A 200 has no body; a 400 is a JSON string, as an Alertmanager answers,
/// and the valid alerts of that request are durable all the same.
pub(crate) async fn post(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let raw = body::read_raw(&app.bodies, &parts.headers, body, ALERTS_BODY_BYTES_MAX).await;
    let raw = match raw {
        Ok(raw) => raw,
        Err(problem) if problem.kind() == Kind::BadRequest => return string(problem.detail()),
        Err(problem) => return problem.into_response(),
    };
    let parsed = match alerts_api::parse(&raw.bytes) {
        Ok(parsed) => parsed,
        Err(why) => return refuse(&app, &parts, &raw.bytes, 1, &why.to_string()).await,
    };
    let complaint = parsed.complaint();
    if let Err(problem) = store(&app.handle, Source::AlertsApi, parsed.alerts).await {
        return problem.into_response();
    }
    match complaint {
        None => StatusCode::OK.into_response(),
        Some(complaint) => {
            let door = door();
            let kept = only(&door, &raw.bytes, &parsed.partial);
            let kept = kept.as_deref().unwrap_or(&raw.bytes);
            refuse(&app, &parts, kept, parsed.partial.len() as u64, &complaint).await
        }
    }
}

/// Keeps what is bad, and says so.
async fn refuse(app: &App, parts: &Parts, body: &[u8], n_bad: u64, why: &str) -> Response {
    app.counters.alerts_bad.fetch_add(n_bad, Ordering::Relaxed);
    match keep(app, &door(), parts, body, why).await {
        Ok(id) => string(&format!("{why}; kept as dead letter {id}")),
        Err(problem) => problem.into_response(),
    }
}

fn door() -> Inbound {
    open(ALERTS_API, Source::AlertsApi)
}

/// A 400 as an Alertmanager gives it.
fn string(why: &str) -> Response {
    Answer(StatusCode::BAD_REQUEST, why).into_response()
}
