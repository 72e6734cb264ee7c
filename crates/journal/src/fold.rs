//! The fold: what a decision changes in the projections.
//!
//! [`change`] is a pure function from a decision to a change; [`apply`] carries it out.  States
//! move only through the life cycles of `model`.  A decision that does not fit what came before
//! changes nothing and is warned about: the log keeps it, and the fold never fails because of it.

use nightcrew_model::alert::{Alert, AlertEvent, AlertState, Illegal};
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason};
use nightcrew_model::id::{ChannelName, IncidentId, NotificationId, PlaybookName};
use nightcrew_model::incident::{IncidentEvent, IncidentKey, IncidentState};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::severity::Severity;
use rusqlite::Connection;

use crate::entry::{Position, Stored};
use crate::error::Trouble;
use crate::outbox;
use crate::row::{AlertRow, IncidentRow, IncidentSummary, OutboxState};
use crate::{log, schema, table};

/// What a decision changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change<'d> {
    /// Nothing in the projections.
    Nothing,
    /// The alert fires.
    Fire(&'d Alert),
    /// The alert fires on, with other contents.
    Replace(&'d Alert),
    /// The alert has ended.
    Resolve(Fingerprint, jiff::Timestamp),
    /// An incident is new.
    Open { incident: IncidentId, key: &'d IncidentKey, severity: Severity, trigger: Fingerprint },
    /// An incident moves on.
    Move { incident: IncidentId, way: Way, note: Note<'d> },
    /// A message is to be sent.
    Queue {
        notification: NotificationId,
        incident: IncidentId,
        channel: &'d ChannelName,
        kind: NotificationKind,
    },
    /// A message is not to be sent any more.
    Settle { notification: NotificationId, state: OutboxState, error: Option<String> },
}

/// Where an incident moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nowhere.
    Stays,
    /// As this event says.
    Event(IncidentEvent),
    /// To its verification, which begins again after a restart of the crew.
    Verification,
    /// To its end: proven if it was being verified, by recovery otherwise.
    End,
}

impl Way {
    /// The state after it.
    fn from(self, state: IncidentState) -> Result<IncidentState, Illegal> {
        match (self, state) {
            (Self::Stays, _) | (Self::Verification, IncidentState::Verifying) => Ok(state),
            (Self::Event(event), _) => state.apply(event),
            (Self::Verification, _) => state.apply(IncidentEvent::StepsDone),
            (Self::End, IncidentState::Verifying) => state.apply(IncidentEvent::Verified),
            (Self::End, _) => state.apply(IncidentEvent::Recovered),
        }
    }
}

/// What an incident's summary learns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note<'d> {
    /// Only the reason.
    Reason,
    /// One more alert.
    Joined(Severity),
    /// One more remedy.
    Planned(&'d PlaybookName),
    /// It is back.
    Relapsed(Fingerprint),
    /// It is over, proven or not.
    Ended { verified: bool },
}

/// What a decision changes in the projections.
pub(crate) fn change(decision: &Decision) -> Change<'_> {
    let moved = |incident: IncidentId, way, note| Change::Move { incident, way, note };
    match &decision.fact {
        Fact::AlertFired { alert } => Change::Fire(alert),
        Fact::AlertChanged { alert } => Change::Replace(alert),
        Fact::AlertResolved { fingerprint, ends_at } => Change::Resolve(*fingerprint, *ends_at),
        Fact::IncidentOpened { incident, key, severity, trigger, initial: _ } => {
            Change::Open { incident: *incident, key, severity: *severity, trigger: *trigger }
        }
        Fact::AlertJoined { incident, severity, .. } => {
            moved(*incident, Way::Stays, Note::Joined(*severity))
        }
        Fact::IncidentReopened { incident, trigger } => {
            moved(*incident, Way::Event(IncidentEvent::Relapsed), Note::Relapsed(*trigger))
        }
        Fact::AttemptPlanned { attempt, plan } => moved(
            attempt.incident,
            Way::Event(IncidentEvent::RemedyPlanned),
            Note::Planned(&plan.playbook),
        ),
        Fact::VerificationStarted { attempt, .. } => {
            moved(attempt.incident, Way::Verification, Note::Reason)
        }
        Fact::IncidentResolved { incident, verified } => {
            moved(*incident, Way::End, Note::Ended { verified: *verified })
        }
        Fact::IncidentEscalated { incident } => {
            moved(*incident, Way::Event(IncidentEvent::HandedOver), Note::Reason)
        }
        Fact::IncidentClosed { incident } => {
            moved(*incident, Way::Event(IncidentEvent::WindowPassed), Note::Reason)
        }
        Fact::RemedyHeld { incident, .. } => moved(*incident, Way::Stays, Note::Reason),
        Fact::StepStarted { attempt, .. }
        | Fact::StepFinished { attempt, .. }
        | Fact::VerificationSampled { attempt, .. }
        | Fact::AttemptSucceeded { attempt }
        | Fact::AttemptFailed { attempt }
        | Fact::AttemptInterrupted { attempt } => moved(attempt.incident, Way::Stays, Note::Reason),
        Fact::NotificationQueued { notification, incident, channel, kind } => {
            Change::Queue { notification: *notification, incident: *incident, channel, kind: *kind }
        }
        Fact::NotificationDelivered { notification, .. } => Change::Settle {
            notification: *notification,
            state: OutboxState::Delivered,
            error: None,
        },
        Fact::NotificationFailed { notification, .. } => Change::Settle {
            notification: *notification,
            state: OutboxState::Failed,
            error: Some(refusal(&decision.reason)),
        },
        Fact::AgentChanged { .. } => Change::Nothing,
    }
}

fn refusal(reason: &Reason) -> String {
    match reason {
        Reason::ReceiverRefused { error } => error.clone(),
        other => other.to_string(),
    }
}

/// Whether a decision fitted what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Folded {
    Applied,
    Skipped,
}

/// Carries out what a decision changes, inside the caller's transaction.
pub(crate) fn apply(
    conn: &Connection,
    position: Position,
    decision: &Decision,
) -> Result<Folded, Trouble> {
    let outcome = table::in_projections(carry_out(conn, position, decision))?;
    Ok(match outcome {
        Ok(()) => Folded::Applied,
        Err(misfit) => {
            tracing::warn!(
                journal.position = position.0,
                stream = decision.fact.stream(),
                "a decision does not fit the log before it and is left out of the tables: {misfit}"
            );
            Folded::Skipped
        }
    })
}

/// Why a decision does not fit.
type Misfit = String;

fn carry_out(
    conn: &Connection,
    position: Position,
    decision: &Decision,
) -> Result<Result<(), Misfit>, Trouble> {
    match change(decision) {
        Change::Nothing => Ok(Ok(())),
        Change::Fire(alert) => fire(conn, position, alert),
        Change::Replace(alert) => replace(conn, position, alert),
        Change::Resolve(fingerprint, ends_at) => {
            resolve(conn, position, fingerprint, ends_at, decision.at)
        }
        Change::Open { incident, key, severity, trigger } => {
            let summary = IncidentSummary {
                key: key.clone(),
                trigger,
                alerts: 1,
                attempts: 0,
                relapses: 0,
                playbook: None,
                verified: None,
                reason: decision.reason.clone(),
            };
            open(
                conn,
                &IncidentRow {
                    id: incident,
                    state: IncidentState::Open,
                    severity,
                    opened_at: decision.at,
                    updated_at: decision.at,
                    ended_at: None,
                    position,
                    summary,
                },
            )
        }
        Change::Move { incident, way, note } => {
            let Some(row) = table::incident(conn, incident)? else {
                return Ok(Err(format!("{incident} was never opened")));
            };
            match moved(row, position, decision, way, &note) {
                Ok(row) => table::put_incident(conn, &row).map(Ok),
                Err(illegal) => Ok(Err(illegal.to_string())),
            }
        }
        Change::Queue { notification, incident, channel, kind } => {
            let queued = outbox::Queued { notification, incident, channel, kind, at: decision.at };
            Ok(outbox::queue(conn, position, &queued)?
                .then_some(())
                .ok_or_else(|| format!("{notification} was queued before")))
        }
        Change::Settle { notification, state, error } => {
            let settled =
                outbox::Settled { notification, state, error: error.as_deref(), at: decision.at };
            Ok(outbox::settle(conn, position, &settled)?
                .then_some(())
                .ok_or_else(|| format!("{notification} is not pending")))
        }
    }
}

fn fire(
    conn: &Connection,
    position: Position,
    alert: &Alert,
) -> Result<Result<(), Misfit>, Trouble> {
    let before = table::alert(conn, alert.fingerprint)?;
    let state = before.map_or(AlertState::Pending, |row| row.state);
    put_alert(conn, position, alert.clone(), state, AlertEvent::Confirmed)
}

fn replace(
    conn: &Connection,
    position: Position,
    alert: &Alert,
) -> Result<Result<(), Misfit>, Trouble> {
    match table::alert(conn, alert.fingerprint)? {
        Some(row) if row.state == AlertState::Firing => {
            table::put_alert(conn, &AlertRow { state: row.state, position, alert: alert.clone() })
                .map(Ok)
        }
        _ => Ok(Err(format!("the alert {} is not firing", alert.fingerprint))),
    }
}

fn resolve(
    conn: &Connection,
    position: Position,
    fingerprint: Fingerprint,
    ends_at: jiff::Timestamp,
    now: jiff::Timestamp,
) -> Result<Result<(), Misfit>, Trouble> {
    let Some(row) = table::alert(conn, fingerprint)? else {
        return Ok(Err(format!("the alert {fingerprint} never fired")));
    };
    let mut alert = row.alert;
    alert.ends_at = Some(ends_at);
    alert.updated_at = now;
    put_alert(conn, position, alert, row.state, AlertEvent::Cleared)
}

fn put_alert(
    conn: &Connection,
    position: Position,
    alert: Alert,
    before: AlertState,
    event: AlertEvent,
) -> Result<Result<(), Misfit>, Trouble> {
    match before.apply(event) {
        Ok(state) => table::put_alert(conn, &AlertRow { state, position, alert }).map(Ok),
        Err(illegal) => Ok(Err(illegal.to_string())),
    }
}

fn open(conn: &Connection, row: &IncidentRow) -> Result<Result<(), Misfit>, Trouble> {
    if table::incident(conn, row.id)?.is_some() {
        return Ok(Err(format!("{} was opened before", row.id)));
    }
    table::put_incident(conn, row).map(Ok)
}

fn moved(
    mut row: IncidentRow,
    position: Position,
    decision: &Decision,
    way: Way,
    note: &Note<'_>,
) -> Result<IncidentRow, Illegal> {
    row.state = way.from(row.state)?;
    row.position = position;
    row.updated_at = decision.at;
    row.summary.reason = decision.reason.clone();
    match note {
        Note::Reason => {}
        Note::Joined(severity) => {
            row.severity = *severity;
            row.summary.alerts = row.summary.alerts.saturating_add(1);
        }
        Note::Planned(playbook) => {
            row.summary.attempts = row.summary.attempts.saturating_add(1);
            row.summary.playbook = Some((*playbook).clone());
        }
        Note::Relapsed(trigger) => {
            row.summary.relapses = row.summary.relapses.saturating_add(1);
            row.summary.trigger = *trigger;
            row.summary.verified = None;
            row.ended_at = None;
        }
        Note::Ended { verified } => {
            row.summary.verified = Some(*verified);
            row.ended_at = Some(decision.at);
        }
    }
    Ok(row)
}

/// What a fold over many entries came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) last: Position,
    pub(crate) skipped: u64,
}

impl Tally {
    fn add(&mut self, folded: Folded) {
        if folded == Folded::Skipped {
            self.skipped += 1;
        }
    }
}

/// Folds the whole log of `from` into the empty projections of `into`; `each` sees every entry
/// first.
pub(crate) fn refold(
    from: &Connection,
    into: &Connection,
    mut each: impl FnMut(&Stored<'_>) -> Result<(), Trouble>,
) -> Result<Tally, Trouble> {
    let mut tally = Tally::default();
    tally.last = log::each(from, Position::START, |stored| {
        each(stored)?;
        tally.add(apply(into, stored.position, &stored.decision()?)?);
        Ok(())
    })?;
    schema::set_projected(into, tally.last)?;
    Ok(tally)
}

/// Empties the projections.
pub(crate) fn clear(conn: &Connection) -> Result<(), Trouble> {
    for table in schema::PROJECTIONS {
        conn.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}
