//! By how much counters grow between two looks.
//!
//! **Invariant:** growth is never below zero: a counter that is smaller than before began again at
//! zero, so what it shows has all been counted since.

use std::collections::HashMap;

use nightcrew_model::labels::Labels;

use crate::source::scrape::Row;

/// Remembers counters.
#[derive(Debug, Default)]
pub(super) struct Growth {
    before: HashMap<Labels, f64>,
}

impl Growth {
    /// By how much each counter grew since the look before; one that was not there before is only
    /// remembered.  What is no number counts as not being there.
    pub(super) fn of(&mut self, rows: Vec<Row>) -> Vec<(Labels, f64)> {
        let mut now = HashMap::with_capacity(rows.len());
        let mut grown = Vec::new();
        for Row { labels, value } in rows {
            if !value.is_finite() || value < 0.0 {
                continue;
            }
            if let Some(before) = self.before.get(&labels) {
                grown.push((labels.clone(), if value < *before { value } else { value - before }));
            }
            now.insert(labels, value);
        }
        self.before = now;
        grown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(value: f64) -> Vec<Row> {
        vec![Row { labels: [("a", "b")].into_iter().collect(), value }]
    }

    #[test]
    fn a_reset_counts_from_zero() {
        let mut growth = Growth::default();
        assert_eq!(growth.of(row(100.0)), []);
        assert_eq!(growth.of(row(130.0))[0].1, 30.0);
        assert_eq!(growth.of(row(7.0))[0].1, 7.0);
        assert_eq!(growth.of(Vec::new()), []);
        assert_eq!(growth.of(row(9.0)), [], "what was away is new");
    }

    proptest! {
        #[test]
        fn growth_is_finite_and_never_below_zero(values in prop::collection::vec(any::<f64>(), 0..20)) {
            let mut growth = Growth::default();
            for value in values {
                for (_, grown) in growth.of(row(value)) {
                    prop_assert!(grown >= 0.0 && grown.is_finite());
                }
            }
        }
    }
}
