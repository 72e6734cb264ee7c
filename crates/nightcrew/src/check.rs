//! `nightcrew check`: every mistake of a configuration, those that the gate would find included.

use nightcrew_config::problem::{Problem, Severity};
use serde::Serialize;

use crate::output::{self, Exit};
use crate::{cli, objections, wiring};

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
        problems.extend(objections::problems(settings, &loaded.steps));
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
