//! Context: what our own detectors say only to inform.
//!
//! Such an alert is listed and stands beside an open incident of its service; it opens none,
//! holds none open, goes to no group and wakes nobody.  When it becomes worse it is an alert like
//! every other.

use std::collections::{BTreeMap, BTreeSet};

use nightcrew_model::alert::Alert;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{IncidentId, ServiceName, Target};
use nightcrew_model::labels::Fingerprint;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::state::State;

/// The largest number of alerts that stand beside one incident; what comes beyond it is only
/// listed.
pub(crate) const CONTEXT_MAX: usize = 20;

/// The firing alerts that only inform, by service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contexts(BTreeMap<ServiceName, BTreeSet<Fingerprint>>);

impl Contexts {
    /// Notes an alert that fires, as it is now.
    pub(crate) fn note(&mut self, alert: &Alert) {
        if alert.only_informs() {
            self.0.entry(alert.target.service.clone()).or_default().insert(alert.fingerprint);
        } else {
            self.forget(alert);
        }
    }

    /// Forgets an alert that ended, or that does more than inform.
    pub(crate) fn forget(&mut self, alert: &Alert) {
        if let Some(known) = self.0.get_mut(&alert.target.service)
            && known.remove(&alert.fingerprint)
            && known.is_empty()
        {
            self.0.remove(&alert.target.service);
        }
    }
}

impl State {
    /// The newest incident of a service with which somebody or something still has to do.
    fn open_incident_of(&self, service: &ServiceName) -> Option<IncidentId> {
        let targets = self.by_target.range(Target::service(service.clone())..);
        let own = targets.take_while(|(target, _)| &target.service == service);
        own.flat_map(|(_, ids)| ids)
            .filter(|id| self.incidents.get(id).is_some_and(|found| found.state.is_open()))
            .max()
            .copied()
    }
}

impl State {
    /// Whether an incident of a service is open.
    pub(crate) fn has_open_incident(&self, service: &ServiceName) -> bool {
        self.open_incident_of(service).is_some()
    }
}

impl Step<'_> {
    /// Puts an alert that only informs beside the open incident of its service, if there is one.
    pub(crate) fn stand_beside(&mut self, fingerprint: Fingerprint) {
        let Some(held) = self.state.alerts.get(&fingerprint) else { return };
        let linked = held.incident.and_then(|id| self.state.incidents.get(&id));
        if linked.is_some_and(|incident| incident.state.is_open()) {
            return;
        }
        let service = held.alert.target.service.clone();
        if let Some(incident) = self.state.open_incident_of(&service) {
            self.put_beside(incident, fingerprint);
        }
    }

    /// Puts what informs about the service of an incident that began beside it.
    pub(crate) fn gather_context(&mut self, incident: IncidentId) {
        let Some(found) = self.state.incidents.get(&incident) else { return };
        let informing = self.state.contexts.0.get(&found.key.target.service);
        let informing: Vec<Fingerprint> =
            informing.into_iter().flatten().copied().take(CONTEXT_MAX).collect();
        for fingerprint in informing {
            let linked = self.state.alerts.get(&fingerprint).and_then(|held| held.incident);
            let linked = linked.and_then(|id| self.state.incidents.get(&id));
            if !linked.is_some_and(|linked| linked.state.is_open()) {
                self.put_beside(incident, fingerprint);
            }
        }
    }

    fn put_beside(&mut self, incident: IncidentId, alert: Fingerprint) {
        let Some(found) = self.state.incidents.get(&incident) else { return };
        if found.context.len() >= CONTEXT_MAX || found.context.contains(&alert) {
            return;
        }
        let severity = found.severity;
        self.decide(Fact::AlertJoined { incident, alert, severity }, Reason::SameService);
    }
}
