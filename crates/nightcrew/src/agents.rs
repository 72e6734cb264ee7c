//! `nightcrew agents`: the members of the crew.

use nightcrew_model::unit::Millis;
use serde_json::Value;

use crate::cli;
use crate::client::{found, text};
use crate::output::{self, Exit};

pub(crate) async fn run(command: cli::Agents) -> anyhow::Result<Exit> {
    let cli::Agents::List(ask) = command;
    let status = found(&ask, "/api/v1/agents").await?;
    if ask.json {
        output::json(&status)?;
    } else {
        show(&status);
    }
    Ok(Exit::Done)
}

/// Prints the agents of a status.
pub(crate) fn show(status: &Value) {
    let agents = status.get("agents").and_then(Value::as_array);
    let rows = agents.into_iter().flatten().map(|agent| {
        let age = agent.get("heartbeat_age_ms").and_then(Value::as_u64);
        vec![
            text(agent, "/name"),
            text(agent, "/state"),
            age.map_or_else(|| "no round yet".to_owned(), |age| format!("{} ago", Millis(age))),
            text(agent, "/last_error"),
        ]
    });
    output::table(&["agent", "state", "heartbeat", "last trouble"], rows.collect());
}
