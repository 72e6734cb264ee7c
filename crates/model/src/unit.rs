//! Units.  A number without one does not leave the edge at which it came in.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hundredths of a whole, 0 to 100 (more for CPU time over several cores).
    Percent,
    /// Parts of a whole, 0 to 1.
    Ratio,
    /// Bytes.
    Bytes,
    /// 1,000,000 bytes.
    Megabytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// Thousandths of a second.
    Milliseconds,
    /// Days of 24 hours.
    Days,
    /// Things in a minute.
    PerMinute,
    /// Things.
    Count,
}

impl Unit {
    /// The sign that stands behind a number of this unit.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Percent => " %",
            Self::Ratio | Self::Count => "",
            Self::Bytes => " B",
            Self::Megabytes => " MB",
            Self::BytesPerSecond => " B/s",
            Self::Milliseconds => " ms",
            Self::Days => " d",
            Self::PerMinute => "/min",
        }
    }
}

/// A number and its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// The number; always finite.
    value: f64,
    /// What it counts.
    unit: Unit,
}

impl Quantity {
    /// A quantity, unless the number is infinite or not a number: such a reading is no reading.
    #[must_use]
    pub fn new(value: f64, unit: Unit) -> Option<Self> {
        value.is_finite().then_some(Self { value, unit })
    }

    /// The number.
    #[must_use]
    pub fn value(self) -> f64 {
        self.value
    }

    /// The unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        self.unit
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.value * 100.0).round() / 100.0;
        write!(f, "{rounded}{}", self.unit.sign())
    }
}

/// A span of time in whole milliseconds: how durations are stored and configured.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Millis(pub u64);

impl Millis {
    /// Longer than anything waits: about 136 years.
    pub const NEVER: Self = Self::from_secs(u32::MAX as u64);

    /// Whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// The same span for a timer.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// How long after `earlier` it is `later`; zero when it is not later.
    #[must_use]
    pub fn between(earlier: jiff::Timestamp, later: jiff::Timestamp) -> Self {
        Self(u64::try_from(later.as_millisecond() - earlier.as_millisecond()).unwrap_or(0))
    }

    /// The moment this long after `at`, or the end of time.
    #[must_use]
    pub fn after(self, at: jiff::Timestamp) -> jiff::Timestamp {
        at.checked_add(self.duration()).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl fmt::Display for Millis {
    /// The two largest parts: `350 ms`, `4.2 s`, `3 min 20 s`, `2 h 5 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        match self.0 {
            0..1_000 => write!(f, "{} ms", self.0),
            1_000..60_000 => {
                let tenths = self.0 % 1_000 / 100;
                if tenths == 0 {
                    write!(f, "{seconds} s")
                } else {
                    write!(f, "{seconds}.{tenths} s")
                }
            }
            60_000..3_600_000 => two_parts(f, seconds / 60, "min", seconds % 60, "s"),
            _ => two_parts(f, seconds / 3_600, "h", seconds / 60 % 60, "min"),
        }
    }
}

fn two_parts(
    f: &mut fmt::Formatter<'_>,
    large: u64,
    large_unit: &str,
    small: u64,
    small_unit: &str,
) -> fmt::Result {
    if small == 0 {
        write!(f, "{large} {large_unit}")
    } else {
        write!(f, "{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_spans_as_people_say_them() {
        let said: Vec<String> = [0, 350, 1_000, 4_250, 60_000, 200_000, 7_500_000]
            .map(|ms| Millis(ms).to_string())
            .to_vec();
        assert_eq!(said, ["0 ms", "350 ms", "1 s", "4.2 s", "1 min", "3 min 20 s", "2 h 5 min"]);
    }

    #[test]
    fn what_is_not_finite_is_no_quantity() {
        assert_eq!(Quantity::new(f64::NAN, Unit::Percent), None);
        assert_eq!(Quantity::new(f64::INFINITY, Unit::Bytes), None);
        assert_eq!(Quantity::new(93.456, Unit::Percent).unwrap().to_string(), "93.46 %");
    }
}
