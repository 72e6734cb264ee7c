//! Flapping: what comes and goes is told of once, until it is calm.
//!
//! A change is an incident of the same key that comes back, reopened or as another one, after it
//! was over.  While it flaps, nobody is told that it is back; people who were told before hear
//! that it is over, once.  A whole window without coming or going is calm; what still fires then
//! is told as usual.

use std::collections::{BTreeSet, HashMap, VecDeque};

use jiff::Timestamp;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::pairs;
use crate::state::State;

/// The largest number of changes of one key that are remembered; a rule that wants more is met by
/// so many.
pub const CHANGES_MAX: usize = 100;

/// The keys that were over at some time inside the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flaps {
    #[serde(with = "pairs")]
    known: HashMap<IncidentKey, Flap>,
    /// The keys by when they last came or went.
    calm_since: BTreeSet<(Timestamp, IncidentKey)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flap {
    /// When it came back.
    returns: VecDeque<Timestamp>,
    /// When it last came or went.
    changed_at: Timestamp,
    /// Whether people are told of it no more.
    flapping: bool,
}

impl Flaps {
    /// Folds a fact; `key` is that of the incident it is about.
    pub(crate) fn apply(&mut self, at: Timestamp, fact: &Fact, key: Option<&IncidentKey>) {
        if let Fact::IncidentOpened { key, .. } = fact {
            self.returned(key, at);
        } else if let (Fact::IncidentReopened { .. }, Some(key)) = (fact, key) {
            self.returned(key, at);
        } else if let (Fact::IncidentResolved { .. }, Some(key)) = (fact, key) {
            if !self.known.contains_key(key) {
                let flap = Flap { returns: VecDeque::new(), changed_at: at, flapping: false };
                self.known.insert(key.clone(), flap);
            }
            self.touch(key, at);
        } else if let Fact::FlapBegan { key } = fact {
            if let Some(flap) = self.known.get_mut(key) {
                flap.flapping = true;
            }
        } else if let Fact::FlapEnded { key } = fact {
            self.forget(key);
        }
    }

    /// What was never over is not back.
    fn returned(&mut self, key: &IncidentKey, at: Timestamp) {
        let Some(flap) = self.known.get_mut(key) else {
            return;
        };
        if flap.returns.len() >= CHANGES_MAX {
            flap.returns.pop_front();
        }
        flap.returns.push_back(at);
        self.touch(key, at);
    }

    fn touch(&mut self, key: &IncidentKey, at: Timestamp) {
        let Some(flap) = self.known.get_mut(key) else {
            return;
        };
        self.calm_since.remove(&(flap.changed_at, key.clone()));
        flap.changed_at = at;
        self.calm_since.insert((at, key.clone()));
    }

    fn forget(&mut self, key: &IncidentKey) {
        if let Some(flap) = self.known.remove(key) {
            self.calm_since.remove(&(flap.changed_at, key.clone()));
        }
    }
}

impl State {
    /// How often it changed, where it is flapping.
    #[must_use]
    pub fn flapping(&self, key: &IncidentKey) -> Option<u32> {
        let flap = self.flaps.known.get(key).filter(|flap| flap.flapping)?;
        Some(u32::try_from(flap.returns.len()).unwrap_or(u32::MAX))
    }
}

impl Step<'_> {
    /// An incident came, or came back.
    pub(crate) fn watch_flapping(&mut self, id: IncidentId) {
        let Some(rule) = self.settings.flap else {
            return;
        };
        let Some(incident) = self.state.incidents.get(&id) else {
            return;
        };
        let Some(flap) = self.state.flaps.known.get(&incident.key) else {
            return;
        };
        let recent = flap.returns.iter().filter(|at| rule.window.after(**at) > self.now).count();
        let wanted = usize::try_from(rule.changes).unwrap_or(CHANGES_MAX).clamp(1, CHANGES_MAX);
        if !flap.flapping && recent >= wanted {
            let changes = u32::try_from(recent).unwrap_or(u32::MAX);
            let reason = Reason::Changes { changes, window: rule.window };
            self.decide(Fact::FlapBegan { key: incident.key.clone() }, reason);
        }
    }

    /// Ends what was calm for a whole window, and forgets what was over so long ago.
    pub(crate) fn calm_down(&mut self) {
        let window = self.settings.flap.map_or(Millis(0), |rule| rule.window);
        while let Some((since, key)) = self.state.flaps.calm_since.first() {
            // A moment that has not come yet was noted before the clock was set back.
            if self.is_full() || window.after(*since) > self.now && *since <= self.now {
                return;
            }
            let key = key.clone();
            if self.state.flapping(&key).is_some() {
                self.decide(Fact::FlapEnded { key }, Reason::Calm { window });
            } else {
                self.state.flaps.forget(&key);
            }
        }
    }
}
