//! Locks: while a load test or maintenance goes on, some things must not be done to some services.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{Fence, LockName, PersonName, ServiceName};

/// A lock.  It has an owner, a reason and an end, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name; one lock of a name is held at a time.
    pub name: LockName,
    /// Who holds it.
    pub owner: PersonName,
    /// Why.
    pub reason: String,
    /// The services under it; empty: every one.
    pub services: Vec<ServiceName>,
    /// What must not be done meanwhile.
    pub blocks: Vec<Blocked>,
    /// Since when.
    pub since: Timestamp,
    /// When its owner thinks to release it; past it, people see that it is late.
    pub expected_release: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The number of this holding.
    pub fence: Fence,
}

/// What a lock can block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// Automatic restarts, and every other playbook.
    AutoRestart,
    /// Automatic scaling.
    AutoScale,
    /// Telling people: alerts of the services become informational.
    Notify,
}

impl Blocked {
    /// Everything that can be blocked.
    pub const ALL: [Self; 3] = [Self::AutoRestart, Self::AutoScale, Self::Notify];

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AutoRestart => "auto_restart",
            Self::AutoScale => "auto_scale",
            Self::Notify => "notify",
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Lock {
    /// Whether it is held.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.expires_at
    }

    /// Whether a service is under it.
    #[must_use]
    pub fn covers(&self, service: &ServiceName) -> bool {
        self.services.is_empty() || self.services.contains(service)
    }

    /// Whether it keeps something from being done to a service now.
    #[must_use]
    pub fn blocks(&self, what: Blocked, service: &ServiceName, now: Timestamp) -> bool {
        self.is_held(now) && self.blocks.contains(&what) && self.covers(service)
    }
}
