//! When a series was heard of, and when its silence is unusual.

use jiff::Timestamp;
use nightcrew_model::unit::Millis;

/// Silence is unusual after so many usual intervals …
const INTERVALS: f32 = 10.0;

/// … of a series that was heard of so often.
const HEARD_MIN: u32 = 20;

/// A series that was silent for so long is forgotten.
pub const FORGET: Millis = Millis::from_secs(86_400);

/// How much one interval moves the usual one.
const WEIGHT: f32 = 0.1;

/// When one series was heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    last: Timestamp,
    usual_ms: f32,
    n: u32,
    is_silent: bool,
}

/// What the silence of a series means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Silence {
    /// It is no longer usual, for the first time.
    Began(Millis),
    /// It goes on.
    Lasts,
    /// So long that the series is gone for good.
    Forgotten,
    /// It is usual.
    Usual,
}

impl Heard {
    /// Takes the time of a reading; whether an unusual silence ended.
    pub(super) fn observe(&mut self, at: Timestamp) -> bool {
        let interval = Millis::between(self.last, at).0 as f32;
        if self.n == 1 {
            self.usual_ms = interval;
        } else if self.n > 1 && !self.is_silent {
            // A gap teaches little.
            let seen = interval.min(self.usual_ms * 3.0);
            self.usual_ms += WEIGHT * (seen - self.usual_ms);
        }
        self.last = self.last.max(at);
        self.n = self.n.saturating_add(1);
        std::mem::take(&mut self.is_silent)
    }

    /// The last time.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// The usual interval.
    pub(super) fn usual(&self) -> Millis {
        Millis(self.usual_ms as u64)
    }

    /// What the silence until now means; `least` is the shortest one that counts.
    pub(super) fn judge(&mut self, now: Timestamp, least: Millis) -> Silence {
        let silence = Millis::between(self.last, now);
        if silence >= FORGET {
            return Silence::Forgotten;
        }
        let unusual = Millis((INTERVALS * self.usual_ms) as u64).max(least);
        if self.n < HEARD_MIN || silence < unusual {
            return Silence::Usual;
        }
        if std::mem::replace(&mut self.is_silent, true) {
            Silence::Lasts
        } else {
            Silence::Began(silence)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    const LEAST: Millis = Millis::from_secs(60);

    #[test]
    fn ten_usual_intervals_are_unusual_and_a_day_is_forgotten() {
        let mut heard = Heard::default();
        for n in 0..30 {
            heard.observe(at(n * 15));
        }
        assert_eq!(heard.judge(at(29 * 15 + 100), LEAST), Silence::Usual);
        assert!(matches!(heard.judge(at(29 * 15 + 151), LEAST), Silence::Began(_)));
        assert_eq!(heard.judge(at(29 * 15 + 200), LEAST), Silence::Lasts);
        assert!(heard.observe(at(29 * 15 + 300)));
        assert!(!heard.observe(at(29 * 15 + 315)));
        assert_eq!(heard.judge(at(200_000), LEAST), Silence::Forgotten);
    }

    #[test]
    fn what_was_hardly_heard_of_is_not_missed() {
        let mut heard = Heard::default();
        for n in 0..10 {
            heard.observe(at(n * 15));
        }
        assert_eq!(heard.judge(at(3_600), LEAST), Silence::Usual);
    }
}
