//! Quantiles of histograms with buckets, by linear interpolation as `histogram_quantile` of
//! `PromQL` does it.

/// The quantile `q` (0 to 1) of cumulative buckets `(upper bound, count)`, in any order and added
/// up where a bound comes more than once; none where nothing was counted, or the bucket without a
/// bound is missing.
pub(super) fn of(q: f64, mut buckets: Vec<(f64, f64)>) -> Option<f64> {
    buckets.retain(|(bound, _)| !bound.is_nan());
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (bound, count) in buckets {
        match merged.last_mut() {
            Some(last) if last.0.total_cmp(&bound).is_eq() => last.1 += count,
            _ => merged.push((bound, count)),
        }
    }
    // Buckets that were read at different moments may run backwards.
    let mut most = 0.0_f64;
    for (_, count) in &mut merged {
        most = most.max(*count);
        *count = most;
    }
    let (last_bound, total) = *merged.last()?;
    if last_bound.is_finite() || total <= 0.0 {
        return None;
    }
    let rank = q * total;
    let n = merged.iter().position(|(_, count)| *count >= rank)?;
    let (upper, count) = *merged.get(n)?;
    let below = n.checked_sub(1).and_then(|n| merged.get(n)).copied();
    if upper.is_infinite() {
        // Nothing is known beyond the last bound.
        return below.map(|(bound, _)| bound);
    }
    let (lower, count_below) = match below {
        Some(below) => below,
        None if upper <= 0.0 => return Some(upper),
        None => (0.0, 0.0),
    };
    let inside = count - count_below;
    if inside <= 0.0 {
        return Some(upper);
    }
    Some(lower + (upper - lower) * ((rank - count_below) / inside))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INF: f64 = f64::INFINITY;

    #[test]
    fn interpolates_as_prometheus_does() {
        let buckets = vec![(0.1, 50.0), (0.5, 90.0), (1.0, 100.0), (INF, 100.0)];
        assert_eq!(of(0.5, buckets.clone()), Some(0.1));
        assert_eq!(of(0.25, buckets.clone()), Some(0.05));
        let p90 = of(0.9, buckets.clone()).unwrap();
        assert!((p90 - 0.5).abs() < 1e-12, "{p90}");
        let p99 = of(0.99, buckets).unwrap();
        assert!((p99 - 0.95).abs() < 1e-12, "{p99}");
        assert_eq!(of(0.99, vec![(0.1, 1.0), (INF, 100.0)]), Some(0.1), "beyond the last bound");
        assert_eq!(of(0.5, vec![(-1.0, 10.0), (INF, 10.0)]), Some(-1.0));
    }

    #[test]
    fn nothing_counted_is_no_quantile() {
        assert_eq!(of(0.5, Vec::new()), None);
        assert_eq!(of(0.5, vec![(0.1, 0.0), (INF, 0.0)]), None);
        assert_eq!(of(0.5, vec![(0.1, 5.0)]), None, "the bucket without a bound is missing");
    }

    #[test]
    fn series_of_one_histogram_are_added_up() {
        let buckets = vec![(1.0, 10.0), (INF, 10.0), (1.0, 0.0), (2.0, 10.0), (INF, 10.0)];
        assert_eq!(of(0.25, buckets), Some(0.5));
    }

    proptest! {
        #[test]
        fn lies_between_the_bounds_and_rises_with_q(
            counts in prop::collection::vec(0_u16..100, 1..10),
            q in 0.0_f64..=1.0,
            more in 0.0_f64..=1.0,
        ) {
            let mut sum = 0.0;
            let mut buckets: Vec<(f64, f64)> = counts.iter().enumerate().map(|(n, count)| {
                sum += f64::from(*count);
                (f64::from(u8::try_from(n).unwrap()) + 1.0, sum)
            }).collect();
            buckets.push((INF, sum));
            let high = f64::from(u8::try_from(counts.len()).unwrap());
            match of(q, buckets.clone()) {
                None => prop_assert!(sum == 0.0),
                Some(found) => {
                    prop_assert!((0.0..=high).contains(&found), "{found}");
                    let above = of(q.max(more), buckets).unwrap();
                    prop_assert!(above >= found - 1e-9);
                }
            }
        }

        #[test]
        fn any_buckets_are_read(buckets in prop::collection::vec((any::<f64>(), any::<f64>()), 0..8), q in 0.0_f64..=1.0) {
            let _ = of(q, buckets);
        }
    }
}
