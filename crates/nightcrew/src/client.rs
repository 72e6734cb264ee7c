//! Asking a running crew over HTTP.

use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Request};
use serde_json::Value;

use crate::cli::Ask;
use crate::output::{Exit, Failure};

/// How long an answer may take.
const ANSWER_MAX: Millis = Millis::from_secs(10);

/// Asks for a path below the crew's URL, and gives its status and JSON.
pub(crate) async fn get(ask: &Ask, path: &str) -> anyhow::Result<(u16, Value)> {
    let base = ask.url.trim_end_matches('/');
    let request = Request::get(format!("{base}{path}"), ANSWER_MAX);
    let response = Http::net().send(request).await.map_err(|error| Failure {
        exit: Exit::Unreachable,
        message: format!("cannot reach the crew at {base}: {error}"),
        hint: Some("start it with `nightcrew up`, or name its address with --url".to_owned()),
    })?;
    let value = serde_json::from_slice(&response.body).map_err(|error| Failure {
        exit: Exit::Unreachable,
        message: format!("{base} does not answer like a crew: {error}"),
        hint: Some("something else may be listening there".to_owned()),
    })?;
    Ok((response.status.as_u16(), value))
}

/// Asks for something that has to be there.
pub(crate) async fn found(ask: &Ask, path: &str) -> anyhow::Result<Value> {
    let (status, value) = get(ask, path).await?;
    if status < 400 {
        return Ok(value);
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    Err(Failure {
        exit: if status == 400 { Exit::Usage } else { Exit::No },
        message: text("detail")
            .or_else(|| text("title"))
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
