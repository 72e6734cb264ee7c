//! How often something came, over time, in a fixed number of columns.

use jiff::Timestamp;

/// How many columns there are.
pub(crate) const COLUMNS: usize = 32;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The axis that all counts of a file share: where it begins, and what one column is worth.
pub(crate) struct Axis {
    /// The first moment, in seconds since 1970; none before the first line.
    start: Option<i64>,
    /// How many seconds a column has; it doubles when a moment lies beyond the last one.
    width: i64,
    /// How often it has doubled, for counts that are behind.
    doubled: u32,
}

impl Axis {
    pub(crate) fn new() -> Self {
        Self { start: None, width: 1, doubled: 0 }
    }

    /// How many seconds a column has.
    pub(crate) fn width(&self) -> i64 {
        self.width
    }

    /// The column of a moment; what is older than the first moment is in the first column.
    pub(crate) fn column(&mut self, at: Timestamp) -> usize {
        let at = at.as_second();
        let passed = at.saturating_sub(*self.start.get_or_insert(at)).max(0);
        while passed / self.width >= COLUMNS as i64 {
            self.width = self.width.saturating_mul(2);
            self.doubled += 1;
        }
        usize::try_from(passed / self.width).unwrap_or(COLUMNS - 1).min(COLUMNS - 1)
    }
}

/// The counts of one thing.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    columns: [u32; COLUMNS],
    /// How often the axis had doubled when this was last counted.
    doubled: u32,
}

impl Counts {
    pub(crate) fn count(&mut self, axis: &Axis, column: usize) {
        self.follow(axis);
        if let Some(count) = self.columns.get_mut(column) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds the counts of another thing.
    pub(crate) fn add(&mut self, axis: &Axis, other: &Self) {
        self.follow(axis);
        let mut other = other.clone();
        other.follow(axis);
        for (count, more) in self.columns.iter_mut().zip(other.columns) {
            *count = count.saturating_add(more);
        }
    }

    /// Folds columns until they are as wide as those of the axis.
    fn follow(&mut self, axis: &Axis) {
        while self.doubled < axis.doubled {
            let mut folded = [0; COLUMNS];
            for (pair, count) in self.columns.chunks(2).zip(&mut folded) {
                *count = pair.iter().fold(0_u32, |sum, n| sum.saturating_add(*n));
            }
            self.columns = folded;
            self.doubled += 1;
            if self.columns.iter().all(|count| *count == 0) {
                self.doubled = axis.doubled;
            }
        }
    }

    /// The counts as bars, a space where nothing came; only the columns up to `last`.
    pub(crate) fn bars(&self, last: usize) -> String {
        let highest = self.columns.iter().copied().max().unwrap_or(0).max(1);
        let bar = |count: &u32| match usize::try_from(*count).unwrap_or(usize::MAX) {
            0 => ' ',
            count => {
                let highest = usize::try_from(highest).unwrap_or(usize::MAX);
                let height = (count.saturating_mul(BARS.len())).div_ceil(highest);
                BARS.get(height.saturating_sub(1)).copied().unwrap_or('█')
            }
        };
        self.columns.iter().take(last + 1).map(bar).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn columns_get_wider_and_nothing_is_lost() {
        let (mut axis, mut often, mut once) = (Axis::new(), Counts::default(), Counts::default());
        let column = axis.column(at(1_000));
        once.count(&axis, column);
        for second in 0..128 {
            let column = axis.column(at(1_000 + second));
            often.count(&axis, column);
        }
        assert_eq!((axis.width(), axis.column(at(1_127))), (4, 31));
        assert_eq!(often.columns, [4; COLUMNS]);
        assert_eq!(axis.column(at(10)), 0, "older than the first");
        often.add(&axis, &once);
        assert_eq!(often.columns[0], 5);
        assert_eq!(often.bars(3), "█▇▇▇");
        assert_eq!(once.bars(0), "█");
    }
}
