//! `GET /api/v1/healing`: how well the crew heals.

use axum::Json;
use axum::extract::State;
use nightcrew_report::healing_score::HealingScore;
use serde::Serialize;

use crate::app::App;

/// The figures.
#[derive(Serialize)]
pub(crate) struct HealingView {
    /// The last 30 days; null until they were looked at, some seconds after a start.
    score: Option<HealingScore>,
}

pub(crate) async fn healing(State(app): State<App>) -> Json<HealingView> {
    Json(HealingView { score: app.handle.healing_score() })
}
