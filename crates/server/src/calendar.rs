//! iCalendar (RFC 5545): a calendar of who is on call, for people's own calendars.

use std::fmt::Write as _;
use std::hash::Hasher as _;

use jiff::Timestamp;
use nightcrew_model::oncall::{Schedule, Shift};

/// The longest line, in octets without the line break (section 3.1).
const LINE_OCTETS_MAX: usize = 75;

/// How often a reader is asked to look again.
const REFRESH: &str = "PT1H";

/// The feed.  A shift with nobody is no event.
pub(crate) fn feed(schedule: &Schedule, shifts: &[Shift], now: Timestamp) -> String {
    let mut text = String::new();
    let name = format!("On call: {}", schedule.name);
    line(&mut text, "BEGIN:VCALENDAR");
    line(&mut text, "VERSION:2.0");
    line(&mut text, "PRODID:-//Nightcrew//On call//EN");
    line(&mut text, "CALSCALE:GREGORIAN");
    line(&mut text, "METHOD:PUBLISH");
    line(&mut text, &format!("X-WR-CALNAME:{}", escaped(&name)));
    line(&mut text, &format!("REFRESH-INTERVAL;VALUE=DURATION:{REFRESH}"));
    for shift in shifts {
        let Some(person) = &shift.person else { continue };
        let summary = format!("{person} ({})", schedule.name);
        line(&mut text, "BEGIN:VEVENT");
        line(&mut text, &format!("UID:{}", uid(schedule, shift)));
        line(&mut text, &format!("DTSTAMP:{}", utc(now)));
        line(&mut text, &format!("DTSTART:{}", utc(shift.from)));
        line(&mut text, &format!("DTEND:{}", utc(shift.until)));
        line(&mut text, &format!("SUMMARY:{}", escaped(&summary)));
        // Being on call takes no time out of a day.
        line(&mut text, "TRANSP:TRANSPARENT");
        line(&mut text, "END:VEVENT");
    }
    line(&mut text, "END:VCALENDAR");
    text
}

/// The same shift has the same id in every answer.
fn uid(schedule: &Schedule, shift: &Shift) -> String {
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(schedule.name.as_str().as_bytes());
    hasher.write_u8(0);
    hasher.write(shift.person.as_ref().map_or("", |person| person.as_str()).as_bytes());
    format!("{}-{:016x}@nightcrew", utc(shift.from), hasher.finish())
}

/// A moment in form 2 of section 3.3.5.
fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A text value (section 3.3.11).  Other control characters have no place in one.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// Adds a line, folded where it is long; no character is cut in two.
fn line(text: &mut String, content: &str) {
    let mut octets = 0;
    for c in content.chars() {
        if octets + c.len_utf8() > LINE_OCTETS_MAX {
            text.push_str("\r\n ");
            // The blank that marks the line as a continuation counts.
            octets = 1;
        }
        text.push(c);
        octets += c.len_utf8();
    }
    // Writing to a string cannot fail.
    let _ = write!(text, "\r\n");
}

#[cfg(test)]
mod tests {
    use nightcrew_model::interval::Zone;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(name: &str) -> Schedule {
        Schedule { name: name.into(), zone: Zone::UTC, layers: Vec::new(), overrides: Vec::new() }
    }

    #[test]
    fn shifts_become_events_in_utc() {
        let shift = |person: Option<&str>, from, until| Shift {
            person: person.map(Into::into),
            from: at(from),
            until: at(until),
        };
        let shifts = [
            shift(Some("김, 철수"), "2026-11-21T00:00:00Z", "2026-11-28T00:00:00Z"),
            shift(None, "2026-11-28T00:00:00Z", "2026-11-29T00:00:00Z"),
        ];
        let text = feed(&schedule("결제;1차"), &shifts, at("2026-11-21T03:00:00.5Z"));
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Nightcrew//On call//EN",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            "X-WR-CALNAME:On call: 결제\\;1차",
            "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
            "BEGIN:VEVENT",
        ];
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(&lines[..8], expected);
        assert!(lines[8].starts_with("UID:20261121T000000Z-"), "{}", lines[8]);
        assert_eq!(
            &lines[9..],
            [
                "DTSTAMP:20261121T030000Z",
                "DTSTART:20261121T000000Z",
                "DTEND:20261128T000000Z",
                "SUMMARY:김\\, 철수 (결제\\;1차)",
                "TRANSP:TRANSPARENT",
                "END:VEVENT",
                "END:VCALENDAR",
                "",
            ]
        );
        let later = feed(&schedule("결제;1차"), &shifts, at("2026-11-22T03:00:00Z"));
        assert!(later.contains(lines[8]), "the id of a shift stays");
    }

    proptest! {
        #[test]
        fn lines_are_folded_between_characters_and_read_back(content in "\\PC{0,300}") {
            let mut text = String::new();
            line(&mut text, &content);
            let body = text.strip_suffix("\r\n").unwrap();
            prop_assert!(body.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX));
            prop_assert_eq!(body.replace("\r\n ", ""), content);
        }

        #[test]
        fn no_text_can_end_a_line_or_an_event(text in "[\\x00-\\x7f가]{0,40}") {
            prop_assert!(!escaped(&text).chars().any(char::is_control));
        }
    }
}
