//! Decisions: what was decided and why.  They are the facts of the journal; folding them gives
//! every state back.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Source};
use crate::condition::Truth;
use crate::id::{
    AgentName, AttemptId, ChannelName, IncidentId, NotificationId, PlaybookName, StepIndex,
};
use crate::incident::IncidentKey;
use crate::labels::Fingerprint;
use crate::plan::{Plan, StepOutcome};
use crate::sample::Sample;
use crate::severity::Severity;
use crate::unit::Millis;
use crate::verdict::Verdict;

/// One decision: storable, showable, replayable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When it was made.
    pub at: Timestamp,
    /// What was decided.
    #[serde(flatten)]
    pub fact: Fact,
    /// Why.
    pub reason: Reason,
}

/// What can be decided.  The set is closed; old variants stay readable for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
pub enum Fact {
    /// An alert began to fire.
    AlertFired {
        /// The alert.
        alert: Box<Alert>,
    },
    /// A firing alert's source says something new about it.
    AlertChanged {
        /// The alert as it is now.
        alert: Box<Alert>,
    },
    /// An alert ended.
    AlertResolved {
        /// Which.
        fingerprint: Fingerprint,
        /// When.
        ends_at: Timestamp,
    },
    /// An incident began.
    IncidentOpened {
        /// Its id.
        incident: IncidentId,
        /// What it is about.
        key: IncidentKey,
        /// How bad it is.
        severity: Severity,
        /// The alert that began it.
        trigger: Fingerprint,
        /// What was known of the target then.
        initial: Vec<Sample>,
    },
    /// An alert belongs to an incident that exists.
    AlertJoined {
        /// The incident.
        incident: IncidentId,
        /// The alert.
        alert: Fingerprint,
        /// How bad the incident is now.
        severity: Severity,
    },
    /// An incident that was over is back.
    IncidentReopened {
        /// Which.
        incident: IncidentId,
        /// The alert that brought it back.
        trigger: Fingerprint,
    },
    /// A remedy was planned.
    AttemptPlanned {
        /// The attempt.
        attempt: AttemptId,
        /// What it will do.
        plan: Box<Plan>,
    },
    /// A remedy exists, but not now.
    RemedyHeld {
        /// The incident.
        incident: IncidentId,
        /// The playbook.
        playbook: PlaybookName,
    },
    /// A step begins: the intent, before the effect.
    StepStarted {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
        /// What the gate said.
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
    /// The steps are done; fresh samples decide from now on.
    VerificationStarted {
        /// The attempt.
        attempt: AttemptId,
        /// Samples older than this prove nothing.
        not_before: Timestamp,
        /// When it has failed.
        deadline: Timestamp,
    },
    /// A fresh sample was judged.
    VerificationSampled {
        /// The attempt.
        attempt: AttemptId,
        /// The sample.
        sample: Sample,
        /// Whether it is as it should be.
        good: Truth,
        /// How many good samples in a row there are now.
        in_a_row: u32,
    },
    /// Fresh samples prove it healed.
    AttemptSucceeded {
        /// Which.
        attempt: AttemptId,
    },
    /// It did not heal.
    AttemptFailed {
        /// Which.
        attempt: AttemptId,
    },
    /// A crash cut it off and its effect could not be proven.
    AttemptInterrupted {
        /// Which.
        attempt: AttemptId,
    },
    /// An incident is over.
    IncidentResolved {
        /// Which.
        incident: IncidentId,
        /// Whether K fresh samples in a row prove it.
        verified: bool,
    },
    /// An incident goes to a person.
    IncidentEscalated {
        /// Which.
        incident: IncidentId,
    },
    /// An incident is over for good.
    IncidentClosed {
        /// Which.
        incident: IncidentId,
    },
    /// A message to people was put into the outbox.
    NotificationQueued {
        /// Its id.
        notification: NotificationId,
        /// About which incident.
        incident: IncidentId,
        /// To which channel.
        channel: ChannelName,
        /// What it says happened.
        kind: NotificationKind,
    },
    /// A message arrived.
    NotificationDelivered {
        /// Which.
        notification: NotificationId,
        /// About which incident.
        incident: IncidentId,
        /// Through which channel.
        channel: ChannelName,
    },
    /// A message will never arrive.
    NotificationFailed {
        /// Which.
        notification: NotificationId,
        /// About which incident.
        incident: IncidentId,
        /// Through which channel.
        channel: ChannelName,
    },
    /// A member of the crew changed.
    AgentChanged {
        /// Which.
        agent: AgentName,
        /// To what.
        state: AgentState,
    },
}

impl Fact {
    /// The incident it is about, if it is about one.
    #[must_use]
    pub fn incident(&self) -> Option<IncidentId> {
        match self {
            Self::IncidentOpened { incident, .. }
            | Self::AlertJoined { incident, .. }
            | Self::IncidentReopened { incident, .. }
            | Self::RemedyHeld { incident, .. }
            | Self::IncidentResolved { incident, .. }
            | Self::IncidentEscalated { incident }
            | Self::IncidentClosed { incident }
            | Self::NotificationQueued { incident, .. }
            | Self::NotificationDelivered { incident, .. }
            | Self::NotificationFailed { incident, .. } => Some(*incident),
            Self::AttemptPlanned { attempt, .. }
            | Self::StepStarted { attempt, .. }
            | Self::StepFinished { attempt, .. }
            | Self::VerificationStarted { attempt, .. }
            | Self::VerificationSampled { attempt, .. }
            | Self::AttemptSucceeded { attempt }
            | Self::AttemptFailed { attempt }
            | Self::AttemptInterrupted { attempt } => Some(attempt.incident),
            Self::AlertFired { .. }
            | Self::AlertChanged { .. }
            | Self::AlertResolved { .. }
            | Self::AgentChanged { .. } => None,
        }
    }

    /// The stream of the journal it belongs to: `incident/INC-42`, `alert/<fingerprint>`,
    /// `agent/<name>`.
    #[must_use]
    pub fn stream(&self) -> String {
        if let Some(incident) = self.incident() {
            return format!("incident/{incident}");
        }
        match self {
            Self::AlertFired { alert } | Self::AlertChanged { alert } => {
                format!("alert/{}", alert.fingerprint)
            }
            Self::AlertResolved { fingerprint, .. } => format!("alert/{fingerprint}"),
            Self::AgentChanged { agent, .. } => format!("agent/{agent}"),
            Self::IncidentOpened { .. }
            | Self::AlertJoined { .. }
            | Self::IncidentReopened { .. }
            | Self::AttemptPlanned { .. }
            | Self::RemedyHeld { .. }
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::VerificationStarted { .. }
            | Self::VerificationSampled { .. }
            | Self::AttemptSucceeded { .. }
            | Self::AttemptFailed { .. }
            | Self::AttemptInterrupted { .. }
            | Self::IncidentResolved { .. }
            | Self::IncidentEscalated { .. }
            | Self::IncidentClosed { .. }
            | Self::NotificationQueued { .. }
            | Self::NotificationDelivered { .. }
            | Self::NotificationFailed { .. } => unreachable!("handled as an incident's fact"),
        }
    }
}

/// What a message to people says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// It is with a person now: wake somebody.
    Escalated,
    /// It is over.
    Resolved,
}

impl fmt::Display for NotificationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Escalated => "escalated",
            Self::Resolved => "resolved",
        })
    }
}

/// How a member of the crew is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It has not made its first round.
    Starting,
    /// Its heartbeat is fresh.
    Healthy,
    /// Its heartbeat is old.
    Late,
    /// It fell and is being started again.
    Restarting,
    /// It fell too often and is left down.
    Failed,
}

impl fmt::Display for AgentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Late => "late",
            Self::Restarting => "restarting",
            Self::Failed => "failed",
        })
    }
}

/// Why something was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum Reason {
    /// A source said so.
    Reported {
        /// Which kind of source.
        source: Source,
    },
    /// A detector's rule was met.
    RuleMet {
        /// The rule in words.
        rule: String,
        /// What was seen.
        seen: String,
    },
    /// A detector's rule is no longer met.
    RuleCleared {
        /// The rule in words.
        rule: String,
        /// What was seen.
        seen: String,
    },
    /// The source no longer repeats the alert.
    NotRepeated,
    /// No incident with that key was known inside the window.
    NewKey,
    /// An incident with the same key is open or was inside the window.
    SameKey,
    /// The condition of the playbook holds.
    ConditionHolds {
        /// The condition in words.
        condition: String,
        /// What was seen.
        seen: String,
    },
    /// No playbook's condition is met by what is known.
    NoPlaybook,
    /// The playbook ran against the target a short while ago.
    Cooldown {
        /// The playbook.
        playbook: PlaybookName,
        /// When it may run again.
        until: Timestamp,
    },
    /// Another attempt is at work on the same service.
    TargetBusy {
        /// Which.
        attempt: AttemptId,
    },
    /// The crew runs dry: the plan was shown and nothing was done.
    DryRun,
    /// The gate admitted the step.
    GateAdmitted,
    /// The gate did not admit the step.
    GateRefused {
        /// The step.
        step: StepIndex,
        /// Why, in the gate's words.
        reason: String,
    },
    /// The step ended so.
    StepEnded,
    /// The step did not end well.
    StepFailed {
        /// The step.
        step: StepIndex,
        /// How it ended.
        status: String,
    },
    /// Every step is done.
    StepsDone,
    /// A fresh sample came in.
    FreshSample,
    /// Enough good samples in a row.
    Verified {
        /// How many.
        samples: u32,
    },
    /// Not enough good samples in a row before the deadline.
    NotVerified {
        /// The best run of good samples there was.
        best: u32,
        /// How many were needed.
        needed: u32,
        /// How long was waited.
        waited: Millis,
    },
    /// A crash cut the step off; it may be done twice, so it begins again.
    RestartedIdempotent,
    /// A crash cut the step off; whether it took effect is proven by fresh samples.
    CutOffEffectUnproven {
        /// The step.
        step: StepIndex,
    },
    /// Every alert of the incident has ended.
    AlertsEnded,
    /// A look that was taken after the plan was made shows that nothing is left to do.
    AlreadyGood,
    /// The repair was proven, but the source goes on reporting the alert.
    StillReported,
    /// A restart of the crew cut the verification off; it begins again.
    VerificationCutOff,
    /// The remedy failed.
    RemedyFailed {
        /// The attempt.
        attempt: AttemptId,
    },
    /// The window in which the incident could reopen has passed.
    WindowPassed,
    /// The incident is of interest to the channel.
    ChannelListens,
    /// The receiver has it.
    ReceiverAccepted,
    /// The receiver will never have it.
    ReceiverRefused {
        /// In its words.
        error: String,
    },
    /// The orchestrator saw it.
    Supervision {
        /// What it saw.
        detail: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported { source } => write!(f, "reported through {source}"),
            Self::RuleMet { rule, seen } | Self::RuleCleared { rule, seen } => {
                write!(f, "{rule}; seen: {seen}")
            }
            Self::NotRepeated => f.write_str("its source no longer repeats it"),
            Self::NewKey => f.write_str("first of its service and symptom inside the window"),
            Self::SameKey => f.write_str("same service and symptom inside the window"),
            Self::ConditionHolds { condition, seen } => write!(f, "{condition}; seen: {seen}"),
            Self::NoPlaybook => f.write_str("no playbook's condition is met by what is known"),
            Self::Cooldown { playbook, until } => {
                write!(f, "{playbook} ran a short while ago and rests until {until}")
            }
            Self::TargetBusy { attempt } => {
                write!(f, "{attempt} is at work on the same service")
            }
            Self::DryRun => f.write_str("dry run: shown, not executed"),
            Self::GateAdmitted => f.write_str("admitted by the gate"),
            Self::GateRefused { step, reason } => {
                write!(f, "the gate did not admit step {step}: {reason}")
            }
            Self::StepEnded => f.write_str("the step ended"),
            Self::StepFailed { step, status } => write!(f, "step {step} {status}"),
            Self::StepsDone => f.write_str("every step is done"),
            Self::FreshSample => f.write_str("a fresh sample"),
            Self::Verified { samples } => write!(f, "{samples} fresh good samples in a row"),
            Self::NotVerified { best, needed, waited } => write!(
                f,
                "{needed} good samples in a row were needed and {best} came within {waited}"
            ),
            Self::RestartedIdempotent => {
                f.write_str("cut off by a crash; doing it again is harmless")
            }
            Self::CutOffEffectUnproven { step } => {
                write!(f, "a crash cut step {step} off; it is not repeated, fresh samples decide")
            }
            Self::AlertsEnded => f.write_str("every alert of it has ended"),
            Self::AlreadyGood => f.write_str("a later look is good: nothing is done, only proven"),
            Self::StillReported => {
                f.write_str("the repair was proven, but its source goes on reporting it")
            }
            Self::VerificationCutOff => {
                f.write_str("a restart cut the verification off; it begins again")
            }
            Self::RemedyFailed { attempt } => write!(f, "{attempt} did not heal it"),
            Self::WindowPassed => f.write_str("it did not come back inside the window"),
            Self::ChannelListens => f.write_str("the channel listens to this"),
            Self::ReceiverAccepted => f.write_str("the receiver has it"),
            Self::ReceiverRefused { error } => write!(f, "the receiver will not take it: {error}"),
            Self::Supervision { detail } => f.write_str(detail),
        }
    }
}
