//! The file that remembers a child of the crew: `pid start_ticks boot_id` in one line.
//!
//! The boot id makes the file worthless after a restart of the machine, when small numbers and
//! early start times come again in the same order.

use std::fs;
use std::io;
use std::path::Path;

use super::{FindError, Identity, parse_pid, unreadable};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Reads what [`write_child_pid_file`] wrote; none: there is no such file, or it is from before the
/// machine's last start.  Whether the process lives is not asked.
///
/// # Errors
/// When the file cannot be read or is not such a file.
pub fn read_child_pid_file(path: &Path) -> Result<Option<Identity>, FindError> {
    super::supported()?;
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(path, source)),
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let no_pid = || FindError::NoPid { path: path.to_owned() };
    let &[pid, start_ticks, boot_id] = words.as_slice() else {
        return Err(no_pid());
    };
    let identity = Identity {
        pid: parse_pid(pid).ok_or_else(no_pid)?,
        start_ticks: start_ticks.parse().map_err(|_| no_pid())?,
    };
    Ok((boot_id == this_boot()?).then_some(identity))
}

/// Remembers a child.  The file is replaced in one step: a reader sees the old child or the new
/// one.  Folders above it are made.  It is not forced to the disk, because it means nothing after a
/// restart of the machine.
///
/// # Errors
/// When it cannot be written.
pub fn write_child_pid_file(path: &Path, identity: Identity) -> io::Result<()> {
    let boot_id = this_boot().map_err(io::Error::other)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let Identity { pid, start_ticks } = identity;
    fs::write(&fresh, format!("{pid} {start_ticks} {boot_id}\n"))?;
    fs::rename(&fresh, path)
}

fn this_boot() -> Result<String, FindError> {
    let path = Path::new(BOOT_ID);
    let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
    Ok(text.trim().to_owned())
}
