//! Reasons: why something was decided.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::Source;
use crate::approval::Autonomy;
use crate::condition::Truth;
use crate::id::{
    AttemptId, ChannelName, IncidentId, LevelIndex, LockName, NotificationId, PersonName,
    PlaybookName, PolicyName, ReceiverName, ServiceName, StandingName, StepIndex,
};
use crate::mute::MutedBy;
use crate::unit::Millis;
use crate::verdict::RiskClass;

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
    /// It only informs, and an incident of the same service is open.
    SameService,
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
    /// The playbook is in shadow: the plan was shown and nothing was done.
    Shadow,
    /// The service's autonomy does not let the crew act by itself.
    Autonomy {
        /// What it lets the crew do.
        level: Autonomy,
    },
    /// The playbook says that a person gets it.
    EscalateIf {
        /// The condition in words.
        condition: String,
    },
    /// An action is of a risk class, or of a kind, that a person has to allow.
    NeedsApproval {
        /// The highest risk of the plan.
        class: RiskClass,
    },
    /// A standing approval covers it.
    StandingApproval {
        /// Which.
        approval: StandingName,
    },
    /// Nobody approved in time.
    NotApproved {
        /// How long was waited.
        waited: Millis,
    },
    /// What would run is not what was approved.
    PlanChanged {
        /// What differs.
        detail: String,
    },
    /// The condition of the step is not certainly true.
    WhenNotMet {
        /// The condition in words.
        condition: String,
        /// What is known about it.
        truth: Truth,
    },
    /// The step failed and is tried again.
    Retried {
        /// The how many-th try comes, from 2.
        attempt: u32,
        /// How many there are.
        of: u32,
    },
    /// The step failed, and the playbook goes on.
    Continued,
    /// The playbook did not hold the last time, or did not heal: the next one is tried.
    NextRemedy {
        /// The playbook that did not.
        after: PlaybookName,
    },
    /// The repair was proven, and the trouble is back inside the window.
    Relapsed {
        /// The playbook that did not hold.
        playbook: PlaybookName,
    },
    /// Every playbook that applies was tried.
    RemediesExhausted {
        /// How many were tried.
        tried: u32,
    },
    /// It was done too often.
    RunLimit {
        /// What.
        playbook: PlaybookName,
        /// How often it may run …
        times: u32,
        /// … in this time.
        window: Millis,
    },
    /// The playbook failed so often that it is left alone.
    BreakerOpen {
        /// Which.
        playbook: PlaybookName,
        /// Until when.
        until: Timestamp,
    },
    /// Too many services of a group are down or being worked on.
    BlastRadius {
        /// How many are.
        down: u32,
        /// How many may be.
        allowed: u32,
    },
    /// A parameter of the playbook cannot be made of what the alert says.
    BadParameter {
        /// Which, and why.
        detail: String,
    },
    /// The tracker of tickets said so.
    Tracker {
        /// What of it.
        detail: String,
    },
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
    /// A person said that it is over, but its source has not ended its alert.
    StillFires,
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
    /// The channel was told of it before, and hears what became of it.
    WasTold,
    /// The receiver has it.
    ReceiverAccepted,
    /// The receiver will never have it.
    ReceiverRefused {
        /// In its words.
        error: String,
    },
    /// A person asked for it.
    Asked {
        /// Who.
        by: PersonName,
    },
    /// Nobody is to hear of it.
    Muted {
        /// What keeps it.
        by: MutedBy,
    },
    /// The routing brings it to a receiver, and there is news.
    Routed {
        /// The receiver.
        receiver: ReceiverName,
        /// The news.
        news: GroupNews,
    },
    /// What is kept from a receiver changed.
    RoutedMuted,
    /// The channel does not hear that alerts of a group ended.
    EndsNotWanted,
    /// An escalation policy says so.
    Policy {
        /// Which.
        policy: PolicyName,
    },
    /// Nobody acknowledged in time.
    NotAcknowledged {
        /// The level that was told.
        level: LevelIndex,
        /// How long was waited.
        waited: Millis,
    },
    /// The crew had its time to heal by itself.
    AutomaticTimeOver {
        /// How long it was.
        waited: Millis,
    },
    /// Somebody acknowledged, and it is still open after so long.
    AcknowledgementOld {
        /// How long.
        waited: Millis,
    },
    /// Another channel failed.
    Fallback {
        /// Which.
        from: ChannelName,
        /// The message that did not arrive.
        notification: NotificationId,
    },
    /// A newer message says it too.
    Superseded {
        /// Which.
        by: NotificationId,
    },
    /// A service that is needed broke shortly before.
    DependsOn {
        /// Which.
        service: ServiceName,
    },
    /// More than a channel may get.
    TooMany {
        /// How many there may be …
        limit: u32,
        /// … in this time.
        window: Millis,
    },
    /// So many messages were kept back, and this one stands for them.
    KeptBack {
        /// How many.
        messages: u64,
        /// In which time.
        window: Millis,
        /// The first incidents of them.
        first: Vec<IncidentId>,
    },
    /// It changed too often.
    Changes {
        /// How often …
        changes: u32,
        /// … in this time.
        window: Millis,
    },
    /// Nothing of the kind happened for a whole window.
    Calm {
        /// How long.
        window: Millis,
    },
    /// A lock keeps it from being done.
    Locked {
        /// Which.
        lock: LockName,
    },
    /// A heartbeat that must always be heard is not.
    WatchdogSilent {
        /// How long it may be silent.
        timeout: Millis,
    },
    /// It is heard again.
    WatchdogHeard,
    /// It is time.
    Daily,
    /// The orchestrator saw it.
    Supervision {
        /// What it saw.
        detail: String,
    },
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "a table with an arm for each variant")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reported { source } => write!(f, "reported through {source}"),
            Self::RuleMet { rule, seen } | Self::RuleCleared { rule, seen } => {
                write!(f, "{rule}; seen: {seen}")
            }
            Self::NotRepeated => f.write_str("its source no longer repeats it"),
            Self::NewKey => f.write_str("first of its service and symptom inside the window"),
            Self::SameKey => f.write_str("same service and symptom inside the window"),
            Self::SameService => f.write_str("it informs about the same service"),
            Self::ConditionHolds { condition, seen } => write!(f, "{condition}; seen: {seen}"),
            Self::NoPlaybook => f.write_str("no playbook's condition is met by what is known"),
            Self::Cooldown { playbook, until } => {
                write!(f, "{playbook} ran a short while ago and rests until {until}")
            }
            Self::TargetBusy { attempt } => {
                write!(f, "{attempt} is at work on the same service")
            }
            Self::DryRun => f.write_str("dry run: shown, not executed"),
            Self::Shadow => f.write_str("in shadow: shown, not executed"),
            Self::Autonomy { level } => {
                write!(f, "the autonomy of the service is `{level}`")
            }
            Self::EscalateIf { condition } => {
                write!(f, "the playbook hands over when {condition}")
            }
            Self::NeedsApproval { class } => write!(f, "{class}: a person has to allow it"),
            Self::StandingApproval { approval } => {
                write!(f, "covered by the standing approval {approval}")
            }
            Self::NotApproved { waited } => write!(f, "nobody approved within {waited}"),
            Self::PlanChanged { detail } => {
                write!(f, "it is not what was approved: {detail}")
            }
            Self::WhenNotMet { condition, truth: Truth::Unknown } => {
                write!(f, "nobody knows whether {condition}")
            }
            Self::WhenNotMet { condition, .. } => write!(f, "not so: {condition}"),
            Self::Retried { attempt, of } => write!(f, "try {attempt} of {of}"),
            Self::Continued => f.write_str("the playbook goes on after a failure here"),
            Self::NextRemedy { after } => write!(f, "{after} did not heal it: the next one"),
            Self::Relapsed { playbook } => {
                write!(f, "back inside the window: {playbook} did not hold")
            }
            Self::RemediesExhausted { tried } => {
                write!(f, "every playbook that applies was tried: {tried}")
            }
            Self::RunLimit { playbook, times, window } => {
                write!(f, "{playbook} may run {times} times in {window}, and did")
            }
            Self::BreakerOpen { playbook, until } => {
                write!(f, "{playbook} failed so often that it is left alone until {until}")
            }
            Self::BlastRadius { down, allowed } => write!(
                f,
                "{down} services of the group are down or being worked on, and {allowed} may be"
            ),
            Self::BadParameter { detail } => f.write_str(detail),
            Self::Tracker { detail } => f.write_str(detail),
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
            Self::StillFires => {
                f.write_str("said to be over, but its source has not ended the alert")
            }
            Self::VerificationCutOff => {
                f.write_str("a restart cut the verification off; it begins again")
            }
            Self::RemedyFailed { attempt } => write!(f, "{attempt} did not heal it"),
            Self::WindowPassed => f.write_str("it did not come back inside the window"),
            Self::ChannelListens => f.write_str("the channel listens to this"),
            Self::WasTold => f.write_str("the channel was told of it"),
            Self::ReceiverAccepted => f.write_str("the receiver has it"),
            Self::ReceiverRefused { error } => write!(f, "the receiver will not take it: {error}"),
            Self::Asked { by } => write!(f, "asked for by {by}"),
            Self::Muted { by } => write!(f, "{by}"),
            Self::Routed { receiver, news } => write!(f, "{news}, for receiver {receiver}"),
            Self::RoutedMuted => f.write_str("what is kept from the receiver changed"),
            Self::EndsNotWanted => f.write_str("the channel does not hear of ends"),
            Self::Policy { policy } => write!(f, "policy {policy}"),
            Self::NotAcknowledged { level, waited } => {
                write!(f, "nobody of {level} acknowledged within {waited}")
            }
            Self::AutomaticTimeOver { waited } => {
                write!(f, "not healed within the {waited} that the crew had")
            }
            Self::AcknowledgementOld { waited } => {
                write!(f, "acknowledged, and still open after {waited}")
            }
            Self::Fallback { from, notification } => {
                write!(f, "{notification} could not be delivered to {from}")
            }
            Self::Superseded { by } => write!(f, "{by} says it too"),
            Self::DependsOn { service } => write!(f, "it needs {service}, which broke before it"),
            Self::TooMany { limit, window } => {
                write!(f, "more than {limit} messages in {window}")
            }
            Self::KeptBack { messages: 1, window, .. } => {
                write!(f, "1 more was kept back in {window}")
            }
            Self::KeptBack { messages, window, .. } => {
                write!(f, "{messages} more were kept back in {window}")
            }
            Self::Changes { changes, window } => write!(f, "{changes} changes in {window}"),
            Self::Calm { window } => write!(f, "calm for {window}"),
            Self::Locked { lock } => write!(f, "lock {lock}"),
            Self::WatchdogSilent { timeout } => write!(f, "not heard of for {timeout}"),
            Self::WatchdogHeard => f.write_str("heard again"),
            Self::Daily => f.write_str("it is time"),
            Self::Supervision { detail } => f.write_str(detail),
        }
    }
}

/// Why a group of alerts is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupNews {
    /// It was not told of before.
    New,
    /// More alerts fire than were told of.
    More,
    /// Some alerts of it ended.
    Fewer,
    /// All of it ended.
    Over,
    /// Nothing changed for so long that people are reminded.
    Reminder,
}

impl fmt::Display for GroupNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::New => "a new group",
            Self::More => "more alerts fire",
            Self::Fewer => "some alerts ended",
            Self::Over => "all alerts ended",
            Self::Reminder => "a reminder",
        })
    }
}
