//! Flipped bytes and cut files: each is found, or harmless, and never silent.

use std::fs;
use std::path::Path;

use nightcrew_journal::batch::Expected;
use nightcrew_journal::entry::{Entry, Position};
use nightcrew_journal::error::{Damage, OpenError, Part, ReadError};
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use nightcrew_journal::row::{AlertRow, IncidentRow, OutboxRow, Which};
use nightcrew_model::id::{IncidentId, NotificationId};
use rusqlite::Connection;

use crate::sample::{at, every_kind, one, story, whole};

/// How many places of the file are damaged, one at a time.
const PLACES: usize = 100;

async fn make(dir: &Path) -> Journal {
    let journal = Journal::open(dir).unwrap();
    journal.append(every_kind().into()).await.unwrap();
    for n in 1..=6 {
        journal.append(story(n).into()).await.unwrap();
    }
    let id = NotificationId(3);
    journal.outbox_retry(id, 1, at(9), "나중에").await.unwrap();
    journal.save_snapshot(Position(9), vec![1; 100]).await.unwrap();
    journal
}

type Contents = (Vec<Entry>, Vec<AlertRow>, Vec<IncidentRow>, Vec<OutboxRow>);

async fn contents(journal: &Journal) -> Result<Contents, ReadError> {
    let mut messages = Vec::new();
    for n in 0..50 {
        messages.extend(journal.outbox_of(&IncidentId(n).into(), 100).await?);
    }
    Ok((
        journal.read(Position::START, 1_000).await?,
        journal.alerts(None, 1_000).await?,
        journal.incidents(Which::All, None, 1_000).await?,
        messages,
    ))
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_flipped_byte_is_found_or_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let journal = make(dir.path()).await;
    let right = contents(&journal).await.unwrap();
    journal.close().await.unwrap();
    let size = fs::metadata(dir.path().join("journal.db")).unwrap().len() as usize;
    let (mut n_found, mut n_rebuilt) = (0, 0);
    for place in 0..PLACES {
        // The header of the file densely, the rest evenly.
        let offset = if place < 25 { place * 4 } else { place * size / PLACES };
        let bad = tempfile::tempdir().unwrap();
        copy(dir.path(), bad.path(), &["journal.db", "journal.mark"]);
        flip(&bad.path().join("journal.db"), offset);
        let Err(error) = verify(bad.path()) else {
            let journal = Journal::open(bad.path()).unwrap();
            let found = contents(&journal).await.unwrap();
            assert_eq!(found, right, "byte {offset} changed what is read, and was not found");
            continue;
        };
        n_found += 1;
        assert!(!error.to_string().is_empty());
        if rebuild(bad.path()).is_ok() {
            n_rebuilt += 1;
            verify(bad.path()).unwrap();
            let journal = Journal::open(bad.path()).unwrap();
            let entries = whole(&journal).await;
            assert_eq!(entries, right.0, "byte {offset}: a rebuild lost something");
        }
    }
    assert!(n_found > PLACES / 3, "{n_found} of {PLACES} found");
    assert!(n_rebuilt > 0, "no rebuild helped");
}

#[tokio::test]
async fn a_cut_file_is_found() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path()).await.close().await.unwrap();
    let size = fs::metadata(dir.path().join("journal.db")).unwrap().len();
    for length in [0, 1, 50, 100, 4_095, 4_096, size / 2, size - 4_096, size - 1] {
        let bad = tempfile::tempdir().unwrap();
        copy(dir.path(), bad.path(), &["journal.db", "journal.mark"]);
        let file = fs::File::options().write(true).open(bad.path().join("journal.db")).unwrap();
        file.set_len(length).unwrap();
        let error = verify(bad.path()).expect_err("a cut file");
        let typed = matches!(error, OpenError::Damaged(_) | OpenError::Foreign { .. });
        assert!(typed, "cut to {length}: {error}");
    }
    fs::remove_file(dir.path().join("journal.db")).unwrap();
    let error = Journal::open(dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged(_)), "{error}");
    assert!(!dir.path().join("journal.db").exists(), "no empty one took its place");
}

#[tokio::test]
async fn a_damaged_or_cut_write_ahead_log_does_not_lose_entries_silently() {
    let dir = tempfile::tempdir().unwrap();
    let journal = make(dir.path()).await;
    let names = ["journal.db", "journal.db-wal", "journal.mark"];
    let size = fs::metadata(dir.path().join("journal.db-wal")).unwrap().len();
    for length in [0, 10, 32, size / 2] {
        let bad = tempfile::tempdir().unwrap();
        copy(dir.path(), bad.path(), &names);
        let wal = bad.path().join("journal.db-wal");
        let file = fs::File::options().write(true).open(&wal).unwrap();
        file.set_len(length).unwrap();
        expect_lost(bad.path());
    }
    let flipped = tempfile::tempdir().unwrap();
    copy(dir.path(), flipped.path(), &names);
    flip(&flipped.path().join("journal.db-wal"), size as usize / 2);
    let wal = flipped.path().join("journal.db-wal");
    let evidence = fs::read(&wal).unwrap();
    expect_lost(flipped.path());
    // The evidence is as it was, and the operator may decide to go on without what is lost.
    assert!(fs::read(&wal).unwrap() == evidence, "the write-ahead log was touched");
    fs::remove_file(flipped.path().join("journal.mark")).unwrap();
    let rest = Journal::open(flipped.path()).unwrap();
    assert!(rest.last_position() < journal.last_position());
    rest.append(one("a", Expected::New, "x")).await.unwrap();
}

fn expect_lost(dir: &Path) {
    for error in [Journal::open(dir).unwrap_err(), verify(dir).unwrap_err()] {
        let text = error.to_string();
        assert!(
            text.contains("was acknowledged") && text.contains("remove journal.mark"),
            "{text}"
        );
        let log = matches!(error, OpenError::Damaged(Damage { part: Part::Log, .. }));
        assert!(log, "{text}");
    }
}

fn change(dir: &Path, sql: &str) {
    let file = Connection::open(dir.join("journal.db")).unwrap();
    file.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_changed_entry_is_found_at_start_on_read_and_by_a_check() {
    for sql in [
        "UPDATE entries SET payload = replace(payload, '결제', '결재') WHERE position = 1",
        "UPDATE entries SET stream = 'alert/0' WHERE position = 1",
        "UPDATE entries SET version = 9 WHERE position = 1",
        "UPDATE entries SET schema = 2 WHERE position = 1",
        "UPDATE entries SET checksum = 0 WHERE position = 1",
        "DELETE FROM entries WHERE position = 1",
    ] {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path()).await.close().await.unwrap();
        change(dir.path(), sql);
        for error in [
            Journal::open(dir.path()).unwrap_err(),
            verify(dir.path()).unwrap_err(),
            rebuild(dir.path()).unwrap_err(),
        ] {
            let OpenError::Damaged(damage) = error else { panic!("{sql}: {error}") };
            assert_eq!(damage.part, Part::Log, "{sql}: {damage}");
            assert_eq!(damage.position, Some(Position(1)), "{sql}: {damage}");
            assert!(damage.to_string().ends_with("from a backup"), "{damage}");
        }
    }
}

#[tokio::test]
async fn an_old_damaged_entry_is_found_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let journal = make(dir.path()).await;
    // More entries than a start verifies.
    for _ in 0..2 {
        let notes = vec![crate::sample::note("x"); 1_000];
        journal.append(notes.into()).await.unwrap();
    }
    journal.close().await.unwrap();
    change(dir.path(), "UPDATE entries SET version = 7 WHERE position = 3");
    let journal = Journal::open(dir.path()).unwrap();
    let damage = Damage {
        part: Part::Log,
        what: "the checksum does not match".to_owned(),
        position: Some(Position(3)),
    };
    let damaged = ReadError::Damaged(damage);
    let read = journal.read(Position(2), 10).await;
    assert_eq!(read, Err(damaged.clone()));
    let folded = journal.fold(Position::START, (), |(), _| ()).await;
    assert_eq!(folded, Err(damaged.clone()));
    let mut tail = journal.subscribe(Position::START);
    assert_eq!(tail.next().await, Err(damaged));
    assert_eq!(tail.position(), Position::START);
    assert!(journal.read(Position(3), 10).await.is_ok());
    // What comes is still written.
    journal.append(one("a", Expected::New, "x")).await.unwrap();
}

#[tokio::test]
async fn a_lost_entry_in_the_middle_is_found_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let journal = make(dir.path()).await;
    let stream = journal.read(Position(6), 1).await.unwrap()[0].stream.clone();
    change(dir.path(), "DELETE FROM entries WHERE position = 7");
    let error = journal.read(Position(5), 10).await.unwrap_err();
    assert!(error.to_string().contains("entries are missing"), "{error}");
    let error = journal.read(Position(6), 1).await.unwrap_err();
    assert!(error.to_string().contains("entries are missing"), "{error}");
    let error = journal.read_stream(&stream, 0, 1_000).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    let last = journal.last_position();
    change(dir.path(), &format!("DELETE FROM entries WHERE position = {last}"));
    let before = Position(last.0 - 1);
    let error = journal.read(before, 10).await.unwrap_err();
    assert!(error.to_string().contains("entries are missing"), "{error}");
}

#[tokio::test]
async fn a_damaged_mark_is_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path()).await.close().await.unwrap();
    let path = dir.path().join("journal.mark");
    let right = fs::read(&path).unwrap();
    for bytes in [&b""[..], b"x", b"00000000000000009999 0000000000\n", &[0xff; 99]] {
        fs::write(&path, bytes).unwrap();
        drop(Journal::open(dir.path()).unwrap());
        assert_eq!(fs::read(&path).unwrap()[..32], right[..]);
    }
}
