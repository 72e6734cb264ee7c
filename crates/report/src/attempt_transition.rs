//! What one decision changes in the record of an attempt.

use jiff::Timestamp;
use nightcrew_model::approval::PlanHash;
use nightcrew_model::attempt::{AttemptEvent, AttemptState};
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{AttemptId, PersonName, StepIndex};
use nightcrew_model::incident::IncidentEvent;
use nightcrew_model::plan::{Plan, StepOutcome, StepStatus};
use nightcrew_model::verdict::Verdict;

use crate::record::{
    Answer, Approval, Attempt, Clearance, End, Judged, Progress, Record, Rollback, Step, Try, Undo,
    Verification,
};
use crate::transition::{Applied, Contradiction};

/// Applies one decision about an attempt.
///
/// # Errors
/// When it contradicts what came before; the record is then as it was.
#[expect(clippy::too_many_lines, reason = "a table with an arm for each fact")]
pub(crate) fn apply(record: &mut Record, decision: &Decision) -> Applied {
    match &decision.fact {
        Fact::AttemptPlanned { attempt, plan } => plan_attempt(record, decision, *attempt, plan),
        Fact::PlanCleared { attempt, .. }
        | Fact::ApprovalRequested { attempt, .. }
        | Fact::ApprovalGiven { attempt, .. }
        | Fact::ApprovalDenied { attempt }
        | Fact::ApprovalExpired { attempt } => {
            allow(known(record, *attempt)?, decision)?;
            remedy_ended(record, *attempt);
            Ok(())
        }
        Fact::StepStarted { attempt, step, verdict } => {
            start_step(known(record, *attempt)?, *step, verdict, decision.at)
        }
        Fact::StepFinished { attempt, step, outcome } => {
            finish_step(known(record, *attempt)?, *step, outcome, decision)
        }
        Fact::StepSkipped { attempt, step } => {
            let attempt = known(record, *attempt)?;
            let next = attempt.state.apply(AttemptEvent::StepSkipped(*step))?;
            let (at, why) = (decision.at, decision.reason.to_string());
            step_of(attempt, *step)?.progress = Progress::Skipped { at, why };
            attempt.state = next;
            Ok(())
        }
        Fact::RollbackStarted { attempt, from } => {
            let attempt = known(record, *attempt)?;
            attempt.state = attempt.state.apply(AttemptEvent::RollbackStarted(*from))?;
            let (at, why) = (decision.at, decision.reason.to_string());
            attempt.rollback = Some(Rollback { at, from: *from, why });
            Ok(())
        }
        Fact::UndoStarted { attempt, step, verdict } => {
            let attempt = known(record, *attempt)?;
            let next = attempt.state.apply(AttemptEvent::UndoStarted(*step))?;
            let undo = undo_of(attempt, *step)?;
            undo.verdict = Some(verdict.clone());
            undo.progress = Progress::Begun { at: decision.at };
            attempt.state = next;
            Ok(())
        }
        Fact::UndoFinished { attempt, step, outcome } => {
            let attempt = known(record, *attempt)?;
            let next = attempt.state.apply(AttemptEvent::UndoDone(*step))?;
            let (at, outcome) = (decision.at, outcome.clone());
            undo_of(attempt, *step)?.progress = Progress::Ended { at, outcome };
            attempt.state = next;
            Ok(())
        }
        Fact::VerificationStarted { attempt, deadline, .. } => {
            verify(record, *attempt, *deadline, decision)
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

/// The gate, or a person, looked at the whole plan.
fn allow(attempt: &mut Attempt, decision: &Decision) -> Applied {
    let (at, why) = (decision.at, decision.reason.to_string());
    let by = asked_by(&decision.reason);
    let (event, answer) = match &decision.fact {
        Fact::PlanCleared { verdicts, .. } => {
            attempt.state = attempt.state.apply(AttemptEvent::Cleared)?;
            attempt.clearance = Some(Clearance { at, why, verdicts: verdicts.clone() });
            return Ok(());
        }
        Fact::ApprovalRequested { hash, verdicts, expires_at, .. } => {
            if *hash != attempt.hash {
                let why = format!("{} has another plan than the one that is asked for", attempt.id);
                return Err(Contradiction(why));
            }
            attempt.state = attempt.state.apply(AttemptEvent::ApprovalRequested)?;
            let (hash, expires_at, answer) = (*hash, *expires_at, Answer::Pending);
            attempt.clearance =
                Some(Clearance { at, why: why.clone(), verdicts: verdicts.clone() });
            attempt.approval = Some(Approval { asked_at: at, why, hash, expires_at, answer });
            return Ok(());
        }
        Fact::ApprovalGiven { hash, .. } => {
            if *hash != attempt.hash {
                let why = format!("what was approved is not the plan of {}", attempt.id);
                return Err(Contradiction(why));
            }
            (AttemptEvent::Approved, Answer::Given { at, by, why })
        }
        Fact::ApprovalDenied { .. } => (AttemptEvent::Denied, Answer::Denied { at, by, why }),
        Fact::ApprovalExpired { .. } => (AttemptEvent::Expired, Answer::Expired { at, why }),
        _ => return Ok(()),
    };
    attempt.state = attempt.state.apply(event)?;
    if !attempt.state.is_active() {
        attempt.end = Some(End { at, why: decision.reason.to_string() });
    }
    if let Some(approval) = attempt.approval.as_mut() {
        approval.answer = answer;
    }
    Ok(())
}

/// The person who decided, where a person did.
fn asked_by(reason: &Reason) -> Option<PersonName> {
    match reason {
        Reason::Asked { by } => Some(by.clone()),
        _ => None,
    }
}

fn start_step(attempt: &mut Attempt, step: StepIndex, verdict: &Verdict, at: Timestamp) -> Applied {
    let next = attempt.state.apply(AttemptEvent::StepStarted(step))?;
    let begun = step_of(attempt, step)?;
    begun.verdict = Some(verdict.clone());
    begun.progress = Progress::Begun { at };
    attempt.state = next;
    Ok(())
}

fn verify(
    record: &mut Record,
    attempt: AttemptId,
    deadline: Timestamp,
    decision: &Decision,
) -> Applied {
    let attempt = known(record, attempt)?;
    // After a restart verification begins again: what was seen before proves nothing.
    attempt.state = attempt.state.apply(AttemptEvent::VerificationStarted)?;
    attempt.verification = Some(Verification {
        began_at: decision.at,
        because: decision.reason.to_string(),
        deadline,
        samples: Vec::new(),
    });
    // A person may have the incident already, because the playbook takes long: then it stays there.
    if let Ok(verifying) = record.state.apply(IncidentEvent::StepsDone) {
        record.state = verifying;
    }
    Ok(())
}

fn plan_attempt(record: &mut Record, decision: &Decision, id: AttemptId, plan: &Plan) -> Applied {
    if record.attempts.iter().any(|attempt| attempt.id == id) {
        return Err(Contradiction(format!("{id} was planned before")));
    }
    if plan.mode.is_meant() {
        record.state = record.state.apply(IncidentEvent::RemedyPlanned)?;
    }
    let steps = plan.steps.iter().enumerate().map(|(index, step)| Step {
        index: StepIndex(u16::try_from(index).unwrap_or(u16::MAX)),
        description: step.description.clone(),
        name: step.name.clone(),
        command: step.action.to_string(),
        when: step.when.as_ref().map(ToString::to_string),
        verdict: None,
        progress: Progress::NotBegun,
        earlier: Vec::new(),
        failure_passed: false,
        undo: step.rollback.as_ref().map(|action| Undo {
            command: action.to_string(),
            verdict: None,
            progress: Progress::NotBegun,
        }),
    });
    record.attempts.push(Attempt {
        id,
        playbook: plan.playbook.clone(),
        mode: plan.mode,
        planned_at: decision.at,
        because: decision.reason.to_string(),
        hash: PlanHash::of(plan),
        clearance: None,
        approval: None,
        steps: steps.collect(),
        rollback: None,
        verify: plan.verify.clone(),
        verification: None,
        state: AttemptState::Planned,
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

fn undo_of(attempt: &mut Attempt, step: StepIndex) -> Result<&mut Undo, Contradiction> {
    let why = format!("nothing takes step {step} of {} back", attempt.id);
    step_of(attempt, step)?.undo.as_mut().ok_or(Contradiction(why))
}

fn finish_step(
    attempt: &mut Attempt,
    step: StepIndex,
    outcome: &StepOutcome,
    decision: &Decision,
) -> Applied {
    let mut state = attempt.state;
    // What is only shown, or refused, has no beginning of its own.
    let without_start = matches!(outcome.status, StepStatus::Shown | StepStatus::Refused);
    let is_next = state == AttemptState::Ready(step)
        || state == AttemptState::Planned && step == StepIndex(0);
    if without_start && is_next {
        state = state.apply(AttemptEvent::StepStarted(step))?;
    }
    let (at, outcome) = (decision.at, outcome.clone());
    if matches!(decision.reason, Reason::Retried { .. }) {
        let again = state.apply(AttemptEvent::StepAgain(step))?;
        let tried = step_of(attempt, step)?;
        tried.progress = Progress::NotBegun;
        tried.earlier.push(Try { at, outcome });
        attempt.state = again;
        return Ok(());
    }
    // A step that ends badly keeps the attempt where it is until the attempt itself is ended; it
    // has to be the one that runs all the same.
    let done = state.apply(AttemptEvent::StepDone(step))?;
    let goes_on = matches!(decision.reason, Reason::Continued);
    let success = outcome.status.is_success();
    let ended = step_of(attempt, step)?;
    ended.failure_passed = goes_on && !success;
    ended.progress = Progress::Ended { at, outcome };
    attempt.state = if success || goes_on { done } else { state };
    Ok(())
}

fn end(record: &mut Record, id: AttemptId, event: AttemptEvent, decision: &Decision) -> Applied {
    let attempt = known(record, id)?;
    // The last step that is taken back ends the attempt; the decision says why.
    let has_failed = attempt.state == AttemptState::Failed && attempt.end.is_none();
    if !(has_failed && event == AttemptEvent::Failed) {
        attempt.state = attempt.state.apply(event)?;
    }
    attempt.end = Some(End { at: decision.at, why: decision.reason.to_string() });
    refusal(attempt, decision);
    remedy_ended(record, id);
    Ok(())
}

/// The incident is open again when the remedy that it was with has ended without a proof.
fn remedy_ended(record: &mut Record, id: AttemptId) {
    let ended = record.attempts.iter().find(|attempt| attempt.id == id);
    let healed = ended.is_none_or(|it| it.state.is_active() || it.state == AttemptState::Succeeded);
    if !healed && let Ok(open) = record.state.apply(IncidentEvent::RemedyEnded) {
        record.state = open;
    }
}

/// Keeps what the gate said of the step that it refused.
fn refusal(attempt: &mut Attempt, decision: &Decision) {
    if let Reason::GateRefused { step, reason } = &decision.reason
        && let Ok(step) = step_of(attempt, *step)
        && !matches!(step.progress, Progress::Ended { .. })
    {
        step.progress = Progress::Refused { reason: reason.clone() };
    }
}
