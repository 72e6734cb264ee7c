//! `nightcrew check`: every mistake of a configuration, those that the gate would find included.

use std::path::Path;

use nightcrew_config::problem::{Problem, Severity};
use nightcrew_config::rule_test;
use nightcrew_config::settings::Settings;
use serde::Serialize;

use crate::output::{self, Exit};
use crate::{cli, objections, wiring};

#[derive(Serialize)]
struct Report {
    ok: bool,
    files: Vec<String>,
    problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rule_tests: Vec<Tested>,
}

/// What came of one rule test.
#[derive(Serialize)]
struct Tested {
    name: String,
    ok: bool,
    /// Each with its place.
    failures: Vec<String>,
}

pub(crate) fn run(args: &cli::Check) -> anyhow::Result<Exit> {
    let loaded = wiring::read(&args.config);
    let mut problems = loaded.problems;
    if let Some(settings) = &loaded.settings {
        problems.extend(objections::problems(settings, &loaded.steps));
    }
    let mut results = Vec::new();
    if let Some(settings) = &loaded.settings {
        for file in &args.rules {
            results.extend(rules(file, settings, &mut problems));
        }
    }
    let n_errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let n_warnings = problems.len() - n_errors;
    let ok = n_errors == 0 && results.iter().all(|result| result.ok);
    if args.json {
        let files = loaded.files.iter().map(|file| file.display().to_string()).collect();
        output::json(&Report { ok, files, problems, rule_tests: results })?;
    } else {
        wiring::show(&problems);
        for result in &results {
            let style = if result.ok { output::GREEN } else { output::RED };
            let word = if result.ok { "ok" } else { "FAILED" };
            let line = format!("{word:<6} {}", output::plain(&result.name));
            output::line(&output::coloured(style, &line));
            for failure in &result.failures {
                output::line(&output::plain(failure));
            }
        }
        if let Some(imported) = &loaded.imported {
            output::line(&format!("imported: {imported}"));
        }
        let n_files = loaded.files.len();
        let summary = format!("{n_files} files, {n_errors} errors, {n_warnings} warnings");
        let style = if ok { output::GREEN } else { output::RED };
        output::line(&output::coloured(style, &summary));
    }
    Ok(wiring::answer(ok))
}

/// Runs the rule tests of a file.
fn rules(file: &Path, settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Tested> {
    let tests = match rule_test::load(file, settings, &wiring::env()) {
        Ok(tests) => tests,
        Err(errors) => {
            problems.extend(errors);
            return Vec::new();
        }
    };
    problems.extend(tests.warnings);
    let tested = tests.tests.iter().map(|test| {
        let outcome = nightcrew_crew::rule_test::run(settings, test);
        let failures = outcome.failures.iter().map(|failure| {
            let place = &failure.place;
            format!(
                "{}:{}:{}: {}: {}",
                place.file, place.line, place.column, place.key, failure.what
            )
        });
        Tested {
            name: test.name.clone(),
            ok: outcome.failures.is_empty(),
            failures: failures.collect(),
        }
    });
    tested.collect()
}
