//! Restarting the process of a service that the crew starts itself.
//!
//! A restart that has begun is finished: it runs in one piece on a blocking thread, so neither a
//! time-out nor the end of the crew leaves a service stopped between the two halves.  Its own time
//! is bounded by the service's `stop_timeout` and a few seconds.
//!
//! The started process is not awaited.  It outlives the crew; its number and start time are kept in
//! `run/<service>.pid`, so that the crew knows it again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nightcrew_config::settings::Start;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::StepStatus;
use nightcrew_runtime::process::{self, Identity, Matcher};
use rustix::process::Pid;
use tokio::process::{Child, Command};

use crate::capture::Capture;
use crate::environment::Environment;
use crate::spawn::{PinError, command, pin};
use crate::stop::{StopError, Stopped, is_gone_within, listed, stop};

/// A process that ends within this time of its start has not started.
pub(crate) const START_GRACE: Duration = Duration::from_millis(100);

/// How much of the end of a log is shown, in bytes.
const LOG_TAIL_BYTES: u64 = 4_096;

/// Everything that a restart needs.
#[derive(Clone, Debug)]
pub(crate) struct Restart {
    pub(crate) service: ServiceName,
    pub(crate) matcher: Matcher,
    pub(crate) start: Start,
    pub(crate) stop_timeout: Duration,
    /// Where the number of the started process is kept.
    pub(crate) child_file: PathBuf,
    pub(crate) log: PathBuf,
}

/// Why a process was not started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("its end could not be awaited")]
    Wait(#[from] StopError),
    #[error("its program cannot be started")]
    Pin(#[from] PinError),
    #[error("its folder {} does not exist", .0.display())]
    NoFolder(PathBuf),
    #[error("the start command is empty")]
    NoCommand,
    #[error("its log {} cannot be opened: {why}", path.display())]
    Log { path: PathBuf, why: io::Error },
    #[error("it could not be started in {}: {why}", dir.display())]
    Spawn { dir: PathBuf, why: io::Error },
    #[error("its process cannot be looked at: {0}")]
    Look(String),
    #[error("it runs, but {} cannot be written: {why}", path.display())]
    ChildFile { path: PathBuf, why: io::Error },
    #[error("it ended at once ({how}); the end of its log:\n{log}")]
    Ended { how: String, log: String },
    #[error(
        "it ended at once with exit code 0, as programs do that put themselves into the background; \
         find it by pid_file or name instead, or keep it in the foreground"
    )]
    Background,
}

/// A start that lacks nothing but its moment.
struct Ready {
    command: Command,
    /// Where the log ended before.
    log_end: u64,
}

impl Restart {
    /// Stops the service, if it runs, and starts it.  What could prevent the start is looked at
    /// before anything is stopped.  Blocks; needs the context of the runtime.
    pub(crate) fn run(&self, environment: &Environment) -> (StepStatus, String) {
        let not_touched = |error: &dyn std::error::Error| {
            let why = with_source(error);
            (StepStatus::Failed, format!("{} was not restarted: {why}", self.service))
        };
        let ready = match self.prepare(environment) {
            Ok(ready) => ready,
            Err(error) => return not_touched(&error),
        };
        let told = match stop(&self.matcher, &self.log, self.stop_timeout) {
            Ok(stopped) => told(&stopped),
            Err(error) => return not_touched(&error),
        };
        match self.start(ready) {
            Ok(started) => (StepStatus::Succeeded, format!("{told}; {started}")),
            Err(error) => (
                StepStatus::Failed,
                format!("{told}; {} did not start: {}", self.service, with_source(&error)),
            ),
        }
    }

    fn prepare(&self, environment: &Environment) -> Result<Ready, StartError> {
        let (program, arguments) = self.start.argv.split_first().ok_or(StartError::NoCommand)?;
        let dir = self.dir();
        if !dir.is_dir() {
            return Err(StartError::NoFolder(dir.to_owned()));
        }
        let unusable = |why| StartError::Log { path: self.log.clone(), why };
        let (log, log_end) = open_log(&self.log).map_err(unusable)?;
        let for_errors = log.try_clone().map_err(unusable)?;
        let mut command = command(&pin(program)?, environment);
        command
            .args(arguments)
            .envs(&self.start.env)
            .current_dir(dir)
            .stdout(log)
            .stderr(for_errors)
            .kill_on_drop(false);
        Ok(Ready { command, log_end })
    }

    fn start(&self, ready: Ready) -> Result<String, StartError> {
        let Ready { mut command, log_end } = ready;
        let mut child =
            command.spawn().map_err(|why| StartError::Spawn { dir: self.dir().to_owned(), why })?;
        let identity = identity(&child)?;
        process::write_child_pid_file(&self.child_file, identity)
            .map_err(|why| StartError::ChildFile { path: self.child_file.clone(), why })?;
        // Dropping the child leaves it to the runtime, which collects it when it ends.
        match end(&mut child, identity)? {
            None => Ok(format!("started pid {}", identity.pid)),
            Some(status) if !status.success() => {
                Err(StartError::Ended { how: status.to_string(), log: tail(&self.log, log_end) })
            }
            Some(_) if matches!(self.matcher, Matcher::Child(_)) => Err(StartError::Background),
            Some(_) => Ok(format!(
                "started pid {}, which ended with exit code 0 after putting itself into the background",
                identity.pid
            )),
        }
    }

    fn dir(&self) -> &Path {
        self.start.dir.as_deref().unwrap_or(Path::new("/"))
    }
}

fn identity(child: &Child) -> Result<Identity, StartError> {
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let pid = pid.ok_or_else(|| StartError::Look("it has no number".to_owned()))?;
    // Not collected yet, so it shows even if it has ended.
    let stat = process::stat(pid).map_err(|error| StartError::Look(with_source(&error)))?;
    let stat = stat.ok_or_else(|| StartError::Look(format!("pid {pid} does not show")))?;
    Ok(Identity { pid, start_ticks: stat.start_ticks })
}

/// How the child ended within the grace; none: it lives.
fn end(
    child: &mut Child,
    identity: Identity,
) -> Result<Option<std::process::ExitStatus>, StartError> {
    if !is_gone_within(identity, START_GRACE)? {
        return Ok(None);
    }
    child.try_wait().map_err(|error| StartError::Look(error.to_string()))
}

/// Opens the log for appending and tells where its end was.
fn open_log(path: &Path) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let log =
        OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)?;
    let end = log.metadata()?.len();
    Ok((log, end))
}

/// What was written to the log since `from`, at most the last [`LOG_TAIL_BYTES`].
fn tail(path: &Path, from: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut log = File::open(path)?;
        let end = log.metadata()?.len();
        let from = from.max(end.saturating_sub(LOG_TAIL_BYTES)).min(end);
        log.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        log.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) if bytes.is_empty() => "(nothing)".to_owned(),
        Ok(bytes) => {
            let mut capture = Capture::default();
            capture.push(&bytes);
            capture.text()
        }
        Err(error) => format!("(it cannot be read: {error})"),
    }
}

fn told(stopped: &Stopped) -> String {
    match (stopped.asked.as_slice(), stopped.killed.as_slice()) {
        ([], []) => "nothing was running".to_owned(),
        (asked, []) => format!("stopped pid {}", listed(asked)),
        (asked, killed) => format!("stopped pid {}; had to kill {}", listed(asked), listed(killed)),
    }
}

/// An error with its causes in one line.
fn with_source(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
