//! What the operator allows and wants, as far as decisions need it.

use std::collections::BTreeMap;

use nightcrew_model::approval::Autonomy;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::escalation::{Person, Policy};
use nightcrew_model::id::{ChannelName, PersonName, PlaybookName, ScheduleName, ServiceName};
use nightcrew_model::interval::Zone;
use nightcrew_model::mute::{Dependencies, FlapRule, StormRule, Watchdog};
use nightcrew_model::oncall::Schedule;
use nightcrew_model::plan::{Mode, Playbook, RunLimit};
use nightcrew_model::route::Routing;
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;

/// The settings of the engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The playbooks, in the order in which they are tried.
    pub playbooks: Vec<Playbook>,
    /// Whether plans run or are only shown.
    pub mode: Mode,
    /// How long a playbook rests after a run against the same target.
    pub cooldown: Millis,
    /// What the crew may do to a service by itself, where nothing is said for the service.
    pub autonomy: Autonomy,
    /// What it may do to these services.
    pub autonomy_of: BTreeMap<ServiceName, Autonomy>,
    /// From which risk class on a person is asked even where the autonomy is `auto`; none: never.
    pub ask_from: Option<RiskClass>,
    /// How long a person has to approve a plan.
    pub approval_timeout: Millis,
    /// How often one playbook may run against one target, where the playbook does not say.
    pub run_limit: RunLimit,
    /// When a playbook that fails again and again, on whatever target, is left alone: after so
    /// many failures in this time, for as long again.
    pub playbook_breaker: RunLimit,
    /// The group of each service that has one.
    pub groups: BTreeMap<ServiceName, String>,
    /// The largest share of a group of services that may be down or worked on at a time, in
    /// percent; one service always may.
    pub group_down_max_percent: u8,
    /// What supervises a service, where that has a name of its own, such as `nginx.service`.
    pub units: BTreeMap<ServiceName, String>,
    /// How long the ticket of a closed incident is known; the longest reopen window there is.
    pub tickets_kept: Millis,
    /// Inside this window the same service and symptom are the same incident.
    pub dedup_window: Millis,
    /// What is back so soon after a proven repair was not repaired: the next remedy has its turn.
    pub relapse_window: Millis,
    /// How long an alert without an end fires after its source last told of it.
    pub resolve_timeout: Millis,
    /// How many good samples in a row prove a repair, where the playbook does not say.
    pub verify_needed: u32,
    /// How often is looked, where the playbook does not say.
    pub verify_interval: Millis,
    /// How long a repair may need to be proven, where the playbook does not say.
    pub verify_deadline: Millis,
    /// The labels that make two alerts the same incident; `service` and `symptom_type` stand for
    /// whatever label names the service and the symptom.
    pub dedup_fields: Vec<String>,
    /// Who is told of what.
    pub channels: Vec<Listener>,
    /// Where alerts go; none: people hear of incidents only.
    pub routing: Option<Routing>,
    /// The silences of the configuration.
    pub mute_windows: Vec<Silence>,
    /// How incidents climb, the first that fits is taken; where none fits, every channel that
    /// listens to escalations is told once.
    pub policies: Vec<Policy>,
    /// Who is on call.
    pub schedules: BTreeMap<ScheduleName, Schedule>,
    /// Who can be told.
    pub people: BTreeMap<PersonName, Person>,
    /// Which services need which.
    pub dependencies: Dependencies,
    /// When an incident is flapping; none: never.
    pub flap: Option<FlapRule>,
    /// When there are too many messages; none: never.
    pub storm: Option<StormRule>,
    /// The heartbeats that must always be heard.
    pub watchdogs: Vec<Watchdog>,
    /// The daily word that all is well; none: no such word.
    pub all_clear: Option<AllClear>,
}

impl Settings {
    /// What the crew may do to a service by itself.
    #[must_use]
    pub fn autonomy_for(&self, service: &ServiceName) -> Autonomy {
        self.autonomy_of.get(service).copied().unwrap_or(self.autonomy)
    }

    /// The playbook of that name.
    pub(crate) fn playbook(&self, name: &PlaybookName) -> Option<&Playbook> {
        self.playbooks.iter().find(|playbook| playbook.name == *name)
    }
}

/// When and where the daily word is said.
#[derive(Clone, Debug, PartialEq)]
pub struct AllClear {
    /// The time of the day.
    pub at: jiff::civil::Time,
    /// On which clock.
    pub zone: Zone,
    /// To which channels.
    pub channels: Vec<ChannelName>,
}

/// One channel and what it listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The channel.
    pub channel: ChannelName,
    /// Of what happens to incidents it is told.
    pub notify: Vec<NotificationKind>,
    /// Whether it is told that alerts of a group ended.
    pub send_resolved: bool,
    /// The channel that is told when this one cannot be reached.
    pub fallback: Option<ChannelName>,
}
