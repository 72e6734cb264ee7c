//! `GET /api/v1/alerts/{fingerprint}`: an alert with everything that was decided about it, and who
//! hears of it.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use nightcrew_journal::entry::Entry;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::row::{AlertRow, OutboxRow, Which};
use nightcrew_model::chart::Chart;
use nightcrew_model::decision::{Fact, Subject};
use nightcrew_model::id::{GroupKey, IncidentId, NotificationId};
use nightcrew_model::labels::{BadFingerprint, Fingerprint};
use serde::Serialize;

use crate::app::App;
use crate::limit::{
    INCIDENTS_PAGE_MAX, STORY_ENTRIES_MAX, STORY_MESSAGES_MAX, TIMELINE_ENTRIES_MAX,
};
use crate::parameters::Segment;
use crate::problem::Problem;
use crate::view::alert::AlertView;
use crate::view::entry::EntryView;
use crate::view::why::{Known, WhyView};

/// An alert with its story.
#[derive(Serialize)]
pub(crate) struct Story {
    #[serde(flatten)]
    alert: AlertView,
    /// The incident that it belongs or belonged to.
    incident: Option<String>,
    why: WhyView,
    /// The numbers behind it; none: a limit was crossed, or another system told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    chart: Option<Box<Chart>>,
    /// Every decision about it, its incident and its groups, in order; the latest
    /// [`STORY_ENTRIES_MAX`] at most.
    timeline: Vec<EntryView>,
}

/// `GET /api/v1/alerts/{fingerprint}`.
pub(crate) async fn alert(
    State(app): State<App>,
    Segment(fingerprint): Segment,
) -> Result<Json<Story>, Problem> {
    let hint = "GET /api/v1/alerts lists the fingerprints";
    let fingerprint: Fingerprint = fingerprint
        .parse()
        .map_err(|error: BadFingerprint| Problem::bad_request(error.to_string(), hint))?;
    let journal = app.handle.journal();
    let row = journal.alert(fingerprint).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("alert {fingerprint}"), hint))?;
    let labels = row.alert.labels.clone();
    let look = app.handle.view(move |state, settings, now| {
        let groups: Vec<GroupKey> = settings.routing.as_ref().map_or_else(Vec::new, |routing| {
            let routes = routing.matching(&labels).into_iter();
            let routes = routes.filter_map(|id| routing.route(id));
            routes.map(|route| route.group_key(&route.group_labels(&labels))).collect()
        });
        (Known::of(state, settings, fingerprint, now), state.incident_of(fingerprint), groups)
    });
    let (known, incident, groups) = look.await?;
    let incident = match incident {
        Some(incident) => Some(incident),
        None => last_incident(journal, &row).await?,
    };
    let incident_subject = incident.map(|incident| Subject::Incident { incident });
    let group_subjects = groups.into_iter().map(|group| Subject::Group { group });
    let subjects: Vec<Subject> = incident_subject.into_iter().chain(group_subjects).collect();
    let mut entries = tail(journal, &format!("alert/{fingerprint}")).await?;
    let mut messages: Vec<OutboxRow> = Vec::new();
    for subject in &subjects {
        let told = tail(journal, &subject.stream()).await?;
        entries.extend(about(told, subject, fingerprint));
        messages.extend(journal.outbox_of(subject, STORY_MESSAGES_MAX).await?);
    }
    entries.sort_by_key(|entry| entry.position);
    entries.dedup_by_key(|entry| entry.position);
    let surplus = entries.len().saturating_sub(STORY_ENTRIES_MAX);
    Ok(Json(Story {
        chart: row.alert.chart.clone(),
        alert: row.into(),
        incident: incident.map(|incident| incident.to_string()),
        why: WhyView::of(known, &messages),
        timeline: entries.into_iter().skip(surplus).map(EntryView::from).collect(),
    }))
}

/// `GET /api/v1/alerts/{fingerprint}/chart.svg`: the picture of the numbers behind an alert.
pub(crate) async fn picture(
    State(app): State<App>,
    Segment(fingerprint): Segment,
) -> Result<impl IntoResponse, Problem> {
    let hint = "GET /api/v1/alerts/{fingerprint} says whether an alert has a chart";
    let fingerprint: Fingerprint = fingerprint
        .parse()
        .map_err(|error: BadFingerprint| Problem::bad_request(error.to_string(), hint))?;
    let row = app.handle.journal().alert(fingerprint).await?;
    let chart = row.and_then(|row| row.alert.chart);
    let chart = chart.ok_or_else(|| Problem::not_found(format!("chart of {fingerprint}"), hint))?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], nightcrew_report::picture::svg(&chart)))
}

/// The newest incident of the service and symptom of an alert that no longer fires.
async fn last_incident(journal: &Journal, row: &AlertRow) -> Result<Option<IncidentId>, Problem> {
    let recent = journal.incidents(Which::All, None, INCIDENTS_PAGE_MAX).await?;
    let alert = &row.alert;
    let of_alert = recent.into_iter().find(|incident| {
        let key = &incident.summary.key;
        incident.summary.trigger == alert.fingerprint
            || (key.target.service == alert.target.service && key.symptom == alert.symptom)
    });
    Ok(of_alert.map(|incident| incident.id))
}

/// The end of a stream.
async fn tail(journal: &Journal, stream: &str) -> Result<Vec<Entry>, Problem> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.version);
        let page = journal.read_stream(stream, after, TIMELINE_ENTRIES_MAX).await?;
        if page.is_empty() {
            return Ok(entries);
        }
        entries.extend(page);
        let surplus = entries.len().saturating_sub(STORY_ENTRIES_MAX);
        entries.drain(..surplus);
    }
}

/// What of the story of an incident or a group concerns an alert: a group is told of others too.
fn about(entries: Vec<Entry>, subject: &Subject, alert: Fingerprint) -> Vec<Entry> {
    if subject.incident().is_some() {
        return entries;
    }
    let mut told: Vec<NotificationId> = Vec::new();
    let mut was_held = false;
    let concerns = |entry: &Entry| match &entry.decision.fact {
        Fact::GroupTold { firing, resolved, notification, .. } => {
            let names = firing.contains(&alert) || resolved.contains(&alert);
            told.extend(names.then_some(*notification));
            names
        }
        Fact::GroupHeld { held, .. } => {
            let is_held = held.iter().any(|(held, _)| *held == alert);
            std::mem::replace(&mut was_held, is_held) || is_held
        }
        Fact::NotificationQueued { notification, .. }
        | Fact::NotificationDelivered { notification, .. }
        | Fact::NotificationFailed { notification, .. }
        | Fact::NotificationSuperseded { notification, .. } => told.contains(notification),
        _ => true,
    };
    entries.into_iter().filter(concerns).collect()
}
