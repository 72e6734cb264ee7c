//! Unit sanity: a number that nobody would believe is reported, not learned.
//!
//! A service that "usually takes 600,000 ms" takes 600 ms, read in microseconds.  A baseline that
//! swallows such a number is blind for good.
//!
//! **Invariant:** only what is [`Sanity::Plausible`] may be learned.

use nightcrew_model::unit::Unit;
use serde::Serialize;

use crate::quantile::{median, sorted};

/// The smallest number of values that is judged.
pub const VALUES_MIN: usize = 3;

/// A usual answer takes no longer, in milliseconds: clients and gateways give up after a minute.
pub const LATENCY_MS_MAX: f64 = 60_000.0;

/// A usual answer takes no less, in milliseconds: a microsecond is no answer over a network.
pub const LATENCY_MS_MIN: f64 = 0.001;

/// No machine has more bytes, in disk or memory: an exbibyte.
pub const BYTES_MAX: f64 = 1.152_921_504_606_847e18;

/// CPU time of 1,024 cores, in percent of one.
pub const PERCENT_MAX: f64 = 102_400.0;

/// How near a jump must be to a factor between two units, as a share of it.
const FACTOR_TOLERANCE: f64 = 0.1;

/// Factors between units that are taken for each other.
fn factors(unit: Unit) -> &'static [f64] {
    match unit {
        Unit::Percent | Unit::Ratio => &[100.0],
        // Seconds, milliseconds, micro- and nanoseconds.
        Unit::Milliseconds => &[1e3, 1e6, 1e9],
        Unit::Bytes | Unit::BytesPerSecond | Unit::Megabytes => {
            &[1e3, 1_024.0, 1e6, 1_048_576.0, 1e9, 1_073_741_824.0]
        }
        Unit::Days => &[24.0, 86_400.0, 86_400_000.0],
        Unit::PerMinute => &[60.0],
        Unit::Count => &[],
    }
}

/// Whether values can be in their unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sanity {
    /// They can.
    Plausible {
        /// The usual value.
        typical: f64,
    },
    /// They hardly can; the usual value, why, and by what factor they are likely too large (less
    /// than 1: too small).
    Doubtful {
        /// The usual value.
        typical: f64,
        /// Why.
        because: Doubt,
        /// What to divide by to make it plausible; none: no known factor does.
        divide_by: Option<f64>,
    },
    /// There are too few values to judge.
    Unknown {
        /// How many finite values there are.
        n_values: usize,
    },
}

/// Why values can hardly be in their unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// More than anything of that unit has.
    TooLarge,
    /// Less than anything of that unit has.
    TooSmall,
    /// Below zero where nothing is.
    Negative,
    /// What was learned before, times a factor between units.
    JumpOfAUnit,
}

impl std::fmt::Display for Sanity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Plausible { typical } => write!(f, "usually {typical}"),
            Self::Unknown { n_values } => {
                write!(f, "{n_values} values, {VALUES_MIN} are needed to judge the unit")
            }
            Self::Doubtful { typical, because, divide_by } => {
                write!(f, "usually {typical} is ")?;
                f.write_str(match because {
                    Doubt::TooLarge => "more than anything of its unit has",
                    Doubt::TooSmall => "less than anything of its unit has",
                    Doubt::Negative => "below zero",
                    Doubt::JumpOfAUnit => "what was learned, in another unit",
                })?;
                if let Some(factor) = divide_by {
                    write!(f, "; check the unit at the source: divided by {factor} it would fit")?;
                }
                Ok(())
            }
        }
    }
}

/// Whether `values` can be in `unit`, and whether they are in the unit of what was `learned`.
#[must_use]
pub fn judge(unit: Unit, values: &[f64], learned: Option<f64>) -> Sanity {
    let ascending = sorted(values.iter().copied());
    let n_values = ascending.len();
    let Some(typical) = median(&ascending).filter(|_| n_values >= VALUES_MIN) else {
        return Sanity::Unknown { n_values };
    };
    let (low, high) = bounds(unit);
    let fits = |value: f64| value >= low && value <= high;
    let because = if typical < 0.0 {
        Some(Doubt::Negative)
    } else if typical > high {
        Some(Doubt::TooLarge)
    } else if typical > 0.0 && typical < low {
        Some(Doubt::TooSmall)
    } else {
        None
    };
    if let Some(because) = because {
        let divide_by = match because {
            Doubt::TooLarge => factors(unit).iter().copied().find(|factor| fits(typical / factor)),
            Doubt::TooSmall => {
                factors(unit).iter().find(|factor| fits(typical * **factor)).map(|it| it.recip())
            }
            Doubt::Negative | Doubt::JumpOfAUnit => None,
        };
        return Sanity::Doubtful { typical, because, divide_by };
    }
    match learned.and_then(|learned| jump(unit, typical, learned)) {
        Some(factor) => {
            Sanity::Doubtful { typical, because: Doubt::JumpOfAUnit, divide_by: Some(factor) }
        }
        None => Sanity::Plausible { typical },
    }
}

/// An answer that takes ten minutes or more is a mistake of units, however seldom it comes.
pub const ANSWER_MS_MAX: f64 = 600_000.0;

/// Whether not even a single value can be that, so that no limit should be compared with it.
#[must_use]
pub fn cannot_be(unit: Unit, value: f64) -> bool {
    match unit {
        Unit::Milliseconds => !(0.0..ANSWER_MS_MAX).contains(&value),
        Unit::Percent => !(0.0..=PERCENT_MAX).contains(&value),
        Unit::Ratio => !(0.0..=PERCENT_MAX / 100.0).contains(&value),
        Unit::Bytes | Unit::BytesPerSecond => !(0.0..=BYTES_MAX).contains(&value),
        Unit::Megabytes => !(0.0..=BYTES_MAX / 1e6).contains(&value),
        // A certificate may have ended, and what an operator counts may be below zero.
        Unit::Days | Unit::PerMinute | Unit::Count => false,
    }
}

/// The smallest and the largest usual value of a unit; 0 is always allowed.
fn bounds(unit: Unit) -> (f64, f64) {
    match unit {
        Unit::Percent => (0.0, PERCENT_MAX),
        Unit::Ratio => (0.0, 1.0),
        Unit::Bytes | Unit::BytesPerSecond => (0.0, BYTES_MAX),
        Unit::Megabytes => (0.0, BYTES_MAX / 1e6),
        Unit::Milliseconds => (LATENCY_MS_MIN, LATENCY_MS_MAX),
        // Certificates of ten years are common; a century is not.
        Unit::Days => (0.0, 36_525.0),
        Unit::PerMinute | Unit::Count => (0.0, f64::MAX),
    }
}

/// The factor between two units that is also the one between the values.
fn jump(unit: Unit, typical: f64, learned: f64) -> Option<f64> {
    let ratio = typical / learned;
    if !ratio.is_finite() || ratio <= 0.0 {
        return None;
    }
    // A hundredfold of errors or requests happens; a thousandfold within a tenth hardly does.
    let factors = factors(unit).iter().copied().filter(|factor| *factor >= 1_000.0);
    factors
        .flat_map(|factor| [factor, factor.recip()])
        .find(|factor| (ratio / factor - 1.0).abs() <= FACTOR_TOLERANCE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_usual_latency_of_ten_minutes_is_a_wrong_unit_and_not_learned() {
        let said = judge(Unit::Milliseconds, &[598_000.0, 600_000.0, 612_000.0], None);
        assert_eq!(
            said,
            Sanity::Doubtful {
                typical: 600_000.0,
                because: Doubt::TooLarge,
                divide_by: Some(1_000.0),
            }
        );
        assert_eq!(
            said.to_string(),
            "usually 600000 is more than anything of its unit has; check the unit at the source: \
             divided by 1000 it would fit"
        );
    }

    #[test]
    fn what_can_be_is_plausible_and_what_cannot_is_not() {
        let fits = [
            (Unit::Milliseconds, 600.0),
            (Unit::Milliseconds, 0.0),
            (Unit::Milliseconds, 30_000.0),
            (Unit::Ratio, 1.0),
            (Unit::Percent, 750.0),
            (Unit::Bytes, 4e12),
            (Unit::Count, 1e12),
        ];
        for (unit, value) in fits {
            assert_eq!(judge(unit, &[value; 3], None), Sanity::Plausible { typical: value });
        }
        let doubted = [
            (Unit::Ratio, 37.0, Doubt::TooLarge, Some(100.0)),
            (Unit::Milliseconds, 0.000_6, Doubt::TooSmall, Some(0.001)),
            (Unit::Milliseconds, 2e11, Doubt::TooLarge, Some(1e9)),
            (Unit::Bytes, -1.0, Doubt::Negative, None),
            (Unit::Megabytes, 4e15, Doubt::TooLarge, Some(1_000_000.0)),
        ];
        for (unit, value, because, divide_by) in doubted {
            let expected = Sanity::Doubtful { typical: value, because, divide_by };
            assert_eq!(judge(unit, &[value; 3], None), expected);
        }
    }

    #[test]
    fn a_single_value_is_doubted_only_where_it_cannot_be() {
        for (unit, value, doubted) in [
            (Unit::Milliseconds, 600_000.0, true),
            (Unit::Milliseconds, 120_000.0, false),
            (Unit::Milliseconds, -1.0, true),
            (Unit::Percent, 750.0, false),
            (Unit::Bytes, -1.0, true),
            (Unit::Days, -3.0, false),
            (Unit::Count, -3.0, false),
        ] {
            assert_eq!(cannot_be(unit, value), doubted, "{unit:?} {value}");
        }
    }

    #[test]
    fn what_was_learned_times_a_thousand_is_another_unit() {
        let said = |value: f64| judge(Unit::Milliseconds, &[value; 5], Some(12.0));
        assert!(matches!(
            said(12_300.0),
            Sanity::Doubtful { because: Doubt::JumpOfAUnit, divide_by: Some(1_000.0), .. }
        ));
        assert!(matches!(said(0.012), Sanity::Doubtful { because: Doubt::JumpOfAUnit, .. }));
        assert!(matches!(said(4_000.0), Sanity::Plausible { .. }), "slow, but in its unit");
        assert!(matches!(said(1_200.0), Sanity::Plausible { .. }), "an incident is no unit");
    }

    #[test]
    fn too_few_values_are_not_judged() {
        assert_eq!(
            judge(Unit::Bytes, &[1.0, f64::NAN, 2.0], None),
            Sanity::Unknown { n_values: 2 }
        );
    }

    proptest! {
        #[test]
        fn what_is_learned_fits_its_unit(
            values in prop::collection::vec(any::<f64>(), 0..20),
            learned in prop::option::of(any::<f64>()),
        ) {
            if let Sanity::Plausible { typical } = judge(Unit::Milliseconds, &values, learned) {
                prop_assert!((0.0..=LATENCY_MS_MAX).contains(&typical));
            }
        }
    }
}
