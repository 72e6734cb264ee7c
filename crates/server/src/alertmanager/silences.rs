//! `/api/v2/silences` and `/api/v2/silence/{id}`.

use std::cmp::Reverse;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{PersonName, SilenceId};
use nightcrew_model::interval::TimeInterval;
use nightcrew_model::matcher::{Matcher, Matchers};
use nightcrew_model::silence::{Silence, SilenceState};
use serde::Serialize;

use super::answer::{Answer, Moment, Refused};
use super::silence_body;
use super::wanted::filters;
use crate::app::App;
use crate::body;
use crate::limit::COMMAND_BODY_BYTES_MAX;
use crate::parameters::{Parameters, Segment};
use crate::problem::Problem;
use crate::random;

/// A silence, as the interface has it (`gettableSilence`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GettableSilence {
    id: SilenceId,
    status: Status,
    updated_at: Moment,
    comment: String,
    created_by: PersonName,
    ends_at: Moment,
    matchers: Vec<GettableMatcher>,
    starts_at: Moment,
    /// Of ours: the times at which it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    repeats: Vec<TimeInterval>,
}

#[derive(Serialize)]
struct Status {
    state: SilenceState,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GettableMatcher {
    is_equal: bool,
    is_regex: bool,
    name: String,
    value: String,
}

impl GettableSilence {
    fn of(silence: Silence, now: Timestamp) -> Self {
        let matcher = |matcher: &Matcher| GettableMatcher {
            is_equal: matcher.op().is_equal(),
            is_regex: matcher.op().is_regex(),
            name: matcher.name().to_owned(),
            value: matcher.value().to_owned(),
        };
        Self {
            status: Status { state: silence.state(now) },
            id: silence.id,
            updated_at: Moment(silence.updated_at),
            comment: silence.comment,
            created_by: silence.created_by,
            ends_at: Moment(silence.ends_at),
            matchers: silence.matchers.iter().map(matcher).collect(),
            starts_at: Moment(silence.starts_at),
            repeats: silence.repeats,
        }
    }
}

/// `GET /api/v2/silences`, those of the configuration included.  A filter chooses the silences
/// that have that very matcher.
pub(crate) async fn silences(
    State(app): State<App>,
    Parameters(query): Parameters<Vec<(String, String)>>,
) -> Result<Answer<Vec<GettableSilence>>, Refused> {
    let filters = filters(&query)?;
    let chosen = move |matchers: &Matchers| {
        filters.iter().all(|filter| matchers.iter().any(|matcher| matcher == filter))
    };
    let look = app.handle.view(move |engine, settings, now| {
        let known = engine.silences().chain(&settings.mute_windows);
        let chosen = known.filter(|silence| chosen(&silence.matchers)).cloned();
        (chosen.collect::<Vec<_>>(), now)
    });
    let (mut silences, now) = look.await?;
    in_order(&mut silences, now);
    let shown = silences.into_iter().map(|silence| GettableSilence::of(silence, now)).collect();
    Ok(Answer(StatusCode::OK, shown))
}

/// Alertmanager's order (`SortSilences`): active ones by their end, then pending ones by their
/// beginning, then expired ones, the last first.
fn in_order(silences: &mut [Silence], now: Timestamp) {
    silences.sort_by_key(|silence| match silence.state(now) {
        SilenceState::Active => (0, silence.ends_at, Reverse(Timestamp::MIN)),
        SilenceState::Pending => (1, silence.starts_at, Reverse(Timestamp::MIN)),
        SilenceState::Expired => (2, Timestamp::MIN, Reverse(silence.ends_at)),
    });
}

/// The answer to a silence that was made.
#[derive(Serialize)]
pub(crate) struct Made {
    #[serde(rename = "silenceID")]
    silence: SilenceId,
}

/// `POST /api/v2/silences`.
pub(crate) async fn post(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Answer<Made>, Refused> {
    json_only(&headers)?;
    let received = body::read(&app.bodies, &headers, body, COMMAND_BODY_BYTES_MAX).await?;
    let posted = silence_body::parse(&received.text, app.handle.clock().now())?;
    let mut silence = posted.silence;
    let fresh = SilenceId::from(random::uuid().map_err(Problem::from)?);
    silence.id = match posted.id {
        None => fresh.clone(),
        Some(id) => {
            let before = known(&app, &id).await?.ok_or(Refused::Unknown("silence not found"))?;
            // Clients know the beginning in milliseconds, and Alertmanager compares seconds.
            if before.starts_at.as_second() == silence.starts_at.as_second() {
                silence.starts_at = before.starts_at;
            }
            id
        }
    };
    let asked = silence.id.clone();
    let event = Event::SilenceAsked { silence: Box::new(silence), fresh };
    let decisions = app.handle.submit(vec![event]).await?;
    let made = decisions.into_iter().find_map(|decision| match decision.fact {
        Fact::SilenceSet { silence } => Some(silence.id),
        _ => None,
    });
    match made {
        Some(silence) => Ok(Answer(StatusCode::OK, Made { silence })),
        // Nothing was decided: it is as it is wanted already, or it cannot be so.
        None if known(&app, &asked).await?.is_some() => {
            Ok(Answer(StatusCode::OK, Made { silence: asked }))
        }
        None => Err(Refused::Bad(
            "Failed to create silence: there are as many as are kept; expire some".to_owned(),
        )),
    }
}

/// `GET /api/v2/silence/{id}`.
pub(crate) async fn silence(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<Response, Refused> {
    let id = of_path(&id)?;
    let now = app.handle.clock().now();
    Ok(match known(&app, &id).await? {
        Some(silence) => Answer(StatusCode::OK, GettableSilence::of(silence, now)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

/// `DELETE /api/v2/silence/{id}`.  One that is over already is over.  For one that never was,
/// Alertmanager answers 500 up to 0.26 and 404 later.
pub(crate) async fn delete(
    State(app): State<App>,
    Segment(id): Segment,
) -> Result<StatusCode, Refused> {
    let id = of_path(&id)?;
    known(&app, &id).await?.ok_or(Refused::Unknown("silence not found"))?;
    let by = PersonName::from("api");
    app.handle.submit(vec![Event::SilenceEndAsked { silence: id, by }]).await?;
    Ok(StatusCode::OK)
}

async fn known(app: &App, id: &SilenceId) -> Result<Option<Silence>, Refused> {
    let id = id.clone();
    Ok(app.handle.view(move |engine, _, _| engine.silence(&id).cloned()).await?)
}

/// The id in a path, which has to be a UUID.
fn of_path(id: &str) -> Result<SilenceId, Refused> {
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut lengths = [8, 4, 4, 4, 12].into_iter();
    let mut parts = id.split('-');
    let is_uuid = lengths.all(|length| parts.next().is_some_and(|part| is_hex(part, length)))
        && parts.next().is_none();
    if is_uuid {
        return Ok(SilenceId::from(id.to_ascii_lowercase()));
    }
    let message = format!("silenceID in path must be of type uuid: {id:?}");
    Err(Refused::unprocessable(601, message))
}

/// A page of another site can send a body of another type without asking first.
fn json_only(headers: &HeaderMap) -> Result<(), Refused> {
    let told = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" {
        return Ok(());
    }
    let shown = if kind.is_empty() { "application/octet-stream" } else { &kind };
    Err(Refused::Rule {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        code: 415,
        message: format!("unsupported media type {shown:?}, only [application/json] are allowed"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_is_an_id() {
        assert!(of_path("D3446c47-e28f-43a6-bf05-c480191af89b").is_ok());
        for other in [
            "",
            "no-such",
            "d3446c47-e28f-43a6-bf05-c480191af89",
            "d3446c47e28f43a6bf05c480191af89b",
        ] {
            assert!(of_path(other).is_err(), "{other}");
        }
    }

    #[test]
    fn active_ones_come_first_and_the_last_expired_one_before_the_others() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let silence = |id: &str, from: &str, until: &str| Silence {
            id: id.into(),
            matchers: Matchers::parse("a=b").unwrap(),
            starts_at: at(from),
            ends_at: at(until),
            updated_at: at(from),
            created_by: "kim".into(),
            comment: "점검".into(),
            repeats: Vec::new(),
        };
        let mut silences = vec![
            silence("old", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            silence("late", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            silence("later", "2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z"),
            silence("soon", "2026-01-01T00:00:00Z", "2026-11-22T00:00:00Z"),
            silence("just", "2026-01-01T00:00:00Z", "2026-11-20T00:00:00Z"),
            silence("next", "2026-12-01T00:00:00Z", "2026-12-09T00:00:00Z"),
        ];
        in_order(&mut silences, at("2026-11-21T00:00:00Z"));
        let order: Vec<&str> = silences.iter().map(|silence| silence.id.as_str()).collect();
        assert_eq!(order, ["soon", "late", "next", "later", "just", "old"]);
    }
}
