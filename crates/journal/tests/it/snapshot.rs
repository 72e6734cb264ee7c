use nightcrew_journal::batch::Expected;
use nightcrew_journal::entry::Position;
use nightcrew_journal::error::WriteError;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::limit::{SNAPSHOT_BYTES_MAX, SNAPSHOTS_MAX};
use rusqlite::Connection;

use crate::sample::one;

#[tokio::test]
async fn the_newest_whole_snapshot_is_loaded_and_the_oldest_go() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.load_snapshot().await, Ok(None));
    for n in 1..=3 {
        journal.append(one("a", Expected::Any, "x")).await.unwrap();
        let state = format!("상태 {n}").into_bytes();
        journal.save_snapshot(Position(n), state).await.unwrap();
    }
    let newest = (Position(3), "상태 3".as_bytes().to_vec());
    assert_eq!(journal.load_snapshot().await, Ok(Some(newest)));
    // One that is ahead of the log is left aside.
    journal.save_snapshot(Position(99), vec![1]).await.unwrap();
    let third = (Position(3), "상태 3".as_bytes().to_vec());
    assert_eq!(journal.load_snapshot().await, Ok(Some(third)));
    journal.close().await.unwrap();
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    let n_rows: usize = file
        .query_row("SELECT count(*) FROM snapshots", [], |row| row.get::<_, i64>(0))
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(n_rows, SNAPSHOTS_MAX);
}

#[tokio::test]
async fn a_damaged_snapshot_is_left_aside_for_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for n in 1..=2 {
        journal.append(one("a", Expected::Any, "x")).await.unwrap();
        journal.save_snapshot(Position(n), vec![7; 9]).await.unwrap();
    }
    journal.close().await.unwrap();
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    let flip = "UPDATE snapshots SET bytes = x'070707070707070706' WHERE position = 2";
    assert_eq!(file.execute(flip, []), Ok(1));
    drop(file);
    let journal = Journal::open(dir.path()).unwrap();
    let before = (Position(1), vec![7; 9]);
    assert_eq!(journal.load_snapshot().await, Ok(Some(before)));
    journal.close().await.unwrap();
    let error = nightcrew_journal::rebuild::verify(dir.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a table of the journal is damaged: 0 retries, 1 snapshots and 0 dead letters have a wrong \
         checksum; run `nightcrew rebuild`"
    );
    nightcrew_journal::rebuild::rebuild(dir.path()).unwrap();
    nightcrew_journal::rebuild::verify(dir.path()).unwrap();
}

#[tokio::test]
async fn a_snapshot_has_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let bytes = SNAPSHOT_BYTES_MAX + 1;
    let outcome = journal.save_snapshot(Position(1), vec![0; bytes]).await;
    assert_eq!(outcome, Err(WriteError::TooLarge { bytes }));
}
