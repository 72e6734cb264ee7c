//! Events: what happened, as the engine is told.

use serde::{Deserialize, Serialize};

use crate::alert::{IncomingAlert, Source};
use crate::approval::{PlanHash, StandingApproval};
use crate::decision::{AgentState, Receipt};
use crate::id::{
    AgentName, AttemptId, ChannelName, Fence, IncidentId, LockName, NotificationId, PersonName,
    ScheduleName, SilenceId, StandingName, StepIndex, TrackerName,
};
use crate::lock::Lock;
use crate::oncall::Override;
use crate::plan::StepOutcome;
use crate::sample::{Finding, Sample};
use crate::silence::Silence;
use crate::ticket::TicketNews;
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
    /// The gate looked at a whole plan before it begins.
    PlanJudged {
        /// The attempt.
        attempt: AttemptId,
        /// What it said of each step.
        verdicts: Vec<Verdict>,
    },
    /// A person approves a plan.
    PlanApproved {
        /// The attempt.
        attempt: AttemptId,
        /// The plan that was seen.
        hash: PlanHash,
        /// Who.
        by: PersonName,
    },
    /// A person does not want a plan to run.
    PlanDenied {
        /// The attempt.
        attempt: AttemptId,
        /// Who.
        by: PersonName,
    },
    /// A person approves every action of one shape for a while.
    StandingApprovalAsked {
        /// As it is wanted.
        approval: Box<StandingApproval>,
    },
    /// A person takes a standing approval back.
    StandingApprovalEndAsked {
        /// Which.
        approval: StandingName,
        /// Who.
        by: PersonName,
    },
    /// The gate judged what takes a step back.
    UndoJudged {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
        /// The gate's answer.
        verdict: Verdict,
    },
    /// Taking a step back ended.
    UndoFinished {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
        /// How.
        outcome: StepOutcome,
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
    /// A message was tried so often that another channel has to tell it too.
    DeliveryStuck {
        /// The message.
        notification: NotificationId,
    },
    /// A person takes care of an incident.
    Acknowledged {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: PersonName,
    },
    /// A person gives an acknowledged incident back.
    Unacknowledged {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: PersonName,
    },
    /// A person says that an incident is over.
    ResolveAsked {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: PersonName,
    },
    /// A person wants an incident to go to people now.
    EscalateAsked {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: PersonName,
    },
    /// Somebody makes or changes a silence.
    SilenceAsked {
        /// As it is wanted, with the id of the one that is changed or a fresh one.
        silence: Box<Silence>,
        /// The id it gets when the one that is to be changed cannot be: what it muted so far stays
        /// in the record under the old one.
        fresh: SilenceId,
    },
    /// Somebody ends a silence.
    SilenceEndAsked {
        /// Which.
        silence: SilenceId,
        /// Who.
        by: PersonName,
    },
    /// Somebody wants a lock.  It is given unless another owner holds it; a holder prolongs it.
    LockAsked {
        /// As it is wanted; its fence is decided.
        lock: Box<Lock>,
    },
    /// Somebody gives a lock back.
    LockEndAsked {
        /// Which.
        lock: LockName,
        /// Which holding of it; none: whatever is held.
        fence: Option<Fence>,
        /// Who.
        by: PersonName,
    },
    /// Somebody stands in for whoever is on call.
    OverrideAsked {
        /// The calendar.
        schedule: ScheduleName,
        /// Who, and when.
        replacement: Override,
        /// Who says so.
        by: PersonName,
    },
    /// Somebody wants to see whether messages arrive.
    TestAsked {
        /// Through which channel.
        channel: ChannelName,
        /// Who.
        by: PersonName,
    },
    /// A tracker of tickets was told, or told us.
    TicketTold {
        /// The incident.
        incident: IncidentId,
        /// The tracker.
        tracker: TrackerName,
        /// What.
        news: TicketNews,
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
    Delivered {
        /// What it calls it, where it does.
        receipt: Option<Receipt>,
    },
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
