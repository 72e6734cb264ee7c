//! What the gate says about one action.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What an action can cost, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskClass {
    /// It only looks.
    Observe,
    /// It can be undone, or undoes itself.
    Reversible,
    /// It interrupts a service.
    Disruptive,
    /// It removes what cannot be brought back.
    Destructive,
}

impl fmt::Display for RiskClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Observe => "observe",
            Self::Reversible => "reversible",
            Self::Disruptive => "disruptive",
            Self::Destructive => "destructive",
        })
    }
}

/// Whether an action may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It may.
    Admitted,
    /// A person has to say so first.
    Approval,
    /// It may not.
    Refused,
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Admitted => "admitted",
            Self::Approval => "approval",
            Self::Refused => "refused",
        })
    }
}

/// The gate's answer, with why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it may run.
    pub verdict: Ruling,
    /// What it can cost.
    pub class: RiskClass,
    /// What would run, word by word, after expansion; empty when the text is not even a command.
    pub argv: Vec<String>,
    /// Why, in a sentence.
    pub reason: String,
    /// The rule that decided, such as `find.delete`.
    pub rule: String,
}
