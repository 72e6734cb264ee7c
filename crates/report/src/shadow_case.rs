//! One run of a playbook in shadow, and what happened then.

use jiff::Timestamp;
use nightcrew_model::condition::Truth;
use nightcrew_model::id::{AttemptId, PersonName, PlaybookName};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;
use serde::Serialize;

use crate::record::as_text;

/// One decision that a playbook in shadow would have made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShadowRun {
    /// The attempt.
    #[serde(serialize_with = "as_text")]
    pub attempt: AttemptId,
    /// What it was about.
    #[serde(serialize_with = "as_text")]
    pub key: IncidentKey,
    /// When it would have begun.
    pub at: Timestamp,
    /// What it would have done, as a person would type it.
    pub commands: Vec<String>,
    /// What the gate said of it.
    pub admission: Admission,
    /// How the incident ended.
    pub became: Became,
    /// Who first took care of it afterwards.
    pub acknowledged_by: Option<PersonName>,
    /// When its process was seen running again after it was seen stopped, since the decision; none:
    /// no sample shows that.
    pub restarted_at: Option<Timestamp>,
    /// Whether what the playbook calls success was so at the end, by the samples that the journal
    /// holds.
    pub success_seen: Truth,
    /// Whether the detector that told of it saw that it is over.
    pub cleared: bool,
    /// Whether it came back after that end.
    pub came_back: bool,
}

/// What the gate said of a plan in shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "admission")]
pub enum Admission {
    /// It was not asked, or its answer is not known yet.
    Unknown,
    /// Every step would have been admitted.
    Admitted {
        /// The highest risk of its steps.
        class: RiskClass,
        /// Whether the gate itself would have had a person asked.
        asks: bool,
    },
    /// A step would not have been admitted.
    Refused {
        /// Why, in words.
        why: String,
    },
}

/// How an incident ended after a decision in shadow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "became")]
pub enum Became {
    /// It goes on.
    Open,
    /// A person took care of it, or said that it is over.
    EndedByPerson {
        /// Who, where the decisions tell.
        by: Option<PersonName>,
        /// How long after the decision.
        after: Millis,
    },
    /// Another playbook healed it, and that was proven.
    EndedByPlaybook {
        /// Which.
        playbook: PlaybookName,
        /// Whether it did the same as this one would have.
        same: bool,
        /// How long after the decision.
        after: Millis,
    },
    /// It ended, and nobody is known to have done anything.
    EndedByItself {
        /// How long after the decision.
        after: Millis,
    },
}

/// Whether what happened speaks for a playbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// It does.
    For,
    /// It speaks against it.
    Against,
    /// Nobody can tell.
    Unclear,
    /// It is not over yet.
    Pending,
}

impl Agreement {
    /// The agreement in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::For => "for",
            Self::Against => "against",
            Self::Unclear => "unclear",
            Self::Pending => "pending",
        }
    }
}

impl ShadowRun {
    /// Whether what happened speaks for it, and why.
    #[must_use]
    pub fn agreement(&self) -> (Agreement, &'static str) {
        if matches!(self.admission, Admission::Refused { .. }) {
            return (Agreement::Against, "the gate would not have admitted it");
        }
        match &self.became {
            Became::Open => return (Agreement::Pending, "it is not over"),
            Became::EndedByItself { .. } if self.restarted_at.is_some() => {
                return (Agreement::Unclear, "its process runs again, and nobody says who did it");
            }
            Became::EndedByItself { .. } => {
                return (Agreement::Against, "it ended, and nobody is known to have done anything");
            }
            Became::EndedByPerson { .. } | Became::EndedByPlaybook { .. } => {}
        }
        if matches!(self.admission, Admission::Unknown) {
            return (Agreement::Unclear, "nobody knows whether the gate would have admitted it");
        }
        if self.came_back {
            return (Agreement::Unclear, "what was done instead did not last");
        }
        if self.success_seen == Truth::False {
            return (
                Agreement::Against,
                "it ended while what the playbook calls success was not so",
            );
        }
        if self.success_seen == Truth::Unknown && !self.cleared {
            return (Agreement::Unclear, "no sample shows what the playbook calls success");
        }
        match &self.became {
            Became::EndedByPlaybook { same: true, .. } => {
                (Agreement::For, "another playbook did the same, and it was proven")
            }
            Became::EndedByPlaybook { same: false, .. } => {
                (Agreement::Unclear, "another playbook did something else")
            }
            _ => (Agreement::For, "a person ended it after the decision, and success was seen"),
        }
    }
}
