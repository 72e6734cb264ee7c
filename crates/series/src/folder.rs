//! The folder: names of files, the lock, and what makes a file durable.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

const LOCK: &str = "series.lock";
const SEGMENT: &str = "seg";
const WAL: &str = "wal";
const PART: &str = "part";

/// What may be done in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Files are made and removed; nobody else has the folder.
    Write,
    /// Nothing is changed; others may read too.
    Read,
}

/// The folder of a store, locked while this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    access: Access,
    lock: File,
}

/// The numbered files that were found, in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) segments: Vec<u64>,
    pub(crate) wals: Vec<u64>,
}

impl Folder {
    /// Makes the folder if there is none, readable by its owner alone, and locks it.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| StoreError::io(dir, error))?;
        let path = dir.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(|error| StoreError::io(&path, error))?;
        Self::held(dir, Access::Write, lock.try_lock(), lock)
    }

    /// Takes a folder that is there to read it.
    pub(crate) fn look(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(LOCK);
        let lock = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::Absent { dir: dir.to_owned() },
            _ => StoreError::io(&path, error),
        })?;
        Self::held(dir, Access::Read, lock.try_lock_shared(), lock)
    }

    fn held(
        dir: &Path,
        access: Access,
        locked: Result<(), TryLockError>,
        lock: File,
    ) -> Result<Self, StoreError> {
        match locked {
            Ok(()) => Ok(Self { dir: dir.to_owned(), access, lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&dir.join(LOCK), error)),
        }
    }

    /// What may be done here.
    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Refuses where nothing may be changed.
    pub(crate) fn writable(&self) -> Result<(), StoreError> {
        match self.access {
            Access::Write => Ok(()),
            Access::Read => Err(StoreError::ReadOnly { dir: self.dir.clone() }),
        }
    }

    /// The file that is locked.
    pub(crate) fn lock(&self) -> std::io::Result<File> {
        self.lock.try_clone()
    }

    /// The numbered files.  What was being written at a crash is removed.
    pub(crate) fn scan(&self) -> Result<Found, StoreError> {
        let failed = |error| StoreError::io(&self.dir, error);
        let mut found = Found::default();
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            let ending = path.extension().and_then(|ending| ending.to_str());
            match (number, ending) {
                (Some(number), Some(SEGMENT)) => found.segments.push(number),
                (Some(number), Some(WAL)) => found.wals.push(number),
                (Some(_), Some(PART)) if self.access == Access::Write => remove(&path)?,
                _ => {}
            }
        }
        found.segments.sort_unstable();
        found.wals.sort_unstable();
        Ok(found)
    }

    fn file(&self, number: u64, ending: &str) -> PathBuf {
        self.dir.join(format!("{number:012}.{ending}"))
    }

    /// The segment of this number.
    pub(crate) fn segment(&self, number: u64) -> PathBuf {
        self.file(number, SEGMENT)
    }

    /// The segment of this number while it is being written.
    pub(crate) fn part(&self, number: u64) -> PathBuf {
        self.file(number, PART)
    }

    /// The write-ahead file of this number.
    pub(crate) fn wal(&self, number: u64) -> PathBuf {
        self.file(number, WAL)
    }

    /// Makes the names in the folder durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| StoreError::io(&self.dir, error))
    }
}

/// Makes a new file that its owner alone may read.
pub(crate) fn create(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map_err(|error| StoreError::io(path, error))
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io(path, error)),
        _ => Ok(()),
    }
}
