//! Which logs are followed.

use nightcrew_model::id::ServiceName;
use nightcrew_model::unit::Millis;
use serde::Serialize;

/// Which logs are followed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Logs {
    /// The files; one that matches several belongs to the first.  None: no log is followed.
    pub files: Vec<LogFiles>,
    /// Patterns of files that are not followed all the same.
    pub exclude: Vec<String>,
    /// Whether a stack trace belongs to the message above it.
    pub joining: LogJoining,
    /// Whether systemd's journal is followed.
    pub journal: Journal,
    /// Whether lines that services send by OTLP are a reason to analyse logs.
    pub telemetry: Telemetry,
    /// How often the report is written.
    pub report_interval: Millis,
}

/// Some log files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFiles {
    /// An absolute path that may hold `*`, `?`, `[…]`, `{…}` and `**`.
    pub pattern: String,
    /// Whose they are; none: that is told by the path, or by the program that a line names.
    pub service: Option<ServiceName>,
}

/// Whether lines are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogJoining {
    /// A stack trace belongs to the message above it.
    Traces,
    /// Each line is for itself.
    Never,
}

/// Whether systemd's journal is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Journal {
    /// Every entry that this user may read.
    Followed,
    /// No.
    Left,
}

/// Whether lines that services send themselves (OTLP) are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Telemetry {
    /// They are, whatever else is followed.
    Read,
    /// They are when other logs are followed too; else they are counted and let go.
    Beside,
}

impl Logs {
    /// Whether there is any log to follow.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.files.is_empty()
            || self.journal == Journal::Followed
            || self.telemetry == Telemetry::Read
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            exclude: Vec::new(),
            joining: LogJoining::Traces,
            journal: Journal::Left,
            telemetry: Telemetry::Beside,
            report_interval: Millis::from_secs(600),
        }
    }
}
