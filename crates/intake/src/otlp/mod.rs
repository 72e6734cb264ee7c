//! OTLP over HTTP: what OpenTelemetry SDKs and collectors send.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>, opentelemetry-proto 1.x.
//!
//! | signal | becomes | by |
//! |---|---|---|
//! | metrics | [`metric::Point`]s, then samples | [`meter::Meter`] |
//! | logs | [`nightcrew_model::telemetry::LogLine`]s | [`log::read`] |
//! | traces | [`nightcrew_model::telemetry::SpanSeen`]s | [`span::read`] |
//!
//! **Invariant:** what is sent is taken, or counted in [`Rejected`] with a reason that the sender
//! gets as a partial success; what is taken fits into the limits of [`limit`].

mod answer;
mod attribute;
mod crowd;
mod distribution;
pub mod limit;
pub mod log;
pub mod meter;
pub mod metric;
mod quantity;
mod schema;
pub mod span;
mod walk;
mod wire;

pub use answer::{Signal, failure, success};

use self::limit::REASONS_MAX;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Protocol Buffers, `application/x-protobuf`.
    Protobuf,
    /// Protocol Buffers as JSON, `application/json`.
    Json,
}

impl Encoding {
    /// The encoding that a `Content-Type` names; none where OTLP has none of that name.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        let name = content_type.split(';').next().unwrap_or_default().trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|known| known.content_type().eq_ignore_ascii_case(name))
    }

    /// The name in `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// Why a body as a whole cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends in the middle of a field.
    #[error("the message ends in the middle of a field; send it whole")]
    Truncated,
    /// A number of variable length does not end.
    #[error("a number has more than ten bytes; the body is no OTLP message")]
    Varint,
    /// A field has no number.
    #[error("a field has no valid number; the body is no OTLP message")]
    FieldNumber,
    /// A field holds something else than its schema says.
    #[error("a field has a type that OTLP 1.x does not give it; check the version of the exporter")]
    WireType,
    /// Values nest too deep.
    #[error("attributes or bodies nest deeper than {} levels", limit::DEPTH_MAX)]
    TooDeep,
    /// A histogram has too many buckets.
    #[error("a histogram has more than {} buckets; configure fewer", limit::BUCKETS_MAX)]
    TooManyBuckets,
    /// It is not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
    /// A member of the JSON holds something else than its schema says.
    #[error("`{0}` has a value that OTLP does not allow there")]
    Member(&'static str),
}

/// What was left out of a request, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    /// How many items.
    pub n: u64,
    /// The first different reasons.
    reasons: Vec<String>,
}

impl Rejected {
    /// Leaves out so many items.
    pub fn add(&mut self, n: u64, why: &str) {
        self.n = self.n.saturating_add(n);
        if self.reasons.len() < REASONS_MAX && !self.reasons.iter().any(|known| known == why) {
            self.reasons.push(crate::wording::shortened(why));
        }
    }

    /// Puts two lists together.
    pub fn merge(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        for why in other.reasons {
            self.add(0, &why);
        }
    }

    /// The reasons in one line; empty when nothing was left out.
    #[must_use]
    pub fn message(&self) -> String {
        self.reasons.join("; ")
    }
}

/// What a request holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken<T> {
    /// What could be read.
    pub items: Vec<T>,
    /// What could not.
    pub rejected: Rejected,
}
