//! Why nobody hears of an alert, and the other rules that keep people's nights quiet.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{IncidentId, IntervalName, LockName, ServiceName, SilenceId, WatchdogName};
use crate::labels::Fingerprint;
use crate::matcher::Matchers;
use crate::severity::Severity;
use crate::unit::Millis;

/// What keeps people from hearing of an alert.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum MutedBy {
    /// A silence.
    Silence {
        /// Which.
        silence: SilenceId,
    },
    /// Another alert, by a rule of the routing.
    Inhibition {
        /// The rule.
        rule: String,
        /// The alert that fires.
        source: Fingerprint,
    },
    /// The route is mute at this time.
    Interval {
        /// The times.
        interval: IntervalName,
    },
    /// The route only tells at other times.
    OutsideActive,
    /// A lock: the service is under test or maintenance.
    Lock {
        /// Which.
        lock: LockName,
    },
    /// It changes too often to be told of each time.
    Flapping {
        /// How often it changed inside the window.
        changes: u32,
    },
    /// Another incident is the cause, by the graph of services.
    Cascade {
        /// The cause.
        root: IncidentId,
    },
    /// Too many messages: it is counted in a digest.
    Storm {
        /// What is flooded.
        scope: Scope,
    },
    /// It is not bad enough for any escalation policy that is for it.
    BelowSeverity {
        /// The lowest severity that one of them escalates.
        severity_min: Severity,
    },
}

/// How much a storm is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything.
    Everything,
    /// One service.
    Service(ServiceName),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.pad("everything"),
            Self::Service(service) => write!(f, "{service}"),
        }
    }
}

impl fmt::Display for MutedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence { silence } => write!(f, "silence {silence}"),
            Self::Inhibition { rule, source } => {
                write!(f, "inhibit rule {rule}: alert {source} fires")
            }
            Self::Interval { interval } => write!(f, "the route is mute at the time {interval}"),
            Self::OutsideActive => f.write_str("the route only tells at other times"),
            Self::Lock { lock } => write!(f, "lock {lock}"),
            Self::Flapping { changes } => write!(f, "flapping: {changes} changes in the window"),
            Self::Cascade { root } => write!(f, "caused by {root}"),
            Self::Storm { scope } => write!(f, "storm at {scope}"),
            Self::BelowSeverity { severity_min } => {
                write!(f, "its severity: policies escalate from {severity_min} on")
            }
        }
    }
}

/// When an incident that comes and goes is called flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FlapRule {
    /// So many times resolved and back …
    pub changes: u32,
    /// … inside this window; it is over when a whole window passed without a change.
    pub window: Millis,
}

/// How many messages people get at most; what comes beyond is in one digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StormRule {
    /// New messages about one service inside the window, per channel.
    pub per_service: u32,
    /// New messages about everything inside the window, per channel.
    pub global: u32,
    /// The window.
    pub window: Millis,
}

/// How incidents of services that depend on one another are seen as one cascade.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dependencies {
    /// What each service needs.
    pub needs: BTreeMap<ServiceName, Vec<ServiceName>>,
    /// How far apart the beginnings of cause and effect may lie.
    pub window: Millis,
}

/// An alert that fires always; when it is no longer heard of, the way here is broken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Watchdog {
    /// Its name.
    pub name: WatchdogName,
    /// The alert.
    pub matchers: Matchers,
    /// How long it may be silent.
    pub timeout: Millis,
}
