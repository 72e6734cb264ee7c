//! Batches: what is appended together or not at all.

use nightcrew_model::decision::Decision;

use crate::checksum::Crc32;
use crate::entry::{Position, body};
use crate::error::AppendError;
use crate::limit::{BATCH_BYTES_MAX, BATCH_DECISIONS_MAX, STREAM_BYTES_MAX};

/// What a writer believes about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Any,
    /// The stream has this many entries.
    Version(u64),
    /// The stream has no entry.
    New,
}

impl Expected {
    /// The version that must be there, if any.
    #[must_use]
    pub fn version(self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Version(version) => Some(version),
            Self::New => Some(0),
        }
    }
}

/// Decisions for one stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Append {
    /// The stream, such as `incident/INC-42`; see
    /// [`Fact::stream`](nightcrew_model::decision::Fact::stream).
    pub stream: String,
    /// What the stream must be like before.
    pub expected: Expected,
    /// The decisions, in order; at least one.
    pub decisions: Vec<Decision>,
}

/// Decisions for any number of streams, appended together in this order, or not at all.  A stream
/// may appear again; what it must be like then includes what the batch itself put there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch(pub Vec<Append>);

impl From<Vec<Decision>> for Batch {
    /// Each decision into the stream it belongs to, in this order, whatever is there already.
    fn from(decisions: Vec<Decision>) -> Self {
        let mut appends: Vec<Append> = Vec::new();
        for decision in decisions {
            let stream = decision.fact.stream();
            match appends.last_mut() {
                Some(last) if last.stream == stream => last.decisions.push(decision),
                _ => appends.push(Append {
                    stream,
                    expected: Expected::Any,
                    decisions: vec![decision],
                }),
            }
        }
        Self(appends)
    }
}

/// Where a batch stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The position of its first decision.
    pub first: Position,
    /// The position of its last decision.
    pub last: Position,
}

/// A batch with everything done to it that needs no lock.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) appends: Vec<PreparedAppend>,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct PreparedAppend {
    pub(crate) stream: String,
    pub(crate) expected: Expected,
    pub(crate) entries: Vec<PreparedEntry>,
}

#[derive(Debug)]
pub(crate) struct PreparedEntry {
    pub(crate) decision: Decision,
    pub(crate) payload: String,
    pub(crate) body: Crc32,
}

impl Prepared {
    /// Checks the limits, writes the JSON and computes the long part of the checksums.
    pub(crate) fn of(batch: Batch) -> Result<Self, AppendError> {
        let n_decisions: usize = batch.0.iter().map(|append| append.decisions.len()).sum();
        if n_decisions == 0 || batch.0.iter().any(|append| append.decisions.is_empty()) {
            return Err(AppendError::Empty);
        }
        if n_decisions > BATCH_DECISIONS_MAX {
            return Err(AppendError::TooLarge);
        }
        let mut prepared = Self { appends: Vec::with_capacity(batch.0.len()), bytes: 0 };
        for append in batch.0 {
            prepared.push(append)?;
        }
        Ok(prepared)
    }

    fn push(&mut self, append: Append) -> Result<(), AppendError> {
        if append.stream.len() > STREAM_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        let mut entries = Vec::with_capacity(append.decisions.len());
        for decision in append.decisions {
            let payload = serde_json::to_string(&decision)
                .map_err(|error| AppendError::NotStorable(error.to_string()))?;
            self.bytes += payload.len();
            if self.bytes > BATCH_BYTES_MAX {
                return Err(AppendError::TooLarge);
            }
            entries.push(PreparedEntry {
                body: body(payload.as_bytes(), append.stream.as_bytes()),
                decision,
                payload,
            });
        }
        self.appends.push(PreparedAppend {
            stream: append.stream,
            expected: append.expected,
            entries,
        });
        Ok(())
    }
}
