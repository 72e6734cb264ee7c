//! The breaker: a collector that fails again and again is left alone for a while.

use std::fmt;

use jiff::Timestamp;
use nightcrew_config::settings;

/// Decides whether a collector may look.  Pure: time is passed in.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: settings::Breaker,
    state: State,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Looks go through; so many failed in a row.
    Closed {
        /// How many.
        failures: u32,
    },
    /// No look goes through.
    Open {
        /// Since when.
        since: Timestamp,
    },
    /// One look went through, to try; no other does until it is known how it ended.
    HalfOpen {
        /// Since when.
        since: Timestamp,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { failures: 0 } => f.write_str("closed"),
            Self::Closed { failures: 1 } => f.write_str("closed after 1 failure"),
            Self::Closed { failures } => write!(f, "closed after {failures} failures"),
            Self::Open { since } => write!(f, "open since {since}"),
            Self::HalfOpen { since } => write!(f, "half open since {since}"),
        }
    }
}

impl Breaker {
    /// A closed breaker.  A limit of 0 failures is taken as 1.
    #[must_use]
    pub fn new(settings: settings::Breaker) -> Self {
        Self { settings, state: State::Closed { failures: 0 } }
    }

    /// Whether a look may begin now.  Where the one look of a half-open breaker never reports (it
    /// was cut off), another one goes through after the same rest.
    #[must_use]
    pub fn allow(&mut self, now: Timestamp) -> bool {
        match &mut self.state {
            State::Closed { .. } => true,
            State::Open { since } | State::HalfOpen { since } => {
                // A clock that was set back must not prolong the rest.
                *since = now.min(*since);
                let over = now >= self.settings.reset.after(*since);
                if over {
                    self.state = State::HalfOpen { since: now };
                }
                over
            }
        }
    }

    /// A look ended well.
    pub fn success(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    /// A look failed.
    pub fn failure(&mut self, now: Timestamp) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < self.settings.failures => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen { .. } => State::Open { since: now },
            open @ State::Open { .. } => open,
        };
    }

    /// Where it stands, for people.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::unit::Millis;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn breaker() -> Breaker {
        Breaker::new(settings::Breaker { failures: 3, reset: Millis::from_secs(60) })
    }

    #[test]
    fn opens_after_three_failures_and_tries_once_after_a_minute() {
        let mut breaker = breaker();
        for second in 0..3 {
            assert!(breaker.allow(at(second)));
            breaker.failure(at(second));
        }
        assert!(!breaker.allow(at(3)));
        assert!(!breaker.allow(at(61)));
        assert!(breaker.allow(at(62)));
        assert!(!breaker.allow(at(62)), "exactly one goes through");
        breaker.failure(at(63));
        assert!(!breaker.allow(at(122)));
        assert!(breaker.allow(at(123)));
        breaker.success();
        assert_eq!(breaker.state().to_string(), "closed");
    }

    #[test]
    fn a_trial_that_never_reports_does_not_block_for_ever() {
        let mut breaker = breaker();
        (0..3).for_each(|second| breaker.failure(at(second)));
        assert!(breaker.allow(at(62)));
        assert!(!breaker.allow(at(121)));
        assert!(breaker.allow(at(122)));
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_the_rest() {
        let mut breaker = breaker();
        (0..3).for_each(|_| breaker.failure(at(3_600)));
        assert!(!breaker.allow(at(0)));
        assert!(breaker.allow(at(60)));
    }

    proptest! {
        #[test]
        fn never_more_than_one_failing_look_in_a_rest(steps in prop::collection::vec((0_i64..40, any::<bool>()), 1..200)) {
            let mut breaker = breaker();
            let (mut now, mut in_a_row, mut opened) = (0, 0_u32, None);
            for (passed, good) in steps {
                now += passed;
                let allowed = breaker.allow(at(now));
                let resting = opened.is_some_and(|since| now < since + 60);
                prop_assert_eq!(allowed, !resting, "at {}", now);
                if !allowed {
                    continue;
                }
                if good {
                    breaker.success();
                    (in_a_row, opened) = (0, None);
                } else {
                    breaker.failure(at(now));
                    in_a_row += 1;
                    if in_a_row >= 3 {
                        opened = Some(now);
                    }
                }
                prop_assert_eq!(matches!(breaker.state(), State::Open { .. }), opened.is_some());
            }
        }
    }
}
