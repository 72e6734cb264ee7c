//! `nightcrew alerts`: what the crew knows of alerts.

use nightcrew_model::labels::Fingerprint;
use serde_json::Value;

use crate::cli;
use crate::client::{found, text};
use crate::output::{self, Exit, Failure};

pub(crate) async fn run(command: cli::Alerts) -> anyhow::Result<Exit> {
    match command {
        cli::Alerts::List(ask) => {
            let alerts = found(&ask, "/api/v1/alerts").await?;
            if ask.json {
                output::json(&alerts)?;
                return Ok(Exit::Done);
            }
            let items = alerts.get("items").and_then(Value::as_array);
            let rows = items.into_iter().flatten().map(|alert| {
                let of = |pointer| text(alert, pointer);
                vec![
                    of("/fingerprint"),
                    of("/service"),
                    of("/symptom"),
                    of("/severity"),
                    of("/state"),
                    of("/starts_at"),
                ]
            });
            let header = ["fingerprint", "service", "symptom", "severity", "state", "since"];
            output::table(&header, rows.collect());
        }
        cli::Alerts::Show { fingerprint, ask } => {
            let fingerprint: Fingerprint = fingerprint.parse().map_err(|error| {
                Failure::usage(format!("{error}"), "`nightcrew alerts list` prints them")
            })?;
            let alert = found(&ask, &format!("/api/v1/alerts/{fingerprint}")).await?;
            output::json(&alert)?;
        }
    }
    Ok(Exit::Done)
}
