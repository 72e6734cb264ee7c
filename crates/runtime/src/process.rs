//! Processes: finding them, and knowing one again.
//!
//! **Invariant:** a process is never known by its number alone.  Numbers are reused; an
//! [`Identity`] is the number together with the moment at which the process began, and every
//! answer of this module is about exactly that process.
//!
//! A process that has ended but that nobody has collected (a zombie) does not live.  What could not
//! be read is an error, never "there is none".  Deliberately not here: signals, starting, waiting.
//!
//! A clock that was set while the process ran (a machine without a clock of its own, at start) makes
//! a pid file look older than it is, and its process a stranger.
//!
//! Linux only, by `proc(5)`; elsewhere every look answers [`FindError::Unsupported`].

mod child_file;
mod stat;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nightcrew_model::unit::Millis;
use regex::Regex;
use rustix::process::Pid;
use rustix::time::{ClockId, Timespec};

pub use child_file::{read_child_pid_file, write_child_pid_file};
pub use stat::{BadStat, Stat};

/// The largest number of processes that one search goes through.
pub const PROCESSES_MAX: usize = 65_536;

/// The largest number of processes that one search may find; a matcher that finds more is too wide.
pub const MATCHES_MAX: usize = 1_024;

/// How much of a command line is compared, in bytes.
pub const COMMAND_LINE_BYTES_MAX: u64 = 65_536;

/// How much of a pid file is read, in bytes.
pub const PID_FILE_BYTES_MAX: u64 = 4_096;

/// How long after its pid file was written a process may seem to have begun; later, it is another
/// process that got the number of a dead one.
pub const PID_FILE_GRACE: Millis = Millis::from_secs(2);

/// The clock that `starttime` counts by: it goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// The longest process name that the kernel keeps, in bytes (`TASK_COMM_LEN` - 1).
const COMM_BYTES_MAX: usize = 15;

/// One process, for ever: its number, and when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its number.
    pub pid: Pid,
    /// When it began, in clock ticks since the start of the machine (`starttime` in
    /// `proc_pid_stat(5)`).
    pub start_ticks: u64,
}

/// How a process is found.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// By its name as the kernel knows it, or the file name of its program.
    Name(String),
    /// By a file whose first word is its number.
    PidFile(PathBuf),
    /// By a regular expression over its command line, words joined by a space.
    CommandLine(Regex),
    /// By the file that [`write_child_pid_file`] wrote when the crew started it.
    Child(PathBuf),
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "name `{name}`"),
            Self::PidFile(path) => write!(f, "pid file {}", path.display()),
            Self::CommandLine(pattern) => write!(f, "command line /{pattern}/"),
            Self::Child(path) => write!(f, "child recorded in {}", path.display()),
        }
    }
}

/// Why nobody knows whether a process lives.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The machine keeps no `/proc` as Linux does.
    #[error("processes can be found on Linux only")]
    Unsupported,
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of `/proc` does not look as `proc(5)` says.
    #[error("{} has an unknown form", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is unknown about it.
        source: BadStat,
    },
    /// The file of a number holds none.
    #[error("{} holds no process id; it is empty, damaged or being written", path.display())]
    NoPid {
        /// The file.
        path: PathBuf,
    },
    /// Other users' processes are not shown to this one.
    #[error("/proc hides the processes of other users; run as root or mount it without hidepid")]
    Hidden,
    /// More than [`PROCESSES_MAX`] processes.
    #[error("more than {PROCESSES_MAX} processes on this machine")]
    TooManyProcesses,
    /// More than [`MATCHES_MAX`] found.
    #[error("more than {MATCHES_MAX} processes match; make the matcher narrower")]
    TooManyMatches,
}

/// Why there is no descriptor of a process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It lives no longer.
    #[error("the process is gone")]
    Gone,
    /// The machine has no such descriptors.
    #[error("process descriptors exist on Linux only")]
    Unsupported,
    /// The kernel refuses.
    #[error("no process descriptor")]
    Refused(#[source] io::Error),
    /// It could not be made sure which process it is.
    #[error(transparent)]
    Look(#[from] FindError),
}

/// The living processes that match, the oldest first.  This process itself is found by nothing
/// that many can share (a name, a command line), so that nobody stops the crew by accident.
///
/// Blocks while it reads `/proc`; a reader of a command line can hang when the kernel does.
///
/// # Errors
/// When nobody can say whether there is one; an empty list is the proof that there is none.
pub fn find(matcher: &Matcher) -> Result<Vec<Identity>, FindError> {
    supported()?;
    let mut found = match matcher {
        Matcher::Name(name) => search(|pid, stat| Ok(is_named(pid, stat, name)))?,
        Matcher::CommandLine(pattern) => {
            search(|pid, _| Ok(command_line(pid)?.is_some_and(|line| pattern.is_match(&line))))?
        }
        Matcher::PidFile(path) => by_pid_file(path)?.into_iter().collect(),
        Matcher::Child(path) => match read_child_pid_file(path)? {
            Some(identity) if is_alive(identity)? => vec![identity],
            Some(_) | None => Vec::new(),
        },
    };
    if found.is_empty() && !matches!(matcher, Matcher::Child(_)) && !shows_others() {
        return Err(FindError::Hidden);
    }
    found.sort_by_key(|identity| (identity.start_ticks, identity.pid.as_raw_pid()));
    Ok(found)
}

/// Whether exactly this process lives; a zombie does not.
///
/// # Errors
/// When nobody can say.
pub fn is_alive(identity: Identity) -> Result<bool, FindError> {
    let stat = stat(identity.pid)?;
    Ok(stat.is_some_and(|stat| stat.is_alive() && stat.start_ticks == identity.start_ticks))
}

/// A descriptor that is exactly this process, whatever becomes of its number: the number is
/// compared with the identity after the descriptor was made.
///
/// # Errors
/// [`OpenError::Gone`] when it lives no longer; otherwise why there is no descriptor.
#[cfg(target_os = "linux")]
pub fn open(identity: Identity) -> Result<OwnedFd, OpenError> {
    use rustix::process::{PidfdFlags, pidfd_open};

    let fd = pidfd_open(identity.pid, PidfdFlags::empty()).map_err(|errno| {
        // EINVAL: the number is now that of a thread; see pidfd_open(2).
        if matches!(errno, rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) {
            OpenError::Gone
        } else {
            OpenError::Refused(errno.into())
        }
    })?;
    if is_alive(identity)? { Ok(fd) } else { Err(OpenError::Gone) }
}

/// A descriptor that is exactly this process; there is none on this platform.
///
/// # Errors
/// Always [`OpenError::Unsupported`].
#[cfg(not(target_os = "linux"))]
pub fn open(_identity: Identity) -> Result<OwnedFd, OpenError> {
    Err(OpenError::Unsupported)
}

/// What the kernel tells of the process that has this number now; none: there is none.
///
/// # Errors
/// When it could not be read.
pub fn stat(pid: Pid) -> Result<Option<Stat>, FindError> {
    supported()?;
    let path = proc_file(pid, "stat");
    let Some(bytes) = read_proc(&path, u64::MAX)? else {
        return Ok(None);
    };
    match Stat::parse(&bytes) {
        Ok(stat) => Ok(Some(stat)),
        Err(source) => Err(FindError::Form { path, source }),
    }
}

/// How long ago a process began, by the kernel's own clock since the start of the machine.  The
/// wall clock and the boot time in `/proc/stat` have no say: they jump, and containers fake them.
#[must_use]
pub fn age(identity: Identity) -> Millis {
    let now = milliseconds(rustix::time::clock_gettime(SINCE_BOOT));
    let began = identity.start_ticks.saturating_mul(1_000) / ticks_per_second().max(1);
    Millis(u64::try_from(now).unwrap_or(0).saturating_sub(began))
}

/// How many clock ticks a second has: the unit of times in `/proc/PID/stat`.
#[must_use]
pub fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

fn supported() -> Result<(), FindError> {
    if cfg!(target_os = "linux") { Ok(()) } else { Err(FindError::Unsupported) }
}

/// Goes through all processes.  A process whose details may not be read is skipped, unless nothing
/// matches: then it might have been the one.
fn search(
    mut matches: impl FnMut(Pid, &Stat) -> Result<bool, FindError>,
) -> Result<Vec<Identity>, FindError> {
    let proc = Path::new("/proc");
    let me = rustix::process::getpid();
    let mut found = Vec::new();
    let mut denied = None;
    let mut seen = 0_usize;
    for entry in fs::read_dir(proc).map_err(|source| unreadable(proc, source))? {
        let entry = entry.map_err(|source| unreadable(proc, source))?;
        let Some(pid) = entry.file_name().to_str().and_then(parse_pid) else {
            continue;
        };
        seen += 1;
        if seen > PROCESSES_MAX {
            return Err(FindError::TooManyProcesses);
        }
        if pid == me {
            continue;
        }
        match examine(pid, &mut matches) {
            Ok(Some(identity)) if found.len() < MATCHES_MAX => found.push(identity),
            Ok(Some(_)) => return Err(FindError::TooManyMatches),
            Ok(None) => {}
            Err(FindError::Read { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                denied = Some(FindError::Hidden);
            }
            Err(error) => return Err(error),
        }
    }
    match denied {
        Some(error) if found.is_empty() => Err(error),
        Some(_) | None => Ok(found),
    }
}

fn examine(
    pid: Pid,
    matches: &mut impl FnMut(Pid, &Stat) -> Result<bool, FindError>,
) -> Result<Option<Identity>, FindError> {
    let Some(before) = stat(pid)? else {
        return Ok(None);
    };
    if !before.is_alive() || !matches(pid, &before)? {
        return Ok(None);
    }
    // Several files were read; only if the same process still has the number are they all its own.
    let identity = Identity { pid, start_ticks: before.start_ticks };
    Ok(is_alive(identity)?.then_some(identity))
}

fn is_named(pid: Pid, stat: &Stat, name: &str) -> bool {
    if stat.comm == name.as_bytes() {
        return true;
    }
    let program = fs::read_link(proc_file(pid, "exe")).ok();
    let program = program.as_deref().and_then(file_name);
    // The kernel marks a program whose file was replaced, as an upgrade does.
    if program.is_some_and(|program| program.strip_suffix(" (deleted)").unwrap_or(program) == name)
    {
        return true;
    }
    // A script with a long name: its program is the interpreter, its comm is cut.
    name.len() > COMM_BYTES_MAX
        && stat.comm.len() == COMM_BYTES_MAX
        && name.as_bytes().starts_with(&stat.comm)
        && command_line(pid).is_ok_and(|line| {
            let line = line.unwrap_or_default();
            let mut words = line.split(' ').take(3);
            words.any(|word| file_name(Path::new(word)) == Some(name))
        })
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The words of a command line joined by spaces; none: no such process, or a thread of the kernel.
fn command_line(pid: Pid) -> Result<Option<String>, FindError> {
    let bytes = read_proc(&proc_file(pid, "cmdline"), COMMAND_LINE_BYTES_MAX)?;
    let Some(mut bytes) = bytes.filter(|bytes| !bytes.is_empty()) else {
        return Ok(None);
    };
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    for byte in &mut bytes {
        if *byte == 0 {
            *byte = b' ';
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn by_pid_file(path: &Path) -> Result<Option<Identity>, FindError> {
    // Not to be stopped by a pipe that lies where the file should: O_NONBLOCK, and only a file.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(path, source)),
    };
    let no_pid = || FindError::NoPid { path: path.to_owned() };
    let about = file.metadata().map_err(|source| unreadable(path, source))?;
    if !about.is_file() {
        return Err(no_pid());
    }
    let mut bytes = Vec::new();
    file.take(PID_FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|source| unreadable(path, source))?;
    let text = String::from_utf8_lossy(&bytes);
    let first = text.split_whitespace().next();
    let pid = first.and_then(parse_pid).ok_or_else(no_pid)?;
    let Some(stat) = stat(pid)?.filter(Stat::is_alive) else {
        return Ok(None);
    };
    let identity = Identity { pid, start_ticks: stat.start_ticks };
    let now = milliseconds(rustix::time::clock_gettime(ClockId::Realtime));
    let written = about.mtime().saturating_mul(1_000) + about.mtime_nsec() / 1_000_000;
    let file_age = Millis(u64::try_from(now.saturating_sub(written)).unwrap_or(0));
    let oldest = age(identity).0.saturating_add(PID_FILE_GRACE.0);
    Ok((file_age.0 <= oldest).then_some(identity))
}

fn milliseconds(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000) + time.tv_nsec / 1_000_000
}

/// A process number in digits only; never 0, which means "my own group" to the kernel.
fn parse_pid(text: &str) -> Option<Pid> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    Pid::from_raw(digits.then(|| text.parse().ok())??)
}

/// Process 1 always exists; where it does not show, `/proc` is mounted with `hidepid`.
fn shows_others() -> bool {
    fs::exists("/proc/1").unwrap_or(false)
}

fn proc_file(pid: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

/// Reads a file of one process; none: the process is gone (before the file was opened, or while it
/// was read: `ESRCH`).
fn read_proc(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FindError> {
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(Some(bytes)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(source) => Err(unreadable(path, source)),
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::SRCH)
}

fn unreadable(path: &Path, source: io::Error) -> FindError {
    FindError::Read { path: path.to_owned(), source }
}
