//! The short memory of a series: its last values one by one.
//!
//! **Invariant:** at most [`RECENT_MAX`] values, eight bytes each.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::point::Point;

/// How many values are kept.
pub const RECENT_MAX: usize = 64;

/// The last values of one series, oldest first, with the second of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(VecDeque<(u32, f32)>);

impl Recent {
    pub(super) fn push(&mut self, at_ms: i64, value: f64) {
        let Ok(second) = u32::try_from(at_ms.div_euclid(1_000)) else { return };
        if self.0.len() >= RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((second, value as f32));
    }

    /// The values as points, oldest first.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> {
        self.0.iter().filter(|(_, value)| value.is_finite()).filter_map(|(second, value)| {
            let at = Timestamp::from_second(i64::from(*second)).ok()?;
            Some(Point { at, value: f64::from(*value) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_values_make_room() {
        let mut recent = Recent::default();
        for n in 0..100 {
            recent.push(n * 1_000, n as f64);
        }
        recent.push(-1, 5.0);
        assert_eq!(recent.points().count(), RECENT_MAX);
        assert_eq!(recent.points().next().map(|point| point.value), Some(36.0));
    }
}
