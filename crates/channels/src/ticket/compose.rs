//! What stands in a ticket: the structured description, and the comments that follow the incident.
//!
//! Everything here comes from plain data; texts from outside go in as they are, because
//! [`super::document`] bounds them and each form makes them harmless.

use jiff::Timestamp;
use nightcrew_config::settings::Tracker;
use nightcrew_model::id::{IncidentId, ServiceName};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::Stage;

use super::Draft;
use super::document::Document;
use crate::text::one_line;

/// The longest summary, in characters (Jira and GitLab).
pub const SUMMARY_CHARS_MAX: usize = 255;

/// The longest label, in characters (GitHub's is the shortest).
pub const LABEL_CHARS_MAX: usize = 50;

/// How the label begins by which a ticket is found again.
pub const FINDING_LABEL_PREFIX: &str = "nightcrew-";

/// How many hexadecimal digits follow it.
pub const FINDING_LABEL_DIGITS: usize = 16;

/// The largest number of traces and pages that a ticket names.
pub const RELATED_MAX: usize = 5;

/// An incident, as its ticket shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct TicketView {
    /// The label by which it is found again; see [`finding_label`].
    pub label: String,
    /// Which incident.
    pub incident: IncidentId,
    /// When it was detected, as the crew's time zone shows it: `2026-02-11T14:30:00+09:00`.
    pub detected_at: String,
    /// Which service.
    pub service: ServiceName,
    /// How bad it is.
    pub severity: Severity,
    /// The symptom in a few words, for the summary: `에러율 급증 (12.3%)`.
    pub headline: String,
    /// The symptom with what is normal: `에러율 12.3% (기준: 5%)`.
    pub symptom: String,
    /// What it does to people; empty: not known.
    pub impact: String,
    /// Traces, panels and other incidents.
    pub related: Vec<Related>,
    /// What should be done; empty: nothing is known to help.
    pub recommended: String,
    /// What was measured or logged, a line each.
    pub evidence: Vec<String>,
}

/// Something that belongs to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// What it is.
    pub text: String,
    /// Where it is; none: only its name is known.
    pub url: Option<String>,
}

/// What is said below a ticket when its incident goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which incident.
    pub incident: IncidentId,
    /// When that happened.
    pub at: Timestamp,
    /// Where the incident stands now; none: where it stood.
    pub stage: Option<Stage>,
    /// What happened, in a sentence.
    pub what: String,
    /// What was done, a point each.
    pub done: Vec<String>,
    /// What shows it: outputs, samples, a line each.
    pub evidence: Vec<String>,
    /// What the tracker did not take, in its words.
    pub left_out: Vec<String>,
}

/// The label that only this finding has, the same after a restart: `nightcrew-0123456789abcdef`.
/// Another installation, another incident and the same number in a new data folder have another.
#[must_use]
pub fn finding_label(
    installation: &str,
    incident: IncidentId,
    key: &IncidentKey,
    opened_at: Timestamp,
) -> String {
    let parts = [
        installation.to_owned(),
        incident.to_string(),
        key.target.to_string(),
        key.symptom.to_string(),
        opened_at.as_millisecond().to_string(),
    ];
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for part in &parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let digest = digest.finish();
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let digits: String = hex.chars().take(FINDING_LABEL_DIGITS).collect();
    format!("{FINDING_LABEL_PREFIX}{digits}")
}

/// Whether a label is one of [`finding_label`].
#[must_use]
pub fn is_finding_label(label: &str) -> bool {
    label.strip_prefix(FINDING_LABEL_PREFIX).is_some_and(|digits| {
        digits.len() == FINDING_LABEL_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// The ticket of an incident.
#[must_use]
pub fn draft(view: &TicketView, tracker: &Tracker) -> Draft {
    let service = view.service.as_str();
    let headline = [&view.headline, &view.symptom].into_iter().find(|text| !text.trim().is_empty());
    let headline = headline.map_or("something is wrong", |text| text.trim());
    let summary = format!("[Auto] {service}: {headline}");
    let mut body = Document::new()
        .fact("Detected at", &view.detected_at)
        .fact("Service", service)
        .fact("Symptom", &view.symptom)
        .fact("Severity", &view.severity.to_string())
        .fact("Impact", if view.impact.is_empty() { "not known yet" } else { &view.impact });
    for related in view.related.iter().take(RELATED_MAX) {
        body = match &related.url {
            Some(url) => body.link("Related", &related.text, url),
            None => body.fact("Related", &related.text),
        };
    }
    let recommended = if view.recommended.is_empty() {
        "look at it: no playbook is known to help"
    } else {
        &view.recommended
    };
    body = body.fact("Recommended action", recommended);
    let incident = view.incident.to_string();
    body = match &tracker.page_url {
        Some(url) => {
            let page = format!("{}/incidents/{incident}", url.trim_end_matches('/'));
            body.link("Incident", &incident, &page)
        }
        None => body.fact("Incident", &incident),
    };
    if !view.evidence.is_empty() {
        body = body.paragraph("Evidence:").output(&view.evidence);
    }
    let labels = tracker.labels.iter().map(|label| label_of(label));
    Draft {
        label: view.label.clone(),
        summary: one_line(&summary, SUMMARY_CHARS_MAX),
        labels: labels.filter(|label| !label.is_empty()).collect(),
        severity: view.severity,
        body: body.paragraph(
            "This ticket follows the incident by itself: its status and its comments are written \
             by the crew.",
        ),
    }
}

/// A comment about what happened.  The same progress has the same words at every try, so that a
/// repeat is recognised ([`super::Client::comment`]).
#[must_use]
pub fn comment(progress: &Progress) -> Document {
    let Progress { incident, at, stage, what, done, evidence, left_out } = progress;
    let stands = stage.map_or_else(String::new, |stage| format!(" is {stage}"));
    let head = format!("{incident}{stands} ({at:.0}): {}", what.trim());
    let mut text = Document::new().paragraph(&head);
    for point in done {
        text = text.point(point);
    }
    for field in left_out {
        text = text.paragraph(&format!("The tracker did not take this: {field}"));
    }
    text.output(evidence)
}

/// A label without spaces, commas and control characters, within its limit.
fn label_of(text: &str) -> String {
    let clean = |c: char| if c.is_whitespace() || c.is_control() || c == ',' { '-' } else { c };
    text.trim().chars().map(clean).take(LABEL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::Target;

    use super::*;

    #[test]
    fn the_label_is_of_this_finding_alone_and_the_same_after_a_restart() {
        let key = |service: &str| IncidentKey {
            target: Target::service(service.into()),
            symptom: "high_error_rate".into(),
        };
        let label = |installation, incident, service, second| {
            let at = Timestamp::from_second(second).unwrap();
            finding_label(installation, IncidentId(incident), &key(service), at)
        };
        let mut labels = vec![
            label("night-1", 1, "cart", 1),
            label("night-2", 1, "cart", 1),
            label("night-1", 2, "cart", 1),
            label("night-1", 1, "carts", 1),
            label("night-1", 1, "cart", 2),
        ];
        assert_eq!(labels[0], label("night-1", 1, "cart", 1));
        assert!(labels.iter().all(|label| is_finding_label(label)));
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), 5);
        for other in ["nightcrew-", "nightcrew-team-a-is-great", "0123456789abcdef"] {
            assert!(!is_finding_label(other), "{other}");
        }
    }
}
