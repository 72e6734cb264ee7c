//! What a log says, for people: the one rendering for the report of every ten minutes and for
//! `nightcrew logs analyze`.
//!
//! **Invariant:** text of the log is quoted: it cannot break out of its place in Markdown, and is
//! bounded.  Two parts of one day, before and after a restart, make up a whole ([`LogInsights::add`]).

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_model::severity::Severity;
use serde::{Deserialize, Serialize};

use crate::quote::visible;
use crate::workspace::write_whole;

/// How many findings are listed, the worst first.
pub const FINDINGS_SHOWN: usize = 200;

/// How many messages are listed, the most frequent.
pub const MESSAGES_SHOWN: usize = 30;

/// How many names of a finding are shown.
pub const NAMES_SHOWN: usize = 8;

/// The longest text that is shown, in characters.
pub const TEXT_CHARS_MAX: usize = 200;

/// How many findings are kept of one log and day: the worst.
pub const FINDINGS_MAX: usize = 1_000;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What one log says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogInsights {
    /// What the log is called: a path, or a service.
    pub name: String,
    /// How many lines there are.
    pub lines: u64,
    /// How many of them tell of an error.
    pub errors: u64,
    /// Lines that are older than what was asked for.
    pub skipped: u64,
    /// The time of the first line.
    pub first_seen: Option<Timestamp>,
    /// The time of the last line.
    pub last_seen: Option<Timestamp>,
    /// What was found.
    pub findings: Vec<LogFinding>,
    /// How many different messages there are.
    pub templates: usize,
    /// How many seconds a column of a message has.
    pub column_seconds: i64,
    /// The most frequent messages.
    pub messages: Vec<LogMessage>,
}

/// One finding in a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogFinding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in words.
    pub what: String,
    /// Whom or what it is about.
    pub subject: String,
    /// How many lines tell of it.
    pub lines: u64,
    /// The time of the first of them.
    pub first_seen: Timestamp,
    /// The time of the last of them.
    pub last_seen: Timestamp,
    /// What moved, in words, for a change in numbers.
    pub moved: Option<String>,
    /// What takes part: addresses, users, paths.
    pub names: Vec<String>,
    /// One of the lines.
    pub exemplar: Option<String>,
}

/// A message that comes again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogMessage {
    /// Its text, with `<*>` where a parameter is.
    pub template: String,
    /// How many lines have it.
    pub lines: u64,
    /// The time of the first of them.
    pub first_seen: Timestamp,
    /// The time of the last of them.
    pub last_seen: Timestamp,
    /// One of the lines.
    pub exemplar: String,
    /// How many came in each column of time.
    pub columns: Vec<u32>,
}

impl LogInsights {
    /// Adds what came later of the same log, over the same columns of time.
    pub fn add(&mut self, later: Self) {
        self.lines += later.lines;
        self.errors += later.errors;
        self.skipped += later.skipped;
        self.first_seen = [self.first_seen, later.first_seen].into_iter().flatten().min();
        self.last_seen = self.last_seen.max(later.last_seen);
        self.column_seconds = self.column_seconds.max(later.column_seconds);
        let mut n_more = later.templates.saturating_sub(later.messages.len());
        for message in later.messages {
            match self.messages.iter_mut().find(|known| known.template == message.template) {
                Some(known) => known.add(&message),
                None => {
                    n_more += 1;
                    self.messages.push(message);
                }
            }
        }
        // Of those that are not listed nobody knows which are the same.
        self.templates = self.templates.max(n_more).max(self.messages.len());
        for finding in later.findings {
            self.add_finding(finding);
        }
        self.order();
    }

    /// Adds a finding; one about the same subject goes on.
    pub fn add_finding(&mut self, finding: LogFinding) {
        let is_same = |known: &&mut LogFinding| {
            known.what == finding.what && known.subject == finding.subject
        };
        match self.findings.iter_mut().find(is_same) {
            Some(known) => known.add(finding),
            None => self.findings.push(finding),
        }
    }

    /// Puts the worst and the most frequent first, and lets go of what is beyond the limits.
    pub fn order(&mut self) {
        self.findings
            .sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| b.lines.cmp(&a.lines)));
        self.findings.truncate(FINDINGS_MAX);
        self.messages
            .sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.template.cmp(&b.template)));
        self.messages.truncate(MESSAGES_SHOWN);
    }
}

impl LogFinding {
    fn add(&mut self, later: Self) {
        self.severity = self.severity.max(later.severity);
        self.lines += later.lines;
        self.first_seen = self.first_seen.min(later.first_seen);
        self.last_seen = self.last_seen.max(later.last_seen);
        self.moved = later.moved.or(self.moved.take());
        for name in later.names {
            if !self.names.contains(&name) {
                self.names.push(name);
            }
        }
    }
}

impl LogMessage {
    fn add(&mut self, later: &Self) {
        self.lines += later.lines;
        self.first_seen = self.first_seen.min(later.first_seen);
        self.last_seen = self.last_seen.max(later.last_seen);
        let n_columns = self.columns.len().max(later.columns.len());
        self.columns.resize(n_columns, 0);
        for (count, more) in self.columns.iter_mut().zip(&later.columns) {
            *count = count.saturating_add(*more);
        }
    }
}

/// Counts as bars, a space where nothing came; only the columns up to the `last`.
#[must_use]
pub fn bars(columns: &[u32], last: usize) -> String {
    let highest = u64::from(columns.iter().copied().max().unwrap_or(0).max(1));
    let bar = |count: &u32| {
        let height = (u64::from(*count) * BARS.len() as u64).div_ceil(highest);
        let nth = usize::try_from(height).unwrap_or(0).checked_sub(1);
        nth.map_or(' ', |nth| BARS.get(nth).copied().unwrap_or('█'))
    };
    columns.iter().take(last.saturating_add(1)).map(bar).collect()
}

/// What a log says, as Markdown.
#[must_use]
pub fn log_markdown(insights: &LogInsights) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_insights(&mut out, insights);
    out
}

fn write_insights(out: &mut String, insights: &LogInsights) -> std::fmt::Result {
    let LogInsights { lines, skipped, templates, .. } = insights;
    writeln!(out, "# {}\n", plain(&insights.name))?;
    let times = match (insights.first_seen, insights.last_seen) {
        (Some(first), Some(last)) => format!(", {first:.0} to {last:.0}"),
        _ => String::new(),
    };
    let older =
        if *skipped > 0 { format!(", {skipped} older ones left out") } else { String::new() };
    writeln!(out, "{lines} lines{times}, {templates} different messages{older}\n")?;
    writeln!(out, "## Findings: {}\n", insights.findings.len())?;
    for finding in insights.findings.iter().take(FINDINGS_SHOWN) {
        write_finding(out, finding)?;
    }
    if insights.findings.len() > FINDINGS_SHOWN {
        let more = insights.findings.len() - FINDINGS_SHOWN;
        writeln!(out, "- and {more} more; `--format json` lists all")?;
    }
    if insights.findings.is_empty() {
        writeln!(out, "Nothing that stands out.")?;
    }
    writeln!(out, "\n## Messages, the most frequent; a column is {} s\n", insights.column_seconds)?;
    writeln!(out, "| lines | over time | message |\n|------:|-----------|---------|")?;
    let last = last_column(insights);
    for message in insights.messages.iter().take(MESSAGES_SHOWN) {
        let (bars, template) = (bars(&message.columns, last), quoted(&message.template));
        writeln!(out, "| {} | `{bars}` | {template} |", message.lines)?;
    }
    writeln!(out)
}

/// The last column in which anything came.
#[must_use]
pub fn last_column(insights: &LogInsights) -> usize {
    let used = |message: &LogMessage| message.columns.iter().rposition(|count| *count > 0);
    insights.messages.iter().filter_map(used).max().unwrap_or(0)
}

fn write_finding(out: &mut String, finding: &LogFinding) -> std::fmt::Result {
    let LogFinding { severity, what, lines, first_seen, last_seen, .. } = finding;
    let subject = plain(&finding.subject);
    writeln!(
        out,
        "- **{severity}** {what}: {subject}, {lines} lines, {first_seen:.0} to {last_seen:.0}"
    )?;
    if let Some(moved) = &finding.moved {
        writeln!(out, "  - {}", plain(moved))?;
    }
    if !finding.names.is_empty() {
        let shown: Vec<String> =
            finding.names.iter().take(NAMES_SHOWN).map(|name| quoted(name)).collect();
        let more = finding.names.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        writeln!(out, "  - with {}{more}", shown.join(", "))?;
    }
    if let Some(exemplar) = &finding.exemplar {
        writeln!(out, "  - {}", quoted(exemplar))?;
    }
    Ok(())
}

/// Text on one line, bounded, in which nothing acts on a terminal.
fn plain(text: &str) -> String {
    let cut: String = text.chars().take(TEXT_CHARS_MAX).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{rest}", visible(&cut).replace(['\n', '\t'], " "))
}

/// Text from outside as Markdown shows it and no more: in backticks, cut, on one line.
fn quoted(text: &str) -> String {
    format!("`{}`", plain(text).replace('`', "'").replace('|', "¦"))
}

/// What the logs of a day say, of which some cannot be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogReport {
    /// What each log says.
    pub logs: Vec<LogInsights>,
    /// What cannot be read, and why.
    pub troubles: Vec<(PathBuf, String)>,
}

/// Writes `analysis/log-insights-YYYY-MM-DD.md` (the day in UTC) and returns the whole path.  The
/// file holds the whole day, and is written anew each time.
///
/// # Errors
/// When the file system refuses; the old file is then untouched.
pub fn write_log_report(
    workspace_dir: &Path,
    day: Timestamp,
    at: Timestamp,
    report: &LogReport,
) -> io::Result<PathBuf> {
    let day = day.strftime("%Y-%m-%d");
    let mut text = format!("<!-- Logs of {day}, as of {at:.0} -->\n\n");
    for insights in &report.logs {
        text.push_str(&log_markdown(insights));
    }
    if report.logs.is_empty() {
        text.push_str("No line came today.\n\n");
    }
    if !report.troubles.is_empty() {
        text.push_str("# What cannot be read\n\n");
    }
    for (path, why) in &report.troubles {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- {}: {}", quoted(&path.display().to_string()), plain(why));
    }
    let path = workspace_dir.join("analysis").join(format!("log-insights-{day}.md"));
    write_whole(&path, text.as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn finding(subject: &str, lines: u64) -> LogFinding {
        LogFinding {
            severity: Severity::Warning,
            what: "scanner".to_owned(),
            subject: subject.to_owned(),
            lines,
            first_seen: at(60),
            last_seen: at(120),
            moved: None,
            names: vec!["/a`|b".to_owned()],
            exemplar: Some("\u{1b}[31m GET | ` /".to_owned()),
        }
    }

    fn message(template: &str, lines: u64) -> LogMessage {
        LogMessage {
            template: template.to_owned(),
            lines,
            first_seen: at(60),
            last_seen: at(120),
            exemplar: String::new(),
            columns: vec![1, 0, 8],
        }
    }

    fn insights() -> LogInsights {
        LogInsights {
            name: "web".to_owned(),
            lines: 9,
            first_seen: Some(at(60)),
            last_seen: Some(at(120)),
            findings: vec![finding("192.0.2.1", 7)],
            templates: 1,
            column_seconds: 2_700,
            messages: vec![message("user <*> logged in", 9)],
            ..LogInsights::default()
        }
    }

    #[test]
    fn a_log_is_shown_and_its_text_stays_in_its_place() {
        insta::assert_snapshot!(log_markdown(&insights()), @r"
        # web

        9 lines, 1970-01-01T00:01:00Z to 1970-01-01T00:02:00Z, 1 different messages

        ## Findings: 1

        - **warning** scanner: 192.0.2.1, 7 lines, 1970-01-01T00:01:00Z to 1970-01-01T00:02:00Z
          - with `/a'¦b`
          - `\u001b[31m GET ¦ ' /`

        ## Messages, the most frequent; a column is 2700 s

        | lines | over time | message |
        |------:|-----------|---------|
        | 9 | `▁ █` | `user <*> logged in` |
        ");
    }

    #[test]
    fn two_parts_of_a_day_make_up_a_whole() {
        let mut day = insights();
        let mut later = insights();
        later.findings.push(finding("192.0.2.2", 1));
        later.messages.push(message("other", 1));
        later.last_seen = Some(at(500));
        later.templates = 2;
        day.add(later);
        let found: Vec<_> = day.findings.iter().map(|f| (f.subject.as_str(), f.lines)).collect();
        assert_eq!(found, [("192.0.2.1", 14), ("192.0.2.2", 1)]);
        assert_eq!((day.lines, day.templates, day.last_seen), (18, 2, Some(at(500))));
        assert_eq!((day.messages[0].lines, day.messages[0].columns[2]), (18, 16));
    }

    #[test]
    fn what_is_kept_and_shown_is_bounded() {
        let mut day = insights();
        for n in 0..FINDINGS_MAX + 9 {
            day.add_finding(finding(&n.to_string(), 1));
        }
        day.order();
        assert_eq!(day.findings.len(), FINDINGS_MAX);
        let shown = log_markdown(&day);
        assert!(shown.contains(&format!("and {} more", FINDINGS_MAX - FINDINGS_SHOWN)));
        assert!(plain(&"가".repeat(9_999)).chars().count() == TEXT_CHARS_MAX + 1);
    }

    #[test]
    fn bars_say_how_often() {
        assert_eq!(bars(&[0, 1, 4, 8], 3), " ▁▄█");
        assert_eq!(bars(&[5, 4, 4, 4], 1), "█▇");
        assert_eq!(bars(&[], 9), "");
        assert_eq!(bars(&[u32::MAX, 1], 9), "█▁");
    }

    #[test]
    fn the_report_is_a_file_of_the_day() {
        let folder = tempfile::tempdir().unwrap();
        let troubles = vec![(PathBuf::from("/var/log/x"), "permission denied".to_owned())];
        let report = LogReport { logs: vec![insights()], troubles };
        let path = write_log_report(folder.path(), at(0), at(600), &report).unwrap();
        assert!(path.ends_with("analysis/log-insights-1970-01-01.md"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains("as of 1970-01-01T00:10:00Z") && text.contains("permission denied"));
    }
}
