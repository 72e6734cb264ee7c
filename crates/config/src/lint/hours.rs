//! Times that never come.

use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use nightcrew_model::interval::TimeInterval;

/// Years in which every day of every month is, a leap year included.
const YEARS: (i16, i16) = (2024, 2031);

/// The largest number of days at which is looked.
const DAYS_MAX: usize = 12 * 366;

/// Whether none of the times holds at any moment, or at none from `now` on.
pub(crate) fn never_hold(intervals: &[TimeInterval], now: Option<Timestamp>) -> bool {
    !intervals.is_empty() && !intervals.iter().any(|interval| holds_some_day(interval, now))
}

fn holds_some_day(interval: &TimeInterval, now: Option<Timestamp>) -> bool {
    let this_year = now.map(|now| now.to_zoned(interval.zone.tz().clone()).year());
    let spans: Vec<(i16, i16)> = if interval.years.is_empty() {
        vec![this_year.map_or(YEARS, |year| (year, year.saturating_add(8)))]
    } else {
        interval.years.iter().map(|years| (years.first, years.last)).collect()
    };
    spans.into_iter().any(|(first, last)| {
        let first = this_year.map_or(first, |year| first.max(year));
        first <= last && holds_between(interval, date(first, 1, 1), last, now)
    })
}

fn holds_between(
    interval: &TimeInterval,
    first: Date,
    last_year: i16,
    now: Option<Timestamp>,
) -> bool {
    let midnight = [0];
    let from_times: Vec<u16> = interval.times.iter().map(|part| part.from).collect();
    let minutes = if from_times.is_empty() { &midnight[..] } else { &from_times[..] };
    let mut day = first;
    for _ in 0..DAYS_MAX {
        if day.year() > last_year {
            return false;
        }
        for minute in minutes {
            let (hour, minute) = (i8::try_from(minute / 60), i8::try_from(minute % 60));
            let (Ok(hour), Ok(minute)) = (hour, minute) else { continue };
            let moment = day.at(hour, minute, 0, 0).to_zoned(interval.zone.tz().clone());
            let Ok(moment) = moment else { continue };
            // The end of the part of the day may still lie ahead.
            let is_ahead = now.is_none_or(|now| moment.timestamp() + 24.hours() > now);
            if is_ahead && interval.holds(moment.timestamp()) {
                return true;
            }
        }
        let Ok(next) = day.tomorrow() else { return false };
        day = next;
    }
    // So far ahead nobody looks.
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::interval::interval;
    use crate::decode::tests::decode_one;

    #[test]
    fn knows_times_that_never_come() {
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("{ times: ['09:00-18:00'], weekdays: ['monday:friday'] }", false),
            ("{ days_of_month: ['31'], months: ['february'] }", true),
            ("{ days_of_month: ['29'], months: ['february'] }", false),
            ("{ days_of_month: ['31'], months: ['april', 'june'] }", true),
            ("{ years: ['2024'] }", true),
            ("{ years: ['2026'], months: ['january'] }", true),
            ("{ years: ['2026'], months: ['december'] }", false),
            ("{ years: ['2090:2099'], location: 'Asia/Seoul' }", false),
        ] {
            let interval = decode_one(text, interval).0.unwrap();
            assert_eq!(never_hold(&[interval], Some(now)), expected, "{text}");
        }
        assert!(!never_hold(&[], None));
        let past = decode_one("{ years: ['2024'] }", interval).0.unwrap();
        assert!(!never_hold(&[past], None));
    }
}
