//! Telling the process of a service something: to read its configuration or open its logs anew.
//!
//! **Invariant:** a signal goes through a descriptor that was compared with the process's identity,
//! and only to a process that handles it: the default of SIGHUP and SIGUSR1 is death.

use std::time::Duration;

use nightcrew_config::settings;
use nightcrew_runtime::process::{self, Identity, Matcher};
use rustix::process::{Pid, Signal};

use crate::stop::{StopError, hold, is_gone_within, listed, signal};

/// A process that ends within this time of a signal did not survive it.
const SURVIVE: Duration = Duration::from_millis(100);

/// The largest `/proc/PID/status` that is read, in bytes.
const STATUS_BYTES_MAX: usize = 64 * 1_024;

/// Why nothing was told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TellError {
    #[error("no process of it runs ({0})")]
    Nobody(String),
    #[error("several unrelated processes match ({0}); make the matcher narrower")]
    Several(String),
    #[error("process {0} does not handle {1} and would die of it; see services.NAME.reload")]
    Unhandled(Pid, &'static str),
    #[error("process {0} cannot be looked at: {1}")]
    Look(Pid, String),
    #[error("process {0} ended at the signal")]
    Died(Pid),
    #[error("{}: {}", .0, std::error::Error::source(.0).map(ToString::to_string).unwrap_or_default())]
    Signal(#[from] StopError),
}

/// The name that a signal has in messages.
pub(crate) fn name(signal: settings::Signal) -> &'static str {
    match signal {
        settings::Signal::Hup => "SIGHUP",
        settings::Signal::Usr1 => "SIGUSR1",
        settings::Signal::Usr2 => "SIGUSR2",
    }
}

fn of(signal: settings::Signal) -> Signal {
    match signal {
        settings::Signal::Hup => Signal::HUP,
        settings::Signal::Usr1 => Signal::USR1,
        settings::Signal::Usr2 => Signal::USR2,
    }
}

/// Sends a signal to the process that the matcher finds, of a family to its head.  Blocks.
pub(crate) fn tell(matcher: &Matcher, what: settings::Signal) -> Result<Pid, TellError> {
    let head = head(matcher)?;
    let pid = head.pid;
    if !handles(pid, of(what))? {
        return Err(TellError::Unhandled(pid, name(what)));
    }
    let mut held = Vec::new();
    hold(&mut held, head)?;
    let process = held.first().ok_or_else(|| TellError::Nobody(matcher.to_string()))?;
    signal(process, of(what))?;
    if is_gone_within(head, SURVIVE)? {
        return Err(TellError::Died(pid));
    }
    Ok(pid)
}

/// The one process that matches and whose parent does not.
fn head(matcher: &Matcher) -> Result<Identity, TellError> {
    let found = process::find(matcher).map_err(StopError::from)?;
    let mut heads = Vec::new();
    for identity in &found {
        let parent = process::stat(identity.pid).map_err(StopError::from)?;
        let parent = parent.map_or(0, |stat| stat.parent);
        if !found.iter().any(|other| other.pid.as_raw_pid() == parent) {
            heads.push(*identity);
        }
    }
    match heads.as_slice() {
        [head] => Ok(*head),
        [] => Err(TellError::Nobody(matcher.to_string())),
        several => {
            let pids: Vec<Pid> = several.iter().map(|head| head.pid).collect();
            Err(TellError::Several(listed(&pids)))
        }
    }
}

/// Whether a process has a handler for a signal (`SigCgt` in `proc_pid_status(5)`).
fn handles(pid: Pid, signal: Signal) -> Result<bool, TellError> {
    let unreadable = |why: String| TellError::Look(pid, why);
    let bytes = std::fs::read(format!("/proc/{pid}/status"));
    let bytes = bytes.map_err(|why| unreadable(why.to_string()))?;
    let text = String::from_utf8_lossy(bytes.get(..STATUS_BYTES_MAX).unwrap_or(&bytes));
    let mask = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let mask = mask.ok_or_else(|| unreadable("it has no SigCgt".to_owned()))?;
    let bit = signal.as_raw().saturating_sub(1).unsigned_abs();
    Ok(mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1))
}
