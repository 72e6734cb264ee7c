//! `/api/v1/dead-letters`: what came through a door and could not be read.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use nightcrew_journal::dead_letter::{DeadLetterId, DeadLetterRow};
use serde::{Deserialize, Serialize};

use super::{bad_parameter, limit};
use crate::app::App;
use crate::intake::replay::replay;
use crate::limit::DEAD_LETTERS_PAGE_MAX;
use crate::parameters::{Parameters, Segment};
use crate::problem::Problem;

/// How many dead letters one page holds where the request does not say.
const PAGE: usize = 50;

/// Which dead letters are asked for.
#[derive(Deserialize)]
pub(crate) struct LettersQuery {
    limit: Option<String>,
    cursor: Option<String>,
}

/// Dead letters, the newest first.
#[derive(Serialize)]
pub(crate) struct Letters {
    items: Vec<LetterView>,
    /// The `cursor` of the next page; none when this is the last.
    next_cursor: Option<String>,
    /// How many went to make room, since there is the journal.
    dropped: u64,
}

/// A dead letter.
#[derive(Serialize)]
struct LetterView {
    id: u64,
    door: String,
    received_at: Timestamp,
    content_type: String,
    /// Why it could not be read.
    error: String,
    body_bytes: u64,
    replayed_at: Option<Timestamp>,
    /// What came of the replay.
    outcome: Option<String>,
}

impl From<DeadLetterRow> for LetterView {
    fn from(row: DeadLetterRow) -> Self {
        let (replayed_at, outcome) = match row.replay {
            Some(replay) => (Some(replay.at), Some(replay.outcome)),
            None => (None, None),
        };
        Self {
            id: row.id.0,
            door: row.door,
            received_at: row.received_at,
            content_type: row.content_type,
            error: row.error,
            body_bytes: row.body_bytes,
            replayed_at,
            outcome,
        }
    }
}

/// `GET /api/v1/dead-letters`.
pub(crate) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<LettersQuery>,
) -> Result<Json<Letters>, Problem> {
    let limit = limit(query.limit.as_deref(), PAGE, DEAD_LETTERS_PAGE_MAX)?;
    let before =
        match query.cursor.as_deref() {
            None => None,
            Some(text) => Some(DeadLetterId(text.parse().map_err(|_| {
                bad_parameter("cursor", text, "the next_cursor of the page before")
            })?)),
        };
    let journal = app.handle.journal();
    let mut rows = journal.dead_letters(before, limit + 1).await?;
    let is_last = rows.len() <= limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| !is_last).map(|row| row.id.to_string());
    let dropped = journal.dead_letter_counts().await?.dropped;
    let items = rows.into_iter().map(LetterView::from).collect();
    Ok(Json(Letters { items, next_cursor, dropped }))
}

/// A dead letter with what came.
#[derive(Serialize)]
pub(crate) struct LetterDetail {
    #[serde(flatten)]
    letter: LetterView,
    /// What is not UTF-8 is shown as `U+FFFD`.
    body: String,
}

/// `GET /api/v1/dead-letters/{id}`.
pub(crate) async fn letter(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<LetterDetail>, Problem> {
    let id = number(&id)?;
    let found = app.handle.journal().dead_letter(id).await?;
    let (row, body) = found.ok_or_else(|| {
        Problem::not_found(format!("dead letter {id}"), "GET /api/v1/dead-letters lists them")
    })?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Json(LetterDetail { letter: row.into(), body }))
}

/// A dead letter that was read after all.
#[derive(Serialize)]
pub(crate) struct Replayed {
    id: u64,
    outcome: String,
}

/// `POST /api/v1/dead-letters/{id}/replay`.
pub(crate) async fn post_replay(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Json<Replayed>, Problem> {
    let id = number(&id)?;
    let outcome = replay(&app, id).await?;
    Ok(Json(Replayed { id: id.0, outcome }))
}

fn number(text: &str) -> Result<DeadLetterId, Problem> {
    text.parse().map(DeadLetterId).map_err(|_| {
        Problem::bad_request(
            format!("{text:?} is not the number of a dead letter"),
            "GET /api/v1/dead-letters lists them",
        )
    })
}
