//! What the lines of one log say together: findings, messages with their counts, and errors.
//!
//! The same for a file that is read once and for a log that is followed for months.
//!
//! **Invariant:** memory is bounded by [`Limits`] and the limits of the watchers, whatever comes;
//! text from a line is quoted, bounded and without secrets.

pub mod axis;
mod fresh;

use std::collections::HashMap;

use jiff::Timestamp;

use crate::access;
use crate::digest::axis::{Axis, Counts};
use crate::digest::fresh::Unheard;
use crate::log::miner::{Limits, Miner};
use crate::log::shape::ShapeId;
use crate::mask::masked;
use crate::signs::finding::{Finding, FindingId, quoted};
use crate::signs::line::Line;
use crate::signs::{self, Tone};

/// How many messages are listed, the most frequent.
pub const MESSAGES_MAX: usize = 30;

/// Whether a line counts, or is only learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// It counts.
    Yes,
    /// It was counted before, or is older than what is counted.
    No,
}

/// A message that comes again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its text, with `<*>` where a parameter is.
    pub template: String,
    /// How many lines had it.
    pub n_lines: u64,
    /// The time of the first of them.
    pub first_seen: Timestamp,
    /// The time of the last of them.
    pub last_seen: Timestamp,
    /// One line that has it, to be quoted.
    pub exemplar: String,
    /// How often it came in each column of the axis.
    pub counts: Counts,
}

/// The messages of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Messages {
    /// How many different ones there are.
    pub n_templates: usize,
    /// The most frequent, at most [`MESSAGES_MAX`].
    pub listed: Vec<Message>,
}

/// Which watcher a finding is of; with its number it is one finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Watcher {
    /// Abnormal access.
    Access,
    /// Slowness, errors and failing hosts.
    Signs,
    /// Messages that were never heard before.
    Unheard,
}

/// One finding within a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Which(pub Watcher, pub FindingId);

/// What is known of one shape of messages.
#[derive(Debug)]
struct Seen {
    first: Timestamp,
    last: Timestamp,
    n_lines: u64,
    exemplar: Box<[u8]>,
    counts: Counts,
}

/// How much of a line is kept as an exemplar, in bytes.
const EXEMPLAR_BYTES_MAX: usize = 240;

/// Digests the lines of one log.
#[derive(Debug)]
pub struct Digest {
    access: access::Watcher,
    signs: signs::Watcher,
    unheard: Unheard,
    miner: Miner,
    limits: Limits,
    axis: Axis,
    seen: HashMap<ShapeId, Seen>,
    n_lines: u64,
    n_errors: u64,
    times: Option<(Timestamp, Timestamp)>,
    /// How many lines each finding had when counting began.
    before: HashMap<Which, u64>,
}

impl Digest {
    /// A digest of nothing yet.
    #[must_use]
    pub fn new(limits: Limits, axis: Axis) -> Self {
        Self {
            access: access::Watcher::new(),
            signs: signs::Watcher::new(),
            unheard: Unheard::default(),
            miner: Miner::new(limits),
            limits,
            axis,
            seen: HashMap::new(),
            n_lines: 0,
            n_errors: 0,
            times: None,
            before: HashMap::new(),
        }
    }

    /// Takes a line; `message` is its text without the header.  Says whether it tells of an error.
    pub fn add(&mut self, line: &Line<'_>, message: &[u8], count: Count) -> Tone {
        self.access.observe(line);
        let tone = self.signs.observe(line);
        let known = self.miner.n_shapes();
        let shape = self.miner.learn(message);
        self.unheard.line(line, shape, self.miner.n_shapes() > known, tone);
        if count == Count::No {
            return tone;
        }
        self.n_lines += 1;
        self.n_errors += u64::from(tone == Tone::Error);
        let (first, last) = self.times.unwrap_or((line.time, line.time));
        self.times = Some((first.min(line.time), last.max(line.time)));
        if self.seen.len() > self.limits.shapes {
            self.forget_rare();
        }
        let column = self.axis.column(line.time);
        let seen = self.seen.entry(shape).or_insert_with(|| Seen {
            first: line.time,
            last: line.time,
            n_lines: 0,
            exemplar: line.raw.get(..EXEMPLAR_BYTES_MAX).unwrap_or(line.raw).into(),
            counts: Counts::default(),
        });
        seen.first = seen.first.min(line.time);
        seen.last = seen.last.max(line.time);
        seen.n_lines += 1;
        seen.counts.count(&self.axis, column);
        tone
    }

    /// Counts from nothing again; what was learned stays.  What findings had so far is not theirs
    /// any more ([`Self::n_lines_of`]).
    pub fn count_anew(&mut self, axis: Axis, now: Timestamp) {
        self.axis = axis;
        self.seen.clear();
        (self.n_lines, self.n_errors, self.times) = (0, 0, None);
        self.before = self
            .findings(now)
            .into_iter()
            .map(|(which, finding)| (which, finding.n_lines))
            .collect();
    }

    /// How many lines counted.
    #[must_use]
    pub fn n_lines(&self) -> u64 {
        self.n_lines
    }

    /// How many of them told of an error.
    #[must_use]
    pub fn n_errors(&self) -> u64 {
        self.n_errors
    }

    /// The times of the first and the last line that counted.
    #[must_use]
    pub fn times(&self) -> Option<(Timestamp, Timestamp)> {
        self.times
    }

    /// The axis of the counts.
    #[must_use]
    pub fn axis(&self) -> &Axis {
        &self.axis
    }

    /// How many lines of a finding came since counting began.
    #[must_use]
    pub fn n_lines_of(&self, which: Which, finding: &Finding) -> u64 {
        finding.n_lines.saturating_sub(self.before.get(&which).copied().unwrap_or(0))
    }

    /// The open findings and those closed since the last call.
    pub fn findings(&mut self, now: Timestamp) -> Vec<(Which, Finding)> {
        self.unheard.resolve(&self.miner, now);
        let of = |watcher, found: Vec<Finding>| {
            found.into_iter().map(move |finding| (Which(watcher, finding.id), finding))
        };
        let access = of(Watcher::Access, self.access.findings(now));
        let signs = of(Watcher::Signs, self.signs.findings(now));
        let unheard = of(Watcher::Unheard, self.unheard.findings(now));
        access.chain(signs).chain(unheard).collect()
    }

    /// The messages that counted.
    #[must_use]
    pub fn messages(&self) -> Messages {
        let templates = self.miner.templates();
        let mut of: HashMap<usize, Message> = HashMap::new();
        let texts: Vec<String> = templates.iter().map(ToString::to_string).collect();
        for (shape, seen) in &self.seen {
            let Some(index) = templates.index_of(*shape) else { continue };
            let total = of.entry(index).or_insert_with(|| Message {
                template: texts.get(index).cloned().unwrap_or_default(),
                n_lines: 0,
                first_seen: seen.first,
                last_seen: seen.last,
                exemplar: quoted(&seen.exemplar),
                counts: Counts::default(),
            });
            if seen.first < total.first_seen {
                total.exemplar = quoted(&seen.exemplar);
            }
            total.first_seen = total.first_seen.min(seen.first);
            total.last_seen = total.last_seen.max(seen.last);
            total.n_lines += seen.n_lines;
            total.counts.add(&self.axis, &seen.counts);
        }
        let n_templates = of.len();
        let mut listed: Vec<Message> = of.into_values().collect();
        listed.sort_by(|a, b| b.n_lines.cmp(&a.n_lines).then_with(|| a.template.cmp(&b.template)));
        listed.truncate(MESSAGES_MAX);
        for message in &mut listed {
            message.counts.follow(&self.axis);
            message.template = masked(&message.template).into_owned();
        }
        Messages { n_templates, listed }
    }

    /// Forgets the rarer half of what was seen.
    fn forget_rare(&mut self) {
        let mut counts: Vec<u64> = self.seen.values().map(|seen| seen.n_lines).collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let (median, mut spare) = (*median, middle);
        self.seen.retain(|_, seen| {
            let is_spare = seen.n_lines == median && spare > 0;
            spare -= usize::from(is_spare);
            seen.n_lines > median || is_spare
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::fresh::LEARNED_LINES_MIN;
    use crate::signs::kind::Kind;
    use crate::signs::line;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn add(digest: &mut Digest, text: &str, second: i64, count: Count) -> Tone {
        digest.add(&line::parse(text.as_bytes(), at(second)), text.as_bytes(), count)
    }

    fn digest(shapes: usize) -> Digest {
        Digest::new(Limits { shapes }, Axis::new())
    }

    #[test]
    fn messages_are_counted_and_what_was_counted_before_is_not() {
        let mut digest = digest(100);
        add(&mut digest, "user 7 logged in", 0, Count::No);
        for n in 0..5 {
            add(&mut digest, &format!("user {n} logged in"), n, Count::Yes);
        }
        assert_eq!(add(&mut digest, "ERROR: disk is gone", 9, Count::Yes), Tone::Error);
        assert_eq!((digest.n_lines(), digest.n_errors()), (6, 1));
        assert_eq!(digest.times(), Some((at(0), at(9))));
        let messages = digest.messages();
        let listed: Vec<_> =
            messages.listed.iter().map(|m| (m.template.as_str(), m.n_lines)).collect();
        assert_eq!(listed, [("user <*> logged in", 5), ("ERROR: disk is gone", 1)]);
        digest.count_anew(Axis::new(), at(10));
        assert_eq!((digest.n_lines(), digest.messages().n_templates), (0, 0));
    }

    #[test]
    fn a_finding_counts_only_what_came_since_counting_began() {
        let mut digest = digest(100);
        let oom = "kernel: Out of memory: Killed process 4711 (web)";
        add(&mut digest, oom, 0, Count::No);
        digest.count_anew(Axis::new(), at(1));
        let lines = |digest: &mut Digest, second| -> Vec<u64> {
            let found = digest.findings(at(second));
            found.iter().map(|(which, finding)| digest.n_lines_of(*which, finding)).collect()
        };
        assert_eq!(lines(&mut digest, 2), [0]);
        add(&mut digest, oom, 3, Count::Yes);
        assert_eq!(lines(&mut digest, 4), [1]);
    }

    #[test]
    fn an_error_that_was_never_heard_is_a_finding_once_the_log_is_known() {
        let mut digest = digest(1_000);
        let learned = i64::try_from(LEARNED_LINES_MIN).unwrap();
        add(&mut digest, "ERROR cannot open cart 1", 0, Count::Yes);
        for n in 0..=learned {
            add(&mut digest, &format!("INFO request {n} done"), n, Count::Yes);
        }
        add(&mut digest, "ERROR cannot open cart 2", learned + 1, Count::Yes);
        assert!(digest.findings(at(learned + 1)).is_empty(), "heard before");
        for n in 0..3 {
            add(&mut digest, &format!("ERROR ledger {n} is torn"), learned + 2, Count::Yes);
            let _ = digest.findings(at(learned + 2));
        }
        let found = digest.findings(at(learned + 3));
        assert_eq!(found.len(), 1, "{found:#?}");
        let (which, finding) = &found[0];
        assert_eq!((which.0, finding.kind, finding.n_lines), (Watcher::Unheard, Kind::NewError, 3));
    }

    #[test]
    fn what_is_seen_is_bounded_and_the_frequent_stays() {
        let mut digest = digest(50);
        for n in 0..2_000_u32 {
            add(&mut digest, "the same again", 0, Count::Yes);
            let word: String = n.to_string().bytes().map(|b| char::from(b + 49)).collect();
            add(&mut digest, &format!("quite {word} other {word}x"), 0, Count::Yes);
        }
        assert!(digest.seen.len() <= 51);
        assert_eq!(digest.messages().listed[0].template, "the same again");
        assert_eq!(digest.messages().listed[0].n_lines, 2_000);
    }

    #[test]
    fn secrets_are_not_listed() {
        let mut digest = digest(50);
        add(&mut digest, "connect with password=hunter2 now", 0, Count::Yes);
        let messages = digest.messages();
        let shown = format!("{:?}", messages.listed[0]);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
