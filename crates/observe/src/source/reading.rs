//! From a number of a source to a reading of ours: the edge at which units are converted.

use nightcrew_config::settings::source::{Asked, Given, Held};
use nightcrew_model::catalogue;
use nightcrew_model::sample::{Reading, Unknown};
use nightcrew_model::unit::{Quantity, Unit};

/// By how much a number may be off the end of its range and still be a matter of rounding.
const ROUNDING: f64 = 1e-9;

const MS_PER_DAY: f64 = 86_400_000.0;

/// What a number of a source is here; not plausible where it makes no sense in its unit.
pub(crate) fn reading(asked: &Asked, value: f64) -> Result<Reading, Unknown> {
    let unit = match asked.held {
        Held::State { up, down } => return state(value, up, down),
        Held::Number(unit) => unit,
    };
    let natural = natural(asked.given, value);
    let held = match (asked.given.natural(), unit) {
        (Some(Unit::Milliseconds), Unit::Days) => natural / MS_PER_DAY,
        (Some(Unit::Days), Unit::Milliseconds) => natural * MS_PER_DAY,
        (Some(Unit::Percent), Unit::Ratio) => natural / 100.0,
        (Some(Unit::Bytes), Unit::Megabytes) => natural / 1e6,
        (_, _) => natural,
    };
    let plausible = in_range(asked, held, unit).and_then(|held| Quantity::new(held, unit));
    plausible
        .map(Reading::Quantity)
        .ok_or_else(|| Unknown::NotPlausible(format!("{held}{}", unit.sign())))
}

/// The number in the natural unit of what is given.
fn natural(given: Given, value: f64) -> f64 {
    match given {
        Given::Nanoseconds => value / 1e6,
        Given::Microseconds => value / 1e3,
        Given::Seconds => value * 1e3,
        Given::Ratio => value * 100.0,
        Given::RatioLeft => 100.0 - value * 100.0,
        Given::PercentLeft => 100.0 - value,
        Given::Kibibytes => value * 1_024.0,
        Given::Mebibytes => value * 1_048_576.0,
        Given::Megabytes => value * 1e6,
        Given::BitsPerSecond => value / 8.0,
        Given::PerSecond => value * 60.0,
        Given::Milliseconds
        | Given::Days
        | Given::Percent
        | Given::Bytes
        | Given::BytesPerSecond
        | Given::PerMinute
        | Given::Count
        | Given::Up => value,
    }
}

/// The number, moved into its range where only rounding put it out.
fn in_range(asked: &Asked, value: f64, unit: Unit) -> Option<f64> {
    let (low, high) = match unit {
        // CPU time of a process goes over several cores.
        Unit::Percent if asked.metric.as_str() == catalogue::PROCESS_CPU => (0.0, f64::MAX),
        Unit::Percent => (0.0, 100.0),
        Unit::Ratio => (0.0, 1.0),
        Unit::Bytes
        | Unit::Megabytes
        | Unit::BytesPerSecond
        | Unit::Milliseconds
        | Unit::PerMinute => (0.0, f64::MAX),
        // What has ended has less than no days left; things can be counted below zero.
        Unit::Days | Unit::Count => (f64::MIN, f64::MAX),
    };
    let near = value.is_finite() && value >= low - ROUNDING && value <= high + ROUNDING;
    near.then(|| value.clamp(low, high))
}

fn state(
    value: f64,
    up: nightcrew_model::sample::Status,
    down: nightcrew_model::sample::Status,
) -> Result<Reading, Unknown> {
    if (value - 1.0).abs() < ROUNDING {
        Ok(Reading::Status(up))
    } else if value.abs() < ROUNDING {
        Ok(Reading::Status(down))
    } else {
        Err(Unknown::NotPlausible(format!("{value}, where 1 or 0 is expected")))
    }
}

/// A number as sources write it in text: `NaN`, `+Inf` and `-Inf` are numbers, a blank is not.
pub(crate) fn float(text: &str) -> Option<f64> {
    match text {
        "NaN" | "nan" => Some(f64::NAN),
        "+Inf" | "Inf" | "inf" | "+inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        // Rust would also take `infinity`, and nothing that a source writes.
        text if text.contains(['i', 'I', 'n', 'N', '_', ' ']) => None,
        text => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_config::settings::source::ServiceOf;
    use nightcrew_model::id::MetricName;
    use nightcrew_model::sample::Status;
    use proptest::prelude::*;

    use super::*;

    fn asked(metric: &str, given: Given) -> Asked {
        let metric = MetricName::from(metric);
        let held = Held::of(given, &metric).unwrap();
        let service = ServiceOf::Fixed("a".into());
        Asked { metric, given, held, service, resource_label: None }
    }

    #[test]
    fn units_are_converted_at_the_edge() {
        let cases = [
            ("api_latency_ms", Given::Seconds, 0.25, "250 ms"),
            ("api_latency_ms", Given::Nanoseconds, 2.5e8, "250 ms"),
            ("api_latency_ms", Given::Microseconds, 600_000.0, "600 ms"),
            ("ssl_expires_in_days", Given::Seconds, -86_400.0, "-1 d"),
            ("memory_usage", Given::RatioLeft, 0.25, "75 %"),
            ("memory_usage", Given::Ratio, 0.25, "25 %"),
            ("disk_usage", Given::PercentLeft, 12.0, "88 %"),
            ("process_memory_mb", Given::Mebibytes, 1.0, "1.05 MB"),
            ("network_receive", Given::BitsPerSecond, 800.0, "100 B/s"),
            ("error_rate_per_min", Given::PerSecond, 0.5, "30/min"),
            ("process_cpu", Given::Ratio, 2.5, "250 %"),
            ("queue", Given::Count, -3.0, "-3"),
            ("process_status", Given::Up, 1.0, "running"),
            ("health_status", Given::Up, 0.0, "failing"),
        ];
        for (metric, given, value, expected) in cases {
            let read = reading(&asked(metric, given), value);
            assert_eq!(read.map(|read| read.to_string()), Ok(expected.to_owned()), "{metric}");
        }
    }

    #[test]
    fn what_makes_no_sense_in_its_unit_is_no_reading() {
        let cases = [
            ("memory_usage", Given::Ratio, 1.2),
            ("memory_usage", Given::RatioLeft, -0.1),
            ("memory_usage", Given::Percent, f64::NAN),
            ("api_latency_ms", Given::Seconds, -1.0),
            ("api_latency_ms", Given::Seconds, f64::INFINITY),
            ("api_latency_ms", Given::Seconds, f64::MAX),
            ("process_memory_mb", Given::Bytes, -1.0),
            ("process_status", Given::Up, 2.0),
            ("process_status", Given::Up, f64::NAN),
        ];
        for (metric, given, value) in cases {
            let read = reading(&asked(metric, given), value);
            assert!(matches!(read, Err(Unknown::NotPlausible(_))), "{metric} {value}: {read:?}");
        }
        let status = reading(&asked("own", Given::Up), 1.0);
        assert_eq!(status, Ok(Reading::Status(Status::Passing)));
    }

    #[test]
    fn rounding_does_not_make_a_number_implausible() {
        let read = reading(&asked("memory_usage", Given::RatioLeft), 1.000_000_000_001).unwrap();
        assert_eq!(read.to_string(), "0 %");
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_finite_and_in_range(value in any::<f64>(), percent in any::<bool>()) {
            let given = if percent { Given::RatioLeft } else { Given::Seconds };
            let metric = if percent { "memory_usage" } else { "api_latency_ms" };
            if let Ok(Reading::Quantity(quantity)) = reading(&asked(metric, given), value) {
                prop_assert!(quantity.value() >= 0.0);
                prop_assert!(!percent || quantity.value() <= 100.0);
            }
        }

        #[test]
        fn any_text_is_a_number_or_not(text in ".{0,12}") {
            let _ = float(&text);
        }
    }

    #[test]
    fn numbers_of_sources_are_read() {
        assert!(float("NaN").unwrap().is_nan());
        assert_eq!(float("+Inf"), Some(f64::INFINITY));
        assert_eq!(float("1.5e3"), Some(1_500.0));
        for text in ["", " 1", "infinity", "1_000", "0x1"] {
            assert_eq!(float(text), None, "{text:?}");
        }
    }
}
