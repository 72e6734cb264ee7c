//! `nightcrew detect rank`: where an incident is likely to have begun.

use std::path::Path;

use nightcrew_detect::rank::rows::{self, Rows};
use nightcrew_detect::rank::{Because, Ranked, rank};

use crate::cli;
use crate::output::{self, Exit, Failure};

/// How many changed metrics of a component are shown.
const EVIDENCE_SHOWN: usize = 3;

pub(crate) fn run(args: &cli::Rank) -> anyhow::Result<Exit> {
    let at = rows::moment(&args.at).ok_or_else(|| {
        Failure::usage(
            format!("`{}` is no time", args.at),
            "write it like 2026-11-21T07:15:00Z, or in seconds since 1970",
        )
    })?;
    let series = whole(&args.series, rows::series)?;
    if series.is_empty() {
        let why = format!("{} has no row that says anything", args.series.display());
        return Err(Failure::usage(why, "the columns are time, component, metric, value").into());
    }
    let edges = args.edges.as_deref().map(|path| whole(path, rows::edges)).transpose()?;
    let ranked = rank(&series, &edges.unwrap_or_default(), at);
    if args.json {
        output::json(&ranked)?;
    } else {
        ranked.iter().for_each(show);
    }
    Ok(Exit::Done)
}

/// What a file says; a word about rows that say nothing.
fn whole<T>(path: &Path, read: fn(&str) -> Rows<T>) -> Result<Vec<T>, Failure> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::usage(format!("{name} cannot be read: {error}"), "look at its name and rights")
    })?;
    let found = read(&String::from_utf8_lossy(&bytes));
    if let Some(first) = found.first_left_out {
        let n_left_out = found.n_left_out;
        output::note(&format!(
            "{name}: {n_left_out} rows were left out, the first is line {first}"
        ));
    }
    Ok(found.read)
}

fn because(because: Because) -> &'static str {
    match because {
        Because::OwnResources => "its own resources changed",
        Because::OwnSymptoms => "it became slow or failed, and no callee explains that",
        Because::CallersSuffer => "its callers suffer",
        Because::FellSilent => "a metric of it ended",
        Because::ExplainedByCallees => "its callees explain what changed",
        Because::NothingChanged => "nothing of it changed",
    }
}

fn show(ranked: &Ranked) {
    let component = output::plain(ranked.component.as_str());
    let mut cells = vec![component, format!("{:.3}", ranked.score)];
    cells.push(because(ranked.because).to_owned());
    cells.extend(ranked.evidence.iter().take(EVIDENCE_SHOWN).map(|evidence| {
        let metric = output::plain(evidence.metric.as_str());
        let after = evidence.after.map_or_else(|| "none".to_owned(), |after| format!("{after:.4}"));
        format!("{metric}: {:.4} to {after}", evidence.before)
    }));
    output::line(&cells.join("\t"));
}
