//! On-call calendars: who is on call at a moment.
//!
//! A calendar has layers, each a rotation of people; a later layer stands over an earlier one
//! where it has somebody.  An override stands over all of them.  Days and weeks are counted on the
//! clock of the calendar's zone, so that a hand-over at nine stays at nine when the clocks change.

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan, Zoned};
use serde::{Deserialize, Serialize};

use crate::id::{PersonName, ScheduleName};
use crate::interval::{TimeInterval, Zone};

/// A calendar.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// The clock by which it is read.
    pub zone: Zone,
    /// Its layers, the last one on top.
    pub layers: Vec<Layer>,
    /// The overrides of the configuration; those that people set while the crew runs are facts.
    pub overrides: Vec<Override>,
}

/// A rotation of people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    /// What people call it.
    pub name: String,
    /// In the order of their turns; at least one.
    pub people: Vec<PersonName>,
    /// When the first turn of the first person begins, on the calendar's clock.
    pub begins: DateTime,
    /// How long a turn is.
    pub turn: Turn,
    /// The times at which the layer has anybody; empty: always.
    pub hours: Vec<TimeInterval>,
}

/// How long a turn is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Hours that pass, whatever the clock says.
    Hours(u32),
    /// Days on the clock.
    Days(u32),
    /// Weeks on the clock.
    Weeks(u32),
}

/// Somebody takes the place of whoever is on call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Who.
    pub person: PersonName,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A stretch of time with the same person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shift {
    /// Who; none: nobody.
    pub person: Option<PersonName>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// How far apart the moments are at which [`Schedule::shifts`] looks, in minutes.
const GRID_MINUTES: i64 = 15;

/// The largest number of moments at which [`Schedule::shifts`] looks: a year.
const MOMENTS_MAX: usize = 366 * 24 * 4;

impl Schedule {
    /// Who is on call, overrides of the moment included; none: nobody.
    #[must_use]
    pub fn on_call<'a>(
        &'a self,
        overrides: impl IntoIterator<Item = &'a Override>,
        at: Timestamp,
    ) -> Option<&'a PersonName> {
        let set = self.overrides.iter().chain(overrides);
        // The one that was set last counts.
        let replaced = set.filter(|over| over.from <= at && at < over.until).last();
        if let Some(over) = replaced {
            return Some(&over.person);
        }
        let local = at.to_zoned(self.zone.tz().clone());
        self.layers.iter().rev().find_map(|layer| layer.on_call(&local))
    }

    /// The shifts between two moments, on a grid of a quarter of an hour; a year at most.
    #[must_use]
    pub fn shifts(&self, overrides: &[Override], from: Timestamp, until: Timestamp) -> Vec<Shift> {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut at = from;
        for _ in 0..MOMENTS_MAX {
            if at >= until {
                break;
            }
            let next = on_grid_after(at).min(until);
            let person = self.on_call(overrides, at).cloned();
            match shifts.last_mut() {
                Some(last) if last.person == person => last.until = next,
                _ => shifts.push(Shift { person, from: at, until: next }),
            }
            at = next;
        }
        shifts
    }
}

/// The next moment of the grid.
fn on_grid_after(at: Timestamp) -> Timestamp {
    const GRID_SECONDS: i64 = GRID_MINUTES * 60;
    let next = (at.as_second().div_euclid(GRID_SECONDS) + 1) * GRID_SECONDS;
    Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
}

impl Layer {
    fn on_call(&self, at: &Zoned) -> Option<&PersonName> {
        let works = self.hours.is_empty()
            || self.hours.iter().any(|interval| interval.holds(at.timestamp()));
        if !works || self.people.is_empty() {
            return None;
        }
        let begins = self.begins.to_zoned(at.time_zone().clone()).ok()?;
        if *at < begins {
            return None;
        }
        let turns = match self.turn {
            Turn::Hours(hours) => {
                at.timestamp().duration_since(begins.timestamp()).as_hours()
                    / i64::from(hours.max(1))
            }
            Turn::Days(days) => whole_days(&begins, at)? / i64::from(days.max(1)),
            Turn::Weeks(weeks) => whole_days(&begins, at)? / (7 * i64::from(weeks.max(1))),
        };
        let n_people = i64::try_from(self.people.len()).ok()?;
        self.people.get(usize::try_from(turns.rem_euclid(n_people)).ok()?)
    }
}

/// How many days have passed on the clock.
fn whole_days(begins: &Zoned, at: &Zoned) -> Option<i64> {
    let days = i64::from(begins.date().until(at.date()).ok()?.get_days());
    // A day is over when the clock shows the time of the hand-over again, or would if it were not
    // left out by a change of the clocks.
    let handed_over = begins.datetime().checked_add(days.days()).ok()?;
    let handed_over = handed_over.to_zoned(at.time_zone().clone()).ok()?;
    Some(if handed_over <= *at { days } else { days - 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::interval::{DayPart, Range};

    fn weekly(zone: &str) -> Schedule {
        Schedule {
            name: "primary".into(),
            zone: Zone::named(zone).unwrap(),
            layers: vec![Layer {
                name: "week".into(),
                people: vec!["kim".into(), "lee".into(), "park".into()],
                begins: "2026-03-02T09:00".parse().unwrap(),
                turn: Turn::Weeks(1),
                hours: Vec::new(),
            }],
            overrides: Vec::new(),
        }
    }

    fn who(schedule: &Schedule, at: &str) -> String {
        let person = schedule.on_call(&[], at.parse().unwrap());
        person.map_or_else(|| "nobody".to_owned(), ToString::to_string)
    }

    #[test]
    fn a_hand_over_at_nine_stays_at_nine_when_the_clocks_change() {
        // Berlin goes from +1 to +2 on 2026-03-29.
        let schedule = weekly("Europe/Berlin");
        assert_eq!(who(&schedule, "2026-03-02T07:59:59Z"), "nobody");
        assert_eq!(who(&schedule, "2026-03-02T08:00:00Z"), "kim");
        assert_eq!(who(&schedule, "2026-03-09T07:59:59Z"), "kim");
        assert_eq!(who(&schedule, "2026-03-09T08:00:00Z"), "lee");
        assert_eq!(who(&schedule, "2026-03-30T06:59:59Z"), "kim");
        assert_eq!(who(&schedule, "2026-03-30T07:00:00Z"), "lee");
    }

    #[test]
    fn layers_and_overrides_stand_over_one_another() {
        let mut schedule = weekly("Asia/Seoul");
        schedule.layers.push(Layer {
            name: "night".into(),
            people: vec!["choi".into()],
            begins: "2026-03-01T00:00".parse().unwrap(),
            turn: Turn::Days(1),
            hours: vec![TimeInterval {
                times: vec![DayPart { from: 0, until: 6 * 60 }],
                weekdays: vec![Range { first: 1, last: 5 }],
                zone: Zone::named("Asia/Seoul").unwrap(),
                ..TimeInterval::default()
            }],
        });
        assert_eq!(who(&schedule, "2026-03-03T01:00:00+09:00"), "choi");
        assert_eq!(who(&schedule, "2026-03-03T06:00:00+09:00"), "kim");
        schedule.overrides.push(Override {
            person: "jung".into(),
            from: "2026-03-03T00:00:00+09:00".parse().unwrap(),
            until: "2026-03-03T02:00:00+09:00".parse().unwrap(),
        });
        assert_eq!(who(&schedule, "2026-03-03T01:00:00+09:00"), "jung");
        let shifts = schedule.shifts(
            &[],
            "2026-03-03T00:00:00+09:00".parse().unwrap(),
            "2026-03-04T00:00:00+09:00".parse().unwrap(),
        );
        let people: Vec<_> = shifts.iter().map(|s| s.person.as_ref().unwrap().as_str()).collect();
        assert_eq!(people, ["jung", "choi", "kim"]);
    }

    proptest! {
        #[test]
        fn turns_of_equal_length_follow_one_another(day in 0i64..2_000, minute in 0i64..1_440) {
            let schedule = weekly("America/New_York");
            let begins: Timestamp = "2026-03-02T14:00:00Z".parse().unwrap();
            let at = begins + (day * 24).hours() + minute.minutes();
            let local = at.to_zoned(schedule.zone.tz().clone());
            let nine = local.date().at(9, 0, 0, 0).to_zoned(schedule.zone.tz().clone()).unwrap();
            let first = "2026-03-02".parse::<jiff::civil::Date>().unwrap();
            let days = i64::from(first.until(local.date()).unwrap().get_days()) - i64::from(local < nine);
            let expected = ["kim", "lee", "park"][usize::try_from(days / 7 % 3).unwrap()];
            prop_assert_eq!(who(&schedule, &at.to_string()), expected);
        }
    }
}
