//! What keeps people from hearing of an incident: it stays in the list, and healing goes on.

use nightcrew_model::id::IncidentId;
use nightcrew_model::lock::Blocked;
use nightcrew_model::mute::MutedBy;

use crate::Step;
use crate::escalation::Fit;
use crate::incident::Incident;

impl Step<'_> {
    /// An incident came, or came back: is it flapping, is another one its cause?
    pub(crate) fn began(&mut self, id: IncidentId) {
        self.watch_flapping(id);
        self.correlate(id);
    }

    /// What keeps people from hearing of an incident now.
    pub(crate) fn kept_back(&self, id: IncidentId) -> Option<MutedBy> {
        let incident = self.state.incidents.get(&id)?;
        let service = &incident.key.target.service;
        if let Some(lock) = self.state.lock_on(Blocked::Notify, service, self.now) {
            return Some(MutedBy::Lock { lock: lock.name.clone() });
        }
        if let Some(by) = self.alerts_muted(incident) {
            return Some(by);
        }
        let told = self.state.escalation(id).is_some_and(|found| !found.is_untold());
        if told {
            return None;
        }
        if let Some(changes) = self.state.flapping(&incident.key) {
            return Some(MutedBy::Flapping { changes });
        }
        if let Some(root) = self.state.cause(id, self.now) {
            return Some(MutedBy::Cascade { root });
        }
        match self.settings.policy_for(self.state.labels_of(id), incident.severity) {
            Fit::Below(severity_min) => Some(MutedBy::BelowSeverity { severity_min }),
            Fit::Policy(_) | Fit::None => None,
        }
    }

    /// What mutes the first of its firing alerts, where every one of them is muted.
    fn alerts_muted(&self, incident: &Incident) -> Option<MutedBy> {
        let mut first = None;
        for fingerprint in &incident.alerts {
            let held = self.state.alerts.get(fingerprint)?;
            let by = self.state.muted_by(self.settings, &held.alert, self.now);
            let by = by.into_iter().next()?;
            first.get_or_insert(by);
        }
        first
    }

    /// Whether a lock keeps playbooks from beginning on it.
    pub(crate) fn is_locked(&self, incident: &Incident) -> bool {
        let service = &incident.key.target.service;
        self.state.lock_on(Blocked::AutoRestart, service, self.now).is_some()
    }
}
