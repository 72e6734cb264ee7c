//! How many actions that interrupt or remove something may run in an hour, over everything.
//!
//! The cap is the last line against a healer that goes round in circles: whoever asks, whatever the
//! playbook.  It counts in a sliding window, and it survives a restart when it is told of the
//! actions of the last hour ([`Window::remember`]).

use std::collections::VecDeque;

use jiff::Timestamp;
use nightcrew_model::unit::Millis;

/// The window in which actions are counted.
pub const RATE_WINDOW: Millis = Millis::from_secs(3_600);

/// The actions of the last hour.
#[derive(Clone, Debug)]
pub struct Window {
    /// So many may begin within [`RATE_WINDOW`].
    max: usize,
    /// When they began, the oldest first; never more than may.
    begun: VecDeque<Timestamp>,
}

impl Window {
    /// An empty window for `max` actions.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { max: usize::try_from(max).unwrap_or(usize::MAX), begun: VecDeque::new() }
    }

    /// Takes one place at `now`.
    ///
    /// # Errors
    /// The moment at which the next place becomes free, when all are taken.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        while let Some(&oldest) = self.begun.front() {
            // A clock that was set back makes an action of the future: it counts until it is past.
            if RATE_WINDOW.after(oldest) > now {
                break;
            }
            self.begun.pop_front();
        }
        match self.begun.front() {
            Some(&oldest) if self.begun.len() >= self.max => Err(RATE_WINDOW.after(oldest)),
            None if self.max == 0 => Err(RATE_WINDOW.after(now)),
            Some(_) | None => {
                self.remember(now);
                Ok(())
            }
        }
    }

    /// Gives the place of an action back that was let pass at `at` and did not begin.
    pub fn give_back(&mut self, at: Timestamp) {
        if let Some(place) = self.begun.iter().rposition(|begun| *begun == at) {
            self.begun.remove(place);
        }
    }

    /// Counts an action that began at `at`, such as one that the journal tells of.
    pub fn remember(&mut self, at: Timestamp) {
        let place = self.begun.partition_point(|begun| *begun <= at);
        self.begun.insert(place, at);
        if self.begun.len() > self.max {
            self.begun.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn the_sixty_first_action_of_an_hour_waits_for_the_first_to_be_an_hour_old() {
        let mut window = Window::new(60);
        for second in 0..60 {
            assert_eq!(window.take(at(second)), Ok(()));
        }
        assert_eq!(window.take(at(60)), Err(at(3_600)));
        assert_eq!(window.take(at(3_599)), Err(at(3_600)));
        assert_eq!(window.take(at(3_600)), Ok(()));
        assert_eq!(window.take(at(3_600)), Err(at(3_601)));
    }

    #[test]
    fn actions_from_before_a_restart_count() {
        let mut window = Window::new(60);
        for second in (0..60).rev() {
            window.remember(at(second));
        }
        assert_eq!(window.take(at(100)), Err(at(3_600)));
    }

    #[test]
    fn what_did_not_begin_takes_no_place() {
        let mut window = Window::new(1);
        assert_eq!(window.take(at(0)), Ok(()));
        window.give_back(at(5));
        assert!(window.take(at(1)).is_err(), "another action's place");
        window.give_back(at(0));
        assert_eq!(window.take(at(1)), Ok(()));
    }

    #[test]
    fn where_none_may_begin_none_does() {
        assert_eq!(Window::new(0).take(at(0)), Err(at(3_600)));
    }

    proptest! {
        #[test]
        fn no_window_of_an_hour_holds_more_than_the_cap(steps in prop::collection::vec(0i64..200, 1..400)) {
            let mut window = Window::new(60);
            let mut now = 0;
            let mut begun: Vec<i64> = Vec::new();
            for step in steps {
                now += step;
                if window.take(at(now)).is_ok() {
                    begun.push(now);
                }
                let recent = begun.iter().filter(|moment| now - **moment < 3_600).count();
                prop_assert!(recent <= 60);
            }
        }
    }
}
