//! Decisions as sentences.  What an outside text says in them is not escaped here: whoever shows
//! them does that for its own form.

use nightcrew_model::decision::Fact;
use nightcrew_model::id::TrackerName;
use nightcrew_model::plan::{Mode, Plan};
use nightcrew_model::ticket::TicketNews;

/// What was decided, in words.
#[expect(clippy::too_many_lines, reason = "a table with an arm for each fact")]
pub(crate) fn what(fact: &Fact) -> String {
    match fact {
        Fact::AlertFired { alert } => format!(
            "alert {} fires: {} {} ({}, from {})",
            alert.fingerprint, alert.target, alert.symptom, alert.severity, alert.source
        ),
        Fact::AlertChanged { alert } => {
            format!("alert {} changed ({})", alert.fingerprint, alert.severity)
        }
        Fact::AlertResolved { fingerprint, ends_at } => {
            format!("alert {fingerprint} ended at {ends_at:.3}")
        }
        Fact::IncidentOpened { incident, key, severity, .. } => {
            format!("{incident} opened: {key} ({severity})")
        }
        Fact::AlertJoined { incident, alert, severity } => {
            format!("alert {alert} joined {incident} ({severity})")
        }
        Fact::IncidentReopened { incident, trigger } => {
            format!("{incident} is back (alert {trigger})")
        }
        Fact::RemedyHeld { playbook, .. } => format!("playbook {playbook} was not used"),
        Fact::IncidentResolved { incident, verified } => {
            let proof = if *verified { "proven" } else { "not proven" };
            format!("{incident} is over, {proof}")
        }
        Fact::IncidentEscalated { incident } => format!("{incident} goes to a person"),
        Fact::IncidentClosed { incident } => format!("{incident} is closed"),
        Fact::NotificationQueued { notification, channel, kind, .. } => {
            format!("message {notification} ({kind}) to {channel} queued")
        }
        Fact::NotificationDelivered { notification, channel, .. } => {
            format!("message {notification} arrived through {channel}")
        }
        Fact::NotificationFailed { notification, channel, .. } => {
            format!("message {notification} through {channel} will never arrive")
        }
        Fact::AgentChanged { agent, state } => format!("agent {agent} is {state}"),
        Fact::PlanCleared { attempt, .. } => format!("{attempt} may begin"),
        Fact::ApprovalRequested { attempt, hash, expires_at, .. } => {
            let hash = short(&hash.to_string());
            format!(
                "{attempt}: a person is asked whether plan {hash} may run, until {expires_at:.3}"
            )
        }
        Fact::ApprovalGiven { attempt, hash } => {
            format!("{attempt}: plan {} was approved", short(&hash.to_string()))
        }
        Fact::ApprovalDenied { attempt } => format!("{attempt} was denied: it does not run"),
        Fact::ApprovalExpired { attempt } => {
            format!("{attempt} was not approved in time: it does not run")
        }
        Fact::StepSkipped { attempt, step } => format!("{attempt}: step {step} is skipped"),
        Fact::RollbackStarted { attempt, from } => {
            format!("{attempt}: what was done is taken back, from step {from} on")
        }
        Fact::UndoStarted { attempt, step, .. } => {
            format!("{attempt}: taking step {step} back begins")
        }
        Fact::UndoFinished { attempt, step, outcome } => {
            format!("{attempt}: taking step {step} back {} after {}", outcome.status, outcome.took)
        }
        Fact::TicketTold { tracker, news, .. } => ticket(tracker, news),
        Fact::StandingApprovalSet { .. }
        | Fact::StandingApprovalEnded { .. }
        | Fact::IncidentAcknowledged { .. }
        | Fact::AcknowledgementEnded { .. }
        | Fact::IncidentCorrelated { .. }
        | Fact::EscalationStepped { .. }
        | Fact::EscalationHeld { .. }
        | Fact::FlapBegan { .. }
        | Fact::FlapEnded { .. }
        | Fact::StormBegan { .. }
        | Fact::StormEnded { .. }
        | Fact::SilenceSet { .. }
        | Fact::SilenceExpired { .. }
        | Fact::LockTaken { .. }
        | Fact::LockReleased { .. }
        | Fact::OverrideSet { .. }
        | Fact::GroupTold { .. }
        | Fact::GroupHeld { .. }
        | Fact::NotificationSuppressed { .. }
        | Fact::NotificationSuperseded { .. } => fact.to_string(),
        Fact::AttemptPlanned { attempt, plan } => planned(&attempt.to_string(), plan),
        Fact::StepStarted { attempt, step, .. } => format!("{attempt}: step {step} begins"),
        Fact::StepFinished { attempt, step, outcome } => {
            format!("{attempt}: step {step} {} after {}", outcome.status, outcome.took)
        }
        Fact::VerificationStarted { attempt, deadline, .. } => {
            format!("{attempt}: fresh samples decide until {deadline:.3}")
        }
        Fact::VerificationSampled { attempt, sample, in_a_row, .. } => format!(
            "{attempt}: {} = {}, {in_a_row} good in a row",
            sample.metric, sample.observation
        ),
        Fact::AttemptSucceeded { attempt } => format!("{attempt} succeeded"),
        Fact::AttemptFailed { attempt } => format!("{attempt} failed"),
        Fact::AttemptInterrupted { attempt } => {
            format!("{attempt} was cut off and its effect is not proven")
        }
    }
}

fn planned(attempt: &str, plan: &Plan) -> String {
    let dry = match plan.mode {
        Mode::Live => "",
        Mode::DryRun => ", dry run",
        Mode::Shadow => ", in shadow",
        Mode::Suggest => ", as a suggestion",
    };
    format!(
        "{attempt}: playbook {} planned for {}, {}{dry}",
        plan.playbook,
        plan.target,
        counted(plan.steps.len(), "step")
    )
}

fn ticket(tracker: &TrackerName, news: &TicketNews) -> String {
    match news {
        TicketNews::Intended => format!("a ticket is to be made in {tracker}"),
        TicketNews::Opened { key, url: Some(url) } => {
            format!("its ticket in {tracker} is {key}, {url}")
        }
        TicketNews::Opened { key, url: None } => format!("its ticket in {tracker} is {key}"),
        TicketNews::Moved { stage } => format!("its ticket in {tracker} is {stage} now"),
        TicketNews::Refused { error } => format!("{tracker} takes no ticket: {error}"),
    }
}

/// How many digits of a hash tell plans apart for people.
const HASH_CHARS: usize = 12;

/// The beginning of a hash.
pub(crate) fn short(hash: &str) -> String {
    hash.chars().take(HASH_CHARS).collect()
}

/// `1 step`, `2 steps`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
