//! `/api/v1/events`: every decision as it becomes durable, as server-sent events (WHATWG HTML,
//! section 9.2).
//!
//! The id of an event is its position in the journal, so a reader that comes back with
//! `Last-Event-ID` misses nothing.  Each stream reads from the journal and not from a queue: a
//! slow reader loses nothing, holds nothing up and costs no memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use nightcrew_journal::entry::{Entry, Position};
use nightcrew_journal::tail::Subscription;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::app::App;
use crate::limit::{KEEP_ALIVE, STREAMS_MAX};
use crate::parameters::Parameters;
use crate::problem::{Kind, Problem};
use crate::view::entry::EntryView;

/// From where events are asked for.
#[derive(Deserialize)]
pub(crate) struct EventsQuery {
    from: Option<String>,
}

/// `GET /api/v1/events`.  Begins behind `Last-Event-ID` or `?from=`, or with what happens next.
pub(crate) async fn events(
    State(app): State<App>,
    Parameters(query): Parameters<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let last = app.handle.journal().last_position();
    let resumed = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let after = match resumed.or(query.from.as_deref()) {
        None => last,
        Some(text) => {
            let position = text.parse().map(Position).map_err(|_| {
                Problem::bad_request(
                    format!("{text:?} is not a position"),
                    "give the id of an event as Last-Event-ID or ?from=, or 0 for all",
                )
            })?;
            // A position that this journal does not have is one of another journal.
            position.min(last)
        }
    };
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| {
        Problem::new(
            Kind::Overloaded,
            format!("{STREAMS_MAX} event streams are open already"),
            "close one, or ask again later",
        )
    })?;
    let tail = Tail {
        journal: app.handle.journal().subscribe(after),
        stopping: app.stopping.clone(),
        waiting: VecDeque::new(),
        _place: place,
    };
    let events = stream::unfold(tail, |mut tail| async {
        let event = tail.next().await?;
        Some((Ok(event), tail))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE.duration())))
}

/// The end of the journal as one reader follows it.
struct Tail {
    journal: Subscription,
    stopping: watch::Receiver<bool>,
    waiting: VecDeque<Entry>,
    _place: OwnedSemaphorePermit,
}

impl Tail {
    /// The next event; none when it is time to stop or the journal cannot be read.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(entry) = self.waiting.pop_front() {
                return Some(event(entry));
            }
            let entries = tokio::select! {
                entries = self.journal.next() => entries,
                () = told_to_stop(&mut self.stopping) => return None,
            };
            match entries {
                Ok(entries) => self.waiting.extend(entries),
                Err(error) => {
                    tracing::warn!("an event stream ends: {error}");
                    return None;
                }
            }
        }
    }
}

/// Returns when it is time to stop; never where nobody can say so.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    if stopping.wait_for(|stopping| *stopping).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn event(entry: Entry) -> Event {
    let view = EntryView::from(entry);
    let event = Event::default().id(view.position.to_string()).event(view.fact);
    match event.clone().json_data(&view) {
        Ok(event) => event,
        // A view of strings and numbers always has a JSON form; the id alone keeps the order.
        Err(_) => event,
    }
}
