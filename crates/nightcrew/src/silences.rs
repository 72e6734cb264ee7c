//! `nightcrew silences`: through Alertmanager's own API, so that `amtool` sees the same.

use nightcrew_model::matcher::{Matcher, Matchers};
use nightcrew_runtime::clock::Clock;
use serde_json::{Value, json};

use crate::cli;
use crate::client::{delete, found, post, text};
use crate::output::{self, Exit, Failure};
use crate::span;

pub(crate) async fn run(command: cli::Silences) -> anyhow::Result<Exit> {
    match command {
        cli::Silences::List { all, ask } => {
            let silences = found(&ask, "/api/v2/silences").await?;
            let silences: Vec<&Value> = silences
                .as_array()
                .into_iter()
                .flatten()
                .filter(|silence| all || text(silence, "/status/state") != "expired")
                .collect();
            if ask.json {
                output::json(&silences)?;
                return Ok(Exit::Done);
            }
            let rows = silences.into_iter().map(|silence| {
                let of = |pointer| text(silence, pointer);
                vec![
                    of("/id"),
                    of("/status/state"),
                    matchers(silence),
                    of("/endsAt"),
                    of("/createdBy"),
                    of("/comment"),
                ]
            });
            output::table(&["id", "state", "matchers", "until", "by", "why"], rows.collect());
        }
        cli::Silences::Add { matchers, duration, reason, who, ask } => {
            let ends_at = span::from_now(&duration)?;
            let matchers = matchers
                .iter()
                .map(|text| Matchers::parse(text))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|bad| Failure::usage(bad.to_string(), "such as service=web"))?;
            let matchers: Vec<Value> =
                matchers.iter().flat_map(Matchers::iter).map(matcher).collect();
            let silence = json!({
                "matchers": matchers,
                "startsAt": Clock::System.now(),
                "endsAt": ends_at,
                "createdBy": who.by,
                "comment": reason,
            });
            let made = post(&ask, "/api/v2/silences", &silence).await?;
            if ask.json {
                output::json(&made)?;
            } else {
                output::line(&output::plain(&text(&made, "/silenceID")));
            }
        }
        cli::Silences::Expire { id, ask } => {
            delete(&ask, &format!("/api/v2/silence/{}", segment(&id)?)).await?;
        }
    }
    Ok(Exit::Done)
}

fn matcher(matcher: &Matcher) -> Value {
    json!({
        "name": matcher.name(),
        "value": matcher.value(),
        "isRegex": matcher.op().is_regex(),
        "isEqual": matcher.op().is_equal(),
    })
}

fn matchers(silence: &Value) -> String {
    let matchers = silence.get("matchers").and_then(Value::as_array).into_iter().flatten();
    let written = matchers.map(|matcher| {
        let sign = match (text(matcher, "/isRegex") == "true", text(matcher, "/isEqual") != "false")
        {
            (false, true) => "=",
            (false, false) => "!=",
            (true, true) => "=~",
            (true, false) => "!~",
        };
        format!("{}{sign}{:?}", text(matcher, "/name"), text(matcher, "/value"))
    });
    written.collect::<Vec<_>>().join(" ")
}

/// A part of a path: what could change the path is no id.
pub(crate) fn segment(id: &str) -> anyhow::Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !id.is_empty() && !id.starts_with('.') && id.chars().all(plain) {
        return Ok(id);
    }
    Err(Failure::usage(
        format!("`{id}` is not an id"),
        "the list prints them: letters, digits, `-`, `_` and `.`",
    )
    .into())
}
