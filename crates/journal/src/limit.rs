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

/// How long whoever writes waits for more before it ends, in milliseconds.
pub const LINGER_MS: u64 = 2;

/// The largest number of streams whose versions are kept at hand.
pub const KNOWN_STREAMS_MAX: usize = 10_000;

/// So much of the disk has to be free for anything to be written, in bytes …
pub const FREE_BYTES_MIN: u64 = 256 << 10;

/// … and this many times what is durable and not yet in the tables, so that it finds room there.
pub const FREE_PER_UNFOLDED: u64 = 3;

/// The largest number of requests that are written at once.
pub const GROUP_BATCHES_MAX: usize = 512;

/// A group takes no further request once it has passed this size, in bytes.
pub const GROUP_BYTES_MAX: usize = 8 << 20;

/// The largest frame of the front file, in bytes: a group and the batch with which it passes its
/// limit, with what surrounds them.
pub const FRAME_BYTES_MAX: usize = GROUP_BYTES_MAX + 2 * BATCH_BYTES_MAX;

/// The largest size of the front file, in bytes: so much may be durable and not yet in the tables.
/// Then writing waits for the tables.
pub const FRONT_BYTES_MAX: usize = 64 << 20;

/// How much the front file grows at a time, in bytes.
pub const FRONT_STEP_BYTES: usize = 1 << 20;

/// The size of the front file that is kept when the journal is closed, in bytes.
pub const FRONT_BYTES_KEPT: usize = 1 << 20;

/// Once so much of the front file is in use, in bytes, what is folded is made durable in the
/// database.
pub const FRONT_BYTES_LAZY: usize = 16 << 20;

/// The largest size of what is folded in one transaction, in bytes; a single frame may be larger.
pub const FOLD_BYTES_MAX: usize = 8 << 20;

/// How long what is durable may wait to be folded when nobody asks for it, in milliseconds.
pub const FOLD_DELAY_MS: u64 = 50;

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
pub const SNAPSHOT_BYTES_MAX: usize = 256 << 20;

/// How many snapshots are kept, the newest.
pub const SNAPSHOTS_MAX: usize = 2;

/// The largest body of a dead letter, in bytes.
pub const DEAD_LETTER_BODY_BYTES_MAX: usize = 1 << 20;

/// The longest word of a dead letter (its door, its type, its error, its outcome), in characters.
pub const DEAD_LETTER_WORDS_CHARS_MAX: usize = 1_000;

/// How many dead letters are kept.
pub const DEAD_LETTERS_MAX: usize = 10_000;

/// The size of the bodies of all dead letters that are kept, in bytes.
pub const DEAD_LETTERS_BYTES_MAX: usize = 64 << 20;

/// The longest error that is kept with a retry, in characters.
pub const RETRY_ERROR_CHARS_MAX: usize = 1_000;
