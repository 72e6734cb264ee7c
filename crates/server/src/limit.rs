//! Every limit of the server.

use nightcrew_model::unit::Millis;

/// How many connections there may be; a further one waits to be accepted.
pub const CONNECTIONS_MAX: usize = 1_024;

/// How long a request may take to arrive, from its first byte on, and to be answered.
pub const REQUEST_MAX: Millis = Millis::from_secs(30);

/// How long a client may take nothing of what is sent to it.
pub const STALL_MAX: Millis = Millis::from_secs(30);

/// How long a connection may be silent in both directions.
pub const IDLE_MAX: Millis = Millis::from_secs(120);

/// The largest body of alerts, in bytes.
pub const ALERTS_BODY_BYTES_MAX: usize = 16 << 20;

/// The largest body of a door through which one thing at a time is told, in bytes.
pub const DOOR_BODY_BYTES_MAX: usize = 1 << 20;

/// The largest body of telemetry (OTLP), in bytes, as it is sent and as it is unpacked.
pub const TELEMETRY_BODY_BYTES_MAX: usize = 16 << 20;

/// The same for JSON, which takes several times as much memory to read.
pub const TELEMETRY_JSON_BYTES_MAX: usize = 4 << 20;

/// How many samples one data point becomes at most.
pub const SAMPLES_PER_POINT_MAX: usize = 4;

/// How many dead letters one page holds at most.
pub const DEAD_LETTERS_PAGE_MAX: usize = 500;

/// How much of a body that is too large is read and thrown away, in bytes, so that its sender
/// finishes and sees the answer instead of a broken connection.
pub const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// How many bytes of bodies are held at the same time, over all requests.
pub const BODIES_BYTES_MAX: usize = 64 << 20;

/// How many alerts one request may hold.
pub const ALERTS_PER_REQUEST_MAX: usize = 50_000;

/// How deep arrays and objects may nest.
pub const DEPTH_MAX: usize = 32;

/// How many bad alerts an answer names; the others are counted.
pub const BAD_NAMED_MAX: usize = 20;

/// How many labels, or annotations, one alert may have.
pub const LABELS_MAX: usize = 512;

/// How long the labels of one alert may be together, and its annotations with its URL, in bytes.
pub const LABEL_BYTES_MAX: usize = 64 << 10;

/// How long alerts may take to become durable; then their sender is told to send them again.
pub const STORE_MAX: Millis = Millis::from_secs(20);

/// The largest body of what is not alerts: a silence, a lock, a button; in bytes.
pub const COMMAND_BODY_BYTES_MAX: usize = 256 << 10;

/// How many alerts the core shows at a time; it does nothing else meanwhile.
pub const ALERTS_PER_LOOK_MAX: usize = 1_000;

/// How long the name of whoever asks may be, in characters.
pub const NAME_CHARS_MAX: usize = 100;

/// How long a reason that a person gives may be, in characters.
pub const REASON_CHARS_MAX: usize = 1_000;

/// How long a lock may be held without being taken again.
pub const LOCK_SPAN_MAX: Millis = Millis::from_secs(7 * 24 * 3_600);

/// How long somebody may stand in for whoever is on call.
pub const OVERRIDE_SPAN_MAX: Millis = Millis::from_secs(90 * 24 * 3_600);

/// How many days of shifts one answer tells.
pub const SHIFT_DAYS_MAX: u32 = 92;

/// How many alerts are shown, those that changed last.
pub const ALERTS_SHOWN_MAX: usize = 1_000;

/// How many metrics are listed at most.
pub const METRICS_PAGE_MAX: usize = 10_000;

/// How many incidents one page holds at most.
pub const INCIDENTS_PAGE_MAX: usize = 500;

/// How many open incidents are counted.
pub const INCIDENTS_COUNTED_MAX: usize = 10_000;

/// How many decisions of an incident one answer tells.
pub const TIMELINE_ENTRIES_MAX: usize = 1_000;

/// How many decisions the story of one alert tells, the latest ones.
pub const STORY_ENTRIES_MAX: usize = 1_000;

/// How many messages about one incident or group are looked through for those on their way.
pub const STORY_MESSAGES_MAX: usize = 500;

/// How many streams there may be at the same time.
pub const STREAMS_MAX: usize = 64;

/// After how much silence a comment is sent, so that both ends know of each other.
pub const KEEP_ALIVE: Millis = Millis::from_secs(15);

/// How long requests that are under way get to end when the server stops.
pub const STOP_MAX: Millis = Millis::from_secs(3);
