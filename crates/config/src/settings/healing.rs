//! How healing goes about: its times, what the gate admits, when a collector is left alone.

use std::path::PathBuf;

use nightcrew_model::unit::Millis;
use serde::Serialize;

/// The times of the main job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Healing {
    /// How long a playbook rests after a run against the same target.
    pub cooldown: Millis,
    /// Inside this window the same service and symptom are the same incident.
    pub dedup_window: Millis,
    /// How long an alert without an end fires after its source last told of it.
    pub resolve_timeout: Millis,
    /// How many good samples in a row prove a repair, where the playbook does not say.
    pub verify_needed: u32,
    /// How often is looked, where the playbook does not say.
    pub verify_interval: Millis,
    /// How long a repair may need to be proven, where the playbook does not say.
    pub verify_deadline: Millis,
}

impl Default for Healing {
    fn default() -> Self {
        Self {
            cooldown: Millis::from_secs(300),
            dedup_window: Millis::from_secs(3_600),
            resolve_timeout: Millis::from_secs(300),
            verify_needed: 3,
            verify_interval: Millis::from_secs(5),
            verify_deadline: Millis::from_secs(120),
        }
    }
}

/// What the gate may admit on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GatePolicy {
    /// The folders below which old files may be removed.
    pub clean_roots: Vec<PathBuf>,
    /// How long one action may take at most.
    pub action_timeout_max: Millis,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self {
            clean_roots: vec![PathBuf::from("/tmp"), PathBuf::from("/var/log")],
            action_timeout_max: Millis::from_secs(600),
        }
    }
}

/// When a collector that fails is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Breaker {
    /// After this many failures in a row.
    pub failures: u32,
    /// For this long.
    pub reset: Millis,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 3, reset: Millis::from_secs(60) }
    }
}
