use nightcrew_journal::batch::Expected;
use nightcrew_journal::entry::Position;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::limit::ENTRIES_MAX;

use crate::sample::{note, noted, one, whole};

#[tokio::test]
async fn replays_and_then_waits_for_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for text in ["하나", "둘"] {
        journal.append(one("a", Expected::Any, text)).await.unwrap();
    }
    let mut tail = journal.subscribe(Position(1));
    let replayed = tail.next().await.unwrap();
    assert_eq!(replayed.len(), 1);
    assert_eq!(noted(&replayed[0].decision), "둘");
    let (next, appended) =
        tokio::join!(tail.next(), journal.append(one("a", Expected::Version(2), "셋")));
    appended.unwrap();
    assert_eq!(noted(&next.unwrap()[0].decision), "셋");
    assert_eq!(tail.position(), Position(3));
}

#[tokio::test]
async fn a_slow_reader_loses_nothing_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut tail = journal.subscribe(Position::START);
    let total = 2 * ENTRIES_MAX + 300;
    let decisions = |n| (0..n).map(|_| note("x")).collect::<Vec<_>>();
    for n in [ENTRIES_MAX, ENTRIES_MAX, 300] {
        journal.append(decisions(n).into()).await.unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < total {
        let entries = tail.next().await.unwrap();
        assert!(!entries.is_empty() && entries.len() <= ENTRIES_MAX);
        seen.extend(entries);
    }
    assert_eq!(seen, whole(&journal).await);
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut tail = journal.subscribe(Position::START);
    tokio::select! {
        biased;
        _ = tail.next() => unreachable!("nothing is there"),
        () = std::future::ready(()) => {}
    }
    journal.append(one("a", Expected::New, "x")).await.unwrap();
    assert_eq!(tail.next().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_fold_sees_every_decision_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let total = ENTRIES_MAX + 10;
    let decisions: Vec<_> = (0..total).map(|n| note(&n.to_string())).collect();
    let (first, rest) = decisions.split_at(ENTRIES_MAX);
    journal.append(first.to_vec().into()).await.unwrap();
    journal.append(rest.to_vec().into()).await.unwrap();
    let (texts, at) = journal
        .fold(Position(5), Vec::new(), |texts: &mut Vec<String>, decision| {
            texts.push(noted(decision).to_owned());
        })
        .await
        .unwrap();
    let expected: Vec<String> = (5..total).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
    assert_eq!(at, Position(total as u64));
}
