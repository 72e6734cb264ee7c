//! From what was read to what is durable.

use std::sync::atomic::Ordering;

use nightcrew_engine::settings::Settings as Rules;
use nightcrew_engine::state::State;
use nightcrew_intake::change::{Care, Settled, Taken, settle};
use nightcrew_intake::parsed::Parsed;
use nightcrew_model::alert::Source;
use nightcrew_model::event::Event;
use nightcrew_model::id::{IncidentId, PersonName};

use super::store::store;
use crate::app::App;
use crate::limit::NAME_CHARS_MAX;
use crate::problem::Problem;

/// Makes what a request tells durable.
pub(super) async fn take(app: &App, source: Source, parsed: Parsed) -> Result<(), Problem> {
    let Parsed { mut alerts, changes, n_truncated, .. } = parsed;
    truncated(app, source, n_truncated);
    if changes.is_empty() {
        return store(&app.handle, source, alerts).await;
    }
    let _settling = app.doors.settling.lock().await;
    let settle = move |state: &State, _: &Rules, now| settle(source, changes, state.alerts(), now);
    let Settled { alerts: settled, taken, unknown } = app.handle.view(settle).await?;
    if !unknown.is_empty() {
        tracing::debug!("{source} told the end of {} things that do not fire", unknown.len());
    }
    alerts.extend(settled);
    store(&app.handle, source, alerts).await?;
    cared(app, source, taken).await
}

/// What people did elsewhere, to the incidents of these alerts.
async fn cared(app: &App, source: Source, taken: Vec<Taken>) -> Result<(), Problem> {
    if taken.is_empty() {
        return Ok(());
    }
    let incidents = app.handle.view(move |state, _, _| {
        let of = |taken: Taken| Some((state.incident_of(taken.fingerprint)?, taken));
        taken.into_iter().filter_map(of).collect::<Vec<(IncidentId, Taken)>>()
    });
    let event = |(incident, taken): (IncidentId, Taken)| {
        let by = carer(source, taken.by.as_deref());
        match taken.what {
            Care::Acknowledged => Event::Acknowledged { incident, by },
            Care::GivenBack => Event::Unacknowledged { incident, by },
        }
    };
    let events: Vec<Event> = incidents.await?.into_iter().map(event).collect();
    for event in events {
        app.handle.submit(vec![event]).await?;
    }
    Ok(())
}

fn carer(source: Source, by: Option<&str>) -> PersonName {
    let line = |by: &str| -> String {
        by.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
    };
    match by.map(line).as_deref().map(str::trim) {
        None | Some("") => PersonName::from(format!("somebody at {source}")),
        Some(by) => PersonName::from(by),
    }
}

fn truncated(app: &App, source: Source, n_truncated: u64) {
    if n_truncated > 0 {
        app.counters.alerts_truncated.fetch_add(n_truncated, Ordering::Relaxed);
        tracing::warn!(
            alerts.truncated = n_truncated,
            "{source} left {n_truncated} alerts out of a webhook; set max_alerts of its webhook to 0"
        );
    }
}
