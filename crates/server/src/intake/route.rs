//! The routes through which alerts come in.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use nightcrew_model::alert::Source;

use super::elements::NotAlerts;
use super::store::store;
use super::{alert_body, hook_body};
use crate::app::App;
use crate::body;
use crate::problem::{Kind, Problem};

/// `POST /api/v2/alerts`.  A 200 has no body; a 400 is a JSON string, as an Alertmanager answers,
/// and the valid alerts of that request are durable all the same.
pub(crate) async fn post_alerts(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let received = match body::read(&app.bodies, &headers, body).await {
        Ok(received) => received,
        Err(problem) if problem.kind() == Kind::BadRequest => return string(problem.detail()),
        Err(problem) => return problem.into_response(),
    };
    let parsed = match alert_body::parse(&received.text) {
        Ok(parsed) => parsed,
        Err(why) => return string(&why.to_string()),
    };
    let complaint = parsed.complaint();
    app.counters.alerts_bad.fetch_add(parsed.n_bad as u64, Ordering::Relaxed);
    if let Err(problem) = store(&app.handle, Source::AlertsApi, parsed.good).await {
        return problem.into_response();
    }
    match complaint {
        None => StatusCode::OK.into_response(),
        Some(complaint) => string(&complaint),
    }
}

/// `POST /hooks/alertmanager`.
pub(crate) async fn post_alertmanager(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let received = body::read(&app.bodies, &headers, body).await?;
    let now = app.handle.clock().now();
    let hook = hook_body::parse(&received.text, now).map_err(|why| not_a_hook(&why))?;
    if hook.n_truncated > 0 {
        app.counters.alerts_truncated.fetch_add(hook.n_truncated, Ordering::Relaxed);
        tracing::warn!(
            alerts.truncated = hook.n_truncated,
            "an Alertmanager left {} alerts out of a webhook; set max_alerts of its webhook to 0",
            hook.n_truncated
        );
    }
    let complaint = hook.alerts.complaint();
    app.counters.alerts_bad.fetch_add(hook.alerts.n_bad as u64, Ordering::Relaxed);
    store(&app.handle, Source::Alertmanager, hook.alerts.good).await?;
    match complaint {
        None => Ok(StatusCode::OK),
        Some(complaint) => Err(Problem::bad_request(
            complaint,
            "the other alerts of this webhook are stored; look at the rules behind the named ones",
        )),
    }
}

fn not_a_hook(why: &NotAlerts) -> Problem {
    Problem::bad_request(
        why.to_string(),
        "send what the webhook_configs of an Alertmanager send, version 4: \
         {\"version\":\"4\",\"alerts\":[{\"status\",\"labels\",…}]}",
    )
}

/// A 400 as an Alertmanager gives it.
fn string(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(why)).into_response()
}
