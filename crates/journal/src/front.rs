//! The front file: where decisions become durable before they are in the tables.
//!
//! One write puts a group of decisions on the disk, past the page cache where the file system can
//! do that; the database follows behind.  The file is a ring of blocks.  It grows, by blocks that
//! are written before they are used, until it has [`FRONT_BYTES_MAX`]; what lies in it is written
//! over once the database has it durably.
//!
//! **Invariant:** frames are written strictly one after the other, each after the one before is on
//! the disk.  So the last frame may be torn, which means that it was never acknowledged; a frame
//! that is damaged although a later one is there is damage.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::entry::Position;
use crate::error::{Damage, OpenError, Trouble};
use crate::frame::{BLOCK_BYTES, Frame, zeros};
use crate::limit::{FRAME_BYTES_MAX, FRONT_BYTES_KEPT, FRONT_BYTES_MAX, FRONT_STEP_BYTES};

/// The front file's name in the data folder.
pub(crate) const FILE: &str = "journal.front";

/// A place in the chain of frames: the last frame that somebody has, and where the next one begins
/// unless it did not fit there and is at the beginning of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) sequence: u64,
    pub(crate) offset: u64,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Front {
    file: File,
    /// Whether what is written passes the page cache by.
    is_direct: bool,
    path: PathBuf,
    /// Its size; every byte of it has been written once.
    size: u64,
    /// The last frame in it, and where the next one goes.
    head: Link,
    /// Where frames begin that the database may not have durably, the oldest first.
    begun: VecDeque<Link>,
    /// Where a write failed: whether it left a whole frame there is not known.
    torn: Option<u64>,
}

/// Why a frame was not written.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// The ring is full of what the database does not have yet.
    NoRoom,
    /// The disk said so.
    Failed(Trouble),
}

impl Front {
    /// Opens the file, or makes it, behind the last frame in it.
    pub(crate) fn open(dir: &Path, head: Link) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let failed = |error| OpenError::folder(&path, error);
        let (file, is_direct) = direct(&path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        let size = found - found % BLOCK_BYTES as u64;
        let begun = VecDeque::new();
        Ok(Self { file, is_direct, path, size, head, begun, torn: None })
    }

    /// The last frame in it.
    pub(crate) fn head(&self) -> Link {
        self.head
    }

    /// Makes a frame durable.  The database has everything durably up to the frame `kept`.
    pub(crate) fn write(&mut self, frame: &Frame, kept: u64) -> Result<Link, NotWritten> {
        if let Some(torn) = self.torn {
            // Two frames of one number must never be there.
            let (zeros, start) = zeros(BLOCK_BYTES);
            self.write_at(zeros.get(start..).unwrap_or_default(), torn)
                .map_err(|error| self.failed(&error))?;
            self.torn = None;
        }
        let length = frame.disk_bytes() as u64;
        let at = self.place(length, kept)?;
        if let Err(error) = self.write_at(frame.blocks(), at) {
            self.torn = Some(at);
            return Err(self.failed(&error));
        }
        self.begun.push_back(Link { sequence: frame.sequence, offset: at });
        self.head = Link { sequence: frame.sequence, offset: at + length };
        Ok(self.head)
    }

    /// Where a frame of this length goes.
    fn place(&mut self, length: u64, kept: u64) -> Result<u64, NotWritten> {
        while self.begun.front().is_some_and(|begun| begun.sequence <= kept) {
            self.begun.pop_front();
        }
        let Some(tail) = self.begun.front().map(|begun| begun.offset) else {
            // Nothing in it is needed any more: begin again where the blocks are warm.
            self.grow(length)?;
            return Ok(0);
        };
        let head = self.head.offset;
        if head <= tail {
            // It has gone round.
            return if head + length <= tail { Ok(head) } else { Err(NotWritten::NoRoom) };
        }
        if head + length <= self.size {
            return Ok(head);
        }
        // It goes round where that leaves room for as much again as it takes now; a ring that
        // closes early stays small.
        let is_wide = tail >= self.size / 2;
        if !is_wide && head + length <= FRONT_BYTES_MAX as u64 {
            self.grow(head + length)?;
            return Ok(head);
        }
        if length <= tail {
            return Ok(0);
        }
        Err(NotWritten::NoRoom)
    }

    /// Makes the file at least this large.
    fn grow(&mut self, size: u64) -> Result<(), NotWritten> {
        while self.size < size {
            self.extend(self.size, FRONT_STEP_BYTES).map_err(|error| self.failed(&error))?;
            self.size += FRONT_STEP_BYTES as u64;
        }
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> NotWritten {
        NotWritten::Failed(Trouble::file(&self.path, error))
    }

    /// Writes blocks before they are used, so that a later write of them changes no metadata.
    fn extend(&mut self, from: u64, bytes: usize) -> io::Result<()> {
        let (zeros, start) = zeros(bytes);
        self.write_at(zeros.get(start..).unwrap_or_default(), from)?;
        self.file.sync_all()
    }

    /// Writes blocks; durable when it returns.
    fn write_at(&mut self, blocks: &[u8], at: u64) -> io::Result<()> {
        match self.file.write_all_at(blocks, at) {
            // The disk's blocks are larger than ours: the page cache has to put them together.
            Err(error) if self.is_direct && error.kind() == io::ErrorKind::InvalidInput => {
                self.file = open(&self.path, OFlags::DSYNC)?;
                self.is_direct = false;
                self.file.write_all_at(blocks, at)
            }
            outcome => outcome,
        }
    }

    /// How many bytes the file system of the file has left for us.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let free = rustix::fs::fstatvfs(&self.file).ok()?;
        Some(free.f_bavail.saturating_mul(free.f_frsize))
    }

    /// Cuts the file to what is kept between two runs.  Everything in it must be in the database.
    pub(crate) fn shrink(&self) {
        let outcome = match self.size > FRONT_BYTES_KEPT as u64 {
            true => self.file.set_len(FRONT_BYTES_KEPT as u64),
            false => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::warn!(%error, "the front file of the journal could not be cut");
        }
    }
}

/// Opens the file so that what is written is durable when the call returns, past the page cache
/// where the file system can do that; says whether it can.
fn direct(path: &Path) -> io::Result<(File, bool)> {
    match open(path, OFlags::DSYNC | OFlags::DIRECT) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Ok((open(path, OFlags::DSYNC)?, false))
        }
        outcome => Ok((outcome?, true)),
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(flags)
        .open(path)
}

/// What lies in a front file behind a place in its chain.
pub(crate) struct Reading {
    file: Option<File>,
    path: PathBuf,
    size: u64,
    at: Link,
}

impl Reading {
    /// Begins behind a link.
    pub(crate) fn open(dir: &Path, at: Link) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let failed = |error| OpenError::folder(&path, error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            outcome => Some(outcome.map_err(failed)?),
        };
        let size = match &file {
            Some(file) => file.metadata().map_err(failed)?.len(),
            None => 0,
        };
        Ok(Self { file, path, size, at })
    }

    /// The last frame that was given.
    pub(crate) fn at(&self) -> Link {
        self.at
    }

    /// The next frame of the chain; none at its end.
    pub(crate) fn next(&mut self, position: Position) -> Result<Option<Frame>, Trouble> {
        let wanted = self.at.sequence + 1;
        for offset in [self.at.offset, 0] {
            if let Some(frame) = self.frame(offset)?
                && frame.sequence == wanted
            {
                let length = frame.disk_bytes() as u64;
                self.at = Link { sequence: wanted, offset: offset + length };
                return Ok(Some(frame));
            }
            if self.at.offset == 0 {
                break;
            }
        }
        // A later frame was begun only when the wanted one was durable.
        let end = self.at.offset.saturating_add(2 * FRAME_BYTES_MAX as u64).min(self.size);
        let places = (self.at.offset..end).step_by(BLOCK_BYTES);
        let around = (0..(2 * FRAME_BYTES_MAX as u64).min(self.size)).step_by(BLOCK_BYTES);
        for offset in places.chain(around) {
            if let Some(frame) = self.frame(offset)?
                && frame.sequence > wanted
            {
                let what = format!("frame {wanted} of the front file does not match its checksum");
                return Err(Damage::log(what, position.next()).into());
            }
        }
        Ok(None)
    }

    /// Every whole frame in the file, by its sequence.
    pub(crate) fn all(&self) -> Result<Vec<Link>, Trouble> {
        let mut found = Vec::new();
        for offset in (0..self.size).step_by(BLOCK_BYTES) {
            if let Some(frame) = self.frame(offset)? {
                found.push(Link { sequence: frame.sequence, offset });
            }
        }
        found.sort_by_key(|link| link.sequence);
        Ok(found)
    }

    /// The whole frame at a place, if there is one.
    pub(crate) fn frame(&self, offset: u64) -> Result<Option<Frame>, Trouble> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut head = [0; 12];
        if offset + head.len() as u64 > self.size {
            return Ok(None);
        }
        file.read_exact_at(&mut head, offset).map_err(|error| Trouble::file(&self.path, &error))?;
        let Some(length) = Frame::length_of(&head).filter(|length| *length <= FRAME_BYTES_MAX)
        else {
            return Ok(None);
        };
        if offset + length as u64 > self.size {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset)
            .map_err(|error| Trouble::file(&self.path, &error))?;
        Frame::read(bytes)
    }
}
