//! How long things are kept, and how much of them.

use nightcrew_model::unit::Millis;
use serde::Serialize;

/// How long things are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// What was measured.
    pub metrics: MetricsRetention,
}

/// How long measured values are kept, and how much room they may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MetricsRetention {
    /// How long every sample is kept.
    pub raw: Millis,
    /// How long buckets of 5 minutes are kept.
    pub five_minutes: Millis,
    /// How long buckets of an hour are kept.
    pub hourly: Millis,
    /// How long the files of `metrics/` are kept.
    pub exports: Millis,
    /// The largest size of everything that is kept, in bytes; beyond it the oldest samples go.
    pub disk_bytes: u64,
    /// How many bytes of samples may wait in memory; beyond it they are written out sooner.
    pub memory_bytes: u64,
    /// How many series there may be; a further one is refused and counted.
    pub series_max: u32,
}

impl Default for MetricsRetention {
    fn default() -> Self {
        let days = |days: u64| Millis::from_secs(days * 86_400);
        Self {
            raw: days(15),
            five_minutes: days(90),
            hourly: days(730),
            exports: days(30),
            disk_bytes: 2_000_000_000,
            memory_bytes: 32_000_000,
            series_max: 100_000,
        }
    }
}
