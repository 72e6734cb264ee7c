//! The write-ahead file: what was appended and is not in a segment yet.
//!
//! A frame is a mark, the length of its body, the checksum of its body and place, and the body.  A
//! body describes series (number and labels) or holds rows of series that an earlier frame of the
//! same file described, so that every file can be read on its own.
//!
//! Frames are gathered in memory and written at known offsets: a write that failed half way is
//! simply done again.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use nightcrew_model::labels::Labels;

use crate::bytes::{checksum, put, put_signed, put_text};
use crate::error::StoreError;
use crate::folder::{Access, Folder, create};
use crate::limit::{FRAME_BYTES_FULL, WAL_BUFFER_BYTES};
use crate::sample::Sample;

/// What every frame starts with.
pub(crate) const FRAME_MARK: [u8; 4] = *b"NCw1";

/// The size of what stands in front of a body, in bytes.
pub(crate) const FRAME_HEAD_BYTES: usize = 12;

/// The body describes series.
pub(crate) const KIND_SERIES: u8 = 1;

/// The body holds rows.
pub(crate) const KIND_ROWS: u8 = 2;

/// What the checksum of a frame is bound to.
pub(crate) fn place(number: u64, offset: u64) -> u64 {
    number.rotate_left(40) ^ offset
}

/// A write-ahead file that is durable only once it was synced.
#[derive(Clone, Debug)]
pub(crate) struct Unsynced {
    pub(crate) number: u64,
    pub(crate) file: Arc<File>,
}

/// The current write-ahead file.
#[derive(Debug)]
pub(crate) struct Wal {
    number: u64,
    path: PathBuf,
    file: Arc<File>,
    /// How much of the file is written.
    written: u64,
    /// What is to be written behind it.
    buffer: Vec<u8>,
    /// Rows of the batch under way.
    rows: Vec<u8>,
    last: (u32, i64),
    /// Files before this one whose samples are not in a segment yet.
    older: Vec<u64>,
    /// Those of them that were not synced by this process.
    unsynced: Vec<Unsynced>,
    /// The disk failed to make something durable; only new segments help.
    broken: bool,
}

impl Wal {
    /// Begins a new file.
    pub(crate) fn begin(folder: &Folder, number: u64, older: Vec<u64>) -> Result<Self, StoreError> {
        let path = folder.wal(number);
        let file = match folder.access() {
            Access::Write => create(&path)?,
            // Nothing is written; the file only stands there.
            Access::Read => folder.lock().map_err(|error| StoreError::io(&path, error))?,
        };
        if folder.access() == Access::Write {
            folder.sync()?;
        }
        let file = Arc::new(file);
        Ok(Self {
            number,
            path,
            file,
            written: 0,
            buffer: Vec::new(),
            rows: Vec::new(),
            last: (0, 0),
            older,
            unsynced: Vec::new(),
            broken: false,
        })
    }

    /// The number of the file.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Whether the disk failed to make something durable.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Puts another file in the place of the one that is written.
    #[cfg(test)]
    pub(crate) fn replace_file(&mut self, file: File) {
        self.file = Arc::new(file);
    }

    /// Remembers that the disk failed to make something durable.
    pub(crate) fn set_broken(&mut self) {
        self.broken = true;
    }

    /// Makes room for a batch: refuses it where the disk does not take what came before.
    pub(crate) fn make_room(&mut self) -> Result<(), StoreError> {
        if self.buffer.len() >= WAL_BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Adds a row to the batch.
    #[inline]
    pub(crate) fn row(&mut self, id: u32, sample: Sample) {
        let (last_id, last_at) = self.last;
        self.last = (id, sample.at.0);
        let id = i64::from(id) - i64::from(last_id);
        let at = sample.at.0.wrapping_sub(last_at);
        let value = sample.value.to_le_bytes();
        // In most rows of a batch both take one byte; then one copy does.
        if (-64..64).contains(&id) && (-64..64).contains(&at) {
            let fold = |number: i64| (number << 1 ^ number >> 63) as u8;
            let [a, b, c, d, e, f, g, h] = value;
            self.rows.extend_from_slice(&[fold(id), fold(at), a, b, c, d, e, f, g, h]);
        } else {
            put_signed(&mut self.rows, id);
            put_signed(&mut self.rows, at);
            self.rows.extend_from_slice(&value);
        }
    }

    /// Ends a batch: describes series that this file has not described, and frames the rows.
    pub(crate) fn end<'l>(&mut self, described: impl Iterator<Item = (u32, &'l Labels)>) {
        let mut body = Vec::new();
        for (id, labels) in described {
            put(&mut body, u64::from(id));
            put(&mut body, labels.len() as u64);
            for (name, value) in labels.iter() {
                put_text(&mut body, name);
                put_text(&mut body, value);
            }
            if body.len() >= FRAME_BYTES_FULL {
                self.frame(KIND_SERIES, &body);
                body.clear();
            }
        }
        if !body.is_empty() {
            self.frame(KIND_SERIES, &body);
        }
        if !self.rows.is_empty() {
            let rows = std::mem::take(&mut self.rows);
            self.frame(KIND_ROWS, &rows);
            self.rows = rows;
            self.rows.clear();
        }
        self.last = (0, 0);
    }

    fn frame(&mut self, kind: u8, body: &[u8]) {
        let offset = self.written + self.buffer.len() as u64;
        let start = self.buffer.len();
        // A body is at most a few MiB: a batch has a limit, and so has a description.
        let len = u32::try_from(body.len() + 1).unwrap_or(u32::MAX);
        self.buffer.extend_from_slice(&FRAME_MARK);
        self.buffer.extend_from_slice(&len.to_le_bytes());
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.push(kind);
        self.buffer.extend_from_slice(body);
        let framed = self.buffer.get(start + FRAME_HEAD_BYTES..).unwrap_or_default();
        let sum = checksum(place(self.number, offset), framed).to_le_bytes();
        if let Some(at) = self.buffer.get_mut(start + 8..start + FRAME_HEAD_BYTES) {
            at.copy_from_slice(&sum);
        }
    }

    /// Gives what was gathered to the operating system.
    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        let written = self.file.write_all_at(&self.buffer, self.written);
        written.map_err(|error| StoreError::io(&self.path, error))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// The files that hold what was appended so far and have to be synced for it to be durable.
    pub(crate) fn to_sync(&self) -> Vec<Unsynced> {
        let current = Unsynced { number: self.number, file: Arc::clone(&self.file) };
        self.unsynced.iter().cloned().chain([current]).collect()
    }

    /// These were synced.
    pub(crate) fn synced(&mut self, files: &[Unsynced]) {
        self.unsynced.retain(|kept| files.iter().all(|synced| synced.number != kept.number));
    }

    /// Begins a new file behind this one.
    pub(crate) fn rotate(&mut self, folder: &Folder, number: u64) -> Result<(), StoreError> {
        let flushed = self.flush();
        if !self.broken {
            // On a full disk it is the segments that free space, so a broken file may stay behind.
            flushed?;
        }
        let mut next = Self::begin(folder, number, std::mem::take(&mut self.older))?;
        next.older.push(self.number);
        next.unsynced = std::mem::take(&mut self.unsynced);
        next.unsynced.push(Unsynced { number: self.number, file: Arc::clone(&self.file) });
        next.broken = self.broken;
        *self = next;
        Ok(())
    }

    /// What is in the files before this one is in segments now; gives their numbers.
    pub(crate) fn sealed(&mut self) -> Vec<u64> {
        self.unsynced.clear();
        self.broken = false;
        std::mem::take(&mut self.older)
    }
}
