//! `nightcrew slo`: what is promised, how fast the error budgets burn, what is left of them.

use clap::Subcommand;
use serde_json::Value;

use crate::cli::Ask;
use crate::client::{found, text};
use crate::output::{self, Exit, Failure};

/// The objectives.
#[derive(Debug, Subcommand)]
pub(crate) enum Slo {
    /// List the objectives with what is left of their budgets.
    List(Ask),
    /// Show one objective, with every pair of windows.
    Show {
        /// Its name.
        name: String,
        #[command(flatten)]
        ask: Ask,
    },
}

pub(crate) async fn run(command: Slo) -> anyhow::Result<Exit> {
    match command {
        Slo::List(ask) => list(&ask).await,
        Slo::Show { name, ask } => show(&ask, &name).await,
    }
}

async fn list(ask: &Ask) -> anyhow::Result<Exit> {
    let slos = found(ask, "/api/v1/slo").await?;
    if ask.json {
        output::json(&slos)?;
        return Ok(Exit::Done);
    }
    let rows = items(&slos).map(|slo| {
        let of = |pointer| text(slo, pointer);
        vec![of("/name"), of("/service"), promised(slo), budget(slo), fastest(slo), of("/since")]
    });
    let header = ["name", "service", "promised", "budget left", "burns", "watched since"];
    output::table(&header, rows.collect());
    Ok(Exit::Done)
}

async fn show(ask: &Ask, name: &str) -> anyhow::Result<Exit> {
    let slos = found(ask, "/api/v1/slo").await?;
    let wanted = items(&slos).find(|slo| text(slo, "/name") == name);
    let Some(slo) = wanted else {
        let hint = "`nightcrew slo list` names the objectives";
        return Err(Failure::usage(format!("there is no objective `{name}`"), hint).into());
    };
    if ask.json {
        output::json(slo)?;
        return Ok(Exit::Done);
    }
    output::line(&format!("{}  {}", text(slo, "/name"), text(slo, "/service")));
    output::line(&format!("promised     {} over {} h", promised(slo), text(slo, "/hours")));
    output::line(&format!("budget left  {}", budget(slo)));
    let paces = slo.get("paces").and_then(Value::as_array).into_iter().flatten();
    let rows = paces.map(|pace| {
        let of = |pointer| text(pace, pointer);
        let rate = |key: &str| {
            let rate = pace.pointer(&format!("/{key}")).and_then(Value::as_f64);
            rate.map_or("unknown".to_owned(), |rate| format!("{rate:.2}"))
        };
        vec![
            of("/limit"),
            rate("long"),
            of("/long_window"),
            rate("short"),
            of("/short_window"),
            of("/says"),
        ]
    });
    let header = ["limit", "long", "over", "short", "over", "says"];
    output::table(&header, rows.collect());
    Ok(Exit::Done)
}

fn items(slos: &Value) -> impl Iterator<Item = &Value> {
    slos.get("items").and_then(Value::as_array).into_iter().flatten()
}

fn promised(slo: &Value) -> String {
    let share = slo.get("promised").and_then(Value::as_f64).unwrap_or_default() * 100.0;
    format!("{} %", (share * 10_000.0).round() / 10_000.0)
}

fn budget(slo: &Value) -> String {
    let share = slo.get("budget_left").and_then(Value::as_f64);
    share.map_or("unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// The fastest pair that speaks.
fn fastest(slo: &Value) -> String {
    let paces = slo.get("paces").and_then(Value::as_array).into_iter().flatten();
    let mut burning = paces.filter(|pace| text(pace, "/says") == "burning");
    burning.next().map_or("no".to_owned(), |pace| format!("{} times", text(pace, "/limit")))
}
