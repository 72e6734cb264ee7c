//! The record of an incident as Markdown, for `incidents/YYYY-MM-DD-INC-42.md`.
//!
//! The sections are those of the first source document (Initial State, Actions Taken,
//! Verification), with the escalation and the timeline behind them.  Each list and each output is
//! bounded; what is left out is counted.

use std::fmt::{self, Write as _};

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::labels::Labels;
use nightcrew_model::plan::{Mode, StepStatus};
use nightcrew_model::sample::Sample;

use crate::picture::blocks;
use crate::quote::{block, code, cut_middle, one_line, plain};
use crate::record::{Attempt, Entry, Picture, Progress, Record, Step, Verification};
use crate::sample_view::SampleView;
use crate::story::{LINE_CHARS_MAX, story};
use crate::workspace::picture_name;

/// The longest name, label or command, in characters.
const NAME_CHARS_MAX: usize = 300;

/// The longest sentence, in characters.
const SENTENCE_CHARS_MAX: usize = 600;

/// The longest output of a step that is shown, in characters: its beginning and its end.
const OUTPUT_CHARS_MAX: usize = 4_000;

/// The longest detail of a sample, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// How wide a picture is, in columns.
const PICTURE_COLUMNS: usize = 90;

/// The largest number of labels or annotations that are shown.
const LABELS_MAX: usize = 40;

/// The largest number of samples that a state shows.
const SAMPLES_MAX: usize = 50;

/// The largest number of attempts that are shown: the first and the last ones.
const ATTEMPTS_MAX: usize = 20;

/// The largest number of steps of an attempt that are shown: the first and the last ones.
const STEPS_MAX: usize = 50;

/// The largest number of decisions that the timeline shows: the first and the last ones.
const ENTRIES_MAX: usize = 400;

/// A document that grows line by line.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    /// Exactly one blank line before what follows.
    fn gap(&mut self) {
        self.0.truncate(self.0.trim_end_matches('\n').len());
        self.0.push_str("\n\n");
    }

    fn heading(&mut self, text: &str) {
        self.gap();
        self.line(format_args!("{text}\n"));
    }

    fn block(&mut self, language: &str, text: &str) {
        self.0.push_str(&block(language, text));
        self.gap();
    }

    /// One item of a list of names and values; the value is Markdown already.
    fn item(&mut self, name: &str, value: fmt::Arguments<'_>) {
        self.line(format_args!("- **{name}**: {value}"));
    }

    /// As many items as the limit allows, from both ends, and how many are left out between them.
    fn both_ends<T>(&mut self, items: &[T], max: usize, mut show: impl FnMut(&mut Self, &T)) {
        let head = if items.len() > max { max / 2 } else { items.len() };
        let tail = if items.len() > max { max - head } else { 0 };
        items.iter().take(head).for_each(|item| show(self, item));
        let left_out = items.len() - head - tail;
        if left_out > 0 {
            self.gap();
            self.line(format_args!("… {left_out} left out …\n"));
        }
        let last = items.iter().skip(items.len() - tail);
        last.for_each(|item| show(self, item));
    }
}

/// The whole record.
#[must_use]
pub fn markdown(record: &Record) -> String {
    let mut page = Page::default();
    head(&mut page, record);
    page.heading("## Initial State");
    let initial: Vec<&Sample> = record.initial.iter().collect();
    state(&mut page, &initial);
    if !record.pictures.is_empty() {
        page.heading("## Evidence");
        record.pictures.iter().zip(1..).for_each(|(it, n)| picture(&mut page, record, it, n));
    }
    page.heading("## Actions Taken");
    actions(&mut page, record);
    page.heading("## Verification");
    verification(&mut page, record);
    if let Some(escalation) = &record.escalation {
        page.heading("## Escalation");
        page.item("At", format_args!("{:.3}", escalation.at));
        page.item("Why", format_args!("{}", sentence(&escalation.reason)));
        page.gap();
        for line in story(record) {
            page.line(format_args!("- {}", plain(&line, LINE_CHARS_MAX)));
        }
    }
    page.heading("## Timeline");
    page.both_ends(&record.timeline, ENTRIES_MAX, timeline_entry);
    page.0
}

fn head(page: &mut Page, record: &Record) {
    page.line(format_args!("# Incident {}\n", record.id));
    page.item("Type", format_args!("{}", name(record.key.symptom.as_str())));
    page.item("Service", format_args!("{}", name(&record.key.target.to_string())));
    page.item(
        "Detected",
        format_args!("{:.3} ({} after it began)", record.detected_at, record.detect_ms),
    );
    page.item("Severity", format_args!("{}", record.severity));
    page.item("Trigger", format_args!("{}", sentence(&record.trigger.why)));
    if let Some(alert) = &record.trigger.alert {
        labels(page, "Labels", &alert.labels);
        labels(page, "Annotations", &alert.annotations);
        if !alert.generator_url.is_empty() {
            page.item("Source", format_args!("{}", name(&alert.generator_url)));
        }
    }
    page.item("State", format_args!("{}", record.state));
    if let Some(resolved) = &record.resolved {
        let proof = if resolved.verified { "proven" } else { "not proven" };
        let repair = record.repair_ms.unwrap_or_default();
        page.item("Over", format_args!("{:.3} ({repair} after detection, {proof})", resolved.at));
    }
}

/// The numbers behind an alert: in blocks, and the name of the file with the drawing.
fn picture(page: &mut Page, record: &Record, picture: &Picture, n: usize) {
    page.item(&name(&picture.title), format_args!("{}", sentence(&picture.why)));
    page.gap();
    page.block("text", &blocks(&picture.chart, PICTURE_COLUMNS));
    page.line(format_args!("![{}]({})", picture.chart.method, picture_name(record, n)));
    page.gap();
}

fn labels(page: &mut Page, title: &str, labels: &Labels) {
    if labels.is_empty() {
        return;
    }
    let shown: Vec<String> = labels
        .iter()
        .take(LABELS_MAX)
        .map(|(label, value)| code(&format!("{label}={value}"), NAME_CHARS_MAX))
        .collect();
    let more = labels.len() - shown.len();
    let shown = shown.join(" ");
    if more > 0 {
        page.item(title, format_args!("{shown} … and {more} more"));
    } else {
        page.item(title, format_args!("{shown}"));
    }
}

fn actions(page: &mut Page, record: &Record) {
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
    page.both_ends(&record.attempts, ATTEMPTS_MAX, |page, attempt| {
        let mode = match attempt.mode {
            Mode::Live => "",
            Mode::DryRun => " (dry run)",
        };
        page.gap();
        page.line(format_args!(
            "Playbook {}{mode}, attempt {}, at {:.3}, because {}.\n",
            name(attempt.playbook.as_str()),
            attempt.id,
            attempt.planned_at,
            sentence(&attempt.because)
        ));
        page.both_ends(&attempt.steps, STEPS_MAX, action);
    });
}

fn action(page: &mut Page, step: &Step) {
    let description =
        if step.description.trim().is_empty() { &step.command } else { &step.description };
    page.heading(&format!("### {}", plain(description, NAME_CHARS_MAX)));
    page.item("Command", format_args!("{}", code(&step.command, SENTENCE_CHARS_MAX)));
    if let Some(verdict) = &step.verdict {
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
            page.item("Ran as", format_args!("{}", code(&argv, SENTENCE_CHARS_MAX)));
        }
    }
    match &step.progress {
        Progress::NotBegun => page.item("Status", format_args!("➖ Not begun")),
        Progress::Begun { at } => {
            page.item("Status", format_args!("❔ Begun at {at:.3}; its end is not known"));
        }
        Progress::Refused { reason } => page.item(
            "Status",
            format_args!("❌ Failed (not admitted by the gate: {})", sentence(reason)),
        ),
        Progress::Ended { outcome, .. } => {
            let took = outcome.took;
            match &outcome.status {
                StepStatus::Succeeded => {
                    page.item("Status", format_args!("✅ Success (after {took})"));
                }
                StepStatus::Shown => {
                    page.item("Status", format_args!("➖ Shown, not executed (dry run)"));
                }
                status => page.item("Status", format_args!("❌ Failed ({status} after {took})")),
            }
            if outcome.output.trim().is_empty() {
                page.item("Output", format_args!("none"));
            } else {
                page.line(format_args!("- **Output**:\n"));
                page.block("", &cut_middle(&outcome.output, OUTPUT_CHARS_MAX));
            }
        }
    }
    page.gap();
}

fn verification(page: &mut Page, record: &Record) {
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
        (AttemptState::Ready(_) | AttemptState::Running(_) | AttemptState::Verifying, None) => {
            "⏳ Under way"
        }
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
    page.line(format_args!("- **Final State**:\n"));
    state(page, &attempt.final_state());
}

fn timeline_entry(page: &mut Page, entry: &Entry) {
    let (what, why) = (sentence(&entry.what), sentence(&entry.why));
    match &entry.contradiction {
        None => page.line(format_args!("- {:.3} {what} – {why}", entry.at)),
        Some(contradiction) => page.line(format_args!(
            "- {:.3} ⚠️ not applied, {}: {what} – {why}",
            entry.at,
            sentence(contradiction)
        )),
    }
}

/// Samples as a block of JSON: within limits, and valid whatever they hold.
fn state(page: &mut Page, samples: &[&Sample]) {
    let short = |text: &str| one_line(text, DETAIL_CHARS_MAX);
    let shown = samples.get(..SAMPLES_MAX).unwrap_or(samples);
    let details: Vec<Option<String>> =
        shown.iter().map(|sample| sample.detail.as_deref().map(short)).collect();
    let views = shown.iter().zip(&details).map(|(sample, detail)| {
        let mut view = SampleView::of(sample);
        view.target = one_line(&view.target, NAME_CHARS_MAX);
        view.unknown = view.unknown.as_deref().map(short);
        view.detail = detail.as_deref();
        view
    });
    let views: Vec<SampleView<'_>> = views.collect();
    // A view holds only text, finite numbers and times: it has a JSON form.
    let json = serde_json::to_string_pretty(&views).unwrap_or_else(|error| error.to_string());
    page.block("json", &json);
    let left_out = samples.len() - shown.len();
    if left_out > 0 {
        page.line(format_args!("… {left_out} left out …\n"));
    }
}

fn name(text: &str) -> String {
    code(text, NAME_CHARS_MAX)
}

fn sentence(text: &str) -> String {
    plain(text, SENTENCE_CHARS_MAX)
}
