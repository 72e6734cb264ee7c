//! What is to be done so that an incident does not come again, or goes better: by rules over what
//! happened, each with its evidence.

use std::fmt;

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::plan::StepStatus;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Ruling;
use serde::Serialize;

use crate::evidence::Evidence;
use crate::record::{Answer, Attempt, Outcome, Progress, Record};
use crate::surroundings::{Context, wrong_since};

/// A detection that took longer came late.
pub const DETECTION_LATE: Millis = Millis::from_secs(300);

/// A proof that took more than this part of its time took long.
pub const PROOF_LONG_PERCENT: u64 = 50;

/// An escalation that nobody took for so long waited too long.
pub const TAKEN_LATE: Millis = Millis::from_secs(900);

/// How often the same service must have the same symptom in 30 days to need a root cause.
pub const SAME_MIN: usize = 3;

/// The largest number of follow-ups of one incident.
pub const FOLLOW_UPS_MAX: usize = 40;

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FollowUp {
    /// By which rule.
    pub rule: Rule,
    /// What, in words.
    pub what: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// A rule by which something is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Nothing was tried, and no playbook was held back either.
    NoPlaybook,
    /// A person did not want a plan to run.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// It came back after it was over.
    Relapsed,
    /// The gate did not admit a step.
    Refused,
    /// A step failed for good.
    StepFailed,
    /// A remedy ran and was not proven.
    NotProven,
    /// A step could not be taken back.
    NotTakenBack,
    /// Whether a step took effect is not known.
    CutOff,
    /// The proof took most of its time.
    ProofLong,
    /// It was detected late.
    DetectedLate,
    /// Nobody took the escalation for long, or at all.
    TakenLate,
    /// The same service has the same symptom again and again.
    Repeated,
    /// A playbook was not used.
    Held,
    /// A message did not arrive.
    NotTold,
    /// A tracker takes no ticket.
    NoTicket,
}

impl Rule {
    /// The rule in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPlaybook => "no_playbook",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Relapsed => "relapsed",
            Self::Refused => "refused",
            Self::StepFailed => "step_failed",
            Self::NotProven => "not_proven",
            Self::NotTakenBack => "not_taken_back",
            Self::CutOff => "cut_off",
            Self::ProofLong => "proof_long",
            Self::DetectedLate => "detected_late",
            Self::TakenLate => "taken_late",
            Self::Repeated => "repeated",
            Self::Held => "held",
            Self::NotTold => "not_told",
            Self::NoTicket => "no_ticket",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is to be done, at most [`FOLLOW_UPS_MAX`].
#[must_use]
pub(crate) fn follow_ups(record: &Record, context: &Context) -> Vec<FollowUp> {
    let mut found = Vec::new();
    of_the_whole(record, context, &mut found);
    for attempt in &record.attempts {
        of_permission(attempt, &mut found);
        of_steps(attempt, &mut found);
        of_the_proof(attempt, &mut found);
    }
    of_people(record, &mut found);
    found.truncate(FOLLOW_UPS_MAX);
    found
}

fn of_the_whole(record: &Record, context: &Context, found: &mut Vec<FollowUp>) {
    let incident = Evidence::Incident(record.id);
    if record.attempts.is_empty() && record.held.is_empty() && record.escalation.is_some() {
        let what = format!("write a playbook for `{}`: nothing was tried", record.key.symptom);
        found.push(FollowUp { rule: Rule::NoPlaybook, what, evidence: vec![incident.clone()] });
    }
    if !record.relapses.is_empty() {
        let times = record.relapses.len();
        let healed = record.attempts.iter().filter(|it| it.relapsed_at.is_some());
        let mut evidence = vec![incident.clone()];
        evidence.extend(healed.map(|attempt| Evidence::Attempt(attempt.id)));
        let what = format!("find the root cause: it came back {times} times after it was over");
        found.push(FollowUp { rule: Rule::Relapsed, what, evidence });
    }
    let n_same = context.same.len() + 1;
    if n_same >= SAME_MIN {
        let mut evidence: Vec<Evidence> =
            context.same.iter().map(|same| Evidence::Incident(same.incident)).collect();
        evidence.push(incident.clone());
        let what = format!("find the root cause: {} came {n_same} times in 30 days", record.key);
        found.push(FollowUp { rule: Rule::Repeated, what, evidence });
    }
    if let Some(since) = wrong_since(record) {
        let took = Millis::between(since, record.detected_at);
        if took > DETECTION_LATE {
            let what = format!(
                "detect it earlier: it was wrong for {took} before it was seen; look at the rule, \
                 {}",
                record.trigger.why
            );
            let evidence = vec![Evidence::Alert(record.trigger.fingerprint)];
            found.push(FollowUp { rule: Rule::DetectedLate, what, evidence });
        }
    }
    for held in &record.held {
        let what = format!("playbook {} was not used: {}", held.playbook, held.why);
        // One line for each playbook: it is told again each time it is looked for.
        if !found.iter().any(|known| known.what == what) {
            found.push(FollowUp { rule: Rule::Held, what, evidence: vec![incident.clone()] });
        }
    }
}

fn of_permission(attempt: &Attempt, found: &mut Vec<FollowUp>) {
    let (rule, what) = match attempt.approval.as_ref().map(|approval| &approval.answer) {
        Some(Answer::Denied { by, .. }) => {
            let by = by.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
            let what = format!(
                "{by} denied playbook {}: agree on when it may run, or change it, or lower the \
                 autonomy",
                attempt.playbook
            );
            (Rule::Denied, what)
        }
        Some(Answer::Expired { why, .. }) => {
            let what = format!(
                "nobody answered about playbook {} ({why}): see who is asked and how, give a \
                 standing approval, or raise the autonomy",
                attempt.playbook
            );
            (Rule::Expired, what)
        }
        Some(Answer::Pending | Answer::Given { .. }) | None => return,
    };
    found.push(FollowUp { rule, what, evidence: vec![Evidence::Attempt(attempt.id)] });
}

fn of_steps(attempt: &Attempt, found: &mut Vec<FollowUp>) {
    let foreseen = attempt.clearance.as_ref();
    for step in &attempt.steps {
        let evidence = vec![Evidence::Step(attempt.id, step.index)];
        let judged = foreseen.and_then(|it| it.verdicts.get(usize::from(step.index.0)));
        let verdict = step.verdict.as_ref().or(judged);
        let refusal = verdict.filter(|verdict| verdict.verdict == Ruling::Refused);
        let reason = match (&step.progress, refusal) {
            (Progress::Refused { reason }, _) => Some(reason),
            (_, Some(verdict)) => Some(&verdict.reason),
            _ => None,
        };
        if let Some(reason) = reason {
            let rule = verdict.map_or_else(String::new, |it| format!(" by rule {}", it.rule));
            let what = format!(
                "the gate did not admit `{}`{rule}: {reason}; change the step, or grant it",
                step.command
            );
            found.push(FollowUp { rule: Rule::Refused, what, evidence });
            continue;
        }
        match &step.progress {
            Progress::Ended { outcome, .. } if !outcome.status.is_success() => {
                let status = &outcome.status;
                let what = if *status == StepStatus::TimedOut {
                    format!("`{}` {status} after {}: see why", step.command, outcome.took)
                } else {
                    format!("`{}` {status}: see why", step.command)
                };
                found.push(FollowUp { rule: Rule::StepFailed, what, evidence: evidence.clone() });
            }
            Progress::Begun { .. } if !attempt.state.is_active() => {
                let what = format!(
                    "nobody knows whether `{}` took effect: look, and say whether it is idempotent",
                    step.command
                );
                found.push(FollowUp { rule: Rule::CutOff, what, evidence: evidence.clone() });
            }
            _ => {}
        }
        if let Some(what) = not_taken_back(step) {
            found.push(FollowUp { rule: Rule::NotTakenBack, what, evidence });
        }
    }
}

fn not_taken_back(step: &crate::record::Step) -> Option<String> {
    let undo = step.undo.as_ref()?;
    let how = match &undo.progress {
        Progress::Ended { outcome, .. } if !outcome.status.is_success() => {
            outcome.status.to_string()
        }
        Progress::Refused { reason } => format!("was not admitted by the gate: {reason}"),
        Progress::Begun { .. } => "was begun, and its end is not known".to_owned(),
        _ => return None,
    };
    Some(format!(
        "`{}` was to take `{}` back and {how}: look at what is left",
        undo.command, step.command
    ))
}

fn of_the_proof(attempt: &Attempt, found: &mut Vec<FollowUp>) {
    let (Some(seen), Some(end)) = (&attempt.verification, &attempt.end) else { return };
    let evidence = || vec![Evidence::Attempt(attempt.id)];
    let name = &attempt.playbook;
    match attempt.state {
        AttemptState::Failed => {
            let what = format!("playbook {name} ran and did not heal it ({}): change it", end.why);
            found.push(FollowUp { rule: Rule::NotProven, what, evidence: evidence() });
        }
        AttemptState::Succeeded => {
            let took = Millis::between(seen.began_at, end.at);
            let allowed = Millis::between(seen.began_at, seen.deadline);
            if took.0.saturating_mul(100) > allowed.0.saturating_mul(PROOF_LONG_PERCENT) {
                let what = format!(
                    "the proof of playbook {name} took {took} of the {allowed} that it has: give \
                     it more, or see why it recovers slowly"
                );
                found.push(FollowUp { rule: Rule::ProofLong, what, evidence: evidence() });
            }
        }
        _ => {}
    }
}

fn of_people(record: &Record, found: &mut Vec<FollowUp>) {
    let incident = || vec![Evidence::Incident(record.id)];
    if let Some(escalation) = &record.escalation {
        let taken = record.first_acknowledged.as_ref().map(|taken| taken.at);
        let until = taken.or(record.resolved.as_ref().map(|resolved| resolved.at));
        let waited = until.map(|until| Millis::between(escalation.at.min(until), until));
        if let Some(waited) = waited.filter(|waited| *waited > TAKEN_LATE) {
            let what = match taken {
                Some(_) => format!(
                    "it waited {waited} for a person after it went to one: see who is told, and \
                     when"
                ),
                None => format!(
                    "nobody acknowledged it in the {waited} from going to a person to its end: \
                     see who is told, and when"
                ),
            };
            found.push(FollowUp { rule: Rule::TakenLate, what, evidence: incident() });
        }
    }
    for message in &record.notifications {
        if let Outcome::Failed { why, .. } = &message.outcome {
            let what = format!("repair channel {}: {why}", message.channel);
            let evidence = vec![Evidence::Notification(message.id)];
            found.push(FollowUp { rule: Rule::NotTold, what, evidence });
        }
    }
    for ticket in &record.tickets {
        if let Some(refused) = &ticket.refused {
            let what = format!("repair tracker {}: {refused}", ticket.tracker);
            found.push(FollowUp { rule: Rule::NoTicket, what, evidence: incident() });
        }
    }
}
