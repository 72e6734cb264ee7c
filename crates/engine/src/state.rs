//! What is known: the fold of every decision.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use nightcrew_model::alert::{Alert, Source};
use nightcrew_model::attempt::AttemptEvent;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{
    IncidentId, MetricName, NotificationId, PlaybookName, ServiceName, Target,
};
use nightcrew_model::incident::{IncidentEvent, IncidentKey, IncidentState};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::sample::Sample;
use nightcrew_model::severity::Severity;
use nightcrew_model::verdict::RiskClass;
use serde::{Deserialize, Serialize};

use crate::approval::{Asked, Standing};
use crate::breaker::History;
use crate::cascade::Causes;
use crate::context::Contexts;
use crate::daily::Words;
use crate::escalation::Escalations;
use crate::flap::Flaps;
use crate::group::Groups;
use crate::incident::{Incident, Request};
use crate::lock::Locks;
use crate::oncall::Overrides;
use crate::pairs;
use crate::silence::Silences;
use crate::storm::{Flood, Storms};
use crate::tell::Message;
use crate::ticket::Tickets;
use crate::told::Told;
use crate::watchdog::Heard;

/// The largest number of (target, metric) pairs whose latest sample is kept; what comes beyond it
/// is not kept, and a condition about it is unknown.
pub const LATEST_SAMPLES_MAX: usize = 20_000;

/// Everything that decisions build on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The firing alerts.  Boxed: a table that grows moves all it holds at once, and the core stands
    /// still meanwhile.
    pub(crate) alerts: HashMap<Fingerprint, Box<Held>>,
    /// When each alert that must be repeated by its source ends unless it is.
    pub(crate) expiry: BTreeSet<(Timestamp, Fingerprint)>,
    /// The incidents that are not closed.
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    /// The one incident of each key that is not closed.
    #[serde(with = "pairs")]
    pub(crate) by_key: HashMap<IncidentKey, IncidentId>,
    /// The incidents of each target that are not closed.
    #[serde(with = "pairs")]
    pub(crate) by_target: BTreeMap<Target, BTreeSet<IncidentId>>,
    /// The incidents whose attempt is under way: it holds a place, and its target.
    pub(crate) working: BTreeSet<IncidentId>,
    /// The incidents whose plan the gate has not looked at as a whole.
    #[serde(default)]
    pub(crate) planned: BTreeSet<IncidentId>,
    /// The incidents about whose plan a person is asked, by when nobody needs to answer any more.
    #[serde(default)]
    pub(crate) awaiting: BTreeSet<(Timestamp, IncidentId)>,
    /// What people approved for a while.
    #[serde(default)]
    pub(crate) standing: Standing,
    /// Who was asked to approve a plan, and did not hear yet how it ended.
    #[serde(default)]
    pub(crate) asked: Asked,
    /// How often playbooks ran and failed.
    #[serde(default)]
    pub(crate) history: History,
    /// What the trackers of tickets were told.
    #[serde(default)]
    pub(crate) tickets: Tickets,
    /// The open incidents whose remedy waits for another attempt.
    pub(crate) waiting: BTreeSet<IncidentId>,
    /// The resolved incidents, which close when their window has passed.
    pub(crate) resolved: BTreeSet<IncidentId>,
    /// The escalated incidents.
    pub(crate) escalated: BTreeSet<IncidentId>,
    /// The escalated incidents whose alerts have all ended.
    pub(crate) emptied: BTreeSet<IncidentId>,
    /// When each playbook last ran against each target.
    #[serde(with = "pairs")]
    pub(crate) last_run: HashMap<(PlaybookName, Target), Timestamp>,
    /// When a step last ended on each service: what was seen before says nothing about now.
    pub(crate) last_effect: HashMap<ServiceName, Timestamp>,
    /// The actions that began in the last hour, for the gate's limit.
    pub(crate) recent: Vec<(Timestamp, RiskClass)>,
    /// The messages that are under way.
    pub(crate) outbox: BTreeMap<NotificationId, Message>,
    /// How far incidents are on their way to people.
    pub(crate) escalations: Escalations,
    /// What must not be done to services meanwhile.
    pub(crate) locks: Locks,
    /// Who stands in for whom.
    pub(crate) overrides: Overrides,
    /// What comes and goes.
    pub(crate) flaps: Flaps,
    /// What the channels are told of, and the storms.
    pub(crate) storms: Storms,
    /// How many alerts begin at once.
    #[serde(default)]
    pub(crate) flood: Flood,
    /// The causes of incidents.
    pub(crate) causes: Causes,
    /// The alerts that only inform.
    #[serde(default)]
    pub(crate) contexts: Contexts,
    /// The alerts about watchdogs that are silent.
    pub(crate) alerts_of_watchdogs: BTreeSet<Fingerprint>,
    /// When the daily word was said.
    pub(crate) words: Words,
    /// When the watchdogs were last heard of.  Not a fact.
    #[serde(skip)]
    pub(crate) heard: Heard,
    /// The newest incident there was.
    pub(crate) last_incident: IncidentId,
    /// The newest message there was.
    pub(crate) last_notification: NotificationId,
    /// The silences that people made.
    pub(crate) silences: Silences,
    /// What people were told of groups.
    pub(crate) told: Told,
    /// The groups of the firing alerts.  Not a fact: they are derived.
    #[serde(skip)]
    pub(crate) groups: Groups,
    /// The latest sample of every metric.  Not a fact: after a restart it fills again.
    #[serde(skip)]
    pub(crate) latest: HashMap<Target, HashMap<MetricName, Sample>>,
}

/// A firing alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) alert: Alert,
    /// When it ends unless its source repeats it.
    pub(crate) expires: Option<Timestamp>,
    /// The incident it belongs to.
    pub(crate) incident: Option<IncidentId>,
    /// How many channels think, by what they were told of a group, that it fires.
    pub(crate) n_told: u32,
}

impl State {
    /// An incident that is not closed.
    #[must_use]
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// The incidents that are not closed, oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = (IncidentId, &Incident)> {
        self.incidents.iter().map(|(id, incident)| (*id, incident))
    }

    /// Whether an open incident waits for another attempt or for a fresh look.
    #[must_use]
    pub fn is_waiting(&self, id: IncidentId) -> bool {
        self.waiting.contains(&id)
    }

    /// When actions began in the last hour, and what they could cost.
    #[must_use]
    pub fn recent_actions(&self) -> &[(Timestamp, RiskClass)] {
        &self.recent
    }

    /// The firing alerts, in no order.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().map(|held| &held.alert)
    }

    /// How many alerts fire.
    #[must_use]
    pub fn n_alerts(&self) -> usize {
        self.alerts.len()
    }

    /// The firing alert of that fingerprint.
    #[must_use]
    pub fn alert(&self, fingerprint: Fingerprint) -> Option<&Alert> {
        self.alerts.get(&fingerprint).map(|held| &held.alert)
    }

    /// The incident to which a firing alert belongs.
    #[must_use]
    pub fn incident_of(&self, fingerprint: Fingerprint) -> Option<IncidentId> {
        self.alerts.get(&fingerprint)?.incident
    }

    /// The latest samples, in no order.
    pub fn latest(&self) -> impl Iterator<Item = &Sample> {
        self.latest.values().flat_map(HashMap::values)
    }

    /// Takes over samples from a state that was given up.
    pub fn remember<'a>(&mut self, samples: impl Iterator<Item = &'a Sample>) {
        for sample in samples {
            self.keep(sample);
        }
    }

    /// Folds one decision.  A decision that the life cycles do not allow is left out: the log is
    /// older than the code that reads it, and an engine must start.
    #[expect(clippy::too_many_lines, reason = "a table with an arm for each fact")]
    pub fn apply(&mut self, decision: &Decision) {
        let at = decision.at;
        self.fold_telling(decision);
        match &decision.fact {
            Fact::AlertFired { alert } => {
                if !alert.only_informs() {
                    self.flood.alert_fires(decision.at);
                }
                self.hold(alert);
            }
            Fact::AlertChanged { alert } => self.hold(alert),
            Fact::AlertResolved { fingerprint, .. } => self.release(*fingerprint),
            Fact::IncidentOpened { incident, key, severity, trigger, .. } => {
                self.open(*incident, key, *severity, (*trigger, at));
                self.link(*incident, *trigger);
            }
            Fact::AlertJoined { incident, alert, severity } => {
                if let Some(found) = self.incidents.get_mut(incident) {
                    found.severity = *severity;
                }
                self.link(*incident, *alert);
            }
            Fact::IncidentReopened { incident, trigger } => {
                self.note_relapse(*incident, &decision.reason, at);
                self.change(*incident, IncidentEvent::Relapsed, at);
                if let Some(found) = self.incidents.get_mut(incident) {
                    found.n_tries = 0;
                    found.opened_at = at;
                    found.locked = None;
                    found.crowded = false;
                }
                self.link(*incident, *trigger);
            }
            Fact::RemedyHeld { incident, .. } => {
                self.waiting.insert(*incident);
                if let Some(found) = self.incidents.get_mut(incident) {
                    found.crowded |= matches!(decision.reason, Reason::BlastRadius { .. });
                    if let Reason::Locked { lock } = &decision.reason {
                        found.locked = Some(lock.clone());
                    }
                }
            }
            Fact::AttemptPlanned { attempt, plan } => self.plan(*attempt, plan, at),
            Fact::PlanCleared { attempt, verdicts } => {
                self.clear(*attempt, verdicts, &decision.reason);
            }
            Fact::ApprovalRequested { attempt, hash, verdicts, expires_at } => {
                let request = Request { hash: *hash, asked_at: at, expires_at: *expires_at };
                self.ask(*attempt, request, verdicts);
            }
            Fact::ApprovalGiven { attempt, .. } => self.approve(*attempt, at),
            Fact::StepStarted { attempt, step, verdict } => {
                self.start_step((*attempt, *step), verdict.class, at);
            }
            Fact::StepFinished { attempt, step, outcome } => {
                self.finish_step((*attempt, *step), outcome, &decision.reason, at);
            }
            Fact::StepSkipped { attempt, step } => self.skip_step(*attempt, *step, at),
            Fact::RollbackStarted { attempt, from } => {
                self.start_rollback(*attempt, *from, &decision.reason);
            }
            Fact::UndoStarted { attempt, step, verdict } => {
                self.start_undo((*attempt, *step), verdict.class, at);
            }
            Fact::UndoFinished { attempt, step, outcome } => {
                self.finish_undo((*attempt, *step), outcome, at);
            }
            Fact::VerificationStarted { attempt, not_before, deadline } => {
                self.start_verification(*attempt, at, *not_before, *deadline);
            }
            Fact::VerificationSampled { attempt, sample, in_a_row, good } => {
                self.note_look(*attempt, sample, *good, *in_a_row);
            }
            Fact::AttemptSucceeded { attempt } => self.advance(*attempt, AttemptEvent::Verified),
            fact @ (Fact::AttemptFailed { .. }
            | Fact::AttemptInterrupted { .. }
            | Fact::ApprovalDenied { .. }
            | Fact::ApprovalExpired { .. }) => self.end_attempt(fact, &decision.reason, at),
            fact @ (Fact::StandingApprovalSet { .. } | Fact::StandingApprovalEnded { .. }) => {
                self.standing.apply(fact);
            }
            Fact::IncidentResolved { incident, .. } => self.resolve(*incident, at),
            Fact::IncidentEscalated { incident } => {
                self.change(*incident, IncidentEvent::HandedOver, at);
            }
            Fact::IncidentClosed { incident } => self.close(*incident),
            Fact::NotificationQueued { notification, .. } => {
                self.put(*notification, &decision.fact, &decision.reason);
            }
            fact @ (Fact::SilenceSet { .. } | Fact::SilenceExpired { .. }) => {
                self.silences.apply(at, fact);
            }
            fact @ (Fact::GroupTold { .. }
            | Fact::GroupHeld { .. }
            | Fact::NotificationSuppressed { .. }) => self.fold_told(at, fact),
            Fact::NotificationDelivered { notification, .. }
            | Fact::NotificationSuperseded { notification, .. }
            | Fact::NotificationFailed { notification, .. } => {
                self.outbox.remove(notification);
            }
            Fact::IncidentAcknowledged { .. }
            | Fact::AcknowledgementEnded { .. }
            | Fact::IncidentCorrelated { .. }
            | Fact::EscalationStepped { .. }
            | Fact::EscalationHeld { .. }
            | Fact::FlapBegan { .. }
            | Fact::FlapEnded { .. }
            | Fact::StormBegan { .. }
            | Fact::StormEnded { .. }
            | Fact::LockTaken { .. }
            | Fact::LockReleased { .. }
            | Fact::OverrideSet { .. }
            | Fact::TicketTold { .. }
            | Fact::AgentChanged { .. } => {}
        }
    }

    fn hold(&mut self, alert: &Alert) {
        let fingerprint = alert.fingerprint;
        self.contexts.note(alert);
        let before = self.alerts.remove(&fingerprint);
        let incident = before.as_ref().and_then(|held| held.incident);
        let n_told =
            before.as_ref().map_or_else(|| self.told.alert_fires(fingerprint), |held| held.n_told);
        if let Some(expires) = before.and_then(|held| held.expires) {
            self.expiry.remove(&(expires, fingerprint));
        }
        let held = Held { alert: alert.clone(), expires: None, incident, n_told };
        self.alerts.insert(fingerprint, Box::new(held));
        // Only a source that repeats its alerts can be found silent: Prometheus does, an
        // Alertmanager's webhook and our own detectors say when it is over.
        if alert.source == Source::AlertsApi
            && let Some(ends_at) = alert.ends_at
        {
            self.expire_at(fingerprint, ends_at);
        }
    }

    /// Notes when an alert ends unless its source repeats it.
    pub(crate) fn expire_at(&mut self, fingerprint: Fingerprint, at: Timestamp) {
        let Some(held) = self.alerts.get_mut(&fingerprint) else {
            return;
        };
        if let Some(before) = held.expires.replace(at) {
            self.expiry.remove(&(before, fingerprint));
        }
        self.expiry.insert((at, fingerprint));
    }

    fn release(&mut self, fingerprint: Fingerprint) {
        let Some(held) = self.alerts.remove(&fingerprint) else {
            return;
        };
        self.contexts.forget(&held.alert);
        self.told.alert_ended(&held.alert, held.n_told);
        if let Some(expires) = held.expires {
            self.expiry.remove(&(expires, fingerprint));
        }
        if let Some(incident) = held.incident.and_then(|id| self.incidents.get_mut(&id)) {
            incident.context.remove(&fingerprint);
            let was_own = incident.alerts.remove(&fingerprint);
            incident.evidenced.remove(&fingerprint);
            if was_own && incident.alerts.is_empty() {
                incident.labels = Some(Box::new(held.alert.labels));
                if let (IncidentState::Escalated, Some(id)) = (incident.state, held.incident) {
                    self.emptied.insert(id);
                }
            }
        }
    }

    fn link(&mut self, id: IncidentId, fingerprint: Fingerprint) {
        if let Some(held) = self.alerts.get(&fingerprint)
            && let Some(before) = held.incident.and_then(|before| self.incidents.get_mut(&before))
        {
            before.context.remove(&fingerprint);
        }
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        let Some(held) = self.alerts.get_mut(&fingerprint) else {
            return;
        };
        held.incident = Some(id);
        if held.alert.only_informs() && incident.trigger != fingerprint {
            incident.context.insert(fingerprint);
            return;
        }
        incident.alerts.insert(fingerprint);
        if held.alert.evidence.is_some() {
            incident.evidenced.insert(fingerprint);
        }
        incident.labels = None;
        self.emptied.remove(&id);
    }

    fn open(
        &mut self,
        id: IncidentId,
        key: &IncidentKey,
        severity: Severity,
        (trigger, at): (Fingerprint, Timestamp),
    ) {
        self.last_incident = self.last_incident.max(id);
        self.by_key.insert(key.clone(), id);
        self.by_target.entry(key.target.clone()).or_default().insert(id);
        let incident = Incident {
            key: key.clone(),
            state: IncidentState::Open,
            severity,
            alerts: BTreeSet::new(),
            evidenced: BTreeSet::new(),
            context: BTreeSet::new(),
            attempt: None,
            n_tries: 0,
            last_attempt: 0,
            tried: BTreeMap::new(),
            crowded: false,
            trigger,
            locked: None,
            labels: None,
            opened_at: at,
            changed_at: at,
        };
        self.incidents.insert(id, incident);
    }

    fn resolve(&mut self, id: IncidentId, at: Timestamp) {
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        let event = match incident.state {
            IncidentState::Verifying => IncidentEvent::Verified,
            IncidentState::Open
            | IncidentState::Resolving
            | IncidentState::Resolved
            | IncidentState::Escalated
            | IncidentState::Closed => IncidentEvent::Recovered,
        };
        self.change(id, event, at);
    }

    fn close(&mut self, id: IncidentId) {
        let Some(incident) = self.incidents.remove(&id) else {
            return;
        };
        for fingerprint in incident.alerts.iter().chain(&incident.context) {
            if let Some(held) = self.alerts.get_mut(fingerprint) {
                held.incident = None;
            }
        }
        self.by_key.remove(&incident.key);
        if let Some(ids) = self.by_target.get_mut(&incident.key.target) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_target.remove(&incident.key.target);
            }
        }
        for set in [
            &mut self.working,
            &mut self.planned,
            &mut self.waiting,
            &mut self.resolved,
            &mut self.escalated,
        ] {
            set.remove(&id);
        }
    }

    pub(crate) fn change(&mut self, id: IncidentId, event: IncidentEvent, at: Timestamp) {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        let Ok(next) = incident.state.apply(event) else {
            return;
        };
        incident.state = next;
        incident.changed_at = at;
        for (set, member) in [
            (&mut self.resolved, IncidentState::Resolved),
            (&mut self.escalated, IncidentState::Escalated),
        ] {
            if next == member {
                set.insert(id);
            } else {
                set.remove(&id);
            }
        }
        if next == IncidentState::Escalated && incident.alerts.is_empty() {
            self.emptied.insert(id);
        } else {
            self.emptied.remove(&id);
        }
        if next != IncidentState::Open {
            self.waiting.remove(&id);
        }
    }

    /// Keeps the latest sample of a metric; an older one never replaces a newer one.
    pub(crate) fn keep(&mut self, sample: &Sample) {
        let n_targets = self.latest.len();
        if n_targets >= LATEST_SAMPLES_MAX && !self.latest.contains_key(&sample.target) {
            return;
        }
        let metrics = self.latest.entry(sample.target.clone()).or_default();
        match metrics.get_mut(&sample.metric) {
            Some(kept) if kept.at > sample.at => {}
            Some(kept) => *kept = sample.clone(),
            None => drop(metrics.insert(sample.metric.clone(), sample.clone())),
        }
    }
}
