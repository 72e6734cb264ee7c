//! What is watched: this machine and its services.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nightcrew_model::approval::Autonomy;
use nightcrew_model::argv::Argv;
use nightcrew_model::id::ServiceName;
use nightcrew_model::unit::Millis;
use serde::Serialize;

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
    /// What else supervises it.
    pub supervisor: Option<Supervisor>,
    /// How it reads its configuration anew; none: it does not.
    pub reload: Option<Reload>,
    /// The log files that it writes.
    pub log_files: Vec<PathBuf>,
    /// How it is told to open its log files anew; none: it cannot.
    pub log_reopen: Option<Signal>,
    /// The URLs that a playbook may send a request to.
    pub http_actions: Vec<String>,
    /// How far its memory limit may be raised, in MB of 1,000,000 bytes; none: it may not.
    pub memory_limit_max_mb: Option<u64>,
    /// What the crew may do to it by itself; none: as `healing.autonomy` says.
    pub autonomy: Option<Autonomy>,
    /// What containers of it may be asked.
    pub containers: ContainerGrants,
    /// The group whose members must not all be down at a time; none: it is alone.
    pub group: Option<String>,
    /// How often its process is looked for, where no faster sign exists.
    pub interval: Millis,
    /// What is asked of it.
    pub checks: Vec<Check>,
    /// Whether a playbook may restart it.
    pub restart_allowed: bool,
}

impl Service {
    /// How long a process gets to end by itself, where nothing is said.
    pub const STOP_TIMEOUT: Millis = Millis::from_secs(10);

    /// How often a process is looked for, where nothing is said.
    pub const INTERVAL: Millis = Millis::from_secs(5);

    /// A service of which nothing is known but its name: nothing is looked at, nothing is allowed.
    #[must_use]
    pub fn new(name: ServiceName) -> Self {
        Self {
            name,
            process: None,
            start: None,
            stop_timeout: Self::STOP_TIMEOUT,
            unit: None,
            supervisor: None,
            reload: None,
            log_files: Vec::new(),
            log_reopen: None,
            http_actions: Vec::new(),
            memory_limit_max_mb: None,
            autonomy: None,
            containers: ContainerGrants::default(),
            group: None,
            interval: Self::INTERVAL,
            checks: Vec::new(),
            restart_allowed: false,
        }
    }

    /// Whether there is any way to restart it.
    #[must_use]
    pub fn can_restart(&self) -> bool {
        self.start.is_some() || self.unit.is_some() || self.supervisor.is_some()
    }
}

/// What supervises a service that is neither a unit of systemd nor started by the crew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Supervisor {
    /// A container of Docker.
    Docker {
        /// Its name.
        container: String,
    },
    /// A service of Docker Compose.
    Compose {
        /// The service's name there.
        service: String,
        /// The compose file; none: Compose's own project of the container is used.
        file: Option<PathBuf>,
    },
    /// A service of Homebrew.
    Brew {
        /// The formula.
        formula: String,
    },
    /// A job of launchd.
    Launchd {
        /// `gui/501/com.example.web` or `system/com.example.web`.
        target: String,
    },
    /// The gateway of `OpenClaw`, by its own command.
    OpenclawGateway,
}

/// How a service reads its configuration anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reload {
    /// By a signal to its process.
    Signal(Signal),
    /// By its supervisor: `systemctl reload`.
    Unit,
    /// By a command line that the gate's grammar knows, such as `nginx -s reload`.
    Command(Argv),
}

/// A signal that asks for something and ends nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
}

/// Something that can be asked of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerVerb {
    /// Read its log.
    Logs,
    /// Stop and start it.
    Restart,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Change its limits.
    Update,
}

/// What containers of a service may be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerGrants {
    /// These, and nothing else.
    pub allowed: Vec<ContainerVerb>,
    /// Not these, whatever is allowed.
    pub blocked: Vec<ContainerVerb>,
}

impl Default for ContainerGrants {
    /// Restart and logs, as the source documents grant.
    fn default() -> Self {
        Self { allowed: vec![ContainerVerb::Logs, ContainerVerb::Restart], blocked: Vec::new() }
    }
}

impl ContainerGrants {
    /// Whether something may be asked.
    #[must_use]
    pub fn permits(&self, verb: ContainerVerb) -> bool {
        self.allowed.contains(&verb) && !self.blocked.contains(&verb)
    }
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
    /// A program that says how the service is by the code with which it ends.
    Command {
        /// The program and its arguments; a bare name or an absolute path, and no shell.
        argv: Vec<String>,
        /// The code that is as it should be.
        expect_exit: i32,
        /// A regular expression that the output must match, without the space around it; none: any
        /// output.
        expect_output: Option<String>,
    },
    /// The certificates in a file.
    CertificateFile {
        /// A file in PEM, or one certificate in DER.
        path: PathBuf,
    },
}
