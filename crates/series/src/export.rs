//! Answers as files: a snapshot in JSON, a table in CSV, the text of Prometheus.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::key::METRIC_LABEL;
use crate::query::Line;
use crate::sample::{Moment, Sample};

/// The name of the snapshot of a moment: `metrics/YYYY-MM-DD-HHmm.json`, in UTC.
#[must_use]
pub fn snapshot_name(at: Moment) -> String {
    let civil = at.timestamp().map(|at| at.to_zoned(TimeZone::UTC));
    let name = civil.map(|civil| civil.strftime("%Y-%m-%d-%H%M").to_string());
    format!("metrics/{}.json", name.unwrap_or_else(|| at.0.to_string()))
}

#[derive(Serialize)]
struct Snapshot<'l> {
    at: String,
    metrics: Vec<Metric<'l>>,
}

#[derive(Serialize)]
struct Metric<'l> {
    name: &'l str,
    labels: std::collections::BTreeMap<&'l str, &'l str>,
    value: f64,
    at: String,
}

/// A snapshot: of each series its last value, with the moment at which it was read.
#[must_use]
pub fn snapshot_json(at: Moment, lines: &[Line<Sample>]) -> String {
    let metrics = lines
        .iter()
        .filter_map(|line| {
            let last = line.rows.last()?;
            Some(Metric {
                name: line.labels.get(METRIC_LABEL).unwrap_or_default(),
                labels: line.labels.iter().filter(|(name, _)| *name != METRIC_LABEL).collect(),
                value: last.value,
                at: last.at.to_string(),
            })
        })
        .collect();
    let snapshot = Snapshot { at: at.to_string(), metrics };
    // Texts and finite numbers always become JSON.
    serde_json::to_string_pretty(&snapshot).unwrap_or_default()
}

/// A table with the columns time, series and value, one row for each sample (RFC 4180).
#[must_use]
pub fn csv(lines: &[Line<Sample>]) -> String {
    let mut out = "time,series,value\r\n".to_owned();
    for line in lines {
        // A spreadsheet takes a text that starts with a sign for a formula; a series starts with
        // its name or a brace.
        let series = series_name(line).replace('"', "\"\"");
        let guard = if series.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        for sample in &line.rows {
            // Writing into a string does not fail.
            let _ = write!(out, "{},\"{guard}{series}\",{}\r\n", sample.at, sample.value);
        }
    }
    out
}

/// The last value of each series as Prometheus reads it (text format 0.0.4); names that only newer
/// versions know are written between quotes.
#[must_use]
pub fn prometheus_text(lines: &[Line<Sample>]) -> String {
    let mut out = String::new();
    for line in lines {
        if let Some(last) = line.rows.last() {
            let _ = writeln!(out, "{} {} {}", series_name(line), last.value, last.at.0);
        }
    }
    out
}

fn is_classic(name: &str, also: char) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == also;
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(known)
}

/// The series as Prometheus writes it: `up{job="a"}`, or `{"a b", job="a"}`.
fn series_name(line: &Line<Sample>) -> String {
    let metric = line.labels.get(METRIC_LABEL).unwrap_or_default();
    let mut parts = Vec::new();
    let mut name = "";
    if is_classic(metric, ':') {
        name = metric;
    } else {
        parts.push(quoted(metric));
    }
    for (label, value) in line.labels.iter().filter(|(label, _)| *label != METRIC_LABEL) {
        let shown = if is_classic(label, '_') { label.to_owned() } else { quoted(label) };
        parts.push(format!("{shown}={}", quoted(value)));
    }
    if parts.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", parts.join(",")) }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(labels: &[(&str, &str)], rows: &[(i64, f64)]) -> Line<Sample> {
        let rows = rows.iter().map(|(at, value)| Sample::new(*at, *value)).collect();
        Line { labels: labels.iter().copied().collect(), rows }
    }

    fn answer() -> Vec<Line<Sample>> {
        vec![
            line(&[("__name__", "disk_usage"), ("host", "db\"1\n")], &[(0, 90.5), (60_000, 91.0)]),
            line(&[("__name__", "응답 시간")], &[(30_000, -0.25)]),
            line(&[("__name__", "up")], &[]),
        ]
    }

    #[test]
    fn a_snapshot_has_the_last_value_of_each_series() {
        let at = Moment(1_700_000_000_000);
        assert_eq!(snapshot_name(at), "metrics/2023-11-14-2213.json");
        assert_eq!(snapshot_name(Moment(i64::MAX)), "metrics/9223372036854775807.json");
        let snapshot: serde_json::Value =
            serde_json::from_str(&snapshot_json(at, &answer())).unwrap();
        let expected = serde_json::json!({
            "at": "2023-11-14T22:13:20Z",
            "metrics": [
                {
                    "name": "disk_usage",
                    "labels": { "host": "db\"1\n" },
                    "value": 91.0,
                    "at": "1970-01-01T00:01:00Z",
                },
                { "name": "응답 시간", "labels": {}, "value": -0.25, "at": "1970-01-01T00:00:30Z" },
            ],
        });
        assert_eq!(snapshot, expected);
    }

    #[test]
    fn a_table_has_every_sample_and_no_formula() {
        let mut lines = answer();
        lines.push(line(&[("__name__", "=cmd()")], &[(0, 1.0)]));
        assert_eq!(
            csv(&lines),
            "time,series,value\r\n\
             1970-01-01T00:00:00Z,\"disk_usage{host=\"\"db\\\"\"1\\n\"\"}\",90.5\r\n\
             1970-01-01T00:01:00Z,\"disk_usage{host=\"\"db\\\"\"1\\n\"\"}\",91\r\n\
             1970-01-01T00:00:30Z,\"{\"\"응답 시간\"\"}\",-0.25\r\n\
             1970-01-01T00:00:00Z,\"{\"\"=cmd()\"\"}\",1\r\n"
        );
    }

    #[test]
    fn prometheus_text_quotes_what_it_must() {
        assert_eq!(
            prometheus_text(&answer()),
            "disk_usage{host=\"db\\\"1\\n\"} 91 60000\n{\"응답 시간\"} -0.25 30000\n"
        );
    }
}
