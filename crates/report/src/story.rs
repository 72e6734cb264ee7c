//! The story of an incident: what a person needs who is woken by it, in the order in which they
//! need it.
//!
//! Lines are plain text of one line each.  Markup in them is not escaped: channels and Markdown do
//! that for their own form.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::PersonName;
use nightcrew_model::plan::{Mode, StepOutcome};
use nightcrew_model::sample::Sample;

use crate::quote::one_line;
use crate::record::{Answer, Approval, Attempt, Outcome, Progress, Record, Step, Ticket};

/// The largest number of lines; those in the middle make room.
pub const STORY_LINES_MAX: usize = 50;

/// The longest line, in characters.
pub const LINE_CHARS_MAX: usize = 300;

/// The largest number of samples that a line names.
const SAMPLES_MAX: usize = 5;

/// The longest quotation of what a step printed, in characters.
const OUTPUT_CHARS_MAX: usize = 120;

/// What happened, in the title of a message.
#[must_use]
pub fn title(record: &Record, kind: NotificationKind) -> String {
    let text = match kind {
        NotificationKind::Escalated => format!("{} needs a person: {}", record.id, record.key),
        NotificationKind::Resolved => format!("{} is over: {}", record.id, record.key),
        NotificationKind::Acknowledged => {
            let by = record.acknowledged.as_ref().map_or("somebody", |ack| ack.by.as_str());
            format!("{} is with {by}: {}", record.id, record.key)
        }
        NotificationKind::ApprovalWanted => {
            format!("{} waits for your approval: {}", record.id, record.key)
        }
        NotificationKind::ApprovalEnded => {
            format!("{} {}: {}", record.id, answered(record), record.key)
        }
        NotificationKind::Firing
        | NotificationKind::Digest
        | NotificationKind::AllClear
        | NotificationKind::Test => format!("{} ({kind}): {}", record.id, record.key),
    };
    one_line(&text, LINE_CHARS_MAX)
}

/// What happened, in one paragraph: the problem, what was tried, and how it stands.
#[must_use]
pub fn summary(record: &Record) -> String {
    let mut sentences = vec![format!(
        "{} ({}) since {:.0}: {}.",
        record.key, record.severity, record.began_at, record.trigger.why
    )];
    sentences.push(match record.attempts.as_slice() {
        [] => "Nothing was tried.".into(),
        [only] if only.was_allowed() => format!("Tried: {}.", tried(only)),
        [only] => format!("Planned: {}.", tried(only)),
        [first @ .., last] => {
            format!("Planned {} remedies; the last: {}.", first.len() + 1, tried(last))
        }
    });
    sentences.extend(standing(record));
    one_line(&sentences.join(" "), LINE_CHARS_MAX * 3)
}

/// What happened, line by line.
#[must_use]
pub fn story(record: &Record) -> Vec<String> {
    let mut lines = vec![format!(
        "Detected {:.0}, {} after it began: {} ({}); {}",
        record.detected_at, record.detect_ms, record.key, record.severity, record.trigger.why
    )];
    if !record.initial.is_empty() {
        lines.push(format!("Known then: {}", seen(&record.initial)));
    }
    for held in &record.held {
        lines.push(format!(
            "Playbook {} was not used at {:.0}: {}",
            held.playbook, held.at, held.why
        ));
    }
    if record.attempts.is_empty() {
        lines.push("Nothing was tried.".into());
    }
    for attempt in &record.attempts {
        tell_attempt(attempt, &mut lines);
    }
    lines.extend(standing(record));
    for ticket in &record.tickets {
        lines.extend(ticket_line(ticket));
    }
    for message in &record.notifications {
        if let Outcome::Failed { why, .. } = &message.outcome {
            lines.push(format!(
                "The message ({}) through {} did not arrive: {why}",
                message.kind, message.channel
            ));
        }
    }
    bounded(&lines)
}

fn tell_attempt(attempt: &Attempt, lines: &mut Vec<String>) {
    let dry = match attempt.mode {
        Mode::Live => "",
        Mode::DryRun => " (dry run: nothing was executed)",
        Mode::Shadow => " (in shadow: nothing was executed)",
        Mode::Suggest => " (a suggestion: nothing was executed)",
    };
    let tried = if attempt.was_allowed() { "Tried" } else { "Planned" };
    lines.push(format!(
        "{tried} playbook {}{dry} at {:.0}, because {}",
        attempt.playbook, attempt.planned_at, attempt.because
    ));
    lines.extend(attempt.approval.as_ref().map(asked));
    for step in &attempt.steps {
        let (index, command, progress) = (step.index, &step.command, progress(step));
        lines.push(match step.description.trim() {
            "" => format!("Step {index}, {command}: {progress}"),
            description => format!("Step {index}, {description} [{command}]: {progress}"),
        });
    }
    if attempt.verification.is_some() {
        let last: Vec<Sample> = attempt.final_state().into_iter().cloned().collect();
        let last = if last.is_empty() {
            "no sample came in".to_owned()
        } else {
            format!("last seen {}", seen(&last))
        };
        lines.push(format!("Proof, {}: {last}", attempt.verify.condition));
    }
    lines.push(match &attempt.end {
        Some(end) => {
            format!("Playbook {} {}: {}", attempt.playbook, ending(attempt.state), end.why)
        }
        None => format!("Playbook {} is {}", attempt.playbook, attempt.state),
    });
    if let Some(at) = attempt.relapsed_at {
        lines.push(format!("It came back at {at:.0}: the repair did not last"));
    }
}

/// How a person was asked, and what came of it.
/// How the last question to a person ended.
fn answered(record: &Record) -> String {
    let approval = record.attempts.iter().rev().find_map(|attempt| attempt.approval.as_ref());
    let who = |by: &Option<PersonName>| by.as_ref().map_or("somebody", |by| by.as_str()).to_owned();
    match approval.map(|approval| &approval.answer) {
        Some(Answer::Given { by, .. }) => format!("was approved by {}", who(by)),
        Some(Answer::Denied { by, .. }) => format!("was denied by {}", who(by)),
        Some(Answer::Expired { .. } | Answer::Pending) | None => {
            "waits for your approval no longer".to_owned()
        }
    }
}

fn asked(approval: &Approval) -> String {
    let asked = format!("A person was asked at {:.0}, because {}", approval.asked_at, approval.why);
    let somebody =
        |by: &Option<PersonName>| by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    match &approval.answer {
        Answer::Pending => {
            format!("{asked}; an answer is awaited until {:.0}", approval.expires_at)
        }
        Answer::Given { at, by: None, why } => format!("{asked}; approved at {at:.0}: {why}"),
        Answer::Given { at, by, .. } => format!("{asked}; approved{} at {at:.0}", somebody(by)),
        Answer::Denied { at, by, .. } => format!("{asked}; denied{} at {at:.0}", somebody(by)),
        Answer::Expired { why, .. } => format!("{asked}; {why}"),
    }
}

fn progress(step: &Step) -> String {
    let tries = match step.earlier.len() {
        0 => String::new(),
        before => format!(" (try {})", before + 1),
    };
    let undone = match step.undo.as_ref().map(|undo| &undo.progress) {
        Some(Progress::Ended { outcome, .. }) => {
            format!("; taking it back {}", outcome.status)
        }
        Some(Progress::Begun { .. }) => "; taking it back was begun".to_owned(),
        Some(Progress::NotBegun | Progress::Refused { .. } | Progress::Skipped { .. }) | None => {
            String::new()
        }
    };
    format!("{}{tries}{undone}", done(&step.progress))
}

fn done(progress: &Progress) -> String {
    match progress {
        Progress::Skipped { why, .. } => format!("skipped: {why}"),
        Progress::NotBegun => "not begun".into(),
        Progress::Begun { at } => {
            format!("begun at {at:.0}; whether it took effect is not known")
        }
        Progress::Refused { reason } => format!("not admitted by the gate: {reason}"),
        Progress::Ended { outcome, .. } => ended(outcome),
    }
}

fn ended(outcome: &StepOutcome) -> String {
    let StepOutcome { status, output, took, results: _ } = outcome;
    // Programs say why at the end.
    match output.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(last) => format!("{status} after {took}: {}", one_line(last, OUTPUT_CHARS_MAX)),
        None => format!("{status} after {took}"),
    }
}

/// Where people find it, or why they do not.
fn ticket_line(ticket: &Ticket) -> Option<String> {
    let tracker = &ticket.tracker;
    if let Some(key) = &ticket.key {
        let stage = ticket.stage.map_or_else(String::new, |stage| format!(", {stage}"));
        let url = ticket.url.as_ref().map_or_else(String::new, |url| format!(": {url}"));
        return Some(format!("Its ticket in {tracker} is {key}{stage}{url}"));
    }
    let refused = ticket.refused.as_ref()?;
    Some(format!("{tracker} takes no ticket about it: {refused}"))
}

/// How it ended, as a verb.
pub(crate) fn ending(state: AttemptState) -> &'static str {
    match state {
        AttemptState::Denied => "was denied",
        AttemptState::Expired => "was not approved in time",
        AttemptState::Interrupted => "was interrupted",
        other => other.as_str(),
    }
}

/// One attempt in a few words.
fn tried(attempt: &Attempt) -> String {
    let what = format!("playbook {}", attempt.playbook);
    match (&attempt.end, attempt.state, attempt.relapsed_at) {
        (_, _, Some(at)) => format!("{what}, which healed it until {at:.0}"),
        (_, AttemptState::Succeeded, None) => format!("{what}, which healed it"),
        (Some(end), state, None) => format!("{what}, which {}: {}", ending(state), end.why),
        (None, _, None) => format!("{what}, which is {}", attempt.state),
    }
}

/// How it stands with a person, and whether it is over.
fn standing(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(escalation) = &record.escalation {
        let (since, why) = (escalation.at, &escalation.reason);
        lines.push(match &record.resolved {
            None if record.escalated_now() => {
                format!("With a person since {since:.0}, because {why}.")
            }
            _ => format!("Went to a person at {since:.0}, because {why}."),
        });
    }
    if let Some(resolved) = &record.resolved {
        let proof = if resolved.verified {
            "proven by fresh samples"
        } else {
            "not proven by samples of our own"
        };
        let after = record.repair_ms.unwrap_or_default();
        lines.push(format!(
            "Over since {:.0}, {after} after detection, {proof}: {}.",
            resolved.at, resolved.reason
        ));
    }
    lines
}

fn seen(samples: &[Sample]) -> String {
    let mut parts: Vec<String> = samples
        .iter()
        .take(SAMPLES_MAX)
        .map(|sample| match &sample.detail {
            None => format!("{} = {}", sample.metric, sample.observation),
            Some(detail) => format!("{} = {} ({detail})", sample.metric, sample.observation),
        })
        .collect();
    let more = samples.len().saturating_sub(SAMPLES_MAX);
    if more > 0 {
        parts.push(format!("and {more} more in the record"));
    }
    parts.join("; ")
}

fn bounded(lines: &[String]) -> Vec<String> {
    let line = |line: &String| one_line(line, LINE_CHARS_MAX);
    if lines.len() <= STORY_LINES_MAX {
        return lines.iter().map(line).collect();
    }
    let head = STORY_LINES_MAX / 2;
    let tail = STORY_LINES_MAX - head - 1;
    let gap = format!("… {} lines left out …", lines.len() - head - tail);
    let first = lines.iter().take(head).map(line);
    let last = lines.iter().skip(lines.len() - tail).map(line);
    first.chain([gap]).chain(last).collect()
}
