//! Every limit of the parsers and of the checks.

use nightcrew_model::unit::Millis;

/// How many alerts one request may hold.
pub const ALERTS_MAX: usize = 50_000;

/// How many labels, or annotations, one alert may have.
pub const LABELS_MAX: usize = 512;

/// How long the labels of one alert may be together, in bytes.
pub const LABELS_BYTES_MAX: usize = 64 << 10;

/// How long the annotations of one alert are kept together with its link, in bytes.  What is
/// longer is cut: nobody misses a page because its description is long.
pub const ANNOTATIONS_BYTES_MAX: usize = 64 << 10;

/// How long an id, or another value that becomes a label, may be, in bytes.
pub const ID_BYTES_MAX: usize = 1_024;

/// How much of the JSON of an event is kept in its annotation `raw`, in bytes.
pub const RAW_BYTES_MAX: usize = 4 << 10;

/// How many characters of a reason are shown.
pub const REASON_CHARS_MAX: usize = 300;

/// How many bad alerts a complaint names; the others are counted.
pub const BAD_NAMED_MAX: usize = 20;

/// How many notes one request leaves.
pub const NOTES_MAX: usize = 20;

/// How many signatures one header may hold.
pub const SIGNATURES_MAX: usize = 16;

/// How many deliveries are remembered against their repetition.
pub const SEEN_MAX: usize = 10_000;

/// How long a sender that signs the time of the *event* goes on delivering it: Amazon SNS and
/// `PagerDuty` repeat a message with its old time after we were down, and it must not be refused.
pub const REDELIVERY_MAX: Millis = Millis::from_secs(3_600);

/// How far the clock of a sender may be ahead of ours.
pub const AHEAD_MAX: Millis = Millis::from_secs(300);

/// How many certificates of Amazon SNS are kept.
pub const CERTIFICATES_MAX: usize = 16;

/// How long a certificate of Amazon SNS may be, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 64 << 10;

/// How long a URL of Amazon SNS may be, in bytes.
pub const URL_BYTES_MAX: usize = 2_048;
