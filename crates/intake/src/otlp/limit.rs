//! Every limit of what comes in by OTLP.

use nightcrew_model::unit::Millis;

/// How many data points, log records or spans one request may hold; the others are rejected.
pub const ITEMS_MAX: usize = 10_000;

/// How many buckets one histogram may have.
pub const BUCKETS_MAX: usize = 512;

/// How deep values may nest.
pub const DEPTH_MAX: usize = 16;

/// How many series are followed at a time; further ones are rejected until others fall silent.
pub const SERIES_MAX: usize = 10_000;

/// After how long a series that says nothing is forgotten.
pub const SERIES_IDLE_MAX: Millis = Millis::from_secs(15 * 60);

/// How often it is looked for series that fell silent, when there is no room for another one.
pub const SWEEP_INTERVAL: Millis = Millis::from_secs(10);

/// How many attributes one data point may have.
pub const ATTRIBUTES_MAX: usize = 32;

/// How long the attributes of one data point may be as text, in bytes.
pub const ATTRIBUTES_BYTES_MAX: usize = 512;

/// How long the name of a service may be, in characters.
pub const SERVICE_CHARS_MAX: usize = 100;

/// How long the name of a metric may be with what is put behind it, in characters: as much as a
/// condition of the configuration can name.
pub const METRIC_CHARS_MAX: usize = 128;

/// How much of a log record is kept, in bytes.
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// How many processes of one service are told apart.
pub const PROCESSES_MAX: usize = 256;

/// How old a data point may be.
pub const AGE_MAX: Millis = Millis::from_secs(3_600);

/// How far ahead of our clock a data point may be.
pub const AHEAD_MAX: Millis = Millis::from_secs(300);

/// How many reasons an answer names.
pub const REASONS_MAX: usize = 5;
