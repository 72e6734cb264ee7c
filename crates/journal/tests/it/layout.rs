//! A journal of an older layout becomes one of today's.

use std::fs;
use std::path::Path;

use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use nightcrew_journal::row::{OutboxState, Which};
use nightcrew_model::alert::AlertState;
use nightcrew_model::id::NotificationId;
use nightcrew_model::incident::IncidentState;
use rusqlite::Connection;

use crate::sample::{alert, at, every_kind, story, whole};

/// What the release with layout 1 wrote: one decision of each kind that it knew, three stories, and
/// a retry of message 7.
fn layout_1() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/layout-1");
    for name in ["journal.db", "journal.mark"] {
        fs::copy(fixture.join(name), dir.path().join(name)).unwrap();
    }
    dir
}

fn version(dir: &Path) -> i64 {
    let file = Connection::open(dir.join("journal.db")).unwrap();
    file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_journal_of_layout_1_is_opened_and_folded_anew() {
    let dir = layout_1();
    assert_eq!(version(dir.path()), 1);
    let journal = Journal::open(dir.path()).unwrap();
    let entries = whole(&journal).await;
    let stories: Vec<_> = (1..=3).flat_map(story).collect();
    let n_kinds = entries.len() - stories.len();
    let decisions: Vec<_> = entries.iter().map(|entry| entry.decision.clone()).collect();
    assert_eq!(decisions[..n_kinds], every_kind()[..n_kinds]);
    assert_eq!(decisions[n_kinds..], stories);
    let resolved = journal.alerts(Some(AlertState::Resolved), 100).await.unwrap();
    let mut alert = alert(3);
    (alert.ends_at, alert.updated_at) = (Some(at(60)), at(60));
    assert_eq!(resolved[0].alert, alert);
    let incidents = journal.incidents(Which::All, None, 100).await.unwrap();
    assert_eq!(incidents.len(), 4);
    assert_eq!(incidents[1].state, IncidentState::Resolved);
    let due = journal.outbox_due(at(50), 100).await.unwrap();
    let retried = due.iter().find(|row| row.notification == NotificationId(7)).unwrap();
    assert_eq!((retried.attempts, retried.state), (2, OutboxState::Pending));
    assert_eq!(retried.last_error.as_deref(), Some("HTTP 503: 점검 중"));
    let stream = journal.read_stream("incident/INC-2", 0, 100).await.unwrap();
    assert_eq!(stream.len(), story(2).len() - 2);
    journal.append(story(4).into()).await.unwrap();
    journal.close().await.unwrap();
    assert_eq!(version(dir.path()), 2);
    verify(dir.path()).unwrap();
}

#[test]
fn a_rebuild_brings_it_to_the_layout_of_today() {
    let dir = layout_1();
    let rebuilt = rebuild(dir.path()).unwrap();
    assert_eq!((rebuilt.retries_lost, rebuilt.letters_lost), (0, 0));
    assert_eq!(version(dir.path()), 2);
    verify(dir.path()).unwrap();
}
