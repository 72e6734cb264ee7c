//! Answers as texts: a table in CSV, the text of Prometheus.

use std::fmt::Write as _;

use crate::key::METRIC_LABEL;
use crate::query::Line;
use crate::sample::Sample;

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
