//! `GET /api/v1/playbooks/review`: playbooks in shadow, compared with what people did instead.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_journal::entry::Position;
use nightcrew_model::unit::Millis;
use nightcrew_report::shadow_page::ShadowReview;
use nightcrew_report::shadow_review::Reviewing;
use serde::Deserialize;

use super::bad_parameter;
use crate::app::App;
use crate::parameters::Parameters;
use crate::problem::Problem;

/// How far back runs are reviewed where the request does not say.
const SINCE: Millis = Millis::from_secs(30 * 86_400);

/// Which runs.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Only those that were decided at or after this moment (RFC 3339).
    since: Option<String>,
}

/// Folds the whole journal: what a run is about may have begun long before it.
pub(crate) async fn review(
    State(app): State<App>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<ShadowReview>, Problem> {
    let since = match asked.since.as_deref() {
        None => {
            let now = app.handle.clock().now();
            now.checked_sub(SINCE.duration()).unwrap_or(Timestamp::UNIX_EPOCH)
        }
        Some(text) => text
            .parse::<Timestamp>()
            .map_err(|_| bad_parameter("since", text, "a moment such as 2026-11-21T03:00:00Z"))?,
    };
    let journal = app.handle.journal();
    let (reviewing, _) =
        journal.fold(Position::START, Reviewing::default(), Reviewing::apply).await?;
    Ok(Json(ShadowReview::of(&reviewing, since, &app.handle.settings().playbooks)))
}
