//! The one place that prints.  Colours and tables on a terminal, plain text otherwise.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anstream::eprintln;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or healthy.
    Done = 0,
    /// The answer is "no".
    No = 1,
    /// The usage or the configuration is wrong.
    Usage = 2,
    /// The running crew cannot be reached.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that decides the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A mistake in the usage or the configuration.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: Some(hint.into()) }
    }
}

/// The exit code of an error.
pub(crate) fn exit_of(error: &anyhow::Error) -> Exit {
    error.downcast_ref::<Failure>().map_or(Exit::No, |failure| failure.exit)
}

/// Prints an error with its causes, and how to mend it.
pub(crate) fn error(error: &anyhow::Error) {
    eprintln!("{RED}error{RED:#}: {error:#}");
    if let Some(hint) = error.downcast_ref::<Failure>().and_then(|failure| failure.hint.as_ref()) {
        eprintln!("{DIM} hint{DIM:#}: {hint}");
    }
}

/// Prints what clap says.
pub(crate) fn clap(error: &clap::Error) {
    // A closed pipe is the reader's choice.
    let _ = error.print();
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?);
    Ok(())
}

/// Prints a line.  When the reader has gone, there is nobody left to tell.
pub(crate) fn line(text: &str) {
    let mut out = anstream::stdout();
    let _ = writeln!(out, "{text}");
}

/// Prints a line to the standard error: progress, never a result.
pub(crate) fn note(text: &str) {
    let mut out = anstream::stderr();
    let _ = writeln!(out, "{text}");
}

/// Prints a table; without a terminal, columns separated by tabs and no header.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    if !std::io::stdout().is_terminal() {
        for row in rows {
            line(&row.iter().map(|cell| plain(cell)).collect::<Vec<_>>().join("\t"));
        }
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().map(|title| title.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| plain(cell)));
    }
    line(&table.to_string());
}

/// Text from outside without control characters: a terminal must not obey it.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text in a colour, where the terminal shows colours.
pub(crate) fn coloured(style: anstyle::Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

pub(crate) const RED: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();
pub(crate) const GREEN: anstyle::Style = anstyle::AnsiColor::Green.on_default();
pub(crate) const YELLOW: anstyle::Style = anstyle::AnsiColor::Yellow.on_default();
pub(crate) const DIM: anstyle::Style = anstyle::Style::new().dimmed();
pub(crate) const BOLD: anstyle::Style = anstyle::Style::new().bold();
