//! Ending the processes of a service.
//!
//! **Invariant:** a signal goes to a process descriptor that was compared with the identity of the
//! process, never to a number, so a reused number is never hit.  For the same reason a process
//! group is not signalled as such: its members are found and signalled one by one.
//!
//! Never ended: this process, process 1, and threads of the kernel.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nightcrew_runtime::process::{self, FindError, Identity, Matcher, OpenError};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpgrp, getpid};
use tokio::time::Instant;

/// How long a killed process gets to disappear before the next look.
const KILL_WAIT: Duration = Duration::from_secs(1);

/// How often is killed and looked again.
const KILL_ROUNDS: usize = 3;

/// The largest number of processes of one group that are ended.
const MEMBERS_MAX: usize = 1_024;

/// The thread of the kernel that is the parent of all others, see `kthreadd`.
const KERNEL_THREADS: i32 = 2;

/// Why a service could not be stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StopError {
    #[error("its process could not be looked for")]
    Find(#[from] FindError),
    #[error("process {pid} could not be opened")]
    Open { pid: Pid, source: OpenError },
    #[error("process {pid} could not be signalled")]
    Signal { pid: Pid, source: io::Error },
    #[error("process {pid} is {what}; it is never stopped, so make the matcher narrower")]
    Never { pid: Pid, what: &'static str },
    #[error("several unrelated processes match ({list}); make the matcher narrower")]
    Several { list: String },
    #[error("more than {MEMBERS_MAX} processes belong to its group")]
    TooMany,
    #[error("its end could not be awaited")]
    Wait(#[source] io::Error),
    #[error(
        "processes {list} live on after SIGKILL; they hang in the kernel (a dead disk or mount?)"
    )]
    Survived { list: String },
}

/// How a service was stopped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// The processes that were asked to end.
    pub(crate) asked: Vec<Pid>,
    /// The processes that had to be killed.
    pub(crate) killed: Vec<Pid>,
}

/// A process that was opened while it was what it was taken for.
pub(crate) struct Held {
    identity: Identity,
    fd: OwnedFd,
}

/// Stops what the matcher finds: asks, waits for `patience`, kills.  Of a child of the crew the
/// whole group ends, also what it left behind when it died; of that only processes which still
/// write to the service's log.  Blocks.
pub(crate) fn stop(
    matcher: &Matcher,
    log: &Path,
    patience: Duration,
) -> Result<Stopped, StopError> {
    let group = Group::of(matcher, log)?;
    let mut held = Vec::new();
    for identity in process::find(matcher)? {
        hold(&mut held, identity)?;
    }
    if matches!(matcher, Matcher::Name(_) | Matcher::CommandLine(_)) {
        one_group(&held)?;
    }
    group.hold_members(&mut held)?;
    let mut stopped = Stopped { asked: pids(&held), killed: Vec::new() };
    for process in &held {
        signal(process, Signal::TERM)?;
        // One that was halted can only end when it goes on.
        signal(process, Signal::CONT)?;
    }
    wait(&mut held, patience)?;
    for _ in 0..KILL_ROUNDS {
        group.hold_members(&mut held)?;
        if held.is_empty() {
            return Ok(stopped);
        }
        for process in &held {
            signal(process, Signal::KILL)?;
            if !stopped.killed.contains(&process.identity.pid) {
                stopped.killed.push(process.identity.pid);
            }
        }
        wait(&mut held, KILL_WAIT)?;
    }
    group.hold_members(&mut held)?;
    if held.is_empty() {
        Ok(stopped)
    } else {
        Err(StopError::Survived { list: listed(&pids(&held)) })
    }
}

/// The process group of a child of the crew.
enum Group {
    /// The service is no child of the crew, or its group is not its own.
    None,
    /// Led by the child.
    Led(Identity),
    /// The child is dead; its group may have members left.
    Orphaned { leader: Identity, log: std::path::PathBuf },
}

impl Group {
    fn of(matcher: &Matcher, log: &Path) -> Result<Self, StopError> {
        let Matcher::Child(file) = matcher else {
            return Ok(Self::None);
        };
        let Some(leader) = process::read_child_pid_file(file)? else {
            return Ok(Self::None);
        };
        if leader.pid == Pid::INIT || leader.pid == getpgrp() {
            return Ok(Self::None);
        }
        if !process::is_alive(leader)? {
            let log = log.to_owned();
            return Ok(Self::Orphaned { leader, log });
        }
        let own = group_of(leader.pid) == Some(leader.pid);
        Ok(if own { Self::Led(leader) } else { Self::None })
    }

    /// Adds the members of the group that are not held yet.
    fn hold_members(&self, held: &mut Vec<Held>) -> Result<(), StopError> {
        let (leader, log) = match self {
            Self::None => return Ok(()),
            Self::Led(leader) => (*leader, None),
            Self::Orphaned { leader, log } => (*leader, Some(log.as_path())),
        };
        // A number is not given out again while its group has members.  If it was given out, the
        // group is no longer the child's.
        if process::stat(leader.pid)?.is_some_and(|now| now.start_ticks != leader.start_ticks) {
            return Ok(());
        }
        for member in members(leader)? {
            let known = held.iter().any(|process| process.identity == member);
            if !known && log.is_none_or(|log| writes_to(member.pid, log)) {
                hold(held, member)?;
            }
        }
        Ok(())
    }
}

/// The living processes of the group of `leader` that began no earlier than it.
fn members(leader: Identity) -> Result<Vec<Identity>, StopError> {
    let proc = Path::new("/proc");
    let unreadable = |source| FindError::Read { path: proc.to_owned(), source };
    let mut members = Vec::new();
    for entry in std::fs::read_dir(proc).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else {
            continue;
        };
        if group_of(pid) != Some(leader.pid) {
            continue;
        }
        let Some(stat) = process::stat(pid)?.filter(process::Stat::is_alive) else {
            continue;
        };
        if stat.start_ticks >= leader.start_ticks {
            members.push(Identity { pid, start_ticks: stat.start_ticks });
        }
        if members.len() > MEMBERS_MAX {
            return Err(StopError::TooMany);
        }
    }
    Ok(members)
}

/// The process group of a process (`pgrp` in `proc_pid_stat(5)`); none: the process is gone, or its
/// group belongs to another namespace or the kernel.
///
/// Not by `getpgid(2)`: it answers 0 for the latter, which the binding takes for impossible.
fn group_of(pid: Pid) -> Option<Pid> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The name may hold anything, but only it holds parentheses.
    let (_, fields) = text.rsplit_once(')')?;
    Pid::from_raw(fields.split_ascii_whitespace().nth(2)?.parse().ok()?)
}

/// Whether the standard output or error of a process is the log.
fn writes_to(pid: Pid, log: &Path) -> bool {
    let Ok(log) = std::fs::canonicalize(log) else {
        return false;
    };
    [1, 2].iter().any(|number| {
        std::fs::read_link(format!("/proc/{pid}/fd/{number}")).is_ok_and(|open| open == log)
    })
}

/// Opens a process, unless it is gone.
pub(crate) fn hold(held: &mut Vec<Held>, identity: Identity) -> Result<(), StopError> {
    let pid = identity.pid;
    if pid == getpid() {
        return Err(StopError::Never { pid, what: "the crew itself" });
    }
    if pid == Pid::INIT {
        return Err(StopError::Never { pid, what: "the first process of the machine" });
    }
    let parent = process::stat(pid)?.map_or(0, |stat| stat.parent);
    if parent == KERNEL_THREADS || (pid.as_raw_pid() == KERNEL_THREADS && parent == 0) {
        return Err(StopError::Never { pid, what: "a thread of the kernel" });
    }
    match process::open(identity) {
        Ok(fd) => held.push(Held { identity, fd }),
        Err(OpenError::Gone) => {}
        Err(source) => return Err(StopError::Open { pid, source }),
    }
    Ok(())
}

/// Several processes may only be ended together when they belong together.
fn one_group(held: &[Held]) -> Result<(), StopError> {
    let mut groups = Vec::new();
    for process in held {
        // Whoever is gone by now belongs nowhere.
        if process::is_alive(process.identity)? {
            groups.push(group_of(process.identity.pid));
        }
    }
    let is_one = groups.windows(2).all(|pair| pair[0].is_some() && pair[0] == pair[1]);
    if is_one { Ok(()) } else { Err(StopError::Several { list: listed(&pids(held)) }) }
}

pub(crate) fn signal(process: &Held, signal: Signal) -> Result<(), StopError> {
    match send(&process.fd, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(StopError::Signal { pid: process.identity.pid, source: errno.into() }),
    }
}

#[cfg(target_os = "linux")]
fn send(fd: &OwnedFd, signal: Signal) -> rustix::io::Result<()> {
    rustix::process::pidfd_send_signal(fd, signal)
}

/// No descriptor of a process exists elsewhere, so this is never reached.
#[cfg(not(target_os = "linux"))]
fn send(_fd: &OwnedFd, _signal: Signal) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

/// Waits until all are gone or the time is over; those that are gone are let go.
fn wait(held: &mut Vec<Held>, limit: Duration) -> Result<(), StopError> {
    let until = Instant::now() + limit;
    while !held.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        let gone = poll(held, left).map_err(StopError::Wait)?;
        let mut gone = gone.into_iter();
        held.retain(|_| !gone.next().unwrap_or(false));
        if left.is_zero() {
            break;
        }
    }
    Ok(())
}

/// Which of them are gone; waits until one is.
fn poll(held: &[Held], limit: Duration) -> io::Result<Vec<bool>> {
    let mut fds: Vec<PollFd<'_>> =
        held.iter().map(|process| PollFd::new(&process.fd, PollFlags::IN)).collect();
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match rustix::event::poll(&mut fds, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect())
}

/// Waits until a process is gone; false: it lives on after the time.
pub(crate) fn is_gone_within(identity: Identity, limit: Duration) -> Result<bool, StopError> {
    let mut held = Vec::new();
    match process::open(identity) {
        Ok(fd) => held.push(Held { identity, fd }),
        Err(OpenError::Gone) => return Ok(true),
        Err(source) => return Err(StopError::Open { pid: identity.pid, source }),
    }
    wait(&mut held, limit)?;
    Ok(held.is_empty())
}

fn pids(held: &[Held]) -> Vec<Pid> {
    held.iter().map(|process| process.identity.pid).collect()
}

/// Numbers in a row.
pub(crate) fn listed(pids: &[Pid]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(", ")
}
