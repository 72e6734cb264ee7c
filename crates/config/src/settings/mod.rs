//! What a configuration says, typed.

mod channel;
mod chat;
mod healing;
mod inbound;
mod logs;
mod retention;
mod secret;
pub mod source;
mod ticket;
mod triage;
mod watched;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use nightcrew_detect::judge::rules::{Detection, Slo};
use nightcrew_detect::threshold::Threshold;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{ChannelName, ServiceName};
use nightcrew_model::plan::{Mode, Playbook};
use nightcrew_model::unit::Millis;
use serde::Serialize;

pub use channel::{Channel, ChannelKind, Fallback, Rate, SmtpTls, WebhookBody};
pub use chat::Chat;
pub use healing::{Breaker, GatePolicy, Healing, SandboxPolicy};
pub use inbound::{Inbound, InboundAuth, Mapping};
pub use logs::{Journal, LogFiles, LogJoining, Logs, Telemetry};
pub use retention::{MetricsRetention, Retention};
pub use secret::Secret;
pub use ticket::{JiraFlavour, OpenTicket, Resolver, Tracker, TrackerKind};
pub use triage::{AllClear, Heartbeat, Triage};
pub use watched::{
    Check, ContainerGrants, ContainerVerb, Disk, Disks, Host, Probe, ProcessMatch, Reload, Service,
    Signal, Start, Supervisor,
};

/// Everything that the crew needs to know.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// Where HTTP is served; always a loopback address.
    pub listen: SocketAddr,
    /// Where the journal and everything else of the crew lies.
    pub data_dir: PathBuf,
    /// Where `metrics/`, `incidents/` and `state/` are written.
    pub workspace_dir: PathBuf,
    /// Whether plans run or are only shown.
    pub mode: Mode,
    /// How this machine is watched.
    pub host: Host,
    /// The watched services, by name.
    pub services: BTreeMap<ServiceName, Service>,
    /// The thresholds.
    pub thresholds: Vec<Threshold>,
    /// How the methods beside thresholds report.
    pub detection: Detection,
    /// What is promised about services.
    pub slos: Vec<Slo>,
    /// The playbooks, in the order in which they are tried.
    pub playbooks: Vec<Playbook>,
    /// The times of the main job.
    pub healing: Healing,
    /// How people are told.
    pub channels: Vec<Channel>,
    /// How alerts become messages.
    pub triage: Triage,
    /// Where tickets are kept.
    pub trackers: Vec<Tracker>,
    /// What the gate admits beyond its own grammar.
    pub policy: GatePolicy,
    /// When a collector that fails is left alone.
    pub breaker: Breaker,
    /// The systems that are asked for numbers.
    pub sources: Vec<source::Source>,
    /// Which logs are followed.
    pub logs: Logs,
    /// How long things are kept.
    pub retention: Retention,
}

impl Settings {
    /// The port of `nightcrew up`.
    pub const PORT: u16 = 7979;

    /// Where everything of the crew lies, where neither the environment nor the operator says:
    /// below the folder in which the crew is started.
    pub const DATA_DIR: &str = ".nightcrew";

    /// The folder of the files that name the processes which the crew itself started.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.data_dir.join("run")
    }

    /// The settings of a crew without any configuration: it watches this host and tells the
    /// console.  It heals nothing, because nobody has allowed anything.
    #[must_use]
    pub fn zero(data_dir: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, Self::PORT)),
            workspace_dir: data_dir.clone(),
            data_dir,
            mode: Mode::Live,
            host: Host {
                interval: Millis::from_secs(15),
                timeout: Millis::from_secs(5),
                disks: Disks::All,
            },
            services: BTreeMap::new(),
            thresholds: Vec::new(),
            detection: Detection::default(),
            slos: Vec::new(),
            playbooks: Vec::new(),
            healing: Healing::default(),
            channels: vec![Channel {
                name: ChannelName::from("console"),
                kind: ChannelKind::Console,
                notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
                send_resolved: true,
                fallback: None,
                rate: None,
            }],
            triage: Triage::default(),
            trackers: Vec::new(),
            policy: GatePolicy::default(),
            breaker: Breaker::default(),
            sources: Vec::new(),
            logs: Logs::default(),
            retention: Retention::default(),
        }
    }
}
