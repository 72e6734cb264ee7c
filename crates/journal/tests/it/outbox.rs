use jiff::Timestamp;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::row::{OutboxCounts, OutboxState};
use nightcrew_model::decision::Decision;
use nightcrew_model::id::{IncidentId, NotificationId};
use rusqlite::Connection;

use crate::sample::{at, delivered, opened, queued, refused};

async fn due(journal: &Journal, now: Timestamp) -> Vec<u64> {
    let rows = journal.outbox_due(now, 100).await.unwrap();
    rows.iter().map(|row| row.notification.0).collect()
}

async fn append(journal: &Journal, decisions: &[Decision]) {
    journal.append(decisions.to_vec().into()).await.unwrap();
}

#[tokio::test]
async fn only_the_oldest_of_each_incident_and_channel_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let messages = [
        opened(1),
        opened(2),
        queued(1, 1, "discord"),
        queued(2, 1, "discord"),
        queued(3, 1, "웹훅"),
        queued(4, 2, "discord"),
    ];
    append(&journal, &messages).await;
    assert_eq!(due(&journal, at(100)).await, [1, 3, 4]);
    assert_eq!(journal.outbox_due(at(100), 1).await.unwrap().len(), 1);
    append(&journal, &[delivered(1, 1, "discord")]).await;
    assert_eq!(due(&journal, at(100)).await, [2, 3, 4]);
    append(&journal, &[refused(2, 1, "discord")]).await;
    assert_eq!(due(&journal, at(100)).await, [3, 4]);
    let counts = OutboxCounts {
        pending: 2,
        delivered: 1,
        failed: 1,
        superseded: 0,
        oldest_pending_at: Some(at(3)),
    };
    assert_eq!(journal.outbox_counts().await, Ok(counts));
    let rows = journal.outbox_of(&IncidentId(1).into(), 100).await.unwrap();
    let states: Vec<OutboxState> = rows.iter().map(|row| row.state).collect();
    use OutboxState::{Delivered, Failed, Pending};
    assert_eq!(states, [Delivered, Failed, Pending]);
    assert_eq!(rows[1].last_error.as_deref(), Some("HTTP 404: 알 수 없는 웹훅"));
}

#[tokio::test]
async fn a_retry_is_due_at_its_time_and_survives_restart_and_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    append(&journal, &[opened(1), queued(1, 1, "discord")]).await;
    let id = NotificationId(1);
    journal.outbox_retry(id, 2, at(50), "HTTP 503: 점검 중").await.unwrap();
    journal.close().await.unwrap();
    for round in ["restart", "rebuild"] {
        let journal = Journal::open(dir.path()).unwrap();
        assert_eq!(due(&journal, at(49)).await, [0; 0], "{round}");
        let rows = journal.outbox_due(at(50), 10).await.unwrap();
        assert_eq!(rows[0].attempts, 2);
        assert_eq!(rows[0].next_at, Some(at(50)));
        assert_eq!(rows[0].last_error.as_deref(), Some("HTTP 503: 점검 중"));
        journal.close().await.unwrap();
        nightcrew_journal::rebuild::rebuild(dir.path()).unwrap();
    }
}

#[tokio::test]
async fn a_message_that_is_settled_is_not_tried_or_settled_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    append(
        &journal,
        &[
            opened(1),
            queued(1, 1, "discord"),
            delivered(1, 1, "discord"),
            refused(1, 1, "discord"),
            queued(1, 1, "discord"),
        ],
    )
    .await;
    let id = NotificationId(1);
    journal.outbox_retry(id, 1, at(0), "late").await.unwrap();
    assert_eq!(due(&journal, at(100)).await, [0; 0]);
    let row = &journal.outbox_of(&IncidentId(1).into(), 10).await.unwrap()[0];
    assert_eq!((row.state, row.attempts), (OutboxState::Delivered, 0));
}

#[tokio::test]
async fn damaged_retries_mean_that_the_message_is_tried_now() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    append(&journal, &[opened(1), queued(1, 1, "discord")]).await;
    let id = NotificationId(1);
    journal.outbox_retry(id, 1, at(50), "later").await.unwrap();
    journal.close().await.unwrap();
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute("UPDATE retries SET next_at_us = 9999999999999999", []).unwrap();
    drop(file);
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(due(&journal, at(0)).await, [1]);
    journal.close().await.unwrap();
    let rebuilt = nightcrew_journal::rebuild::rebuild(dir.path()).unwrap();
    assert_eq!(rebuilt.retries_lost, 1);
}

#[tokio::test]
async fn the_newest_receipt_of_a_subject_and_channel_is_found() {
    use crate::later::{told, told_about};
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let messages =
        [told(1, "slack", Some("1.1")), told(2, "slack", Some("1.2")), told(3, "slack", None)];
    append(&journal, messages.as_flattened()).await;
    append(&journal, &[queued(4, 1, "slack")]).await;
    let receipt = |channel: &'static str| {
        let journal = journal.clone();
        async move { journal.last_receipt(&told_about(), &channel.into()).await.unwrap() }
    };
    let (id, name) = receipt("slack").await.unwrap();
    assert_eq!((id, name.0.as_str()), (NotificationId(2), "1.2"));
    assert_eq!(receipt("웹훅").await, None);
    let other = IncidentId(1).into();
    assert_eq!(journal.last_receipt(&other, &"slack".into()).await, Ok(None));
    let row = &journal.outbox_of(&told_about(), 1).await.unwrap()[0];
    assert_eq!(row.mentions, ["민지".into(), "lead".into()]);
}

#[tokio::test]
async fn what_is_due_is_found_quickly_among_much_that_was_delivered() {
    const DELIVERED: u64 = 100_000;
    const PENDING: u64 = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    append(&journal, &[opened(1)]).await;
    journal.close().await.unwrap();
    // As folding them would leave them; folding so many takes a test too long.
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute_batch(&format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {})
         INSERT INTO outbox SELECT n, '{{\"incident\":' || (n % 2000) || '}}', 'c' || (n % 10),
         'escalated', '[]', n, iif(n <= {DELIVERED}, 'delivered', 'pending'), n, NULL, NULL, 1
         FROM n",
        DELIVERED + PENDING
    ))
    .unwrap();
    drop(file);
    let journal = Journal::open(dir.path()).unwrap();
    // The first read opens the connection and prepares the statement.
    journal.outbox_due(at(0), 1).await.unwrap();
    let began = tokio::time::Instant::now();
    let due = journal.outbox_due(at(0), 100).await.unwrap();
    let took = began.elapsed();
    let ids: Vec<u64> = due.iter().map(|row| row.notification.0).collect();
    assert_eq!(ids, (DELIVERED + 1..=DELIVERED + 100).collect::<Vec<_>>());
    // A look at every row takes some hundred milliseconds.
    assert!(took.as_millis() < 30, "{took:?}");
    let each = journal.outbox_due_each(at(0), 2, std::collections::BTreeSet::new());
    assert_eq!(each.await.unwrap().len(), 20);
    assert_eq!(journal.outbox_due(at(0), 10_000).await.unwrap().len(), 1_000);
}
