//! How full a file system or a folder is.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nightcrew_model::sample::Unknown;
use rustix::fs::StatVfs;

use crate::collector::Cancelled;
use crate::sampling::{share, size};

/// The largest number of files and folders that are counted below a folder with a quota.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;

/// How full something is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fill {
    /// In percent; may pass 100 only for a folder over its quota.
    pub(crate) percent: f64,
    /// In words.
    pub(crate) words: String,
}

/// Asks the file system.
pub(crate) fn of_file_system(path: &Path) -> Result<Fill, Unknown> {
    match rustix::fs::statvfs(path) {
        Ok(found) => fill(&found),
        Err(errno) => Err(unread(path, &errno.into())),
    }
}

/// The formula of df: what is used, of what is used and what an ordinary user may still use.  The
/// blocks that are kept for root are neither: a disk that shows 95 % to root is full for everybody
/// else.
fn fill(found: &StatVfs) -> Result<Fill, Unknown> {
    let strange = || {
        Unknown::NotPlausible(format!(
            "{} blocks, {} free, {} available",
            found.f_blocks, found.f_bfree, found.f_bavail
        ))
    };
    let used = found.f_blocks.checked_sub(found.f_bfree).ok_or_else(strange)?;
    // Where root has eaten into its reserve, some systems give a negative number here.
    if found.f_bavail > found.f_blocks {
        return Err(strange());
    }
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    let whole = used.saturating_add(found.f_bavail);
    Ok(Fill {
        percent: share(used, whole)?,
        words: format!(
            "{} of {} used, {} left",
            size(bytes(used)),
            size(bytes(whole)),
            size(bytes(found.f_bavail))
        ),
    })
}

/// Counts the bytes of the regular files below a folder, against a quota.  Other file systems
/// below it and symbolic links are not followed; a file with several names counts once.
pub(crate) fn of_quota(path: &Path, quota: u64, cancelled: &Cancelled) -> Result<Fill, Unknown> {
    let used = bytes_below(path, ENTRIES_MAX, cancelled)?;
    Ok(Fill {
        percent: share(used, quota)?,
        words: format!("{} of the quota of {} used", size(used), size(quota)),
    })
}

fn bytes_below(path: &Path, entries_max: usize, cancelled: &Cancelled) -> Result<u64, Unknown> {
    let top = fs::metadata(path).map_err(|error| unread(path, &error))?;
    if top.is_file() {
        return Ok(top.len());
    }
    let mut bytes = 0_u64;
    let mut entries = 0_usize;
    let mut linked = HashSet::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let listing = match fs::read_dir(&folder) {
            Ok(listing) => listing,
            // Removed since it was listed; the folder itself must be there, though.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != path => continue,
            Err(error) => return Err(unread(&folder, &error)),
        };
        for entry in listing {
            let entry = entry.map_err(|error| unread(&folder, &error))?;
            entries += 1;
            if entries > entries_max {
                let why = format!("more than {entries_max} entries below {}", path.display());
                return Err(Unknown::Failed(why));
            }
            if cancelled.is_set() {
                return Err(Unknown::Failed("broken off".into()));
            }
            let about = match entry.metadata() {
                Ok(about) => about,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unread(&entry.path(), &error)),
            };
            if about.dev() != top.dev() {
                continue;
            }
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.is_file()
                && (about.nlink() == 1 || linked.insert((about.dev(), about.ino())))
            {
                bytes = bytes.saturating_add(about.len());
            }
        }
    }
    Ok(bytes)
}

fn unread(path: &Path, error: &io::Error) -> Unknown {
    match error.kind() {
        io::ErrorKind::NotFound => Unknown::Absent,
        _ => Unknown::Failed(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(blocks: u64, free: u64, available: u64) -> Result<Fill, Unknown> {
        let mut found = rustix::fs::statvfs("/").unwrap();
        (found.f_blocks, found.f_bfree, found.f_bavail) = (blocks, free, available);
        found.f_frsize = 1_000_000;
        fill(&found)
    }

    #[test]
    fn the_reserve_of_root_does_not_count_as_free() {
        // 1000 blocks, of which 50 are kept for root: full for everybody else at 950.
        assert_eq!(
            volume(1_000, 50, 0),
            Ok(Fill { percent: 100.0, words: "950.0 MB of 950.0 MB used, 0 B left".into() })
        );
        assert_eq!(volume(1_000, 525, 475).unwrap().percent, 50.0);
    }

    #[test]
    fn impossible_numbers_are_unknown() {
        for (blocks, free, available) in [(10, 11, 0), (10, 5, u64::MAX - 4), (0, 0, 0)] {
            let filled = volume(blocks, free, available);
            assert!(matches!(filled, Err(Unknown::NotPlausible(_))), "{blocks} {free}");
        }
    }

    #[test]
    fn a_quota_counts_each_file_once_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("로그/깊은 폴더");
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("app.log"), vec![0; 600]).unwrap();
        fs::hard_link(below.join("app.log"), folder.path().join("also.log")).unwrap();
        fs::write(folder.path().join("b"), vec![0; 150]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("everything")).unwrap();
        let fill = of_quota(folder.path(), 1_000, &Cancelled::default()).unwrap();
        assert_eq!(fill.percent, 75.0);
        assert_eq!(fill.words, "750 B of the quota of 1.0 kB used");
        let over = of_quota(folder.path(), 500, &Cancelled::default()).unwrap();
        assert_eq!(over.percent, 150.0);
    }

    #[test]
    fn too_many_entries_and_no_folder_are_unknown() {
        let folder = tempfile::tempdir().unwrap();
        (0..4).for_each(|n| fs::write(folder.path().join(n.to_string()), "x").unwrap());
        assert_eq!(bytes_below(folder.path(), 4, &Cancelled::default()), Ok(4));
        let crowded = bytes_below(folder.path(), 3, &Cancelled::default());
        assert!(matches!(crowded, Err(Unknown::Failed(_))));
        let absent = of_quota(&folder.path().join("없음"), 1, &Cancelled::default());
        assert_eq!(absent, Err(Unknown::Absent));
        assert_eq!(of_file_system(&folder.path().join("없음")), Err(Unknown::Absent));
    }
}
