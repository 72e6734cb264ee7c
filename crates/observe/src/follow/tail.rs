//! One file that is followed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_model::unit::Millis;
use rustix::fs::OFlags;

use crate::follow::container::{Unwrapped, Wrapping};
use crate::follow::escape::without_escapes;
use crate::follow::join::{Joiner, Joining};
use crate::follow::lines::{Cutter, LINE_BYTES_MAX, RawLine};
use crate::follow::paths::FileId;
use crate::follow::place::{HEAD_BYTES_MAX, Head, Place};
use crate::follow::{Entry, FileNumber, Stage, Totals};

/// A last line without an end is taken for whole when nothing came for so long.
pub const UNFINISHED_MAX: Millis = Millis::from_secs(5);

/// An entry is taken for whole when nothing came for so long.
pub const ENTRY_WAIT: Millis = Millis(250);

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The first byte that is given out as history.
    pub(crate) history: u64,
    /// The first byte that is given out as fresh.
    pub(crate) fresh: u64,
}

/// What happened to a file since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// There is more to read.
    Grown,
    /// It was emptied, or begun anew.
    Emptied,
}

#[derive(Debug)]
pub(crate) struct Tail {
    pub(crate) number: FileNumber,
    pub(crate) path: PathBuf,
    pub(crate) pattern: usize,
    file: File,
    id: FileId,
    head: Head,
    /// The next byte to read.
    read_at: u64,
    /// What begins before this byte is history.
    fresh_from: u64,
    size: u64,
    /// When it last changed; no line is younger.
    changed: Timestamp,
    /// When bytes last came, as the one who follows counts time.
    heard: Timestamp,
    /// Since when it is not among the files of its name any more.
    pub(crate) gone_since: Option<Timestamp>,
    is_removed: bool,
    cutter: Cutter,
    flow: Flow,
}

/// From lines to entries.
#[derive(Debug)]
struct Flow {
    wrapping: Wrapping,
    /// The parts of a line that a container engine split, and where the first of them begins.
    parts: Vec<u8>,
    parts_start: Option<u64>,
    joiner: Joiner,
}

impl Tail {
    /// Opens a regular file.  A pipe or a device is none, and is not waited for.
    pub(crate) fn open_file(path: &Path) -> io::Result<(File, fs::Metadata)> {
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        if about.is_file() {
            Ok((file, about))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"))
        }
    }

    pub(crate) fn new(
        (file, about): (File, &fs::Metadata),
        path: &Path,
        pattern: usize,
        joining: Joining,
        begin: Begin,
        now: Timestamp,
    ) -> io::Result<Self> {
        // One byte before tells whether a line begins there.
        let mut before = [b'\n'];
        if begin.history > 0 {
            file.read_exact_at(&mut before, begin.history - 1)?;
        }
        let is_inside = before != [b'\n'];
        Ok(Self {
            number: FileNumber(0),
            head: Head::read(&file, begin.fresh)?,
            id: FileId::of(about),
            path: path.to_owned(),
            pattern,
            file,
            read_at: begin.history,
            fresh_from: begin.fresh,
            size: begin.history,
            changed: changed_at(about, now),
            heard: now,
            gone_since: None,
            is_removed: false,
            cutter: if is_inside { Cutter::inside_a_line() } else { Cutter::default() },
            flow: Flow {
                wrapping: Wrapping::of(path),
                parts: Vec::new(),
                parts_start: None,
                joiner: Joiner::new(joining),
            },
        })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Whether what is read next was there before.
    pub(crate) fn is_in_history(&self) -> bool {
        self.read_at < self.fresh_from
    }

    /// How large the file was at the last look, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The first byte that was not given out.
    pub(crate) fn offset(&self) -> u64 {
        let held = [self.flow.parts_start, self.flow.joiner.held(), self.cutter.unfinished()];
        let first = held.into_iter().flatten().min().unwrap_or(self.read_at);
        // What is still read as history was given out before.
        first.max(self.fresh_from)
    }

    pub(crate) fn place(&self) -> Place {
        Place::new(&self.path, self.id, self.head, self.offset())
    }

    /// Whether nothing of it is held back, and it has been read to its end.
    pub(crate) fn is_drained(&self) -> bool {
        self.read_at >= self.size && self.offset() >= self.read_at
    }

    /// Whether no name leads to it any more.
    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed
    }

    /// Whether an entry or a line waits for more.
    pub(crate) fn holds_something(&self) -> bool {
        self.flow.parts_start.is_some()
            || self.flow.joiner.held().is_some()
            || self.cutter.unfinished().is_some()
    }

    /// Looks what became of the file.
    pub(crate) fn look(&mut self, now: Timestamp) -> io::Result<Change> {
        let about = self.file.metadata()?;
        self.is_removed = about.nlink() == 0;
        let before = std::mem::replace(&mut self.size, about.size());
        let changed = changed_at(&about, now);
        let is_touched = self.size != before || changed != self.changed;
        self.changed = changed;
        if self.size < self.read_at || is_touched && !self.head.is_of(&self.file)? {
            return Ok(Change::Emptied);
        }
        Ok(if self.size > self.read_at { Change::Grown } else { Change::Nothing })
    }

    /// Begins the file anew, after what was held has been given out.
    pub(crate) fn begin_again(&mut self, each: &mut impl FnMut(&Entry<'_>), totals: &mut Totals) {
        self.finish(each, totals);
        self.head = Head::default();
        (self.read_at, self.fresh_from) = (0, 0);
        self.cutter = Cutter::default();
        totals.n_emptied += 1;
    }

    /// Reads into the buffer once, and gives what is whole; says how many bytes there were.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        now: Timestamp,
        each: &mut impl FnMut(&Entry<'_>),
        totals: &mut Totals,
    ) -> io::Result<usize> {
        // What is history ends where what is fresh begins.
        let is_history = self.is_in_history();
        let room = if is_history { self.fresh_from - self.read_at } else { u64::MAX };
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..room) else { return Ok(0) };
        let n_read = self.file.read_at(buffer, self.read_at)?;
        let bytes = buffer.get(..n_read).unwrap_or_default();
        let at = self.read_at;
        self.read_at += n_read as u64;
        if n_read > 0 {
            self.heard = now;
        }
        let Self { cutter, flow, path, pattern, changed, fresh_from, number, .. } = self;
        let about = About {
            number: *number,
            path,
            pattern: *pattern,
            changed: *changed,
            fresh_from: *fresh_from,
        };
        cutter.feed(bytes, at, |line| flow.line(&line, &about, each, totals));
        if is_history && self.read_at >= self.fresh_from {
            self.finish(each, totals);
        }
        if self.head.n_bytes < HEAD_BYTES_MAX as u32 && self.read_at > u64::from(self.head.n_bytes)
        {
            self.head = Head::read(&self.file, self.read_at)?;
        }
        Ok(n_read)
    }

    /// Gives what has waited long enough.
    pub(crate) fn flush(
        &mut self,
        now: Timestamp,
        each: &mut impl FnMut(&Entry<'_>),
        totals: &mut Totals,
    ) {
        let waited = Millis::between(self.heard, now);
        if waited >= UNFINISHED_MAX {
            self.finish(each, totals);
        } else if waited >= ENTRY_WAIT {
            let Self { flow, path, pattern, changed, fresh_from, number, .. } = self;
            let (pattern, changed, fresh_from) = (*pattern, *changed, *fresh_from);
            let about = About { number: *number, path, pattern, changed, fresh_from };
            flow.joiner.finish(|start, text, time| give(start, text, time, &about, each, totals));
        }
    }

    /// Gives everything that is held.
    fn finish(&mut self, each: &mut impl FnMut(&Entry<'_>), totals: &mut Totals) {
        let Self { cutter, flow, path, pattern, changed, fresh_from, number, .. } = self;
        let about = About {
            number: *number,
            path,
            pattern: *pattern,
            changed: *changed,
            fresh_from: *fresh_from,
        };
        cutter.finish(|line| flow.line(&line, &about, each, totals));
        flow.finish(&about, each, totals);
    }
}

/// What an entry's file is.
struct About<'a> {
    number: FileNumber,
    path: &'a Path,
    pattern: usize,
    changed: Timestamp,
    fresh_from: u64,
}

impl Flow {
    fn line(
        &mut self,
        line: &RawLine<'_>,
        about: &About<'_>,
        each: &mut impl FnMut(&Entry<'_>),
        totals: &mut Totals,
    ) {
        totals.n_lines += 1;
        totals.n_cut += u64::from(line.is_cut);
        let out = &mut |start: u64, text: &[u8], time| give(start, text, time, about, each, totals);
        match self.wrapping.unwrap(line.text) {
            Unwrapped::Plain => self.joiner.push(line.text, line.start, None, out),
            Unwrapped::Inner { text, time, is_part } => {
                if self.parts_start.is_none() && !is_part {
                    return self.joiner.push(&text, line.start, time, out);
                }
                let start = *self.parts_start.get_or_insert(line.start);
                let room = LINE_BYTES_MAX.saturating_sub(self.parts.len());
                self.parts.extend_from_slice(text.get(..room).unwrap_or(&text));
                if !is_part {
                    self.joiner.push(&self.parts, start, time, out);
                    self.parts.clear();
                    self.parts_start = None;
                }
            }
        }
    }

    fn finish(
        &mut self,
        about: &About<'_>,
        each: &mut impl FnMut(&Entry<'_>),
        totals: &mut Totals,
    ) {
        let out = &mut |start: u64, text: &[u8], time| give(start, text, time, about, each, totals);
        if let Some(start) = self.parts_start.take() {
            self.joiner.push(&self.parts, start, None, &mut *out);
            self.parts.clear();
        }
        self.joiner.finish(out);
    }
}

fn give(
    start: u64,
    text: &[u8],
    time: Option<Timestamp>,
    about: &About<'_>,
    each: &mut impl FnMut(&Entry<'_>),
    totals: &mut Totals,
) {
    // A file that was emptied under a program which did not notice begins with a hole.
    let begin = text.iter().take_while(|byte| **byte == 0).count();
    let text = text.get(begin..).unwrap_or_default();
    if memchr::memchr(0, text).is_some() {
        totals.n_binary += 1;
        return;
    }
    let text = without_escapes(text);
    if text.trim_ascii().is_empty() {
        return;
    }
    totals.n_entries += 1;
    each(&Entry {
        file: about.number,
        path: about.path,
        pattern: about.pattern,
        text: &text,
        stage: if start < about.fresh_from { Stage::History } else { Stage::Fresh },
        written_by: time.unwrap_or(about.changed),
    });
}

/// When a file changed last, and not later than now.
fn changed_at(about: &fs::Metadata, now: Timestamp) -> Timestamp {
    let changed = about.modified().ok().and_then(|changed| Timestamp::try_from(changed).ok());
    changed.map_or(now, |changed| changed.min(now))
}
