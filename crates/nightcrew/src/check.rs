//! `nightcrew check`: every mistake of a configuration, those that the gate would find included.

use std::path::PathBuf;

use nightcrew_act::lint::{Objection, lint};
use nightcrew_config::problem::{Problem, Severity};
use nightcrew_crew::heal::gate_of;
use nightcrew_model::verdict::Ruling;
use serde::Serialize;

use crate::output::{self, Exit};
use crate::{cli, wiring};

#[derive(Serialize)]
struct Report {
    ok: bool,
    files: Vec<String>,
    problems: Vec<Problem>,
}

pub(crate) fn run(args: &cli::Check) -> anyhow::Result<Exit> {
    let loaded = wiring::read(&args.config);
    let mut problems = loaded.problems;
    if let Some(settings) = &loaded.settings {
        let objections = lint(&gate_of(settings), &settings.playbooks);
        problems.extend(objections.iter().map(|objection| problem_of(objection, &loaded.files)));
    }
    let n_errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let n_warnings = problems.len() - n_errors;
    let ok = n_errors == 0;
    if args.json {
        let files = loaded.files.iter().map(|file| file.display().to_string()).collect();
        output::json(&Report { ok, files, problems })?;
    } else {
        wiring::show(&problems);
        let n_files = loaded.files.len();
        let summary = format!("{n_files} files, {n_errors} errors, {n_warnings} warnings");
        let style = if ok { output::GREEN } else { output::RED };
        output::line(&output::coloured(style, &summary));
    }
    Ok(wiring::answer(ok))
}

/// What the gate objects to, as a problem of the configuration: an error at `check`, not at 3 a.m.
fn problem_of(objection: &Objection, files: &[PathBuf]) -> Problem {
    let Objection { playbook, step, service, verdict } = objection;
    let about = service.as_ref().map(|service| format!(" for service {service}"));
    let severity = match verdict.verdict {
        Ruling::Refused => Severity::Error,
        Ruling::Approval | Ruling::Admitted => Severity::Warning,
    };
    Problem {
        severity,
        file: files.first().map(|file| file.display().to_string()).unwrap_or_default(),
        line: 1,
        column: 1,
        key: format!("playbooks.{playbook}.actions[{}]", step.0),
        message: format!(
            "the gate would answer `{}`{}: {}",
            verdict.verdict,
            about.unwrap_or_default(),
            verdict.reason
        ),
        hint: Some(format!("see `nightcrew gate explain`; the rule is {}", verdict.rule)),
    }
}
