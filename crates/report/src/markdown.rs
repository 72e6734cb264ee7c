//! The record of an incident as Markdown, for `incidents/YYYY-MM-DD-INC-42.md`.
//!
//! The sections are those of the first source document (Initial State, Actions Taken,
//! Verification), with the escalation and the timeline behind them.  Each list and each output is
//! bounded; what is left out is counted.

use nightcrew_model::labels::Labels;
use nightcrew_model::sample::Sample;

use crate::markdown_actions::{actions, verification};
use crate::page::{NAME_CHARS_MAX, Page, name, sentence, state};
use crate::picture::blocks;
use crate::quote::{code, plain};
use crate::record::{Entry, Picture, Record, Root, Ticket};
use crate::story::{LINE_CHARS_MAX, story};
use crate::workspace::picture_name;

/// How wide a picture is, in columns.
const PICTURE_COLUMNS: usize = 90;

/// The largest number of labels or annotations that are shown.
const LABELS_MAX: usize = 40;

/// The largest number of decisions that the timeline shows: the first and the last ones.
const ENTRIES_MAX: usize = 400;

/// The largest number of relapses whose times are shown: the last ones.
const RELAPSES_MAX: usize = 10;

/// The largest number of alerts, or of incidents, of which each is told: the first and last ones.
const RELATED_MAX: usize = 20;

/// The largest number of tickets that are shown.
const TICKETS_MAX: usize = 20;

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
    related(&mut page, record);
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
    if !record.tickets.is_empty() {
        page.heading("## Tickets");
        page.both_ends(&record.tickets, TICKETS_MAX, ticket);
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
    if let Some(by) = &record.acknowledged {
        page.item("With", format_args!("{} since {:.3}", name(by.by.as_str()), by.at));
    }
    if !record.relapses.is_empty() {
        let times: Vec<String> = record
            .relapses
            .iter()
            .rev()
            .take(RELAPSES_MAX)
            .rev()
            .map(|at| format!("{at:.3}"))
            .collect();
        let earlier = record.relapses.len() - times.len();
        let before = if earlier > 0 { format!("{earlier} earlier, ") } else { String::new() };
        page.item("Came back", format_args!("{before}{}", times.join(", ")));
    }
    if let Some(resolved) = &record.resolved {
        let proof = if resolved.verified { "proven" } else { "not proven" };
        let repair = record.repair_ms.unwrap_or_default();
        page.item("Over", format_args!("{:.3} ({repair} after detection, {proof})", resolved.at));
    }
}

/// The other alerts of the incident, and the incidents that it belongs with.
fn related(page: &mut Page, record: &Record) {
    if record.joined.is_empty() && record.root.is_none() && record.effects.is_empty() {
        return;
    }
    page.heading("## Related");
    let other = |page: &mut Page, title: &str, other: &Root| {
        page.item(
            title,
            format_args!("{}, found at {:.3}: {}", other.incident, other.at, sentence(&other.why)),
        );
    };
    if let Some(root) = &record.root {
        other(page, "Cause", root);
    }
    page.both_ends(&record.effects, RELATED_MAX, |page, effect| other(page, "Effect", effect));
    page.both_ends(&record.joined, RELATED_MAX, |page, joined| {
        let about = joined.about.as_ref().map_or_else(|| "–".into(), |key| name(&key.to_string()));
        let severity = joined.severity.map_or_else(String::new, |severity| format!(", {severity}"));
        page.item(
            &format!("Alert {}", joined.fingerprint),
            format_args!(
                "{about}{severity}, joined at {:.3}: {}",
                joined.at,
                sentence(&joined.why)
            ),
        );
    });
}

fn ticket(page: &mut Page, ticket: &Ticket) {
    let tracker = name(ticket.tracker.as_str());
    let key = ticket.key.as_ref().map_or_else(|| "not made yet".into(), |key| name(key.as_str()));
    let stage = ticket.stage.map_or_else(String::new, |stage| format!(", {stage}"));
    let url = ticket.url.as_ref().map_or_else(String::new, |url| format!(", {}", name(url)));
    let refused = ticket.refused.as_ref();
    let refused = refused.map_or_else(String::new, |why| format!(", refused: {}", sentence(why)));
    page.item(&tracker, format_args!("{key}{stage}{url}{refused} (at {:.3})", ticket.at));
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
