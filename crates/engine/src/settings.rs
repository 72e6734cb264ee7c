//! What the operator allows and wants, as far as decisions need it.

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::ChannelName;
use nightcrew_model::plan::{Mode, Playbook};
use nightcrew_model::unit::Millis;

/// The settings of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The playbooks, in the order in which they are tried.
    pub playbooks: Vec<Playbook>,
    /// Whether plans run or are only shown.
    pub mode: Mode,
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
    /// Who is told of what.
    pub channels: Vec<Listener>,
}

/// One channel and what it listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The channel.
    pub channel: ChannelName,
    /// What it is told.
    pub notify: Vec<NotificationKind>,
}
