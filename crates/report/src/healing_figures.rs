//! How well the crew heals, for people and for `/metrics`.

use nightcrew_model::unit::Millis;

use crate::healing_score::{HealingScore, NAMED_MAX, REPEATS_MIN, Repeated, Span};
use crate::page::{Page, cell};

/// The largest number of playbooks that the table shows; the rest is counted.
pub const PLAYBOOKS_MAX: usize = 100;

/// A gauge of `/metrics`, with its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// Its name, without the prefix of the product: `healing_runs`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Its values, by labels.
    pub values: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// The figures as gauges; what is unknown has no value.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of 30 days")]
pub fn gauges(score: &HealingScore) -> Vec<Gauge> {
    let spans = [("repair", score.repair), ("resolve", score.resolve), ("ack", score.acknowledge)];
    let of_spans = |value: fn(Span) -> Option<u64>, unit: f64| {
        let known = spans.iter().filter_map(|(kind, span)| Some((kind, value(*span)?)));
        known
            .map(|(kind, value)| (vec![("time", (*kind).to_owned())], value as f64 / unit))
            .collect::<Vec<_>>()
    };
    let keyed = |repeated: &[Repeated]| {
        let value = |it: &Repeated| {
            let labels = vec![
                ("service", it.key.target.to_string()),
                ("symptom", it.key.symptom.to_string()),
            ];
            (labels, it.times as f64)
        };
        repeated.iter().map(value).collect::<Vec<_>>()
    };
    let mut runs = Vec::new();
    for (playbook, of) in score.playbooks.iter().take(PLAYBOOKS_MAX) {
        let became = [
            ("verified", of.verified),
            ("failed", of.failed),
            ("relapsed", of.relapsed),
            ("not_begun", of.not_begun),
            ("denied", of.denied),
            ("expired", of.expired),
            ("shadow", of.shadow),
            ("shown", of.shown),
        ];
        runs.extend(became.map(|(word, n)| {
            (vec![("playbook", playbook.clone()), ("became", word.to_owned())], n as f64)
        }));
    }
    vec![
        Gauge {
            name: "healing_success_ratio",
            help: "Attempts that ran, of 30 days, that were proven and held.",
            values: score.success_rate.into_iter().map(|rate| (Vec::new(), rate)).collect(),
        },
        Gauge {
            name: "healing_time_mean_seconds",
            help: "From the opening of an incident, over 30 days: the mean.",
            values: of_spans(|span| span.mean_ms, 1_000.0),
        },
        Gauge {
            name: "healing_time_p95_seconds",
            help: "From the opening of an incident, over 30 days: the 95th percentile.",
            values: of_spans(|span| span.p95_ms, 1_000.0),
        },
        Gauge {
            name: "healing_time_count",
            help: "How many incidents of 30 days these times are of.",
            values: of_spans(|span| Some(span.count), 1.0),
        },
        Gauge {
            name: "healing_attempts",
            help: "Attempts of 30 days, by playbook and by what became of them.",
            values: runs,
        },
        Gauge {
            name: "incidents_frequent",
            help: "What came most often in 30 days.",
            values: keyed(&score.frequent),
        },
        Gauge {
            name: "incidents_repeating",
            help: "What came three times or more in 7 days: its cause is to be looked for.",
            values: keyed(&score.repeating),
        },
    ]
}

/// The figures as a section of a report.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of incidents")]
pub fn markdown(score: &HealingScore) -> String {
    let mut page = Page::default();
    page.line(format_args!("## Healing, the last 30 days\n"));
    page.item("Incidents", format_args!("{}", score.incidents));
    match score.success_rate {
        Some(rate) => page.item(
            "Success rate",
            format_args!("{:.0} % ({} of {} that ran)", rate * 100.0, score.verified, score.runs),
        ),
        None => page.item("Success rate", format_args!("unknown: nothing ran")),
    }
    for (name, span) in [
        ("Time to repair", score.repair),
        ("Time to resolve", score.resolve),
        ("Time to acknowledge", score.acknowledge),
    ] {
        match (span.mean_ms, span.p95_ms) {
            (Some(mean), Some(p95)) => page.item(
                name,
                format_args!("mean {}, p95 {}, of {}", Millis(mean), Millis(p95), span.count),
            ),
            _ => page.item(name, format_args!("unknown: there was none")),
        }
    }
    repeated(&mut page, "### Most frequent", &score.frequent);
    repeated(&mut page, "### Repeating: look for the root cause", &score.repeating);
    if score.repeating.is_empty() {
        page.line(format_args!("Nothing came {REPEATS_MIN} times in 7 days."));
    }
    if score.playbooks.is_empty() {
        return page.0;
    }
    page.heading("### Playbooks");
    page.line(format_args!(
        "| playbook | runs | verified | failed | relapsed | not begun | denied | expired | shadow \
         | shown | success |"
    ));
    page.line(format_args!("|---|---|---|---|---|---|---|---|---|---|---|"));
    for (playbook, of) in score.playbooks.iter().take(PLAYBOOKS_MAX) {
        let success = if of.runs == 0 {
            "–".to_owned()
        } else {
            format!("{:.0} %", of.verified as f64 / of.runs as f64 * 100.0)
        };
        page.line(format_args!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {success} |",
            cell(playbook),
            of.runs,
            of.verified,
            of.failed,
            of.relapsed,
            of.not_begun,
            of.denied,
            of.expired,
            of.shadow,
            of.shown
        ));
    }
    let left_out = score.playbooks.len().saturating_sub(PLAYBOOKS_MAX);
    if left_out > 0 {
        page.line(format_args!("\n… {left_out} left out …"));
    }
    page.0
}

fn repeated(page: &mut Page, title: &str, found: &[Repeated]) {
    page.heading(title);
    if found.is_empty() {
        return;
    }
    page.line(format_args!("| what | times | last | incident |"));
    page.line(format_args!("|---|---|---|---|"));
    for it in found.iter().take(NAMED_MAX) {
        page.line(format_args!(
            "| {} | {} | {:.0} | {} |",
            cell(&it.key.to_string()),
            it.times,
            it.last,
            it.incident
        ));
    }
}
