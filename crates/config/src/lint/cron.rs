//! Schedules: five fields, and at least one moment that fits them.

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;

use crate::problem::Report;
use crate::tree::At;

/// The longest schedule that is read, in bytes.
const SCHEDULE_BYTES_MAX: usize = 128;

/// Where the search for a moment begins.  Only whether there is one counts: the search ends with
/// the year 5000, and a century holds every kind of year on every day of the week.
const SEARCH_FROM: DateTime = DateTime::constant(4900, 1, 1, 0, 0, 0, 0);

const FIELDS: &str = "minute hour day-of-month month day-of-week";

/// Looks at the texts of keys called `cron`.
pub(crate) fn visit(at: &At<'_>, key: &str, report: &mut Report) {
    if key != "cron" {
        return;
    }
    let Some(schedule) = at.node.text() else {
        return;
    };
    if let Err(bad) = judge(schedule) {
        // Nothing in this version runs on a schedule, so a bad one stops nothing yet.
        report.warning(at, bad.message).hint(bad.hint);
    }
}

struct Bad {
    message: String,
    hint: String,
}

fn judge(schedule: &str) -> Result<(), Bad> {
    let example = || format!("the fields are {FIELDS}: `30 9 * * *` is every day at 09:30");
    let plain = |c: char| c.is_ascii_alphanumeric() || "*/,-#?+@ \t".contains(c);
    if schedule.len() > SCHEDULE_BYTES_MAX || !schedule.chars().all(plain) {
        return Err(Bad {
            message: "expected a schedule in the form of cron".to_owned(),
            hint: example(),
        });
    }
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let is_nickname = fields.len() == 1 && schedule.trim().starts_with('@');
    if fields.len() == 6 {
        return Err(six_fields(schedule, &fields));
    }
    if fields.len() != 5 && !is_nickname {
        return Err(Bad {
            message: format!("expected five fields ({FIELDS}), found {}", fields.len()),
            hint: example(),
        });
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser
        .parse(schedule)
        .map_err(|_| Bad { message: out_of_range(&fields), hint: example() })?;
    if cron.find_next_occurrence(&SEARCH_FROM, true).is_err() {
        return Err(Bad {
            message: "no day fits this schedule, so it never comes".to_owned(),
            hint: "look at the day of the month and the month: there is no 30 February".to_owned(),
        });
    }
    Ok(())
}

/// Names the first field that is not what it should be.
fn out_of_range(fields: &[&str]) -> String {
    const NAMES: [(&str, &str); 5] = [
        ("minute", "0 to 59"),
        ("hour", "0 to 23"),
        ("day of the month", "1 to 31"),
        ("month", "1 to 12"),
        ("day of the week", "0 to 7"),
    ];
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    for (n, (name, range)) in NAMES.iter().enumerate() {
        let alone: Vec<&str> = (0..NAMES.len())
            .map(|m| if m == n { fields.get(n).copied().unwrap_or("*") } else { "*" })
            .collect();
        if parser.parse(&alone.join(" ")).is_err() {
            let field = fields.get(n).copied().unwrap_or("");
            return format!("`{field}` cannot be the {name} ({range})");
        }
    }
    "expected a schedule in the form of cron".to_owned()
}

/// Six fields usually mean that seconds were put first.
fn six_fields(schedule: &str, fields: &[&str]) -> Bad {
    let with_seconds =
        CronParser::builder().seconds(Seconds::Required).year(Year::Disallowed).build();
    let reading = match with_seconds.parse(schedule) {
        Ok(cron) => format!("read with seconds first it would mean: {}", cron.describe()),
        Err(_) => {
            let rest = fields.get(1..).unwrap_or_default();
            format!("read with seconds first, {}", out_of_range(rest))
        }
    };
    let rest = fields.get(1..).unwrap_or_default().join(" ");
    let swapped = match fields {
        [_, hour, minute, tail @ ..] => format!("{minute} {hour} {}", tail.join(" ")),
        _ => String::new(),
    };
    let hint = [rest, swapped].into_iter().find(|candidate| judge(candidate).is_ok()).map_or_else(
        || format!("the fields are {FIELDS}"),
        |candidate| format!("write `{candidate}`"),
    );
    Bad { message: format!("six fields where five are expected ({FIELDS}); {reading}"), hint }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lint::problems_of;

    #[test]
    fn schedules_are_judged() {
        for good in [
            "0 9 * * *",
            "0 10 * * 1",
            "*/5 * * * *",
            "0 0 29 2 *",
            "@daily",
            "0 0 * * MON-FRI",
            "0 0 * 2 1#5",
        ] {
            assert_eq!(problems_of(&format!("{{ cron: '{good}' }}"), visit), [""; 0], "{good}");
        }
        let cases = [
            (
                "0 9 30 * * *",
                "seconds first, `30` cannot be the hour (0 to 23) (write `30 9 * * *`)",
            ),
            ("0 30 9 * * *", "it would mean: At 09:30"),
            ("0 30 9 * * *", "(write `30 9 * * *`)"),
            ("0 0 30 2 *", "no day fits this schedule"),
            ("61 * * * *", "`61` cannot be the minute (0 to 59)"),
            ("0 9 * *", "expected five fields"),
            ("", "expected five fields"),
            ("매일", "in the form of cron"),
            ("0 25 * * *", "`25` cannot be the hour"),
        ];
        for (schedule, expected) in cases {
            let said = problems_of(&format!("{{ cron: '{schedule}' }}"), visit).join("\n");
            assert!(said.contains(expected), "{schedule}: {said}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9*/,#?LW@A-Z -]{0,24}") {
            let _ = judge(&text);
        }
    }
}
