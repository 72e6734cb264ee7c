//! Reading dead letters again.

use axum::http::Request as HttpRequest;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use nightcrew_intake::parse::{Context, parse};
use nightcrew_journal::dead_letter::{DeadLetterId, DeadLetterRow};
use nightcrew_journal::error::WriteError;

use super::dead_letter::WHOLE_REQUEST;
use super::door::{Posted, named};
use super::take::take;
use crate::app::App;
use crate::problem::{Kind, Problem};

/// Reads a dead letter as if it came in now, and takes what it tells.  Who sent it was checked
/// when it came.  A letter that still cannot be read, or not as a whole, stays as it is.
pub(crate) async fn replay(app: &App, id: DeadLetterId) -> Result<String, Problem> {
    let found = app.handle.journal().dead_letter(id).await?;
    let (row, body) = found.ok_or_else(|| {
        Problem::not_found(format!("dead letter {id}"), "GET /api/v1/dead-letters lists them")
    })?;
    let still = |why: String| {
        Problem::new(
            Kind::Conflict,
            format!("it still cannot be read: {why}"),
            "mend the door in the configuration, reload it, and replay again",
        )
        .about_letter(id)
    };
    let settings = app.handle.settings();
    let door = named(&settings, &row.door)
        .ok_or_else(|| still(format!("there is no door {:?} any more", row.door)))?;
    let (parts, body) =
        request_of(&row, body).ok_or_else(|| still("it is not whole".to_owned()))?;
    let posted = Posted::new(&parts, &body);
    let now = app.handle.clock().now();
    let context = Context { door: &door.name, mapping: door.mapping.as_ref(), now };
    let parsed = parse(door.source, &posted.request(), &context);
    let mut parsed = parsed.map_err(|why| still(why.to_string()))?;
    let complaint = parsed.complaint();
    parsed.partial.clear();
    let outcome = format!("alerts: {}, changes: {}", parsed.alerts.len(), parsed.changes.len());
    take(app, door.source, parsed).await?;
    if let Some(complaint) = complaint {
        return Err(still(complaint));
    }
    let noted = app.handle.journal().dead_letter_replayed(id, now, &outcome).await;
    noted.map_err(|error| unnoted(&error))?;
    app.doors.forget_letter(id);
    Ok(outcome)
}

/// The request of a letter.
fn request_of(row: &DeadLetterRow, body: Vec<u8>) -> Option<(Parts, Vec<u8>)> {
    if row.content_type != WHOLE_REQUEST {
        let request = HttpRequest::post(format!("/hooks/{}", row.door))
            .header(CONTENT_TYPE, row.content_type.as_str())
            .body(())
            .or_else(|_| HttpRequest::post("/").body(()))
            .ok()?;
        return Some((request.into_parts().0, body));
    }
    const GAP: &[u8] = b"\r\n\r\n";
    let gap = body.windows(GAP.len()).position(|bytes| bytes == GAP)?;
    let head = std::str::from_utf8(body.get(..gap)?).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let mut request = HttpRequest::builder().method(first.next()?).uri(first.next()?);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        request = request.header(name, value);
    }
    let parts = request.body(()).ok()?.into_parts().0;
    Some((parts, body.get(gap + GAP.len()..)?.to_vec()))
}

fn unnoted(error: &WriteError) -> Problem {
    Problem::new(
        Kind::StorageUnavailable,
        format!("it was taken, and that cannot be noted: {error}"),
        "replay it again when the disk of the data folder has space; that is safe",
    )
}
