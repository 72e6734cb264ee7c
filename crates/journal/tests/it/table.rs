use nightcrew_journal::batch::Batch;
use nightcrew_journal::entry::Position;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use nightcrew_journal::row::Which;
use nightcrew_model::alert::AlertState;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::Mode;
use rusqlite::Connection;

use crate::sample::{
    alert, asked, at, closed, decision, denied, ended, escalated, every_kind, fired, labels,
    opened, planned, reopened, resolved_alert, story, ticket, verifying,
};

async fn state_after(decisions: &[Decision]) -> IncidentState {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(decisions.to_vec().into()).await.unwrap();
    journal.incident(IncidentId(1)).await.unwrap().unwrap().state
}

#[tokio::test]
async fn an_incident_goes_through_its_life_cycle() {
    let path = [
        (opened(1), IncidentState::Open),
        (planned(1), IncidentState::Resolving),
        (verifying(1), IncidentState::Verifying),
        (ended(1, true), IncidentState::Resolved),
        (reopened(1), IncidentState::Open),
        (escalated(1), IncidentState::Escalated),
        (ended(1, false), IncidentState::Resolved),
        (closed(1), IncidentState::Closed),
    ];
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for (decision, state) in path {
        journal.append(vec![decision].into()).await.unwrap();
        let row = journal.incident(IncidentId(1)).await.unwrap().unwrap();
        assert_eq!(row.state, state);
        let open = journal.incidents(Which::Open, None, 10).await.unwrap();
        assert_eq!(open.len(), usize::from(state.is_open()), "{state}");
    }
    let row = journal.incident(IncidentId(1)).await.unwrap().unwrap();
    assert_eq!((row.opened_at, row.updated_at), (at(1), at(4_000)));
    assert_eq!(row.ended_at, Some(at(20)));
    assert_eq!(row.position, Position(8));
    let summary = row.summary;
    assert_eq!((summary.attempts, summary.relapses, summary.alerts), (1, 1, 1));
    assert_eq!(summary.trigger, labels(101).fingerprint());
    assert_eq!(summary.playbook, Some("disk_cleanup".into()));
    assert_eq!(summary.verified, Some(false));
    assert_eq!(summary.reason, Reason::WindowPassed);
    assert_eq!(summary.key.target.service.as_str(), "결제");
}

#[tokio::test]
async fn what_the_life_cycle_does_not_have_changes_nothing() {
    // Never planned, so there is nothing to verify.
    let illegal = [opened(1), verifying(1), closed(1)];
    assert_eq!(state_after(&illegal).await, IncidentState::Open);
    let twice = [opened(1), escalated(1), opened(1)];
    assert_eq!(state_after(&twice).await, IncidentState::Escalated);

    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let orphans = vec![planned(9), resolved_alert(9), closed(9), fired(1), fired(1)];
    journal.append(orphans.into()).await.unwrap();
    assert_eq!(journal.incident(IncidentId(9)).await, Ok(None));
    assert_eq!(journal.last_position(), Position(5), "the log keeps them");
    journal.close().await.unwrap();
    assert_eq!(verify(dir.path()).unwrap().skipped, 4);
}

#[tokio::test]
async fn a_plan_that_waits_is_a_remedy_until_it_is_denied() {
    let waits = [opened(1), planned(1), asked(1)];
    assert_eq!(state_after(&waits).await, IncidentState::Resolving);
    // Its alerts may end while a person is asked.
    let by_itself = [opened(1), planned(1), asked(1), ended(1, false)];
    assert_eq!(state_after(&by_itself).await, IncidentState::Resolved);
    let denied = [opened(1), planned(1), asked(1), denied(1)];
    assert_eq!(state_after(&denied).await, IncidentState::Open);
    let mut handed_over = denied.to_vec();
    handed_over.push(escalated(1));
    assert_eq!(state_after(&handed_over).await, IncidentState::Escalated);
}

#[tokio::test]
async fn what_is_only_shown_moves_no_incident() {
    let Fact::AttemptPlanned { attempt, mut plan } = planned(1).fact else { unreachable!() };
    plan.mode = Mode::Shadow;
    let shown = decision(2, Fact::AttemptPlanned { attempt, plan }, Reason::Shadow);
    let failed = decision(3, Fact::AttemptFailed { attempt }, Reason::Shadow);
    let escalated = [opened(1), escalated(1), shown.clone(), failed.clone()];
    assert_eq!(state_after(&escalated).await, IncidentState::Escalated);
    assert_eq!(state_after(&[opened(1), shown, failed]).await, IncidentState::Open);
}

#[tokio::test]
async fn a_late_playbook_goes_on_while_a_person_has_the_incident() {
    let late = [opened(1), planned(1), escalated(1), verifying(1)];
    assert_eq!(state_after(&late).await, IncidentState::Escalated);
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let mut healed = late.to_vec();
    healed.push(ended(1, true));
    journal.append(healed.into()).await.unwrap();
    let row = journal.incident(IncidentId(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.summary.verified), (IncidentState::Resolved, Some(true)));
    journal.close().await.unwrap();
    assert_eq!(verify(dir.path()).unwrap().skipped, 0);
}

#[tokio::test]
async fn a_ticket_says_nothing_of_how_an_incident_stands() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(vec![opened(1), escalated(1), ticket(1)].into()).await.unwrap();
    let row = journal.incident(IncidentId(1)).await.unwrap().unwrap();
    assert_eq!(row.summary.reason, Reason::NoPlaybook);
    assert_eq!((row.state, row.position), (IncidentState::Escalated, Position(3)));
}

#[tokio::test]
async fn a_verification_that_a_restart_cut_off_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    let path = vec![opened(1), planned(1), verifying(1), verifying(1)];
    journal.append(path.into()).await.unwrap();
    let row = journal.incident(IncidentId(1)).await.unwrap().unwrap();
    assert_eq!((row.state, row.position), (IncidentState::Verifying, Position(4)));
    // While it is verified, its source may end it first.
    journal.append(vec![ended(1, false)].into()).await.unwrap();
    let row = journal.incident(IncidentId(1)).await.unwrap().unwrap();
    assert_eq!(row.state, IncidentState::Resolved);
    assert_eq!(row.summary.verified, Some(false));
    journal.close().await.unwrap();
    assert_eq!(verify(dir.path()).unwrap().skipped, 0);
}

#[tokio::test]
async fn alerts_fire_resolve_and_fire_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(vec![fired(1), fired(2), resolved_alert(1)].into()).await.unwrap();
    let fingerprint = labels(1).fingerprint();
    let row = journal.alert(fingerprint).await.unwrap().unwrap();
    assert_eq!(row.state, AlertState::Resolved);
    assert_eq!(row.alert.ends_at, Some(at(60)));
    assert_eq!(row.position, Position(3));
    let firing = journal.alerts(Some(AlertState::Firing), 10).await.unwrap();
    assert_eq!(firing.len(), 1);
    assert_eq!(firing[0].alert, alert(2));
    let all = journal.alerts(None, 10).await.unwrap();
    assert_eq!(all[0].position, Position(3), "what changed last comes first");
    assert_eq!(journal.alerts(None, 1).await.unwrap().len(), 1);
    journal.append(vec![fired(1)].into()).await.unwrap();
    let row = journal.alert(fingerprint).await.unwrap().unwrap();
    assert_eq!((row.state, row.alert), (AlertState::Firing, alert(1)));
    assert_eq!(journal.alert(labels(77).fingerprint()).await, Ok(None));
}

#[tokio::test]
async fn incidents_are_listed_page_by_page_from_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    for n in 1..=5 {
        journal.append(story(n).into()).await.unwrap();
    }
    journal.append(vec![opened(6)].into()).await.unwrap();
    let ids = |rows: Vec<nightcrew_journal::row::IncidentRow>| {
        rows.iter().map(|row| row.id.0).collect::<Vec<_>>()
    };
    let first = journal.incidents(Which::All, None, 4).await.unwrap();
    assert_eq!(ids(first), [6, 5, 4, 3]);
    let rest = journal.incidents(Which::All, Some(IncidentId(3)), 4).await.unwrap();
    assert_eq!(ids(rest), [2, 1]);
    let open = journal.incidents(Which::Open, None, 9).await.unwrap();
    assert_eq!(ids(open), [6]);
}

#[tokio::test]
async fn ids_of_any_size_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(vec![opened(u64::MAX)].into()).await.unwrap();
    let row = journal.incident(IncidentId(u64::MAX)).await.unwrap();
    assert_eq!(row.unwrap().id, IncidentId(u64::MAX));
}

#[tokio::test]
async fn a_rebuild_gives_the_same_tables_from_a_damaged_file() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(Batch::from(every_kind())).await.unwrap();
    for n in 1..=3 {
        journal.append(story(n).into()).await.unwrap();
    }
    let alerts = journal.alerts(None, 100).await.unwrap();
    let incidents = journal.incidents(Which::All, None, 100).await.unwrap();
    journal.close().await.unwrap();
    let whole = verify(dir.path()).unwrap();
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute_batch("UPDATE incidents SET severity = 'info' WHERE id = 2; DELETE FROM alerts;")
        .unwrap();
    drop(file);
    let error = verify(dir.path()).unwrap_err().to_string();
    assert_eq!(
        error,
        "a table of the journal is damaged: row 1 of alerts is not what the log says; run \
         `nightcrew rebuild`"
    );
    let rebuilt = rebuild(dir.path()).unwrap();
    assert_eq!((rebuilt.entries, rebuilt.skipped), (whole.entries, whole.skipped));
    assert!(rebuilt.before.exists());
    verify(dir.path()).unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.alerts(None, 100).await.unwrap(), alerts);
    let after = journal.incidents(Which::All, None, 100).await.unwrap();
    assert_eq!(after, incidents);
    journal.append(vec![opened(99)].into()).await.unwrap();
    journal.close().await.unwrap();
    verify(dir.path()).unwrap();
}

#[tokio::test]
async fn emptied_tables_are_folded_again_at_the_next_start() {
    // As a migration leaves them that changes a table.
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(story(1).into()).await.unwrap();
    let incidents = journal.incidents(Which::All, None, 10).await.unwrap();
    journal.close().await.unwrap();
    let file = Connection::open(dir.path().join("journal.db")).unwrap();
    file.execute_batch("DELETE FROM incidents; UPDATE meta SET value = 0 WHERE name = 'projected'")
        .unwrap();
    drop(file);
    let journal = Journal::open(dir.path()).unwrap();
    let after = journal.incidents(Which::All, None, 10).await.unwrap();
    assert_eq!(after, incidents);
    journal.close().await.unwrap();
    verify(dir.path()).unwrap();
}
