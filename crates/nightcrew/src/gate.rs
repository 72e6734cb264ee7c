//! `nightcrew gate explain`: what the gate would decide, and why.

use std::io::BufRead as _;

use anyhow::Context as _;
use nightcrew_act::gate::Gate;
use nightcrew_crew::heal::gate_of;
use nightcrew_model::argv::Argv;
use nightcrew_model::plan::Action;
use nightcrew_model::verdict::{Ruling, Verdict};

use crate::output::{self, Exit};
use crate::{cli, wiring};

pub(crate) fn run(command: cli::Gate) -> anyhow::Result<Exit> {
    let cli::Gate::Explain { config, stdin, json, command } = command;
    let settings = wiring::usable(&config)?;
    let gate = gate_of(&settings);
    if !stdin {
        let verdict = match command.as_slice() {
            [line] => gate.judge_line(line),
            words => judge_words(&gate, words),
        };
        show(&verdict, json)?;
        return Ok(wiring::answer(verdict.verdict == Ruling::Admitted));
    }
    let mut all_admitted = true;
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.context("reading the standard input")?;
        if line.is_empty() {
            continue;
        }
        let line = String::from_utf8_lossy(&line);
        let verdict = match serde_json::from_str::<Vec<String>>(&line) {
            Ok(words) => judge_words(&gate, &words),
            Err(_) => gate.judge_line(&line),
        };
        all_admitted &= verdict.verdict == Ruling::Admitted;
        if json {
            output::json_line(&verdict)?;
        } else {
            let Verdict { verdict, class, rule, reason, .. } = &verdict;
            let line = output::plain(&line);
            output::line(&format!("{verdict}\t{class}\t{rule}\t{line}\t{}", output::plain(reason)));
        }
    }
    Ok(wiring::answer(all_admitted))
}

/// Judges words that a shell has split already: each is meant literally.
fn judge_words(gate: &Gate, words: &[String]) -> Verdict {
    gate.judge(&Action::Run { argv: Argv::literal(words) })
}

fn show(verdict: &Verdict, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(verdict);
    }
    let style = match verdict.verdict {
        Ruling::Admitted => output::GREEN,
        Ruling::Approval => output::YELLOW,
        Ruling::Refused => output::RED,
    };
    let ruling = output::coloured(style, &verdict.verdict.to_string());
    output::line(&format!("{ruling} ({}) by {}", verdict.class, verdict.rule));
    output::line(&output::plain(&verdict.reason));
    if !verdict.argv.is_empty() && verdict.verdict != Ruling::Refused {
        output::line(&format!(
            "would run: {}",
            output::plain(&Argv::literal(&verdict.argv).to_string())
        ));
    }
    Ok(())
}
