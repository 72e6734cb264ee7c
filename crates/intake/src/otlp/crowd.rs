//! Several processes of one service, told as one series.
//!
//! SDKs give each process a `service.instance.id` of its own, new after each start.  A series for
//! each would begin anew with every deployment, so what counts is told as the sum over the
//! processes that are heard, and what is a level as the largest of them.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::id::{MetricName, Target};
use nightcrew_model::unit::Millis;

use super::limit::{PROCESSES_MAX, SERIES_IDLE_MAX};

/// How long a process counts that is not heard again: so many of its intervals, and a half.
const INTERVALS: u64 = 2;

/// How long it counts at least, and at most.
const HEARD_MIN: Millis = Millis::from_secs(15);
const HEARD_MAX: Millis = Millis::from_secs(300);

/// How the numbers of several processes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Together {
    /// What is counted: their sum.
    Sum,
    /// A level: the largest.
    Largest,
}

/// One process says something about a series.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// Which process.
    pub(super) process: u64,
    /// The number; none: it says that it has none.
    pub(super) value: Option<f64>,
    /// The time of the number.
    pub(super) at: Timestamp,
    /// When it came in.
    pub(super) now: Timestamp,
    /// The time between two words of this process, where it is known.
    pub(super) interval: Option<Millis>,
}

/// What all processes of all services said last.
#[derive(Clone, Debug, Default)]
pub(super) struct Crowd(HashMap<(Target, MetricName), Series>);

#[derive(Clone, Debug)]
struct Series {
    /// The time of what was told last.
    told: Option<Timestamp>,
    heard: Timestamp,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    process: u64,
    value: f64,
    heard: Timestamp,
    /// Until when it counts.
    until: Timestamp,
}

impl Crowd {
    /// What is to be told now: the number of all, or that there is none; nothing when something
    /// later was told already.
    pub(super) fn hear(
        &mut self,
        series: &(Target, MetricName),
        together: Together,
        word: Word,
    ) -> Option<Option<f64>> {
        let Word { process, value, at, now, interval } = word;
        if !self.0.contains_key(series) {
            let fresh = Series { told: None, heard: now, members: Vec::new() };
            self.0.insert(series.clone(), fresh);
        }
        let series = self.0.get_mut(series)?;
        series.heard = now;
        series.members.retain(|member| member.process != process && member.until > now);
        if let Some(value) = value {
            if series.members.len() >= PROCESSES_MAX {
                let oldest = series.members.iter().map(|member| member.heard).min();
                series.members.retain(|member| Some(member.heard) != oldest);
            }
            let interval = interval.unwrap_or(Millis::from_secs(60));
            let counts = Millis(interval.0.saturating_mul(2 * INTERVALS + 1) / 2);
            let until = counts.max(HEARD_MIN).min(HEARD_MAX).after(now);
            series.members.push(Member { process, value, heard: now, until });
        }
        if series.told.is_some_and(|told| told >= at) {
            return None;
        }
        series.told = Some(at);
        let values = series.members.iter().map(|member| member.value);
        Some(match together {
            Together::Sum => values.reduce(|a, b| a + b),
            Together::Largest => values.reduce(f64::max),
        })
    }

    /// Forgets series that fell silent.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.0.retain(|_, series| SERIES_IDLE_MAX.after(series.heard) > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> (Target, MetricName) {
        (Target::service("결제".into()), "requests_rate".into())
    }

    fn word(process: u64, value: f64, second: i64) -> Word {
        let at = Timestamp::from_second(second).unwrap();
        let interval = Some(Millis::from_secs(10));
        Word { process, value: Some(value), at, now: at, interval }
    }

    #[test]
    fn processes_are_summed_while_they_are_heard() {
        let mut crowd = Crowd::default();
        let mut hear =
            |process, value, at| crowd.hear(&series(), Together::Sum, word(process, value, at));
        assert_eq!(hear(1, 5.0, 0), Some(Some(5.0)));
        assert_eq!(hear(2, 7.0, 3), Some(Some(12.0)));
        assert_eq!(hear(1, 6.0, 10), Some(Some(13.0)));
        assert_eq!(hear(2, 9.0, 9), None, "something later was told");
        assert_eq!(hear(1, 6.0, 20), Some(Some(15.0)));
        assert_eq!(hear(1, 6.0, 40), Some(Some(6.0)), "the other one is gone");
    }

    #[test]
    fn of_levels_the_largest_is_told_and_no_value_is_none() {
        let mut crowd = Crowd::default();
        let mut hear = |word| crowd.hear(&series(), Together::Largest, word);
        assert_eq!(hear(word(1, 5.0, 0)), Some(Some(5.0)));
        assert_eq!(hear(word(2, 3.0, 1)), Some(Some(5.0)));
        let none = Word { value: None, ..word(1, 0.0, 2) };
        assert_eq!(hear(none), Some(Some(3.0)));
        assert_eq!(hear(Word { value: None, ..word(2, 0.0, 3) }), Some(None));
    }

    #[test]
    fn processes_and_series_are_bounded() {
        let mut crowd = Crowd::default();
        for n in 0..PROCESSES_MAX as i64 + 5 {
            let word = Word { interval: None, ..word(n.unsigned_abs(), 1.0, n / 10) };
            crowd.hear(&series(), Together::Sum, word);
        }
        assert!(crowd.0[&series()].members.len() <= PROCESSES_MAX);
        crowd.sweep(Timestamp::from_second(100_000).unwrap());
        assert!(crowd.0.is_empty());
    }
}
