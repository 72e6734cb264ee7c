use nightcrew_journal::dead_letter::{DeadLetter, DeadLetterCounts, DeadLetterId, Replay};
use nightcrew_journal::error::WriteError;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::limit::{
    DEAD_LETTER_BODY_BYTES_MAX, DEAD_LETTER_WORDS_CHARS_MAX, DEAD_LETTERS_BYTES_MAX,
};
use nightcrew_journal::rebuild::{rebuild, verify};
use rusqlite::Connection;

use crate::sample::at;

fn letter(n: i64, body: &[u8]) -> DeadLetter {
    DeadLetter {
        door: "결제-그라파나".to_owned(),
        received_at: at(n),
        content_type: "application/json".to_owned(),
        error: "line 1: `alerts` is missing".to_owned(),
        body: body.to_owned(),
    }
}

async fn ids(journal: &Journal) -> Vec<u64> {
    let rows = journal.dead_letters(None, 1_000).await.unwrap();
    rows.iter().map(|row| row.id.0).collect()
}

#[tokio::test]
async fn a_letter_is_kept_listed_replayed_and_survives_restart_and_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    // Not even text.
    let body = b"{\"alerts\": \xff\x00}".to_vec();
    let first = journal.put_dead_letter(letter(1, &body)).await.unwrap();
    let second = journal.put_dead_letter(letter(2, b"")).await.unwrap();
    assert_eq!((first, second), (DeadLetterId(1), DeadLetterId(2)));
    journal.dead_letter_replayed(first, at(9), "3 alerts stored").await.unwrap();
    journal.dead_letter_replayed(DeadLetterId(77), at(9), "gone").await.unwrap();
    for round in ["open", "restart", "rebuild"] {
        let journal = match round {
            "open" => journal.clone(),
            _ => Journal::open(dir.path()).unwrap(),
        };
        assert_eq!(ids(&journal).await, [2, 1], "{round}");
        let page = journal.dead_letters(Some(second), 10).await.unwrap();
        assert_eq!(page.len(), 1);
        let (row, kept) = journal.dead_letter(first).await.unwrap().unwrap();
        assert_eq!(kept, body);
        assert_eq!(row, page[0]);
        let replay = Replay { at: at(9), outcome: "3 alerts stored".to_owned() };
        assert_eq!(row.replay, Some(replay));
        assert_eq!(
            (row.door.as_str(), row.received_at, row.body_bytes),
            ("결제-그라파나", at(1), 14)
        );
        let counts = DeadLetterCounts { kept: 2, replayed: 1, body_bytes: 14, dropped: 0 };
        assert_eq!(journal.dead_letter_counts().await, Ok(counts));
        assert_eq!(journal.dead_letter(DeadLetterId(3)).await, Ok(None));
        journal.close().await.unwrap();
        verify(dir.path()).unwrap();
        assert_eq!(rebuild(dir.path()).unwrap().letters_lost, 0);
    }
    // A number is never given twice.
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.put_dead_letter(letter(3, b"")).await, Ok(DeadLetterId(3)));
}

#[tokio::test]
async fn what_was_replayed_makes_room_first_and_what_went_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let whole = vec![b'x'; DEAD_LETTER_BODY_BYTES_MAX];
    let n_letters = DEAD_LETTERS_BYTES_MAX / DEAD_LETTER_BODY_BYTES_MAX;
    for n in 0..n_letters {
        journal.put_dead_letter(letter(n as i64, &whole)).await.unwrap();
    }
    journal.dead_letter_replayed(DeadLetterId(5), at(99), "stored").await.unwrap();
    for _ in 0..2 {
        journal.put_dead_letter(letter(99, &whole)).await.unwrap();
    }
    let kept = ids(&journal).await;
    assert_eq!(kept.len(), n_letters);
    assert!(!kept.contains(&5) && !kept.contains(&1) && kept.contains(&2));
    let counts = journal.dead_letter_counts().await.unwrap();
    assert_eq!((counts.dropped, counts.replayed), (2, 0));
    assert_eq!(counts.body_bytes, DEAD_LETTERS_BYTES_MAX as u64);
}

#[tokio::test]
async fn a_letter_has_limits() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let bytes = DEAD_LETTER_BODY_BYTES_MAX + 1;
    let refused = journal.put_dead_letter(letter(0, &vec![0; bytes])).await;
    assert_eq!(refused, Err(WriteError::LetterTooLarge { bytes }));
    let long = DeadLetter { error: "가".repeat(2_000), ..letter(0, b"") };
    let id = journal.put_dead_letter(long).await.unwrap();
    let (row, _) = journal.dead_letter(id).await.unwrap().unwrap();
    assert_eq!(row.error.chars().count(), DEAD_LETTER_WORDS_CHARS_MAX);
}

#[tokio::test]
async fn a_damaged_letter_is_found_and_a_rebuild_leaves_it_out() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for n in 1..=3 {
        journal.put_dead_letter(letter(n, b"{}")).await.unwrap();
    }
    journal.close().await.unwrap();
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute_batch(
        "UPDATE dead_letters SET body = x'00' WHERE id = 1; \
         UPDATE dead_letters SET error = '' WHERE id = 2;",
    )
    .unwrap();
    drop(file);
    let journal = Journal::open(dir.path()).unwrap();
    for id in [1, 2] {
        let error = journal.dead_letter(DeadLetterId(id)).await.unwrap_err();
        assert!(error.to_string().contains("dead letter"), "{error}");
    }
    assert!(journal.dead_letters(None, 10).await.is_err());
    journal.close().await.unwrap();
    assert!(verify(dir.path()).unwrap_err().to_string().contains("2 dead letters"));
    assert_eq!(rebuild(dir.path()).unwrap().letters_lost, 2);
    verify(dir.path()).unwrap();
    assert_eq!(ids(&Journal::open(dir.path()).unwrap()).await, [3]);
}
