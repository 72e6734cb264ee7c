//! `/api/v1`: the crew's own view of itself.

pub(crate) mod alert_story;
pub(crate) mod approvals;
pub(crate) mod audit;
mod command;
pub(crate) mod dead_letters;
pub(crate) mod detection;
pub(crate) mod healing;
pub(crate) mod incident_changes;
pub(crate) mod locks;
pub(crate) mod oncall;
pub(crate) mod series;
pub(crate) mod shadow;
pub(crate) mod slo;
pub(crate) mod topology;
pub(crate) mod trial;

use axum::Json;
use axum::extract::State;
use nightcrew_journal::row::{IncidentRow, OutboxCounts, Which};
use nightcrew_model::alert::AlertState;
use nightcrew_model::id::{BadIncidentId, IncidentId};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::Mode;
use serde::{Deserialize, Serialize};

use crate::api::series::StoreView;
use crate::app::{App, VERSION};
use crate::health;
use crate::limit::{
    ALERTS_SHOWN_MAX, INCIDENTS_COUNTED_MAX, INCIDENTS_PAGE_MAX, TIMELINE_ENTRIES_MAX,
};
use crate::parameters::{Parameters, Segment};
use crate::problem::Problem;
use crate::view::agent::{AgentDetail, AgentView};
use crate::view::alert::AlertView;
use crate::view::entry::EntryView;
use crate::view::incident::{EscalationView, IncidentDetail, IncidentView};
use crate::view::playbook::PlaybookView;
use crate::view::service::{self, ServiceView};
use crate::view::source::{self, SourceView};

/// How many alerts are shown where the request does not say.
const ALERTS_PAGE: usize = 200;

/// How many incidents one page holds where the request does not say.
const INCIDENTS_PAGE: usize = 50;

/// A part of a query string that is not as it should be.
fn bad_parameter(name: &str, value: &str, expected: &str) -> Problem {
    Problem::bad_request(format!("{name}={value} is not valid"), format!("expected {expected}"))
}

/// The `limit` of a query string.
fn limit(text: Option<&str>, by_default: usize, max: usize) -> Result<usize, Problem> {
    let Some(text) = text else { return Ok(by_default) };
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| bad_parameter("limit", text, &format!("a number from 1 to {max}")))
}

/// The answer to `GET /api/v1/status`.
#[derive(Serialize)]
pub(crate) struct StatusView {
    ready: bool,
    version: &'static str,
    mode: &'static str,
    started_at: jiff::Timestamp,
    now: jiff::Timestamp,
    agents: Vec<AgentView>,
    /// Why the journal cannot be written; none while it can.
    storage: Option<String>,
    incidents: IncidentCounts,
    alerts: AlertCounts,
    outbox: OutboxView,
    /// How the store of what was measured is.
    series: StoreView,
    services: usize,
    playbooks: usize,
    /// The systems that are asked for numbers.
    sources: Vec<SourceView>,
    /// The last entry of the journal.
    position: u64,
}

#[derive(Serialize)]
struct IncidentCounts {
    open: u64,
    escalated: u64,
}

#[derive(Serialize)]
struct AlertCounts {
    active: u64,
}

#[derive(Serialize)]
struct OutboxView {
    pending: u64,
    delivered: u64,
    failed: u64,
    oldest_pending_at: Option<jiff::Timestamp>,
}

impl From<OutboxCounts> for OutboxView {
    fn from(counts: OutboxCounts) -> Self {
        Self {
            pending: counts.pending,
            delivered: counts.delivered,
            failed: counts.failed,
            oldest_pending_at: counts.oldest_pending_at,
        }
    }
}

/// `GET /api/v1/status`.
pub(crate) async fn status(State(app): State<App>) -> Result<Json<StatusView>, Problem> {
    let handle = &app.handle;
    let (journal, settings) = (handle.journal(), handle.settings());
    let counts = journal.counts().await?;
    let open = IncidentState::ALL.into_iter().filter(|state| state.is_open());
    Ok(Json(StatusView {
        ready: handle.is_ready(),
        version: VERSION,
        mode: match settings.mode {
            Mode::Live => "live",
            Mode::DryRun | Mode::Shadow | Mode::Suggest => "dry_run",
        },
        started_at: app.started_at,
        now: handle.clock().now(),
        agents: health::agents(&app),
        storage: handle.storage_trouble(),
        incidents: IncidentCounts {
            open: open.map(|state| counts.incidents_in(state)).sum(),
            escalated: counts.incidents_in(IncidentState::Escalated),
        },
        alerts: AlertCounts { active: counts.alerts_firing },
        outbox: journal.outbox_counts().await?.into(),
        series: handle.series_status().into(),
        services: settings.services.len(),
        playbooks: settings.playbooks.len(),
        sources: source::sources(&app),
        position: journal.last_position().0,
    }))
}

/// The open incidents, the newest first; [`INCIDENTS_COUNTED_MAX`] at most.
pub(crate) async fn open_incidents(app: &App) -> Result<Vec<IncidentRow>, Problem> {
    let mut open: Vec<IncidentRow> = Vec::new();
    while open.len() < INCIDENTS_COUNTED_MAX {
        let before = open.last().map(|row| row.id);
        let page = app.handle.journal().incidents(Which::Open, before, INCIDENTS_PAGE_MAX).await?;
        let is_last = page.len() < INCIDENTS_PAGE_MAX;
        open.extend(page);
        if is_last {
            break;
        }
    }
    Ok(open)
}

/// `GET /api/v1/agents`.
pub(crate) async fn agents(State(app): State<App>) -> Json<Agents> {
    let (tasks, now) = (app.handle.board().statuses(), app.handle.clock().now());
    let agents = health::agents(&app);
    Json(Agents {
        agents: agents.into_iter().map(|agent| AgentDetail::of(agent, &tasks, now)).collect(),
    })
}

/// Every agent.
#[derive(Serialize)]
pub(crate) struct Agents {
    agents: Vec<AgentDetail>,
}

/// Which alerts are asked for.
#[derive(Deserialize)]
pub(crate) struct AlertsQuery {
    state: Option<String>,
    limit: Option<String>,
}

/// Alerts, those that changed last first.
#[derive(Serialize)]
pub(crate) struct Alerts {
    items: Vec<AlertView>,
    /// Whether there are more than are shown.
    more: bool,
}

/// `GET /api/v1/alerts`.
pub(crate) async fn alerts(
    State(app): State<App>,
    Parameters(query): Parameters<AlertsQuery>,
) -> Result<Json<Alerts>, Problem> {
    let state = match query.state.as_deref() {
        None | Some("all") => None,
        Some("firing") => Some(AlertState::Firing),
        Some("resolved") => Some(AlertState::Resolved),
        Some(other) => return Err(bad_parameter("state", other, "firing, resolved or all")),
    };
    let limit = limit(query.limit.as_deref(), ALERTS_PAGE, ALERTS_SHOWN_MAX)?;
    let rows = app.handle.journal().alerts(state, limit).await?;
    let more = rows.len() >= limit;
    Ok(Json(Alerts { items: rows.into_iter().map(AlertView::from).collect(), more }))
}

/// Which incidents are asked for.
#[derive(Deserialize)]
pub(crate) struct IncidentsQuery {
    state: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// Incidents, the newest first.
#[derive(Serialize)]
pub(crate) struct Incidents {
    items: Vec<IncidentView>,
    /// The `cursor` of the next page; none when this is the last.
    next_cursor: Option<String>,
}

/// `GET /api/v1/incidents`.
pub(crate) async fn incidents(
    State(app): State<App>,
    Parameters(query): Parameters<IncidentsQuery>,
) -> Result<Json<Incidents>, Problem> {
    let which = match query.state.as_deref() {
        None | Some("all") => Which::All,
        Some("open") => Which::Open,
        Some(other) => return Err(bad_parameter("state", other, "open or all")),
    };
    let limit = limit(query.limit.as_deref(), INCIDENTS_PAGE, INCIDENTS_PAGE_MAX)?;
    let before = match query.cursor.as_deref() {
        None => None,
        Some(text) => Some(
            text.parse::<IncidentId>()
                .map_err(|_| bad_parameter("cursor", text, "the next_cursor of the page before"))?,
        ),
    };
    let mut rows = app.handle.journal().incidents(which, before, limit + 1).await?;
    let is_last = rows.len() <= limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| !is_last).map(|row| row.id.to_string());
    let items = rows.into_iter().map(IncidentView::from).collect();
    Ok(Json(Incidents { items, next_cursor }))
}

/// Which part of the timeline is asked for.
#[derive(Deserialize)]
pub(crate) struct TimelineQuery {
    after: Option<String>,
}

/// `GET /api/v1/incidents/{id}`.
pub(crate) async fn incident(
    State(app): State<App>,
    Segment(id): Segment,
    Parameters(query): Parameters<TimelineQuery>,
) -> Result<Json<IncidentDetail>, Problem> {
    let hint = "GET /api/v1/incidents lists the ids";
    let id: IncidentId =
        id.parse().map_err(|error: BadIncidentId| Problem::bad_request(error.to_string(), hint))?;
    let after = match query.after.as_deref() {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| bad_parameter("after", text, "the timeline_next of the part before"))?,
    };
    let journal = app.handle.journal();
    let row = journal.incident(id).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("incident {id}"), hint))?;
    let stream = format!("incident/{id}");
    let entries = journal.read_stream(&stream, after, TIMELINE_ENTRIES_MAX).await?;
    let timeline: Vec<EntryView> = entries.into_iter().map(EntryView::from).collect();
    let last = timeline.last().map(|entry| entry.version);
    let timeline_next = match last {
        // A read ends early when its entries are large, so only another read finds the end.
        Some(last) => {
            let more = journal.read_stream(&stream, last, 1).await?;
            (!more.is_empty()).then_some(last)
        }
        None => None,
    };
    // What is known of it while nothing can be written is what is written.
    let look = app.handle.view(move |state, _, _| {
        let root = state.root_of(id).map(|root| root.to_string());
        (state.escalation(id).map(EscalationView::from), root)
    });
    let (escalation, root) = look.await.unwrap_or_default();
    Ok(Json(IncidentDetail { incident: row.into(), escalation, root, timeline, timeline_next }))
}

/// Every service.
#[derive(Serialize)]
pub(crate) struct Services {
    items: Vec<ServiceView>,
}

/// `GET /api/v1/services`.
pub(crate) async fn services(State(app): State<App>) -> Result<Json<Services>, Problem> {
    let open = open_incidents(&app).await?;
    let (handle, now) = (&app.handle, app.handle.clock().now());
    let items = service::services(&handle.settings(), handle.latest(), &open, now);
    Ok(Json(Services { items }))
}

/// Every playbook, in the order in which they are tried.
#[derive(Serialize)]
pub(crate) struct Playbooks {
    items: Vec<PlaybookView>,
}

/// `GET /api/v1/playbooks`.
pub(crate) async fn playbooks(State(app): State<App>) -> Json<Playbooks> {
    let settings = app.handle.settings();
    let view = |playbook| PlaybookView::of(playbook, &settings.healing);
    Json(Playbooks { items: settings.playbooks.iter().map(view).collect() })
}
