//! The post-mortem of an incident as Markdown, for `incidents/YYYY-MM-DD-INC-42-post-mortem.md`.

use jiff::Timestamp;
use nightcrew_model::unit::Millis;

use crate::evidence::Evidence;
use crate::markdown_actions::mode;
use crate::page::{Page, cell, name, sentence};
use crate::post_mortem::{PostMortem, Times, Tried, Worked};
use crate::quote::plain;
use crate::record::Entry;
use crate::story::ending;
use crate::surroundings::BudgetUse;

/// The largest number of lines of one list: the first and the last ones.
const LINES_MAX: usize = 60;

/// The longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 900;

/// The largest number of things that one line rests on which are named.
const EVIDENCE_MAX: usize = 12;

/// The whole post-mortem.
#[must_use]
pub fn markdown(post_mortem: &PostMortem) -> String {
    let mut page = Page::default();
    let title = sentence(&post_mortem.title);
    page.line(format_args!("# Post-mortem of {}: {title}\n", post_mortem.incident));
    page.heading("## Summary");
    page.line(format_args!("{}", plain(&post_mortem.summary, SUMMARY_CHARS_MAX)));
    page.heading("## Impact");
    impact(&mut page, post_mortem);
    page.heading("## Detection and repair");
    times(&mut page, &post_mortem.times);
    page.heading("## What was tried");
    if post_mortem.tried.is_empty() {
        page.line(format_args!("Nothing."));
    }
    page.both_ends(&post_mortem.tried, LINES_MAX, tried);
    page.heading("## What worked");
    match &post_mortem.worked {
        Worked::Remedy { attempt, playbook } => page.line(format_args!(
            "Playbook {} ({attempt}), proven by fresh samples.",
            name(playbook.as_str())
        )),
        Worked::Unproven { why, verified: true } => page.line(format_args!(
            "It is over, proven by fresh samples, and no remedy of the crew is known to have done \
             it: {}.",
            sentence(why)
        )),
        Worked::Unproven { why, verified: false } => page
            .line(format_args!("It is over, not proven by samples of our own: {}.", sentence(why))),
        Worked::Nothing => page.line(format_args!("Nothing yet: it is not over.")),
    }
    page.heading("## Contributing causes");
    if post_mortem.contributing.is_empty() {
        page.line(format_args!("None is known."));
    }
    page.both_ends(&post_mortem.contributing, LINES_MAX, |page, it| {
        let (tie, what) = (it.tie.as_str(), sentence(&it.what));
        page.line(format_args!("- {what} ({tie}) [{}]", evidence(&it.evidence)));
    });
    page.heading("## Follow-ups");
    if post_mortem.follow_ups.is_empty() {
        page.line(format_args!("None by the rules."));
    }
    page.both_ends(&post_mortem.follow_ups, LINES_MAX, |page, it| {
        let (rule, what) = (it.rule, sentence(&it.what));
        page.line(format_args!("- [ ] {what} (`{rule}`) [{}]", evidence(&it.evidence)));
    });
    page.heading("## Timeline");
    page.both_ends(&post_mortem.timeline, LINES_MAX, timeline);
    page.0
}

fn impact(page: &mut Page, post_mortem: &PostMortem) {
    let impact = &post_mortem.impact;
    let services: Vec<String> =
        impact.services.iter().take(LINES_MAX).map(|it| name(it.as_str())).collect();
    page.item("Services", format_args!("{}", services.join(", ")));
    page.item("Severity", format_args!("{}", impact.severity));
    match impact.lasted_ms {
        Some(lasted) => page.item("Lasted", format_args!("{lasted} from the detection to the end")),
        None => page.item("Lasted", format_args!("it is not over")),
    }
    if impact.relapses > 0 {
        page.item("Came back", format_args!("{} times", impact.relapses));
    }
    if !impact.effects.is_empty() {
        page.item("Caused", format_args!("{}", evidence(&impact.effects)));
    }
    if let Some(BudgetUse { objective, used, left }) = &impact.budget {
        let percent = |share: Option<f64>| {
            let known = share.filter(|share| share.is_finite());
            known.map_or_else(|| "unknown".into(), |share| format!("{:.1} %", share * 100.0))
        };
        page.item(
            "Error budget",
            format_args!(
                "{}: used {}, left {}",
                sentence(objective),
                percent(*used),
                percent(*left)
            ),
        );
    } else {
        page.item("Error budget", format_args!("unknown"));
    }
}

fn times(page: &mut Page, times: &Times) {
    page.line(format_args!("| what | when | took |"));
    page.line(format_args!("|---|---|---|"));
    let mut row = |what: &str, at: Option<Timestamp>, none: &str, took: Option<Millis>| {
        let at = at.map_or_else(|| none.to_owned(), |at| format!("{at:.3}"));
        let took = took.map_or_else(|| "–".to_owned(), |took| took.to_string());
        page.line(format_args!("| {what} | {at} | {took} |"));
    };
    row("wrong since", times.wrong_since, "unknown", None);
    row("detected", Some(times.detected_at), "unknown", times.detect_ms);
    row("acknowledged", times.acknowledged_at, "by nobody", times.acknowledge_ms);
    row("over", times.resolved_at, "not yet", times.repair_ms);
    row("closed", times.closed_at, "not yet", None);
    if times.detect_ms.is_none() {
        page.line(format_args!(
            "\nThe time to detect is unknown: no numbers say since when it was wrong."
        ));
    }
}

fn tried(page: &mut Page, tried: &Tried) {
    let mode = mode(tried.mode).map_or_else(String::new, |mode| format!(", {mode}"));
    let by = tried
        .allowed_by
        .as_ref()
        .map_or_else(String::new, |by| format!(", decided by {}", name(by.as_str())));
    let relapsed = tried.relapsed_at;
    let relapsed = relapsed.map_or_else(String::new, |at| format!("; it came back at {at:.3}"));
    let why = tried.why.as_ref().map_or_else(String::new, |why| format!(": {}", sentence(why)));
    page.line(format_args!(
        "- {}, playbook {}{mode}: {} of {} steps run{by}, {}{why}{relapsed}",
        tried.attempt,
        name(tried.playbook.as_str()),
        tried.steps_run,
        tried.steps,
        ending(tried.state)
    ));
}

fn evidence(of: &[Evidence]) -> String {
    let shown: Vec<String> = of.iter().take(EVIDENCE_MAX).map(|it| cell(&it.to_string())).collect();
    match of.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn timeline(page: &mut Page, entry: &Entry) {
    let mark = if entry.contradiction.is_some() { "⚠️ not applied: " } else { "" };
    page.line(format_args!(
        "- {:.3} {mark}{} – {}",
        entry.at,
        sentence(&entry.what),
        sentence(&entry.why)
    ));
}
