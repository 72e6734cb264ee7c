//! What can go wrong with the journal, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::entry::Position;
use crate::limit::{
    BATCH_BYTES_MAX, BATCH_DECISIONS_MAX, DEAD_LETTER_BODY_BYTES_MAX, QUEUE_BATCHES_MAX,
    QUEUE_BYTES_MAX, SNAPSHOT_BYTES_MAX, STREAM_BYTES_MAX,
};

/// Which part of the journal is damaged: it decides what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The log itself.  Nothing can bring it back but a copy.
    Log,
    /// What is folded from the log, or kept beside it.  A rebuild makes it new.
    Projections,
    /// The file; which part of it, only a rebuild can tell.
    File,
}

impl Part {
    fn remedy(self) -> &'static str {
        match self {
            Self::Log => "restore the data folder from a backup",
            Self::Projections => "run `nightcrew rebuild`",
            Self::File => {
                "run `nightcrew rebuild`; if that finds the log damaged, restore the data folder \
                 from a backup"
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Log => "the log of the journal",
            Self::Projections => "a table of the journal",
            Self::File => "the file of the journal",
        })
    }
}

/// Damage: what is stored is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which part.
    pub part: Part,
    /// What was found.
    pub what: String,
    /// Near which entry, where that is known.
    pub position: Option<Position>,
}

impl Damage {
    pub(crate) fn log(what: impl Into<String>, position: Position) -> Self {
        Self { part: Part::Log, what: what.into(), position: Some(position) }
    }

    pub(crate) fn projections(what: impl Into<String>) -> Self {
        Self { part: Part::Projections, what: what.into(), position: None }
    }

    pub(crate) fn file(what: impl Into<String>) -> Self {
        Self { part: Part::File, what: what.into(), position: None }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged", self.part)?;
        if let Some(position) = self.position {
            write!(f, " at position {position}")?;
        }
        write!(f, ": {}; {}", self.what, self.part.remedy())
    }
}

impl std::error::Error for Damage {}

/// What the storage below the journal said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Storage(String);

/// Why the journal could not be opened, rebuilt or verified.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "the journal in {} is in use{}; stop that process first",
        dir.display(),
        by(*pid)
    )]
    Locked {
        /// The data folder.
        dir: PathBuf,
        /// The process, if it could say its id.
        pid: Option<u32>,
    },
    /// There is no journal there.
    #[error("there is no journal at {}; look for a wrong data folder", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The file belongs to some other program.
    #[error(
        "{} is not a journal of Nightcrew; move it away or name another data folder",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of Nightcrew wrote the file.
    #[error(
        "the journal has layout {found} and this version reads up to {known}; start the newer \
         version of Nightcrew that wrote it"
    )]
    NewerSchema {
        /// The layout of the file.
        found: i64,
        /// The newest layout that this version reads.
        known: i64,
    },
    /// A newer version of Nightcrew wrote an entry.
    #[error(transparent)]
    Newer(#[from] NewerEntry),
    /// What is stored is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk has no space left.
    #[error("the disk with the journal is full; free space there and start again")]
    Full,
    /// The folder or a file in it cannot be used.
    #[error("{} cannot be used; check its owner, its mode and the disk", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The storage failed in some other way.
    #[error("the journal could not be opened; look at the disk and the kernel's log")]
    Io(#[source] Storage),
}

impl OpenError {
    pub(crate) fn folder(path: &Path, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::StorageFull {
            return Self::Full;
        }
        Self::Folder { path: path.to_owned(), source }
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// An entry that this version cannot read, although it is not damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the entry at position {position} was written by a newer version of Nightcrew ({why}); start \
     that version"
)]
pub struct NewerEntry {
    /// Which entry.
    pub position: Position,
    /// What is not known here.
    pub why: String,
}

/// Why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended to the stream; read it and decide again.
    #[error("the stream {stream} is at version {actual} and not at {expected}; decide again")]
    Conflict {
        /// The stream.
        stream: String,
        /// The version that the caller knew; 0 for a stream that should not have existed.
        expected: u64,
        /// The version that it has.
        actual: u64,
    },
    /// Somebody else appended; read the log and decide again.
    #[error("the log ends at {actual} and not at {expected}; decide again")]
    Moved {
        /// Where the caller believed that it ends.
        expected: Position,
        /// Where it ends.
        actual: Position,
    },
    /// The batch, or a stream in it, holds no decision.
    #[error("a batch must hold at least one decision in each of its streams")]
    Empty,
    /// The batch is larger than [`BATCH_DECISIONS_MAX`] or [`BATCH_BYTES_MAX`], or a stream's name
    /// longer than [`STREAM_BYTES_MAX`].
    #[error(
        "the batch is larger than {BATCH_DECISIONS_MAX} decisions or {BATCH_BYTES_MAX} bytes, or a \
         stream's name longer than {STREAM_BYTES_MAX} bytes; split or shorten it"
    )]
    TooLarge,
    /// A decision cannot be written as JSON: a path in it is not UTF-8, say.
    #[error("a decision cannot be written as JSON: {0}; correct it")]
    NotStorable(String),
    /// It could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl AppendError {
    /// Whether the same batch may succeed later.  What is not retryable needs another decision.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Write(error) => error.is_retryable(),
            Self::Conflict { .. }
            | Self::Moved { .. }
            | Self::Empty
            | Self::TooLarge
            | Self::NotStorable(_) => false,
        }
    }
}

/// Why something was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The disk has no space left; nothing was written and nothing is lost.
    #[error("the disk with the journal is full; free space there and writing goes on by itself")]
    Full,
    /// Too much waits for the disk; nothing was written.
    #[error(
        "more than {QUEUE_BATCHES_MAX} batches or {QUEUE_BYTES_MAX} bytes wait for the disk; try \
         again in a moment"
    )]
    Overloaded,
    /// The journal is closed, or the runtime is shutting down.
    #[error("the journal is closed; open it again")]
    Closed,
    /// A snapshot is larger than [`SNAPSHOT_BYTES_MAX`].
    #[error("a snapshot may have {SNAPSHOT_BYTES_MAX} bytes and this one has {bytes}; shrink it")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The body of a dead letter is larger than [`DEAD_LETTER_BODY_BYTES_MAX`].
    #[error(
        "the body of a dead letter may have {DEAD_LETTER_BODY_BYTES_MAX} bytes and this one has \
         {bytes}; keep its beginning"
    )]
    LetterTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// What is stored is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The disk failed.  It was not acknowledged; whether it is in the log is known when the
    /// journal is opened again.
    #[error("the journal could not be written; look at the disk and the kernel's log")]
    Io(#[source] Storage),
}

impl WriteError {
    /// Whether the same write may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Full | Self::Overloaded | Self::Io(_) => true,
            Self::Closed
            | Self::TooLarge { .. }
            | Self::LetterTooLarge { .. }
            | Self::Damaged(_) => false,
        }
    }
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The journal is closed, or the runtime is shutting down.
    #[error("the journal is closed; open it again")]
    Closed,
    /// What is stored is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A newer version of Nightcrew wrote it.
    #[error(transparent)]
    Newer(#[from] NewerEntry),
    /// The disk failed.
    #[error("the journal could not be read; look at the disk and the kernel's log")]
    Io(#[source] Storage),
}

/// What went wrong below, before it is known what it means to the caller.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    Full,
    Damaged(Damage),
    Newer(NewerEntry),
    Storage(Storage),
    Closed,
}

impl Trouble {
    /// The same, where a damaged file can only mean this part.
    pub(crate) fn of(self, part: Part, position: Option<Position>) -> Self {
        match self {
            Self::Damaged(damage) if damage.part == Part::File => {
                Self::Damaged(Damage { part, what: damage.what, position })
            }
            other => other,
        }
    }
}

impl Trouble {
    /// What was to be written cannot be.
    pub(crate) fn not_written(error: &serde_json::Error) -> Self {
        Self::Storage(Storage(error.to_string()))
    }

    /// What the operating system said of a file.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded => Self::Full,
            _ => Self::Storage(Storage(format!("{}: {error}", path.display()))),
        }
    }
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi;
        let code = match &error {
            rusqlite::Error::SqliteFailure(code, _)
            | rusqlite::Error::SqlInputError { error: code, .. } => *code,
            // Our statements and their types are right, so a value of another type is damage.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::QueryReturnedNoRows => {
                return Damage::file(error.to_string()).into();
            }
            _ => return Self::Storage(Storage(error.to_string())),
        };
        match (code.code, code.extended_code) {
            // Space for the shared index of the write-ahead log is space on the same disk.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Self::Full,
            (
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::Unknown,
                _,
            )
            | (
                _,
                ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_DATA | ffi::SQLITE_IOERR_CORRUPTFS,
            ) => Damage::file(error.to_string()).into(),
            _ => Self::Storage(Storage(error.to_string())),
        }
    }
}

impl From<Trouble> for OpenError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Damaged(damage) => Self::Damaged(damage),
            Trouble::Newer(newer) => Self::Newer(newer),
            Trouble::Storage(storage) => Self::Io(storage),
            Trouble::Closed => Self::Io(Storage("it is closed".to_owned())),
        }
    }
}

impl From<Trouble> for WriteError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Full,
            Trouble::Damaged(damage) => Self::Damaged(damage),
            // Writing reads no entry back.
            Trouble::Newer(newer) => Self::Io(Storage(newer.to_string())),
            Trouble::Storage(storage) => Self::Io(storage),
            Trouble::Closed => Self::Closed,
        }
    }
}

impl From<Trouble> for ReadError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Full => Self::Io(Storage("the disk is full".to_owned())),
            Trouble::Damaged(damage) => Self::Damaged(damage),
            Trouble::Newer(newer) => Self::Newer(newer),
            Trouble::Storage(storage) => Self::Io(storage),
            Trouble::Closed => Self::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_says_where_and_what_to_do() {
        assert_eq!(
            Damage::log("the checksum does not match", Position(17)).to_string(),
            "the log of the journal is damaged at position 17: the checksum does not match; \
             restore the data folder from a backup"
        );
        assert_eq!(
            Damage::projections("alerts differ").to_string(),
            "a table of the journal is damaged: alerts differ; run `nightcrew rebuild`"
        );
    }
}
