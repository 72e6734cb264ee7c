//! Where reading has come to, so that it goes on there after a restart.

use std::fs::File;
use std::hash::Hasher as _;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::follow::paths::FileId;

/// How many of a file's first bytes tell it from another one.
pub const HEAD_BYTES_MAX: usize = 1_024;

/// How many places are kept of files that are not there now.
pub const PLACES_MAX: usize = 2_000;

/// The beginning of a file: two files, or a file before and after it was emptied, differ in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// How many bytes it is of.
    pub(crate) n_bytes: u32,
    /// Their FNV-1a hash.
    pub(crate) hash: u64,
}

impl Head {
    /// The head of a file, of at most so many bytes.
    pub(crate) fn read(file: &File, n_bytes_max: u64) -> io::Result<Self> {
        let mut bytes = [0; HEAD_BYTES_MAX];
        let wanted = usize::try_from(n_bytes_max).unwrap_or(usize::MAX).min(HEAD_BYTES_MAX);
        let mut n_read = 0;
        while let Some(room) = bytes.get_mut(n_read..wanted).filter(|room| !room.is_empty()) {
            match file.read_at(room, n_read as u64)? {
                0 => break,
                n => n_read += n,
            }
        }
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(bytes.get(..n_read).unwrap_or_default());
        Ok(Self { n_bytes: u32::try_from(n_read).unwrap_or(0), hash: hasher.finish() })
    }

    /// Whether a file still begins like this.
    pub(crate) fn is_of(self, file: &File) -> io::Result<bool> {
        Ok(self.n_bytes == 0 || Self::read(file, u64::from(self.n_bytes))? == self)
    }
}

/// Where reading one file has come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file, as it was called last.
    pub(crate) path: PathBuf,
    device: u64,
    inode: u64,
    /// How the file begins.
    pub(crate) head: Head,
    /// The first byte that was not yet given out.
    pub(crate) offset: u64,
}

impl Place {
    pub(crate) fn new(path: &Path, id: FileId, head: Head, offset: u64) -> Self {
        let FileId { device, inode } = id;
        Self { path: path.to_owned(), device, inode, head, offset }
    }

    pub(crate) fn id(&self) -> FileId {
        FileId { device: self.device, inode: self.inode }
    }
}
