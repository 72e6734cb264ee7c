//! Entries of the log and how they are stored.

use std::fmt;

use nightcrew_model::decision::Decision;
use rusqlite::Row;
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
        Self::columns(row).map_err(|error| Trouble::from(error).of(Part::Log, Some(expected)))?
    }

    fn columns(row: &'r Row<'_>) -> Result<Result<Self, Trouble>, rusqlite::Error> {
        let position: i64 = row.get(0)?;
        let stream = row.get_ref(1)?.as_bytes()?;
        let version: i64 = row.get(2)?;
        let schema: i64 = row.get(3)?;
        let checksum: i64 = row.get(4)?;
        let payload = row.get_ref(5)?.as_bytes()?;
        let at = Position(position.cast_unsigned());
        let number = version.cast_unsigned();
        if seal(body(payload, stream), at, number, schema) != checksum {
            return Ok(Err(Damage::log("the checksum does not match", at).into()));
        }
        let (Ok(stream), Ok(payload)) = (str::from_utf8(stream), str::from_utf8(payload)) else {
            return Ok(Err(Damage::log("the text is not UTF-8", at).into()));
        };
        Ok(Ok(Self { position: at, stream, version: number, payload, schema, checksum }))
    }

    /// The decision in it.
    pub(crate) fn decision(&self) -> Result<Decision, Trouble> {
        let newer = |why| Trouble::Newer(NewerEntry { position: self.position, why });
        if self.schema != ENTRY_SCHEMA {
            return Err(newer(format!("entry form {}", self.schema)));
        }
        // The checksum matches, so this is what was written: by a version that knows more.
        serde_json::from_str(self.payload).map_err(|error| newer(error.to_string()))
    }

    /// The whole entry.
    pub(crate) fn entry(&self) -> Result<Entry, Trouble> {
        Ok(Entry {
            position: self.position,
            stream: self.stream.to_owned(),
            version: self.version,
            decision: self.decision()?,
        })
    }
}

/// The checksum over what is known of an entry before its place in the log is: its long part.
pub(crate) fn body(payload: &[u8], stream: &[u8]) -> Crc32 {
    Crc32::new()
        .bytes(payload)
        .bytes(stream)
        .number(payload.len() as u64)
        .number(stream.len() as u64)
}

/// The checksum of an entry.
pub(crate) fn seal(body: Crc32, position: Position, version: u64, schema: i64) -> i64 {
    body.number(position.0).number(version).number(schema.cast_unsigned()).finish()
}
