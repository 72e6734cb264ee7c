//! Limits of memory and processes for a program and all its children together, where the crew may
//! make control groups: as root, with version 1 (`memory`, `pids`) or version 2.
//!
//! Moving a process into a group waits for the kernel's readers everywhere, some 10 ms.  So it is
//! done beside the program's first steps and not before them: this layer bounds a program that
//! grows without end, and the others hold from its first instruction.
//!
//! Sources: `Documentation/admin-guide/cgroup-v1` and `cgroup-v2.rst` of the kernel.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Pid;
use tokio::runtime::Handle;

/// How much memory a program and its children may use, in bytes.
const MEMORY_BYTES_MAX: u64 = 4 << 30;

/// How many processes and threads a program and its children may be.
const TASKS_MAX: u64 = 512;

/// How groups of programs begin.
const PREFIX: &str = "nightcrew-step-";

const MOUNT: &str = "/sys/fs/cgroup";

/// How deep the tree of a program's processes is followed, and how often.
const LOOKS: usize = 8;

/// A group goes when its last process is collected, which may take a moment.
const REMOVE_TRIES: u32 = 20;
const REMOVE_EVERY: Duration = Duration::from_millis(5);

/// One tree of control groups and what limits there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tree {
    folder: &'static str,
    limits: &'static [(&'static str, u64)],
}

const V1: [Tree; 2] = [
    Tree { folder: "memory", limits: &[("memory.limit_in_bytes", MEMORY_BYTES_MAX)] },
    Tree { folder: "pids", limits: &[("pids.max", TASKS_MAX)] },
];

const V2: Tree =
    Tree { folder: "", limits: &[("memory.max", MEMORY_BYTES_MAX), ("pids.max", TASKS_MAX)] };

/// Bounds a running program; its groups are removed when this is dropped, if nothing is left in
/// them.  None where groups cannot be made.
#[derive(Debug)]
pub(crate) struct Bound(Option<Arc<Cgroup>>);

impl Bound {
    /// Bounds a program that has just been started, and what it starts.
    pub(crate) fn of(leader: Pid) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let group = Cgroup::new(&format!("{}-{n}", std::process::id())).ok().map(Arc::new);
        if let Some(group) = group.clone() {
            tokio::task::spawn_blocking(move || group.take_in(leader));
        }
        Self(group)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Removing may wait for the move, so no worker of the runtime does it.
        if let (Some(group), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(group));
        }
    }
}

/// The groups of one program.
#[derive(Debug)]
struct Cgroup {
    folders: Vec<PathBuf>,
}

/// Whether groups can be made here.
pub(super) fn usable() -> Result<(), String> {
    Cgroup::new("probe").map(drop)
}

impl Cgroup {
    /// Makes the groups of a program, with their limits.
    fn new(name: &str) -> Result<Self, String> {
        let mount = Path::new(MOUNT);
        let trees: &[Tree] = if mount.join("cgroup.controllers").exists() { &[V2] } else { &V1 };
        let mut group = Self { folders: Vec::new() };
        for tree in trees {
            let folder = mount.join(tree.folder).join(format!("{PREFIX}{name}"));
            make(&folder).map_err(|error| {
                format!("{} cannot be made: {error}; root may, with cgroups", folder.display())
            })?;
            group.folders.push(folder.clone());
            for (file, limit) in tree.limits {
                fs::write(folder.join(file), limit.to_string())
                    .map_err(|error| format!("{file} cannot be set: {error}"))?;
            }
        }
        Ok(group)
    }

    /// Takes in a process and those that it has started meanwhile.  Blocks for some milliseconds.
    ///
    /// The number may belong to nobody any more; that it belongs to somebody else would need as
    /// many new processes as there are numbers within these milliseconds.
    fn take_in(&self, leader: Pid) {
        let mut taken = Vec::new();
        for _ in 0..LOOKS {
            let mut tree = vec![leader.as_raw_nonzero().get()];
            let mut at = 0;
            while let Some(pid) = tree.get(at).copied() {
                tree.extend(children(pid));
                at += 1;
            }
            tree.retain(|pid| !taken.contains(pid));
            if tree.is_empty() {
                return;
            }
            for folder in &self.folders {
                for pid in &tree {
                    // It may have ended.
                    let _ = fs::write(folder.join("cgroup.procs"), pid.to_string());
                }
            }
            taken.append(&mut tree);
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        // Left over from a crew of the same number that was killed, and empty.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_dir(folder)?;
            fs::create_dir(folder)
        }
        made => made,
    }
}

/// The children of a process, as far as the kernel tells.
fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let mut left: Vec<&PathBuf> = self.folders.iter().collect();
        for _ in 0..REMOVE_TRIES {
            left.retain(|folder| fs::remove_dir(folder).is_err());
            if left.is_empty() {
                return;
            }
            // What a program left running on purpose stays in its group.
            thread::park_timeout(REMOVE_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_and_its_children_are_bounded_and_the_groups_leave_with_them() {
        if let Err(why) = usable() {
            eprintln!("skipped: a_program_and_its_children_are_bounded: {why}");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("told.sh");
        fs::write(&script, "#!/bin/sh\nsleep 60 &\nread line\nkill $!\nwait\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&script, mode).unwrap();
        let pinned = crate::spawn::pin(script.to_str().unwrap()).unwrap();
        let mut command = crate::spawn::command(&pinned, &Default::default());
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let leader = i32::try_from(child.id().unwrap()).unwrap();
        let bound = Bound::of(Pid::from_raw(leader).unwrap());
        let group = Arc::clone(bound.0.as_ref().unwrap());
        let folders = group.folders.clone();
        // The shell, and the child that it started before or after it was taken in.
        let are_in = || {
            folders.iter().all(|folder| {
                let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap();
                members.lines().count() == 2
            })
        };
        while !are_in() {
            tokio::time::sleep(REMOVE_EVERY).await;
        }
        let limits = [("memory", MEMORY_BYTES_MAX), ("pids", TASKS_MAX)];
        for (name, limit) in limits {
            let files = [format!("{name}.max"), format!("{name}.limit_in_bytes")];
            let mut found =
                folders.iter().flat_map(|folder| files.each_ref().map(|f| folder.join(f)));
            assert!(found.any(|file| {
                fs::read_to_string(file).is_ok_and(|text| text.trim() == limit.to_string())
            }));
        }
        drop((group, child.stdin.take()));
        child.wait().await.unwrap();
        drop(bound);
        while folders.iter().any(|folder| folder.exists()) {
            tokio::time::sleep(REMOVE_EVERY).await;
        }
    }
}
