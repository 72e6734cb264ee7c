//! How many errors there were in each of the last minutes, by the times that the lines have.

use std::collections::VecDeque;

use jiff::Timestamp;
use nightcrew_model::chart::{Chart, Method, Point};
use nightcrew_model::unit::Unit;

/// How many seconds are counted one by one.
const SECONDS: i64 = 60;

/// How many minutes a chart shows.
pub(crate) const MINUTES: usize = 60;

/// Errors by second and by minute.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Counts of seconds, oldest first; the last one is that of `newest`.
    seconds: VecDeque<u32>,
    newest: i64,
    /// Counts of whole minutes, oldest first, with the minute of each.
    minutes: VecDeque<(i64, u32)>,
}

impl Pace {
    /// Counts an error at a moment; one that is not of the last minute is only in the chart.
    pub(crate) fn error(&mut self, at: Timestamp, now: Timestamp) {
        let (at, now) = (at.as_second().min(now.as_second()), now.as_second());
        self.roll(now);
        let behind = now - at;
        if behind < SECONDS
            && let Ok(behind) = usize::try_from(behind)
            && let Some(nth) = self.seconds.len().checked_sub(behind + 1)
            && let Some(count) = self.seconds.get_mut(nth)
        {
            *count = count.saturating_add(1);
        }
        let minute = at.div_euclid(60);
        match self.minutes.iter_mut().rev().find(|(known, _)| *known == minute) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => {
                let place = self.minutes.partition_point(|(known, _)| *known < minute);
                self.minutes.insert(place, (minute, 1));
                if self.minutes.len() > MINUTES {
                    self.minutes.pop_front();
                }
            }
        }
    }

    /// How many errors there were in the last minute.
    pub(crate) fn per_minute(&mut self, now: Timestamp) -> u32 {
        self.roll(now.as_second());
        self.seconds.iter().fold(0, |sum: u32, count| sum.saturating_add(*count))
    }

    /// The errors of the last hour; none where there were none.
    pub(crate) fn chart(&self, now: Timestamp) -> Option<Box<Chart>> {
        let last = now.as_second().div_euclid(60);
        let first = self.minutes.front()?.0.max(last - MINUTES as i64 + 1);
        let count = |minute: i64| {
            let found = self.minutes.iter().find(|(known, _)| *known == minute);
            found.map_or(0, |(_, count)| *count)
        };
        let point = |minute: i64| {
            let at = Timestamp::from_second(minute * 60).ok()?;
            Some(Point { at, value: f64::from(count(minute)) })
        };
        Some(Box::new(Chart {
            method: Method::Log,
            unit: Unit::PerMinute,
            points: (first..=last).filter_map(point).collect(),
            ahead: Vec::new(),
            expected: None,
            limit: None,
            since: None,
        }))
    }

    fn roll(&mut self, now: i64) {
        let passed = (now - self.newest).clamp(0, SECONDS);
        self.newest = self.newest.max(now);
        for _ in 0..passed {
            self.seconds.push_back(0);
        }
        while self.seconds.len() > SECONDS as usize {
            self.seconds.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn errors_count_for_a_minute_by_their_own_time() {
        let mut pace = Pace::default();
        for second in 0..30 {
            pace.error(at(second), at(second));
        }
        pace.error(at(-3_000), at(30));
        assert_eq!(pace.per_minute(at(30)), 30, "an old one is none of now");
        assert_eq!(pace.per_minute(at(69)), 20);
        assert_eq!(pace.per_minute(at(200)), 0);
        pace.error(at(900), at(200));
        assert_eq!(pace.per_minute(at(200)), 1, "a line of the future is one of now");
    }

    #[test]
    fn the_chart_has_the_minutes_and_no_more() {
        let mut pace = Pace::default();
        assert_eq!(pace.chart(at(0)), None);
        for minute in 0..200 {
            pace.error(at(minute * 60), at(minute * 60));
            pace.error(at(minute * 60), at(minute * 60));
        }
        let chart = pace.chart(at(199 * 60)).unwrap();
        assert_eq!(chart.points.len(), MINUTES);
        assert!(chart.points.iter().all(|point| point.value == 2.0));
        assert!(pace.minutes.len() <= MINUTES);
    }
}
