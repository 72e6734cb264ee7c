//! Series and edges from rows of text: `time,component,metric,value` and `caller,callee`.
//!
//! **Invariant:** a row that cannot be read is left out and counted; it never ends the reading.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Edge, Series};
use crate::point::Point;

/// The largest number of rows that are read; later ones are left out and counted.
pub const ROWS_MAX: usize = 20_000_000;

/// What was read, and how many rows could not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<T> {
    /// What was read.
    pub read: Vec<T>,
    /// How many rows were left out: too few fields, no time, no number.
    pub n_left_out: usize,
    /// The number of the first line that was left out, from 1.
    pub first_left_out: Option<usize>,
}

/// Reads series, in any order of rows.  The first line may name the columns (`time` or
/// `timestamp`, `component` or `service`, `metric`, `value`) in any order; without names the
/// order is time, component, metric, value.  An empty value, `NaN` or `null` is a gap and no
/// error.
#[must_use]
pub fn series(text: &str) -> Rows<Series> {
    let names: [&[&str]; 4] = [
        &["time", "timestamp", "ts", "date"],
        &["component", "service", "cmdb_id", "node"],
        &["metric", "metric_name", "kpi", "kpi_name"],
        &["value"],
    ];
    let mut points: BTreeMap<(String, String), Vec<Point>> = BTreeMap::new();
    let (n_left_out, first_left_out) = each_row(text, names, |[time, component, metric, value]| {
        let at = moment(time)?;
        if component.is_empty() || metric.is_empty() {
            return None;
        }
        let value = match value.to_ascii_lowercase().as_str() {
            "" | "nan" | "null" | "none" | "na" => f64::NAN,
            number => number.parse().ok()?,
        };
        let key = (component.to_owned(), metric.to_owned());
        points.entry(key).or_default().push(Point { at, value });
        Some(())
    });
    let read = points.into_iter().map(|((component, metric), points)| Series {
        component: component.into(),
        metric: metric.into(),
        points,
    });
    Rows { read: read.collect(), n_left_out, first_left_out }
}

/// Reads edges.  The first line may name the columns (`caller` and `callee`, `source` and
/// `target`, `from` and `to`).
#[must_use]
pub fn edges(text: &str) -> Rows<Edge> {
    let names: [&[&str]; 2] =
        [&["caller", "source", "from", "parent"], &["callee", "target", "to", "child"]];
    let mut read = Vec::new();
    let (n_left_out, first_left_out) = each_row(text, names, |[caller, callee]| {
        if caller.is_empty() || callee.is_empty() {
            return None;
        }
        read.push(Edge { caller: caller.into(), callee: callee.into() });
        Some(())
    });
    Rows { read, n_left_out, first_left_out }
}

/// Gives the named fields of every row to `take`; the number of rows that it refused, and the
/// first of them.
fn each_row<const N: usize>(
    text: &str,
    names: [&[&str]; N],
    mut take: impl FnMut([&str; N]) -> Option<()>,
) -> (usize, Option<usize>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()).peekable();
    let mut places: [usize; N] = std::array::from_fn(|n| n);
    if let Some((first, _)) = lines.peek()
        && let Some(named) = named_places(first, names)
    {
        places = named;
        lines.next();
    }
    let (mut n_left_out, mut first_left_out) = (0, None);
    for (n_row, (line, number)) in lines.enumerate() {
        let fields = fields(line);
        let row = places.map(|place| fields.get(place).map_or("", |field| field.trim()));
        if n_row >= ROWS_MAX || take(row).is_none() {
            n_left_out += 1;
            first_left_out = first_left_out.or(Some(number));
        }
    }
    (n_left_out, first_left_out)
}

/// Where each named column is, when the line names them all.
fn named_places<const N: usize>(line: &str, names: [&[&str]; N]) -> Option<[usize; N]> {
    let fields = fields(line);
    let place = |names: &[&str]| {
        fields
            .iter()
            .position(|field| names.iter().any(|name| field.trim().eq_ignore_ascii_case(name)))
    };
    let found = names.map(place);
    found.iter().all(Option::is_some).then(|| found.map(Option::unwrap_or_default))
}

/// The fields of a line; a field in double quotes may hold commas and doubled quotes (RFC 4180,
/// without line breaks).
fn fields(line: &str) -> Vec<Cow<'_, str>> {
    if !line.contains('"') {
        return line.split(',').map(Cow::Borrowed).collect();
    }
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.next_if_eq(&'"').is_some() => push(&mut fields, '"'),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            other => push(&mut fields, other),
        }
    }
    fields.into_iter().map(Cow::Owned).collect()
}

fn push(fields: &mut [String], character: char) {
    if let Some(field) = fields.last_mut() {
        field.push(character);
    }
}

/// A moment as people and programs write it: RFC 3339, a date and time without a zone (taken as
/// UTC), or a number of seconds, milli-, micro- or nanoseconds since 1970, told apart by size.
#[must_use]
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        // A date of this century in seconds has ten digits; each finer unit has three more.
        let seconds = match number.abs() {
            ..1e11 => number,
            1e11..1e14 => number / 1e3,
            1e14..1e17 => number / 1e6,
            _ => number / 1e9,
        };
        let span = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
        return Timestamp::UNIX_EPOCH.checked_add(span).ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil: DateTime = text.parse().ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_read_as_they_are_written() {
        let same = [
            "2023-11-14T22:13:20Z",
            "2023-11-15T07:13:20+09:00",
            "2023-11-14 22:13:20",
            "1700000000",
            "1700000000.0",
            "1700000000000",
            "1700000000000000",
            "1700000000000000000",
            " 1.7e9 ",
        ];
        for text in same {
            let seconds = moment(text).map(Timestamp::as_second);
            assert_eq!(seconds, Some(1_700_000_000), "{text}");
        }
        for text in ["", "soon", "NaN", "inf", "1e300"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn rows_in_any_order_of_columns_are_read_and_bad_ones_counted() {
        let text = "\u{feff}value,metric,component,time\r\n\
                    1.5,cpu,\"web, the \"\"big\"\"\",10\r\n\
                    \r\n\
                    nan,cpu,db,10\n\
                    x,cpu,db,10\n\
                    1,cpu,db\n\
                    2,cpu,db,11\n";
        let rows = series(text);
        assert_eq!((rows.n_left_out, rows.first_left_out), (2, Some(5)));
        let names: Vec<_> = rows.read.iter().map(|one| one.component.as_str()).collect();
        assert_eq!(names, ["db", "web, the \"big\""]);
        assert_eq!(rows.read[0].points.len(), 2);
        assert_eq!(series("10,web,cpu,1").read[0].points[0].value.to_bits(), 1_f64.to_bits());
    }

    #[test]
    fn edges_are_read_with_names_or_without() {
        let expected = vec![Edge { caller: "web".into(), callee: "db".into() }];
        for text in
            ["web,db", "caller,callee\nweb,db\n", "target,source\ndb,web", "from,to\nweb , db"]
        {
            assert_eq!(edges(text).read, expected, "{text}");
        }
        assert_eq!(edges("web\nweb,\n").n_left_out, 2);
        assert_eq!(edges("").read, []);
    }

    proptest! {
        #[test]
        fn any_text_is_borne(text in "[a-z0-9,\"\n\r .:-]{0,200}") {
            let n_lines = text.lines().count();
            prop_assert!(series(&text).n_left_out <= n_lines);
            prop_assert!(edges(&text).read.len() <= n_lines);
        }
    }
}
