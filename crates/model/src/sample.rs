//! What was seen: samples and findings.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chart::Chart;
use crate::id::{MetricName, Symptom, Target};
use crate::severity::Severity;
use crate::unit::{Millis, Quantity};

/// The states that a watched thing can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The process lives.
    Running,
    /// The process does not live.
    Stopped,
    /// The check answered as it should.
    Passing,
    /// The check answered wrongly or not at all.
    Failing,
}

impl Status {
    /// Every status, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Running, Self::Stopped, Self::Passing, Self::Failing];

    /// The word that configuration and records use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Passing => "passing",
            Self::Failing => "failing",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// One thing that was read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reading {
    /// A number with its unit.
    Quantity(Quantity),
    /// A state.
    Status(Status),
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantity(quantity) => quantity.fmt(f),
            Self::Status(status) => status.fmt(f),
        }
    }
}

/// What a look came back with.  Not having been able to look is its own answer: never zero, never
/// healthy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// This was read.
    Read(Reading),
    /// Nothing could be read, and why.
    Unknown(Unknown),
}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why", content = "detail")]
pub enum Unknown {
    /// The collector did not answer in time.
    TimedOut(Millis),
    /// The collector failed; its own words.
    Failed(String),
    /// The collector failed too often and is left alone until its breaker closes.
    BreakerOpen,
    /// What was read makes no sense in its unit; the raw text.
    NotPlausible(String),
    /// There is nothing of that name to look at.
    Absent,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(after) => write!(f, "no answer within {after}"),
            Self::Failed(why) => f.write_str(why),
            Self::BreakerOpen => f.write_str("not asked: it failed too often just now"),
            Self::NotPlausible(raw) => write!(f, "not plausible: {raw}"),
            Self::Absent => f.write_str("nothing of that name"),
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(reading) => reading.fmt(f),
            Self::Unknown(why) => write!(f, "unknown ({why})"),
        }
    }
}

/// One look at one metric of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What was looked at.
    pub target: Target,
    /// What was asked.
    pub metric: MetricName,
    /// When the look *began*: what is older than an action cannot prove it.
    pub at: Timestamp,
    /// What came back.
    pub observation: Observation,
    /// What the collector adds for people, such as `HTTP 503` or `pid 4711 killed by signal 9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a detector concludes about one metric of one target: a level that is repeated with every
/// sample, so that losing one loses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub target: Target,
    /// What is wrong, or would be.
    pub symptom: Symptom,
    /// Whether it is.
    pub level: Level,
    /// The sample that decided.
    pub sample: Sample,
    /// The rule in words: `disk_usage >= 90 % in 3 of 3 samples`.
    pub rule: String,
    /// The numbers behind it; none: the sample is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Box<Chart>>,
}

/// Whether something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is wrong, by fresh samples.
    Clear,
    /// The limit is crossed, but not yet for long enough.
    Pending,
    /// It is wrong, this badly.
    Firing(Severity),
}
