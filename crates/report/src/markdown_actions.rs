//! What was tried, and how it was proven, in the record of an incident.

use std::collections::BTreeMap;

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::condition::Truth;
use nightcrew_model::id::PersonName;
use nightcrew_model::plan::{Mode, StepOutcome, StepStatus};
use nightcrew_model::verdict::Verdict;

use crate::page::{NAME_CHARS_MAX, Page, SENTENCE_CHARS_MAX, cell, name, sentence, state};
use crate::quote::{code, cut_middle, plain};
use crate::record::{
    Answer, Approval, Attempt, Judged, Progress, Record, Rollback, Step, Verification,
};

/// The longest output of a step that is shown, in characters: its beginning and its end.
const OUTPUT_CHARS_MAX: usize = 4_000;

/// The largest number of attempts that are shown: the first and the last ones.
const ATTEMPTS_MAX: usize = 20;

/// The largest number of steps of an attempt that are shown: the first and the last ones.
const STEPS_MAX: usize = 50;

/// The largest number of tries of a step, beside the last one, that are shown.
const TRIES_MAX: usize = 10;

/// The largest number of results of a step, or of metrics of a proof, that are shown.
const RESULTS_MAX: usize = 40;

pub(crate) fn actions(page: &mut Page, record: &Record) {
    if record.attempts.is_empty() {
        page.line(format_args!("None."));
    }
    page.both_ends(&record.held, ATTEMPTS_MAX, |page, held| {
        page.line(format_args!(
            "- {} was not used at {:.3}: {}",
            name(held.playbook.as_str()),
            held.at,
            sentence(&held.why)
        ));
    });
    let several = record.attempts.len() > 1;
    page.both_ends(&record.attempts, ATTEMPTS_MAX, |page, attempt| {
        let mode = mode(attempt.mode).map_or_else(String::new, |mode| format!(" ({mode})"));
        page.gap();
        page.line(format_args!(
            "Playbook {}{mode}, attempt {}, at {:.3}, because {}.\n",
            name(attempt.playbook.as_str()),
            attempt.id,
            attempt.planned_at,
            sentence(&attempt.because)
        ));
        if let Some(asked) = &attempt.approval {
            approval(page, asked);
        }
        page.both_ends(&attempt.steps, STEPS_MAX, |page, step| action(page, attempt, step));
        if let Some(back) = &attempt.rollback {
            rollback(page, attempt, back);
        }
        let is_told = !several || attempt.verification.is_some() || is_told(attempt);
        if let Some(end) = attempt.end.as_ref().filter(|_| !is_told) {
            page.item("Outcome", format_args!("{}: {}", attempt.state, sentence(&end.why)));
        }
    });
}

/// Whether how it ended is told under another heading.
fn is_told(attempt: &Attempt) -> bool {
    let asked = matches!(attempt.state, AttemptState::Denied | AttemptState::Expired);
    asked && attempt.approval.is_some()
}

/// How a plan that does not run is called.
pub(crate) fn mode(mode: Mode) -> Option<&'static str> {
    match mode {
        Mode::Live => None,
        Mode::DryRun => Some("dry run"),
        Mode::Shadow => Some("shadow"),
        Mode::Suggest => Some("suggestion"),
    }
}

fn approval(page: &mut Page, asked: &Approval) {
    page.heading("### Approval");
    page.item(
        "Asked",
        format_args!(
            "{:.3}, until {:.3}: {}",
            asked.asked_at,
            asked.expires_at,
            sentence(&asked.why)
        ),
    );
    page.item("Plan", format_args!("`{}` (SHA-256)", asked.hash));
    let somebody = |by: &Option<PersonName>| {
        by.as_ref().map_or_else(String::new, |by| format!(" by {}", name(by.as_str())))
    };
    match &asked.answer {
        Answer::Pending => page.item("Status", format_args!("⏳ Nobody has answered yet")),
        Answer::Given { at, by, why } => page.item(
            "Status",
            format_args!("✅ Approved{} at {at:.3}: {}", somebody(by), sentence(why)),
        ),
        Answer::Denied { at, by, why } => page.item(
            "Status",
            format_args!("❌ Denied{} at {at:.3}: {}", somebody(by), sentence(why)),
        ),
        Answer::Expired { at, why } => {
            page.item("Status", format_args!("❌ Expired at {at:.3}: {}", sentence(why)));
        }
    }
    page.gap();
}

fn action(page: &mut Page, attempt: &Attempt, step: &Step) {
    let description =
        if step.description.trim().is_empty() { &step.command } else { &step.description };
    page.heading(&format!("### {}", plain(description, NAME_CHARS_MAX)));
    page.item("Command", format_args!("{}", code(&step.command, SENTENCE_CHARS_MAX)));
    if let Some(when) = &step.when {
        page.item("When", format_args!("{}", code(when, SENTENCE_CHARS_MAX)));
    }
    // What was judged before the plan began shows for a step that did not come to its turn.
    let foreseen = attempt.clearance.as_ref();
    let foreseen = foreseen.and_then(|it| it.verdicts.get(usize::from(step.index.0)));
    if let Some(verdict) = step.verdict.as_ref().or(foreseen) {
        gate(page, verdict, step.verdict.is_some());
    }
    page.both_ends(&step.earlier, TRIES_MAX, |page, earlier| {
        let StepOutcome { status, took, .. } = &earlier.outcome;
        page.item(
            "Try",
            format_args!("❌ {status} after {took}, at {:.3}; tried again", earlier.at),
        );
    });
    progress(page, &step.progress, attempt.mode);
    if step.failure_passed {
        page.item("On failure", format_args!("the playbook goes on"));
    }
    page.gap();
}

fn gate(page: &mut Page, verdict: &Verdict, ran: bool) {
    page.item(
        "Gate",
        format_args!(
            "{}, {}, by rule {}: {}",
            verdict.verdict,
            verdict.class,
            name(&verdict.rule),
            sentence(&verdict.reason)
        ),
    );
    if !verdict.argv.is_empty() {
        let argv = verdict.argv.join(" ");
        let title = if ran { "Ran as" } else { "Would run as" };
        page.item(title, format_args!("{}", code(&argv, SENTENCE_CHARS_MAX)));
    }
}

fn progress(page: &mut Page, progress: &Progress, of: Mode) {
    match progress {
        Progress::NotBegun => page.item("Status", format_args!("➖ Not begun")),
        Progress::Begun { at } => {
            page.item("Status", format_args!("❔ Begun at {at:.3}; its end is not known"));
        }
        Progress::Refused { reason } => page.item(
            "Status",
            format_args!("❌ Failed (not admitted by the gate: {})", sentence(reason)),
        ),
        Progress::Skipped { at, why } => {
            page.item("Status", format_args!("➖ Skipped at {at:.3}: {}", sentence(why)));
        }
        Progress::Ended { outcome, .. } => ended(page, outcome, of),
    }
}

fn ended(page: &mut Page, outcome: &StepOutcome, of: Mode) {
    let took = outcome.took;
    match &outcome.status {
        StepStatus::Succeeded => {
            page.item("Status", format_args!("✅ Success (after {took})"));
        }
        StepStatus::Shown => {
            let why = mode(of).unwrap_or("the plan does not run");
            page.item("Status", format_args!("➖ Shown, not executed ({why})"));
        }
        status => page.item("Status", format_args!("❌ Failed ({status} after {took})")),
    }
    if outcome.output.trim().is_empty() {
        page.item("Output", format_args!("none"));
    } else {
        page.line(format_args!("- **Output**:\n"));
        page.block("", &cut_middle(&outcome.output, OUTPUT_CHARS_MAX));
    }
    if outcome.results.is_empty() {
        return;
    }
    page.line(format_args!("- **Results**:\n"));
    page.line(format_args!("| result | value |"));
    page.line(format_args!("|---|---|"));
    for (key, value) in outcome.results.iter().take(RESULTS_MAX) {
        page.line(format_args!("| {} | {} |", cell(&key.to_string()), cell(&value.to_string())));
    }
    let left_out = outcome.results.len().saturating_sub(RESULTS_MAX);
    page.gap();
    if left_out > 0 {
        page.line(format_args!("… {left_out} left out …\n"));
    }
}

fn rollback(page: &mut Page, attempt: &Attempt, back: &Rollback) {
    page.heading("### Rollback");
    page.item(
        "Began",
        format_args!("{:.3}, from step {} on: {}", back.at, back.from, sentence(&back.why)),
    );
    let concerned = attempt.steps.iter().filter(|step| step.index <= back.from).rev();
    let undone: Vec<&Step> = concerned.filter(|step| step.undo.is_some()).collect();
    if undone.is_empty() {
        page.item("Status", format_args!("➖ No step that was done can be taken back"));
    }
    page.both_ends(&undone, STEPS_MAX, |page, step| {
        let Some(undo) = &step.undo else { return };
        page.gap();
        page.line(format_args!("#### Step {} back\n", step.index));
        page.item("Command", format_args!("{}", code(&undo.command, SENTENCE_CHARS_MAX)));
        if let Some(verdict) = &undo.verdict {
            gate(page, verdict, true);
        }
        progress(page, &undo.progress, attempt.mode);
    });
    page.gap();
}

pub(crate) fn verification(page: &mut Page, record: &Record) {
    let begun: Vec<(&Attempt, &Verification)> = record
        .attempts
        .iter()
        .filter_map(|attempt| Some((attempt, attempt.verification.as_ref()?)))
        .collect();
    let several = begun.len() > 1;
    page.both_ends(&begun, ATTEMPTS_MAX, |page, (attempt, seen)| {
        if several {
            page.heading(&format!("### {}", attempt.id));
        }
        proof(page, attempt, seen);
    });
    if let Some((last, _)) = begun.last() {
        let healed = last.state == AttemptState::Succeeded && last.relapsed_at.is_none();
        if let Some(resolved) = record.resolved.as_ref().filter(|_| !healed) {
            let proof =
                if resolved.verified { "✅ Resolved later" } else { "⚠️ Over, not proven" };
            page.item("Outcome", format_args!("{proof}: {}", sentence(&resolved.reason)));
        }
        return;
    }
    match (&record.resolved, record.attempts.last()) {
        (Some(resolved), _) => {
            let proof = if resolved.verified { "✅ Resolved" } else { "⚠️ Over, not proven" };
            page.item("Status", format_args!("{proof}"));
            page.item("Why", format_args!("{}", sentence(&resolved.reason)));
        }
        (None, Some(Attempt { state: AttemptState::Awaiting, .. })) => {
            page.item("Status", format_args!("⏳ Not begun: a person is asked"));
        }
        (None, Some(Attempt { end: Some(end), .. })) => {
            page.item("Status", format_args!("❌ Still failing"));
            page.item("Why", format_args!("{}", sentence(&end.why)));
        }
        (None, _) if record.escalated_now() => {
            page.item("Status", format_args!("❌ Still failing"));
        }
        (None, _) => page.item("Status", format_args!("⏳ Not begun")),
    }
}

fn proof(page: &mut Page, attempt: &Attempt, seen: &Verification) {
    let status = match (attempt.state, attempt.relapsed_at) {
        (_, Some(_)) => "❌ Still failing (it came back)",
        (AttemptState::Succeeded, None) => "✅ Resolved",
        (AttemptState::Failed, None) => "❌ Still failing",
        (AttemptState::Interrupted, None) => "❌ Still failing (cut off, effect not proven)",
        (AttemptState::Denied | AttemptState::Expired, None) => "❌ Still failing (not allowed)",
        (AttemptState::Undo(_) | AttemptState::Undoing(_), None) => {
            "❌ Still failing (being taken back)"
        }
        (
            AttemptState::Planned
            | AttemptState::Awaiting
            | AttemptState::Ready(_)
            | AttemptState::Running(_)
            | AttemptState::Verifying,
            None,
        ) => "⏳ Under way",
    };
    page.item("Status", format_args!("{status}"));
    page.item(
        "Proof",
        format_args!(
            "{}, {} in a row until {:.3}; {}",
            code(&attempt.verify.condition.to_string(), NAME_CHARS_MAX),
            attempt.verify.needed,
            seen.deadline,
            sentence(&seen.because)
        ),
    );
    if let Some(end) = &attempt.end {
        page.item("Why", format_args!("{}, at {:.3}", sentence(&end.why), end.at));
    }
    if let Some(at) = attempt.relapsed_at {
        page.item("Relapse", format_args!("{at:.3}"));
    }
    metrics(page, seen);
    page.line(format_args!("- **Final State**:\n"));
    state(page, &attempt.final_state());
}

/// How each metric did, where there are several.
fn metrics(page: &mut Page, seen: &Verification) {
    let mut metrics: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    for Judged { sample, good, .. } in &seen.samples {
        let metric = format!("{} {}", sample.target, sample.metric);
        let [good_so_far, bad, unknown] = metrics.entry(metric).or_default();
        match good {
            Truth::True => *good_so_far += 1,
            Truth::False => *bad += 1,
            Truth::Unknown => *unknown += 1,
        }
    }
    if metrics.len() < 2 {
        return;
    }
    page.line(format_args!("- **Looks**:\n"));
    page.line(format_args!("| metric | good | bad | unknown |"));
    page.line(format_args!("|---|---|---|---|"));
    for (metric, [good, bad, unknown]) in metrics.iter().take(RESULTS_MAX) {
        page.line(format_args!("| {} | {good} | {bad} | {unknown} |", cell(metric)));
    }
    page.gap();
}
