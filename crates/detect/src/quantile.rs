//! Order statistics over slices: the numbers that a few wild values cannot move.
//!
//! **Invariant:** what is not finite is never an input; callers leave it out with [`sorted`].

/// How many standard deviations the interquartile range of a normal distribution spans.
pub const NORMAL_IQR: f64 = 1.349;

/// The finite values in ascending order.
#[must_use]
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The quantile at `share` (0 to 1) of ascending values, interpolated (type 7 of Hyndman and Fan,
/// 1996); none of nothing.
#[must_use]
pub fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * as_f64(last);
    let below = floor_index(place).min(last);
    let low = *ascending.get(below)?;
    let high = ascending.get(below + 1).copied().unwrap_or(low);
    let part = place - as_f64(below);
    // Twice weighted, because `high - low` may overflow.
    Some(low * (1.0 - part) + high * part)
}

/// The middle of ascending values; none of nothing.
#[must_use]
pub fn median(ascending: &[f64]) -> Option<f64> {
    quantile(ascending, 0.5)
}

/// The interquartile range of ascending values as a standard deviation; none of nothing.
#[must_use]
pub fn spread(ascending: &[f64]) -> Option<f64> {
    Some((quantile(ascending, 0.75)? - quantile(ascending, 0.25)?) / NORMAL_IQR)
}

/// A count as a number; exact up to 2⁵³.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "no slice holds 2^53 values")]
pub fn as_f64(count: usize) -> f64 {
    count as f64
}

/// The index at or below a place; 0 for what is negative or not a number.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from f64 saturates, and the place is never negative"
)]
pub fn floor_index(place: f64) -> usize {
    place.max(0.0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        let values = sorted([4.0, 1.0, f64::NAN, 3.0, 2.0, f64::INFINITY]);
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(median(&values), Some(2.5));
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 2.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(spread(&[7.0]), Some(0.0));
    }
}
