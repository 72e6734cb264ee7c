//! What the journal holds around an incident that its own decisions do not: the same trouble
//! before, what began near it, and what people had changed.
//!
//! **Invariant:** nearness in time is called nearness and never a cause.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::id::{IncidentId, ServiceName};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use crate::evidence::Evidence;
use crate::record::{Record, as_text};

/// How far back the same trouble counts.
pub const SAME_WINDOW: Millis = Millis::from_secs(30 * 86_400);

/// How near to the beginning of the incident something else must have begun.
pub const NEAR: Millis = Millis::from_secs(600);

/// How long before the beginning a change of people may lie.
pub const CHANGES_WINDOW: Millis = Millis::from_secs(3_600);

/// The largest number of things of one kind that are kept; the earliest stay.
pub const KEPT_MAX: usize = 50;

/// What is known around one incident.  The default knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Context {
    /// How often the same service had the same symptom in [`SAME_WINDOW`] up to this incident: by
    /// incident, the oldest first, without this one.
    pub same: Vec<Same>,
    /// What else began within [`NEAR`] of the beginning.
    pub near: Vec<Near>,
    /// What people had changed from [`CHANGES_WINDOW`] before the beginning until the end.
    pub changes: Vec<Change>,
    /// What the incident cost of an error budget, where the caller knows it.
    pub budget: Option<BudgetUse>,
}

/// The same trouble before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Same {
    /// The incident.
    #[serde(serialize_with = "as_text")]
    pub incident: IncidentId,
    /// When it was opened.
    pub at: Timestamp,
}

/// Something else that began near the beginning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Near {
    /// When it began, as its alert says.
    pub at: Timestamp,
    /// What it is about.
    #[serde(serialize_with = "as_text")]
    pub key: IncidentKey,
    /// The alert.
    pub evidence: Evidence,
}

/// Something that people changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What, and by whom.
    pub what: String,
    /// Where it is told.
    pub evidence: Evidence,
}

/// What an incident cost of an error budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetUse {
    /// The objective: `pay: 99.9 % of requests in 30 days`.
    pub objective: String,
    /// The share of the budget that was used up meanwhile, 0 to 1 and more; none: unknown.
    pub used: Option<f64>,
    /// The share that is left, below 0 where it is overdrawn; none: unknown.
    pub left: Option<f64>,
}

/// Since when it is wrong, as far as the numbers behind its first alert say; none: unknown.
#[must_use]
pub fn wrong_since(record: &Record) -> Option<Timestamp> {
    let of_trigger = |it: &&crate::record::Picture| it.fingerprint == record.trigger.fingerprint;
    let since = record.pictures.iter().find(of_trigger)?.chart.since?;
    // What is said to begin after it was seen is not known.
    (since <= record.detected_at).then_some(since)
}

/// What the decisions, the whole log or a stretch of it, hold around an incident.  The budget is
/// not in them.
#[must_use]
pub fn context<'a>(record: &Record, decisions: impl IntoIterator<Item = &'a Decision>) -> Context {
    let began = wrong_since(record).unwrap_or(record.detected_at);
    let mut around = Around {
        record,
        began,
        end: record.resolved.as_ref().map(|resolved| resolved.at),
        alerts: BTreeMap::new(),
        context: Context::default(),
    };
    decisions.into_iter().for_each(|decision| around.take(decision));
    let Around { alerts, mut context, .. } = around;
    context.near = alerts.into_values().collect();
    context.near.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
    context.near.truncate(KEPT_MAX);
    context
}

struct Around<'a> {
    record: &'a Record,
    began: Timestamp,
    end: Option<Timestamp>,
    /// What began near it, one for each key.
    alerts: BTreeMap<IncidentKey, Near>,
    context: Context,
}

impl Around<'_> {
    fn take(&mut self, decision: &Decision) {
        match &decision.fact {
            Fact::IncidentOpened { incident, key, .. } => {
                let before = Millis::between(decision.at, self.record.detected_at) < SAME_WINDOW
                    && decision.at <= self.record.detected_at;
                let same = *key == self.record.key && *incident != self.record.id && before;
                if same && self.context.same.len() < KEPT_MAX {
                    self.context.same.push(Same { incident: *incident, at: decision.at });
                }
            }
            Fact::AlertFired { alert } => {
                let key =
                    IncidentKey { target: alert.target.clone(), symptom: alert.symptom.clone() };
                let at = alert.starts_at.min(decision.at);
                let apart = Millis::between(at.min(self.began), at.max(self.began));
                let own =
                    key == self.record.key || alert.fingerprint == self.record.trigger.fingerprint;
                if !own && apart <= NEAR && self.alerts.len() < KEPT_MAX {
                    let evidence = Evidence::Alert(alert.fingerprint);
                    let near = Near { at, key: key.clone(), evidence };
                    self.alerts.entry(key).or_insert(near);
                }
            }
            _ => self.take_change(decision),
        }
    }

    /// What people changed about the service, or about everything.
    fn take_change(&mut self, decision: &Decision) {
        let at = decision.at;
        let early = at < self.began && Millis::between(at, self.began) > CHANGES_WINDOW;
        if early || self.end.is_some_and(|end| at > end) || self.context.changes.len() >= KEPT_MAX {
            return;
        }
        let service = &self.record.key.target.service;
        let concerns = |of: &[ServiceName]| of.is_empty() || of.contains(service);
        let (what, evidence) = match &decision.fact {
            Fact::LockTaken { lock } if concerns(&lock.services) => (
                format!("{} took the lock {}: {}", lock.owner, lock.name, lock.reason),
                Evidence::Lock(lock.name.clone()),
            ),
            Fact::SilenceSet { silence } => {
                let labels = self.record.trigger.alert.as_ref().map(|alert| &alert.labels);
                if !labels.is_some_and(|labels| silence.matchers.hold(labels)) {
                    return;
                }
                (
                    format!("{} silenced it: {}", silence.created_by, silence.comment),
                    Evidence::Silence(silence.id.clone()),
                )
            }
            Fact::StandingApprovalSet { approval }
                if approval.service.as_ref().is_none_or(|of| of == service) =>
            {
                (
                    format!(
                        "{} approved actions of playbook {} in advance: {}",
                        approval.by, approval.playbook, approval.reason
                    ),
                    Evidence::Standing(approval.name.clone()),
                )
            }
            _ => return,
        };
        self.context.changes.push(Change { at, what, evidence });
    }
}
