//! `nightcrew logs analyze`: what log files say: attacks, trouble, and which messages there are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use nightcrew_detect::access;
use nightcrew_detect::log::header::{Header, SAMPLE_LINES_MAX};
use nightcrew_detect::log::miner::{Limits, Miner};
use nightcrew_detect::log::shape::ShapeId;
use nightcrew_detect::signs::finding::{Finding, Shift, ShiftUnit};
use nightcrew_detect::signs::{self, line};
use serde::Serialize;

use super::lines::Lines;
use super::spark::{Axis, Counts};
use crate::cli::{self, Format};
use crate::output::{self, Exit, Failure};

/// How many messages are listed, the most frequent.
const MESSAGES_SHOWN: usize = 30;

/// How many findings are listed, the worst first.
const FINDINGS_SHOWN: usize = 200;

/// How many names of a finding are shown.
const NAMES_SHOWN: usize = 8;

/// The longest text that is shown, in characters.
const TEXT_CHARS_MAX: usize = 200;

/// A message that comes again and again.
#[derive(Serialize)]
struct Message {
    template: String,
    lines: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// One line that has it.
    exemplar: String,
    /// How often it came, over the time of the file.
    over_time: String,
}

/// What one file says.
#[derive(Serialize)]
struct Analysis {
    path: PathBuf,
    lines: u64,
    /// Lines that are older than what was asked for.
    skipped: u64,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    findings: Vec<Finding>,
    /// How many different messages there are; the most frequent are in `messages`.
    templates: usize,
    /// How many seconds a column of `over_time` has.
    column_seconds: i64,
    messages: Vec<Message>,
}

pub(crate) fn run(args: &cli::Analyze) -> anyhow::Result<Exit> {
    let now = now();
    let since = args.since.as_deref().map(|since| moment_before(now, since)).transpose()?;
    let analyses: anyhow::Result<Vec<Analysis>> =
        args.paths.iter().map(|path| analyze(path, since, now)).collect();
    let analyses = analyses?;
    let format = if args.json { Format::Json } else { args.format };
    match format {
        Format::Json => output::json(&analyses)?,
        Format::Md => analyses.iter().for_each(show),
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

/// What is known of one shape of messages.
struct Seen {
    first: Timestamp,
    last: Timestamp,
    lines: u64,
    exemplar: Vec<u8>,
    counts: Counts,
}

struct Analyst {
    access: access::Watcher,
    signs: signs::Watcher,
    miner: Miner,
    axis: Axis,
    seen: HashMap<ShapeId, Seen>,
    lines: u64,
    skipped: u64,
    times: Option<(Timestamp, Timestamp)>,
}

impl Analyst {
    fn line(&mut self, text: &[u8], header: &Header, since: Option<Timestamp>, now: Timestamp) {
        if text.is_empty() {
            return;
        }
        let line = line::parse(text, now);
        if since.is_some_and(|since| line.time < since) {
            self.skipped += 1;
            return;
        }
        self.lines += 1;
        self.access.observe(&line);
        self.signs.observe(&line);
        let (first, last) = self.times.unwrap_or((line.time, line.time));
        self.times = Some((first.min(line.time), last.max(line.time)));
        let message = text.get(header.split(text).message).unwrap_or(text);
        let shape = self.miner.learn(message);
        let column = self.axis.column(line.time);
        let seen = self.seen.entry(shape).or_insert_with(|| Seen {
            first: line.time,
            last: line.time,
            lines: 0,
            exemplar: text.get(..4 * TEXT_CHARS_MAX).unwrap_or(text).to_owned(),
            counts: Counts::default(),
        });
        seen.first = seen.first.min(line.time);
        seen.last = seen.last.max(line.time);
        seen.lines += 1;
        seen.counts.count(&self.axis, column);
    }

    fn messages(&self) -> (usize, Vec<Message>) {
        let templates = self.miner.templates();
        let last = self.times.map_or(0, |(first, last)| {
            let passed = last.as_second().saturating_sub(first.as_second());
            usize::try_from(passed / self.axis.width().max(1)).unwrap_or(0)
        });
        let mut of: HashMap<usize, Seen> = HashMap::new();
        for (shape, seen) in &self.seen {
            let Some(index) = templates.index_of(*shape) else { continue };
            let total = of.entry(index).or_insert_with(|| Seen {
                first: seen.first,
                last: seen.last,
                lines: 0,
                exemplar: seen.exemplar.clone(),
                counts: Counts::default(),
            });
            if seen.first < total.first
                || seen.first == total.first && seen.exemplar < total.exemplar
            {
                total.exemplar.clone_from(&seen.exemplar);
            }
            total.first = total.first.min(seen.first);
            total.last = total.last.max(seen.last);
            total.lines += seen.lines;
            total.counts.add(&self.axis, &seen.counts);
        }
        let texts: Vec<String> = templates.iter().map(ToString::to_string).collect();
        let message = |(index, seen): (usize, Seen)| Message {
            template: texts.get(index).cloned().unwrap_or_default(),
            lines: seen.lines,
            first_seen: seen.first,
            last_seen: seen.last,
            exemplar: output::plain(&String::from_utf8_lossy(&seen.exemplar)),
            over_time: seen.counts.bars(last),
        };
        let mut messages: Vec<Message> = of.into_iter().map(message).collect();
        messages.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.template.cmp(&b.template)));
        messages.truncate(MESSAGES_SHOWN);
        (texts.len(), messages)
    }
}

fn analyze(path: &Path, since: Option<Timestamp>, now: Timestamp) -> anyhow::Result<Analysis> {
    let reading = || format!("reading {}", path.display());
    let mut lines = Lines::open(path)?;
    // No line is younger than the file: that gives the year to those that have none.
    let changed = lines.changed_at().with_context(reading)?;
    let now = changed.map_or(now, |changed| changed.min(now));
    let mut first: Vec<Vec<u8>> = Vec::new();
    while first.len() < SAMPLE_LINES_MAX
        && let Some(line) = lines.next().with_context(reading)?
    {
        first.push(line.to_owned());
    }
    let header = Header::recognise(first.iter().map(Vec::as_slice));
    let mut analyst = Analyst {
        access: access::Watcher::new(),
        signs: signs::Watcher::new(),
        miner: Miner::new(Limits::default()),
        axis: Axis::new(),
        seen: HashMap::new(),
        lines: 0,
        skipped: 0,
        times: None,
    };
    for line in &first {
        analyst.line(line, &header, since, now);
    }
    while let Some(line) = lines.next().with_context(reading)? {
        analyst.line(line, &header, since, now);
    }
    let mut findings = analyst.access.findings(now);
    findings.extend(analyst.signs.findings(now));
    findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| b.n_lines.cmp(&a.n_lines)).then(a.id.cmp(&b.id))
    });
    let (templates, messages) = analyst.messages();
    Ok(Analysis {
        path: path.to_owned(),
        lines: analyst.lines,
        skipped: analyst.skipped,
        first_seen: analyst.times.map(|(first, _)| first),
        last_seen: analyst.times.map(|(_, last)| last),
        findings,
        templates,
        column_seconds: analyst.axis.width(),
        messages,
    })
}

fn show(analysis: &Analysis) {
    let Analysis { lines, skipped, templates, .. } = analysis;
    output::line(&format!("# {}", output::plain(&analysis.path.display().to_string())));
    output::line("");
    let times = match (analysis.first_seen, analysis.last_seen) {
        (Some(first), Some(last)) => format!(", {first:.0} to {last:.0}"),
        _ => String::new(),
    };
    let older =
        if *skipped > 0 { format!(", {skipped} older ones left out") } else { String::new() };
    output::line(&format!("{lines} lines{times}, {templates} different messages{older}"));
    output::line("");
    output::line(&format!("## Findings: {}", analysis.findings.len()));
    output::line("");
    for finding in analysis.findings.iter().take(FINDINGS_SHOWN) {
        show_finding(finding);
    }
    if analysis.findings.len() > FINDINGS_SHOWN {
        let more = analysis.findings.len() - FINDINGS_SHOWN;
        output::line(&format!("- and {more} more; `--format json` lists all"));
    }
    if analysis.findings.is_empty() {
        output::line("Nothing that stands out.");
    }
    output::line("");
    output::line(&format!(
        "## Messages, the most frequent; a column is {} s",
        analysis.column_seconds
    ));
    output::line("");
    output::line("| lines | over time | message |");
    output::line("|------:|-----------|---------|");
    for message in &analysis.messages {
        let template = quoted(&message.template);
        output::line(&format!("| {} | `{}` | {template} |", message.lines, message.over_time));
    }
    output::line("");
}

fn show_finding(finding: &Finding) {
    let Finding { severity, kind, n_lines, first_seen, last_seen, .. } = finding;
    let subject = output::plain(&finding.subject.to_string());
    output::line(&format!(
        "- **{severity}** {kind}: {subject}, {n_lines} lines, {first_seen:.0} to {last_seen:.0}"
    ));
    if let Some(shift) = &finding.shift {
        output::line(&format!("  - {}", moved(shift)));
    }
    if !finding.names.is_empty() {
        let shown: Vec<String> =
            finding.names.iter().take(NAMES_SHOWN).map(|name| quoted(name)).collect();
        let more = finding.names.len().saturating_sub(NAMES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        output::line(&format!("  - with {}{more}", shown.join(", ")));
    }
    if let Some(exemplar) = finding.exemplars.first() {
        output::line(&format!("  - {}", quoted(&exemplar.text)));
    }
}

fn moved(shift: &Shift) -> String {
    let Shift { before, now, unit } = shift;
    match unit {
        ShiftUnit::Ratio => format!("{:.2} % before, {:.2} % now", before * 100.0, now * 100.0),
        ShiftUnit::Seconds => format!("{before:.3} s before, {now:.3} s now"),
        ShiftUnit::LinesPerWindow => {
            format!("{before:.0} lines in a window before, {now:.0} now")
        }
    }
}

/// Text from outside as Markdown shows it and no more: in backticks, cut, on one line.
fn quoted(text: &str) -> String {
    let text = output::plain(text).replace('`', "'").replace('|', "¦");
    let cut: String = text.chars().take(TEXT_CHARS_MAX).collect();
    let rest = if cut.len() < text.len() { "…" } else { "" };
    format!("`{cut}{rest}`")
}
