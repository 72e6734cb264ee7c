//! `nightcrew logs analyze`: what log files say: attacks, trouble, and which messages there are.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use nightcrew_crew::logs::insights::{finding_of, insights_of};
use nightcrew_detect::digest::axis::Axis;
use nightcrew_detect::digest::{Count, Digest};
use nightcrew_detect::log::header::{Header, SAMPLE_LINES_MAX};
use nightcrew_detect::log::miner::Limits;
use nightcrew_detect::signs::finding::Finding;
use nightcrew_detect::signs::line;
use nightcrew_report::log_insights::{LogInsights, bars, last_column, log_markdown};
use serde::Serialize;

use super::lines::Lines;
use crate::cli::{self, Format};
use crate::output::{self, Exit, Failure};

/// A message that comes again and again.
#[derive(Serialize)]
struct Message<'a> {
    template: &'a str,
    lines: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// One line that has it.
    exemplar: &'a str,
    /// How often it came, over the time of the file.
    over_time: String,
}

/// What one file says.
#[derive(Serialize)]
struct Analysis<'a> {
    path: &'a Path,
    lines: u64,
    /// Lines that are older than what was asked for.
    skipped: u64,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    findings: &'a [Finding],
    /// How many different messages there are; the most frequent are in `messages`.
    templates: usize,
    /// How many seconds a column of `over_time` has.
    column_seconds: i64,
    messages: Vec<Message<'a>>,
}

/// One file, analyzed.
struct Analyzed {
    path: PathBuf,
    insights: LogInsights,
    findings: Vec<Finding>,
}

pub(crate) fn run(args: &cli::Analyze) -> anyhow::Result<Exit> {
    let now = now();
    let since = args.since.as_deref().map(|since| moment_before(now, since)).transpose()?;
    let analyzed: anyhow::Result<Vec<Analyzed>> =
        args.paths.iter().map(|path| analyze(path, since, now)).collect();
    let analyzed = analyzed?;
    let format = if args.json { Format::Json } else { args.format };
    match format {
        Format::Json => output::json(&analyzed.iter().map(Analysis::of).collect::<Vec<_>>())?,
        Format::Md => {
            for analyzed in &analyzed {
                output::line(log_markdown(&analyzed.insights).trim_end_matches('\n'));
                output::line("");
            }
        }
    }
    Ok(Exit::Done)
}

/// The time from which `--since` counts back.
#[expect(clippy::disallowed_methods, reason = "a command that ends at once has no other clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn moment_before(now: Timestamp, since: &str) -> Result<Timestamp, Failure> {
    let span = since.parse::<SignedDuration>().ok().filter(|span| !span.is_negative());
    span.and_then(|span| now.checked_sub(span).ok()).ok_or_else(|| {
        Failure::usage(format!("`{since}` is no span of time"), "write it like 90m, 1h or 24h")
    })
}

impl<'a> Analysis<'a> {
    fn of(analyzed: &'a Analyzed) -> Self {
        let Analyzed { path, insights, findings } = analyzed;
        let last = last_column(insights);
        let message = |message: &'a nightcrew_report::log_insights::LogMessage| Message {
            template: &message.template,
            lines: message.lines,
            first_seen: message.first_seen,
            last_seen: message.last_seen,
            exemplar: &message.exemplar,
            over_time: bars(&message.columns, last),
        };
        Self {
            path,
            lines: insights.lines,
            skipped: insights.skipped,
            first_seen: insights.first_seen,
            last_seen: insights.last_seen,
            findings,
            templates: insights.templates,
            column_seconds: insights.column_seconds,
            messages: insights.messages.iter().map(message).collect(),
        }
    }
}

/// What is read of one file.
struct Reading {
    digest: Digest,
    header: Header,
    since: Option<Timestamp>,
    skipped: u64,
    now: Timestamp,
}

impl Reading {
    fn line(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let line = line::parse(text, self.now);
        if self.since.is_some_and(|since| line.time < since) {
            self.skipped += 1;
            return;
        }
        let message = text.get(self.header.split(text).message).unwrap_or(text);
        self.digest.add(&line, message, Count::Yes);
    }
}

fn analyze(path: &Path, since: Option<Timestamp>, now: Timestamp) -> anyhow::Result<Analyzed> {
    let reading = || format!("reading {}", path.display());
    let mut lines = Lines::open(path)?;
    // No line is younger than the file: that gives the year to those that have none.
    let changed = lines.changed_at();
    let now = changed.map_or(now, |changed| changed.min(now));
    let mut first: Vec<Vec<u8>> = Vec::new();
    while first.len() < SAMPLE_LINES_MAX
        && let Some(line) = lines.next().with_context(reading)?
    {
        first.push(line.to_owned());
    }
    let mut read = Reading {
        digest: Digest::new(Limits::default(), Axis::new()),
        header: Header::recognise(first.iter().map(Vec::as_slice)),
        since,
        skipped: 0,
        now,
    };
    for line in &first {
        read.line(line);
    }
    while let Some(line) = lines.next().with_context(reading)? {
        read.line(line);
    }
    let found = read.digest.findings(now);
    let mut findings: Vec<Finding> = found.into_iter().map(|(_, finding)| finding).collect();
    findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| b.n_lines.cmp(&a.n_lines)).then(a.id.cmp(&b.id))
    });
    let mut insights = insights_of(&path.display().to_string(), &read.digest);
    insights.skipped = read.skipped;
    insights.findings =
        findings.iter().map(|finding| finding_of(finding, finding.n_lines)).collect();
    Ok(Analyzed { path: path.to_owned(), insights, findings })
}
