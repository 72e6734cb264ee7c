//! Traces: spans with their service, side, duration and outcome.

use std::collections::BTreeMap;

use nightcrew_model::id::ServiceName;
use nightcrew_model::telemetry::{SpanKind, SpanSeen};

use super::attribute::{self, Origin};
use super::distribution::float;
use super::walk::{has_room, once, walk};
use super::wire::Fields;
use super::{Encoding, Malformed, Rejected, Taken, schema};

/// The attributes that name what a client calls, the more telling first.  A database or queue has
/// no spans of its own, so that its kind has to stand for it.
///
/// Source: <https://opentelemetry.io/docs/specs/semconv/general/attributes/>, and the older names
/// that SDKs still send.
const PEERS: [&str; 7] = [
    "peer.service",
    "service.peer.name",
    "db.system.name",
    "db.system",
    "messaging.system",
    "rpc.service",
    "faas.invoked_name",
];

/// Reads the spans of an `ExportTraceServiceRequest`.
///
/// # Errors
/// When the body is no such message.
pub fn read(body: &[u8], encoding: Encoding) -> Result<Taken<SpanSeen>, Malformed> {
    let mut items: Vec<SpanSeen> = Vec::new();
    let mut read = |origin: &Origin, span: &[u8], rejected: &mut Rejected| {
        if has_room(items.len(), rejected) {
            match seen(origin, span)? {
                Some(span) => items.push(span),
                None => rejected.add(1, "a span has no id of 8 bytes or no trace of 16"),
            }
        }
        Ok(())
    };
    let rejected = walk(body, encoding, schema::TRACES, once, &mut read)?;
    Ok(Taken { items, rejected })
}

fn seen(origin: &Origin, span: &[u8]) -> Result<Option<SpanSeen>, Malformed> {
    let (mut trace, mut id, mut parent) = (None, None, None);
    let (mut kind, mut start, mut end, mut failed) = (SpanKind::Internal, 0, 0, false);
    for field in Fields::of(span) {
        let field = field?;
        match field.number {
            1 => trace = field.value.bytes()?.try_into().ok().map(u128::from_be_bytes),
            2 => id = eight(field.value.bytes()?),
            4 => parent = eight(field.value.bytes()?),
            6 => kind = side(field.value.integer()?),
            7 => start = field.value.integer()?,
            8 => end = field.value.integer()?,
            15 => {
                for field in Fields::of(field.value.bytes()?) {
                    let field = field?;
                    if field.number == 3 {
                        failed = field.value.integer()? == 2;
                    }
                }
            }
            _ => {}
        }
    }
    let peer = match kind {
        SpanKind::Client | SpanKind::Producer => peer(&attribute::attributes(span, 9)?),
        SpanKind::Internal | SpanKind::Server | SpanKind::Consumer => None,
    };
    // All zeros is the invalid id of W3C Trace Context.
    let (Some(trace @ 1..), Some(span)) = (trace, id) else { return Ok(None) };
    let duration_ms = end.checked_sub(start).filter(|_| start > 0).map(|ns| float(ns) / 1e6);
    let service = origin.service.clone();
    Ok(Some(SpanSeen { service, trace, span, parent, kind, failed, duration_ms, peer }))
}

fn eight(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes).filter(|id| *id != 0)
}

fn side(kind: u64) -> SpanKind {
    match kind {
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn peer(attributes: &BTreeMap<String, String>) -> Option<ServiceName> {
    let named = PEERS.iter().find_map(|key| attributes.get(*key).filter(|name| !name.is_empty()));
    attribute::service(named?).ok()
}
