//! Every limit of the journal.

/// The largest number of decisions in a batch.
pub const BATCH_DECISIONS_MAX: usize = 1_000;

/// The largest size of a batch, in bytes of JSON.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// The longest name of a stream, in bytes.
pub const STREAM_BYTES_MAX: usize = 512;

/// The largest number of requests that wait for the disk.
pub const QUEUE_BATCHES_MAX: usize = 1_024;

/// The largest size of all that waits for the disk, in bytes.
pub const QUEUE_BYTES_MAX: usize = 64 << 20;

/// The largest number of requests in one transaction.
pub const GROUP_BATCHES_MAX: usize = 512;

/// A transaction takes no further request once it has passed this size, in bytes.
pub const GROUP_BYTES_MAX: usize = 8 << 20;

/// The size to which the write-ahead log is cut once it was emptied, in bytes.
pub const WAL_BYTES_KEPT: usize = 16 << 20;

/// When the write-ahead log is moved into the file, in pages of 4 KiB.
pub const WAL_PAGES_MAX: usize = 4_096;

/// How much of the file the writer keeps in memory at most, in KiB; it grows with use.
pub const WRITER_CACHE_KIB: usize = 16_384;

/// The largest number of entries that one read gives.
pub const ENTRIES_MAX: usize = 1_000;

/// A read ends with the entry with which it passes this size, in bytes of JSON.
pub const READ_BYTES_MAX: usize = 8 << 20;

/// The largest number of reads at the same time; further ones wait for their turn.
pub const READERS_MAX: u32 = 4;

/// The largest number of rows that one query of a table gives.
pub const ROWS_MAX: usize = 1_000;

/// The largest number of firing alerts that are given at once.
pub const FIRING_MAX: usize = 500_000;

/// The largest snapshot, in bytes.
pub const SNAPSHOT_BYTES_MAX: usize = 16 << 20;

/// How many snapshots are kept, the newest.
pub const SNAPSHOTS_MAX: usize = 2;

/// The longest error that is kept with a retry, in characters.
pub const RETRY_ERROR_CHARS_MAX: usize = 1_000;
