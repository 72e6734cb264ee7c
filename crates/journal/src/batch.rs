//! Batches: what is appended together or not at all.

use nightcrew_model::decision::Decision;

use crate::entry::Position;
use crate::error::AppendError;
use crate::frame::{self, Kind};
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
    /// The records of its decisions, as a frame holds them.
    pub(crate) records: Vec<u8>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) expects: Expects,
}

/// What must be there before.
#[derive(Debug)]
pub(crate) enum Expects {
    Nothing,
    /// The log ends here.
    End(Position),
    /// For each part of the batch, in order: its stream, what it must be like, and how many
    /// decisions the part has.
    Streams(Vec<(String, Expected, u64)>),
}

impl Prepared {
    /// Checks the limits and writes the JSON.
    pub(crate) fn of(batch: Batch) -> Result<Self, AppendError> {
        if batch.0.is_empty() || batch.0.iter().any(|append| append.decisions.is_empty()) {
            return Err(AppendError::Empty);
        }
        let mut writing = Writing::default();
        let mut decisions = Vec::new();
        let mut streams = Vec::new();
        let is_conditional = batch.0.iter().any(|append| append.expected != Expected::Any);
        for append in batch.0 {
            for decision in &append.decisions {
                writing.push(&append.stream, decision)?;
            }
            if is_conditional {
                streams.push((append.stream, append.expected, append.decisions.len() as u64));
            }
            decisions.extend(append.decisions);
        }
        let expects = if is_conditional { Expects::Streams(streams) } else { Expects::Nothing };
        Ok(Self { records: writing.records, decisions, expects })
    }

    /// The same for decisions that each go into the stream they belong to, at the end of the log.
    pub(crate) fn at_end(decisions: Vec<Decision>, end: Position) -> Result<Self, NotPrepared> {
        let mut writing = Writing::default();
        let mut outcome = if decisions.is_empty() { Err(AppendError::Empty) } else { Ok(()) };
        for decision in &decisions {
            outcome = outcome.and_then(|()| writing.push(&decision.fact.stream(), decision));
        }
        match outcome {
            Ok(()) => Ok(Self { records: writing.records, decisions, expects: Expects::End(end) }),
            Err(error) => Err(NotPrepared { error, decisions }),
        }
    }
}

/// A batch that breaks a limit, given back.
#[derive(Debug)]
pub struct NotPrepared {
    /// What is wrong with it.
    pub error: AppendError,
    /// What was to be appended.
    pub decisions: Vec<Decision>,
}

#[derive(Default)]
struct Writing {
    records: Vec<u8>,
    n_decisions: usize,
    /// The bytes of JSON so far.
    bytes: usize,
}

impl Writing {
    fn push(&mut self, stream: &str, decision: &Decision) -> Result<(), AppendError> {
        self.n_decisions += 1;
        if stream.len() > STREAM_BYTES_MAX || self.n_decisions > BATCH_DECISIONS_MAX {
            return Err(AppendError::TooLarge);
        }
        let content = frame::put(&mut self.records, Kind::Entry, stream.as_bytes(), |records| {
            serde_json::to_writer(records, decision)
        });
        let content = content.map_err(|error| AppendError::NotStorable(error.to_string()))?;
        self.bytes += content;
        if self.bytes > BATCH_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        Ok(())
    }
}
