//! `nightcrew alerts`: what the crew knows of alerts, and who was told of them.

use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_runtime::clock::Clock;
use serde_json::{Value, json};

use crate::cli;
use crate::client::{found, post, text};
use crate::output::{self, Exit, Failure};

pub(crate) async fn run(command: cli::Alerts) -> anyhow::Result<Exit> {
    match command {
        cli::Alerts::List(ask) => list(&ask).await,
        cli::Alerts::Show { fingerprint, ask } => show(&ask, &fingerprint).await,
        cli::Alerts::Send { labels, annotations, resolved, ask } => {
            send(&ask, &labels, &annotations, resolved).await
        }
        cli::Alerts::RouteTest { labels, expect, config, json } => {
            crate::route_test::run(&labels_of(&labels)?, expect.as_deref(), &config, json)
        }
        cli::Alerts::DeadLetters(ask) => dead_letters(&ask).await,
        cli::Alerts::Replay { id, ask } => replay(&ask, id).await,
    }
}

async fn list(ask: &cli::Ask) -> anyhow::Result<Exit> {
    let alerts = found(ask, "/api/v1/alerts").await?;
    if ask.json {
        output::json(&alerts)?;
        return Ok(Exit::Done);
    }
    let rows = items(&alerts).map(|alert| {
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
    Ok(Exit::Done)
}

async fn show(ask: &cli::Ask, fingerprint: &str) -> anyhow::Result<Exit> {
    let fingerprint: Fingerprint = fingerprint.parse().map_err(|error| {
        Failure::usage(format!("{error}"), "`nightcrew alerts list` prints them")
    })?;
    let alert = found(ask, &format!("/api/v1/alerts/{fingerprint}")).await?;
    if ask.json {
        output::json(&alert)?;
        return Ok(Exit::Done);
    }
    for field in
        ["fingerprint", "service", "symptom", "severity", "state", "source", "starts_at", "ends_at"]
    {
        let value = text(&alert, &format!("/{field}"));
        output::line(&format!("{field:<11} {}", output::plain(&value)));
    }
    for (name, value) in alert.get("labels").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        output::line(&format!("{:<11} {}", "label", output::plain(&format!("{name}={value:?}"))));
    }
    why(&alert);
    crate::incidents::timeline(&alert);
    Ok(Exit::Done)
}

/// Who hears of the alert now, or what keeps them from it.
fn why(alert: &Value) {
    for sentence in alert.pointer("/why/sentences").and_then(Value::as_array).into_iter().flatten()
    {
        let sentence = output::plain(sentence.as_str().unwrap_or_default());
        output::line(&output::coloured(output::BOLD, &sentence));
    }
}

async fn send(
    ask: &cli::Ask,
    labels: &[String],
    annotations: &[String],
    resolved: bool,
) -> anyhow::Result<Exit> {
    let (labels, annotations) = (labels_of(labels)?, labels_of(annotations)?);
    let now = Clock::System.now();
    let mut alert = json!({ "labels": labels, "annotations": annotations });
    if resolved && let Some(fields) = alert.as_object_mut() {
        fields.insert("endsAt".to_owned(), json!(now));
    }
    post(ask, "/api/v2/alerts", &json!([alert])).await?;
    output::line(&labels.fingerprint().to_string());
    Ok(Exit::Done)
}

async fn dead_letters(ask: &cli::Ask) -> anyhow::Result<Exit> {
    let letters = found(ask, "/api/v1/dead-letters").await?;
    if ask.json {
        output::json(&letters)?;
        return Ok(Exit::Done);
    }
    let rows = items(&letters).map(|letter| {
        let of = |pointer| text(letter, pointer);
        vec![of("/id"), of("/door"), of("/received_at"), of("/replayed_at"), of("/error")]
    });
    output::table(&["id", "door", "received", "replayed", "why"], rows.collect());
    Ok(Exit::Done)
}

/// Replays one dead letter, or all; the answer is "no" when one still cannot be read.
async fn replay(ask: &cli::Ask, id: Option<u64>) -> anyhow::Result<Exit> {
    let ids = match id {
        Some(id) => vec![id],
        None => {
            let letters = found(ask, "/api/v1/dead-letters").await?;
            let waiting = items(&letters).filter(|letter| letter["replayed_at"].is_null());
            waiting.filter_map(|letter| letter.get("id").and_then(Value::as_u64)).collect()
        }
    };
    let mut exit = Exit::Done;
    for id in ids {
        match post(ask, &format!("/api/v1/dead-letters/{id}/replay"), &json!({})).await {
            Ok(_) => output::line(&format!("{id}\treplayed")),
            Err(error) if output::exit_of(&error) == Exit::Unreachable => return Err(error),
            Err(error) => {
                output::line(&format!("{id}\t{}", output::plain(&error.to_string())));
                exit = Exit::No;
            }
        }
    }
    Ok(exit)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("items").and_then(Value::as_array).into_iter().flatten()
}

/// Labels as people type them.
fn labels_of(pairs: &[String]) -> anyhow::Result<Labels> {
    pairs
        .iter()
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            (!name.is_empty()).then(|| (name, quoted.unwrap_or(value)))
        })
        .collect::<Option<Labels>>()
        .ok_or_else(|| {
            Failure::usage("a label is not of the form name=value", "such as service=web").into()
        })
}
