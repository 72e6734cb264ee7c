//! A disk that runs full, and has space again.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nightcrew_journal::batch::{Append, Batch, Expected};
use nightcrew_journal::entry::Position;
use nightcrew_journal::error::{AppendError, OpenError, ReadError, WriteError};
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

use crate::sample::{note, story, whole};

/// A small disk in memory, unmounted at the end.
struct SmallDisk {
    // Dropped after the unmount below.
    dir: TempDir,
}

impl SmallDisk {
    /// None, with a word why, where this process may not mount.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = Some(c"size=8m");
        match mount("tmpfs", dir.path(), "tmpfs", MountFlags::empty(), size) {
            Ok(()) => Some(Self { dir }),
            Err(error) => {
                println!("skipped: this process may not mount a tmpfs ({error})");
                None
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file until the disk is full.
    fn fill(&self) -> PathBuf {
        let path = self.dir.path().join("filler");
        let mut file = File::create(&path).unwrap();
        let block = [0; 4_096];
        while file.write_all(&block).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = unmount(self.dir.path(), UnmountFlags::DETACH) {
            println!("{} stays mounted: {error}", self.dir.path().display());
        }
    }
}

fn large() -> Batch {
    Batch(vec![Append {
        stream: "agent/x".to_owned(),
        expected: Expected::Any,
        decisions: vec![note(&"가".repeat(20_000))],
    }])
}

/// Appends until the disk is full; gives how many were acknowledged.
async fn append_until_full(journal: &Journal) -> usize {
    for n in 0..200 {
        match journal.append(large()).await {
            Ok(_) => {}
            Err(AppendError::Write(WriteError::Full)) => return n,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the disk does not run full");
}

async fn verified_copy(data: &Path) {
    // The journal stays open; what is on the disk is checked elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.front", "journal.mark"] {
        std::fs::copy(data.join(name), elsewhere.path().join(name)).unwrap();
    }
    verify(elsewhere.path()).unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_space() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let data = disk.data();
    let journal = Journal::open(&data).unwrap();
    journal.append(story(1).into()).await.unwrap();
    // In the tables too: what is not yet there needs space.
    journal.probe_write().await.unwrap();
    let filler = disk.fill();
    let n_written = append_until_full(&journal).await;
    let error = journal.append(large()).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let last = journal.last_position();
    assert_eq!(last.0 as usize, story(1).len() + n_written);
    assert_eq!(whole(&journal).await.len(), last.0 as usize);
    verified_copy(&data).await;

    std::fs::remove_file(filler).unwrap();
    journal.probe_write().await.unwrap();
    let committed = journal.append(large()).await.unwrap();
    assert_eq!(committed.first, last.next());
    journal.close().await.unwrap();
    verify(&data).unwrap();
    let journal = Journal::open(&data).unwrap();
    assert_eq!(journal.last_position(), committed.last);
}

#[tokio::test]
async fn what_was_durable_when_another_program_filled_the_disk_is_there_when_there_is_space() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let journal = Journal::open(&disk.data()).unwrap();
    for _ in 0..10 {
        journal.append(large()).await.unwrap();
    }
    let filler = disk.fill();
    let last = journal.last_position();
    // It may be in the tables already; if it is not, a read says what is wrong.
    if let Err(error) = journal.read(Position::START, 100).await {
        assert!(matches!(&error, ReadError::Io(_)), "{error}");
    }
    // What is only shown is shown as far as it is in the tables.
    journal.counts().await.unwrap();
    journal.outbox_counts().await.unwrap();
    assert!(journal.alerts(None, 10).await.unwrap().is_empty());
    let error = journal.append(large()).await.unwrap_err();
    assert_eq!(error, AppendError::Write(WriteError::Full));
    assert_eq!(journal.probe_write().await, Err(WriteError::Full));
    std::fs::remove_file(filler).unwrap();
    journal.probe_write().await.unwrap();
    assert_eq!(whole(&journal).await.len() as u64, last.0);
    assert_eq!(journal.append(large()).await.unwrap().first, last.next());
    journal.close().await.unwrap();
    verify(&disk.data()).unwrap();
}

#[tokio::test]
async fn a_group_that_does_not_fit_is_refused_as_a_whole() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let journal = Journal::open(&disk.data()).unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let journal = journal.clone();
        callers.spawn(async move { journal.append(large()).await });
    }
    let outcomes = callers.join_all().await;
    let n_written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let full = Err(AppendError::Write(WriteError::Full));
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome == full));
    assert!(n_written < 100);
    assert_eq!(journal.last_position().0 as usize, n_written);
    verified_copy(&disk.data()).await;
}

#[tokio::test]
async fn opening_and_rebuilding_on_a_full_disk_say_so() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let data = disk.data();
    let journal = Journal::open(&data).unwrap();
    for _ in 0..10 {
        journal.append(large()).await.unwrap();
    }
    let last = journal.last_position();
    journal.close().await.unwrap();
    let filler = disk.fill();
    let fresh = disk.dir.path().join("fresh");
    for outcome in
        [Journal::open(&data).map(drop), Journal::open(&fresh).map(drop), rebuild(&data).map(drop)]
    {
        assert!(matches!(outcome, Err(OpenError::Full)), "{outcome:?}");
    }
    std::fs::remove_file(filler).unwrap();
    verify(&data).unwrap();
    assert_eq!(Journal::open(&data).unwrap().last_position(), last);
    drop(Journal::open(&fresh).unwrap());
}
