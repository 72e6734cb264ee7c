//! `/api/v1/oncall`: who is on call, and when.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{PersonName, ScheduleName};
use nightcrew_model::oncall::{Override, Schedule, Shift};
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use super::command::{Command, person};
use crate::api::bad_parameter;
use crate::app::App;
use crate::calendar;
use crate::limit::{OVERRIDE_SPAN_MAX, SHIFT_DAYS_MAX};
use crate::parameters::{Parameters, Segment};
use crate::problem::{Kind, Problem};

/// How many days of shifts are told where the request does not say.
const SHIFT_DAYS: u32 = 14;

/// How many days ahead the end of the shift of now is looked for.
const END_DAYS: i64 = 14;

/// How many months a feed holds, the one before this one being the first.
const FEED_MONTHS: i64 = 5;

/// Every calendar, and who is on call.
#[derive(Serialize)]
pub(crate) struct OnCall {
    items: Vec<Now>,
}

/// Who is on call in a calendar.
#[derive(Serialize)]
struct Now {
    schedule: ScheduleName,
    /// None: nobody.
    person: Option<PersonName>,
    /// Until when; none: for longer than two weeks.
    until: Option<Timestamp>,
}

/// `GET /api/v1/oncall`.
pub(crate) async fn on_call(State(app): State<App>) -> Result<Json<OnCall>, Problem> {
    let look = app.handle.view(|engine, settings, now| {
        let known = settings.schedules.values();
        let calendars = known.map(|calendar| {
            let overrides = engine.overrides(&calendar.name).to_vec();
            Calendar { calendar: calendar.clone(), overrides }
        });
        (calendars.collect::<Vec<_>>(), now)
    });
    let (calendars, now) = look.await?;
    let items = calendars.into_iter().map(|calendar| calendar.now(now));
    Ok(Json(OnCall { items: items.collect() }))
}

/// A calendar and the replacements that people set.
struct Calendar {
    calendar: Schedule,
    overrides: Vec<Override>,
}

impl Calendar {
    /// The calendar of a path.
    async fn find(app: &App, name: &str) -> Result<Self, Problem> {
        let schedule = ScheduleName::from(name);
        let look = app.handle.view(move |engine, settings, _| {
            let calendar = settings.schedules.get(&schedule)?.clone();
            Some(Self { calendar, overrides: engine.overrides(&schedule).to_vec() })
        });
        look.await?.ok_or_else(|| {
            Problem::not_found(format!("calendar {name:?}"), "GET /api/v1/oncall lists them")
        })
    }

    fn shifts(&self, from: Timestamp, until: Timestamp) -> Vec<Shift> {
        self.calendar.shifts(&self.overrides, from, until)
    }

    fn now(self, now: Timestamp) -> Now {
        let horizon = now + (END_DAYS * 24).hours();
        let shift = self.shifts(now, horizon).into_iter().next();
        let until = shift.as_ref().map(|shift| shift.until).filter(|until| *until < horizon);
        Now { person: shift.and_then(|shift| shift.person), until, schedule: self.calendar.name }
    }
}

/// Which shifts are asked for.
#[derive(Deserialize)]
pub(crate) struct ShiftsQuery {
    from: Option<String>,
    days: Option<String>,
}

/// The shifts of a calendar.
#[derive(Serialize)]
struct Shifts {
    schedule: ScheduleName,
    zone: String,
    person: Option<PersonName>,
    shifts: Vec<Shift>,
}

/// `GET /api/v1/oncall/{schedule}`, and the feed at `GET /api/v1/oncall/{schedule}.ics`.
pub(crate) async fn schedule(
    State(app): State<App>,
    Segment(name): Segment,
    Parameters(query): Parameters<ShiftsQuery>,
) -> Result<Response, Problem> {
    let now = app.handle.clock().now();
    if let Some(name) = name.strip_suffix(".ics") {
        let calendar = Calendar::find(&app, name).await?;
        let (from, until) = months(now);
        let text = calendar::feed(&calendar.calendar, &calendar.shifts(from, until), now);
        let mut response = text.into_response();
        let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        return Ok(response);
    }
    let from = match query.from.as_deref() {
        None => now,
        Some(text) => text
            .parse()
            .map_err(|_| bad_parameter("from", text, "a time such as 2026-11-21T03:00:00Z"))?,
    };
    let days = match query.days.as_deref() {
        None => SHIFT_DAYS,
        Some(text) => {
            let days = text.parse().ok().filter(|days| (1..=SHIFT_DAYS_MAX).contains(days));
            let expected = format!("a number from 1 to {SHIFT_DAYS_MAX}");
            days.ok_or_else(|| bad_parameter("days", text, &expected))?
        }
    };
    let calendar = Calendar::find(&app, &name).await?;
    let shifts = calendar.shifts(from, Millis::from_secs(u64::from(days) * 86_400).after(from));
    let on_call = calendar.calendar.on_call(&calendar.overrides, now).cloned();
    Ok(Json(Shifts {
        schedule: calendar.calendar.name,
        zone: calendar.calendar.zone.to_string(),
        person: on_call,
        shifts,
    })
    .into_response())
}

/// The months of a feed.  Its bounds stay where they are for a month, and so do the ids of the
/// shifts that they cut.
fn months(now: Timestamp) -> (Timestamp, Timestamp) {
    let today = now.to_zoned(TimeZone::UTC).date();
    let month = |ahead: i64| -> Option<Timestamp> {
        let first: Date = today.first_of_month().checked_add(ahead.months()).ok()?;
        Some(first.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    (month(-1).unwrap_or(now), month(FEED_MONTHS - 1).unwrap_or(now))
}

/// Who stands in.
#[derive(Deserialize)]
pub(crate) struct Replacement {
    person: String,
    /// From now on where it is not told.
    from: Option<Timestamp>,
    until: Timestamp,
    by: Option<String>,
}

/// `POST /api/v1/oncall/{schedule}/overrides`.
pub(crate) async fn replace(
    State(app): State<App>,
    Segment(name): Segment,
    Command(asked): Command<Replacement>,
) -> Result<Json<Override>, Problem> {
    let now = app.handle.clock().now();
    let replacement = Override {
        person: person("person", &asked.person)?,
        from: asked.from.unwrap_or(now),
        until: asked.until,
    };
    let ends = replacement.until > now && replacement.until > replacement.from;
    if !ends || replacement.until > OVERRIDE_SPAN_MAX.after(replacement.from.max(now)) {
        return Err(Problem::bad_request(
            "the time of the override is not valid",
            format!("give an `until` that is ahead and after `from`, at most {OVERRIDE_SPAN_MAX}"),
        ));
    }
    let by = person("by", asked.by.as_deref().unwrap_or("api"))?;
    let schedule = Calendar::find(&app, &name).await?.calendar.name;
    if !app.handle.settings().triage.people.contains_key(&replacement.person) {
        return Err(Problem::bad_request(
            format!("{} is not one of the people of the configuration", replacement.person),
            "name a key of `people`",
        ));
    }
    let event = Event::OverrideAsked { schedule, replacement, by };
    let decisions = app.handle.submit(vec![event]).await?;
    let set = decisions.into_iter().find_map(|decision| match decision.fact {
        Fact::OverrideSet { replacement, .. } => Some(replacement),
        _ => None,
    });
    set.map(Json).ok_or_else(|| {
        Problem::new(
            Kind::Conflict,
            "the calendar has as many overrides as are kept",
            "wait until one of them is over",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_begins_with_the_month_before() {
        let (from, until) = months("2026-01-31T23:59:59Z".parse().unwrap());
        assert_eq!(from.to_string(), "2025-12-01T00:00:00Z");
        assert_eq!(until.to_string(), "2026-05-01T00:00:00Z");
    }
}
