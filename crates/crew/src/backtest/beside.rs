//! A picture of a series store that a crew has open.
//!
//! Segments never change, so links to them are enough; what is not in a segment yet is copied.  It
//! is copied first: a sample that moves into a segment meanwhile is in both, as after a crash, and
//! the store knows such doubles.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// How often a picture is taken anew because a file went away meanwhile.
const TRIES_MAX: u32 = 10;

/// The endings of the files of a store, in the order in which they are taken.
const ENDINGS: [&str; 2] = ["wal", "seg"];

/// Takes the picture, beside the store where that can be written, and among temporary files
/// elsewhere.  It goes when it is dropped.
pub(super) fn picture(folder: &Path) -> io::Result<TempDir> {
    let mut tries = 0;
    loop {
        tries += 1;
        let beside = folder.parent().and_then(|parent| {
            tempfile::Builder::new().prefix("series-read-").tempdir_in(parent).ok()
        });
        let into = beside.map_or_else(tempfile::tempdir, Ok)?;
        match take(folder, into.path()) {
            Ok(()) => return Ok(into),
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES_MAX => {}
            Err(error) => return Err(error),
        }
    }
}

fn take(folder: &Path, into: &Path) -> io::Result<()> {
    for ending in ENDINGS {
        for path in files(folder, ending)? {
            let Some(name) = path.file_name() else { continue };
            let to = into.join(name);
            let is_linked = ending == "seg" && fs::hard_link(&path, &to).is_ok();
            if !is_linked {
                fs::copy(&path, &to)?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path, ending: &str) -> io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let fits = |path: &io::Result<PathBuf>| match path {
        Ok(path) => path.extension() == Some(OsStr::new(ending)),
        Err(_) => true,
    };
    paths.filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_files_of_the_store_and_goes_by_itself() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("series");
        fs::create_dir(&folder).unwrap();
        for name in ["1.wal", "0.seg", "series.lock", "2.part"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let taken = picture(&folder).unwrap();
        let path = taken.path().to_owned();
        assert!(path.starts_with(data.path()), "{}", path.display());
        let mut names: Vec<_> =
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["0.seg", "1.wal"]);
        // What the crew writes from now on is not in it.
        fs::write(folder.join("1.wal"), "more").unwrap();
        assert_eq!(fs::read_to_string(path.join("1.wal")).unwrap(), "1.wal");
        drop(taken);
        assert!(!path.exists());
    }

    #[test]
    fn there_is_no_picture_of_nothing() {
        let data = tempfile::tempdir().unwrap();
        let error = picture(&data.path().join("series")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
