//! What can go wrong with the store, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nightcrew_model::matcher::BadMatcher;

use crate::limit::{
    BATCH_ROWS_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX,
};

/// Damage: what is stored is not what was written.  What is beside it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub path: PathBuf,
    /// Where in it, in bytes from its start.
    pub offset: u64,
    /// What was found.
    pub what: String,
}

impl Damage {
    pub(crate) fn new(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), offset, what: what.into() }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, what } = self;
        write!(
            f,
            "{} is damaged at byte {offset}: {what}; restore it from a backup, or leave it: the \
             rest is read without it",
            path.display()
        )
    }
}

impl std::error::Error for Damage {}

/// Why the store could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the series in {} are in use; stop the other process first", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The disk has no space left.
    #[error("the disk with {} is full; free space there and try again", path.display())]
    Full {
        /// The file that should have grown.
        path: PathBuf,
    },
    /// The folder or a file in it cannot be used.
    #[error("{} cannot be used; check its owner, its mode and the disk", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The disk did not take what was to be made durable, so it is not known what it holds.
    #[error(
        "the disk failed while samples were made durable; what is in memory is whole: call \
         `seal`, or open the store again"
    )]
    Unsynced,
    /// The store was opened to be read.
    #[error("the series in {} were opened to be read; nothing is stored there", dir.display())]
    ReadOnly {
        /// The folder.
        dir: PathBuf,
    },
    /// There is no store in the folder.
    #[error("there are no series in {}; name the data folder of a crew", dir.display())]
    Absent {
        /// The folder.
        dir: PathBuf,
    },
    /// More rows than a batch may have.
    #[error("a batch of {rows} rows is larger than {BATCH_ROWS_MAX}; split it")]
    BatchTooLarge {
        /// How many there were.
        rows: usize,
    },
    /// The compressor did not take its own settings.
    #[error("samples could not be compressed: {what}; this is a fault of the program")]
    Codec {
        /// What it said.
        what: String,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }
}

/// Why a series is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are as many series as there may be.
    #[error("there are {limit} series already; find the label with too many values, or raise it")]
    TooManySeries {
        /// How many there may be.
        limit: usize,
    },
    /// The series has no metric name.
    #[error("the series has no metric name; give it one")]
    NoMetric,
    /// The labels name another metric.
    #[error("the label `__name__` is not the metric's name; leave it out")]
    TwoMetrics,
    /// It has too many labels.
    #[error("the series has {found} labels, more than {LABELS_MAX}; drop some")]
    TooManyLabels {
        /// How many it has.
        found: usize,
    },
    /// A label has no name, or a name that is too long.
    #[error("a label's name is empty or longer than {LABEL_NAME_BYTES_MAX} bytes; rename it")]
    BadLabelName,
    /// A value is too long.
    #[error("a label's value is longer than {LABEL_VALUE_BYTES_MAX} bytes; shorten it")]
    LongValue,
    /// All labels together are too long.
    #[error("the labels are longer than {LABELS_BYTES_MAX} bytes together; drop some")]
    LongLabels,
}

/// Why a query gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The range ends before it starts.
    #[error("the range ends before it starts; exchange its ends")]
    Backwards,
    /// More series match than one query gives.
    #[error("{found} series match, more than {limit}; add a matcher")]
    TooManySeries {
        /// How many match.
        found: usize,
        /// How many may.
        limit: usize,
    },
    /// The series have more samples in the range than one query reads.
    #[error("the range holds about {found} samples, more than {limit}; shorten it")]
    TooManySamples {
        /// About how many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The answer would have more points than one may have.
    #[error("the answer has more than {limit} points; ask for a larger step or a shorter range")]
    TooManyPoints {
        /// How many it may have.
        limit: usize,
    },
    /// The selector is not one.
    #[error(transparent)]
    Matcher(#[from] BadMatcher),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_says_where_and_what_to_do() {
        let damage = Damage::new(Path::new("a/7.seg"), 17, "the checksum does not match");
        assert_eq!(
            damage.to_string(),
            "a/7.seg is damaged at byte 17: the checksum does not match; restore it from a backup, \
             or leave it: the rest is read without it"
        );
    }

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(StoreError::io(Path::new("x"), full), StoreError::Full { .. }));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(StoreError::io(Path::new("x"), denied), StoreError::Io { .. }));
    }
}
