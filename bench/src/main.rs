//! `make bench`: measures Nightcrew and, in the same run, the peers that are installed.
//!
//! The result is a Markdown table on the standard output, for `BENCHMARKS.md`.  No figure is
//! asserted: a limit that is not met shows in the table.  What must hold for a figure to mean
//! anything (a server starts, an answer is an answer) ends its section with an error, and the
//! program with exit code 1.
//!
//! Everything is started on loopback addresses, in a temporary folder, and ended here.

mod chance;
mod figure;
mod hook;
mod http;
mod journal;
mod load;
mod output;
mod proc;
mod program;
mod section;
mod setting;
mod stopwatch;
mod victim;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use serde::Serialize;

use crate::figure::{Figure, table};
use crate::section::Section;
use crate::setting::Setting;
use crate::stopwatch::{Stopwatch, now};

/// Measures Nightcrew, and its peers in the same run.
#[derive(Debug, Parser)]
#[command(name = "nightcrew-bench", max_term_width = 100)]
struct Arguments {
    /// Measure only this; may be given several times.
    #[arg(long, value_name = "SECTION", value_enum)]
    only: Vec<Section>,
    /// Write the figures as JSON too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How often `crash_rounds` kills.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// The program to measure [default: `nightcrew` beside this program].
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// A Python that has drain3, the peer for logs [default: that of the system].
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// Where a temporary folder is made; its disk is what makes alerts durable [default: the
    /// system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Everything that was found out.
#[derive(Serialize)]
struct Report {
    date: String,
    machine: String,
    versions: Vec<String>,
    figures: Vec<Figure>,
    /// The sections that could not be measured, and why.
    errors: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(report) if report.errors.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            output::progress(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<Report> {
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => {
            std::env::current_exe().context("finding this program")?.with_file_name("nightcrew")
        }
    };
    let binary = std::path::absolute(binary).context("finding the program to measure")?;
    let folder = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = folder.canonicalize().with_context(|| format!("finding {}", folder.display()))?;
    let setting = Setting::new(binary, &folder, arguments.rounds)?;
    let setting = setting.with_python(arguments.python.clone());
    let mut report = Report {
        date: now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        machine: proc::machine(setting.folder()),
        versions: versions(&setting),
        figures: Vec::new(),
        errors: Vec::new(),
    };
    for section in Section::ALL {
        if !arguments.only.is_empty() && !arguments.only.contains(&section) {
            continue;
        }
        let watch = Stopwatch::start();
        output::progress(&format!("{} …", section.name()));
        match section.measure(&setting) {
            Ok(figures) => report.figures.extend(figures),
            Err(error) => {
                let error = format!("{}: {error:#}", section.name());
                output::progress(&format!("error: {error}"));
                report.errors.push(error);
            }
        }
        output::progress(&format!("{}: {:.1} s", section.name(), watch.elapsed().as_secs_f64()));
    }
    output::result(&markdown(&report)).context("writing the result")?;
    if let Some(path) = &arguments.json {
        let json = serde_json::to_string_pretty(&report).context("writing JSON")?;
        std::fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(report)
}

fn versions(setting: &Setting) -> Vec<String> {
    let peers = [
        ("Alertmanager", &setting.alertmanager),
        ("Monit", &setting.monit),
        ("drain3", &setting.drain3),
    ];
    let peers = peers.map(|(name, installed)| match installed {
        Some(installed) => installed.version.clone(),
        None => format!("{name} is not installed here"),
    });
    std::iter::once(setting.nightcrew.version.clone()).chain(peers).collect()
}

fn markdown(report: &Report) -> String {
    let mut text = format!(
        "Date: {}.\nMachine: {}.\nVersions: {}.\n\n{}",
        report.date,
        report.machine,
        report.versions.join("; "),
        table(&report.figures)
    );
    text.extend(report.errors.iter().map(|error| format!("\nNot measured: {error}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
        let arguments = Arguments::try_parse_from(["bench", "--only", "gate", "--rounds", "3"]);
        assert_eq!(arguments.unwrap().only, [Section::Gate]);
        assert!(Arguments::try_parse_from(["bench", "--rounds", "0"]).is_err());
    }

    #[test]
    fn what_could_not_be_measured_is_told() {
        let report = Report {
            date: "today".to_owned(),
            machine: "1 core".to_owned(),
            versions: vec!["nightcrew 1".to_owned()],
            figures: Vec::new(),
            errors: vec!["gate: 고장".to_owned()],
        };
        let text = markdown(&report);
        assert!(text.starts_with("Date: today.\nMachine: 1 core.\n"), "{text}");
        assert!(text.ends_with("Not measured: gate: 고장\n"), "{text}");
    }
}
