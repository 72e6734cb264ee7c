//! What was done: how a step ended, and what it found.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::unit::Millis;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// How.
    pub status: StepStatus,
    /// What it printed, or what it did, cut to a limit.
    pub output: String,
    /// How long it took.
    pub took: Millis,
    /// What it found, for the steps after it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<ResultKey, ResultValue>,
}

/// What a result of a step is called, such as `matches`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResultKey(pub String);

impl From<&str> for ResultKey {
    fn from(key: &str) -> Self {
        Self(key.to_owned())
    }
}

impl fmt::Display for ResultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Something that a step found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResultValue {
    /// Whether something is so.
    Flag(bool),
    /// A number; its unit is in the name of the result.
    Number(f64),
    /// A text, cut to a limit.
    Text(String),
}

impl fmt::Display for ResultValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Whether a step did what it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum StepStatus {
    /// It did.
    Succeeded,
    /// Its program ended with this exit code, or with a signal (none).
    Exited {
        /// The exit code; none after a signal.
        code: Option<i32>,
    },
    /// It did not end in time and was killed.
    TimedOut,
    /// It could not begin or go on.
    Failed,
    /// The gate did not admit it.
    Refused,
    /// It was not executed, because the plan is a dry run.
    Shown,
}

impl StepStatus {
    /// Whether the next step may follow.
    #[must_use]
    pub fn is_success(&self) -> bool {
        match self {
            Self::Succeeded | Self::Shown => true,
            Self::Exited { .. } | Self::TimedOut | Self::Failed | Self::Refused => false,
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Exited { code: Some(code) } => write!(f, "failed with exit code {code}"),
            Self::Exited { code: None } => f.write_str("ended by a signal"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Failed => f.write_str("failed"),
            Self::Refused => f.write_str("refused"),
            Self::Shown => f.write_str("shown, not executed"),
        }
    }
}
