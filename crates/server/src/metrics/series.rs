//! What `/metrics` tells of the store of series.

use nightcrew_crew::recording::SeriesStatus;

use crate::exposition::{Exposition, Type};

/// Writes how the store is.
pub(super) fn write(text: &mut Exposition, status: &SeriesStatus) {
    let stats = status.stats.unwrap_or_default();
    let healthy = u8::from(status.stats.is_some() && status.trouble.is_none());
    let gauges: [(&str, &str, u64); 7] = [
        ("nightcrew_series_writable", "Whether samples can be stored.", u64::from(healthy)),
        ("nightcrew_series", "Series that live.", stats.series as u64),
        (
            "nightcrew_series_samples_in_memory",
            "Samples that are in no segment yet.",
            stats.head_samples as u64,
        ),
        ("nightcrew_series_samples", "Samples and buckets in segments.", stats.segment_samples),
        ("nightcrew_series_bytes", "The size of the segments.", stats.segment_bytes),
        ("nightcrew_series_waiting", "Samples that wait to be stored.", status.waiting as u64),
        (
            "nightcrew_series_damaged",
            "Pieces of damage that were found.",
            status.damage.len() as u64,
        ),
    ];
    for (name, help, value) in gauges {
        text.single(name, Type::Gauge, help, value);
    }
    let counters = [
        ("nightcrew_series_stored_total", "Samples that were stored.", stats.appended.accepted),
        (
            "nightcrew_series_dropped_total",
            "Samples that found no room or could not be written.",
            status.dropped,
        ),
        (
            "nightcrew_series_refused_total",
            "Samples that were too old, or of a series that was too much.",
            status.refused,
        ),
    ];
    for (name, help, value) in counters {
        text.single(name, Type::Counter, help, value);
    }
}
