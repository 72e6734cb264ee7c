//! Errors that were never heard before.
//!
//! Only a log that is known well can have a new message: the first [`LEARNED_LINES_MIN`] lines
//! are learned.  A new shape is not yet a new message: only when all lines of its template are of
//! new shapes is it one.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::log::miner::Miner;
use crate::log::shape::ShapeId;
use crate::signs::Tone;
use crate::signs::finding::{Episodes, Finding, Note, Subject};
use crate::signs::kind::Kind;
use crate::signs::line::Line;

/// How many lines are learned before a message is new.
pub(crate) const LEARNED_LINES_MIN: u64 = 1_000;

/// How many new shapes wait to be judged; beyond it a log is not known well after all.
pub(crate) const WAITING_MAX: usize = 64;

/// How often it is judged which shapes are new messages, in milliseconds.
pub(crate) const JUDGED_EVERY_MS: i64 = 500;

/// How many lines of a new message are counted one by one.
const FOLLOWED_MAX: usize = 256;

#[derive(Debug)]
struct Waiting {
    first: Timestamp,
    last: Timestamp,
    line: Box<[u8]>,
}

#[derive(Debug, Default)]
pub(crate) struct Unheard {
    n_lines: u64,
    judged: Option<Timestamp>,
    waiting: HashMap<ShapeId, Waiting>,
    /// The shapes of messages that were new, and their texts.
    told: HashMap<ShapeId, Box<str>>,
    episodes: Episodes,
}

impl Unheard {
    /// Takes a line of a shape.
    pub(crate) fn line(&mut self, line: &Line<'_>, shape: ShapeId, is_new: bool, tone: Tone) {
        self.n_lines = self.n_lines.saturating_add(1);
        if tone != Tone::Error {
            return;
        }
        if let Some(template) = self.told.get(&shape) {
            let template = template.clone();
            self.tell(&template, line.time, line.time, 1, line.raw);
        } else if let Some(waiting) = self.waiting.get_mut(&shape) {
            waiting.last = waiting.last.max(line.time);
        } else if is_new && self.n_lines > LEARNED_LINES_MIN && self.waiting.len() < WAITING_MAX {
            let waiting = Waiting { first: line.time, last: line.time, line: line.raw.into() };
            self.waiting.insert(shape, waiting);
        }
    }

    /// Judges the shapes that wait.  That takes all templates, so it is not done too often.
    pub(crate) fn resolve(&mut self, miner: &Miner, now: Timestamp) {
        let passed = |at: Timestamp| now.as_millisecond() - at.as_millisecond();
        let is_soon = |at| (0..JUDGED_EVERY_MS).contains(&passed(at));
        if self.waiting.is_empty() || self.judged.is_some_and(is_soon) {
            return;
        }
        self.judged = Some(now);
        let waiting = std::mem::take(&mut self.waiting);
        // So many new errors at once are a program that is not known.
        if waiting.len() >= WAITING_MAX {
            return;
        }
        let templates = miner.templates();
        let mut new_lines: HashMap<usize, u64> = HashMap::new();
        for shape in waiting.keys() {
            if let Some(index) = templates.index_of(*shape) {
                *new_lines.entry(index).or_default() += miner.n_lines(*shape);
            }
        }
        for (shape, waited) in waiting {
            let Some(index) = templates.index_of(shape) else { continue };
            let Some(template) = templates.resolve(shape) else { continue };
            if new_lines.get(&index).is_none_or(|n_new| template.n_lines > *n_new) {
                continue;
            }
            let text: Box<str> = template.to_string().into();
            // More of it may have come while it waited.
            let n_lines = miner.n_lines(shape).max(1);
            self.tell(&text, waited.first, waited.last, n_lines, &waited.line);
            if self.told.len() < FOLLOWED_MAX {
                self.told.insert(shape, text);
            }
        }
    }

    pub(crate) fn findings(&mut self, now: Timestamp) -> Vec<Finding> {
        self.episodes.report(now)
    }

    fn tell(&mut self, template: &str, since: Timestamp, at: Timestamp, n_lines: u64, line: &[u8]) {
        let kind = Kind::NewError;
        self.episodes.note(&Note {
            family: kind,
            kind,
            severity: kind.severity(),
            key: template.as_bytes(),
            subject: template.as_bytes(),
            make: Subject::Message,
            since,
            at,
            n_lines,
            line,
        });
    }
}
