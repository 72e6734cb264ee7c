//! What has to be remembered over a restart, in one file: where reading has come to, what was
//! counted up to there, and what was told.
//!
//! **Invariant:** it is one file, replaced as a whole: lines that are read again after a crash are
//! not in its counts yet, so nothing is counted twice.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nightcrew_observe::follow::place::Place;
use nightcrew_report::log_insights::LogInsights;
use nightcrew_report::workspace::write_whole;
use serde::{Deserialize, Serialize};

use crate::logs::tell::Told;

/// The version of the file's form.
const VERSION: u32 = 1;

/// A larger file is not ours, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What is remembered.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memory {
    version: u32,
    /// Where reading has come to.
    pub(crate) places: Vec<Place>,
    /// The last entry of systemd's journal that was read.
    #[serde(default)]
    pub(crate) cursor: Option<String>,
    /// The beginning of the day that was counted.
    pub(crate) day: Timestamp,
    /// What was counted of it, by log.
    pub(crate) logs: BTreeMap<String, LogInsights>,
    /// The alerts that go on.
    pub(crate) told: Vec<Told>,
}

impl Memory {
    pub(crate) fn new(
        places: Vec<Place>,
        day: Timestamp,
        logs: BTreeMap<String, LogInsights>,
        told: Vec<Told>,
    ) -> Self {
        Self { version: VERSION, places, cursor: None, day, logs, told }
    }

    /// Where it lies below the data folder.
    pub(crate) fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("logs").join("checkpoint.json")
    }

    /// Reads it; none where there is none, or none that can be used: logs are then followed as
    /// for the first time.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        let path = Self::path(data_dir);
        let read = || -> io::Result<Self> {
            if fs::metadata(&path)?.len() > FILE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
            }
            let memory: Self = serde_json::from_slice(&fs::read(&path)?)?;
            if memory.version == VERSION {
                Ok(memory)
            } else {
                Err(io::Error::new(io::ErrorKind::InvalidData, "it is of another version"))
            }
        };
        match read() {
            Ok(memory) => Some(memory),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!("{} cannot be used: {error}", path.display());
                None
            }
        }
    }

    /// Writes it in the place of the one before.
    pub(crate) fn write(&self, data_dir: &Path) -> io::Result<()> {
        write_whole(&Self::path(data_dir), &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_read_back_and_what_is_damaged_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Memory::read(folder.path()).is_none());
        let memory = Memory::new(Vec::new(), Timestamp::UNIX_EPOCH, BTreeMap::new(), Vec::new());
        memory.write(folder.path()).unwrap();
        assert_eq!(Memory::read(folder.path()).unwrap().day, Timestamp::UNIX_EPOCH);
        for damaged in ["", "{", "{\"version\":2}", "[]"] {
            fs::write(Memory::path(folder.path()), damaged).unwrap();
            assert!(Memory::read(folder.path()).is_none(), "{damaged}");
        }
    }
}
