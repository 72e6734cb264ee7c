//! How healing goes about: its times, what the gate admits, when a collector is left alone.

use std::path::PathBuf;

use nightcrew_model::approval::Autonomy;
use nightcrew_model::plan::RunLimit;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;
use serde::Serialize;

/// The times of the main job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Healing {
    /// How long a playbook rests after a run against the same target.
    pub cooldown: Millis,
    /// Inside this window the same service and symptom are the same incident.
    pub dedup_window: Millis,
    /// What is back so soon after a proven repair was not repaired: the next playbook has its turn,
    /// then a person.
    pub relapse_window: Millis,
    /// How long an alert without an end fires after its source last told of it.
    pub resolve_timeout: Millis,
    /// How many good samples in a row prove a repair, where the playbook does not say.
    pub verify_needed: u32,
    /// How often is looked, where the playbook does not say.
    pub verify_interval: Millis,
    /// How long a repair may need to be proven, where the playbook does not say.
    pub verify_deadline: Millis,
    /// What the crew may do to a service by itself, where the service does not say.
    pub autonomy: Autonomy,
    /// From which risk class on a person is asked even where the autonomy is `auto`; none: never.
    pub ask_from: Option<RiskClass>,
    /// How long a person has to approve a plan.
    pub approval_timeout: Millis,
    /// How often one playbook may run against one target, where the playbook does not say.
    pub run_limit: RunLimit,
    /// When a playbook that fails again and again, on whatever target, is left alone: after so
    /// many failures in this time, for as long again.
    pub playbook_breaker: RunLimit,
    /// How many disruptive or destructive actions may begin in an hour.
    pub actions_per_hour: u32,
    /// The largest share of a group of services that may be down or worked on at a time, in
    /// percent; one service always may.
    pub group_down_max_percent: u8,
}

impl Default for Healing {
    fn default() -> Self {
        Self {
            cooldown: Millis::from_secs(300),
            dedup_window: Millis::from_secs(3_600),
            relapse_window: Millis::from_secs(300),
            resolve_timeout: Millis::from_secs(300),
            verify_needed: 3,
            verify_interval: Millis::from_secs(5),
            verify_deadline: Millis::from_secs(120),
            autonomy: Autonomy::Auto,
            ask_from: None,
            approval_timeout: Millis::from_secs(300),
            run_limit: RunLimit { times: 3, window: Millis::from_secs(3_600) },
            playbook_breaker: RunLimit { times: 5, window: Millis::from_secs(3_600) },
            actions_per_hour: 60,
            group_down_max_percent: 34,
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
    /// Files with further grammars, beside the shipped ones.
    pub files: Vec<PathBuf>,
    /// Where Docker is asked.
    pub docker_socket: PathBuf,
    /// What started programs are kept from.
    pub sandbox: SandboxPolicy,
}

/// What started programs are kept from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxPolicy {
    /// As much as the kernel can do; what it cannot is said by `nightcrew doctor`.
    #[default]
    BestEffort,
    /// A program does not start where a layer that its grammar asks for is missing.
    Required,
    /// Nothing: programs run as the crew does.
    Off,
}

impl Default for GatePolicy {
    fn default() -> Self {
        Self {
            clean_roots: vec![PathBuf::from("/tmp"), PathBuf::from("/var/log")],
            action_timeout_max: Millis::from_secs(600),
            files: Vec::new(),
            docker_socket: PathBuf::from("/var/run/docker.sock"),
            sandbox: SandboxPolicy::default(),
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
