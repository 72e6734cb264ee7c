//! Every limit of the series store.

use nightcrew_model::unit::Millis;

/// The largest number of living series.
pub const SERIES_MAX: usize = 1_000_000;

/// The largest number of labels of a series, its metric name included.
pub const LABELS_MAX: usize = 64;

/// The longest name of a label, in bytes.
pub const LABEL_NAME_BYTES_MAX: usize = 256;

/// The longest value of a label or name of a metric, in bytes.
pub const LABEL_VALUE_BYTES_MAX: usize = 2_048;

/// The largest size of all names and values of one series, in bytes.
pub const LABELS_BYTES_MAX: usize = 8_192;

/// The largest number of rows in a batch.
pub const BATCH_ROWS_MAX: usize = 100_000;

/// How much older than the newest sample of its series a sample may be.
pub const LATE_MAX: Millis = Millis::from_secs(3_600);

/// How far ahead of the caller's clock a sample may be.
pub const FUTURE_MAX: Millis = Millis::from_secs(600);

/// The largest number of samples that wait in memory before they are sealed, at 16 bytes each.
pub const HEAD_SAMPLES_MAX: usize = 8_000_000;

/// The largest number of samples in one chunk.
pub const CHUNK_SAMPLES_MAX: usize = 65_536;

/// The largest chunk on disk, in bytes: six columns of 8 bytes that do not compress at all, and
/// what surrounds them.
pub const CHUNK_BYTES_MAX: usize = CHUNK_SAMPLES_MAX * 8 * 6 + 4_096;

/// The largest number of series in one block of a segment's index.
pub const BLOCK_SERIES_MAX: usize = 1_024;

/// The largest block of a segment's index, in bytes.
pub const BLOCK_BYTES_MAX: usize = 64 << 20;

/// A block of a segment's index ends once it has passed this size, in bytes.
pub const BLOCK_BYTES_FULL: usize = 1 << 20;

/// The largest description of a segment at its end, in bytes.
pub const META_BYTES_MAX: usize = 16 << 20;

/// The largest frame of the write-ahead file, in bytes.
pub const FRAME_BYTES_MAX: usize = 8 << 20;

/// A frame that describes series ends once it has passed this size, in bytes.
pub const FRAME_BYTES_FULL: usize = 1 << 20;

/// So much may wait in memory for the write-ahead file, in bytes.
pub const WAL_BUFFER_BYTES: usize = 1 << 20;

/// How much of a damaged write-ahead file is searched for the next whole frame, in bytes.
pub const RESYNC_BYTES_MAX: usize = 64 << 20;

/// The largest number of pieces of damage that one call reports.
pub const DAMAGE_MAX: usize = 1_000;

/// The largest number of series that one query gives.
pub const QUERY_SERIES_MAX: usize = 100_000;

/// The largest number of samples that one query reads.
pub const QUERY_SAMPLES_MAX: u64 = 50_000_000;

/// The largest number of steps that one series is sampled at.
pub const STEPS_MAX: usize = 100_000;

/// The largest number of merges, and of thinned windows, in one call of `maintain`.
pub const MAINTAIN_STEPS_MAX: usize = 4_096;

/// Segments that lie in one window that is not over yet are merged once there are so many.
pub const OPEN_WINDOW_SEGMENTS_MAX: usize = 8;

/// The largest number of samples of one series that a merge holds in memory.
pub const MERGE_SAMPLES_MAX: u64 = 16_000_000;

/// The largest number of points in one answer.
pub const POINTS_MAX: usize = 100_000;
