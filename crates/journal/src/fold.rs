//! The fold: what a decision changes in the projections.
//!
//! [`change`] is a pure function from a decision to a change; [`Tables`] carries it out.  States
//! move only through the life cycles of `model`.  A decision that does not fit what came before
//! changes nothing and is warned about: the log keeps it, and the fold never fails because of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use nightcrew_model::alert::{Alert, Illegal};
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason, Receipt, Subject};
use nightcrew_model::id::{ChannelName, IncidentId, NotificationId, PersonName, PlaybookName};
use nightcrew_model::incident::{IncidentEvent, IncidentKey, IncidentState};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::severity::Severity;
use rusqlite::Connection;

use crate::entry::Position;
use crate::error::Trouble;
use crate::row::{IncidentRow, IncidentSummary, OutboxState};
use crate::{outbox, schema, table};

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
    Resolve(Fingerprint),
    /// An incident is new.
    Open { incident: IncidentId, key: &'d IncidentKey, severity: Severity, trigger: Fingerprint },
    /// An incident moves on.
    Move { incident: IncidentId, way: Way, note: Note<'d> },
    /// A message is to be sent.
    Queue {
        notification: NotificationId,
        subject: &'d Subject,
        channel: &'d ChannelName,
        kind: NotificationKind,
        mentions: &'d [PersonName],
    },
    /// A message is not to be sent any more.
    Settle {
        notification: NotificationId,
        state: OutboxState,
        error: Option<String>,
        receipt: Option<&'d Receipt>,
    },
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
    /// Back to open, when it was still with the remedy that ended.
    RemedyEnded,
    /// To its end: proven if it was being verified, by recovery otherwise.
    End,
}

impl Way {
    /// The state after it.
    fn from(self, state: IncidentState) -> Result<IncidentState, Illegal> {
        match (self, state) {
            // A person may have it already, because the playbook takes long: it stays there.
            (Self::Stays, _)
            | (Self::Verification, IncidentState::Verifying | IncidentState::Escalated) => {
                Ok(state)
            }
            (Self::RemedyEnded, IncidentState::Resolving | IncidentState::Verifying) => {
                state.apply(IncidentEvent::RemedyEnded)
            }
            (Self::RemedyEnded, _) => Ok(state),
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
    /// Nothing that says how it stands.
    Aside,
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
#[expect(clippy::too_many_lines, reason = "a table with an arm for each fact")]
pub(crate) fn change(decision: &Decision) -> Change<'_> {
    let moved = |incident: IncidentId, way, note| Change::Move { incident, way, note };
    match &decision.fact {
        Fact::AlertFired { alert } => Change::Fire(alert),
        Fact::AlertChanged { alert } => Change::Replace(alert),
        Fact::AlertResolved { fingerprint, ends_at: _ } => Change::Resolve(*fingerprint),
        Fact::IncidentOpened { incident, key, severity, trigger, initial: _ } => {
            Change::Open { incident: *incident, key, severity: *severity, trigger: *trigger }
        }
        Fact::AlertJoined { incident, severity, .. } => {
            moved(*incident, Way::Stays, Note::Joined(*severity))
        }
        Fact::IncidentReopened { incident, trigger } => {
            moved(*incident, Way::Event(IncidentEvent::Relapsed), Note::Relapsed(*trigger))
        }
        Fact::AttemptPlanned { attempt, plan } if !plan.mode.is_meant() => {
            moved(attempt.incident, Way::Stays, Note::Reason)
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
        Fact::RemedyHeld { incident, .. }
        | Fact::IncidentAcknowledged { incident, .. }
        | Fact::AcknowledgementEnded { incident }
        | Fact::IncidentCorrelated { incident, .. }
        | Fact::EscalationStepped { incident, .. }
        | Fact::EscalationHeld { incident, .. } => moved(*incident, Way::Stays, Note::Reason),
        Fact::TicketTold { incident, .. } => moved(*incident, Way::Stays, Note::Aside),
        // A plan that waits for its approval is a remedy under way.
        Fact::ApprovalDenied { attempt }
        | Fact::ApprovalExpired { attempt }
        | Fact::AttemptFailed { attempt }
        | Fact::AttemptInterrupted { attempt } => {
            moved(attempt.incident, Way::RemedyEnded, Note::Reason)
        }
        Fact::PlanCleared { attempt, .. }
        | Fact::ApprovalRequested { attempt, .. }
        | Fact::ApprovalGiven { attempt, .. }
        | Fact::StepStarted { attempt, .. }
        | Fact::StepFinished { attempt, .. }
        | Fact::StepSkipped { attempt, .. }
        | Fact::RollbackStarted { attempt, .. }
        | Fact::UndoStarted { attempt, .. }
        | Fact::UndoFinished { attempt, .. }
        | Fact::VerificationSampled { attempt, .. }
        | Fact::AttemptSucceeded { attempt } => moved(attempt.incident, Way::Stays, Note::Reason),
        Fact::NotificationQueued { notification, subject, channel, kind, mentions } => {
            Change::Queue { notification: *notification, subject, channel, kind: *kind, mentions }
        }
        Fact::NotificationDelivered { notification, receipt, .. } => Change::Settle {
            notification: *notification,
            state: OutboxState::Delivered,
            error: None,
            receipt: receipt.as_ref(),
        },
        Fact::NotificationSuperseded { notification, .. } => Change::Settle {
            notification: *notification,
            state: OutboxState::Superseded,
            error: None,
            receipt: None,
        },
        Fact::NotificationFailed { notification, .. } => Change::Settle {
            notification: *notification,
            state: OutboxState::Failed,
            error: Some(refusal(&decision.reason)),
            receipt: None,
        },
        Fact::StandingApprovalSet { .. }
        | Fact::StandingApprovalEnded { .. }
        | Fact::FlapBegan { .. }
        | Fact::FlapEnded { .. }
        | Fact::StormBegan { .. }
        | Fact::StormEnded { .. }
        | Fact::SilenceSet { .. }
        | Fact::SilenceExpired { .. }
        | Fact::LockTaken { .. }
        | Fact::LockReleased { .. }
        | Fact::OverrideSet { .. }
        | Fact::GroupTold { .. }
        | Fact::GroupHeld { .. }
        | Fact::NotificationSuppressed { .. }
        | Fact::AgentChanged { .. } => Change::Nothing,
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

/// The tables while a stretch of the log is folded into them, inside the caller's transaction.
///
/// Incidents are written at the end only: in a storm many decisions in a row change the same one.
pub(crate) struct Tables<'c> {
    conn: &'c Connection,
    alerts: table::Alerts<'c>,
    incidents: BTreeMap<IncidentId, IncidentRow>,
}

/// Why a decision does not fit.
type Misfit = String;

impl<'c> Tables<'c> {
    pub(crate) fn new(conn: &'c Connection) -> Result<Self, Trouble> {
        let alerts = table::in_projections(table::Alerts::new(conn))?;
        Ok(Self { conn, alerts, incidents: BTreeMap::new() })
    }

    /// Carries out what a decision changes.
    pub(crate) fn apply(
        &mut self,
        position: Position,
        decision: &Decision,
    ) -> Result<Folded, Trouble> {
        let outcome = table::in_projections(self.carry_out(position, decision))?;
        Ok(match outcome {
            Ok(()) => Folded::Applied,
            Err(misfit) => {
                tracing::warn!(
                    journal.position = position.0,
                    stream = decision.fact.stream(),
                    "a decision does not fit the log before it and is left out of the tables: \
                     {misfit}"
                );
                Folded::Skipped
            }
        })
    }

    /// Writes what was held back.
    pub(crate) fn finish(self) -> Result<(), Trouble> {
        let mut incidents = self.incidents.into_values();
        table::in_projections(incidents.try_for_each(|row| table::put_incident(self.conn, &row)))
    }

    fn carry_out(
        &mut self,
        position: Position,
        decision: &Decision,
    ) -> Result<Result<(), Misfit>, Trouble> {
        let conn = self.conn;
        let fits = |fits: bool, misfit: &dyn Fn() -> Misfit| {
            if fits { Ok(()) } else { Err(misfit()) }
        };
        match change(decision) {
            Change::Nothing => Ok(Ok(())),
            Change::Fire(alert) => {
                let fitted = self.alerts.fire(alert.fingerprint, position)?;
                Ok(fits(fitted, &|| format!("the alert {} fires already", alert.fingerprint)))
            }
            Change::Replace(alert) => {
                let fitted = self.alerts.replace(alert.fingerprint, position)?;
                Ok(fits(fitted, &|| format!("the alert {} is not firing", alert.fingerprint)))
            }
            Change::Resolve(fingerprint) => {
                let fitted = self.alerts.resolve(fingerprint, position)?;
                Ok(fits(fitted, &|| format!("the alert {fingerprint} is not firing")))
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
                let row = IncidentRow {
                    id: incident,
                    state: IncidentState::Open,
                    severity,
                    opened_at: decision.at,
                    updated_at: decision.at,
                    ended_at: None,
                    position,
                    summary,
                };
                self.open(row)
            }
            Change::Move { incident, way, note } => {
                let Some(row) = self.incident(incident)? else {
                    return Ok(Err(format!("{incident} was never opened")));
                };
                Ok(moved(row, position, decision, way, &note)
                    .map_err(|illegal| illegal.to_string()))
            }
            Change::Queue { notification, subject, channel, kind, mentions } => {
                let at = decision.at;
                let queued = outbox::Queued { notification, subject, channel, kind, mentions, at };
                let fitted = outbox::queue(conn, position, &queued)?;
                Ok(fits(fitted, &|| format!("{notification} was queued before")))
            }
            Change::Settle { notification, state, error, receipt } => {
                let (error, at) = (error.as_deref(), decision.at);
                let settled = outbox::Settled { notification, state, error, receipt, at };
                let fitted = outbox::settle(conn, position, &settled)?;
                Ok(fits(fitted, &|| format!("{notification} is not pending")))
            }
        }
    }

    /// An incident as it is now, for changing it.
    fn incident(&mut self, id: IncidentId) -> Result<Option<&mut IncidentRow>, Trouble> {
        match self.incidents.entry(id) {
            Entry::Occupied(held) => Ok(Some(held.into_mut())),
            Entry::Vacant(place) => {
                Ok(table::incident(self.conn, id)?.map(|row| place.insert(row)))
            }
        }
    }

    fn open(&mut self, row: IncidentRow) -> Result<Result<(), Misfit>, Trouble> {
        if self.incident(row.id)?.is_some() {
            return Ok(Err(format!("{} was opened before", row.id)));
        }
        self.incidents.insert(row.id, row);
        Ok(Ok(()))
    }
}

fn moved(
    row: &mut IncidentRow,
    position: Position,
    decision: &Decision,
    way: Way,
    note: &Note<'_>,
) -> Result<(), Illegal> {
    row.state = way.from(row.state)?;
    row.position = position;
    row.updated_at = decision.at;
    if *note != Note::Aside {
        row.summary.reason = decision.reason.clone();
    }
    match note {
        Note::Reason | Note::Aside => {}
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
    Ok(())
}

/// What a fold over many entries came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) last: Position,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, position: Position, folded: Folded) {
        self.last = position;
        if folded == Folded::Skipped {
            self.skipped += 1;
        }
    }
}

/// Empties the projections.
pub(crate) fn clear(conn: &Connection) -> Result<(), Trouble> {
    for table in schema::PROJECTIONS {
        conn.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}
