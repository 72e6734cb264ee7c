//! The one who makes things durable: a group of requests is one frame of the front file.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use nightcrew_model::decision::Decision;
use rusqlite::Connection;
use serde::Serialize;

use crate::batch::{Committed, Expects, Prepared};
use crate::database::Unfolded;
use crate::dead_letter::{DeadLetter, DeadLetterId, Replay};
use crate::entry::Position;
use crate::error::{Trouble, WriteError};
use crate::folding::Folding;
use crate::frame::{self, Frame, Head, Kind};
use crate::front::{Front, Link, NotWritten};
use crate::limit::{FREE_BYTES_MIN, FREE_PER_UNFOLDED, KNOWN_STREAMS_MAX};
use crate::mark::Mark;
use crate::outbox::Retry;
use crate::queue::{Answer, Request};
use crate::{log, schema};

/// Something to write.
#[derive(Debug)]
pub(crate) enum Work {
    /// Decisions, if the log is as expected.
    Append(Prepared),
    /// A try to send a message that has to be repeated.
    Retry(Retry),
    /// Something that could not be read.
    Letter(DeadLetter),
    /// What came of replaying it.
    Replay(DeadLetterId, Replay),
    /// Nothing but the proof that writing is possible.
    Probe,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is durable.
    Written,
    /// The batch is durable, there.
    Appended(Committed),
    /// The dead letter is durable, under that number.
    Letter(DeadLetterId),
    /// The batch was not written, because a stream is not as expected.
    Conflict { stream: String, expected: u64, actual: u64 },
    /// The batch was not written, because the log does not end where it should.
    Moved { expected: Position, actual: Position },
}

impl Outcome {
    /// For what is no batch and so expects nothing.
    pub(crate) fn written(result: Result<Self, WriteError>) -> Result<(), WriteError> {
        result.map(drop)
    }
}

/// The one who writes the front file.
#[derive(Debug)]
pub(crate) struct Writer {
    front: Front,
    mark: Mark,
    last: Position,
    last_letter: DeadLetterId,
    /// The file of the database, where versions are looked up.
    path: PathBuf,
    reader: Option<Connection>,
    /// The versions of streams that were asked for, kept up to date since.
    versions: HashMap<String, u64>,
}

type Answers = Vec<(Answer, Result<Outcome, WriteError>)>;

/// A frame while it is put together.
#[derive(Default)]
struct Group {
    records: Vec<Vec<u8>>,
    n_records: u64,
    decisions: Vec<Vec<Decision>>,
}

impl Writer {
    pub(crate) fn new(
        front: Front,
        mark: Mark,
        path: PathBuf,
        last: Position,
        last_letter: DeadLetterId,
    ) -> Self {
        let (reader, versions) = (None, HashMap::new());
        Self { front, mark, last, last_letter, path, reader, versions }
    }

    /// The last position that is durable.
    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// Writes a group in one frame: what it came to, and whether anything was written.  A batch that
    /// finds the log other than it expects leaves no trace and the others go on; an error of the
    /// storage concerns the whole group.
    pub(crate) fn write(&mut self, group: Vec<Request>, folding: &Arc<Folding>) -> (bool, Answers) {
        let before = (self.last, self.last_letter);
        let known = folding.mend().and_then(|()| self.know_streams(&group, folding));
        let mut frame = Group::default();
        let mut answers = Answers::with_capacity(group.len());
        let mut probes = Vec::new();
        for mut request in group {
            let Some(answer) = request.answer.take() else { continue };
            let work = std::mem::replace(&mut request.work, Work::Probe);
            if matches!(work, Work::Probe) {
                probes.push(answers.len());
            }
            let outcome = match &known {
                Ok(()) => self.add(&mut frame, work),
                Err(trouble) => Err(trouble.clone()),
            };
            answers.push((answer, outcome.map_err(WriteError::from)));
        }
        if known.is_err() || frame.n_records == 0 && probes.is_empty() {
            return (false, answers);
        }
        match self.flush(frame, before.0, folding) {
            Ok(()) => {
                if !probes.is_empty()
                    && let Err(trouble) = folding.settle()
                {
                    for probe in probes {
                        if let Some((_, outcome)) = answers.get_mut(probe) {
                            *outcome = Err(trouble.clone().into());
                        }
                    }
                }
                (true, answers)
            }
            Err(trouble) => {
                (self.last, self.last_letter) = before;
                // Some of it was counted already.
                self.versions.clear();
                for (_, outcome) in &mut answers {
                    *outcome = Err(trouble.clone().into());
                }
                (false, answers)
            }
        }
    }

    /// Puts one request into the frame, or finds that it must not be there.
    fn add(&mut self, group: &mut Group, work: Work) -> Result<Outcome, Trouble> {
        let mut records = Vec::new();
        let outcome = match work {
            Work::Append(batch) => {
                if let Some(refused) = self.refused(&batch.expects) {
                    return Ok(refused);
                }
                let first = self.last.next();
                let n_decisions = batch.decisions.len() as u64;
                self.count(&batch);
                self.last = Position(self.last.0 + n_decisions);
                group.n_records += n_decisions;
                group.records.push(batch.records);
                group.decisions.push(batch.decisions);
                return Ok(Outcome::Appended(Committed { first, last: self.last }));
            }
            Work::Retry(retry) => {
                put_json(&mut records, Kind::Retry, &retry)?;
                Outcome::Written
            }
            Work::Letter(letter) => {
                self.last_letter = DeadLetterId(self.last_letter.0 + 1);
                let head = json(&(self.last_letter, &letter))?;
                frame::put(&mut records, Kind::Letter, &head, |records| {
                    records.extend_from_slice(&letter.body);
                    Ok::<(), Trouble>(())
                })?;
                Outcome::Letter(self.last_letter)
            }
            Work::Replay(id, replay) => {
                put_json(&mut records, Kind::Replay, &(id, replay))?;
                Outcome::Written
            }
            Work::Probe => return Ok(Outcome::Written),
        };
        group.n_records += 1;
        group.records.push(records);
        Ok(outcome)
    }

    /// Makes a frame durable, and hands it on to be folded.
    fn flush(
        &mut self,
        group: Group,
        before: Position,
        folding: &Arc<Folding>,
    ) -> Result<(), Trouble> {
        let head = Head {
            sequence: self.front.head().sequence + 1,
            first: before.next(),
            n_records: group.n_records,
        };
        let frame = Frame::of(&head, group.records.iter().map(Vec::as_slice));
        drop(group.records);
        self.check_room(frame.disk_bytes(), folding)?;
        let link = self.write_frame(&frame, folding)?;
        if self.last != before {
            self.mark.write(self.last);
        }
        folding.push(Unfolded { frame, decisions: group.decisions, link });
        Ok(())
    }

    fn write_frame(&mut self, frame: &Frame, folding: &Folding) -> Result<Link, Trouble> {
        loop {
            let settled = folding.settled();
            match self.front.write(frame, settled.sequence) {
                Ok(link) => return Ok(link),
                Err(NotWritten::Failed(trouble)) => return Err(trouble),
                // The tables are behind: they have to come first.
                Err(NotWritten::NoRoom) => folding.make_room(settled)?,
            }
        }
    }

    /// What is acknowledged has to find room in the tables too.
    fn check_room(&self, bytes: usize, folding: &Folding) -> Result<(), Trouble> {
        let unfolded = (bytes + folding.unfolded_bytes()) as u64;
        match self.front.free_bytes() {
            Some(free) if free < unfolded * FREE_PER_UNFOLDED + FREE_BYTES_MIN => {
                Err(Trouble::Full)
            }
            _ => Ok(()),
        }
    }

    /// Learns the versions of the streams that a group asks for.
    fn know_streams(&mut self, group: &[Request], folding: &Folding) -> Result<(), Trouble> {
        if self.versions.len() > KNOWN_STREAMS_MAX {
            self.versions.clear();
        }
        let asked = |work: &Work| match work {
            Work::Append(Prepared { expects: Expects::Streams(streams), .. }) => {
                streams.iter().map(|(stream, ..)| stream.clone()).collect()
            }
            _ => Vec::new(),
        };
        let mut asked: Vec<String> =
            group.iter().flat_map(|request| asked(&request.work)).collect();
        asked.retain(|stream| !self.versions.contains_key(stream));
        if asked.is_empty() {
            return Ok(());
        }
        // What is not folded has no versions yet.
        folding.catch_up(folding.pushed())?;
        let reader = match &self.reader {
            Some(reader) => reader,
            None => self.reader.insert(schema::reader(&self.path)?),
        };
        for stream in asked {
            let version = log::version(reader, &stream)?;
            self.versions.insert(stream, version);
        }
        Ok(())
    }

    /// Why a batch must not be written, if so.
    fn refused(&self, expects: &Expects) -> Option<Outcome> {
        match expects {
            Expects::Nothing => None,
            Expects::End(expected) if *expected == self.last => None,
            Expects::End(expected) => {
                Some(Outcome::Moved { expected: *expected, actual: self.last })
            }
            Expects::Streams(streams) => {
                let mut own: HashMap<&str, u64> = HashMap::new();
                streams.iter().find_map(|(stream, expected, n_decisions)| {
                    let own = own.entry(stream).or_default();
                    let actual = self.versions.get(stream).copied().unwrap_or(0) + *own;
                    *own += n_decisions;
                    let expected = expected.version().filter(|expected| *expected != actual)?;
                    Some(Outcome::Conflict { stream: stream.clone(), expected, actual })
                })
            }
        }
    }

    /// Keeps the known versions up to date.
    fn count(&mut self, batch: &Prepared) {
        match &batch.expects {
            Expects::Streams(streams) => {
                for (stream, _, n_decisions) in streams {
                    if let Some(version) = self.versions.get_mut(stream) {
                        *version += n_decisions;
                    }
                }
            }
            Expects::Nothing | Expects::End(_) if self.versions.is_empty() => {}
            Expects::Nothing | Expects::End(_) => {
                for stream in frame::names(&batch.records) {
                    if let Some(version) = self.versions.get_mut(stream) {
                        *version += 1;
                    }
                }
            }
        }
    }

    /// Closes the connection that looked versions up: the one that writes has to be the last.
    pub(crate) fn forget_streams(&mut self) {
        self.versions.clear();
        self.reader = None;
    }

    /// Tidies up behind the last write.
    pub(crate) fn close(self, is_settled: bool) {
        if let Err(error) = self.mark.flush() {
            tracing::warn!(%error, "the mark of the journal could not be flushed");
        }
        if is_settled {
            self.front.shrink();
        }
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Trouble::not_written(&error))
}

fn put_json<T: Serialize>(records: &mut Vec<u8>, kind: Kind, value: &T) -> Result<(), Trouble> {
    let put = frame::put(records, kind, b"", |records| serde_json::to_writer(records, value));
    put.map(drop).map_err(|error| Trouble::not_written(&error))
}
