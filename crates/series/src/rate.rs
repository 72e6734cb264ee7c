//! What is made of samples: values at steps, and how fast a counter grows.

use nightcrew_model::unit::Millis;

use crate::limit::STEPS_MAX;
use crate::sample::{Moment, Sample};

/// Evenly spaced moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first.
    pub from: Moment,
    /// None is at or behind this one.
    pub until: Moment,
    /// How far they are apart; at least a millisecond.
    pub width: Millis,
}

impl Steps {
    /// The moments, at most [`STEPS_MAX`].
    pub fn iter(self) -> impl Iterator<Item = Moment> {
        let width = Millis(self.width.0.max(1));
        let next = move |at: &Moment| Some(at.plus(width)).filter(|next| next > at);
        let moments = std::iter::successors(Some(self.from), next);
        moments.take_while(move |at| *at < self.until).take(STEPS_MAX)
    }
}

/// The last value at each step, no older than `lookback`; `None` where there is none.
///
/// The samples are in the order of time.
pub fn sampled(
    samples: &[Sample],
    steps: Steps,
    lookback: Millis,
) -> impl Iterator<Item = (Moment, Option<f64>)> {
    let mut rest = samples.iter().copied().peekable();
    let mut last: Option<Sample> = None;
    steps.iter().map(move |at| {
        while let Some(sample) = rest.next_if(|sample| sample.at <= at) {
            last = Some(sample);
        }
        let fresh = last.filter(|sample| sample.at >= at.minus(lookback));
        (at, fresh.map(|sample| sample.value))
    })
}

/// How much a counter grew between its first and its last sample.  A counter that falls was reset
/// to zero and has grown to what it shows.  `None` with fewer than two samples.
///
/// Nothing is extrapolated to the ends of a range: the answer is what was seen.
#[must_use]
pub fn increase(samples: &[Sample]) -> Option<f64> {
    if samples.len() < 2 {
        return None;
    }
    let grown = samples.array_windows().map(|[one, next]| {
        if next.value >= one.value { next.value - one.value } else { next.value }
    });
    Some(grown.sum())
}

/// How fast a counter grew, in units a second.  `None` with fewer than two samples.
#[must_use]
pub fn rate(samples: &[Sample]) -> Option<f64> {
    let grown = increase(samples)?;
    let (first, last) = (samples.first()?.at, samples.last()?.at);
    #[expect(clippy::cast_precision_loss, reason = "a span of milliseconds is below 2^53")]
    let seconds = last.0.checked_sub(first.0)? as f64 / 1_000.0;
    (seconds > 0.0).then(|| grown / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[(i64, f64)]) -> Vec<Sample> {
        values.iter().map(|(at, value)| Sample::new(*at, *value)).collect()
    }

    #[test]
    fn steps_see_the_last_value_that_is_fresh() {
        let samples = series(&[(5, 1.0), (20, 2.0), (21, 3.0), (100, 4.0)]);
        let steps = Steps { from: Moment(0), until: Moment(60), width: Millis(10) };
        let values: Vec<_> = sampled(&samples, steps, Millis(15)).map(|(_, value)| value).collect();
        assert_eq!(values, [None, Some(1.0), Some(1.0 + 1.0), Some(3.0), None, None]);
    }

    #[test]
    fn steps_are_limited_and_end_where_time_does() {
        let steps = |from, until, width| {
            Steps { from: Moment(from), until: Moment(until), width: Millis(width) }.iter().count()
        };
        assert_eq!(steps(0, i64::MAX, 0), STEPS_MAX);
        assert_eq!(steps(i64::MAX - 1, i64::MAX, u64::MAX), 1);
        assert_eq!(steps(5, 5, 1), 0);
    }

    #[test]
    fn a_reset_counter_goes_on_from_zero() {
        let samples = series(&[(0, 10.0), (1_000, 15.0), (2_000, 3.0), (4_000, 4.0)]);
        assert_eq!(increase(&samples), Some(9.0));
        assert_eq!(rate(&samples), Some(2.25));
        assert_eq!(rate(&samples[..1]), None);
        assert_eq!(rate(&series(&[(1, 1.0), (1, 2.0)])), None);
        assert_eq!(rate(&[]), None);
    }
}
