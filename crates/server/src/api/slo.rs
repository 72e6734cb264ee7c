//! `GET /api/v1/slo`: the objectives, how fast their budgets burn, what is left of them.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_crew::slo::{PaceStanding, SloStanding};
use serde::Serialize;

use crate::app::App;
use crate::problem::Problem;

/// The answer.
#[derive(Serialize)]
pub(crate) struct Slos {
    items: Vec<SloView>,
}

/// One objective.
#[derive(Serialize)]
struct SloView {
    name: String,
    service: String,
    /// The promised share of good events.
    promised: f64,
    /// Over how many hours.
    hours: usize,
    /// The share of the error budget that is left, negative when it is overspent; none: unknown.
    budget_left: Option<f64>,
    /// Since when it is watched without a restart.
    since: Option<Timestamp>,
    paces: Vec<PaceView>,
}

/// One pair of windows.
#[derive(Serialize)]
struct PaceView {
    /// The burn rate from which on it speaks.
    limit: f64,
    long_window: String,
    short_window: String,
    /// `burning`, `calm` or `unknown`.
    says: &'static str,
    long: Option<f64>,
    short: Option<f64>,
}

/// `GET /api/v1/slo`.
pub(crate) async fn slos(State(app): State<App>) -> Result<Json<Slos>, Problem> {
    let items = app.handle.slos().await?;
    Ok(Json(Slos { items: items.into_iter().map(SloView::from).collect() }))
}

impl From<SloStanding> for SloView {
    fn from(slo: SloStanding) -> Self {
        Self {
            name: slo.name.to_string(),
            service: slo.service.to_string(),
            promised: slo.promised,
            hours: slo.hours,
            budget_left: slo.budget_left,
            since: slo.since,
            paces: slo.paces.into_iter().map(PaceView::from).collect(),
        }
    }
}

impl From<PaceStanding> for PaceView {
    fn from(pace: PaceStanding) -> Self {
        let says = match pace.burns {
            Some(true) => "burning",
            Some(false) => "calm",
            None => "unknown",
        };
        Self {
            limit: pace.limit,
            long_window: pace.long_window.to_string(),
            short_window: pace.short_window.to_string(),
            says,
            long: pace.rates.map(|(long, _)| long),
            short: pace.rates.map(|(_, short)| short),
        }
    }
}
