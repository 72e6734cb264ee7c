//! One log: the files of one service, or of one name, digested together.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use nightcrew_detect::digest::axis::{Axis, COLUMNS};
use nightcrew_detect::digest::{Count, Digest, Which};
use nightcrew_detect::log::header::Header;
use nightcrew_detect::log::miner::Limits;
use nightcrew_detect::signs::Tone;
use nightcrew_detect::signs::finding::{Finding, State};
use nightcrew_detect::signs::line::{self, Line};
use nightcrew_observe::follow::{Entry, FileNumber, Stage};
use nightcrew_report::log_insights::{LogFinding, LogInsights};

use crate::logs::insights::{finding_of, insights_of};
use crate::logs::pace::Pace;

/// How many shapes of messages are remembered of one log.
pub(crate) const SHAPES_MAX: usize = 10_000;

/// How many seconds a column of the report has: a day has as many as there are.
const COLUMN_SECONDS: i64 = 86_400 / COLUMNS as i64;

/// After how many lines of a file its header is recognised, and then again.
const HEADER_LINES: [usize; 3] = [1, 10, 100];

/// How much of a line tells its header, in bytes.
const HEADER_BYTES: usize = 256;

/// How many files' headers are known.
const HEADERS_MAX: usize = 1_024;

/// The header of the lines of one file.
#[derive(Debug)]
struct FileHeader {
    header: Header,
    sample: Vec<Box<[u8]>>,
    n_lines: usize,
}

impl FileHeader {
    fn new() -> Self {
        Self { header: Header::recognise(std::iter::empty()), sample: Vec::new(), n_lines: 0 }
    }

    fn of(&mut self, line: &[u8]) -> &Header {
        if self.n_lines < HEADER_LINES.last().copied().unwrap_or(0) {
            self.n_lines += 1;
            self.sample.push(line.get(..HEADER_BYTES).unwrap_or(line).into());
            if HEADER_LINES.contains(&self.n_lines) {
                self.header = Header::recognise(self.sample.iter().map(|line| &**line));
            }
        } else if !self.sample.is_empty() {
            self.sample = Vec::new();
        }
        &self.header
    }
}

/// One log.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    /// Whether the operator said whose it is.
    pub(crate) is_told: bool,
    digest: Digest,
    /// What was counted of the day before a restart, and the findings that are over.
    base: LogInsights,
    /// The findings that go on.
    open: BTreeMap<Which, LogFinding>,
    headers: HashMap<FileNumber, FileHeader>,
    pace: Pace,
    /// Whether lines that count are told from those that do not.
    is_counting: bool,
    /// Whether lines came since the findings were last asked for.
    pub(crate) is_touched: bool,
}

/// The axis of a day that begins at `day`.
fn axis(day: Timestamp) -> Axis {
    Axis::starting_at(day, COLUMN_SECONDS)
}

impl Stream {
    pub(crate) fn new(name: String, is_told: bool, day: Timestamp, base: LogInsights) -> Self {
        Self {
            base: LogInsights { name: name.clone(), ..base },
            name,
            is_told,
            digest: Digest::new(Limits { shapes: SHAPES_MAX }, axis(day)),
            open: BTreeMap::new(),
            headers: HashMap::new(),
            pace: Pace::default(),
            is_counting: false,
            is_touched: false,
        }
    }

    /// Takes an entry.  What is older than the `day` is learned from, and not counted.
    pub(crate) fn entry(&mut self, entry: &Entry<'_>, day: Timestamp, now: Timestamp) {
        self.is_touched = true;
        let first = entry.first_line();
        let line = line::parse(entry.text, entry.written_by.min(now));
        let count = match entry.stage {
            Stage::Fresh if line.time >= day => Count::Yes,
            Stage::Fresh | Stage::History => Count::No,
        };
        if entry.stage == Stage::Fresh {
            self.begin_counting(day, now);
        }
        if self.headers.len() >= HEADERS_MAX && !self.headers.contains_key(&entry.file) {
            self.headers.clear();
        }
        let header = self.headers.entry(entry.file).or_insert_with(FileHeader::new);
        let message = header.of(first).split(first).message;
        let message = first.get(message).unwrap_or(first);
        if self.digest.add(&line, message, count) == Tone::Error && entry.stage == Stage::Fresh {
            self.pace.error(line.time, now);
        }
    }

    /// Takes a line that was read already.
    pub(crate) fn line(&mut self, line: &Line<'_>, day: Timestamp, now: Timestamp) {
        self.is_touched = true;
        self.begin_counting(day, now);
        let first = line.raw.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let count = if line.time >= day { Count::Yes } else { Count::No };
        if self.digest.add(line, first, count) == Tone::Error {
            self.pace.error(line.time, now);
        }
    }

    fn begin_counting(&mut self, day: Timestamp, now: Timestamp) {
        if !std::mem::replace(&mut self.is_counting, true) {
            // What history told of was counted when it was fresh.
            self.digest.count_anew(axis(day), now);
        }
    }

    /// The findings that go on, and the last word about those that are over.
    pub(crate) fn findings(&mut self, now: Timestamp) -> Vec<Finding> {
        self.is_touched = false;
        let mut going_on = Vec::new();
        for (which, finding) in self.digest.findings(now) {
            let lines = self.digest.n_lines_of(which, &finding);
            if self.is_counting && lines > 0 {
                let told = finding_of(&finding, lines);
                match finding.state {
                    State::Open => drop(self.open.insert(which, told)),
                    State::Closed => {
                        self.open.remove(&which);
                        self.base.add_finding(told);
                    }
                }
            }
            if finding.state == State::Open {
                going_on.push(finding);
            }
        }
        self.base.order();
        going_on
    }

    /// Errors, minute by minute.
    pub(crate) fn pace(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// What the log says of the day so far.  The findings are those of the last
    /// [`Self::findings`].
    pub(crate) fn insights(&self) -> LogInsights {
        let mut whole = self.base.clone();
        if self.is_counting {
            let mut now = insights_of(&self.name, &self.digest);
            now.findings = self.open.values().cloned().collect();
            whole.add(now);
        }
        whole
    }

    /// Begins another day.
    pub(crate) fn begin_day(&mut self, day: Timestamp, now: Timestamp) {
        self.digest.count_anew(axis(day), now);
        self.open.clear();
        self.base = LogInsights { name: self.name.clone(), ..LogInsights::default() };
    }
}
