//! The front file: what is durable in it and not in the tables is never lost, and damage is found.

use std::fs;
use std::path::Path;

use nightcrew_journal::batch::Expected;
use nightcrew_journal::dead_letter::{DeadLetter, DeadLetterId};
use nightcrew_journal::entry::{Entry, Position};
use nightcrew_journal::error::{Damage, OpenError, Part};
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use nightcrew_model::id::{IncidentId, NotificationId};
use rusqlite::Connection;

use crate::sample::{at, note, one, queued, story, whole};

const BLOCK: usize = 4_096;

/// Copies a folder of an open journal: as a crash would leave it.
fn crash(from: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["journal.db", "journal.db-wal", "journal.front", "journal.mark"] {
        // What is written last is copied last, as a disk would have it.
        if from.join(name).exists() {
            fs::copy(from.join(name), dir.path().join(name)).unwrap();
        }
    }
    dir
}

/// A journal with a frame for each of so many batches, of which the tables have nothing: another
/// program keeps the database.  Gives what was in it before.
async fn unfolded(journal: &Journal, n_frames: u64) {
    for n in 1..=n_frames {
        journal.append(one(&format!("a/{n}"), Expected::Any, &n.to_string())).await.unwrap();
    }
}

/// Keeps the tables from being written while it lives.
fn hold(dir: &Path) -> Connection {
    let other = Connection::open(dir.join("journal.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

async fn texts(dir: &Path) -> Vec<Entry> {
    let journal = Journal::open(dir).unwrap();
    let entries = whole(&journal).await;
    journal.close().await.unwrap();
    entries
}

#[tokio::test]
async fn what_the_tables_do_not_have_is_put_there_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(story(1).into()).await.unwrap();
    journal.probe_write().await.unwrap();
    let held = hold(dir.path());
    unfolded(&journal, 9).await;
    let letter = DeadLetter {
        door: "문".to_owned(),
        received_at: at(1),
        content_type: String::new(),
        error: "x".to_owned(),
        body: vec![0xff; 10_000],
    };
    assert_eq!(journal.put_dead_letter(letter).await, Ok(DeadLetterId(1)));
    journal.append(vec![queued(9, 1, "discord")].into()).await.unwrap();
    journal.outbox_retry(NotificationId(9), 3, at(50), "나중에").await.unwrap();
    let last = journal.last_position();
    let crashed = crash(dir.path());
    let elsewhere = crash(dir.path());
    drop(held);
    let right = whole(&journal).await;
    assert_eq!(right.len() as u64, last.0);
    // A check counts it, and changes nothing.
    let before = fs::read(crashed.path().join("journal.front")).unwrap();
    assert_eq!(verify(crashed.path()).unwrap().entries, last.0);
    assert!(fs::read(crashed.path().join("journal.front")).unwrap() == before);
    assert_eq!(rebuild(elsewhere.path()).unwrap().entries, last.0);
    for dir in [&crashed, &elsewhere] {
        verify(dir.path()).unwrap();
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(whole(&journal).await, right);
        let (_, body) = journal.dead_letter(DeadLetterId(1)).await.unwrap().unwrap();
        assert_eq!(body, vec![0xff; 10_000]);
        let messages = journal.outbox_of(&IncidentId(1).into(), 100).await.unwrap();
        let retried = messages.iter().find(|row| row.notification.0 == 9).unwrap();
        assert_eq!((retried.attempts, retried.next_at), (3, Some(at(50))));
        journal.append(vec![note("그다음")].into()).await.unwrap();
        journal.close().await.unwrap();
        verify(dir.path()).unwrap();
        assert_eq!(texts(dir.path()).await.len() as u64, last.0 + 1);
    }
}

/// A crashed folder with five frames that the tables do not have, each one block.
async fn five_frames() -> (tempfile::TempDir, Vec<Entry>) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(vec![note("폴더")].into()).await.unwrap();
    journal.probe_write().await.unwrap();
    let held = hold(dir.path());
    unfolded(&journal, 5).await;
    let crashed = crash(dir.path());
    drop(held);
    let entries = whole(&journal).await;
    (crashed, entries)
}

fn expect_damage(dir: &Path, at: u64, words: &str) {
    for error in [
        Journal::open(dir).unwrap_err(),
        verify(dir).unwrap_err(),
        rebuild(dir).map(drop).unwrap_err(),
    ] {
        let OpenError::Damaged(Damage { part: Part::Log, what, position }) = &error else {
            panic!("{error}")
        };
        assert!(what.contains(words), "{error}");
        assert_eq!(*position, Some(Position(at)), "{error}");
    }
}

#[tokio::test]
async fn a_torn_end_is_let_go_when_nobody_was_told_of_it() {
    let (dir, entries) = five_frames().await;
    let front = dir.path().join("journal.front");
    let bytes = fs::read(&front).unwrap();
    // The mark says that it was acknowledged …
    let mut torn = bytes.clone();
    torn[4 * BLOCK + 60] ^= 1;
    fs::write(&front, &torn).unwrap();
    expect_damage(dir.path(), 6, "was acknowledged");
    // … and without it, it may never have been.
    fs::remove_file(dir.path().join("journal.mark")).unwrap();
    assert_eq!(verify(dir.path()).unwrap().entries, 5);
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(whole(&journal).await, entries[..5]);
    let committed = journal.append(vec![note("다시")].into()).await.unwrap();
    assert_eq!(committed.first, Position(6));
    journal.close().await.unwrap();
    verify(dir.path()).unwrap();
}

#[tokio::test]
async fn a_damaged_frame_before_a_whole_one_is_damage() {
    for (frame, byte) in [(0, 2), (1, 9), (2, 17), (3, 44), (3, 120)] {
        let (dir, _) = five_frames().await;
        let front = dir.path().join("journal.front");
        let mut bytes = fs::read(&front).unwrap();
        bytes[frame * BLOCK + byte] ^= 0x10;
        fs::write(&front, &bytes).unwrap();
        fs::remove_file(dir.path().join("journal.mark")).unwrap();
        expect_damage(dir.path(), frame as u64 + 2, "does not match its checksum");
    }
}

#[tokio::test]
async fn a_lost_front_file_is_missed() {
    for length in [None, Some(0), Some(BLOCK as u64), Some(2 * BLOCK as u64 + 100)] {
        let (dir, _) = five_frames().await;
        let front = dir.path().join("journal.front");
        match length {
            None => fs::remove_file(&front).unwrap(),
            Some(length) => {
                fs::File::options().write(true).open(&front).unwrap().set_len(length).unwrap();
            }
        }
        for error in [Journal::open(dir.path()).unwrap_err(), verify(dir.path()).unwrap_err()] {
            assert!(error.to_string().contains("was acknowledged"), "{error}");
        }
    }
}

#[tokio::test]
async fn what_a_power_failure_takes_from_the_tables_is_made_up_for_by_the_front_file() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(vec![note("처음")].into()).await.unwrap();
    journal.probe_write().await.unwrap();
    let held = hold(dir.path());
    unfolded(&journal, 5).await;
    let before = crash(dir.path());
    drop(held);
    // Read, so that the tables have it; not yet flushed, so that it may be gone afterwards.
    let entries = whole(&journal).await;
    let after = crash(dir.path());
    let wal = |dir: &tempfile::TempDir| dir.path().join("journal.db-wal");
    fs::copy(wal(&before), wal(&after)).unwrap();
    assert_eq!(verify(after.path()).unwrap().entries, 6);
    assert_eq!(texts(after.path()).await, entries);
}

#[tokio::test]
async fn frames_go_on_over_many_starts_and_crashes() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for round in 0..6 {
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(journal.last_position(), Position(expected));
        let held = hold(dir.path());
        unfolded(&journal, 3).await;
        expected += 3;
        let crashed = crash(dir.path());
        drop(held);
        if round % 2 == 0 {
            drop(journal);
        } else {
            // As if the process had ended there: what the folder was then takes its place.
            journal.close().await.unwrap();
            for name in ["journal.db", "journal.db-wal", "journal.front", "journal.mark"] {
                let _ = fs::remove_file(dir.path().join(name));
                if crashed.path().join(name).exists() {
                    fs::copy(crashed.path().join(name), dir.path().join(name)).unwrap();
                }
            }
        }
        assert_eq!(verify(dir.path()).unwrap().entries, expected);
    }
    assert_eq!(texts(dir.path()).await.len() as u64, expected);
}
