//! The fold of decisions into the record of one incident.
//!
//! **Invariant:** states change only through the state machines of `model`.  A decision that they
//! refuse is shown in the timeline with the contradiction and changes nothing else.

use std::collections::{BTreeSet, HashMap};

use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::{IncidentKey, IncidentState};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::sample::Sample;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::record::{Entry, JOINED_MAX, Joined, PICTURES_MAX, Picture, Record, Root, Trigger};
use crate::sentence;
use crate::transition::{Contradiction, apply};

/// The record of one incident; none where the decisions do not open it.
///
/// `decisions` are in the order of the journal.  They may be the whole log, or only those of the
/// incident; without the decisions about alerts, the record does not show the alert that began it.
#[must_use]
pub fn incident_record(incident: IncidentId, decisions: &[Decision]) -> Option<Record> {
    let mut fold = Fold { incident, fired: HashMap::new(), members: BTreeSet::new(), record: None };
    for decision in decisions {
        fold.take(decision);
    }
    fold.record
}

struct Fold<'a> {
    incident: IncidentId,
    /// The last time that each alert began to fire.
    fired: HashMap<Fingerprint, &'a Decision>,
    /// The alerts of the incident.
    members: BTreeSet<Fingerprint>,
    record: Option<Record>,
}

impl<'a> Fold<'a> {
    fn take(&mut self, decision: &'a Decision) {
        match &decision.fact {
            Fact::AlertFired { alert } => {
                self.fired.insert(alert.fingerprint, decision);
                self.take_alert(alert.fingerprint, decision, true);
            }
            Fact::AlertChanged { alert } => self.take_alert(alert.fingerprint, decision, false),
            Fact::AlertResolved { fingerprint, .. } => {
                self.take_alert(*fingerprint, decision, false);
            }
            fact if fact.incident() == Some(self.incident) => self.take_own(decision),
            Fact::IncidentCorrelated { incident, root } if *root == self.incident => {
                self.take_effect(*incident, decision);
            }
            _ => {}
        }
    }

    /// A decision about an alert belongs to the story while the alert belongs to the incident.  An
    /// alert that fires anew after the end belongs to it only if it is brought back by it.
    fn take_alert(&mut self, alert: Fingerprint, decision: &Decision, fires: bool) {
        let Some(record) = self.record.as_mut() else {
            return;
        };
        if fires && !record.state.is_open() {
            self.members.remove(&alert);
        }
        if self.members.contains(&alert) && record.state != IncidentState::Closed {
            self.tell(decision, Ok(()));
        }
    }

    /// Another incident was found to be caused by this one.
    fn take_effect(&mut self, effect: IncidentId, decision: &Decision) {
        let Some(record) = self.record.as_mut() else {
            return;
        };
        if record.effects.len() < JOINED_MAX {
            let (at, why) = (decision.at, decision.reason.to_string());
            record.effects.push(Root { at, incident: effect, why });
        }
        self.tell(decision, Ok(()));
    }

    fn take_own(&mut self, decision: &Decision) {
        if let Fact::IncidentOpened { key, severity, trigger, initial, .. } = &decision.fact
            && self.record.is_none()
        {
            self.open(decision, (key, *severity), *trigger, initial);
            return;
        }
        let Some(record) = self.record.as_mut() else {
            return;
        };
        let applied = apply(record, decision);
        match &decision.fact {
            Fact::AlertJoined { alert, .. } | Fact::IncidentReopened { trigger: alert, .. }
                if applied.is_ok() =>
            {
                self.join(*alert);
                self.name(*alert, decision);
            }
            _ => {}
        }
        self.tell(decision, applied);
    }

    fn open(
        &mut self,
        decision: &Decision,
        (key, severity): (&IncidentKey, Severity),
        trigger: Fingerprint,
        initial: &[Sample],
    ) {
        let fired = self.fired.get(&trigger);
        let alert = fired.and_then(|decision| match &decision.fact {
            Fact::AlertFired { alert } => Some(alert.as_ref().clone()),
            _ => None,
        });
        let detected_at = decision.at;
        // A source may name a start that is yet to come.
        let began_at = alert.as_ref().map_or(detected_at, |alert| alert.starts_at);
        let began_at = began_at.min(detected_at);
        let why = fired.map_or(&decision.reason, |fired| &fired.reason);
        self.record = Some(Record {
            id: self.incident,
            key: key.clone(),
            severity,
            state: IncidentState::Open,
            trigger: Trigger { fingerprint: trigger, why: why.to_string(), alert },
            began_at,
            detected_at,
            detect_ms: Millis::between(began_at, detected_at),
            repair_ms: None,
            initial: initial.to_vec(),
            pictures: Vec::new(),
            joined: Vec::new(),
            root: None,
            effects: Vec::new(),
            attempts: Vec::new(),
            held: Vec::new(),
            relapses: Vec::new(),
            escalation: None,
            acknowledged: None,
            first_acknowledged: None,
            resolved: None,
            closed_at: None,
            tickets: Vec::new(),
            notifications: Vec::new(),
            timeline: Vec::new(),
        });
        self.join(trigger);
        self.tell(decision, Ok(()));
    }

    /// Makes the alert one of the incident's, and shows when it began to fire.
    fn join(&mut self, alert: Fingerprint) {
        if self.members.insert(alert)
            && let Some(fired) = self.fired.get(&alert).copied()
        {
            self.tell(fired, Ok(()));
            self.picture(fired);
        }
    }

    /// Keeps what an alert that joined is about.
    fn name(&mut self, fingerprint: Fingerprint, decision: &Decision) {
        let alert = self.fired.get(&fingerprint).and_then(|fired| match &fired.fact {
            Fact::AlertFired { alert } => Some(alert),
            _ => None,
        });
        let Some(record) = self.record.as_mut() else { return };
        let is_known = record.trigger.fingerprint == fingerprint
            || record.joined.iter().any(|known| known.fingerprint == fingerprint);
        if !is_known && record.joined.len() < JOINED_MAX {
            record.joined.push(Joined {
                at: decision.at,
                fingerprint,
                about: alert.map(|alert| IncidentKey {
                    target: alert.target.clone(),
                    symptom: alert.symptom.clone(),
                }),
                severity: alert.map(|alert| alert.severity),
                why: decision.reason.to_string(),
            });
        }
    }

    /// Keeps the numbers behind an alert that joined.
    fn picture(&mut self, fired: &Decision) {
        let Fact::AlertFired { alert } = &fired.fact else { return };
        let (Some(record), Some(chart)) = (self.record.as_mut(), &alert.chart) else { return };
        let is_known = record.pictures.iter().any(|known| known.fingerprint == alert.fingerprint);
        if !is_known && record.pictures.len() < PICTURES_MAX {
            record.pictures.push(Picture {
                fingerprint: alert.fingerprint,
                title: format!("{} {}", alert.target, alert.symptom),
                why: fired.reason.to_string(),
                chart: chart.as_ref().clone(),
            });
        }
    }

    fn tell(&mut self, decision: &Decision, applied: Result<(), Contradiction>) {
        if let Some(record) = self.record.as_mut() {
            record.timeline.push(entry(decision, applied));
        }
    }
}

fn entry(decision: &Decision, applied: Result<(), Contradiction>) -> Entry {
    Entry {
        at: decision.at,
        what: sentence::what(&decision.fact),
        why: decision.reason.to_string(),
        contradiction: applied.err().map(|Contradiction(why)| why),
    }
}
