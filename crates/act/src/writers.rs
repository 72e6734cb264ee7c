//! Who has a file open for writing.
//!
//! Every descriptor of every process is looked at (`/proc/PID/fd` and `fdinfo`, see proc(5)).  What
//! the crew may not look at, because another user runs it, is passed over when that user could not
//! have opened the file: neither its owner nor root, and the file is not writable by others.

use std::fmt;
use std::io;
use std::path::Path;

use rustix::fs::Stat;

/// The largest `fdinfo` that is read, in bytes.
const FDINFO_BYTES_MAX: usize = 4_096;

/// The mask of `O_ACCMODE`; 0 is reading alone.
const ACCESS_MODE: u32 = 0o3;

/// Root's number.
const ROOT: u32 = 0;

/// The number of a device, as `stat` gives it.
#[cfg(target_vendor = "apple")]
type Device = i32;
#[cfg(not(target_vendor = "apple"))]
type Device = u64;

/// A file, whatever its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    device: Device,
    number: u64,
    owner: u32,
    shared: bool,
}

impl Inode {
    pub(crate) fn of(about: &Stat) -> Self {
        Self {
            device: about.st_dev,
            number: about.st_ino,
            owner: about.st_uid,
            shared: about.st_mode & 0o022 != 0,
        }
    }

    fn is(&self, about: &Stat) -> bool {
        about.st_dev == self.device && about.st_ino == self.number
    }
}

/// Who has a file open for writing, and who may have.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    pids: Vec<i32>,
    hidden: Vec<i32>,
}

impl Writers {
    /// Whether nobody can have it open for writing.
    pub(crate) fn is_empty(&self) -> bool {
        self.pids.is_empty() && self.hidden.is_empty()
    }
}

impl fmt::Display for Writers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More are not listed.
        const LISTED_MAX: usize = 8;
        let listed = |pids: &[i32]| {
            let pids: Vec<String> = pids.iter().take(LISTED_MAX).map(ToString::to_string).collect();
            pids.join(", ")
        };
        match (self.pids.is_empty(), self.hidden.is_empty()) {
            (false, _) => f.write_str(&listed(&self.pids)),
            (true, false) => {
                write!(f, "{} (of another user, not to be looked at)", listed(&self.hidden))
            }
            (true, true) => f.write_str("nobody"),
        }
    }
}

/// Who has a file open for writing.  Blocks.
pub(crate) fn writers(file: Inode) -> io::Result<Writers> {
    let mut found = Writers::default();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        match writes(pid, file) {
            Ok(true) => found.pids.push(pid),
            Ok(false) => {}
            Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {
                if may_write(pid, file) {
                    found.hidden.push(pid);
                }
            }
            // It is gone.
            Err(_) => {}
        }
    }
    Ok(found)
}

fn writes(pid: i32, file: Inode) -> io::Result<bool> {
    let descriptors = format!("/proc/{pid}/fd");
    for entry in std::fs::read_dir(&descriptors)? {
        let number = entry?.file_name();
        // Follows the descriptor to what it stands for, also when that has no name any more.
        let Ok(about) = rustix::fs::stat(Path::new(&descriptors).join(&number)) else {
            continue;
        };
        if file.is(&about) && is_for_writing(pid, &number.to_string_lossy()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What cannot be read is taken for writing, unless it was closed meanwhile.
fn is_for_writing(pid: i32, number: &str) -> bool {
    let bytes = match std::fs::read(format!("/proc/{pid}/fdinfo/{number}")) {
        Ok(bytes) => bytes,
        Err(why) => return why.kind() != io::ErrorKind::NotFound,
    };
    let text = String::from_utf8_lossy(bytes.get(..FDINFO_BYTES_MAX).unwrap_or(&bytes));
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| flags & ACCESS_MODE != 0)
}

/// Whether a process that cannot be looked at can have opened the file for writing.
fn may_write(pid: i32, file: Inode) -> bool {
    let Ok(about) = rustix::fs::stat(format!("/proc/{pid}")) else {
        return false;
    };
    file.shared || about.st_uid == file.owner || (about.st_uid == ROOT && file.owner == ROOT)
}
