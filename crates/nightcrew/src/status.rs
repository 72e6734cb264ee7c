//! `nightcrew status`: how the running crew is.

use serde_json::Value;

use crate::client::{get, text};
use crate::output::{self, Exit};
use crate::{cli, wiring};

pub(crate) async fn run(ask: cli::Ask) -> anyhow::Result<Exit> {
    let (_, status) = get(&ask, "/api/v1/status").await?;
    let ready = status.get("ready").and_then(Value::as_bool) == Some(true);
    if ask.json {
        output::json(&status)?;
        return Ok(wiring::answer(ready));
    }
    let (style, word) = if ready { (output::GREEN, "ready") } else { (output::RED, "not ready") };
    output::line(&format!("crew at {}: {}", ask.url, output::coloured(style, word)));
    if let Some(trouble) = status.get("storage").and_then(Value::as_str) {
        output::line(&output::coloured(
            output::RED,
            &format!("journal: {}", output::plain(trouble)),
        ));
    }
    output::line(&format!(
        "incidents open: {}, alerts active: {}, messages waiting: {}",
        text(&status, "/incidents/open"),
        text(&status, "/alerts/active"),
        text(&status, "/outbox/pending"),
    ));
    crate::agents::show(&status);
    sources(&status);
    Ok(wiring::answer(ready))
}

/// Prints the systems that are asked for numbers, where there are any.
fn sources(status: &Value) {
    let sources = status.get("sources").and_then(Value::as_array);
    let rows: Vec<Vec<String>> = sources
        .into_iter()
        .flatten()
        .map(|source| {
            let up = source.get("up").and_then(Value::as_bool);
            vec![
                text(source, "/name"),
                text(source, "/kind"),
                match up {
                    Some(true) => "answers".to_owned(),
                    Some(false) => "does not answer".to_owned(),
                    None => "not asked".to_owned(),
                },
                format!("{} of {}", text(source, "/unknown"), text(source, "/samples")),
                text(source, "/last_success_at"),
                text(source, "/last_error"),
            ]
        })
        .collect();
    if !rows.is_empty() {
        let head = ["source", "kind", "state", "unknown", "answered at", "last trouble"];
        output::table(&head, rows);
    }
}
