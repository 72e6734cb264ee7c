//! Facts in words: the one way in which a timeline says what was decided.

use std::fmt;

use crate::condition::Truth;
use crate::decision::Fact;
use crate::oncall::Override;
use crate::ticket::TicketNews;

impl fmt::Display for Fact {
    #[expect(clippy::too_many_lines, reason = "a table with an arm for each variant")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlertFired { alert } => {
                write!(f, "alert fired: {} {} ({})", alert.target, alert.symptom, alert.severity)
            }
            Self::AlertChanged { alert } => {
                write!(f, "alert changed: {} {} ({})", alert.target, alert.symptom, alert.severity)
            }
            Self::AlertResolved { fingerprint, .. } => write!(f, "alert {fingerprint} resolved"),
            Self::IncidentOpened { incident, key, severity, .. } => {
                write!(f, "{incident} opened: {key} ({severity})")
            }
            Self::AlertJoined { incident, alert, severity } => {
                write!(f, "{incident}: alert {alert} joined ({severity})")
            }
            Self::IncidentReopened { incident, .. } => write!(f, "{incident} reopened"),
            Self::AttemptPlanned { attempt, plan } => {
                write!(f, "{attempt} planned: {}, steps: {}", plan.playbook, plan.steps.len())
            }
            Self::PlanCleared { attempt, verdicts } => {
                write!(f, "{attempt} may run: {} steps judged", verdicts.len())
            }
            Self::ApprovalRequested { attempt, expires_at, .. } => {
                write!(f, "{attempt} waits for approval until {expires_at}")
            }
            Self::ApprovalGiven { attempt, .. } => write!(f, "{attempt} approved"),
            Self::ApprovalDenied { attempt } => write!(f, "{attempt} denied"),
            Self::ApprovalExpired { attempt } => write!(f, "{attempt}: approval expired"),
            Self::StandingApprovalSet { approval } => write!(
                f,
                "standing approval {} for {} until {}",
                approval.name, approval.playbook, approval.until
            ),
            Self::StandingApprovalEnded { approval } => {
                write!(f, "standing approval {approval} ended")
            }
            Self::StepSkipped { attempt, step } => write!(f, "{attempt} step {step} skipped"),
            Self::RollbackStarted { attempt, from } => {
                write!(f, "{attempt} is taken back from step {from}")
            }
            Self::UndoStarted { attempt, step, verdict } => {
                write!(f, "{attempt} undo of step {step} started: {}", verdict.argv.join(" "))
            }
            Self::UndoFinished { attempt, step, outcome } => {
                write!(f, "{attempt} undo of step {step} {} in {}", outcome.status, outcome.took)
            }
            Self::TicketTold { incident, tracker, news } => {
                write!(f, "{incident}: ")?;
                match news {
                    TicketNews::Intended => write!(f, "a ticket is made in {tracker}"),
                    TicketNews::Opened { key, .. } => write!(f, "ticket {key} in {tracker}"),
                    TicketNews::Moved { stage } => write!(f, "its ticket in {tracker} is {stage}"),
                    TicketNews::Refused { error } => {
                        write!(f, "{tracker} takes no ticket: {error}")
                    }
                }
            }
            Self::RemedyHeld { incident, playbook } => write!(f, "{incident}: {playbook} held"),
            Self::StepStarted { attempt, step, verdict } => {
                write!(f, "{attempt} step {step} started: {}", verdict.argv.join(" "))
            }
            Self::StepFinished { attempt, step, outcome } => {
                write!(f, "{attempt} step {step} {} in {}", outcome.status, outcome.took)
            }
            Self::VerificationStarted { attempt, .. } => write!(f, "{attempt} verifying"),
            Self::VerificationSampled { attempt, sample, good, in_a_row } => {
                let word = match good {
                    Truth::True => "good",
                    Truth::False => "bad",
                    Truth::Unknown => "unknown",
                };
                let (metric, seen) = (&sample.metric, &sample.observation);
                write!(f, "{attempt} sample {word}: {metric} {seen}, in a row: {in_a_row}")
            }
            Self::AttemptSucceeded { attempt } => write!(f, "{attempt} succeeded"),
            Self::AttemptFailed { attempt } => write!(f, "{attempt} failed"),
            Self::AttemptInterrupted { attempt } => write!(f, "{attempt} interrupted"),
            Self::IncidentResolved { incident, verified } => {
                write!(f, "{incident} resolved{}", if *verified { ", verified" } else { "" })
            }
            Self::IncidentEscalated { incident } => write!(f, "{incident} escalated to a person"),
            Self::IncidentClosed { incident } => write!(f, "{incident} closed"),
            Self::IncidentAcknowledged { incident, by } => {
                write!(f, "{incident} acknowledged by {by}")
            }
            Self::AcknowledgementEnded { incident } => {
                write!(f, "{incident}: acknowledgement ended")
            }
            Self::IncidentCorrelated { incident, root } => {
                write!(f, "{incident} caused by {root}")
            }
            Self::EscalationStepped { incident, policy, level, round, told, next_at } => {
                write!(f, "{incident}: {policy} {level}")?;
                if *round > 0 {
                    write!(f, " (round {})", round + 1)?;
                }
                f.write_str(if told.is_empty() { " told: nobody" } else { " told: " })?;
                for (n, told) in told.iter().enumerate() {
                    write!(f, "{}{told}", if n == 0 { "" } else { ", " })?;
                }
                match next_at {
                    Some(at) => write!(f, "; next level at {at}"),
                    None => f.write_str("; no further level"),
                }
            }
            Self::EscalationHeld { incident, by } => {
                write!(f, "{incident}: escalation held by {by}")
            }
            Self::FlapBegan { key } => write!(f, "{key} is flapping"),
            Self::FlapEnded { key } => write!(f, "{key} is calm again"),
            Self::StormBegan { scope, channel } => {
                write!(f, "storm at {scope} for {channel}")
            }
            Self::StormEnded { scope, channel, suppressed } => {
                write!(f, "storm at {scope} for {channel} over: {suppressed} suppressed")
            }
            Self::SilenceSet { silence } => {
                write!(
                    f,
                    "silence {} set until {}: {}",
                    silence.id, silence.ends_at, silence.matchers
                )
            }
            Self::SilenceExpired { silence } => write!(f, "silence {silence} expired"),
            Self::LockTaken { lock } => {
                write!(f, "lock {} taken by {} until {}", lock.name, lock.owner, lock.expires_at)
            }
            Self::LockReleased { lock, .. } => write!(f, "lock {lock} released"),
            Self::OverrideSet { schedule, replacement } => {
                let Override { person, from, until } = replacement;
                write!(f, "{schedule}: {person} is on call from {from} until {until}")
            }
            Self::GroupTold { group, channel, firing, resolved, notification, .. } => write!(
                f,
                "group {group}: {notification} to {channel}, firing: {}, resolved: {}",
                firing.len(),
                resolved.len()
            ),
            Self::GroupHeld { group, receiver, held } => {
                write!(f, "group {group}: kept from {receiver}: {}", held.len())
            }
            Self::NotificationQueued { notification, subject, channel, kind, mentions } => {
                write!(f, "{subject}: {notification} queued for {channel}: {kind}")?;
                for (n, person) in mentions.iter().enumerate() {
                    write!(f, "{}{person}", if n == 0 { ", for " } else { ", " })?;
                }
                Ok(())
            }
            Self::NotificationSuppressed { subject, channel, kind } => {
                write!(f, "{subject}: {channel} is not told: {kind}")
            }
            Self::NotificationSuperseded { notification, subject, channel } => {
                write!(f, "{subject}: {notification} to {channel} superseded")
            }
            Self::NotificationDelivered { notification, subject, channel, .. } => {
                write!(f, "{subject}: {notification} delivered to {channel}")
            }
            Self::NotificationFailed { notification, subject, channel } => {
                write!(f, "{subject}: {notification} not deliverable to {channel}")
            }
            Self::AgentChanged { agent, state } => write!(f, "agent {agent} is {state}"),
        }
    }
}

impl Fact {
    /// The member of the crew whose work it belongs to.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        match self {
            Self::AlertFired { .. }
            | Self::AlertChanged { .. }
            | Self::AlertResolved { .. }
            | Self::IncidentOpened { .. }
            | Self::AlertJoined { .. }
            | Self::IncidentReopened { .. }
            | Self::IncidentResolved { .. }
            | Self::IncidentEscalated { .. }
            | Self::IncidentClosed { .. }
            | Self::IncidentAcknowledged { .. }
            | Self::AcknowledgementEnded { .. }
            | Self::IncidentCorrelated { .. }
            | Self::EscalationStepped { .. }
            | Self::EscalationHeld { .. }
            | Self::FlapBegan { .. }
            | Self::FlapEnded { .. }
            | Self::StormBegan { .. }
            | Self::StormEnded { .. }
            | Self::SilenceSet { .. }
            | Self::SilenceExpired { .. }
            | Self::LockTaken { .. }
            | Self::LockReleased { .. }
            | Self::OverrideSet { .. }
            | Self::GroupTold { .. }
            | Self::GroupHeld { .. } => "alert-handler",
            Self::TicketTold { .. } => "ticket-keeper",
            Self::StandingApprovalSet { .. }
            | Self::StandingApprovalEnded { .. }
            | Self::PlanCleared { .. }
            | Self::ApprovalRequested { .. }
            | Self::ApprovalGiven { .. }
            | Self::ApprovalDenied { .. }
            | Self::ApprovalExpired { .. }
            | Self::StepSkipped { .. }
            | Self::RollbackStarted { .. }
            | Self::UndoStarted { .. }
            | Self::UndoFinished { .. }
            | Self::AttemptPlanned { .. }
            | Self::RemedyHeld { .. }
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::VerificationStarted { .. }
            | Self::VerificationSampled { .. }
            | Self::AttemptSucceeded { .. }
            | Self::AttemptFailed { .. }
            | Self::AttemptInterrupted { .. } => "autoheal",
            Self::NotificationQueued { .. }
            | Self::NotificationSuppressed { .. }
            | Self::NotificationSuperseded { .. }
            | Self::NotificationDelivered { .. }
            | Self::NotificationFailed { .. } => "reporter",
            Self::AgentChanged { .. } => "orchestrator",
        }
    }
}
