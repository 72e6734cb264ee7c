//! What happened, counted.

use std::ops::AddAssign;

/// What became of the rows of a batch, or of all since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Rows that are stored now.
    pub accepted: u64,
    /// Accepted rows whose moment had a value already: the later one counts.
    pub replaced: u64,
    /// Refused: not a number, or infinite.
    pub not_finite: u64,
    /// Refused: too much older than the newest sample of the series, or past its time.
    pub too_old: u64,
    /// Refused: too far ahead of the caller's clock.
    pub too_new: u64,
    /// Refused: before 1970 or after 9999.
    pub out_of_range: u64,
    /// Refused: the series is not known, or was forgotten because it had no samples left.
    pub unknown_series: u64,
}

impl Appended {
    /// How many rows were refused, for any reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.not_finite + self.too_old + self.too_new + self.out_of_range + self.unknown_series
    }
}

impl AddAssign for Appended {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.replaced += other.replaced;
        self.not_finite += other.not_finite;
        self.too_old += other.too_old;
        self.too_new += other.too_new;
        self.out_of_range += other.out_of_range;
        self.unknown_series += other.unknown_series;
    }
}

/// How large the store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Living series.
    pub series: usize,
    /// Samples in memory.
    pub head_samples: usize,
    /// Samples and buckets in segments.
    pub segment_samples: u64,
    /// Segment files.
    pub segments: usize,
    /// The size of the segment files, in bytes.
    pub segment_bytes: u64,
    /// What became of all rows since the store was opened.
    pub appended: Appended,
    /// Series that were refused because there are too many.
    pub series_refused: u64,
}
