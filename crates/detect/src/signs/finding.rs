//! What is said about the logs: findings that open once, grow, and close after quiet.
//!
//! **Invariant:** one kind about one subject is one finding, however many lines there are; what is
//! kept is bounded, and what is given up is counted.

use std::collections::HashMap;
use std::fmt;

use jiff::Timestamp;
use nightcrew_model::severity::Severity;
use serde::Serialize;

use crate::mask::masked;
use crate::signs::kind::Kind;

/// How many findings may be open at once; beyond it the one that is quiet longest is closed.
pub const OPEN_MAX: usize = 4_000;

/// How many closed findings wait to be fetched; beyond it the oldest is dropped and counted.
pub const CLOSED_MAX: usize = 4_000;

/// How many lines a finding quotes.
pub const EXEMPLARS_MAX: usize = 3;

/// The largest quotation, in bytes of the line.
pub const EXEMPLAR_BYTES_MAX: usize = 240;

/// How many names (addresses, users, paths) a finding lists; the count goes on.
pub const NAMES_MAX: usize = 128;

/// Which finding, within one watcher; later ones have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct FindingId(pub u64);

/// Whom or what a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A source address.
    Address(String),
    /// A user.
    User(String),
    /// The beginning of a request path.
    Route(String),
    /// A program.
    Program(String),
    /// A message, as its template.
    Message(String),
    /// Everything in this log.
    Everything,
}

impl Subject {
    /// Its name; empty for everything.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Address(name)
            | Self::User(name)
            | Self::Route(name)
            | Self::Program(name)
            | Self::Message(name) => name,
            Self::Everything => "",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Address(name)
            | Self::User(name)
            | Self::Route(name)
            | Self::Program(name)
            | Self::Message(name) => name,
            Self::Everything => "all",
        })
    }
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was seen within the quiet time.
    Open,
    /// It has been quiet, and is not said again.
    Closed,
}

/// A line that shows it.  Text from outside: bounded, control characters escaped, to be quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exemplar {
    /// When it was written.
    pub at: Timestamp,
    /// The line, at most [`EXEMPLAR_BYTES_MAX`] bytes of it.
    pub text: String,
}

/// A number before and now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shift {
    /// What was normal.
    pub before: f64,
    /// The worst of the finding.
    pub now: f64,
    /// What both are.
    pub unit: ShiftUnit,
}

/// What a [`Shift`] is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftUnit {
    /// A part of all, 0 to 1.
    Ratio,
    /// Seconds.
    Seconds,
    /// Lines in a window.
    LinesPerWindow,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which one.
    pub id: FindingId,
    /// What it is; of several attacks by one address, the one with the most lines.
    pub kind: Kind,
    /// How bad it is; it only rises.
    pub severity: Severity,
    /// Whom or what it is about.
    pub subject: Subject,
    /// Whether it goes on.
    pub state: State,
    /// Its first line.
    pub first_seen: Timestamp,
    /// Its last line.
    pub last_seen: Timestamp,
    /// How many lines (or attempts, where a line stands for several).
    pub n_lines: u64,
    /// How many lines of each kind, for attacks by one address.
    pub kinds: Vec<(Kind, u64)>,
    /// Who else or what else takes part (users, addresses, paths), without repetition, at most
    /// [`NAMES_MAX`].  Text from outside.
    pub names: Vec<String>,
    /// What moved, for a change in numbers.
    pub shift: Option<Shift>,
    /// Its first lines.
    pub exemplars: Vec<Exemplar>,
}

impl Finding {
    /// Adds a name that takes part.
    pub(crate) fn name(&mut self, name: &[u8]) {
        if name.is_empty() || self.names.len() >= NAMES_MAX {
            return;
        }
        let name = quoted(name);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn quote(&mut self, at: Timestamp, line: &[u8]) {
        if self.exemplars.len() < EXEMPLARS_MAX && !line.is_empty() {
            self.exemplars.push(Exemplar { at, text: quoted(line) });
        }
    }

    fn count(&mut self, kind: Kind, n_lines: u64) {
        self.n_lines += n_lines;
        match self.kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, n)) => *n += n_lines,
            None => self.kinds.push((kind, n_lines)),
        }
        let most = self.kinds.iter().max_by_key(|(kind, n)| (*n, kind.severity()));
        self.kind = most.map_or(kind, |(kind, _)| *kind);
    }
}

/// What is to be noted.
#[derive(Clone, Debug)]
pub(crate) struct Note<'a> {
    /// Which findings it may join: several kinds of attack by one address join one.
    pub(crate) family: Kind,
    /// What this line is.
    pub(crate) kind: Kind,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// What tells findings of the family apart.
    pub(crate) key: &'a [u8],
    /// Whom it is about.
    pub(crate) subject: &'a [u8],
    /// Makes the subject of a new finding.
    pub(crate) make: fn(String) -> Subject,
    /// Since when, for a finding that this opens.
    pub(crate) since: Timestamp,
    /// When.
    pub(crate) at: Timestamp,
    /// How many it stands for.
    pub(crate) n_lines: u64,
    /// The line.
    pub(crate) line: &'a [u8],
}

/// Open and just closed findings.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    open: HashMap<(Kind, Box<[u8]>), Finding>,
    closed: Vec<Finding>,
    next: u64,
    n_dropped: u64,
}

impl Episodes {
    /// Whether a finding of the family is open under the key at that time.
    pub(crate) fn is_open(&self, family: Kind, key: &[u8], at: Timestamp) -> bool {
        !self.open.is_empty()
            && self
                .open
                .get(&(family, Box::from(key)))
                .is_some_and(|finding| !is_over(finding, family, at))
    }

    /// Opens a finding or lets it grow.
    pub(crate) fn note(&mut self, note: &Note<'_>) -> &mut Finding {
        let key = (note.family, Box::from(note.key));
        if self.open.get(&key).is_some_and(|finding| is_over(finding, note.family, note.at)) {
            self.close(&key);
        }
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&key) {
            let quietest = self.open.iter().min_by_key(|(_, finding)| finding.last_seen);
            if let Some(quietest) = quietest.map(|(key, _)| key.clone()) {
                self.close(&quietest);
            }
        }
        let finding = self.open.entry(key).or_insert_with(|| {
            self.next += 1;
            Finding {
                id: FindingId(self.next),
                kind: note.kind,
                severity: note.severity,
                subject: (note.make)(quoted(note.subject)),
                state: State::Open,
                first_seen: note.since.min(note.at),
                last_seen: note.at,
                n_lines: 0,
                kinds: Vec::new(),
                names: Vec::new(),
                shift: None,
                exemplars: Vec::new(),
            }
        });
        finding.first_seen = finding.first_seen.min(note.at);
        finding.last_seen = finding.last_seen.max(note.at);
        finding.severity = finding.severity.max(note.severity);
        finding.count(note.kind, note.n_lines);
        finding.quote(note.at, note.line);
        finding
    }

    /// Takes a name out of an open finding: it has a finding of its own.
    pub(crate) fn part(&mut self, family: Kind, key: &[u8], name: &[u8]) {
        if let Some(finding) = self.open.get_mut(&(family, Box::from(key))) {
            let name = quoted(name);
            finding.names.retain(|known| *known != name);
        }
    }

    /// The open findings and those closed since the last call, in the order of opening.
    pub(crate) fn report(&mut self, now: Timestamp) -> Vec<Finding> {
        let over = self.open.iter().filter(|(key, finding)| is_over(finding, key.0, now));
        let over: Vec<_> = over.map(|(key, _)| key.clone()).collect();
        for key in over {
            self.close(&key);
        }
        let mut all = std::mem::take(&mut self.closed);
        all.extend(self.open.values().cloned());
        all.sort_by_key(|finding| finding.id);
        all
    }

    /// How many closed findings were dropped because nobody fetched them.
    pub(crate) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    fn close(&mut self, key: &(Kind, Box<[u8]>)) {
        let Some(mut finding) = self.open.remove(key) else { return };
        finding.state = State::Closed;
        if self.closed.len() >= CLOSED_MAX {
            self.closed.remove(0);
            self.n_dropped += 1;
        }
        self.closed.push(finding);
    }
}

/// Whether the quiet time of the family has passed.
fn is_over(finding: &Finding, family: Kind, at: Timestamp) -> bool {
    at.as_second() - finding.last_seen.as_second() > family.quiet_seconds()
}

/// A part of a line that may be shown: bounded, valid UTF-8, no control characters, no secrets.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let is_cut = bytes.len() > EXEMPLAR_BYTES_MAX;
    let shown = String::from_utf8_lossy(bytes.get(..EXEMPLAR_BYTES_MAX).unwrap_or(bytes));
    let mut text = String::with_capacity(shown.len());
    for letter in masked(&shown).chars() {
        if letter.is_control() || is_direction(letter) {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    if is_cut {
        text.push('…');
    }
    text
}

/// Letters that turn the direction of the text after them, with which a line can be made to read
/// as another.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(subject: &[u8], second: i64) -> Note<'_> {
        Note {
            family: Kind::Scanner,
            kind: Kind::Scanner,
            severity: Severity::Warning,
            key: subject,
            subject,
            make: Subject::Address,
            since: Timestamp::from_second(second).unwrap(),
            at: Timestamp::from_second(second).unwrap(),
            n_lines: 1,
            line: b"GET \x1b[31m",
        }
    }

    #[test]
    fn a_finding_opens_once_grows_and_closes_after_quiet() {
        let mut episodes = Episodes::default();
        for second in 0..1_000 {
            episodes.note(&note(b"a", second));
        }
        let open = episodes.report(Timestamp::from_second(1_000).unwrap());
        assert_eq!((open.len(), open[0].n_lines, open[0].state), (1, 1_000, State::Open));
        assert_eq!(
            (open[0].exemplars.len(), open[0].exemplars[0].text.as_str()),
            (EXEMPLARS_MAX, "GET \\u{1b}[31m")
        );
        let later = Timestamp::from_second(2_000 + Kind::Scanner.quiet_seconds()).unwrap();
        assert_eq!(episodes.report(later)[0].state, State::Closed);
        assert!(episodes.report(later).is_empty());
    }

    #[test]
    fn a_line_after_quiet_opens_another() {
        let mut episodes = Episodes::default();
        episodes.note(&note(b"a", 0));
        episodes.note(&note(b"a", 1 + Kind::Scanner.quiet_seconds()));
        let all =
            episodes.report(Timestamp::from_second(1 + Kind::Scanner.quiet_seconds()).unwrap());
        assert_eq!(
            all.iter().map(|finding| finding.state).collect::<Vec<_>>(),
            [State::Closed, State::Open]
        );
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut episodes = Episodes::default();
        for n in 0..OPEN_MAX + CLOSED_MAX + 5 {
            episodes.note(&note(n.to_string().as_bytes(), 0));
        }
        assert_eq!((episodes.open.len(), episodes.closed.len()), (OPEN_MAX, CLOSED_MAX));
        assert_eq!(episodes.n_dropped(), 5);
        let finding = episodes.note(&note(b"names", 0));
        for n in 0..NAMES_MAX + 5 {
            finding.name(n.to_string().as_bytes());
        }
        assert_eq!(finding.names.len(), NAMES_MAX);
    }

    #[test]
    fn a_quotation_is_bounded_and_harmless() {
        assert_eq!(quoted(&vec![b'a'; EXEMPLAR_BYTES_MAX + 9]).len(), EXEMPLAR_BYTES_MAX + 3);
        assert_eq!(quoted(b"a\xff\n"), "a\u{fffd}\\n");
        assert_eq!(quoted("\u{202e}x".as_bytes()), "\\u{202e}x");
    }
}
