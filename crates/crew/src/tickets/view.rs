//! What a ticket says of an incident, from its record.

use jiff::Timestamp;
use nightcrew_channels::ticket::compose::{Related, TicketView, finding_label};
use nightcrew_model::id::IncidentId;
use nightcrew_model::severity::Severity;
use nightcrew_report::record::Record;
use nightcrew_report::story;
use nightcrew_report::workspace::host_name;

use crate::handle::Handle;
use crate::record;

/// How much of what was seen and printed a ticket shows, in lines.
const EVIDENCE_LINES_MAX: usize = 40;

/// What happened lately.
pub(super) struct Told {
    /// When: the same as long as nothing else happened, so that a comment that is written again
    /// has the same words.
    pub(super) at: Timestamp,
    pub(super) what: String,
    pub(super) done: Vec<String>,
    pub(super) evidence: Vec<String>,
}

async fn load(handle: &Handle, id: IncidentId) -> Result<Record, String> {
    let record = record::load(handle, id).await?;
    record.ok_or_else(|| format!("the journal has no {id}"))
}

/// The label by which the ticket of an incident is found again.
pub(super) async fn label(handle: &Handle, id: IncidentId) -> Result<String, String> {
    Ok(label_of(&load(handle, id).await?))
}

fn label_of(record: &Record) -> String {
    let installation = host_name().unwrap_or_default();
    finding_label(&installation, record.id, &record.key, record.detected_at)
}

/// An incident, as its ticket shows it.
pub(super) async fn ticket(handle: &Handle, id: IncidentId) -> Result<TicketView, String> {
    let record = load(handle, id).await?;
    let alert = record.trigger.alert.as_ref();
    let said = alert.and_then(|alert| alert.annotations.get("summary"));
    let headline = said.map_or_else(|| record.key.symptom.to_string(), str::to_owned);
    let related = alert.filter(|alert| !alert.generator_url.is_empty()).map(|alert| Related {
        text: "where the alert comes from".to_owned(),
        url: Some(alert.generator_url.to_string()),
    });
    let root = record
        .root
        .as_ref()
        .map(|root| Related { text: format!("{}: {}", root.incident, root.why), url: None });
    let impact = match record.severity {
        Severity::Critical => "high",
        Severity::Warning => "medium",
        Severity::Info => "low",
    };
    let playbook = record.attempts.last().map(|attempt| attempt.playbook.to_string());
    Ok(TicketView {
        label: label_of(&record),
        incident: id,
        detected_at: record
            .detected_at
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string(),
        service: record.key.target.service.clone(),
        severity: record.severity,
        headline,
        symptom: record.trigger.why.clone(),
        impact: impact.to_owned(),
        related: related.into_iter().chain(root).collect(),
        recommended: playbook.map_or_else(String::new, |name| format!("playbook {name}")),
        evidence: seen(&record),
    })
}

/// What happened to an incident, for a comment.
pub(super) async fn story(handle: &Handle, id: IncidentId) -> Result<Told, String> {
    let mut record = load(handle, id).await?;
    // What becomes of the ticket itself, and of messages, is not news for who reads the ticket.
    record.tickets.clear();
    record.notifications.clear();
    let at = [
        record.resolved.as_ref().map(|resolved| resolved.at),
        record.escalation.as_ref().map(|escalation| escalation.at),
        record.relapses.last().copied(),
        record.attempts.last().map(|attempt| attempt.planned_at),
    ];
    let at = at.into_iter().flatten().max().unwrap_or(record.detected_at);
    let done = record.attempts.last().map(|attempt| {
        let steps = attempt.steps.iter();
        steps.map(|step| format!("{}: {}", step.description, step.command)).collect()
    });
    Ok(Told {
        at,
        what: story::summary(&record),
        done: done.unwrap_or_default(),
        evidence: story::story(&record).into_iter().take(EVIDENCE_LINES_MAX).collect(),
    })
}

fn seen(record: &Record) -> Vec<String> {
    let samples = record.initial.iter().take(EVIDENCE_LINES_MAX);
    samples
        .map(|sample| format!("{} {} {}", sample.target, sample.metric, sample.observation))
        .collect()
}
