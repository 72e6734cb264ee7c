//! `nightcrew incidents`: what happened, and what was done about it.

use nightcrew_model::id::IncidentId;
use serde_json::Value;

use crate::cli;
use crate::client::{found, text};
use crate::output::{self, Exit, Failure};

pub(crate) async fn run(command: cli::Incidents) -> anyhow::Result<Exit> {
    match command {
        cli::Incidents::List { open, ask } => {
            let state = if open { "open" } else { "all" };
            let incidents = found(&ask, &format!("/api/v1/incidents?state={state}")).await?;
            if ask.json {
                output::json(&incidents)?;
                return Ok(Exit::Done);
            }
            let items = incidents.get("items").and_then(Value::as_array);
            let rows = items.into_iter().flatten().map(|incident| {
                let of = |pointer| text(incident, pointer);
                vec![
                    of("/id"),
                    of("/service"),
                    of("/symptom"),
                    of("/state"),
                    of("/severity"),
                    of("/opened_at"),
                    of("/reason"),
                ]
            });
            let header = ["id", "service", "symptom", "state", "severity", "since", "why"];
            output::table(&header, rows.collect());
        }
        cli::Incidents::Show { id, ask } => {
            let incident = incident(&ask, &id).await?;
            if ask.json {
                output::json(&incident)?;
                return Ok(Exit::Done);
            }
            for field in
                ["id", "service", "symptom", "state", "severity", "opened_at", "ended_at", "reason"]
            {
                let value = text(&incident, &format!("/{field}"));
                output::line(&format!("{field:<10} {}", output::plain(&value)));
            }
            timeline(&incident);
        }
        cli::Incidents::Timeline { id, ask } => {
            let incident = incident(&ask, &id).await?;
            if ask.json {
                output::json(&incident.get("timeline"))?;
            } else {
                timeline(&incident);
            }
        }
    }
    Ok(Exit::Done)
}

async fn incident(ask: &cli::Ask, id: &str) -> anyhow::Result<Value> {
    let id: IncidentId = id.parse().map_err(|error| {
        Failure::usage(format!("{error}"), "`nightcrew incidents list` prints them")
    })?;
    found(ask, &format!("/api/v1/incidents/{id}")).await
}

fn timeline(incident: &Value) {
    for event in incident.get("timeline").and_then(Value::as_array).into_iter().flatten() {
        let of = |pointer| output::plain(&text(event, pointer));
        let at = output::coloured(output::DIM, &of("/at"));
        output::line(&format!("{at}  {} ({})", of("/text"), of("/reason")));
    }
}
