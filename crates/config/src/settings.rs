//! What a configuration says, typed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use nightcrew_detect::threshold::Threshold;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{ChannelName, ServiceName};
use nightcrew_model::plan::{Mode, Playbook};
use nightcrew_model::unit::Millis;
use serde::Serialize;

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
    /// The playbooks, in the order in which they are tried.
    pub playbooks: Vec<Playbook>,
    /// The times of the main job.
    pub healing: Healing,
    /// How people are told.
    pub channels: Vec<Channel>,
    /// What the gate admits beyond its own grammar.
    pub policy: Policy,
    /// When a collector that fails is left alone.
    pub breaker: Breaker,
}

/// How this machine is watched.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// How often CPU, memory, disks, network and load are read.
    pub interval: Millis,
    /// How long one collector may take.
    pub timeout: Millis,
    /// Which disks.
    pub disks: Disks,
}

/// Which disks are watched.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disks {
    /// Every mounted file system that is backed by storage.
    All,
    /// These.
    Listed(Vec<Disk>),
}

/// One watched disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// A folder on it.
    pub path: PathBuf,
    /// The size that the folder may reach, in bytes; none: the size of the file system on which it
    /// lies.
    pub quota_bytes: Option<u64>,
}

/// One watched service.
#[derive(Clone, Debug, Serialize)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// How its process is found; none: it has none here.
    pub process: Option<ProcessMatch>,
    /// How its process is started; none: something else starts it.
    pub start: Option<Start>,
    /// How long its process gets to end by itself before it is killed.
    pub stop_timeout: Millis,
    /// The systemd unit that supervises it.
    pub unit: Option<String>,
    /// How often its process is looked for, where no faster sign exists.
    pub interval: Millis,
    /// What is asked of it.
    pub checks: Vec<Check>,
    /// Whether a playbook may restart it.
    pub restart_allowed: bool,
}

/// How a process is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessMatch {
    /// By its name, as the kernel knows it (the file name of its program).
    Name(String),
    /// By a file that holds its id.
    PidFile(PathBuf),
    /// By a regular expression over its command line, words joined by a space.
    CommandLine(String),
    /// By the id of the child that the crew itself started, kept in `run/<service>.pid` below the
    /// data folder.
    Child,
}

/// How a process is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Start {
    /// The program and its arguments; the program is an absolute path or found in `PATH`.
    pub argv: Vec<String>,
    /// Where; none: the root folder.
    pub dir: Option<PathBuf>,
    /// Its environment, beside `PATH`, `HOME`, `LANG` and `TZ`.
    pub env: BTreeMap<String, String>,
    /// Where its output goes; none: `logs/<service>.log` below the data folder.
    pub log: Option<PathBuf>,
}

/// One check of a service.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How often.
    pub interval: Millis,
    /// How long an answer may take.
    pub timeout: Millis,
}

/// What is asked of a service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// An HTTP GET.
    Http {
        /// The URL.
        url: String,
        /// The status codes that are as they should be; empty: 200 to 399.
        expect_status: Vec<u16>,
        /// A regular expression that the body must match; none: any body.
        expect_body: Option<String>,
    },
    /// A TCP connection.
    Tcp {
        /// `host:port`.
        address: String,
    },
}

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

/// One way to tell people.
#[derive(Clone, Debug, Serialize)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// What it is.
    pub kind: ChannelKind,
    /// What it is told.
    pub notify: Vec<NotificationKind>,
}

/// What a channel is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// The standard output of `nightcrew up`.
    Console,
    /// A JSON POST to any URL.
    Webhook {
        /// Where.
        url: Secret,
        /// Extra headers.
        headers: BTreeMap<String, Secret>,
    },
    /// A Discord webhook.
    Discord {
        /// Its URL, which holds its token.
        webhook_url: Secret,
    },
}

/// A value that must never be shown: its `Debug` and its serialised form are `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The secret, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

/// What the gate may admit on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// The folders below which old files may be removed.
    pub clean_roots: Vec<PathBuf>,
    /// How long one action may take at most.
    pub action_timeout_max: Millis,
}

/// When a collector that fails is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Breaker {
    /// After this many failures in a row.
    pub failures: u32,
    /// For this long.
    pub reset: Millis,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            clean_roots: vec![PathBuf::from("/tmp"), PathBuf::from("/var/log")],
            action_timeout_max: Millis::from_secs(600),
        }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 3, reset: Millis::from_secs(60) }
    }
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
            playbooks: Vec::new(),
            healing: Healing::default(),
            channels: vec![Channel {
                name: ChannelName::from("console"),
                kind: ChannelKind::Console,
                notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
            }],
            policy: Policy::default(),
            breaker: Breaker::default(),
        }
    }
}
