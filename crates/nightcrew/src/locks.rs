//! `nightcrew locks`: something is not done to some services for some time.

use serde_json::{Value, json};

use crate::cli;
use crate::client::{found, post, text};
use crate::output::{self, Exit};
use crate::silences::segment;
use crate::span;

pub(crate) async fn run(command: cli::Locks) -> anyhow::Result<Exit> {
    match command {
        cli::Locks::List(ask) => {
            let locks = found(&ask, "/api/v1/locks").await?;
            if ask.json {
                output::json(&locks)?;
                return Ok(Exit::Done);
            }
            let items = locks.get("items").and_then(Value::as_array);
            let rows = items.into_iter().flatten().map(|lock| {
                let of = |pointer| text(lock, pointer);
                let list = |key: &str| {
                    let words = lock.get(key).and_then(Value::as_array).into_iter().flatten();
                    words.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
                };
                vec![
                    of("/name"),
                    of("/owner"),
                    list("services"),
                    list("blocks"),
                    of("/expires_at"),
                    of("/fence"),
                    of("/reason"),
                ]
            });
            let header = ["name", "owner", "services", "blocks", "until", "fence", "why"];
            output::table(&header, rows.collect());
        }
        cli::Locks::Add { name, blocks, services, duration, reason, who, ask } => {
            let expires_at = span::from_now(&duration)?;
            let wanted = json!({
                "name": segment(&name)?,
                "blocks": blocks,
                "services": services,
                "expires_at": expires_at,
                "reason": reason,
                "owner": who.by,
            });
            let taken = post(&ask, "/api/v1/locks", &wanted).await?;
            if ask.json {
                output::json(&taken)?;
            } else {
                output::line(&format!("fence {}", text(&taken, "/fence")));
            }
        }
        cli::Locks::Release { name, fence, who, ask } => {
            let path = format!("/api/v1/locks/{}/release", segment(&name)?);
            post(&ask, &path, &json!({ "fence": fence, "by": who.by })).await?;
        }
    }
    Ok(Exit::Done)
}
