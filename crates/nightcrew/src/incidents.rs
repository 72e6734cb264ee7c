//! `nightcrew incidents`: what happened, and what was done about it.

use nightcrew_model::id::IncidentId;
use serde_json::{Value, json};

use crate::cli;
use crate::client::{found, post, text};
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
        cli::Incidents::Ack(change) => return changed(change, "acknowledge").await,
        cli::Incidents::Unack(change) => return changed(change, "unacknowledge").await,
        cli::Incidents::Resolve(change) => return changed(change, "resolve").await,
        cli::Incidents::Escalate(change) => return changed(change, "escalate").await,
    }
    Ok(Exit::Done)
}

/// Changes an incident, and prints how it stands then.
async fn changed(change: cli::Change, how: &str) -> anyhow::Result<Exit> {
    let cli::Change { id, who, ask } = change;
    let path = format!("/api/v1/incidents/{}/{how}", parsed(&id)?);
    let incident = post(&ask, &path, &json!({ "by": who.by })).await?;
    if ask.json {
        output::json(&incident)?;
    } else {
        let of = |pointer| output::plain(&text(&incident, pointer));
        output::line(&format!("{} {}", of("/id"), of("/state")));
    }
    Ok(Exit::Done)
}

fn parsed(id: &str) -> anyhow::Result<IncidentId> {
    id.parse().map_err(|error| {
        Failure::usage(format!("{error}"), "`nightcrew incidents list` prints them").into()
    })
}

async fn incident(ask: &cli::Ask, id: &str) -> anyhow::Result<Value> {
    found(ask, &format!("/api/v1/incidents/{}", parsed(id)?)).await
}

pub(crate) fn timeline(incident: &Value) {
    for event in incident.get("timeline").and_then(Value::as_array).into_iter().flatten() {
        let of = |pointer| output::plain(&text(event, pointer));
        let at = output::coloured(output::DIM, &of("/at"));
        output::line(&format!("{at}  {} ({})", of("/text"), of("/reason")));
    }
}
