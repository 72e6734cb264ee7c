//! What one decision changes in the record of its incident.

use jiff::Timestamp;
use nightcrew_model::alert::Illegal;
use nightcrew_model::attempt::{AttemptEvent, AttemptState};
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{AttemptId, NotificationId, StepIndex};
use nightcrew_model::incident::{IncidentEvent, IncidentState};
use nightcrew_model::plan::{Plan, StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;

use crate::record::{
    Acknowledged, Attempt, End, Escalation, Held, Judged, Notification, Outcome, Progress, Record,
    Resolved, Step, Verification,
};

/// Why a decision cannot be applied: it contradicts what came before.
pub(crate) struct Contradiction(pub(crate) String);

impl From<Illegal> for Contradiction {
    fn from(illegal: Illegal) -> Self {
        Self(illegal.to_string())
    }
}

type Applied = Result<(), Contradiction>;

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
            record.acknowledged = Some(Acknowledged { at, by: by.clone() });
            Ok(())
        }
        Fact::AcknowledgementEnded { .. } => {
            record.acknowledged = None;
            Ok(())
        }
        Fact::AttemptPlanned { .. }
        | Fact::StepStarted { .. }
        | Fact::StepFinished { .. }
        | Fact::VerificationStarted { .. }
        | Fact::VerificationSampled { .. }
        | Fact::AttemptSucceeded { .. }
        | Fact::AttemptFailed { .. }
        | Fact::AttemptInterrupted { .. } => apply_to_attempt(record, decision),
        Fact::AlertFired { .. }
        | Fact::AlertChanged { .. }
        | Fact::AlertResolved { .. }
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
        | Fact::AgentChanged { .. } => Ok(()),
    }
}

fn apply_to_attempt(record: &mut Record, decision: &Decision) -> Applied {
    match &decision.fact {
        Fact::AttemptPlanned { attempt, plan } => plan_attempt(record, decision, *attempt, plan),
        Fact::StepStarted { attempt, step, verdict } => {
            let attempt = known(record, *attempt)?;
            let next = attempt.state.apply(AttemptEvent::StepStarted(*step))?;
            let begun = step_of(attempt, *step)?;
            begun.verdict = Some(verdict.clone());
            begun.progress = Progress::Begun { at: decision.at };
            attempt.state = next;
            Ok(())
        }
        Fact::StepFinished { attempt, step, outcome } => {
            finish_step(known(record, *attempt)?, *step, outcome, decision.at)
        }
        Fact::VerificationStarted { attempt, deadline, .. } => {
            let before = record.state;
            let attempt = known(record, *attempt)?;
            // After a restart verification begins again: what was seen before proves nothing.
            let next = match attempt.state {
                AttemptState::Verifying => before,
                _ => before.apply(IncidentEvent::StepsDone)?,
            };
            attempt.state = attempt.state.apply(AttemptEvent::VerificationStarted)?;
            attempt.verification = Some(Verification {
                began_at: decision.at,
                because: decision.reason.to_string(),
                deadline: *deadline,
                samples: Vec::new(),
            });
            record.state = next;
            Ok(())
        }
        Fact::VerificationSampled { attempt, sample, good, in_a_row } => {
            let attempt = known(record, *attempt)?;
            let verifying = attempt.state == AttemptState::Verifying;
            let seen = attempt.verification.as_mut().filter(|_| verifying);
            let Some(seen) = seen else {
                let why = format!("{} was not being verified", attempt.id);
                return Err(Contradiction(why));
            };
            seen.samples.push(Judged { sample: sample.clone(), good: *good, in_a_row: *in_a_row });
            Ok(())
        }
        Fact::AttemptSucceeded { attempt } => {
            end(record, *attempt, AttemptEvent::Verified, decision)
        }
        Fact::AttemptFailed { attempt } => end(record, *attempt, AttemptEvent::Failed, decision),
        Fact::AttemptInterrupted { attempt } => {
            end(record, *attempt, AttemptEvent::CutOff, decision)
        }
        _ => Ok(()),
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

fn plan_attempt(record: &mut Record, decision: &Decision, id: AttemptId, plan: &Plan) -> Applied {
    if record.attempts.iter().any(|attempt| attempt.id == id) {
        return Err(Contradiction(format!("{id} was planned before")));
    }
    record.state = record.state.apply(IncidentEvent::RemedyPlanned)?;
    let steps = plan.steps.iter().enumerate().map(|(index, step)| Step {
        index: StepIndex(u16::try_from(index).unwrap_or(u16::MAX)),
        description: step.description.clone(),
        command: step.action.to_string(),
        verdict: None,
        progress: Progress::NotBegun,
    });
    record.attempts.push(Attempt {
        id,
        playbook: plan.playbook.clone(),
        mode: plan.mode,
        planned_at: decision.at,
        because: decision.reason.to_string(),
        steps: steps.collect(),
        verify: plan.verify.clone(),
        verification: None,
        state: AttemptState::Ready(StepIndex(0)),
        end: None,
        relapsed_at: None,
    });
    Ok(())
}

fn known(record: &mut Record, id: AttemptId) -> Result<&mut Attempt, Contradiction> {
    let mut attempts = record.attempts.iter_mut();
    attempts
        .find(|attempt| attempt.id == id)
        .ok_or_else(|| Contradiction(format!("{id} was never planned")))
}

fn step_of(attempt: &mut Attempt, step: StepIndex) -> Result<&mut Step, Contradiction> {
    let id = attempt.id;
    let found = attempt.steps.get_mut(usize::from(step.0));
    found.ok_or_else(|| Contradiction(format!("{id} has no step {step}")))
}

fn finish_step(
    attempt: &mut Attempt,
    step: StepIndex,
    outcome: &StepOutcome,
    at: Timestamp,
) -> Applied {
    let mut state = attempt.state;
    // What is only shown, or refused, has no beginning of its own.
    let without_start = matches!(outcome.status, StepStatus::Shown | StepStatus::Refused);
    if without_start && state == AttemptState::Ready(step) {
        state = state.apply(AttemptEvent::StepStarted(step))?;
    }
    // A step that ends badly keeps the attempt where it is until the attempt itself is ended; it
    // has to be the one that runs all the same.
    let done = state.apply(AttemptEvent::StepDone(step))?;
    let outcome = outcome.clone();
    let success = outcome.status.is_success();
    step_of(attempt, step)?.progress = Progress::Ended { at, outcome };
    attempt.state = if success { done } else { state };
    Ok(())
}

fn end(record: &mut Record, id: AttemptId, event: AttemptEvent, decision: &Decision) -> Applied {
    let attempt = known(record, id)?;
    attempt.state = attempt.state.apply(event)?;
    attempt.end = Some(End { at: decision.at, why: decision.reason.to_string() });
    if let Reason::GateRefused { step, reason } = &decision.reason
        && let Ok(step) = step_of(attempt, *step)
        && !matches!(step.progress, Progress::Ended { .. })
    {
        step.progress = Progress::Refused { reason: reason.clone() };
    }
    Ok(())
}
