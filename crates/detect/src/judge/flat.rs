//! A series that always moved and stands still: a sensor that hangs, a queue that nobody fills.

use jiff::Timestamp;

/// How many equal values in a row are needed at least …
const RUN_MIN: u32 = 60;

/// How many values before the run show whether a series moves.
const VALUES_MIN: u64 = 100;

/// … and how many times the longest such run before.
const RUN_TIMES: u32 = 10;

/// A series of which fewer values differ from the one before is one that often stands still.
const MOVING_SHARE: f64 = 0.5;

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// It stands still since then, for so many values.
    Stopped {
        since: Timestamp,
        run: u32,
        longest: u32,
    },
    Moves,
}

/// How a series moves.
#[derive(Clone, Debug, Default)]
pub(super) struct Flat {
    last: Option<f64>,
    since: Timestamp,
    run: u32,
    longest: u32,
    n: u64,
    n_moved: u64,
    stopped: bool,
}

impl Flat {
    /// Takes a value; `is_known` says whether the series was seen for long enough, and
    /// `least_ms` how long it must stand still.
    pub(super) fn observe(
        &mut self,
        at: Timestamp,
        value: f64,
        is_known: bool,
        least_ms: i64,
    ) -> Option<Change> {
        let is_same = self.last.is_some_and(|last| last.to_bits() == value.to_bits());
        self.last = Some(value);
        self.n += 1;
        if !is_same {
            self.n_moved += 1;
            // A run that was told of does not make such runs usual.
            if !self.stopped {
                self.longest = self.longest.max(self.run);
            }
            (self.run, self.since) = (0, at);
            return std::mem::take(&mut self.stopped).then_some(Change::Moves);
        }
        self.run = self.run.saturating_add(1);
        let is_long = self.run >= self.longest.saturating_mul(RUN_TIMES).max(RUN_MIN)
            && at.as_millisecond() - self.since.as_millisecond() >= least_ms;
        let n_before = self.n.saturating_sub(u64::from(self.run));
        let moved = self.n_moved as f64 / n_before.max(1) as f64;
        let is_still = moved < MOVING_SHARE || n_before < VALUES_MIN;
        if self.stopped || !is_known || !is_long || is_still {
            return None;
        }
        self.stopped = true;
        Some(Change::Stopped { since: self.since, run: self.run, longest: self.longest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn stopped(value: impl Fn(i64) -> f64, n: i64) -> Option<i64> {
        let mut flat = Flat::default();
        (0..n).find(|second| {
            matches!(
                flat.observe(at(*second), value(*second), true, 1_000),
                Some(Change::Stopped { .. })
            )
        })
    }

    #[test]
    fn what_always_moved_and_stands_still_is_told_once() {
        let hangs = |second: i64| second.min(1_000) as f64;
        assert_eq!(stopped(hangs, 2_000), Some(1_060));
        let mut flat = Flat::default();
        let changes: Vec<Change> =
            (0..2_000).filter_map(|s| flat.observe(at(s), hangs(s), true, 1_000)).collect();
        assert_eq!(changes.len(), 1);
        assert_eq!(flat.observe(at(2_001), 5.0, true, 1_000), Some(Change::Moves));
    }

    #[test]
    fn what_often_stands_still_is_usual() {
        assert_eq!(stopped(|second| (second / 100) as f64, 20_000), None);
        assert_eq!(stopped(|_| 0.0, 5_000), None);
    }
}
