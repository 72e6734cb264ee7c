//! The memory limit of a process's control group.
//!
//! Sources: <https://docs.kernel.org/admin-guide/cgroup-v2.html> (`memory.max`),
//! <https://docs.kernel.org/admin-guide/cgroup-v1/memory.html> (`memory.limit_in_bytes`,
//! `memory.memsw.limit_in_bytes`).

use std::io;
use std::path::{Component, Path, PathBuf};

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

/// From here on version 1 means that there is no limit: it rounds the largest number to pages.
const UNLIMITED_V1: u64 = 1 << 60;

/// The largest `/proc/PID/cgroup` that is read, in bytes.
const MEMBERSHIP_BYTES_MAX: usize = 64 * 1_024;

/// The control group that limits a process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) folder: PathBuf,
    top: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Group {
    /// The group of a process; none: nothing here limits memory.
    pub(crate) fn of(pid: i32) -> io::Result<Option<Self>> {
        let bytes = std::fs::read(format!("/proc/{pid}/cgroup"))?;
        let text = String::from_utf8_lossy(bytes.get(..MEMBERSHIP_BYTES_MAX).unwrap_or(&bytes));
        Ok(Self::read(&text, Path::new(ROOT)))
    }

    fn read(membership: &str, root: &Path) -> Option<Self> {
        let lines = membership.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            Some((parts.next()?, parts.next()?, parts.next()?))
        });
        let mut found = None;
        for (_, controllers, path) in lines {
            let (top, version) = if controllers.split(',').any(|name| name == "memory") {
                (root.join("memory"), Version::One)
            } else if controllers.is_empty() && root.join("cgroup.controllers").exists() {
                (root.to_owned(), Version::Two)
            } else {
                continue;
            };
            let path = Path::new(path.trim_start_matches('/'));
            let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
            let folder = top.join(path);
            if plain && folder.join(version.file()).exists() {
                found = Some(Self { folder, top, version });
            }
        }
        found
    }

    /// Its own limit, in bytes; none: there is none.
    pub(crate) fn limit(&self) -> io::Result<Option<u64>> {
        self.version.limit(&self.folder)
    }

    /// The smallest limit of it and those above it, in bytes; none: there is none.
    pub(crate) fn effective_limit(&self) -> Option<u64> {
        let above = self.folder.ancestors().take_while(|folder| folder.starts_with(&self.top));
        above.filter_map(|folder| self.version.limit(folder).ok().flatten()).min()
    }

    /// Gives it another limit.
    pub(crate) fn set_limit(&self, bytes: u64) -> io::Result<()> {
        if self.version == Version::One {
            // The limit of memory and swap together must never be below that of memory.
            let both = self.folder.join("memory.memsw.limit_in_bytes");
            if both.exists() && number(&both)?.is_some_and(|limit| limit < bytes) {
                std::fs::write(&both, bytes.to_string())?;
            }
        }
        std::fs::write(self.folder.join(self.version.file()), bytes.to_string())
    }
}

impl Version {
    fn file(self) -> &'static str {
        match self {
            Self::One => "memory.limit_in_bytes",
            Self::Two => "memory.max",
        }
    }

    fn limit(self, folder: &Path) -> io::Result<Option<u64>> {
        let limit = number(&folder.join(self.file()))?;
        Ok(limit.filter(|limit| self == Self::Two || *limit < UNLIMITED_V1))
    }
}

/// The number in a file; none: `max`.
fn number(path: &Path) -> io::Result<Option<u64>> {
    let text = std::fs::read_to_string(path)?;
    match text.trim() {
        "max" => Ok(None),
        digits => digits.parse().map(Some).map_err(io::Error::other),
    }
}

/// The processes of a unit's own control group.
pub(crate) fn processes_of_unit(unit: &str) -> Vec<i32> {
    let tops = ["", "memory", "systemd", "unified"];
    let files = tops
        .iter()
        .map(|top| Path::new(ROOT).join(top).join("system.slice").join(unit).join("cgroup.procs"));
    let text = files.filter_map(|file| std::fs::read_to_string(file).ok()).find(|t| !t.is_empty());
    text.unwrap_or_default().lines().filter_map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read_and_written() {
        let root = tempfile::tempdir().unwrap();
        let one = root.path().join("memory/web");
        std::fs::create_dir_all(&one).unwrap();
        std::fs::write(one.join("memory.limit_in_bytes"), "33554432\n").unwrap();
        std::fs::write(one.join("memory.memsw.limit_in_bytes"), "33554432\n").unwrap();
        let group = Group::read("5:cpu:/x\n4:memory:/web\n0::/\n", root.path()).unwrap();
        assert_eq!(group.limit().unwrap(), Some(33_554_432));
        group.set_limit(67_108_864).unwrap();
        assert_eq!(group.limit().unwrap(), Some(67_108_864));
        let both = one.join("memory.memsw.limit_in_bytes");
        assert_eq!(std::fs::read_to_string(both).unwrap(), "67108864");
        std::fs::write(one.join("memory.limit_in_bytes"), "9223372036854771712").unwrap();
        assert_eq!(group.limit().unwrap(), None);

        let two = root.path().join("system.slice/web.service");
        std::fs::create_dir_all(&two).unwrap();
        std::fs::write(root.path().join("cgroup.controllers"), "memory").unwrap();
        std::fs::write(two.join("memory.max"), "max\n").unwrap();
        std::fs::write(root.path().join("system.slice/memory.max"), "1000000").unwrap();
        let group = Group::read("0::/system.slice/web.service", root.path()).unwrap();
        assert_eq!(group.limit().unwrap(), None);
        assert_eq!(group.effective_limit(), Some(1_000_000));
        assert_eq!(Group::read("0::/../../etc", root.path()), None);
        assert_eq!(Group::read("", root.path()), None);
    }
}
