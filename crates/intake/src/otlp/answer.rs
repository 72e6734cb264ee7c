//! What a sender is answered with, in the encoding that it speaks.

use serde_json::json;

use super::wire::Writer;
use super::{Encoding, Rejected};

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
    /// Traces.
    Traces,
}

impl Signal {
    /// The member of a partial success that counts.
    fn counter(self) -> &'static str {
        match self {
            Self::Metrics => "rejectedDataPoints",
            Self::Logs => "rejectedLogRecords",
            Self::Traces => "rejectedSpans",
        }
    }
}

/// The body of a 200: empty, or a partial success with what was rejected.
#[must_use]
pub fn success(signal: Signal, encoding: Encoding, rejected: &Rejected) -> Vec<u8> {
    let message = rejected.message();
    match encoding {
        Encoding::Json if rejected.n == 0 => b"{}".to_vec(),
        Encoding::Json => json!({
            "partialSuccess": {
                // A 64-bit number is a text in the JSON of Protocol Buffers.
                signal.counter(): rejected.n.to_string(),
                "errorMessage": message,
            }
        })
        .to_string()
        .into_bytes(),
        Encoding::Protobuf if rejected.n == 0 => Vec::new(),
        Encoding::Protobuf => {
            let mut partial = Writer::default();
            partial.varint(1, rejected.n);
            partial.bytes(2, message.as_bytes());
            let mut whole = Writer::default();
            whole.bytes(1, &partial.into_bytes());
            whole.into_bytes()
        }
    }
}

/// The body of an error: a `google.rpc.Status` without a code, which the HTTP status stands for.
#[must_use]
pub fn failure(encoding: Encoding, message: &str) -> Vec<u8> {
    match encoding {
        Encoding::Json => json!({ "message": message }).to_string().into_bytes(),
        Encoding::Protobuf => {
            let mut status = Writer::default();
            status.bytes(2, message.as_bytes());
            status.into_bytes()
        }
    }
}
