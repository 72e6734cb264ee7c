//! `/metrics`: what the crew counts about itself.

mod detection;
mod healing;
mod series;
mod sources;
mod triage;

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use jiff::Timestamp;
use nightcrew_journal::dead_letter::DeadLetterCounts;
use nightcrew_journal::row::{Counts, OutboxCounts};
use nightcrew_model::decision::AgentState;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::Status;

use crate::app::{App, VERSION};
use crate::exposition::{self, Exposition, Type};
use crate::limit::STREAMS_MAX;
use crate::problem::Problem;

const AGENT_STATES: [AgentState; 5] = [
    AgentState::Starting,
    AgentState::Healthy,
    AgentState::Late,
    AgentState::Restarting,
    AgentState::Failed,
];

/// `GET /metrics`.  What is counted in memory is told even when the journal cannot be read.
pub(crate) async fn metrics(State(app): State<App>) -> impl IntoResponse {
    let mut text = Exposition::default();
    text.head("nightcrew_build_info", Type::Gauge, "The version; always 1.");
    text.sample("nightcrew_build_info", &[("version", VERSION)], 1);
    let ready = u8::from(app.handle.is_ready());
    text.single("nightcrew_ready", Type::Gauge, "Whether the crew is ready.", ready);
    counters(&mut text, &app);
    telemetry(&mut text, &app);
    tasks(&mut text, &app);
    sources::write(&mut text, &app);
    detection::write(&mut text, app.handle.detection_score().as_ref());
    healing::write(&mut text, app.handle.healing_score().as_ref());
    series::write(&mut text, &app.handle.series_status());
    triage::write(&mut text, &app).await;
    let readable = match stored(&app).await {
        Ok(stored) => {
            stored.write(&mut text, app.handle.clock().now());
            1
        }
        Err(problem) => {
            tracing::warn!("the journal cannot be read for /metrics: {}", problem.detail());
            0
        }
    };
    let help = "Whether the journal could be read for this answer.";
    text.single("nightcrew_journal_readable", Type::Gauge, help, readable);
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text.finish())
}

/// What came in by OTLP.
fn telemetry(text: &mut Exposition, app: &App) {
    let lines = app.handle.counters().log_lines.load(Ordering::Relaxed);
    let help = "Log lines that services told of.";
    text.single("nightcrew_log_lines_received_total", Type::Counter, help, lines);
    let rejected = app.counters.telemetry_rejected.load(Ordering::Relaxed);
    let help = "Data points, log records and spans that were rejected.";
    text.single("nightcrew_telemetry_rejected_total", Type::Counter, help, rejected);
    let n_series = app.meter.lock().unwrap_or_else(PoisonError::into_inner).n_series();
    let help = "Series that services tell of.";
    text.single("nightcrew_telemetry_series", Type::Gauge, help, n_series);
}

fn counters(text: &mut Exposition, app: &App) {
    let handle = &app.handle;
    let crew = handle.counters();
    let mut counter = |name: &str, help: &str, count: &AtomicU64| {
        text.single(name, Type::Counter, help, count.load(Ordering::Relaxed));
    };
    counter(
        "nightcrew_alerts_received_total",
        "Alerts that came in through any door.",
        &crew.alerts_received,
    );
    counter(
        "nightcrew_alerts_bad_total",
        "Alerts that could not be read.",
        &app.counters.alerts_bad,
    );
    counter(
        "nightcrew_alerts_truncated_total",
        "Alerts that an Alertmanager left out of its webhooks.",
        &app.counters.alerts_truncated,
    );
    counter(
        "nightcrew_overloads_total",
        "Commands refused because too much was waiting.",
        &crew.overloads,
    );
    counter(
        "nightcrew_storage_refusals_total",
        "Commands refused because the journal could not be written.",
        &crew.storage_refusals,
    );
    counter("nightcrew_samples_read_total", "Samples that were read.", &crew.samples_read);
    counter(
        "nightcrew_samples_unknown_total",
        "Looks that came back with nothing.",
        &crew.samples_unknown,
    );
    counter("nightcrew_decisions_total", "Decisions that are durable.", &crew.decisions);
    counter("nightcrew_commits_total", "Commits of decisions.", &crew.commits);
    counter(
        "nightcrew_heartbeats_sent_total",
        "Calls of the heartbeat URL that were answered well.",
        &crew.heartbeats_sent,
    );
    counter(
        "nightcrew_heartbeats_failed_total",
        "Calls of the heartbeat URL that failed.",
        &crew.heartbeats_failed,
    );
    let mut gauge =
        |name: &str, help: &str, value: u64| text.single(name, Type::Gauge, help, value);
    gauge(
        "nightcrew_commands_waiting",
        "Commands that wait for the core.",
        handle.n_waiting() as u64,
    );
    let position = handle.journal().last_position().0;
    gauge("nightcrew_journal_position", "The last entry of the journal.", position);
    let writable = u64::from(handle.storage_trouble().is_none());
    gauge("nightcrew_journal_writable", "Whether the journal can be written.", writable);
    let streams = STREAMS_MAX - app.streams.available_permits();
    gauge("nightcrew_event_streams", "Open event streams.", streams as u64);
}

fn tasks(text: &mut Exposition, app: &App) {
    let (tasks, now) = (app.handle.board().statuses(), app.handle.clock().now());
    let mut each = |name: &str, kind: Type, help: &str, value: &dyn Fn(&Status) -> Option<f64>| {
        text.head(name, kind, help);
        for task in &tasks {
            if let Some(value) = value(task) {
                let labels = [("agent", task.agent.as_str()), ("task", task.name.as_str())];
                text.sample(name, &labels, value);
            }
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "the format has floating point numbers only")]
    let number = |count: u64| Some(count as f64);
    each("nightcrew_task_rounds_total", Type::Counter, "Rounds of a task.", &|task| {
        number(task.n_rounds)
    });
    each("nightcrew_task_errors_total", Type::Counter, "Rounds of a task that failed.", &|task| {
        number(task.n_errors)
    });
    each(
        "nightcrew_task_falls_total",
        Type::Counter,
        "How often a task fell and was made anew.",
        &|task| Some(f64::from(task.n_falls)),
    );
    each(
        "nightcrew_task_heartbeat_age_seconds",
        Type::Gauge,
        "The time since the last round of a task.",
        &|task| task.beat.map(|beat| Millis::between(beat, now).duration().as_secs_f64()),
    );
    text.head("nightcrew_task_state", Type::Gauge, "1 for the state that a task is in.");
    for task in &tasks {
        for state in AGENT_STATES {
            let state_name = state.to_string();
            let labels = [
                ("agent", task.agent.as_str()),
                ("task", task.name.as_str()),
                ("state", state_name.as_str()),
            ];
            text.sample("nightcrew_task_state", &labels, u8::from(task.state == state));
        }
    }
}

/// What only the journal knows.
struct Stored {
    counts: Counts,
    outbox: OutboxCounts,
    letters: DeadLetterCounts,
}

async fn stored(app: &App) -> Result<Stored, Problem> {
    let journal = app.handle.journal();
    Ok(Stored {
        counts: journal.counts().await?,
        outbox: journal.outbox_counts().await?,
        letters: journal.dead_letter_counts().await?,
    })
}

impl Stored {
    fn write(&self, text: &mut Exposition, now: Timestamp) {
        let help = "Alerts that fire.";
        text.single("nightcrew_alerts_active", Type::Gauge, help, self.counts.alerts_firing);
        text.head("nightcrew_incidents", Type::Gauge, "Open incidents by state.");
        for state in IncidentState::ALL.into_iter().filter(|state| state.is_open()) {
            let n = self.counts.incidents_in(state);
            text.sample("nightcrew_incidents", &[("state", state.as_str())], n);
        }
        text.head(
            "nightcrew_outbox_messages",
            Type::Gauge,
            "Messages to people by what became of them.",
        );
        let outbox = &self.outbox;
        for (state, n) in [
            ("pending", outbox.pending),
            ("delivered", outbox.delivered),
            ("failed", outbox.failed),
            ("superseded", outbox.superseded),
        ] {
            text.sample("nightcrew_outbox_messages", &[("state", state)], n);
        }
        let oldest = outbox.oldest_pending_at.map_or(Millis(0), |at| Millis::between(at, now));
        text.single(
            "nightcrew_outbox_oldest_pending_seconds",
            Type::Gauge,
            "How long the oldest message waits that is to be sent; 0 when none is.",
            oldest.duration().as_secs_f64(),
        );
        triage::dead_letters(text, &self.letters);
    }
}
