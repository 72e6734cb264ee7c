//! What log lines say: how a line is read, and the signs of slowness, errors and failing hosts.
//!
//! **Invariant:** no clock and no I/O; time comes from the lines, and from the reference that the
//! caller passes.

pub mod change;
pub mod clock;
pub mod finding;
pub mod kind;
pub mod level;
pub mod line;
pub mod phrase;
pub mod request;
pub(crate) mod scan;
pub mod sketch;
pub mod traffic;
pub mod volume;

use jiff::Timestamp;

use crate::signs::finding::{Episodes, Finding, Note, Subject};
use crate::signs::kind::Kind;
use crate::signs::level::Level;
use crate::signs::line::{Body, Line, Message};
use crate::signs::phrase::Phrases;
use crate::signs::traffic::Traffic;
use crate::signs::volume::Volume;

/// From how many seconds on a logged query is a slow one.
pub const SLOW_QUERY_SECONDS: f64 = 1.0;

/// What a line tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// An error: by its level or its words, or a request that the server could not answer.
    Error,
    /// Something else.
    Other,
}

/// Watches the lines of one log for signs of slowness, errors and failing hosts.
#[derive(Debug)]
pub struct Watcher {
    phrases: Phrases,
    traffic: Traffic,
    volume: Volume,
    episodes: Episodes,
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher {
    /// A watcher that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            phrases: Phrases::new(),
            traffic: Traffic::default(),
            volume: Volume::default(),
            episodes: Episodes::default(),
        }
    }

    /// Reads and counts one line.  `reference` is a time not before the line was written, as for
    /// [`line::parse`].
    pub fn line(&mut self, line: &[u8], reference: Timestamp) {
        self.observe(&line::parse(line, reference));
    }

    /// Counts a line that was read already, and says what it tells of.
    pub fn observe(&mut self, line: &Line<'_>) -> Tone {
        match &line.body {
            Body::Request(request) => {
                self.traffic.request(request, line.time, line.raw, &mut self.episodes);
                if request.status >= 500 { Tone::Error } else { Tone::Other }
            }
            Body::Message(message) => self.message(message, line),
        }
    }

    fn message(&mut self, message: &Message<'_>, line: &Line<'_>) -> Tone {
        let said = self.phrases.read(message.text);
        let is_error = match message.level {
            Some(level) => level >= Level::Error,
            None => {
                said.has_error_word
                    && !is_login(message.program)
                    && level::by_words(message.text).is_some()
            }
        };
        let mut rate = said.rate;
        if let Some(seconds) = said.seconds {
            self.traffic.duration(
                message.program,
                seconds,
                line.time,
                line.raw,
                &mut self.episodes,
            );
            if said.is_query && seconds >= SLOW_QUERY_SECONDS {
                rate = rate.or(Some(Kind::SlowQueries));
            }
        }
        self.volume.line(line, rate, is_error, &mut self.episodes);
        // A quiet level tells of an event that is over, or of a word in passing.
        if let Some(kind) = said.event.filter(|_| message.level != Some(Level::Quiet)) {
            self.episodes.note(&Note {
                family: kind,
                kind,
                severity: kind.severity(),
                key: message.program,
                subject: message.program,
                make: |name| {
                    if name.is_empty() { Subject::Everything } else { Subject::Program(name) }
                },
                since: line.time,
                at: line.time,
                n_lines: 1,
                line: line.raw,
            });
        }
        if is_error { Tone::Error } else { Tone::Other }
    }

    /// The open findings and those closed since the last call, in the order of opening.  Windows
    /// that are over by `now` are judged first.
    pub fn findings(&mut self, now: Timestamp) -> Vec<Finding> {
        self.traffic.roll(now, &mut self.episodes);
        self.volume.roll(now, &mut self.episodes);
        self.episodes.report(now)
    }

    /// How many closed findings were dropped because nobody fetched them in time.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.episodes.n_dropped()
    }
}

/// Whether a program's failures are about passwords and accounts, which [`crate::access`] judges.
fn is_login(program: &[u8]) -> bool {
    const PROGRAMS: &[&[u8]] = &[
        b"sshd",
        b"sshd-session",
        b"sudo",
        b"su",
        b"CRON",
        b"login",
        b"passwd",
        b"chpasswd",
        b"useradd",
        b"usermod",
        b"groupadd",
        b"systemd-logind",
    ];
    PROGRAMS.contains(&program)
}
