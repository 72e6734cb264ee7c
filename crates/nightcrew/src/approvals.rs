//! `nightcrew approvals`: the plans that wait for a person.

use clap::{Args, Subcommand};
use nightcrew_model::id::AttemptId;
use serde_json::{Value, json};

use crate::cli::{Ask, Who};
use crate::client::{found, post, text};
use crate::output::{self, Exit, Failure};
use crate::silences::segment;
use crate::span;

/// How many digits of a hash name a plan.
const HASH_DIGITS: usize = 12;

#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// List the plans that wait, and what is approved for a while.
    List(Ask),
    /// Show a plan that waits: every step, as it would run.
    Show {
        /// Which: INC-42/1.
        attempt: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Let a plan run.
    Approve {
        /// Which: INC-42/1.
        attempt: String,
        /// How the hash of the plan that was seen begins; without it the plan is shown and approved
        /// as it is.
        hash: Option<String>,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
    /// Keep a plan from running: a person takes the incident.
    Deny {
        /// Which: INC-42/1.
        attempt: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
    /// Approve every action of some shapes for a while.
    Stand(Box<Stand>),
    /// Take a standing approval back.
    End {
        /// Its name.
        name: String,
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        ask: Ask,
    },
}

/// What is approved for a while.
#[derive(Debug, Args)]
pub(crate) struct Stand {
    /// Its name, such as nightly-restarts.
    name: String,
    /// Of which playbook.
    #[arg(long)]
    playbook: String,
    /// For which service; without it, every one.
    #[arg(long)]
    service: Option<String>,
    /// A command line in which `{service}`, `{number}` and `{path:/below}` stand for a kind of word.
    #[arg(long = "shape", value_name = "SHAPE", required = true)]
    shapes: Vec<String>,
    /// The highest risk that it covers: observe, reversible, disruptive or destructive.
    #[arg(long, default_value = "disruptive")]
    class_max: String,
    /// When it ends by itself, such as 12h from now; at most 30 days.
    #[arg(long = "for", value_name = "TIME")]
    duration: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: Who,
    #[command(flatten)]
    ask: Ask,
}

pub(crate) async fn run(command: Approvals) -> anyhow::Result<Exit> {
    match command {
        Approvals::List(ask) => list(&ask).await,
        Approvals::Show { attempt, ask } => {
            let waiting = waiting(&ask, &attempt).await?;
            if ask.json {
                output::json(&waiting)?;
            } else {
                show(&waiting);
            }
            Ok(Exit::Done)
        }
        Approvals::Approve { attempt, hash, who, ask } => {
            let waiting = waiting(&ask, &attempt).await?;
            let known = text(&waiting, "/hash");
            match hash {
                Some(seen) => same(&seen, &known)?,
                // Whoever approves sees what.
                None if !ask.json => show(&waiting),
                None => {}
            }
            let hash = known;
            let body = json!({ "hash": hash, "by": who.by });
            answered(&ask, &attempt, "approve", &body).await
        }
        Approvals::Deny { attempt, who, ask } => {
            answered(&ask, &attempt, "deny", &json!({ "by": who.by })).await
        }
        Approvals::Stand(stand) => stand_for(*stand).await,
        Approvals::End { name, who, ask } => {
            let path = format!("/api/v1/standing-approvals/{}/end", segment(&name)?);
            post(&ask, &path, &json!({ "by": who.by })).await?;
            Ok(Exit::Done)
        }
    }
}

async fn list(ask: &Ask) -> anyhow::Result<Exit> {
    let approvals = found(ask, "/api/v1/approvals").await?;
    if ask.json {
        output::json(&approvals)?;
        return Ok(Exit::Done);
    }
    let of = |key: &str| approvals.get(key).and_then(Value::as_array).into_iter().flatten();
    let rows: Vec<Vec<String>> = of("items")
        .map(|waiting| {
            ["/attempt", "/target/service", "/playbook", "/class", "/expires_at"]
                .map(|pointer| text(waiting, pointer))
                .to_vec()
        })
        .collect();
    if rows.is_empty() {
        output::line("no plan waits for approval");
    } else {
        output::table(&["plan", "service", "playbook", "risk", "until"], rows);
    }
    let standing: Vec<Vec<String>> = of("standing")
        .map(|standing| {
            ["/name", "/playbook", "/service", "/class_max", "/by", "/until", "/reason"]
                .map(|pointer| text(standing, pointer))
                .to_vec()
        })
        .collect();
    if !standing.is_empty() {
        let header = ["standing", "playbook", "service", "up to", "by", "until", "why"];
        output::table(&header, standing);
    }
    Ok(Exit::Done)
}

/// The plan of an attempt that waits.
async fn waiting(ask: &Ask, attempt: &str) -> anyhow::Result<Value> {
    let id = parsed(attempt)?.to_string();
    let approvals = found(ask, "/api/v1/approvals").await?;
    let items = approvals.get("items").and_then(Value::as_array).into_iter().flatten();
    let found = items.into_iter().find(|waiting| text(waiting, "/attempt") == id);
    found.cloned().ok_or_else(|| {
        Failure::usage(
            format!("{id} does not wait for approval"),
            "`nightcrew approvals list` prints the plans that do",
        )
        .into()
    })
}

fn show(waiting: &Value) {
    let of = |pointer| output::plain(&text(waiting, pointer));
    output::line(&format!("{} {}: {}", of("/attempt"), of("/target/service"), of("/playbook")));
    for (n, step) in
        waiting.get("steps").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        let of = |pointer| output::plain(&text(step, pointer));
        output::line(&format!("{}. {} ({})", n + 1, of("/action"), of("/class")));
        let words = step.get("argv").and_then(Value::as_array).into_iter().flatten();
        let words: Vec<&str> = words.filter_map(Value::as_str).collect();
        if !words.is_empty() {
            output::line(&format!("   {}", output::plain(&words.join(" "))));
        }
        if step.get("when").is_some_and(Value::is_string) {
            output::line(&format!("   only when {}", of("/when")));
        }
        output::line(&format!("   {}: {}", of("/verdict"), of("/reason")));
    }
    output::line(&format!("until {}, hash {}", of("/expires_at"), of("/hash")));
}

/// Whether the hash that was seen is that of the plan that waits.
fn same(seen: &str, known: &str) -> anyhow::Result<()> {
    if seen.len() >= HASH_DIGITS && known.starts_with(seen) {
        return Ok(());
    }
    let message = format!("`{seen}` is not how the hash of that plan begins");
    let hint = format!("give {HASH_DIGITS} digits or more; `nightcrew approvals show` prints them");
    Err(Failure::usage(message, hint).into())
}

async fn answered(ask: &Ask, attempt: &str, how: &str, body: &Value) -> anyhow::Result<Exit> {
    let AttemptId { incident, number } = parsed(attempt)?;
    let path = format!("/api/v1/approvals/{incident}/{number}/{how}");
    let answer = post(ask, &path, body).await?;
    if ask.json {
        output::json(&answer)?;
    } else {
        output::line(&format!("{} {}", text(&answer, "/attempt"), text(&answer, "/answer")));
    }
    Ok(Exit::Done)
}

async fn stand_for(stand: Stand) -> anyhow::Result<Exit> {
    let Stand { name, playbook, service, shapes, class_max, duration, reason, who, ask } = stand;
    let wanted = json!({
        "name": segment(&name)?,
        "playbook": playbook,
        "service": service,
        "shapes": shapes,
        "class_max": class_max,
        "until": span::from_now(&duration)?,
        "reason": reason,
        "by": who.by,
    });
    let taken = post(&ask, "/api/v1/standing-approvals", &wanted).await?;
    if ask.json {
        output::json(&taken)?;
    } else {
        output::line(&format!("stands until {}", text(&taken, "/until")));
    }
    Ok(Exit::Done)
}

fn parsed(attempt: &str) -> anyhow::Result<AttemptId> {
    attempt.parse().map_err(|error| {
        Failure::usage(format!("{error}"), "`nightcrew approvals list` prints them").into()
    })
}
