//! Burn rate of an error budget: how many times faster than allowed it is spent.
//!
//! The four pairs of windows are those of the SRE workbook (Google, 2018, chapter 5, "multiple
//! burn rate alerts"): the long window says that it matters, the short one that it still happens.
//!
//! **Invariant:** silence is never health: a window without fresh counts is unknown.

use std::collections::VecDeque;

use jiff::Timestamp;
use nightcrew_model::unit::Millis;
use serde::Serialize;

/// One pair of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// 14.4 times on 1 h and 5 min: 2 % of a month's budget in an hour; somebody wakes up.
    Blazing,
    /// 6 times on 6 h and 30 min: 5 % in six hours; somebody wakes up.
    Fast,
    /// 3 times on 1 d and 2 h: 10 % in a day; a ticket.
    Slow,
    /// Once on 3 d and 6 h: 10 % in three days; a ticket.
    Creeping,
}

impl Pace {
    /// Every pair, the fastest first.
    pub const ALL: [Self; 4] = [Self::Blazing, Self::Fast, Self::Slow, Self::Creeping];

    /// The burn rate from which on the pair speaks.
    #[must_use]
    pub fn rate_min(self) -> f64 {
        match self {
            Self::Blazing => 14.4,
            Self::Fast => 6.0,
            Self::Slow => 3.0,
            Self::Creeping => 1.0,
        }
    }

    /// The long and the short window, in minutes.
    #[must_use]
    pub fn windows_minutes(self) -> (i64, i64) {
        match self {
            Self::Blazing => (60, 5),
            Self::Fast => (6 * 60, 30),
            Self::Slow => (24 * 60, 2 * 60),
            Self::Creeping => (3 * 24 * 60, 6 * 60),
        }
    }

    /// Whether somebody should be woken up for it.
    #[must_use]
    pub fn wakes(self) -> bool {
        matches!(self, Self::Blazing | Self::Fast)
    }
}

/// How many minutes are remembered one by one: the longest window.
pub const MINUTES_MAX: usize = 3 * 24 * 60;

/// How many hours are remembered for the budget: the longest that an objective may span.
pub const HOURS_MAX: usize = 90 * 24;

/// Counts older than this say nothing about now.
pub const FRESH: Millis = Millis::from_secs(5 * 60);

/// A promise: this share of all events is good, over this time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Objective {
    /// The promised share of good events, above 0 and below 1.
    share: f64,
    /// Over how many hours, up to [`HOURS_MAX`].
    hours: usize,
}

/// Why there is no such objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadObjective {
    /// The share is not above 0 and below 1: a promise of 100 % leaves no budget to burn.
    Share,
    /// The time is no hour, or more than [`HOURS_MAX`].
    Hours,
}

impl std::fmt::Display for BadObjective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Share => f.write_str("write a share above 0 and below 1, such as 0.999"),
            Self::Hours => write!(f, "write a time between 1 and {HOURS_MAX} hours"),
        }
    }
}

impl std::error::Error for BadObjective {}

impl Objective {
    /// The promise of a share of good events over some days.
    ///
    /// # Errors
    /// When the share leaves no budget, or the time cannot be remembered.
    pub fn new(share: f64, hours: usize) -> Result<Self, BadObjective> {
        if !(share > 0.0 && share < 1.0) {
            return Err(BadObjective::Share);
        }
        if !(1..=HOURS_MAX).contains(&hours) {
            return Err(BadObjective::Hours);
        }
        Ok(Self { share, hours })
    }

    /// The promised share of good events.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share
    }

    /// Over how many hours.
    #[must_use]
    pub fn hours(&self) -> usize {
        self.hours
    }
}

/// What the counters of a service say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// When they were read.
    pub at: Timestamp,
    /// All events since the counter began.
    pub total: f64,
    /// The bad ones of them.
    pub bad: f64,
}

/// What one pair of windows says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Burning {
    /// Faster than the pair allows, in both windows.
    Yes {
        /// The rate in the long window.
        long: f64,
        /// The rate in the short window.
        short: f64,
    },
    /// Not in both.
    No {
        /// The rate in the long window.
        long: f64,
        /// The rate in the short window.
        short: f64,
    },
    /// Nobody knows.
    Unknown(Why),
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// No counts were ever read.
    NoCounts,
    /// The last counts are older than [`FRESH`].
    Stale,
    /// Nothing happened in the short window, so there is nothing to judge.
    NoEvents,
}

/// What is left of the error budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// So much of it, as a share; negative when it is overspent.
    Left {
        /// 1 when nothing is spent.
        share: f64,
    },
    /// Nothing happened in all that time.
    Unknown,
}

/// Watches the counters of one service.
#[derive(Clone, Debug)]
pub struct Burn {
    objective: Objective,
    last: Option<Counts>,
    minutes: Cells,
    hours: Cells,
}

impl Burn {
    /// A watch that has seen nothing.
    #[must_use]
    pub fn new(objective: Objective) -> Self {
        let hours = Cells::new(3_600, objective.hours);
        Self { objective, last: None, minutes: Cells::new(60, MINUTES_MAX), hours }
    }

    /// Takes what the counters say.  A counter that fell began anew; counts that are not finite,
    /// negative, or older than the last are left out.
    pub fn observe(&mut self, counts: Counts) {
        let is_sane = |count: f64| count.is_finite() && count >= 0.0;
        if !is_sane(counts.total) || !is_sane(counts.bad) {
            return;
        }
        let Some(last) = self.last else {
            self.last = Some(counts);
            return;
        };
        if counts.at < last.at {
            return;
        }
        // Both begin anew together, when the process does.
        let is_reset = counts.total < last.total || counts.bad < last.bad;
        let from = if is_reset { Counts { total: 0.0, bad: 0.0, ..last } } else { last };
        let total = counts.total - from.total;
        let bad = (counts.bad - from.bad).min(total);
        self.minutes.add(counts.at, total, bad);
        self.hours.add(counts.at, total, bad);
        self.last = Some(counts);
    }

    /// What every pair of windows says now, the fastest first.
    #[must_use]
    pub fn judge(&self, now: Timestamp) -> [(Pace, Burning); 4] {
        Pace::ALL.map(|pace| (pace, self.judge_one(pace, now)))
    }

    fn judge_one(&self, pace: Pace, now: Timestamp) -> Burning {
        let Some(last) = self.last else {
            return Burning::Unknown(Why::NoCounts);
        };
        if Millis::between(last.at, now) > FRESH {
            return Burning::Unknown(Why::Stale);
        }
        let (long, short) = pace.windows_minutes();
        let rate = |minutes: i64| {
            let (total, bad) = self.minutes.sum(now, minutes);
            (total > 0.0).then(|| bad / total / (1.0 - self.objective.share))
        };
        let (Some(long), Some(short)) = (rate(long), rate(short)) else {
            return Burning::Unknown(Why::NoEvents);
        };
        if long >= pace.rate_min() && short >= pace.rate_min() {
            Burning::Yes { long, short }
        } else {
            Burning::No { long, short }
        }
    }

    /// What is left of the budget of the time of the objective that ends now.
    #[must_use]
    pub fn budget(&self, now: Timestamp) -> Budget {
        let hours = i64::try_from(self.objective.hours).unwrap_or(i64::MAX);
        let (total, bad) = self.hours.sum(now, hours);
        if total > 0.0 {
            Budget::Left { share: 1.0 - bad / total / (1.0 - self.objective.share) }
        } else {
            Budget::Unknown
        }
    }
}

/// What happened in the last so many stretches of equal duration, ascending; empty ones are not
/// kept.
#[derive(Clone, Debug)]
struct Cells {
    seconds: i64,
    most: usize,
    cells: VecDeque<(i64, f64, f64)>,
}

impl Cells {
    fn new(seconds: i64, most: usize) -> Self {
        Self { seconds, most, cells: VecDeque::new() }
    }

    fn add(&mut self, at: Timestamp, total: f64, bad: f64) {
        let place = at.as_second().div_euclid(self.seconds);
        match self.cells.back_mut() {
            Some((last, sum, sum_bad)) if *last >= place => {
                *sum += total;
                *sum_bad += bad;
            }
            _ => self.cells.push_back((place, total, bad)),
        }
        while self.cells.len() > self.most {
            self.cells.pop_front();
        }
    }

    /// All and bad events of the last `n` stretches, the one of `now` included.
    fn sum(&self, now: Timestamp, n: i64) -> (f64, f64) {
        let newest = now.as_second().div_euclid(self.seconds);
        self.cells
            .iter()
            .rev()
            .take_while(|(place, ..)| *place > newest.saturating_sub(n))
            .fold((0.0, 0.0), |sum, (_, total, bad)| (sum.0 + total, sum.1 + bad))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_040 + minute * 60).unwrap()
    }

    /// A hundred events a minute, of which a share is bad by the minute.
    fn fed(minutes: i64, share: impl Fn(i64) -> f64) -> Burn {
        let mut burn = Burn::new(Objective::new(0.999, 30 * 24).unwrap());
        let (mut total, mut bad) = (0.0, 0.0);
        for n in 0..=minutes {
            burn.observe(Counts { at: minute(n), total, bad });
            total += 100.0;
            bad += 100.0 * share(n);
        }
        burn
    }

    fn burning(burn: &Burn, now: i64) -> Vec<Pace> {
        let found = burn.judge(minute(now)).into_iter();
        found.filter(|(_, it)| matches!(it, Burning::Yes { .. })).map(|(pace, _)| pace).collect()
    }

    #[test]
    fn each_pair_speaks_at_its_rate() {
        let cases: [(f64, &[Pace]); 5] = [
            (0.000_9, &[]),
            (0.001_1, &[Pace::Creeping]),
            (0.003_1, &[Pace::Slow, Pace::Creeping]),
            (0.006_1, &[Pace::Fast, Pace::Slow, Pace::Creeping]),
            (0.014_5, &Pace::ALL),
        ];
        for (share, expected) in cases {
            assert_eq!(burning(&fed(3 * 24 * 60, |_| share), 3 * 24 * 60), expected, "{share}");
        }
    }

    #[test]
    fn the_short_window_ends_the_alarm_and_the_long_one_keeps_it_calm() {
        let end = 600;
        let over = fed(end, |n| if n < end - 10 { 0.05 } else { 0.0 });
        assert!(!burning(&over, end).contains(&Pace::Blazing), "it is over");
        let blip = fed(end, |n| if n >= end - 5 { 0.05 } else { 0.0 });
        assert!(!burning(&blip, end).contains(&Pace::Blazing), "it has only begun");
    }

    #[test]
    fn silence_is_never_health() {
        let none = Burn::new(Objective::new(0.999, 24).unwrap());
        let all = |burn: &Burn, now: i64| burn.judge(minute(now)).map(|(_, it)| it);
        assert_eq!(all(&none, 0), [Burning::Unknown(Why::NoCounts); 4]);
        assert_eq!(none.budget(minute(0)), Budget::Unknown);
        let burn = fed(60, |_| 0.0);
        assert_eq!(all(&burn, 66), [Burning::Unknown(Why::Stale); 4]);
        let mut idle = fed(60, |_| 0.0);
        let last = idle.last.unwrap();
        for n in 61..100 {
            idle.observe(Counts { at: minute(n), ..last });
        }
        assert_eq!(all(&idle, 99)[0], Burning::Unknown(Why::NoEvents));
    }

    #[test]
    fn a_counter_that_begins_anew_is_no_burst() {
        let mut burn = fed(60, |_| 0.0);
        burn.observe(Counts { at: minute(61), total: 50.0, bad: 0.0 });
        burn.observe(Counts { at: minute(62), total: 150.0, bad: 1.0 });
        let (total, bad) = burn.minutes.sum(minute(62), 2);
        assert_eq!((total, bad), (150.0, 1.0));
    }

    #[test]
    fn the_budget_is_what_is_left() {
        let burn = fed(600, |_| 0.000_5);
        let Budget::Left { share } = burn.budget(minute(600)) else { panic!("unknown") };
        assert!((share - 0.5).abs() < 0.01, "{share}");
    }

    #[test]
    fn memory_is_bounded_and_bad_objectives_are_refused() {
        let burn = fed(5 * 24 * 60, |_| 0.0);
        assert_eq!(burn.minutes.cells.len(), MINUTES_MAX);
        assert_eq!(Objective::new(1.0, 1), Err(BadObjective::Share));
        assert_eq!(Objective::new(f64::NAN, 1), Err(BadObjective::Share));
        assert_eq!(Objective::new(0.9, 0), Err(BadObjective::Hours));
        assert_eq!(Objective::new(0.9, HOURS_MAX + 1), Err(BadObjective::Hours));
    }

    proptest! {
        #[test]
        fn any_counts_are_borne_and_no_rate_is_negative(
            counts in prop::collection::vec((0..10_000_i64, any::<f64>(), any::<f64>()), 0..200),
        ) {
            let mut burn = Burn::new(Objective::new(0.99, 24).unwrap());
            for (at, total, bad) in counts {
                burn.observe(Counts { at: minute(at), total, bad });
            }
            for (_, found) in burn.judge(minute(10_000)) {
                if let Burning::Yes { long, short } | Burning::No { long, short } = found {
                    prop_assert!(long >= 0.0 && short >= 0.0);
                }
            }
        }
    }
}
