//! Decisions: what was decided and why.  They are the facts of the journal; folding them gives
//! every state back.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::approval::{PlanHash, StandingApproval};
use crate::condition::Truth;
use crate::escalation::Told;
use crate::id::{
    AgentName, AttemptId, ChannelName, Fence, GroupKey, IncidentId, LevelIndex, LockName,
    NotificationId, PersonName, PlaybookName, PolicyName, ReceiverName, ScheduleName, SilenceId,
    StandingName, StepIndex, TrackerName,
};
use crate::incident::IncidentKey;
use crate::labels::{Fingerprint, Labels};
use crate::lock::Lock;
use crate::mute::{MutedBy, Scope};
pub use crate::notification::{CrewTopic, NotificationKind, Receipt, Subject};
use crate::oncall::Override;
use crate::plan::{Plan, StepOutcome};
pub use crate::reason::{GroupNews, Reason};
use crate::sample::Sample;
use crate::severity::Severity;
use crate::silence::Silence;
use crate::ticket::TicketNews;
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
    /// The gate looked at a whole plan, and it may begin.
    PlanCleared {
        /// The attempt.
        attempt: AttemptId,
        /// What the gate said of each step.
        verdicts: Vec<Verdict>,
    },
    /// A person is asked whether a plan may run.
    ApprovalRequested {
        /// The attempt.
        attempt: AttemptId,
        /// The plan, and no other.
        hash: PlanHash,
        /// What the gate said of each step.
        verdicts: Vec<Verdict>,
        /// When nobody needs to answer any more.
        expires_at: Timestamp,
    },
    /// A plan may run.
    ApprovalGiven {
        /// The attempt.
        attempt: AttemptId,
        /// The plan, and no other.
        hash: PlanHash,
    },
    /// A plan may not run.
    ApprovalDenied {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Somebody approves every action of one shape for a while.
    StandingApprovalSet {
        /// As it is now.
        approval: Box<StandingApproval>,
    },
    /// A standing approval was taken back.
    StandingApprovalEnded {
        /// Which.
        approval: StandingName,
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
    /// A step is not done, because its condition is not certainly true.
    StepSkipped {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
    },
    /// The steps that are done are taken back, from this one on, the last one first.
    RollbackStarted {
        /// The attempt.
        attempt: AttemptId,
        /// The last step that may have had an effect.
        from: StepIndex,
    },
    /// A step is taken back: the intent, before the effect.
    UndoStarted {
        /// The attempt.
        attempt: AttemptId,
        /// The step.
        step: StepIndex,
        /// What the gate said.
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
    /// Somebody takes care of an incident: no later step of its escalation happens.
    IncidentAcknowledged {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: PersonName,
    },
    /// An acknowledged incident stayed open for too long, or was given back: it escalates again.
    AcknowledgementEnded {
        /// Which.
        incident: IncidentId,
    },
    /// Another incident is the cause of this one.
    IncidentCorrelated {
        /// The effect.
        incident: IncidentId,
        /// The cause.
        root: IncidentId,
    },
    /// A level of an escalation policy is told.
    EscalationStepped {
        /// The incident.
        incident: IncidentId,
        /// The policy.
        policy: PolicyName,
        /// The level.
        level: LevelIndex,
        /// How often the levels were gone through before, from 0.
        round: u32,
        /// Who is told.
        told: Vec<Told>,
        /// When the next level is told unless somebody acknowledges; none: this was the last.
        next_at: Option<Timestamp>,
    },
    /// An escalation waits, because nobody is to hear of its alerts.
    EscalationHeld {
        /// The incident.
        incident: IncidentId,
        /// What keeps it.
        by: MutedBy,
    },
    /// What comes and goes is told of once, until it is calm.
    FlapBegan {
        /// What.
        key: IncidentKey,
    },
    /// It is calm again.
    FlapEnded {
        /// What.
        key: IncidentKey,
    },
    /// More messages than people can read: the rest is counted.
    StormBegan {
        /// What is flooded.
        scope: Scope,
        /// Which channel.
        channel: ChannelName,
    },
    /// The storm is over.
    StormEnded {
        /// What was flooded.
        scope: Scope,
        /// Which channel.
        channel: ChannelName,
        /// How many messages were kept back.
        suppressed: u64,
    },
    /// A silence was made or changed.
    SilenceSet {
        /// As it is now.
        silence: Box<Silence>,
    },
    /// A silence was ended before its time.
    SilenceExpired {
        /// Which.
        silence: SilenceId,
    },
    /// A lock was taken.
    LockTaken {
        /// The lock.
        lock: Box<Lock>,
    },
    /// A lock was given back.
    LockReleased {
        /// Which.
        lock: LockName,
        /// Which holding of it.
        fence: Fence,
    },
    /// Somebody stands in for whoever is on call.
    OverrideSet {
        /// The calendar.
        schedule: ScheduleName,
        /// Who, and when.
        replacement: Override,
    },
    /// A group of alerts is told to a channel of its receiver.
    GroupTold {
        /// The group.
        group: GroupKey,
        /// The labels that its alerts have in common by the rule of its route.
        labels: Labels,
        /// The receiver.
        receiver: ReceiverName,
        /// The channel.
        channel: ChannelName,
        /// The message.
        notification: NotificationId,
        /// The alerts that fire, by fingerprint.
        firing: Vec<Fingerprint>,
        /// The alerts that ended since the last message, by fingerprint.
        resolved: Vec<Fingerprint>,
    },
    /// Some alerts of a group are kept from its receiver; the list replaces the one before.
    GroupHeld {
        /// The group.
        group: GroupKey,
        /// The receiver.
        receiver: ReceiverName,
        /// The alerts and what keeps them; empty: none any more.
        held: Vec<(Fingerprint, MutedBy)>,
    },
    /// A message to people was put into the outbox.
    NotificationQueued {
        /// Its id.
        notification: NotificationId,
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// To which channel.
        channel: ChannelName,
        /// What it says happened.
        kind: NotificationKind,
        /// Who is called by name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<PersonName>,
    },
    /// A message that would have been sent is not: it is in the list all the same.
    NotificationSuppressed {
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// To which channel.
        channel: ChannelName,
        /// What it would have said happened.
        kind: NotificationKind,
    },
    /// A message that waits says less than a newer one and is not sent any more.
    NotificationSuperseded {
        /// Which.
        notification: NotificationId,
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// To which channel.
        channel: ChannelName,
    },
    /// A message arrived.
    NotificationDelivered {
        /// Which.
        notification: NotificationId,
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// Through which channel.
        channel: ChannelName,
        /// What the receiver calls it, for changing it later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// A message will never arrive.
    NotificationFailed {
        /// Which.
        notification: NotificationId,
        /// What it is about.
        #[serde(flatten)]
        subject: Subject,
        /// Through which channel.
        channel: ChannelName,
    },
    /// A ticket about an incident changed.
    TicketTold {
        /// The incident.
        incident: IncidentId,
        /// The tracker.
        tracker: TrackerName,
        /// How.
        news: TicketNews,
    },
    /// A member of the crew changed.
    AgentChanged {
        /// Which.
        agent: AgentName,
        /// To what.
        state: AgentState,
    },
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
