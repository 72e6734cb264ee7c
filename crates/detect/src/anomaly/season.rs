//! What is usual at this time of the day, learned from the days before.

/// A day in milliseconds.
pub(super) const DAY_MS: i64 = 86_400_000;

/// The parts of a day that are told apart: half an hour each.
const SLOTS: usize = 48;

/// A part of the day in milliseconds.
const SLOT_MS: i64 = DAY_MS / SLOTS as i64;

/// How much of what a day showed replaces what the days before it did.
const DAY_WEIGHT: f64 = 0.35;

/// The samples that a part of the day must have had before it is usual.
const SAMPLES_MIN: u8 = 2;

/// The level of every part of the day.
#[derive(Clone, Debug)]
pub(super) struct Season {
    level: [f32; SLOTS],
    n_samples: [u8; SLOTS],
}

impl Default for Season {
    fn default() -> Self {
        Self { level: [0.0; SLOTS], n_samples: [0; SLOTS] }
    }
}

impl Season {
    /// The level that is usual at this time, once it is known; then the value is learned.
    pub(super) fn learn(&mut self, at_ms: i64, value: f64, interval_ms: f32) -> Option<f64> {
        let slot = usize::try_from(at_ms.rem_euclid(DAY_MS) / SLOT_MS).unwrap_or(0);
        let (Some(level), Some(n)) = (self.level.get_mut(slot), self.n_samples.get_mut(slot))
        else {
            return None;
        };
        let usual = f64::from(*level);
        let is_known = *n >= SAMPLES_MIN;
        let samples_per_slot = (SLOT_MS as f64 / f64::from(interval_ms)).max(1.0);
        let weight = (DAY_WEIGHT / samples_per_slot).max(1.0 / (f64::from(*n) + 1.0));
        *level = (usual + weight * (value - usual)) as f32;
        *n = n.saturating_add(1);
        is_known.then_some(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_of_an_hour_is_learned_in_some_days() {
        let mut season = Season::default();
        let mut usual = None;
        for hour in 0..24 * 20 {
            let value = if hour % 24 == 7 { 50.0 } else { 10.0 };
            usual = season.learn(hour * 3_600_000, value, 3_600_000.0);
            if hour >= 24 * 3 {
                assert!(usual.is_some_and(|usual| (usual - value).abs() < 1e-3), "{hour}");
            }
        }
        assert!(usual.is_some());
    }

    #[test]
    fn any_time_has_its_part_of_the_day() {
        let mut season = Season::default();
        for at in [i64::MIN, -1, 0, DAY_MS - 1, i64::MAX] {
            assert_eq!(season.learn(at, 1.0, 1000.0), None);
        }
    }
}
