//! Moments and time zones.

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use nightcrew_model::interval::Zone;

use crate::fields::{self, Fields};
use crate::problem::Report;
use crate::tree::At;

/// Reads a moment: one with an offset (`2026-03-02T09:00:00+09:00`), or one on the clock of a
/// zone (`2026-03-02T09:00`).
pub(crate) fn moment(at: &At<'_>, zone: &Zone, report: &mut Report) -> Option<Timestamp> {
    let text = fields::text(at, report)?;
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let local =
        text.parse::<DateTime>().ok().and_then(|local| local.to_zoned(zone.tz().clone()).ok());
    if local.is_none() {
        report.expected(at, "a moment").hint(format!(
            "such as \"2026-03-02T09:00\" (on the clock of {zone}) or \"2026-03-02T09:00:00+09:00\""
        ));
    }
    local.map(|local| local.timestamp())
}

/// Reads a date and a time without a zone.
pub(crate) fn civil(at: &At<'_>, report: &mut Report) -> Option<DateTime> {
    let text = fields::text(at, report)?;
    let is_local = text.parse::<Timestamp>().is_err();
    let found = text.parse::<DateTime>().ok().filter(|_| is_local);
    if found.is_none() {
        report
            .expected(at, "a date and a time without an offset")
            .hint("such as \"2026-03-02T09:00\"; the zone stands in `zone`");
    }
    found
}

/// Reads a time of the day.
pub(crate) fn time_of_day(at: &At<'_>, report: &mut Report) -> Option<Time> {
    let text = fields::text(at, report)?;
    let found = text.parse::<Time>().ok();
    if found.is_none() {
        report.expected(at, "a time of the day").hint("such as \"09:00\"");
    }
    found
}

/// Reads `key` as the name of a time zone; UTC where nothing is said.
pub(crate) fn zone(fields: &mut Fields<'_>, key: &str, report: &mut Report) -> Zone {
    let Some(at) = fields.take(key) else {
        return Zone::UTC;
    };
    let Some(name) = fields::text(&at, report) else {
        return Zone::UTC;
    };
    Zone::named(name).unwrap_or_else(|_| {
        report
            .expected(&at, "a time zone of the IANA database")
            .hint("such as \"Asia/Seoul\", \"Europe/Berlin\", \"UTC\" or \"Local\"");
        Zone::UTC
    })
}
