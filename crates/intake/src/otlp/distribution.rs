//! What a histogram holds: how much fell between which bounds.

use super::limit::BUCKETS_MAX;

/// The scales that the specification's producers use; a finer one is beyond what a float tells
/// apart.
const SCALES: std::ops::RangeInclusive<i64> = -10..=20;

/// Counts by range.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Distribution {
    /// One count below each bound and one above the last.
    Explicit { bounds: Vec<f64>, counts: Vec<u64> },
    /// The count of each power of a base, by its exponent, in ascending order.
    Exponential { scale: i32, zero: u64, positive: Vec<(i32, u64)>, negative: Vec<(i32, u64)> },
}

/// So much fell from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    low: f64,
    high: f64,
    count: u64,
}

impl Distribution {
    /// A distribution over explicit bounds.
    pub(super) fn explicit(bounds: Vec<f64>, counts: Vec<u64>) -> Result<Self, &'static str> {
        if bounds.is_empty() && counts.is_empty() {
            return Ok(Self::Explicit { bounds, counts: vec![] });
        }
        if counts.len() != bounds.len() + 1 {
            return Err("a histogram needs one bucket more than it has bounds");
        }
        let ascending = bounds.is_sorted_by(|a, b| a < b);
        if !ascending || bounds.iter().any(|bound| bound.is_nan()) {
            return Err("the bounds of a histogram do not ascend");
        }
        Ok(Self::Explicit { bounds, counts })
    }

    /// A distribution over powers of `2^(2^-scale)`.
    pub(super) fn exponential(
        scale: i64,
        zero: u64,
        positive: (i64, &[u64]),
        negative: (i64, &[u64]),
    ) -> Result<Self, &'static str> {
        if !SCALES.contains(&scale) {
            return Err("the scale of an exponential histogram is not from -10 to 20");
        }
        let scale = i32::try_from(scale).unwrap_or_default();
        let buckets = |(offset, counts): (i64, &[u64])| -> Result<Vec<(i32, u64)>, &'static str> {
            let last = offset.saturating_add(counts.len() as i64);
            let indexes = i32::try_from(offset)
                .and_then(|from| i32::try_from(last).map(|to| from..to))
                .map_err(|_| "the offset of an exponential histogram is no 32-bit number")?;
            let all = indexes.zip(counts.iter().copied());
            Ok(all.filter(|(_, count)| *count > 0).collect())
        };
        let (positive, negative) = (buckets(positive)?, buckets(negative)?);
        Ok(Self::Exponential { scale, zero, positive, negative })
    }

    /// What came since an earlier state of the same counts; none where they began anew or have
    /// other bounds.
    pub(super) fn since(&self, before: &Self) -> Option<Self> {
        match (self, before) {
            (
                Self::Explicit { bounds, counts },
                Self::Explicit { bounds: bounds_before, counts: counts_before },
            ) if bounds == bounds_before && counts.len() == counts_before.len() => {
                let pairs = counts.iter().zip(counts_before);
                let counts: Option<_> = pairs.map(|(now, then)| now.checked_sub(*then)).collect();
                Some(Self::Explicit { bounds: bounds.clone(), counts: counts? })
            }
            (
                Self::Exponential { scale, zero, positive, negative },
                Self::Exponential {
                    scale: scale_before,
                    zero: zero_before,
                    positive: positive_before,
                    negative: negative_before,
                },
            ) => {
                // A producer only ever makes its buckets coarser.
                let shift = u32::try_from(scale_before.checked_sub(*scale)?).ok()?;
                Some(Self::Exponential {
                    scale: *scale,
                    // A coarser state may have counted small values as zero.
                    zero: zero.checked_sub(*zero_before)?,
                    positive: grown(positive, &coarser(positive_before, shift))?,
                    negative: grown(negative, &coarser(negative_before, shift))?,
                })
            }
            (Self::Explicit { .. }, _) | (Self::Exponential { .. }, _) => None,
        }
    }

    /// The value below which `share` (0 to 1) of what was counted lies, interpolated as Prometheus
    /// does it (`histogram_quantile`), within `min` and `max` where they are known; none of
    /// nothing.
    pub(super) fn quantile(&self, share: f64, min: Option<f64>, max: Option<f64>) -> Option<f64> {
        let ranges = self.ranges(min, max);
        let total: u64 = ranges.iter().fold(0, |sum, range| sum.saturating_add(range.count));
        let wanted = share * float(total);
        let mut below = 0.0;
        let found = ranges.iter().find(|range| {
            let reached = below + float(range.count);
            let is_here = range.count > 0 && reached >= wanted;
            if !is_here {
                below = reached;
            }
            is_here
        })?;
        let part = ((wanted - below) / float(found.count)).clamp(0.0, 1.0);
        let value = match self {
            Self::Exponential { .. } if found.low > 0.0 => {
                found.low * (found.high / found.low).powf(part)
            }
            Self::Explicit { .. } | Self::Exponential { .. } => {
                found.low + (found.high - found.low) * part
            }
        };
        let value = value.max(min.unwrap_or(value)).min(max.unwrap_or(value));
        value.is_finite().then_some(value)
    }

    fn ranges(&self, min: Option<f64>, max: Option<f64>) -> Vec<Range> {
        match self {
            Self::Explicit { bounds, counts } => {
                let range = |(n, count): (usize, &u64)| {
                    let above = bounds.get(n).copied().filter(|bound| bound.is_finite());
                    let below = n.checked_sub(1).and_then(|n| bounds.get(n).copied());
                    let below = below.filter(|bound| bound.is_finite());
                    let low = match (below, above) {
                        (Some(below), _) => below,
                        (None, Some(above)) if above > 0.0 => min.unwrap_or(0.0).min(above),
                        (None, Some(above)) => min.unwrap_or(above).min(above),
                        (None, None) => min.unwrap_or(f64::NAN),
                    };
                    let high = above.unwrap_or_else(|| max.unwrap_or(low).max(low));
                    Range { low, high, count: *count }
                };
                counts.iter().enumerate().map(range).collect()
            }
            Self::Exponential { scale, zero, positive, negative } => {
                let bound = |index: i32| (f64::from(index) * f64::from(-scale).exp2()).exp2();
                let mirrored = negative.iter().rev().map(|(index, count)| Range {
                    low: -bound(index.saturating_add(1)),
                    high: -bound(*index),
                    count: *count,
                });
                let zero = Range { low: 0.0, high: 0.0, count: *zero };
                let rest = positive.iter().map(|(index, count)| Range {
                    low: bound(*index),
                    high: bound(index.saturating_add(1)),
                    count: *count,
                });
                mirrored.chain([zero]).chain(rest).collect()
            }
        }
    }
}

/// The same counts in buckets that are `2^shift` times as wide.
fn coarser(buckets: &[(i32, u64)], shift: u32) -> Vec<(i32, u64)> {
    let mut merged: Vec<(i32, u64)> = Vec::with_capacity(buckets.len().min(BUCKETS_MAX));
    for (index, count) in buckets {
        let index = index >> shift.min(31);
        match merged.last_mut() {
            Some((last, sum)) if *last == index => *sum = sum.saturating_add(*count),
            _ => merged.push((index, *count)),
        }
    }
    merged
}

/// What each bucket grew by; none where one shrank.
fn grown(now: &[(i32, u64)], before: &[(i32, u64)]) -> Option<Vec<(i32, u64)>> {
    let mut before = before.iter().peekable();
    let mut found = Vec::with_capacity(now.len());
    for (index, count) in now {
        let then = match before.peek() {
            Some((place, then)) if place == index => {
                before.next();
                *then
            }
            Some((place, _)) if place < index => return None,
            Some(_) | None => 0,
        };
        found.push((*index, count.checked_sub(then)?));
    }
    before.next().is_none().then_some(found)
}

/// A count as a number; exact up to 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "a rounding in the 16th digit of a count")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn explicit(bounds: &[f64], counts: &[u64]) -> Distribution {
        Distribution::explicit(bounds.to_vec(), counts.to_vec()).unwrap()
    }

    #[test]
    fn a_quantile_is_interpolated_inside_its_bucket() {
        let seen = explicit(&[100.0, 200.0, 400.0], &[50, 40, 10, 0]);
        assert_eq!(seen.quantile(0.5, None, None), Some(100.0));
        assert_eq!(seen.quantile(0.7, None, None), Some(150.0));
        assert_eq!(seen.quantile(1.0, None, Some(310.0)), Some(310.0), "not beyond the largest");
        let above = explicit(&[1.0], &[0, 7]);
        assert_eq!(above.quantile(0.99, None, None), Some(1.0), "as Prometheus: the last bound");
        assert_eq!(explicit(&[1.0], &[0, 0]).quantile(0.5, None, None), None);
        assert_eq!(explicit(&[], &[]).quantile(0.5, None, None), None);
        assert_eq!(explicit(&[], &[9]).quantile(0.5, None, None), None, "no bound, no value");
        assert_eq!(explicit(&[], &[9]).quantile(0.5, Some(2.0), Some(4.0)), Some(3.0));
    }

    #[test]
    fn an_exponential_quantile_lies_in_its_bucket() {
        let seen = Distribution::exponential(0, 0, (3, &[10]), (0, &[])).unwrap();
        let median = seen.quantile(0.5, None, None).unwrap();
        assert!((median - 8.0 * 2_f64.sqrt()).abs() < 1e-9, "{median}");
        let negative = Distribution::exponential(0, 0, (0, &[]), (0, &[4])).unwrap();
        assert_eq!(negative.quantile(0.0, None, None), Some(-2.0));
    }

    #[test]
    fn coarser_buckets_still_tell_what_came_since() {
        let before = Distribution::exponential(1, 1, (0, &[1, 2, 3, 4]), (0, &[])).unwrap();
        let now = Distribution::exponential(0, 1, (0, &[5, 7]), (0, &[])).unwrap();
        let since = Distribution::exponential(0, 0, (0, &[2]), (0, &[])).unwrap();
        let Some(Distribution::Exponential { positive, .. }) = now.since(&before) else { panic!() };
        assert_eq!(positive, [(0, 2), (1, 0)]);
        assert_eq!(before.since(&now), None, "finer buckets cannot be compared");
        assert_eq!(since.since(&now), None, "a bucket that shrank began anew");
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        Distribution::explicit(vec![1.0], vec![1]).unwrap_err();
        Distribution::explicit(vec![2.0, 1.0], vec![1, 1, 1]).unwrap_err();
        Distribution::explicit(vec![f64::NAN], vec![1, 1]).unwrap_err();
        Distribution::exponential(21, 0, (0, &[]), (0, &[])).unwrap_err();
        Distribution::exponential(0, 0, (i64::MAX, &[1]), (0, &[])).unwrap_err();
    }

    proptest! {
        #[test]
        fn a_quantile_never_leaves_the_bounds(
            counts in proptest::collection::vec(0_u64..1_000_000, 6),
            share in 0.0_f64..=1.0,
        ) {
            let seen = explicit(&[-5.0, 0.0, 1.0, 10.0, 100.0], &counts);
            match seen.quantile(share, None, None) {
                Some(value) => prop_assert!((-5.0..=100.0).contains(&value), "{}", value),
                None => prop_assert_eq!(counts.iter().sum::<u64>(), 0),
            }
        }
    }
}
