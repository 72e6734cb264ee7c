//! Units as OpenTelemetry writes them (UCUM), as units of ours.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units>.

use nightcrew_model::unit::Unit;

/// What a number in some unit has to be multiplied with to be in a unit of ours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) factor: f64,
    pub(super) unit: Unit,
}

const fn scale(factor: f64, unit: Unit) -> Scale {
    Scale { factor, unit }
}

impl Scale {
    /// How a level in this unit is told.  What has no unit of ours is a count.
    pub(super) fn of(unit: &str, metric: &str) -> Self {
        match unit {
            "s" => scale(1e3, Unit::Milliseconds),
            "ms" => scale(1.0, Unit::Milliseconds),
            "us" | "µs" | "μs" => scale(1e-3, Unit::Milliseconds),
            "ns" => scale(1e-6, Unit::Milliseconds),
            "min" => scale(6e4, Unit::Milliseconds),
            "h" => scale(3.6e6, Unit::Milliseconds),
            "d" => scale(1.0, Unit::Days),
            "By" => scale(1.0, Unit::Bytes),
            "kBy" => scale(1e3, Unit::Bytes),
            "MBy" => scale(1e6, Unit::Bytes),
            "GBy" => scale(1e9, Unit::Bytes),
            "KiBy" => scale(1_024.0, Unit::Bytes),
            "MiBy" => scale(1_048_576.0, Unit::Bytes),
            "GiBy" => scale(1_073_741_824.0, Unit::Bytes),
            "bit" => scale(0.125, Unit::Bytes),
            "By/s" => scale(1.0, Unit::BytesPerSecond),
            "%" => scale(1.0, Unit::Percent),
            "1" | "" if is_ratio(metric) => scale(1.0, Unit::Ratio),
            other => match counted(other) {
                Some("s") => scale(60.0, Unit::PerMinute),
                Some("min") => scale(1.0, Unit::PerMinute),
                Some("h") => scale(1.0 / 60.0, Unit::PerMinute),
                _ => scale(1.0, Unit::Count),
            },
        }
    }

    /// How the rate of a counter in this unit is told, from its growth in a second: seconds of
    /// each second are a ratio.
    pub(super) fn rate(self) -> Self {
        match self.unit {
            Unit::Bytes => scale(self.factor, Unit::BytesPerSecond),
            Unit::Megabytes => scale(self.factor * 1e6, Unit::BytesPerSecond),
            Unit::Milliseconds => scale(self.factor / 1e3, Unit::Ratio),
            Unit::Days => scale(self.factor * 86_400.0, Unit::Ratio),
            Unit::Percent | Unit::Ratio | Unit::BytesPerSecond | Unit::PerMinute | Unit::Count => {
                scale(self.factor * 60.0, Unit::PerMinute)
            }
        }
    }
}

/// Whether a metric without a unit is a part of a whole, by its name (semantic conventions).
fn is_ratio(metric: &str) -> bool {
    metric.split(['.', '_', '-']).any(|word| matches!(word, "utilization" | "ratio"))
}

/// The time behind the slash of `{request}/s`.
fn counted(unit: &str) -> Option<&str> {
    let (counted, per) = unit.split_once('/')?;
    let is_note = counted.starts_with('{') && counted.ends_with('}');
    (is_note || counted == "1" || counted.is_empty()).then_some(per)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_become_units_of_ours() {
        for (unit, metric, wanted) in [
            ("s", "http.server.request.duration", scale(1e3, Unit::Milliseconds)),
            ("MiBy", "m", scale(1_048_576.0, Unit::Bytes)),
            ("1", "system.cpu.utilization", scale(1.0, Unit::Ratio)),
            ("1", "jobs", scale(1.0, Unit::Count)),
            ("{request}", "requests", scale(1.0, Unit::Count)),
            ("{request}/s", "requests", scale(60.0, Unit::PerMinute)),
            ("%", "m", scale(1.0, Unit::Percent)),
            ("Cel", "온도", scale(1.0, Unit::Count)),
        ] {
            assert_eq!(Scale::of(unit, metric), wanted, "{unit} {metric}");
        }
    }

    #[test]
    fn rates_have_units_too() {
        for (unit, wanted) in [
            ("s", scale(1.0, Unit::Ratio)),
            ("KiBy", scale(1_024.0, Unit::BytesPerSecond)),
            ("{request}", scale(60.0, Unit::PerMinute)),
        ] {
            assert_eq!(Scale::of(unit, "m").rate(), wanted, "{unit}");
        }
    }
}
