//! Mounts of a stage, which are gone when it ends.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::stage::Stage;

/// Everything that is mounted below a folder; it is unmounted when this is dropped.
pub(crate) struct Mounts(PathBuf);

impl Mounts {
    /// Looks after what will be mounted below the folder of a stage.
    pub(crate) fn below(stage: &Stage) -> Self {
        Self(stage.dir().to_owned())
    }

    /// Mounts a file system in memory.
    pub(crate) fn tmpfs(&self, name: &str, megabytes: u32) -> PathBuf {
        let place = self.0.join(name);
        fs::create_dir_all(&place).unwrap();
        let options = CString::new(format!("size={megabytes}m,mode=0755")).unwrap();
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("tmpfs", &place, "tmpfs", flags, Some(options.as_c_str())).unwrap();
        place
    }

    /// What is mounted below the folder, the innermost first.
    fn all(&self) -> Vec<PathBuf> {
        // proc_pid_mountinfo(5): the fifth field is the place.
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let places = table.lines().filter_map(|line| line.split(' ').nth(4));
        let mut found: Vec<PathBuf> =
            places.map(PathBuf::from).filter(|place| is_below(place, &self.0)).collect();
        found.reverse();
        found
    }
}

fn is_below(place: &Path, folder: &Path) -> bool {
    place.starts_with(folder) && place != folder
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for place in self.all() {
            let _ = unmount(&place, UnmountFlags::DETACH);
        }
    }
}
