//! `nightcrew oncall`: who is on call, and whether messages reach anybody.

use nightcrew_runtime::clock::Clock;
use serde_json::{Value, json};

use crate::cli;
use crate::client::{body, found, post, text};
use crate::output::{self, Exit};
use crate::silences::segment;
use crate::span;

pub(crate) async fn run(command: cli::Oncall) -> anyhow::Result<Exit> {
    match command {
        cli::Oncall::Show(ask) => {
            let calendars = found(&ask, "/api/v1/oncall").await?;
            if ask.json {
                output::json(&calendars)?;
                return Ok(Exit::Done);
            }
            let items = calendars.get("items").and_then(Value::as_array);
            let rows = items.into_iter().flatten().map(|calendar| {
                let of = |pointer| text(calendar, pointer);
                vec![of("/schedule"), of("/person"), of("/until")]
            });
            output::table(&["schedule", "on call", "until"], rows.collect());
        }
        cli::Oncall::Schedule { name, ics: true, ask } => {
            let feed = body(&ask, &format!("/api/v1/oncall/{}.ics", segment(&name)?)).await?;
            for line in feed.lines() {
                output::line(line);
            }
        }
        cli::Oncall::Schedule { name, ics: false, ask } => {
            let calendar = found(&ask, &format!("/api/v1/oncall/{}", segment(&name)?)).await?;
            if ask.json {
                output::json(&calendar)?;
                return Ok(Exit::Done);
            }
            let shifts = calendar.get("shifts").and_then(Value::as_array);
            let rows = shifts.into_iter().flatten().map(|shift| {
                let of = |pointer| text(shift, pointer);
                vec![of("/from"), of("/until"), of("/person")]
            });
            output::table(&["from", "until", "on call"], rows.collect());
        }
        cli::Oncall::Override { name, person, duration, who, ask } => {
            let until = span::from_now(&duration)?;
            let path = format!("/api/v1/oncall/{}/overrides", segment(&name)?);
            let wanted = json!({
                "person": person,
                "from": Clock::System.now(),
                "until": until,
                "by": who.by,
            });
            post(&ask, &path, &wanted).await?;
        }
        cli::Oncall::TestPage { channel, who, ask } => {
            let path = format!("/api/v1/channels/{}/test", segment(&channel)?);
            let queued = post(&ask, &path, &json!({ "by": who.by })).await?;
            output::line(&output::plain(&text(&queued, "/notification")));
        }
    }
    Ok(Exit::Done)
}
