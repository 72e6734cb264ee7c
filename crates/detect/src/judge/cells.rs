//! The long memory of a series: means of equal stretches of time, a week of them.
//!
//! **Invariant:** at most [`CELLS_MAX`] cells, four bytes each, allocated as they fill.

use std::collections::VecDeque;

use jiff::Timestamp;
use nightcrew_model::unit::Millis;

use crate::point::Point;

/// How many cells an hour of the memory has.
pub const HOUR_CELLS: usize = 12;

/// How many cells a day of the memory has.
pub const DAY_CELLS: usize = 24 * HOUR_CELLS;

/// From how many cells on a series is known.
pub const WARM_CELLS: usize = DAY_CELLS + 6 * HOUR_CELLS;

/// The largest number of cells: a week at five minutes.
pub const CELLS_MAX: usize = 7 * DAY_CELLS;

/// The cells of one series, oldest first; NaN where nothing was seen.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    width_ms: i64,
    means: VecDeque<f32>,
    n_known: usize,
    /// The number of the cell that is filled now, since 1970; none: nothing was seen yet.
    open: Option<i64>,
    sum: f64,
    n: u32,
}

impl Cells {
    pub(super) fn new(width: Millis) -> Self {
        let width_ms = i64::try_from(width.0.max(1)).unwrap_or(i64::MAX);
        Self { width_ms, means: VecDeque::new(), n_known: 0, open: None, sum: 0.0, n: 0 }
    }

    /// Takes a value in; whether a cell was closed.  A value of a cell before the open one is left
    /// out.
    pub(super) fn observe(&mut self, at_ms: i64, value: f64) -> bool {
        let cell = at_ms.div_euclid(self.width_ms);
        let closed = match self.open {
            None => {
                self.open = Some(cell);
                false
            }
            Some(open) if cell < open => return false,
            Some(open) if cell == open => false,
            Some(open) => {
                self.close(usize::try_from(cell.saturating_sub(open)).unwrap_or(usize::MAX));
                self.open = Some(cell);
                true
            }
        };
        self.sum += value;
        self.n = self.n.saturating_add(1);
        closed
    }

    /// Closes the open cell, and as many as were skipped until the next one.
    fn close(&mut self, distance: usize) {
        if distance > CELLS_MAX {
            self.means.clear();
            self.n_known = 0;
        } else {
            let mean = if self.n == 0 { f64::NAN } else { self.sum / f64::from(self.n) };
            self.push(mean as f32);
            for _ in 1..distance {
                self.push(f32::NAN);
            }
        }
        (self.sum, self.n) = (0.0, 0);
    }

    fn push(&mut self, mean: f32) {
        // A value beyond what four bytes hold is no value.
        let mean = if mean.is_finite() { mean } else { f32::NAN };
        self.n_known += usize::from(!mean.is_nan());
        self.means.push_back(mean);
        if self.means.len() > CELLS_MAX
            && let Some(old) = self.means.pop_front()
        {
            self.n_known -= usize::from(!old.is_nan());
        }
    }

    /// How many closed cells there are, known or not.
    pub(super) fn len(&self) -> usize {
        self.means.len()
    }

    /// Whether a day and some hours are remembered, most of it with values: what comes once a
    /// day comes a little later or earlier.
    pub(super) fn is_warm(&self) -> bool {
        self.len() >= WARM_CELLS && self.n_known >= WARM_CELLS * 7 / 10
    }

    /// The value of a closed cell, counted back from the newest (0).
    pub(super) fn back(&self, n: usize) -> Option<f64> {
        let index = self.means.len().checked_sub(n + 1)?;
        self.means.get(index).copied().filter(|mean| !mean.is_nan()).map(f64::from)
    }

    /// The known values of `n` cells, newest first, after leaving out the `skipped` newest ones.
    pub(super) fn newest(&self, skipped: usize, n: usize) -> impl Iterator<Item = f64> {
        self.means
            .iter()
            .rev()
            .skip(skipped)
            .take(n)
            .filter(|it| !it.is_nan())
            .map(|it| f64::from(*it))
    }

    /// The last `n` known cells as points in the middle of their time, oldest first.
    pub(super) fn points(&self, n: usize) -> Vec<Point> {
        let Some(open) = self.open else { return Vec::new() };
        let skipped = self.means.len().saturating_sub(n);
        let first = open.saturating_sub(i64::try_from(self.means.len()).unwrap_or(0));
        (first..)
            .zip(&self.means)
            .skip(skipped)
            .filter(|(_, mean)| !mean.is_nan())
            .filter_map(|(cell, mean)| {
                let at_ms = cell.saturating_mul(self.width_ms).saturating_add(self.width_ms / 2);
                let at = Timestamp::from_millisecond(at_ms).ok()?;
                Some(Point { at, value: f64::from(*mean) })
            })
            .collect()
    }

    /// The time of one cell.
    pub(super) fn width(&self) -> Millis {
        Millis(self.width_ms.unsigned_abs())
    }

    /// The time of `n` cells in milliseconds.
    pub(super) fn span_ms(&self, n: usize) -> i64 {
        self.width_ms.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(n: i64) -> Cells {
        let mut cells = Cells::new(Millis(1_000));
        for cell in 0..n {
            cells.observe(cell * 1_000, 1.0);
            cells.observe(cell * 1_000 + 500, 3.0);
        }
        cells
    }

    #[test]
    fn a_cell_is_the_mean_of_its_values_and_a_gap_is_not_zero() {
        let mut cells = filled(3);
        assert_eq!(cells.len(), 2);
        assert_eq!(cells.back(0), Some(2.0));
        assert!(cells.observe(5_000, 7.0));
        assert_eq!((cells.len(), cells.back(0), cells.back(2)), (5, None, Some(2.0)));
        assert_eq!(cells.points(10).len(), 3);
        assert!(!cells.observe(1_000, 9.0), "it is too late");
    }

    #[test]
    fn memory_is_bounded_and_a_long_gap_forgets() {
        let mut cells = filled(i64::try_from(CELLS_MAX).unwrap() + 100);
        assert_eq!((cells.len(), cells.n_known), (CELLS_MAX, CELLS_MAX));
        cells.observe(i64::MAX, 1.0);
        assert_eq!((cells.len(), cells.n_known), (0, 0));
        cells.observe(i64::MIN, f64::MAX);
    }

    #[test]
    fn what_four_bytes_cannot_hold_is_unknown() {
        let mut cells = Cells::new(Millis(1));
        cells.observe(0, f64::MAX);
        cells.observe(1, 1.0);
        assert_eq!(cells.back(0), None);
    }
}
