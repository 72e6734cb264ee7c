//! `GET /api/v1/detection`: how well the crew saw.

use axum::Json;
use axum::extract::State;
use nightcrew_report::detection_score::{ACCURACY_TARGET, COMPLETENESS_TARGET, DetectionScore};
use serde::Serialize;

use crate::app::App;

/// The score and what is aimed at.
#[derive(Serialize)]
pub(crate) struct DetectionView {
    /// The last 30 days; null until they were looked at, some seconds after a start.
    score: Option<DetectionScore>,
    accuracy_target: f64,
    completeness_target: f64,
}

pub(crate) async fn detection(State(app): State<App>) -> Json<DetectionView> {
    Json(DetectionView {
        score: app.handle.detection_score(),
        accuracy_target: ACCURACY_TARGET,
        completeness_target: COMPLETENESS_TARGET,
    })
}
