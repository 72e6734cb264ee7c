//! Events: what happened, as the engine is told.

use serde::{Deserialize, Serialize};

use crate::alert::{IncomingAlert, Source};
use crate::decision::AgentState;
use crate::id::{AgentName, AttemptId, NotificationId, StepIndex};
use crate::plan::StepOutcome;
use crate::sample::{Finding, Sample};
use crate::unit::Millis;
use crate::verdict::Verdict;

/// Everything that can happen.  The set is closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// The crew begins; the state was folded from the journal and may hold work that a crash cut
    /// off.
    Started,
    /// Time has passed.
    Tick,
    /// A source told of alerts.
    AlertsReceived {
        /// Which kind of source.
        source: Source,
        /// Its alerts, each checked.
        alerts: Vec<IncomingAlert>,
    },
    /// A collector looked.
    Observed {
        /// What it saw.
        sample: Sample,
    },
    /// A detector concluded.
    Found {
        /// What.
        finding: Finding,
    },
    /// The gate judged the next step of an attempt.
    StepJudged {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
        /// The gate's answer.
        verdict: Verdict,
    },
    /// A step ended.
    StepFinished {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
        /// How.
        outcome: StepOutcome,
    },
    /// A channel was tried.
    Delivered {
        /// The message.
        notification: NotificationId,
        /// What came of it.
        delivery: Delivery,
    },
    /// A member of the crew changed.
    AgentChanged {
        /// Which.
        agent: AgentName,
        /// To what.
        state: AgentState,
        /// Why, in words.
        detail: String,
    },
}

/// What came of one try to tell people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Delivery {
    /// The receiver has it.
    Delivered,
    /// Not now; try again, not before this time has passed if the receiver named one.
    Retry {
        /// The receiver's own word.
        after: Option<Millis>,
        /// Why.
        error: String,
    },
    /// Never: trying again cannot help.
    Permanent {
        /// Why.
        error: String,
    },
}
