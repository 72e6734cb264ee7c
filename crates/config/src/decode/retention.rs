//! The section `retention`: how long things are kept.

use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::fields::Fields;
use crate::settings::{MetricsRetention, Retention};
use crate::tree::At;

/// How long a kind of times may be kept: from an hour to a hundred years.
const AGE_MIN: Millis = Millis::from_secs(3_600);
const AGE_MAX: Millis = Millis::from_secs(100 * 366 * 86_400);

/// The room on the disk that may be given, in megabytes.
const DISK_MB_MAX: u32 = 1_000_000_000;

/// The room in memory that may be given, in megabytes.
const MEMORY_MB_MAX: u32 = 1_000_000;

/// The largest number of series that may be allowed.
const SERIES_MAX: u32 = 10_000_000;

/// Bytes in a megabyte.
const MEGABYTE: u64 = 1_000_000;

/// Reads `retention`.
pub(crate) fn retention(at: &At<'_>, retention: &mut Retention, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    if let Some(at) = fields.take("metrics") {
        metrics(&at, &mut retention.metrics, cx);
    }
    fields.finish(&mut cx.report);
}

fn metrics(at: &At<'_>, kept: &mut MetricsRetention, cx: &mut Context<'_>) {
    let Some(mut fields) = Fields::open(at, "an object", &mut cx.report) else {
        return;
    };
    let ages = AGE_MIN..=AGE_MAX;
    for (name, age) in [
        ("raw", &mut kept.raw),
        ("five_minutes", &mut kept.five_minutes),
        ("hourly", &mut kept.hourly),
        ("exports", &mut kept.exports),
    ] {
        if let Some(found) = fields.duration(name, ages.clone(), &mut cx.report) {
            *age = found;
        }
    }
    if let Some(mb) = fields.integer("disk_mb", 1..=DISK_MB_MAX, &mut cx.report) {
        kept.disk_bytes = u64::from(mb) * MEGABYTE;
    }
    if let Some(mb) = fields.integer("memory_mb", 1..=MEMORY_MB_MAX, &mut cx.report) {
        kept.memory_bytes = u64::from(mb) * MEGABYTE;
    }
    if let Some(max) = fields.integer("series_max", 1..=SERIES_MAX, &mut cx.report) {
        kept.series_max = max;
    }
    fields.finish(&mut cx.report);
    let (fine, coarse) = (kept.five_minutes, kept.hourly);
    if kept.raw > fine || fine > coarse {
        let said = format!(
            "what is finer is kept longer than what is coarser: samples {}, buckets of 5 minutes \
             {fine}, of an hour {coarse}",
            kept.raw
        );
        cx.report.warning(at, said).hint("raw <= five_minutes <= hourly");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decode_one;

    fn read(text: &str) -> (Retention, Vec<String>) {
        decode_one(text, |at, cx| {
            let mut kept = Retention::default();
            retention(at, &mut kept, cx);
            kept
        })
    }

    #[test]
    fn what_is_given_takes_the_place_of_the_defaults() {
        let (found, problems) = read(
            "{ metrics: { raw_days: 2, five_minutes_hours: 72, hourly_days: 10, disk_mb: 5, \
             memory_mb: 1, series_max: 7 } }",
        );
        assert_eq!(problems, [""; 0]);
        let metrics = found.metrics;
        assert_eq!(metrics.raw, Millis::from_secs(2 * 86_400));
        assert_eq!(metrics.five_minutes, Millis::from_secs(3 * 86_400));
        assert_eq!((metrics.disk_bytes, metrics.memory_bytes), (5_000_000, 1_000_000));
        assert_eq!(metrics.series_max, 7);
        assert_eq!(metrics.exports, MetricsRetention::default().exports);
        assert_eq!(read("{}").0, Retention::default());
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        let said = |text: &str| read(text).1.join("\n");
        assert!(said("{ metrics: { raw: '15d' } }").contains("a duration carries its unit"));
        assert!(said("{ metrics: { raw_minutes: 1 } }").contains("expected from 1 h"));
        assert!(said("{ metrics: { disk_mb: 0 } }").contains("a whole number from 1"));
        assert!(said("{ logs: {} }").contains("unknown key"));
        let order = said("{ metrics: { raw_days: 100 } }");
        assert!(order.contains("warning") && order.contains("finer"), "{order}");
    }
}
