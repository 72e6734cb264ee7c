//! The private folder of one program: its `TMPDIR`, gone when the program is.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the folders of programs begin.
const PREFIX: &str = "step-";

const PRIVATE: u32 = 0o700;

/// A folder that is removed with everything in it when this is dropped.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new folder below `base`, which is made as well.
    pub(super) fn new(base: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        DirBuilder::new().recursive(true).mode(PRIVATE).create(base)?;
        let base = fs::canonicalize(base)?;
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("{PREFIX}{}-{n}", std::process::id()));
        // Left over from a crew of the same number that was killed.
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        DirBuilder::new().mode(PRIVATE).create(&path)?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is removed at the next start of the crew.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what a killed crew left below `base`.
pub(super) fn clear(base: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_folder_is_private_and_leaves_with_its_program() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().join("scratch");
        let scratch = Scratch::new(&base).unwrap();
        let other = Scratch::new(&base).unwrap();
        assert_ne!(scratch.path(), other.path());
        fs::create_dir(scratch.path().join("안")).unwrap();
        fs::write(scratch.path().join("안/file"), "x").unwrap();
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(scratch.path()).unwrap());
        assert_eq!(mode & 0o777, PRIVATE);
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists() && other.path().exists());
    }

    #[test]
    fn what_a_killed_crew_left_is_cleared_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        clear(&base.path().join("never made")).unwrap();
        fs::create_dir_all(base.path().join("step-7-0/deep")).unwrap();
        fs::write(base.path().join("kept"), "x").unwrap();
        clear(base.path()).unwrap();
        assert!(!base.path().join("step-7-0").exists() && base.path().join("kept").exists());
    }
}
