//! The crew's side: preparing a launcher, giving it its order, hearing how it went.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{io, thread};

use nightcrew_config::settings::SandboxPolicy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;

use crate::environment::Environment;
use crate::grammar::{Hold, Network, SandboxProfile, Signals, Sockets};
use crate::sandbox::Launcher;
use crate::sandbox::layer::Missing;
use crate::sandbox::order::{Denied, Order, REPORTS_BYTES_MAX, Report, Strictness};
use crate::sandbox::scratch::Scratch;
use crate::spawn::{self, Pinned};

/// Why a program is not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConfined {
    #[error("the policy requires a sandbox, and this crew has no launcher for one")]
    NoLauncher,
    #[error("{} is no grant: a folder is granted by its absolute path", .0.display())]
    Relative(PathBuf),
    #[error("the private folder cannot be made below {}: {why}", base.display())]
    Scratch { base: PathBuf, why: io::Error },
    #[error("the launcher cannot be reached: {0}")]
    Socket(#[from] io::Error),
    #[error("the order cannot be written: {0}")]
    Order(#[from] serde_json::Error),
    #[error("{0}; the program was not started because policy.sandbox is `required`")]
    Missing(#[from] Missing),
    #[error("could not be started: {0}")]
    NotStarted(String),
    #[error(
        "the launcher ended without a word; is {} this crew's binary?", .0.path.display()
    )]
    Silent(Launcher),
    #[error("the launcher said what cannot be read: {0}")]
    Strange(serde_json::Error),
}

/// What a program will be held by.
#[derive(Debug)]
pub(crate) struct Confinement {
    launcher: Launcher,
    order: Order,
    scratch: Option<Scratch>,
}

/// A program that is held: its launcher waits for the order, or has become the program.
#[derive(Debug)]
pub(crate) struct Held {
    launcher: Launcher,
    order: Vec<u8>,
    socket: UnixStream,
    /// Removed when the program has ended.
    _scratch: Option<Scratch>,
}

/// Prepares a program with a profile; where the policy is off, it runs as the crew does.
pub(crate) fn command(
    pinned: &Pinned,
    environment: &Environment,
    profile: &SandboxProfile,
) -> Result<(Command, Option<Confinement>), NotConfined> {
    let sandbox = &environment.sandbox;
    let plain = || Ok((spawn::command(pinned, environment), None));
    if profile.hold == Hold::Free {
        return plain();
    }
    let strictness = match sandbox.policy {
        SandboxPolicy::Off => return plain(),
        SandboxPolicy::BestEffort => Strictness::BestEffort,
        SandboxPolicy::Required => Strictness::Required,
    };
    let launcher = match (&sandbox.launcher, strictness) {
        (Some(launcher), _) => launcher.clone(),
        (None, Strictness::BestEffort) => return plain(),
        (None, Strictness::Required) => return Err(NotConfined::NoLauncher),
    };
    if let Some(path) = profile.writes.iter().find(|path| !path.is_absolute()) {
        return Err(NotConfined::Relative(path.clone()));
    }
    let scratch = Scratch::new(&sandbox.scratch)
        .map_err(|why| NotConfined::Scratch { base: sandbox.scratch.clone(), why })?;
    let mut writes = profile.writes.clone();
    writes.push(scratch.path().to_owned());
    let order = Order {
        strictness,
        denied: denied(profile),
        writes,
        cpu_seconds: 0,
        program: Some(pinned.target()),
    };
    let mut command = spawn::launcher(&launcher, environment);
    command.env("TMPDIR", scratch.path());
    Ok((command, Some(Confinement { launcher, order, scratch: Some(scratch) })))
}

fn denied(profile: &SandboxProfile) -> Vec<Denied> {
    let network = (profile.network == Network::None).then_some(Denied::Network);
    let sockets = (profile.unix_sockets == Sockets::None).then_some(Denied::UnixSockets);
    let signals = (profile.signals == Signals::Own).then_some(Denied::Signals);
    [network, sockets, signals].into_iter().flatten().collect()
}

/// How much processor time a program may use that may run for `limit`: all processors all along.
fn cpu_seconds(limit: Duration) -> u64 {
    let processors = thread::available_parallelism().map_or(1, |n| n.get() as u64);
    limit.as_secs().saturating_add(1).saturating_mul(processors)
}

impl Confinement {
    /// What only shows which layers hold, and becomes no program.
    pub(super) fn of_nothing(launcher: Launcher) -> Self {
        let order = Order {
            strictness: Strictness::BestEffort,
            denied: denied(&SandboxProfile::default()),
            writes: Vec::new(),
            cpu_seconds: 0,
            program: None,
        };
        Self { launcher, order, scratch: None }
    }

    /// Grants writing in the folder that the program starts in.
    pub(crate) fn grant_folder(&mut self) {
        self.order.writes.push(Path::new(".").to_owned());
    }

    /// Gives the launcher-to-be its socket.
    pub(crate) fn hold(self, command: &mut Command, limit: Duration) -> Result<Held, NotConfined> {
        let Self { launcher, order, scratch } = self;
        let order = serde_json::to_vec(&Order { cpu_seconds: cpu_seconds(limit), ..order })?;
        let (ours, theirs) = Socket::pair()?;
        ours.set_nonblocking(true)?;
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        Ok(Held { launcher, order, socket: UnixStream::from_std(ours)?, _scratch: scratch })
    }
}

impl Held {
    /// Gives the order and waits until the launcher has become the program; tells the layers that
    /// do not hold.  The command that started it has to be dropped, for it holds the launcher's end
    /// of the socket too.
    pub(crate) async fn release(&mut self) -> Result<Vec<Missing>, NotConfined> {
        // A launcher that ended before may have left its reason in the socket.
        let given = match self.socket.write_all(&self.order).await {
            Ok(()) => self.socket.shutdown().await,
            Err(error) => Err(error),
        };
        let mut told = Vec::new();
        // A socket that breaks is one that ends, and what was told counts.
        let _ = (&mut self.socket).take(REPORTS_BYTES_MAX).read_to_end(&mut told).await;
        let reports = Report::read_all(&told).map_err(NotConfined::Strange)?;
        match reports.into_iter().next_back() {
            Some(Report::Confined(missing)) => Ok(given.map(|()| missing)?),
            Some(Report::Refused(missing)) => Err(missing.into()),
            Some(Report::NotStarted(why)) => Err(NotConfined::NotStarted(why)),
            None => Err(NotConfined::Silent(self.launcher.clone())),
        }
    }
}
