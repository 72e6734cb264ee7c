use std::collections::BTreeSet;

use nightcrew_journal::journal::Journal;
use nightcrew_model::id::NotificationId;
use nightcrew_model::labels::Fingerprint;

use crate::sample::{alert, at, fired, opened, queued};

async fn due(journal: &Journal, second: i64, each: usize, left_out: &[&str]) -> Vec<u64> {
    let left_out: BTreeSet<_> = left_out.iter().map(|name| (*name).into()).collect();
    let rows = journal.outbox_due_each(at(second), each, left_out).await.unwrap();
    let mut due: Vec<u64> = rows.iter().map(|row| row.notification.0).collect();
    due.sort_unstable();
    due
}

#[tokio::test]
async fn a_channel_with_much_to_send_hides_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let incidents = (1..=50).map(opened);
    let busy = (1..=50).map(|n| queued(n, n, "discord"));
    let last = [queued(51, 1, "웹훅"), queued(52, 1, "discord")];
    let all: Vec<_> = incidents.chain(busy).chain(last).collect();
    journal.append(all.into()).await.unwrap();
    assert_eq!(due(&journal, 100, 2, &[]).await, [1, 2, 51]);
    assert_eq!(due(&journal, 100, 2, &["discord"]).await, [51]);
    // The second message about the first incident waits for the first.
    assert_eq!(due(&journal, 100, 100, &["웹훅"]).await, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_failed_takes_its_turn_behind_what_waits_for_longer() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let all: Vec<_> = (1..=4).map(opened).chain((1..=4).map(|n| queued(n, n, "discord"))).collect();
    journal.append(all.into()).await.unwrap();
    journal.outbox_retry(NotificationId(1), 1, at(50), "HTTP 503").await.unwrap();
    journal.outbox_retry(NotificationId(2), 1, at(200), "HTTP 503").await.unwrap();
    assert_eq!(due(&journal, 100, 2, &[]).await, [3, 4]);
    assert_eq!(due(&journal, 100, 4, &[]).await, [1, 3, 4]);
    assert_eq!(due(&journal, 200, 4, &[]).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn alerts_are_found_by_their_fingerprints() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append((1..=3).map(fired).collect::<Vec<_>>().into()).await.unwrap();
    let wanted = vec![alert(3).fingerprint, Fingerprint(7), alert(1).fingerprint];
    let found = journal.alerts_of(wanted).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| row.alert.fingerprint).collect();
    assert_eq!(found, [alert(3).fingerprint, alert(1).fingerprint]);
}
