//! Entries of the log and how they are stored.

use std::fmt;

use jiff::Timestamp;
use nightcrew_model::alert::Alert;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::IncidentId;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::severity::Severity;
use rusqlite::Row;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::checksum::Crc32;
use crate::error::{Damage, NewerEntry, Part, Trouble};

/// The form in which entries are written: the JSON of [`Decision`].  Older forms stay readable for
/// ever.
pub(crate) const ENTRY_SCHEMA: i64 = 1;

/// A place in the log.  The first entry is at 1 and each next one at the next number.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before the first entry.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// As a column stores it.  No log is as long as the numbers that do not fit.
    pub(crate) fn column(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One decision in the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Where it stands in the log.
    pub position: Position,
    /// The stream it belongs to.
    pub stream: String,
    /// Its number in its stream, from 1.
    pub version: u64,
    /// The decision.
    pub decision: Decision,
}

/// The columns that [`Stored::of`] reads, in its order.
pub(crate) const COLUMNS: &str = "position, stream, version, schema, checksum, payload";

/// An entry as it is stored, its checksum verified.
pub(crate) struct Stored<'r> {
    pub(crate) position: Position,
    pub(crate) stream: &'r str,
    pub(crate) version: u64,
    pub(crate) payload: &'r str,
    pub(crate) schema: i64,
    pub(crate) checksum: i64,
}

impl<'r> Stored<'r> {
    /// Reads a row of [`COLUMNS`]; `expected` is where the entry should stand, for the report of a
    /// row that cannot even say that.
    pub(crate) fn of(row: &'r Row<'_>, expected: Position) -> Result<Self, Trouble> {
        Self::behind(row, 0, expected)
    }

    /// The same where so many other columns come first.
    pub(crate) fn behind(
        row: &'r Row<'_>,
        n_columns: usize,
        expected: Position,
    ) -> Result<Self, Trouble> {
        Self::columns(row, n_columns)
            .map_err(|error| Trouble::from(error).of(Part::Log, Some(expected)))?
    }

    fn columns(row: &'r Row<'_>, at: usize) -> Result<Result<Self, Trouble>, rusqlite::Error> {
        let position: i64 = row.get(at)?;
        let stream = row.get_ref(at + 1)?.as_bytes()?;
        let version: i64 = row.get(at + 2)?;
        let schema: i64 = row.get(at + 3)?;
        let checksum: i64 = row.get(at + 4)?;
        let payload = row.get_ref(at + 5)?.as_bytes()?;
        let at = Position(position.cast_unsigned());
        let number = version.cast_unsigned();
        if seal(payload, stream, at, number, schema) != checksum {
            return Ok(Err(Damage::log("the checksum does not match", at).into()));
        }
        let (Ok(stream), Ok(payload)) = (str::from_utf8(stream), str::from_utf8(payload)) else {
            return Ok(Err(Damage::log("the text is not UTF-8", at).into()));
        };
        Ok(Ok(Self { position: at, stream, version: number, payload, schema, checksum }))
    }

    /// The decision in it, or a part of it.
    pub(crate) fn decision<D: DeserializeOwned>(&self) -> Result<D, Trouble> {
        if self.schema != ENTRY_SCHEMA {
            let why = format!("entry form {}", self.schema);
            return Err(Trouble::Newer(NewerEntry { position: self.position, why }));
        }
        decision(self.payload, self.position)
    }

    /// The decision in it.
    pub(crate) fn whole(&self) -> Result<Decision, Trouble> {
        match quick(self.payload) {
            Some(decision) if self.schema == ENTRY_SCHEMA => Ok(decision),
            _ => self.decision(),
        }
    }

    /// The whole entry.
    pub(crate) fn entry(&self) -> Result<Entry, Trouble> {
        Ok(Entry {
            position: self.position,
            stream: self.stream.to_owned(),
            version: self.version,
            decision: self.whole()?,
        })
    }
}

/// What an alert that began says, member by member.
#[derive(Deserialize)]
struct Fired {
    at: Timestamp,
    alert: Box<Alert>,
    reason: Reason,
}

/// What an alert that joined an incident says, member by member.
#[derive(Deserialize)]
struct Joined {
    at: Timestamp,
    incident: IncidentId,
    alert: Fingerprint,
    severity: Severity,
    reason: Reason,
}

/// Reads the two most frequent decisions without the detour over a tree that a fact, which says
/// its kind among its members, otherwise takes.  None: it is another one, or not as expected.
pub(crate) fn quick(payload: &str) -> Option<Decision> {
    let (_, rest) = payload.split_once("\"fact\":\"")?;
    let (at, fact, reason) = if rest.starts_with("alert_fired\"") {
        let Fired { at, alert, reason } = serde_json::from_str(payload).ok()?;
        (at, Fact::AlertFired { alert }, reason)
    } else if rest.starts_with("alert_joined\"") {
        let Joined { at, incident, alert, severity, reason } =
            serde_json::from_str(payload).ok()?;
        (at, Fact::AlertJoined { incident, alert, severity }, reason)
    } else {
        return None;
    };
    Some(Decision { at, fact, reason })
}

/// The decision in an entry whose checksum matched, or a part of it.
pub(crate) fn decision<D: DeserializeOwned>(
    payload: &str,
    position: Position,
) -> Result<D, Trouble> {
    // What was written is what is read: by a version that knows more.
    serde_json::from_str(payload)
        .map_err(|error| Trouble::Newer(NewerEntry { position, why: error.to_string() }))
}

/// The checksum of an entry.
pub(crate) fn seal(
    payload: &[u8],
    stream: &[u8],
    position: Position,
    version: u64,
    schema: i64,
) -> i64 {
    let mut numbers = [0; 40];
    let parts =
        [payload.len() as u64, stream.len() as u64, position.0, version, schema.cast_unsigned()];
    for (place, part) in numbers.as_chunks_mut::<8>().0.iter_mut().zip(parts) {
        *place = part.to_le_bytes();
    }
    Crc32::new().bytes(payload).bytes(stream).bytes(&numbers).finish()
}
