//! Reading the body of a request: bounded for one request, and for all of them together.

use std::io::Read as _;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limit::{BODIES_BYTES_MAX, DISCARDED_BYTES_MAX};
use crate::problem::{Kind, Problem};

/// The bytes for which one permit of [`Room`] stands.
const PERMIT_BYTES: usize = 1 << 10;

/// How much of a compressed body is unpacked at a time.
const INFLATE_BYTES: usize = 64 << 10;

/// The room for bodies, shared by all requests.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    /// Room for this many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / PERMIT_BYTES)))
    }
}

/// A whole body.
#[derive(Debug)]
pub(crate) struct Received {
    /// Its text.
    pub(crate) text: String,
    /// Gives the room back when the body is done with.
    _place: Option<OwnedSemaphorePermit>,
}

/// Reads a body of text of at most `bytes_max` bytes.
pub(crate) async fn read(
    room: &Room,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Received, Problem> {
    let Raw { bytes, place } = read_raw(room, headers, body, bytes_max).await?;
    let text = String::from_utf8(bytes).map_err(|error| {
        Problem::bad_request(
            format!("the body is not UTF-8 at byte {}", error.utf8_error().valid_up_to()),
            "send JSON as UTF-8, without compression",
        )
    })?;
    Ok(Received { text, _place: place })
}

/// A whole body of any bytes.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Gives the room back when the body is done with.
    place: Option<OwnedSemaphorePermit>,
}

/// Reads a body of at most `bytes_max` bytes.
pub(crate) async fn read_raw(
    room: &Room,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Raw, Problem> {
    let too_large = || too_large(bytes_max);
    let declared =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut place: Option<OwnedSemaphorePermit> = None;
    let mut refused =
        declared.is_some_and(|declared: u64| declared > bytes_max as u64).then(too_large);
    let mut n_read: usize = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::bad_request(
                format!("the body broke off after {n_read} bytes: {error}"),
                "send it again in one piece",
            )
        })?;
        n_read = n_read.saturating_add(chunk.len());
        if refused.is_none() && n_read > bytes_max {
            refused = Some(too_large());
        }
        if refused.is_none() && !make_room(room, &mut place, n_read) {
            refused = Some(no_room());
        }
        if refused.is_none() {
            bytes.extend_from_slice(&chunk);
        } else {
            (bytes, place) = (Vec::new(), None);
            if n_read > DISCARDED_BYTES_MAX {
                break;
            }
        }
    }
    if let Some(problem) = refused {
        return Err(problem);
    }
    Ok(Raw { bytes, place })
}

/// Takes the compression of a body off: gzip (RFC 1952) as OTLP has it, at most `bytes_max` bytes
/// of content.  What it grows to needs room like what was sent.
pub(crate) fn inflate(room: &Room, raw: Raw, bytes_max: usize) -> Result<Raw, Problem> {
    let Raw { bytes: packed, mut place } = raw;
    let mut unpacked = MultiGzDecoder::new(packed.as_slice());
    let mut bytes = Vec::new();
    let mut chunk = vec![0; INFLATE_BYTES];
    loop {
        let n_read = unpacked.read(&mut chunk).map_err(|error| {
            Problem::bad_request(
                format!("the body is not gzip: {error}"),
                "send what `Content-Encoding` says, or leave it out",
            )
        })?;
        if n_read == 0 {
            return Ok(Raw { bytes, place });
        }
        if bytes.len() + n_read > bytes_max {
            return Err(too_large(bytes_max));
        }
        if !make_room(room, &mut place, packed.len() + bytes.len() + n_read) {
            return Err(no_room());
        }
        bytes.extend_from_slice(chunk.get(..n_read).unwrap_or_default());
    }
}

/// Grows the place of one body to hold this many bytes.
fn make_room(room: &Room, place: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> bool {
    let held = place.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let missing = bytes.div_ceil(PERMIT_BYTES).saturating_sub(held);
    let Ok(missing) = u32::try_from(missing) else { return false };
    if missing == 0 {
        return true;
    }
    match (Arc::clone(&room.0).try_acquire_many_owned(missing), place) {
        (Err(_), _) => false,
        (Ok(more), Some(place)) => {
            place.merge(more);
            true
        }
        (Ok(more), place @ None) => {
            *place = Some(more);
            true
        }
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!("the body is larger than {bytes_max} bytes"),
        "send it in several requests",
    )
}

fn no_room() -> Problem {
    Problem::new(
        Kind::Overloaded,
        format!("the bodies of all requests together are larger than {BODIES_BYTES_MAX} bytes"),
        "send the same request again; repeating it is safe",
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;

    use super::*;
    use crate::limit::ALERTS_BODY_BYTES_MAX;

    fn chunked(n_chunks: usize, chunk: &'static [u8]) -> Body {
        let chunks = (0..n_chunks).map(move |_| Ok::<_, std::io::Error>(Bytes::from_static(chunk)));
        Body::from_stream(stream::iter(chunks))
    }

    const MIB: &[u8] = &[b' '; 1 << 20];

    async fn kind_of(room: &Room, headers: HeaderMap, body: Body) -> Kind {
        read(room, &headers, body, ALERTS_BODY_BYTES_MAX).await.unwrap_err().kind()
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_not_kept() {
        let room = Room::new(BODIES_BYTES_MAX);
        let kept =
            read(&room, &HeaderMap::new(), chunked(16, MIB), ALERTS_BODY_BYTES_MAX).await.unwrap();
        assert_eq!(kept.text.len(), ALERTS_BODY_BYTES_MAX);
        drop(kept);
        assert_eq!(kind_of(&room, HeaderMap::new(), chunked(17, MIB)).await, Kind::TooLarge);
        let declared = [(CONTENT_LENGTH, "52428800".parse().unwrap())].into_iter().collect();
        assert_eq!(kind_of(&room, declared, chunked(50, MIB)).await, Kind::TooLarge);
        assert_eq!(kind_of(&room, HeaderMap::new(), chunked(1_000_000, MIB)).await, Kind::TooLarge);
        assert_eq!(room.0.available_permits(), BODIES_BYTES_MAX / PERMIT_BYTES);
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_limit() {
        let room = Room::new(3 << 20);
        let first =
            read(&room, &HeaderMap::new(), chunked(2, MIB), ALERTS_BODY_BYTES_MAX).await.unwrap();
        assert_eq!(kind_of(&room, HeaderMap::new(), chunked(2, MIB)).await, Kind::Overloaded);
        drop(first);
        assert!(
            read(&room, &HeaderMap::new(), chunked(2, MIB), ALERTS_BODY_BYTES_MAX).await.is_ok()
        );
    }

    #[tokio::test]
    async fn says_where_a_body_is_not_text() {
        let room = Room::new(BODIES_BYTES_MAX);
        let body = Body::from(&b"[\"\xed\x95\"]"[..]);
        let problem =
            read(&room, &HeaderMap::new(), body, ALERTS_BODY_BYTES_MAX).await.unwrap_err();
        assert_eq!(problem.detail(), "the body is not UTF-8 at byte 2");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let broken = [Ok(Bytes::from_static(b"[")), Err(std::io::Error::other("gone"))];
        let body = Body::from_stream(stream::iter(broken));
        let problem = read(&Room::new(1 << 20), &HeaderMap::new(), body, ALERTS_BODY_BYTES_MAX)
            .await
            .unwrap_err();
        assert_eq!(problem.detail(), "the body broke off after 1 bytes: gone");
    }
}
