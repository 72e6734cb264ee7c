//! Recurring times: `time_intervals`, and the places that name or hold one.

use std::collections::BTreeMap;

use nightcrew_model::id::IntervalName;
use nightcrew_model::interval::{DayPart, Range, TimeInterval};

use crate::decode::{Context, moment};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::{At, Value};

/// Named times.
pub(crate) type Intervals = BTreeMap<IntervalName, Vec<TimeInterval>>;

/// The days of the week, as Alertmanager writes them.
const WEEKDAYS: [&str; 7] =
    ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// The months, as Alertmanager writes them.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Reads `time_intervals`: lists of times under names.
pub(crate) fn intervals(at: &At<'_>, cx: &mut Context<'_>) -> Intervals {
    let named = fields::named(at, "an object of lists of times", &mut cx.report);
    named.into_iter().map(|(name, at)| (IntervalName::from(name), list(&at, cx))).collect()
}

/// Reads a list of times.
pub(crate) fn list(at: &At<'_>, cx: &mut Context<'_>) -> Vec<TimeInterval> {
    fields::items(at, &mut cx.report).iter().filter_map(|at| interval(at, cx)).collect()
}

/// Reads times by name or as they are: `"office"`, `["office", { times: […] }]`, `{ times: […] }`.
pub(crate) fn hours(at: &At<'_>, known: &Intervals, cx: &mut Context<'_>) -> Vec<TimeInterval> {
    match &at.node.value {
        Value::Text(_) => match fields::text(at, &mut cx.report) {
            Some(name) => named(name, at, known, cx),
            None => Vec::new(),
        },
        Value::Array(_) => {
            let items = fields::items(at, &mut cx.report);
            items.iter().flat_map(|item| hours_of_item(item, known, cx)).collect()
        }
        _ => interval(at, cx).into_iter().collect(),
    }
}

fn hours_of_item(at: &At<'_>, known: &Intervals, cx: &mut Context<'_>) -> Vec<TimeInterval> {
    match at.node.text() {
        Some(name) => named(name, at, known, cx),
        None => interval(at, cx).into_iter().collect(),
    }
}

fn named(name: &str, at: &At<'_>, known: &Intervals, cx: &mut Context<'_>) -> Vec<TimeInterval> {
    match known.get(&IntervalName::from(name)) {
        Some(times) => times.clone(),
        None => {
            unknown(name, at, known, cx);
            Vec::new()
        }
    }
}

/// Tells of a name that no times have.
pub(crate) fn unknown(
    name: &str,
    place: impl Into<Place>,
    known: &Intervals,
    cx: &mut Context<'_>,
) {
    let hint = suggestion(name, known.keys().map(|name| name.as_str()));
    cx.report.error(place, format!("`time_intervals` has nothing called {name:?}")).hint(hint);
}

/// Reads one recurring time; ours and Alertmanager's have the same keys, and the times of a day
/// may be written in either way.
pub(crate) fn interval(at: &At<'_>, cx: &mut Context<'_>) -> Option<TimeInterval> {
    let mut fields = Fields::open(at, "an object with `times`, `weekdays` …", &mut cx.report)?;
    let mut found = TimeInterval::default();
    if let Some(at) = fields.take("times") {
        let items = fields::items(&at, &mut cx.report);
        found.times = items.iter().filter_map(|at| day_part(at, cx)).collect();
    }
    found.weekdays = ranges(&mut fields, "weekdays", cx, weekday);
    found.days_of_month = ranges(&mut fields, "days_of_month", cx, day_of_month);
    found.months = ranges(&mut fields, "months", cx, month);
    found.years = ranges(&mut fields, "years", cx, year);
    found.zone = moment::zone(&mut fields, "location", &mut cx.report);
    fields.finish(&mut cx.report);
    Some(found)
}

/// A part of a day: `"09:00-18:00"`, or `{ start_time, end_time }`.
fn day_part(at: &At<'_>, cx: &mut Context<'_>) -> Option<DayPart> {
    const FORM: &str = "such as \"09:00-18:00\"; a day ends at 24:00, and a night is two parts";
    let (from, until) = match &at.node.value {
        Value::Object(_) => {
            let mut fields = Fields::open(at, "an object", &mut cx.report)?;
            let from = fields.text("start_time", &mut cx.report).map(str::to_owned);
            let until = fields.text("end_time", &mut cx.report).map(str::to_owned);
            for key in ["start_time", "end_time"] {
                if !fields.has(key) {
                    cx.report.error(at, format!("the part of the day has no `{key}`")).hint(FORM);
                }
            }
            fields.finish(&mut cx.report);
            (from?, until?)
        }
        Value::Text(text) if text.text.contains('-') => {
            let (from, until) = text.text.split_once('-')?;
            (from.trim().to_owned(), until.trim().to_owned())
        }
        _ => {
            cx.report.expected(at, "a part of a day").hint(FORM);
            return None;
        }
    };
    let (Some(first), Some(end)) = (minute(&from), minute(&until)) else {
        cx.report.expected(at, "two times of the day").hint(FORM);
        return None;
    };
    if first >= end {
        cx.report
            .error(at, format!("the part of the day ends at {until}, before it begins at {from}"))
            .hint("write a night as two parts: [\"22:00-24:00\", \"00:00-06:00\"]");
        return None;
    }
    Some(DayPart { from: first, until: end })
}

/// The minute of the day of `HH:MM`; 24:00 is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_plain { text.parse::<u16>().ok() } else { None }
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let found = hour * 60 + minute;
    (minute < 60 && found <= 24 * 60).then_some(found)
}

/// What is wrong with a range.
type Wrong = String;

/// Reads a list of ranges `first:last` or of single values.
fn ranges<T: Copy>(
    fields: &mut Fields<'_>,
    key: &str,
    cx: &mut Context<'_>,
    read: fn(&str, &str) -> Result<Range<T>, Wrong>,
) -> Vec<Range<T>> {
    let Some(at) = fields.take(key) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in fields::items(&at, &mut cx.report) {
        let Some(text) = written(&item, cx) else {
            cx.report.expected(&item, "a range such as \"1:5\"").hint("put it into quotes");
            continue;
        };
        let (first, last) = text.split_once(':').unwrap_or((&text, &text));
        match read(first.trim(), last.trim()) {
            Ok(range) => found.push(range),
            Err(wrong) => {
                cx.report.error(&item, format!("expected a range of `{key}`, but {wrong}"));
            }
        }
    }
    found
}

/// A text, or a number as it is written.
pub(crate) fn written(at: &At<'_>, cx: &Context<'_>) -> Option<String> {
    match &at.node.value {
        Value::Text(text) => Some(text.text.clone()),
        Value::Number(_) => cx.files.written(at.node.span).map(str::to_owned),
        _ => None,
    }
}

fn in_order<T: PartialOrd + Copy>(first: T, last: T) -> Result<Range<T>, Wrong> {
    if first <= last {
        Ok(Range { first, last })
    } else {
        Err("its end lies before its beginning; write two ranges".to_owned())
    }
}

fn word(text: &str, words: &[&str], kind: &str) -> Result<u8, Wrong> {
    let lower = text.to_lowercase();
    let position = words.iter().position(|word| *word == lower);
    position.and_then(|n| u8::try_from(n).ok()).ok_or_else(|| {
        format!("{text:?} is no {kind}; {}", suggestion(&lower, words.iter().copied()))
    })
}

fn weekday(first: &str, last: &str) -> Result<Range<u8>, Wrong> {
    let kind = "day of the week";
    in_order(word(first, &WEEKDAYS, kind)?, word(last, &WEEKDAYS, kind)?)
}

fn month(first: &str, last: &str) -> Result<Range<u8>, Wrong> {
    let number = |text: &str| match text.parse::<u8>() {
        Ok(number @ 1..=12) => Ok(number),
        Ok(_) => Err(format!("{text} is no month; expected 1 to 12")),
        Err(_) => word(text, &MONTHS, "month").map(|n| n + 1),
    };
    in_order(number(first)?, number(last)?)
}

fn year(first: &str, last: &str) -> Result<Range<i16>, Wrong> {
    let number = |text: &str| match text.parse::<i16>() {
        Ok(year @ 1970..=9999) => Ok(year),
        _ => Err(format!("{text:?} is no year from 1970 to 9999")),
    };
    in_order(number(first)?, number(last)?)
}

/// As `timeinterval.go` has it: no zero, nothing beyond 31, and a range that begins at the end of
/// the month also ends there.
fn day_of_month(first: &str, last: &str) -> Result<Range<i8>, Wrong> {
    let number = |text: &str| match text.parse::<i8>() {
        Ok(day @ (1..=31 | -31..=-1)) => Ok(day),
        _ => Err(format!("{text:?} is no day of a month from 1 to 31 or from -31 to -1")),
    };
    let (first, last) = (number(first)?, number(last)?);
    if first < 0 && last > 0 {
        return Err("it begins counted from the end of the month and ends counted from its \
                    beginning"
            .to_owned());
    }
    // The longest month, so that nothing that can hold is refused.
    let counted = |day: i8| if day < 0 { day + 32 } else { day };
    in_order(counted(first), counted(last))?;
    Ok(Range { first, last })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::tests::decode_one;

    #[test]
    fn reads_every_field_in_both_ways_of_writing_times() {
        let (found, problems) = decode_one(
            "{ times: ['09:00-18:00', { start_time: '22:00', end_time: '24:00' }], weekdays: \
             ['Monday:friday', 'sunday'], days_of_month: ['1:5', '-3:-1', 15], months: \
             ['november', '1:3'], years: ['2026', 2028], location: 'Asia/Seoul' }",
            interval,
        );
        assert_eq!(problems, [""; 0]);
        let found = found.unwrap();
        assert_eq!(found.times[1], DayPart { from: 1_320, until: 1_440 });
        assert_eq!(found.weekdays, [Range { first: 1, last: 5 }, Range { first: 0, last: 0 }]);
        assert_eq!(found.days_of_month[1], Range { first: -3, last: -1 });
        assert_eq!(found.months, [Range { first: 11, last: 11 }, Range { first: 1, last: 3 }]);
        assert_eq!(found.years[1], Range { first: 2028, last: 2028 });
        assert_eq!(found.zone.to_string(), "Asia/Seoul");
    }

    #[test]
    fn what_is_no_time_is_told() {
        let cases = [
            ("{ times: ['18:00-09:00'] }", "before it begins"),
            ("{ times: ['9-18'] }", "two times of the day"),
            ("{ times: ['09:00-24:01'] }", "two times of the day"),
            ("{ times: [{ start_time: '09:00' }] }", "has no `end_time`"),
            ("{ weekdays: ['mondey:friday'] }", "did you mean `monday`?"),
            ("{ weekdays: ['friday:monday'] }", "write two ranges"),
            ("{ days_of_month: ['0'] }", "no day of a month"),
            ("{ days_of_month: ['32'] }", "no day of a month"),
            ("{ days_of_month: ['-3:5'] }", "counted from the end"),
            ("{ days_of_month: ['-1:-3'] }", "write two ranges"),
            ("{ months: ['13'] }", "expected 1 to 12"),
            ("{ months: ['11월'] }", "is no month"),
            ("{ years: ['26'] }", "is no year"),
            ("{ location: 'Seoul' }", "expected a time zone"),
            ("{ weekday: ['monday'] }", "did you mean `weekdays`?"),
        ];
        for (text, expected) in cases {
            let said = decode_one(text, interval).1.join("\n");
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-0-9:a-z가 ]{0,12}") {
            let written = serde_json::to_string(&text).unwrap();
            for key in ["times", "weekdays", "days_of_month", "months", "years"] {
                let _ = decode_one(&format!("{{ {key}: [{written}] }}"), interval);
            }
        }
    }
}
