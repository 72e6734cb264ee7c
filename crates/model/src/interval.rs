//! Recurring times: when a route is mute, a silence returns, or people work.
//!
//! The rules are those of Alertmanager's `time_intervals` (`timeinterval/timeinterval.go`): an
//! interval holds a moment when each of its fields is empty or has a range that does.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// A time zone that is known by its name in the IANA database, such as `Asia/Seoul`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of that name; `Local` is the zone of this machine.
    ///
    /// # Errors
    /// When the database has no such zone.
    pub fn named(name: &str) -> Result<Self, BadZone> {
        match name {
            "Local" => Ok(Self(TimeZone::system())),
            "UTC" => Ok(Self::UTC),
            name => TimeZone::get(name).map(Self).map_err(|_| BadZone(name.to_owned())),
        }
    }

    /// The zone.
    #[must_use]
    pub fn tz(&self) -> &TimeZone {
        &self.0
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.iana_name().unwrap_or("Local"))
    }
}

impl TryFrom<String> for Zone {
    type Error = BadZone;

    fn try_from(name: String) -> Result<Self, BadZone> {
        Self::named(&name)
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.to_string()
    }
}

/// There is no such time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadZone(pub String);

impl fmt::Display for BadZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a time zone; expected a name such as Asia/Seoul", self.0)
    }
}

impl std::error::Error for BadZone {}

/// A range, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range<T> {
    /// The first.
    pub first: T,
    /// The last.
    pub last: T,
}

impl<T: PartialOrd + Copy> Range<T> {
    /// Whether it holds a value.
    pub fn holds(&self, value: T) -> bool {
        self.first <= value && value <= self.last
    }
}

/// A part of a day, in minutes since midnight; the end is not in it (24:00 is 1440).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayPart {
    /// The first minute.
    pub from: u16,
    /// The first minute that is not in it.
    pub until: u16,
}

/// A recurring time.  A field without ranges holds every moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeInterval {
    /// Parts of the day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<DayPart>,
    /// Days of the week, 0 is Sunday.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Range<u8>>,
    /// Days of the month from 1; negative ones count from its end, -1 is the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days_of_month: Vec<Range<i8>>,
    /// Months, 1 is January.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<Range<u8>>,
    /// Years.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub years: Vec<Range<i16>>,
    /// Where the clock hangs by which all of that is read.
    pub zone: Zone,
}

impl TimeInterval {
    /// Whether it holds a moment.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        let local = at.to_zoned(self.zone.tz().clone());
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute()));
        let minute = minute.unwrap_or(0);
        let weekday = local.weekday().to_sunday_zero_offset().cast_unsigned();
        let (day, length) = (local.day(), local.days_in_month());
        let in_month = |range: &Range<i8>| {
            let counted = |day: i8| if day < 0 { length + day + 1 } else { day };
            let (first, last) = (counted(range.first), counted(range.last));
            // What begins after the month has ended holds no day of it.
            first <= length && first.max(1) <= day && day <= last.min(length)
        };
        (self.times.is_empty()
            || self.times.iter().any(|part| part.from <= minute && minute < part.until))
            && (self.weekdays.is_empty() || self.weekdays.iter().any(|range| range.holds(weekday)))
            && (self.days_of_month.is_empty() || self.days_of_month.iter().any(in_month))
            && (self.months.is_empty()
                || self.months.iter().any(|range| range.holds(local.month().cast_unsigned())))
            && (self.years.is_empty() || self.years.iter().any(|range| range.holds(local.year())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn office_hours_are_read_off_the_clock_of_their_place() {
        let office = TimeInterval {
            times: vec![DayPart { from: 9 * 60, until: 18 * 60 }],
            weekdays: vec![Range { first: 1, last: 5 }],
            zone: Zone::named("Asia/Seoul").unwrap(),
            ..TimeInterval::default()
        };
        // 2026-11-20 is a Friday; Seoul is nine hours ahead.
        assert!(office.holds(at("2026-11-20T00:00:00Z")));
        assert!(office.holds(at("2026-11-20T08:59:59Z")));
        assert!(!office.holds(at("2026-11-20T09:00:00Z")));
        assert!(!office.holds(at("2026-11-19T23:59:59Z")));
        assert!(!office.holds(at("2026-11-21T01:00:00Z")));
    }

    #[test]
    fn days_count_from_either_end_of_the_month() {
        let days = |first, last| TimeInterval {
            days_of_month: vec![Range { first, last }],
            ..TimeInterval::default()
        };
        assert!(days(-1, -1).holds(at("2026-02-28T12:00:00Z")));
        assert!(!days(-1, -1).holds(at("2026-02-27T12:00:00Z")));
        assert!(days(-3, -1).holds(at("2028-02-27T12:00:00Z")));
        assert!(days(1, 5).holds(at("2026-02-05T12:00:00Z")));
        assert!(!days(31, 31).holds(at("2026-02-28T12:00:00Z")));
        assert!(days(1, -1).holds(at("2026-02-28T12:00:00Z")));
        assert!(days(-31, 2).holds(at("2026-02-01T12:00:00Z")));
    }

    #[test]
    fn months_and_years_bound_it() {
        let interval = TimeInterval {
            months: vec![Range { first: 11, last: 12 }],
            years: vec![Range { first: 2026, last: 2026 }],
            ..TimeInterval::default()
        };
        assert!(interval.holds(at("2026-11-01T00:00:00Z")));
        assert!(!interval.holds(at("2027-11-01T00:00:00Z")));
        assert!(TimeInterval::default().holds(at("2027-11-01T00:00:00Z")));
    }

    #[test]
    fn a_zone_has_a_name() {
        assert_eq!(
            Zone::named("Seoul").unwrap_err().to_string(),
            "`Seoul` is not a time zone; expected a name such as Asia/Seoul"
        );
        let zone: Zone = serde_json::from_str("\"Europe/Berlin\"").unwrap();
        assert_eq!(serde_json::to_string(&zone).unwrap(), "\"Europe/Berlin\"");
    }
}
