//! `nightcrew backtest`: what would have been found and done, by the records of a data folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use nightcrew_config::load::{Trial, TrialSection};
use nightcrew_crew::backtest::records::{self, Replayed};
use nightcrew_crew::backtest::{Case, Ending, Outcome, Remedy, Tried};
use nightcrew_model::severity::Severity;
use nightcrew_runtime::clock::Clock;
use serde::Serialize;

use crate::output::{self, Exit};
use crate::{cli, span, wiring};

/// The largest number of incidents that are shown; JSON has all.
const CASES_SHOWN: usize = 100;

/// The longest reason that is shown, in characters.
const WHY_CHARS: usize = 70;

#[derive(Serialize)]
struct Report<'r> {
    #[serde(flatten)]
    outcome: &'r Outcome,
    damage: &'r [String],
}

pub(crate) fn run(args: &cli::Backtest) -> anyhow::Result<Exit> {
    let from = span::until_now(&args.since)?;
    let trial = |section, path: &Option<PathBuf>| path.clone().map(|path| Trial { section, path });
    let trials: Vec<Trial> = trial(TrialSection::Thresholds, &args.thresholds)
        .into_iter()
        .chain(trial(TrialSection::Playbooks, &args.playbooks))
        .collect();
    let loaded = wiring::read_trial(&args.config, &trials);
    wiring::show(&loaded.problems);
    let settings = loaded.settings.ok_or_else(wiring::unusable)?;
    let data = args.data.clone().unwrap_or_else(|| settings.data_dir.clone());
    let until = Clock::System.now();
    let Replayed { outcome, damage } = records::replay(&settings, &data, from, until)
        .with_context(|| format!("nothing can be replayed from {}", data.display()))?;
    for piece in &damage {
        output::note(&format!("left out: {piece}"));
    }
    if args.json {
        output::json(&Report { outcome: &outcome, damage: &damage })?;
    } else {
        show(&outcome);
    }
    Ok(Exit::Done)
}

fn show(outcome: &Outcome) {
    output::line(&format!(
        "from {} to {}: {} samples, {} alerts of other systems",
        second(outcome.begins),
        second(outcome.ends),
        outcome.n_samples,
        outcome.n_alerts,
    ));
    let n_real = outcome.cases.iter().filter(|case| case.was.is_some()).count();
    let n_cases = outcome.cases.len();
    output::line(&format!(
        "\n{n_cases} incidents would have been opened; {n_real} of them were, {} more were and \
         would not have been",
        outcome.unseen.len(),
    ));
    if n_cases > 0 {
        let header = ["when", "what", "severity", "why", "done", "ended", "really"];
        output::table(&header, outcome.cases.iter().take(CASES_SHOWN).map(row).collect());
    }
    if n_cases > CASES_SHOWN {
        output::line(&format!("and {} more; --json has all", n_cases - CASES_SHOWN));
    }
    if !outcome.unseen.is_empty() {
        output::line("\nwere opened and would not have been:");
        let unseen =
            outcome.unseen.iter().take(CASES_SHOWN).map(|unseen| {
                vec![second(unseen.at), format!("{} {}", unseen.target, unseen.symptom)]
            });
        output::table(&["when", "what"], unseen.collect());
    }
    output::line(&informed(outcome));
    output::line(&messages(outcome));
}

fn row(case: &Case) -> Vec<String> {
    let ended = match &case.ending {
        Ending::Open => "no".to_owned(),
        Ending::Resolved { at, verified: true } => format!("{} (proven)", second(*at)),
        Ending::Resolved { at, verified: false } => second(*at),
    };
    let mut done: Vec<String> = case.remedies.iter().map(remedy).collect();
    if let Some(at) = case.handed_over {
        done.push(format!("to people at {}", second(at)));
    }
    vec![
        second(case.at),
        format!("{} {}", case.target, case.symptom),
        case.severity.to_string(),
        cut(&case.why),
        done.join("; "),
        ended,
        case.was.map_or_else(|| "no".to_owned(), second),
    ]
}

fn remedy(remedy: &Remedy) -> String {
    let Remedy { playbook, tried, .. } = remedy;
    match tried {
        Tried::Proven => format!("{playbook}: the records prove it"),
        Tried::NotProven { why } => format!("{playbook}: {}", cut(why)),
        Tried::UnderWay => format!("{playbook}: the records end before they say"),
    }
}

/// What would only have been listed, by method.
fn informed(outcome: &Outcome) -> String {
    let mut methods: BTreeMap<&str, u64> = BTreeMap::new();
    for noticed in &outcome.noticed {
        if noticed.severity == Severity::Info {
            *methods.entry(noticed.method.map_or("told", |method| method.as_str())).or_default() +=
                1;
        }
    }
    let counts: Vec<String> = methods.iter().map(|(method, n)| format!("{method} {n}")).collect();
    match counts.as_slice() {
        [] => "\nnothing more would have been listed".to_owned(),
        counts => format!("\nlisted, and nobody told: {}", counts.join(", ")),
    }
}

fn messages(outcome: &Outcome) -> String {
    let counts: Vec<String> = outcome
        .messages
        .iter()
        .map(|((channel, kind), n)| format!("{channel} {n} {kind}"))
        .collect();
    match counts.as_slice() {
        [] => "nobody would have got a message".to_owned(),
        counts => format!("messages: {}", counts.join(", ")),
    }
}

/// A time as people read it, to the second.
fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn cut(text: &str) -> String {
    let text = output::plain(text);
    if text.chars().count() <= WHY_CHARS {
        return text;
    }
    let kept: String = text.chars().take(WHY_CHARS - 1).collect();
    format!("{kept}…")
}
