//! What is watched: this machine and its services.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
