//! `GET /api/v1/audit`: whether everything that is not over has somebody or something that goes
//! on with it.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_crew::audit::Audit;
use serde::Serialize;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// How things stood at the last look.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AuditView {
    /// Whether all was well, and that not too long ago.
    pub(crate) passes: bool,
    at: Timestamp,
    /// What is not as it must be.
    violations: Vec<String>,
}

impl AuditView {
    pub(crate) fn of(audit: &Audit, now: Timestamp) -> Self {
        Self {
            passes: audit.passes(now),
            at: audit.at,
            violations: audit.violations.iter().map(ToString::to_string).collect(),
        }
    }
}

/// `GET /api/v1/audit`.
pub(crate) async fn audit(State(app): State<App>) -> Result<Json<AuditView>, Problem> {
    let now = app.handle.clock().now();
    let audit = app.handle.audit().ok_or_else(|| {
        Problem::new(
            Kind::Overloaded,
            "the crew has not looked yet",
            "ask again in a few seconds: the first look comes shortly after the start",
        )
    })?;
    Ok(Json(AuditView::of(&audit, now)))
}
