//! Keeping what cannot be read, before it is refused.

use std::hash::Hasher as _;

use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use nightcrew_config::settings::Inbound;
use nightcrew_intake::parsed::Rejected;
use nightcrew_journal::dead_letter::{DeadLetter, DeadLetterId};
use nightcrew_journal::error::WriteError;
use nightcrew_journal::limit::DEAD_LETTER_BODY_BYTES_MAX;
use nightcrew_model::alert::Source;
use serde_json::Value;

use crate::app::App;
use crate::problem::{Kind, Problem};

/// The type of a letter that is a request and not only its body (RFC 9112, section 10.1).
pub(super) const WHOLE_REQUEST: &str = "message/http";

/// The headers without which some formats cannot be read.
const TELLING_HEADERS: [&str; 2] = ["content-type", "sentry-hook-resource"];

/// Keeps a body that came through a door.  The same body through the same door is the same letter.
pub(super) async fn keep(
    app: &App,
    door: &Inbound,
    parts: &Parts,
    body: &[u8],
    error: &str,
) -> Result<DeadLetterId, Problem> {
    let (content_type, mut bytes) = match door.source {
        // What these say stands in the path or in a header too.
        Source::Opsgenie | Source::Sentry => (WHOLE_REQUEST.to_owned(), whole(parts, body)),
        _ => {
            let told = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            (told.unwrap_or_default().to_owned(), body.to_vec())
        }
    };
    let hash = hash(&door.name, &bytes);
    if let Some(known) = app.doors.letter(hash) {
        return Ok(known);
    }
    let mut error = error.to_owned();
    if bytes.len() > DEAD_LETTER_BODY_BYTES_MAX {
        error = format!("cut, it had {} bytes; {error}", bytes.len());
        bytes.truncate(DEAD_LETTER_BODY_BYTES_MAX);
    }
    let received_at = app.handle.clock().now();
    let letter =
        DeadLetter { door: door.name.clone(), received_at, content_type, error, body: bytes };
    let id = app.handle.journal().put_dead_letter(letter).await.map_err(|error| unkept(&error))?;
    app.doors.know_letter(hash, id);
    Ok(id)
}

/// A request as it would go over the wire.
fn whole(parts: &Parts, body: &[u8]) -> Vec<u8> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut text = format!("{} {target} HTTP/1.1\r\n", parts.method).into_bytes();
    for name in TELLING_HEADERS {
        for value in parts.headers.get_all(name) {
            text.extend([name.as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    text.extend(b"\r\n");
    text.extend(body);
    text
}

/// The elements of a body that could not be read, in the form of the whole; none where the format
/// is no list, and then the whole is kept.
pub(super) fn only(door: &Inbound, body: &[u8], bad: &[Rejected]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    let list = match door.source {
        Source::AlertsApi => value.as_array_mut(),
        Source::Alertmanager | Source::Grafana | Source::Signoz => {
            value.get_mut("alerts")?.as_array_mut()
        }
        Source::Generic => {
            let pointer = door.mapping.as_ref()?.alerts.as_ref()?;
            value.pointer_mut(pointer)?.as_array_mut()
        }
        _ => None,
    }?;
    let mut index = 0;
    list.retain(|_| {
        index += 1;
        bad.iter().any(|bad| bad.index + 1 == index)
    });
    Some(value.to_string().into_bytes())
}

fn unkept(error: &WriteError) -> Problem {
    Problem::new(
        Kind::StorageUnavailable,
        format!("the request cannot be read, and cannot be kept for a person either: {error}"),
        "send the same request again when the disk of the data folder has space",
    )
}

fn hash(door: &str, body: &[u8]) -> u64 {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(door.as_bytes());
    hasher.write_u8(0);
    hasher.write(body);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::{InboundAuth, Mapping};
    use nightcrew_model::unit::Millis;

    use super::*;

    fn door(source: Source, mapping: Option<Mapping>) -> Inbound {
        let auth = InboundAuth::Open;
        Inbound { name: "문".to_owned(), source, auth, replay_window: Millis(1), mapping }
    }

    fn kept(source: Source, mapping: Option<Mapping>, body: &str) -> Option<String> {
        let bad = [1, 2].map(|index| Rejected { index, why: "x".to_owned() });
        let kept = only(&door(source, mapping), body.as_bytes(), &bad)?;
        Some(String::from_utf8(kept).unwrap())
    }

    #[test]
    fn only_the_bad_ones_of_a_list_are_kept() {
        assert_eq!(kept(Source::AlertsApi, None, "[0,1,2,3]").unwrap(), "[1,2]");
        let body = r#"{"alerts":[{"a":0},{"결":1},{"b":2}],"version":"4"}"#;
        let expected = r#"{"alerts":[{"결":1},{"b":2}],"version":"4"}"#;
        assert_eq!(kept(Source::Grafana, None, body).unwrap(), expected);
        let mapping = Mapping { alerts: Some("/x/list".to_owned()), ..Mapping::default() };
        let generic = kept(Source::Generic, Some(mapping), r#"{"x":{"list":[0,1,2]}}"#);
        assert_eq!(generic.unwrap(), r#"{"x":{"list":[1,2]}}"#);
        assert_eq!(kept(Source::Datadog, None, "{}"), None);
        assert_eq!(kept(Source::AlertsApi, None, "[0,"), None);
    }
}
