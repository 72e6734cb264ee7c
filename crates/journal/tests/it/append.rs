use nightcrew_journal::batch::{Append, Batch, Committed, Expected};
use nightcrew_journal::entry::Position;
use nightcrew_journal::error::{AppendError, ReadError, WriteError};
use nightcrew_journal::journal::Journal;
use nightcrew_journal::limit::{
    BATCH_BYTES_MAX, BATCH_DECISIONS_MAX, ENTRIES_MAX, FRONT_BYTES_KEPT, FRONT_BYTES_MAX,
    GROUP_BATCHES_MAX, QUEUE_BATCHES_MAX, STREAM_BYTES_MAX, WAL_BYTES_KEPT,
};
use nightcrew_model::plan::Action;
use rusqlite::Connection;
use tokio::task::JoinSet;

use crate::sample::{fired, note, noted, one, opened, planned, whole};

#[tokio::test]
async fn what_is_appended_is_read_back_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let committed =
        journal.append(Batch::from(vec![fired(1), opened(1), planned(1)])).await.unwrap();
    let expected = Committed { first: Position(1), last: Position(3) };
    assert_eq!(committed, expected);
    let before = whole(&journal).await;
    journal.close().await.unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.last_position(), Position(3));
    let after = whole(&journal).await;
    assert_eq!(before, after);
    assert_eq!(after[0].decision, fired(1));
    assert_eq!(after[2].stream, "incident/INC-1");
    assert_eq!(after[2].version, 2);
}

#[tokio::test]
async fn a_conflict_names_both_versions_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(one("잠금/결제", Expected::New, "a")).await.unwrap();
    let batch = Batch(vec![
        Append {
            stream: "lock/other".to_owned(),
            expected: Expected::New,
            decisions: vec![note("b")],
        },
        Append {
            stream: "잠금/결제".to_owned(),
            expected: Expected::New,
            decisions: vec![note("c")],
        },
    ]);
    let error = journal.append(batch).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stream 잠금/결제 is at version 1 and not at 0; decide again"
    );
    assert!(!error.is_retryable());
    assert_eq!(journal.last_position(), Position(1));
    let other = journal.read_stream("lock/other", 0, 10).await.unwrap();
    assert_eq!(other, []);
    let again = one("잠금/결제", Expected::Version(1), "d");
    assert_eq!(journal.append(again).await.unwrap().first, Position(2));
}

#[tokio::test]
async fn an_expectation_counts_what_the_batch_itself_put_there() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let append = |stream: &str, expected, n| Append {
        stream: stream.to_owned(),
        expected,
        decisions: vec![note("x"); n],
    };
    let batch = Batch(vec![
        append("a", Expected::New, 2),
        append("b", Expected::New, 1),
        append("a", Expected::Version(2), 1),
    ]);
    journal.append(batch).await.unwrap();
    let versions: Vec<(String, u64)> =
        whole(&journal).await.into_iter().map(|entry| (entry.stream, entry.version)).collect();
    let expected = [("a", 1), ("a", 2), ("b", 1), ("a", 3)];
    assert_eq!(versions, expected.map(|(s, v)| (s.to_owned(), v)));
}

#[tokio::test]
async fn concurrent_callers_share_transactions_and_all_are_in_the_log() {
    const CALLERS: usize = 64;
    const EACH: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let journal = journal.clone();
        callers.spawn(async move {
            for n in 0..EACH {
                let stream = format!("agent/{caller}");
                let batch = one(&stream, Expected::Version(n as u64), "x");
                journal.append(batch).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    let appended = CALLERS * EACH;
    assert_eq!(journal.last_position(), Position(appended as u64));
    assert_eq!(whole(&journal).await.len(), appended);
    let commits = journal.write_stats().commits as usize;
    assert!(commits < appended / 2, "{commits} commits for {appended}");
}

#[tokio::test]
async fn of_those_who_race_for_a_version_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut racers = JoinSet::new();
    for racer in 0..32 {
        let journal = journal.clone();
        racers.spawn(async move {
            let batch = one("approval/1", Expected::New, &racer.to_string());
            journal.append(batch).await
        });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .flat_map(|outcome| outcome.as_ref().err())
            .all(|error| matches!(error, AppendError::Conflict { expected: 0, actual: 1, .. }))
    );
}

#[tokio::test]
async fn refuses_what_breaks_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let batch = |stream: String, decisions| {
        Batch(vec![Append { stream, expected: Expected::Any, decisions }])
    };
    let small = "a".to_owned();
    let refused = [
        (Batch(vec![]), AppendError::Empty),
        (batch(small.clone(), vec![]), AppendError::Empty),
        (batch(small.clone(), vec![note("x"); BATCH_DECISIONS_MAX + 1]), AppendError::TooLarge),
        (
            batch(small.clone(), vec![note(&"가".repeat(BATCH_BYTES_MAX / 3))]),
            AppendError::TooLarge,
        ),
        (batch("a".repeat(STREAM_BYTES_MAX + 1), vec![note("x")]), AppendError::TooLarge),
    ];
    for (batch, expected) in refused {
        assert_eq!(journal.append(batch).await, Err(expected));
    }
    let most = batch("a".repeat(STREAM_BYTES_MAX), vec![note("x"); BATCH_DECISIONS_MAX]);
    journal.append(most).await.unwrap();
    journal.append(one("b", Expected::New, "y")).await.unwrap();
    let first = journal.read(Position::START, usize::MAX).await.unwrap();
    assert_eq!(first.len(), ENTRIES_MAX);
    let rest = journal.read(Position(1_000), usize::MAX).await.unwrap();
    assert_eq!(noted(&rest[0].decision), "y");
    assert_eq!(journal.read(Position(u64::MAX), 1).await.unwrap(), []);
}

#[tokio::test]
async fn a_read_stops_behind_its_limit_of_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let text = "x".repeat(3 << 20);
    for _ in 0..4 {
        journal.append(one("a", Expected::Any, &text)).await.unwrap();
    }
    let first = journal.read(Position::START, 100).await.unwrap();
    assert_eq!(first.len(), 3);
    assert_eq!(journal.read(Position(3), 100).await.unwrap().len(), 1);
    assert_eq!(journal.read_stream("a", 0, 100).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_path_that_is_not_utf8_is_refused_and_not_lost() {
    use std::os::unix::ffi::OsStringExt as _;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut decision = planned(1);
    if let nightcrew_model::decision::Fact::AttemptPlanned { plan, .. } = &mut decision.fact {
        plan.steps[0].action = Action::CleanFiles {
            root: std::ffi::OsString::from_vec(vec![b'/', 0xff]).into(),
            name: None,
            older_than: nightcrew_model::unit::Millis(1),
        };
    }
    let error = journal.append(vec![decision].into()).await.unwrap_err();
    assert!(matches!(error, AppendError::NotStorable(_)), "{error}");
}

#[tokio::test]
async fn an_overload_is_refused_at_once_and_what_was_accepted_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    // Whoever is told of the first batch keeps the writer waiting.
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let stop = move |_| wait.recv().unwrap();
    journal.append_at(Position::START, vec![note("x")], stop).unwrap();
    let total = QUEUE_BATCHES_MAX + GROUP_BATCHES_MAX + 100;
    let mut callers = JoinSet::new();
    let (refused, mut refusals) = tokio::sync::mpsc::channel(total);
    for n in 0..total {
        let (journal, refused) = (journal.clone(), refused.clone());
        callers.spawn(async move {
            let outcome = journal.append(one(&n.to_string(), Expected::Any, "x")).await;
            if outcome.is_err() {
                refused.send(()).await.unwrap();
            }
            outcome
        });
    }
    drop(refused);
    refusals.recv().await.unwrap();
    assert!(journal.write_stats().waiting <= QUEUE_BATCHES_MAX);
    go_on.send(()).unwrap();
    let outcomes = callers.join_all().await;
    let overloaded = Err(AppendError::Write(WriteError::Overloaded));
    let n_written = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let n_refused = outcomes.iter().filter(|outcome| **outcome == overloaded).count();
    assert_eq!(n_written + n_refused, total);
    assert!(n_refused > 0 && n_written >= QUEUE_BATCHES_MAX - 1);
    assert_eq!(journal.last_position(), Position(n_written as u64 + 1));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_take_its_batch_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut tail = journal.subscribe(Position::START);
    {
        let append = journal.append(one("a", Expected::New, "남는다"));
        tokio::pin!(append);
        // Polled once, it waits in the queue; then it is dropped.
        tokio::select! {
            biased;
            _ = &mut append => {}
            () = std::future::ready(()) => {}
        }
    }
    let entries = tail.next().await.unwrap();
    assert_eq!(noted(&entries[0].decision), "남는다");
}

#[tokio::test]
async fn a_closed_journal_says_so_and_unlocks_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut tail = journal.subscribe(Position::START);
    let mut waiting = JoinSet::new();
    for n in 0..50 {
        let journal = journal.clone();
        waiting.spawn(async move { journal.append(one(&n.to_string(), Expected::New, "x")).await });
    }
    // Every task has put its batch into the queue once this one has had its turn after them.
    tokio::task::yield_now().await;
    journal.close().await.unwrap();
    let n_written = waiting.join_all().await.iter().filter(|outcome| outcome.is_ok()).count();
    let closed = AppendError::Write(WriteError::Closed);
    let late = journal.append(one("late", Expected::New, "x")).await;
    assert_eq!(late, Err(closed));
    assert_eq!(journal.read(Position::START, 1).await, Err(ReadError::Closed));
    assert_eq!(tail.next().await, Err(ReadError::Closed));
    assert_eq!(journal.close().await, Ok(()));
    assert!(!dir.path().join("journal.db-wal").exists(), "nothing is left beside the file");
    let again = Journal::open(dir.path()).unwrap();
    assert_eq!(again.last_position(), Position(n_written as u64));
}

#[test]
fn a_journal_outlives_the_runtime_it_was_used_in() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    for round in 0..20 {
        let runtime = runtime();
        // Some are still on their way when their runtime ends.
        runtime.block_on(async {
            let mut callers = JoinSet::new();
            for n in 0..10 {
                let journal = journal.clone();
                let stream = format!("{round}/{n}");
                callers
                    .spawn(async move { journal.append(one(&stream, Expected::New, "x")).await });
            }
            callers.join_next().await.unwrap().unwrap().unwrap();
        });
    }
    let committed = runtime().block_on(journal.append(one("last", Expected::New, "y"))).unwrap();
    assert_eq!(committed.last, journal.last_position());
    assert_eq!(runtime().block_on(whole(&journal)).len() as u64, committed.last.0);
}

#[tokio::test]
async fn a_write_ahead_log_that_had_to_grow_is_cut_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let size = || dir.path().join("journal.db-wal").metadata().unwrap().len() as usize;
    // Another program reads and reads: nothing can be moved into the file meanwhile.
    let other = Connection::open(dir.path().join("journal.db")).unwrap();
    other.execute_batch("BEGIN; SELECT count(*) FROM entries").unwrap();
    let text = "x".repeat(BATCH_BYTES_MAX - 1_000);
    while size() <= WAL_BYTES_KEPT {
        journal.append(one("a", Expected::Any, &text)).await.unwrap();
        journal.probe_write().await.unwrap();
    }
    other.execute_batch("COMMIT").unwrap();
    for _ in 0..3 {
        journal.append(one("a", Expected::Any, "y")).await.unwrap();
        journal.probe_write().await.unwrap();
    }
    assert!(size() <= WAL_BYTES_KEPT, "{} bytes", size());
}

#[tokio::test]
async fn batches_on_their_way_become_durable_in_order_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let (told, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    let send = |end: u64, text: &str| {
        let (told, text) = (told.clone(), text.to_owned());
        let decisions = vec![note(&text), fired(end)];
        let done = move |outcome| told.send((text, outcome)).unwrap();
        journal.append_at(Position(end), decisions, done).unwrap();
    };
    send(0, "하나");
    send(2, "둘");
    // The log does not end there, nor where the ones behind it believe.
    send(3, "셋");
    send(5, "넷");
    send(4, "다섯");
    let moved = |expected, actual| {
        Err(AppendError::Moved { expected: Position(expected), actual: Position(actual) })
    };
    let written = |first| Ok(Committed { first: Position(first), last: Position(first + 1) });
    let expected = [
        ("하나", written(1)),
        ("둘", written(3)),
        ("셋", moved(3, 4)),
        ("넷", moved(5, 4)),
        ("다섯", written(5)),
    ];
    for (text, outcome) in expected {
        assert_eq!(outcomes.recv().await.unwrap(), (text.to_owned(), outcome));
    }
    let error = moved(3, 4).map(|_: Committed| ()).unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(error.to_string(), "the log ends at 4 and not at 3; decide again");
    let texts: Vec<String> = whole(&journal)
        .await
        .iter()
        .step_by(2)
        .map(|entry| noted(&entry.decision).to_owned())
        .collect();
    assert_eq!(texts, ["하나", "둘", "다섯"]);
}

#[tokio::test]
async fn a_batch_on_its_way_that_breaks_a_limit_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for (decisions, expected) in [
        (vec![], AppendError::Empty),
        (vec![note("x"); BATCH_DECISIONS_MAX + 1], AppendError::TooLarge),
        (vec![note(&"가".repeat(BATCH_BYTES_MAX / 3))], AppendError::TooLarge),
    ] {
        let unreached = |_| panic!("nothing was taken");
        let refused = journal.append_at(Position::START, decisions.clone(), unreached).unwrap_err();
        assert_eq!((refused.error, refused.decisions), (expected, decisions));
    }
}

#[tokio::test]
async fn much_that_is_durable_goes_round_in_the_front_file() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let text = "x".repeat(BATCH_BYTES_MAX - 1_000);
    let mut callers = JoinSet::new();
    // Nobody reads meanwhile, so the tables are behind, and have to catch up when the file is full.
    for n in 0..FRONT_BYTES_MAX / BATCH_BYTES_MAX + 2 {
        let (journal, text) = (journal.clone(), text.clone());
        callers.spawn(async move {
            journal.append(one(&n.to_string(), Expected::Any, &text)).await.unwrap();
        });
    }
    let n_batches = callers.join_all().await.len();
    assert_eq!(journal.last_position(), Position(n_batches as u64));
    assert!(dir.path().join("journal.front").metadata().unwrap().len() <= FRONT_BYTES_MAX as u64);
    let mut after = Position::START;
    while after < journal.last_position() {
        let page = journal.read(after, 1_000).await.unwrap();
        assert!(page.iter().all(|entry| noted(&entry.decision) == text));
        after = page.last().unwrap().position;
    }
    journal.close().await.unwrap();
    assert!(dir.path().join("journal.front").metadata().unwrap().len() <= FRONT_BYTES_KEPT as u64);
    nightcrew_journal::rebuild::verify(dir.path()).unwrap();
}
