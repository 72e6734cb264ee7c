//! Times as log lines write them: access-log brackets, ISO 8601, RFC 3164 without a year, Unix
//! seconds.
//!
//! **Invariant:** no clock is read.  Where the year is missing it is the one that brings the time
//! closest below the reference, with a day of tolerance for clocks that run ahead.

use jiff::Timestamp;

use crate::signs::scan::{cut, decimal, number, rest};

/// How far a line may be ahead of the reference before its time is not believed.
pub const AHEAD_SECONDS_MAX: i64 = 86_400;

const DAY_SECONDS: i64 = 86_400;

/// `17/May/2015:10:05:03 +0000`.
pub(crate) fn bracketed(bytes: &[u8]) -> Option<Timestamp> {
    let day = two(bytes, 0)?;
    let month = month(bytes.get(3..6)?)?;
    let year = i64::try_from(number(bytes.get(7..11)?)?).ok()?;
    let second = at(year, month, day, clock_time(bytes.get(12..20)?)?)?;
    let zone = zone(bytes.get(21..)?).map_or(0, |(seconds, _)| seconds);
    Timestamp::from_second(second - zone).ok()
}

/// `2026-11-21T16:00:00.123+01:00`, also with a space or slashes; and what follows it.  A time
/// without a zone is UTC.
pub(crate) fn iso(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let separator = *bytes.get(4)?;
    if !matches!(separator, b'-' | b'/') || *bytes.get(7)? != separator {
        return None;
    }
    if !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    let year = i64::try_from(number(bytes.get(..4)?)?).ok()?;
    let second = at(year, two(bytes, 5)?, two(bytes, 8)?, clock_time(bytes.get(11..19)?)?)?;
    let mut left = bytes.get(19..)?;
    let mut nanosecond = 0;
    if let Some(part) = left.strip_prefix(b".").or_else(|| left.strip_prefix(b",")) {
        let n_digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
        for n in 0..9 {
            let digit = part.get(n).filter(|_| n < n_digits).map_or(0, |byte| byte - b'0');
            nanosecond = nanosecond * 10 + i32::from(digit);
        }
        left = rest(part, n_digits);
    }
    let (zone, left) = zone(left).unwrap_or((0, left));
    Some((Timestamp::new(second - zone, nanosecond).ok()?, left))
}

/// `Mar 27 13:06:56`, and what follows the space after it.
pub(crate) fn without_year(bytes: &[u8], reference: Timestamp) -> Option<(Timestamp, &[u8])> {
    let month = month(bytes.get(..3)?)?;
    if bytes.get(3) != Some(&b' ') {
        return None;
    }
    let day = match bytes.get(4)? {
        b' ' => i64::from(bytes.get(5)?.checked_sub(b'0')?),
        _ => two(bytes, 4)?,
    };
    let of_day = clock_time(bytes.get(7..15)?)?;
    let latest = reference.as_second() + AHEAD_SECONDS_MAX;
    let near = 1970 + reference.as_second().div_euclid(31_556_952);
    // Four years back finds a 29 February.
    let second = (near - 4..=near + 1)
        .rev()
        .filter_map(|year| at(year, month, day, of_day))
        .find(|second| *second <= latest)?;
    Some((Timestamp::from_second(second).ok()?, bytes.get(15..)?))
}

/// Unix seconds or milliseconds, `1446249499.322`.
pub(crate) fn unix(bytes: &[u8]) -> Option<Timestamp> {
    let (whole, part) = cut(bytes, b'.').unwrap_or((bytes, b""));
    let whole = i64::try_from(number(whole)?).ok()?;
    if whole >= 100_000_000_000 {
        return Timestamp::from_millisecond(whole).ok();
    }
    decimal(part).map_or(Some(()), |_| Some(()))?;
    Timestamp::from_second(whole).ok()
}

/// Seconds since 1970 of a date and the second of its day; none: no such date.
fn at(year: i64, month: i64, day: i64, of_day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let n_days = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=n_days).contains(&day) {
        return None;
    }
    // Days since 1970-01-01 in the proleptic Gregorian calendar, counted from March
    // (Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let of_era = shifted - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * DAY_SECONDS + of_day)
}

/// The second of the day of `10:05:03`.
fn clock_time(bytes: &[u8]) -> Option<i64> {
    let (hour, minute, second) = (two(bytes, 0)?, two(bytes, 3)?, two(bytes, 6)?);
    let is_valid = bytes.get(2) == Some(&b':')
        && bytes.get(5) == Some(&b':')
        && hour < 24
        && minute < 60
        && second <= 60;
    is_valid.then_some(hour * 3600 + minute * 60 + second.min(59))
}

/// The offset of `Z`, `+0100`, `+01:00` in seconds, and what follows it.
fn zone(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let sign = match bytes.first()? {
        b'Z' | b'z' => return Some((0, rest(bytes, 1))),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = two(bytes, 1)?;
    let at = if bytes.get(3) == Some(&b':') { 4 } else { 3 };
    let minutes = two(bytes, at)?;
    (hours < 24 && minutes < 60)
        .then(|| (sign * (hours * 3600 + minutes * 60), rest(bytes, at + 2)))
}

/// The two-digit number at `at`.
fn two(bytes: &[u8], at: usize) -> Option<i64> {
    let tens = bytes.get(at)?.checked_sub(b'0').filter(|digit| *digit < 10)?;
    let ones = bytes.get(at + 1)?.checked_sub(b'0').filter(|digit| *digit < 10)?;
    Some(i64::from(tens) * 10 + i64::from(ones))
}

/// The month of `Jan` … `Dec`.
fn month(bytes: &[u8]) -> Option<i64> {
    Some(match bytes {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reference() -> Timestamp {
        "2026-01-02T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn each_shape_is_read() {
        let expected: Timestamp = "2015-05-17T10:05:03Z".parse().unwrap();
        assert_eq!(bracketed(b"17/May/2015:10:05:03 +0000"), Some(expected));
        assert_eq!(bracketed(b"17/May/2015:12:05:03 +0200"), Some(expected));
        assert_eq!(iso(b"2015-05-17T10:05:03Z x"), Some((expected, &b" x"[..])));
        assert_eq!(iso(b"2015/05/17 10:05:03 [error]").map(|(time, _)| time), Some(expected));
        let (time, left) = iso(b"2015-05-17 12:05:03,250+02:00 INFO").unwrap();
        assert_eq!((time.to_string().as_str(), left), ("2015-05-17T10:05:03.25Z", &b" INFO"[..]));
        assert_eq!(unix(b"1431857103.322"), Some(expected));
        assert_eq!(unix(b"1431857103000"), Some(expected));
    }

    #[test]
    fn a_missing_year_is_the_one_before_the_reference() {
        let read = |text: &str| without_year(text.as_bytes(), reference()).unwrap().0.to_string();
        assert_eq!(read("Dec 31 23:59:59 host"), "2025-12-31T23:59:59Z");
        assert_eq!(read("Jan  1 00:00:01 host"), "2026-01-01T00:00:01Z");
        assert_eq!(read("Feb 29 12:00:00 host"), "2024-02-29T12:00:00Z");
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for bad in ["32/May/2015:10:05:03 +0000", "29/Feb/2015:10:05:03 +0000", "x", ""] {
            assert_eq!(bracketed(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(iso(b"2015-13-17T10:05:03Z"), None);
        assert_eq!(without_year(b"Mar 27 25:06:56 h", reference()), None);
    }

    proptest! {
        #[test]
        fn every_date_agrees_with_the_calendar(second in 0_i64..4_000_000_000) {
            let time = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(iso(time.to_string().as_bytes()).map(|(time, _)| time), Some(time));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (bracketed(&bytes), iso(&bytes), without_year(&bytes, reference()), unix(&bytes));
        }
    }
}
