//! The lock on the data folder: one process at a time has the journal open.
//!
//! The kernel holds the lock, so it ends with the process, however that ends.  The id in the file
//! is for people only.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::error::OpenError;

/// The lock's file in the data folder.
pub(crate) const FILE: &str = "journal.lock";

/// The longest process id that is read, in bytes.
const PID_BYTES_MAX: u64 = 20;

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    /// Unlocks by name and not only by closing: a process that is just being started has a copy of
    /// the open file until it becomes another program.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "the data folder could not be unlocked");
        }
    }
}

impl FolderLock {
    /// Makes the folder if there is none, readable by its owner alone, and locks it.
    pub(crate) fn take(dir: &Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| OpenError::folder(dir, error))?;
        Self::take_existing(dir)
    }

    /// Locks a folder that must be there.
    pub(crate) fn take_existing(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| OpenError::folder(&path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { dir: dir.to_owned(), pid: pid(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::folder(&path, error)),
        }
        // On a full disk the id cannot be written; the lock holds all the same.
        if let Err(error) = write_pid(&mut file) {
            tracing::warn!(file = %path.display(), %error, "the process id could not be written");
        }
        Ok(Self { file })
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
