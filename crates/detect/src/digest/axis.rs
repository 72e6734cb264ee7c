//! How often something came, over time, in a fixed number of columns.

use jiff::Timestamp;

/// How many columns there are.
pub const COLUMNS: usize = 32;

/// The axis that all counts of a log share: where it begins, and what one column is worth.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The first moment, in seconds since 1970; none before the first line.
    start: Option<i64>,
    /// How many seconds a column has; it doubles when a moment lies beyond the last one.
    width: i64,
    /// How often it has doubled, for counts that are behind.
    doubled: u32,
}

impl Default for Axis {
    fn default() -> Self {
        Self::new()
    }
}

impl Axis {
    /// An axis that begins with the first line, with columns of a second at first.
    #[must_use]
    pub fn new() -> Self {
        Self { start: None, width: 1, doubled: 0 }
    }

    /// An axis that begins at a moment, with columns of so many seconds at first.
    #[must_use]
    pub fn starting_at(start: Timestamp, column_seconds: i64) -> Self {
        Self { start: Some(start.as_second()), width: column_seconds.max(1), doubled: 0 }
    }

    /// How many seconds a column has.
    #[must_use]
    pub fn width(&self) -> i64 {
        self.width
    }

    /// The column of a moment; what is older than the first moment is in the first column.
    pub fn column(&mut self, at: Timestamp) -> usize {
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    columns: [u32; COLUMNS],
    /// How often the axis had doubled when this was last counted.
    doubled: u32,
}

impl Counts {
    /// Counts one more.
    pub fn count(&mut self, axis: &Axis, column: usize) {
        self.follow(axis);
        if let Some(count) = self.columns.get_mut(column) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds the counts of another thing.
    pub fn add(&mut self, axis: &Axis, other: &Self) {
        self.follow(axis);
        let mut other = other.clone();
        other.follow(axis);
        for (count, more) in self.columns.iter_mut().zip(other.columns) {
            *count = count.saturating_add(more);
        }
    }

    /// The counts, oldest first.
    #[must_use]
    pub fn columns(&self) -> &[u32] {
        &self.columns
    }

    /// Folds columns until they are as wide as those of the axis.
    pub(crate) fn follow(&mut self, axis: &Axis) {
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
        assert_eq!(often.columns()[0], 5);
    }

    #[test]
    fn the_axis_of_a_day_has_the_same_columns_whenever_it_begins_to_be_counted() {
        let mut axis = Axis::starting_at(at(86_400), 2_700);
        assert_eq!((axis.column(at(86_400 + 43_200)), axis.column(at(2 * 86_400 - 1))), (16, 31));
        assert_eq!(axis.width(), 2_700);
    }
}
