//! Asking a running crew over HTTP.

use axum::http::Method;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Request, Response};
use serde_json::Value;

use crate::cli::Ask;
use crate::output::{Exit, Failure};

/// How long an answer may take.
const ANSWER_MAX: Millis = Millis::from_secs(10);

/// Asks for a path below the crew's URL, and gives its status and JSON.
pub(crate) async fn get(ask: &Ask, path: &str) -> anyhow::Result<(u16, Value)> {
    let base = ask.url.trim_end_matches('/');
    exchange(ask, Request::get(format!("{base}{path}"), ANSWER_MAX)).await
}

/// Sends something to a path below the crew's URL; what it answers, where it answers anything.
pub(crate) async fn post(ask: &Ask, path: &str, body: &Value) -> anyhow::Result<Value> {
    let base = ask.url.trim_end_matches('/');
    let request = Request::post_json(format!("{base}{path}"), body, ANSWER_MAX);
    accepted(exchange(ask, request).await?)
}

/// Removes what is at a path below the crew's URL.
pub(crate) async fn delete(ask: &Ask, path: &str) -> anyhow::Result<Value> {
    let base = ask.url.trim_end_matches('/');
    let mut request = Request::get(format!("{base}{path}"), ANSWER_MAX);
    request.method = Method::DELETE;
    accepted(exchange(ask, request).await?)
}

async fn answer(ask: &Ask, request: Request) -> anyhow::Result<Response> {
    let base = ask.url.trim_end_matches('/');
    let answer = Http::net().send(request).await.map_err(|error| Failure {
        exit: Exit::Unreachable,
        message: format!("cannot reach the crew at {base}: {error}"),
        hint: Some("start it with `nightcrew up`, or name its address with --url".to_owned()),
    })?;
    Ok(answer)
}

async fn exchange(ask: &Ask, request: Request) -> anyhow::Result<(u16, Value)> {
    let base = ask.url.trim_end_matches('/').to_owned();
    let response = answer(ask, request).await?;
    if response.body.is_empty() {
        return Ok((response.status.as_u16(), Value::Null));
    }
    let value = serde_json::from_slice(&response.body).map_err(|error| Failure {
        exit: Exit::Unreachable,
        message: format!("{base} does not answer like a crew: {error}"),
        hint: Some("something else may be listening there".to_owned()),
    })?;
    Ok((response.status.as_u16(), value))
}

/// Asks for a text that has to be there.
pub(crate) async fn body(ask: &Ask, path: &str) -> anyhow::Result<String> {
    let base = ask.url.trim_end_matches('/');
    let response = answer(ask, Request::get(format!("{base}{path}"), ANSWER_MAX)).await?;
    if response.status.as_u16() < 400 {
        return Ok(String::from_utf8_lossy(&response.body).into_owned());
    }
    let problem = serde_json::from_slice(&response.body).unwrap_or(Value::Null);
    accepted((response.status.as_u16(), problem)).map(|_| String::new())
}

/// Asks for something that has to be there.
pub(crate) async fn found(ask: &Ask, path: &str) -> anyhow::Result<Value> {
    accepted(get(ask, path).await?)
}

/// The answer, unless it is a refusal.
fn accepted((status, value): (u16, Value)) -> anyhow::Result<Value> {
    if status < 400 {
        return Ok(value);
    }
    // Alertmanager's API answers with a bare text.
    let bare = value.as_str().map(str::to_owned);
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Err(Failure {
        exit: if status == 400 { Exit::Usage } else { Exit::No },
        message: text("detail")
            .or_else(|| text("title"))
            .or(bare)
            .unwrap_or_else(|| format!("HTTP {status}")),
        hint: text("hint"),
    }
    .into())
}

/// A field as text; empty where it is not there.
pub(crate) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
