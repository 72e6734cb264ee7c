//! What comes every week at the same hour: a Monday's rise, a Saturday's backup.
//!
//! Something that comes once a week is rare by its count and still surprises nobody.  The hours
//! of the week that had something rare are remembered; when they have it again, it is expected.

/// An hour in milliseconds.
pub(super) const HOUR_MS: i64 = 3_600_000;

/// The hours of a week.
const HOURS: u8 = 168;

/// No hour yet: it is in no week.
const NO_HOUR: u8 = u8::MAX;

/// Two hours share a byte.
const HOURS_PER_BYTE: u8 = 2;

/// The weeks in a row after which something is fully expected.
const WEEKS_MAX: u8 = 3;

/// By how much a rarity shrinks for each week in which it came after the first: once is chance.
const SHRINK_PER_WEEK: f32 = 0.12;

/// In how many weeks each hour of the week had something rare.
#[derive(Clone, Debug)]
pub(super) struct Week {
    /// Weeks, two hours to a byte: the low half of a byte is the even hour.
    weeks: [u8; (HOURS / HOURS_PER_BYTE) as usize],
    /// The hour of the week that is now, and whether it has had something rare.
    hour: u8,
    is_rare: bool,
}

impl Default for Week {
    fn default() -> Self {
        Self { weeks: [0; (HOURS / HOURS_PER_BYTE) as usize], hour: NO_HOUR, is_rare: false }
    }
}

impl Week {
    /// What a rarity at this time is multiplied by: less when the hour, or the one before or
    /// after it, had something rare in the weeks before.
    pub(super) fn discount(&mut self, at_ms: i64) -> f32 {
        let hour = at_ms.div_euclid(HOUR_MS).rem_euclid(i64::from(HOURS));
        let hour = u8::try_from(hour).unwrap_or(0);
        if hour != self.hour {
            self.close_hour();
            (self.hour, self.is_rare) = (hour, false);
        }
        let around = [hour, (hour + 1) % HOURS, hour.checked_sub(1).unwrap_or(HOURS - 1)];
        let weeks = around.into_iter().map(|hour| self.weeks_at(hour)).max().unwrap_or(0);
        1.0 - SHRINK_PER_WEEK * f32::from(weeks.saturating_sub(1))
    }

    /// Remembers that this hour has something rare.
    pub(super) fn mark(&mut self) {
        self.is_rare = true;
    }

    /// Counts the hour that has ended, up if it had something rare and down if not.
    fn close_hour(&mut self) {
        let weeks = self.weeks_at(self.hour);
        let weeks = if self.is_rare { (weeks + 1).min(WEEKS_MAX) } else { weeks.saturating_sub(1) };
        let (byte, shift) = Self::place(self.hour);
        if let Some(byte) = self.weeks.get_mut(byte) {
            *byte = (*byte & !(0xF << shift)) | (weeks << shift);
        }
    }

    fn weeks_at(&self, hour: u8) -> u8 {
        let (byte, shift) = Self::place(hour);
        self.weeks.get(byte).map_or(0, |byte| (byte >> shift) & 0xF)
    }

    /// The byte of an hour and the bits in it.
    fn place(hour: u8) -> (usize, u8) {
        (
            usize::from(hour / HOURS_PER_BYTE),
            if hour.is_multiple_of(HOURS_PER_BYTE) { 0 } else { 4 },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discounts at one hour over some weeks, each of which has something rare there or not.
    fn discounts(rare: &[bool]) -> Vec<f32> {
        let mut week = Week::default();
        let mut seen = Vec::new();
        for (n, is_rare) in (0..).zip(rare) {
            for hour in 0..i64::from(HOURS) {
                let discount = week.discount((n * i64::from(HOURS) + hour) * HOUR_MS);
                if hour == 77 {
                    seen.push(discount);
                    if *is_rare {
                        week.mark();
                    }
                }
            }
        }
        seen
    }

    #[test]
    fn what_comes_every_week_is_expected_more_and_more() {
        let step = |weeks: f32| 1.0 - weeks * SHRINK_PER_WEEK;
        let expected = [step(0.0), step(0.0), step(1.0), step(2.0), step(2.0)];
        assert_eq!(discounts(&[true; 5]), expected);
    }

    #[test]
    fn what_stays_away_is_forgotten() {
        let seen = discounts(&[true, true, true, false, false]);
        assert!(seen[3] < seen[4], "{seen:?}");
    }

    #[test]
    fn any_time_has_its_hour() {
        let mut week = Week::default();
        for at in [i64::MIN, i64::MAX, 0, -1] {
            assert!(week.discount(at) > 0.0);
            week.mark();
        }
    }
}
