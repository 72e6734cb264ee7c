//! What one decision changes in the record of its incident.

use jiff::Timestamp;
use nightcrew_model::alert::Illegal;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::id::{NotificationId, TrackerName};
use nightcrew_model::incident::{IncidentEvent, IncidentState};
use nightcrew_model::ticket::TicketNews;
use nightcrew_model::unit::Millis;

use crate::attempt_transition;
use crate::record::{
    Acknowledged, Escalation, Held, Notification, Outcome, Record, Resolved, Root, Ticket,
};

/// Why a decision cannot be applied: it contradicts what came before.
pub(crate) struct Contradiction(pub(crate) String);

impl From<Illegal> for Contradiction {
    fn from(illegal: Illegal) -> Self {
        Self(illegal.to_string())
    }
}

pub(crate) type Applied = Result<(), Contradiction>;

/// Applies one decision about the incident.
///
/// # Errors
/// When it contradicts what came before; the record is then as it was.
#[expect(clippy::too_many_lines, reason = "a table with an arm for each fact")]
pub(crate) fn apply(record: &mut Record, decision: &Decision) -> Applied {
    let at = decision.at;
    match &decision.fact {
        Fact::IncidentOpened { .. } => Err(Contradiction("it was opened before".into())),
        Fact::AlertJoined { severity, .. } => {
            record.severity = *severity;
            Ok(())
        }
        Fact::IncidentReopened { .. } => reopen(record, at),
        Fact::RemedyHeld { playbook, .. } => {
            let (playbook, why) = (playbook.clone(), decision.reason.to_string());
            record.held.push(Held { at, playbook, why });
            Ok(())
        }
        Fact::IncidentResolved { verified, .. } => resolve(record, *verified, decision),
        Fact::IncidentEscalated { .. } => {
            record.state = record.state.apply(IncidentEvent::HandedOver)?;
            let reason = decision.reason.to_string();
            record.escalation = Some(Escalation { at, reason });
            Ok(())
        }
        Fact::IncidentClosed { .. } => {
            record.state = record.state.apply(IncidentEvent::WindowPassed)?;
            record.closed_at = Some(at);
            Ok(())
        }
        Fact::NotificationQueued { notification, channel, kind, .. } => {
            record.notifications.push(Notification {
                id: *notification,
                channel: channel.clone(),
                kind: *kind,
                queued_at: at,
                outcome: Outcome::Pending,
            });
            Ok(())
        }
        Fact::NotificationDelivered { notification, .. } => {
            settle(record, *notification, Outcome::Delivered { at })
        }
        Fact::NotificationFailed { notification, .. } => {
            let why = decision.reason.to_string();
            settle(record, *notification, Outcome::Failed { at, why })
        }
        Fact::NotificationSuperseded { notification, .. } => {
            settle(record, *notification, Outcome::Superseded { at })
        }
        Fact::IncidentAcknowledged { by, .. } => {
            let acknowledged = Acknowledged { at, by: by.clone() };
            record.first_acknowledged.get_or_insert_with(|| acknowledged.clone());
            record.acknowledged = Some(acknowledged);
            Ok(())
        }
        Fact::AcknowledgementEnded { .. } => {
            record.acknowledged = None;
            Ok(())
        }
        Fact::IncidentCorrelated { root, .. } => {
            let (incident, why) = (*root, decision.reason.to_string());
            record.root = Some(Root { at, incident, why });
            Ok(())
        }
        Fact::TicketTold { tracker, news, .. } => {
            tell_ticket(record, at, tracker, news);
            Ok(())
        }
        Fact::AttemptPlanned { .. }
        | Fact::PlanCleared { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::ApprovalGiven { .. }
        | Fact::ApprovalDenied { .. }
        | Fact::ApprovalExpired { .. }
        | Fact::StepStarted { .. }
        | Fact::StepFinished { .. }
        | Fact::StepSkipped { .. }
        | Fact::RollbackStarted { .. }
        | Fact::UndoStarted { .. }
        | Fact::UndoFinished { .. }
        | Fact::VerificationStarted { .. }
        | Fact::VerificationSampled { .. }
        | Fact::AttemptSucceeded { .. }
        | Fact::AttemptFailed { .. }
        | Fact::AttemptInterrupted { .. } => attempt_transition::apply(record, decision),
        Fact::AlertFired { .. }
        | Fact::AlertChanged { .. }
        | Fact::AlertResolved { .. }
        | Fact::StandingApprovalSet { .. }
        | Fact::StandingApprovalEnded { .. }
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
        | Fact::AgentChanged { .. } => Ok(()),
    }
}

fn reopen(record: &mut Record, at: Timestamp) -> Applied {
    record.state = record.state.apply(IncidentEvent::Relapsed)?;
    record.relapses.push(at);
    record.resolved = None;
    record.repair_ms = None;
    if let Some(last) = record.attempts.last_mut()
        && last.state == AttemptState::Succeeded
    {
        last.relapsed_at.get_or_insert(at);
    }
    Ok(())
}

fn resolve(record: &mut Record, verified: bool, decision: &Decision) -> Applied {
    // Verification ends by proof only; elsewhere it recovered by itself or by a person's hand.
    let event = match record.state {
        IncidentState::Verifying => IncidentEvent::Verified,
        IncidentState::Open
        | IncidentState::Resolving
        | IncidentState::Resolved
        | IncidentState::Escalated
        | IncidentState::Closed => IncidentEvent::Recovered,
    };
    record.state = record.state.apply(event)?;
    record.repair_ms = Some(Millis::between(record.detected_at, decision.at));
    record.resolved =
        Some(Resolved { at: decision.at, verified, reason: decision.reason.to_string() });
    Ok(())
}

fn settle(record: &mut Record, id: NotificationId, outcome: Outcome) -> Applied {
    let mut messages = record.notifications.iter_mut();
    let Some(message) = messages.find(|message| message.id == id) else {
        return Err(Contradiction(format!("{id} was never queued")));
    };
    if message.outcome != Outcome::Pending {
        let why = format!("what came of {id} was known already");
        return Err(Contradiction(why));
    }
    message.outcome = outcome;
    Ok(())
}

fn tell_ticket(record: &mut Record, at: Timestamp, tracker: &TrackerName, news: &TicketNews) {
    let mut known = record.tickets.iter();
    let n = known.position(|ticket| ticket.tracker == *tracker).unwrap_or(record.tickets.len());
    if n == record.tickets.len() {
        let tracker = tracker.clone();
        record.tickets.push(Ticket {
            tracker,
            key: None,
            url: None,
            stage: None,
            refused: None,
            at,
        });
    }
    let Some(ticket) = record.tickets.get_mut(n) else { return };
    ticket.at = at;
    match news {
        TicketNews::Intended => {}
        TicketNews::Opened { key, url } => {
            ticket.key = Some(key.clone());
            ticket.url.clone_from(url);
            ticket.refused = None;
        }
        TicketNews::Moved { stage } => ticket.stage = Some(*stage),
        TicketNews::Refused { error } => ticket.refused = Some(error.clone()),
    }
}
