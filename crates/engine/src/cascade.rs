//! Cascades: a service that breaks because one that it needs broke.
//!
//! When two incidents of services of which one needs the other, directly or through others, begin
//! within the window, the needed one is the cause: people hear of it first, and of its effects
//! only when the cause is over and they still fire a while later.  What was told before the cause
//! broke is not taken back.  Healing goes on for each by itself: a playbook acts on what is seen
//! of its own service.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{IncidentId, ServiceName, Target};
use nightcrew_model::mute::Dependencies;
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::state::State;

/// How long effects have to settle after their cause is over, until people hear of them.
pub const SETTLE: Millis = Millis::from_secs(60);

/// The largest number of services that one look through the graph visits.
pub const VISITED_MAX: usize = 10_000;

/// The cause of each incident that has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Causes(BTreeMap<IncidentId, IncidentId>);

impl Causes {
    pub(crate) fn apply(&mut self, fact: &Fact) {
        if let Fact::IncidentCorrelated { incident, root } = fact {
            self.0.insert(*incident, *root);
        } else if let Fact::IncidentReopened { incident, .. } | Fact::IncidentClosed { incident } =
            fact
        {
            self.0.remove(incident);
        }
    }
}

impl State {
    /// The incident that is the cause of this one, by the graph of services.
    #[must_use]
    pub fn root_of(&self, id: IncidentId) -> Option<IncidentId> {
        let mut root = *self.causes.0.get(&id)?;
        let mut seen = BTreeSet::from([id]);
        while seen.insert(root) {
            match self.causes.0.get(&root) {
                Some(deeper) if !seen.contains(deeper) => root = *deeper,
                Some(_) | None => break,
            }
        }
        Some(root)
    }

    /// The cause, while it keeps people from hearing of its effect.
    pub(crate) fn cause(&self, id: IncidentId, now: Timestamp) -> Option<IncidentId> {
        let root = self.root_of(id)?;
        let incident = self.incidents.get(&root)?;
        let settling = SETTLE.after(incident.changed_at) > now && incident.changed_at <= now;
        (incident.state.is_open() || settling).then_some(root)
    }

    /// The open incidents of a service, the oldest first.
    fn open_incidents_of<'a>(
        &'a self,
        service: &'a ServiceName,
    ) -> impl Iterator<Item = (IncidentId, Timestamp)> + 'a {
        let of_service = self.by_target.range(Target::service(service.clone())..);
        let of_service = of_service.take_while(move |(target, _)| target.service == *service);
        of_service.flat_map(|(_, ids)| ids).filter_map(|id| {
            let incident = self.incidents.get(id).filter(|found| found.state.is_open())?;
            Some((*id, incident.opened_at))
        })
    }
}

impl Step<'_> {
    /// An incident began: looks for its cause, and for those whose cause it is.
    pub(crate) fn correlate(&mut self, id: IncidentId) {
        let settings = self.settings;
        let graph = &settings.dependencies;
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        if graph.needs.is_empty() {
            return;
        }
        let service = incident.key.target.service.clone();
        self.find_cause(id, &service, graph);
        let needing = reach(graph, &service, Direction::Needing);
        for dependent in needing.iter().filter(|dependent| **dependent != service) {
            let broken: Vec<IncidentId> =
                self.state.open_incidents_of(dependent).map(|(effect, _)| effect).collect();
            for effect in broken {
                // A cause that is known stands, unless it may be an effect of this one itself.
                let known = self.state.root_of(effect).and_then(|id| self.state.incidents.get(&id));
                let stands = known.is_some_and(|root| {
                    root.state.is_open() && !needing.contains(&root.key.target.service)
                });
                if !stands {
                    self.find_cause(effect, dependent, graph);
                }
            }
        }
    }

    /// Notes the cause of an incident: of the broken services that it needs, one below which
    /// nothing else is broken.
    fn find_cause(&mut self, id: IncidentId, service: &ServiceName, graph: &Dependencies) {
        let Some(began) = self.state.incidents.get(&id).map(|incident| incident.opened_at) else {
            return;
        };
        let together = |at: Timestamp| graph.window.after(began.min(at)) >= began.max(at);
        let broken: BTreeMap<ServiceName, IncidentId> = reach(graph, service, Direction::Needed)
            .into_iter()
            .filter_map(|needed| {
                let mut found = self.state.open_incidents_of(&needed);
                let (cause, _) = found.find(|(_, at)| together(*at))?;
                drop(found);
                Some((needed, cause))
            })
            .collect();
        let deepest = |below: &ServiceName| {
            let reached = reach(graph, below, Direction::Needed);
            // What needs each other is one knot; nothing in it lies below the rest.
            reached.iter().all(|other| {
                !broken.contains_key(other)
                    || reach(graph, other, Direction::Needed).contains(below)
            })
        };
        let roots = broken.iter().filter(|(needed, _)| deepest(needed));
        let Some((root, by)) = roots.map(|(needed, cause)| (*cause, needed.clone())).min() else {
            return;
        };
        // In a knot that holds the service itself, the oldest incident is the cause.
        let in_knot = by == *service || reach(graph, &by, Direction::Needed).contains(service);
        let known = self.state.root_of(id);
        if root == id || in_knot && root > id || known == Some(root) {
            return;
        }
        let reason = Reason::DependsOn { service: by };
        self.decide(Fact::IncidentCorrelated { incident: id, root }, reason);
    }
}

/// Which way the graph is walked.
#[derive(Clone, Copy)]
enum Direction {
    /// To what a service needs.
    Needed,
    /// To what needs it.
    Needing,
}

/// Every service that is reached from one; itself only where it is in a circle.
fn reach(graph: &Dependencies, from: &ServiceName, direction: Direction) -> BTreeSet<ServiceName> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from.clone()];
    while let Some(service) = next.pop() {
        let beside: Vec<&ServiceName> = match direction {
            Direction::Needed => graph.needs.get(&service).into_iter().flatten().collect(),
            Direction::Needing => {
                let needing = graph.needs.iter().filter(|(_, needs)| needs.contains(&service));
                needing.map(|(needing, _)| needing).collect()
            }
        };
        for service in beside {
            if reached.len() < VISITED_MAX && reached.insert(service.clone()) {
                next.push(service.clone());
            }
        }
    }
    reached
}
