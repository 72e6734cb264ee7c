//! Removing old files, without a moment at which a symbolic link could lead elsewhere.
//!
//! The walk opens every folder relative to the descriptor of the one above it and never follows a
//! link; a file is removed relative to the descriptor of its own folder.  Whatever is renamed or
//! swapped meanwhile, a name is only ever removed from a folder that was reached from a clean root
//! by real folders.  It stays on the file system of its root, removes regular files only, and never
//! enters the crew's own folders.
//!
//! `find … -delete` is carried out by this walk too: the program itself would resolve its starting
//! path anew after the gate looked.

use std::ffi::{CStr, OsStr};
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use nightcrew_model::unit::Millis;
use rustix::fs::{AtFlags, Dev, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::pattern::Pattern;
use crate::roots::CleanPath;

/// The largest number of entries that one run looks at.
pub const FILES_MAX: u64 = 1_000_000;

/// How many folders deep one run goes; each level holds one descriptor.
pub const DEPTH_MAX: usize = 64;

/// The largest number of errors that are told of one by one.
pub const ERRORS_LISTED_MAX: usize = 20;

/// How a folder is opened: never through a link.
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What is removed: everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) name: Option<Pattern>,
    /// Not modified for this long.
    pub(crate) unmodified_for: Option<Millis>,
    /// Not read for this long.
    pub(crate) unread_for: Option<Millis>,
    /// No change of content, owner or permissions for this long.
    pub(crate) unchanged_for: Option<Millis>,
    /// Larger than this, in bytes.
    pub(crate) larger_than: Option<u64>,
    /// Of no bytes.
    pub(crate) is_empty: bool,
    /// The starting point has depth 0.
    pub(crate) depth_min: usize,
    pub(crate) depth_max: Option<usize>,
}

/// What is to be swept.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    pub(crate) starts: Vec<CleanPath>,
    pub(crate) filter: Filter,
    /// Folders that are never entered.
    pub(crate) spared: Vec<PathBuf>,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) looked_at: u64,
    pub(crate) removed: u64,
    pub(crate) freed_bytes: u64,
    pub(crate) errors: u64,
    pub(crate) listed: Vec<String>,
    /// Why it ended early; none: it saw everything.
    pub(crate) cut: Option<Cut>,
}

/// Why a sweep ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// [`FILES_MAX`] entries were looked at.
    Limit,
    /// Its time was over.
    Stopped,
}

impl Report {
    /// The report in words, a line each for the sum and for each listed error.
    pub(crate) fn words(&self) -> String {
        let mut text = format!(
            "removed {} files, freed {} bytes; looked at {} entries",
            self.removed, self.freed_bytes, self.looked_at
        );
        match self.cut {
            Some(Cut::Limit) => text.push_str("; stopped at the limit, so run it again"),
            Some(Cut::Stopped) => text.push_str("; stopped when its time was over"),
            None => {}
        }
        if self.errors > 0 {
            let _ = write!(text, "; {} errors:", self.errors);
            for line in &self.listed {
                text.push('\n');
                text.push_str(line);
            }
            let unlisted =
                self.errors.saturating_sub(u64::try_from(self.listed.len()).unwrap_or(0));
            if unlisted > 0 {
                let _ = write!(text, "\n… and {unlisted} more");
            }
        }
        text
    }
}

impl Sweep {
    /// Removes what the filter names, as of `now`; `stop` ends it at the next entry.  Blocks.
    pub(crate) fn run(&self, now: Timestamp, entries_max: u64, stop: &AtomicBool) -> Report {
        let mut walk = Walk {
            sweep: self,
            now,
            entries_max,
            stop,
            spared: self.spared.iter().filter_map(|folder| identity(folder)).collect(),
            report: Report::default(),
        };
        for start in &self.starts {
            if let Err(error) = walk.start(start) {
                walk.failed(&start.real, &error);
            }
        }
        walk.report
    }
}

struct Walk<'a> {
    sweep: &'a Sweep,
    now: Timestamp,
    entries_max: u64,
    stop: &'a AtomicBool,
    /// The device and number of each folder that is never entered.
    spared: Vec<(Dev, u64)>,
    report: Report,
}

impl Walk<'_> {
    fn start(&mut self, start: &CleanPath) -> io::Result<()> {
        let Some((parent, name)) = start.open_parent()? else {
            return Err(io::Error::other("the root of the file system is never swept"));
        };
        let about = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => {
                drop(parent);
                let fd = start.open_folder()?;
                let about = rustix::fs::fstat(&fd)?;
                if self.is_spared(&about) {
                    return Err(io::Error::other("the crew's own folder is never swept"));
                }
                self.folder(fd, &start.real, 1, about.st_dev);
                Ok(())
            }
            FileType::RegularFile => {
                self.file(parent.as_fd(), name, &start.real, 0, &about);
                Ok(())
            }
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Err(io::Error::other("neither a folder nor a regular file")),
        }
    }

    /// Sweeps an open folder, whose entries have the depth `depth`.
    fn folder(&mut self, fd: OwnedFd, path: &Path, depth: usize, device: Dev) {
        let mut entries = match Dir::new(fd) {
            Ok(entries) => entries,
            Err(error) => return self.failed(path, &error.into()),
        };
        while let Some(entry) = entries.read() {
            if self.is_over() {
                return;
            }
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.failed(path, &error.into()),
            };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.report.looked_at += 1;
            match entries.fd() {
                Ok(folder) => self.entry(folder, name, path, depth, device),
                Err(error) => return self.failed(path, &error.into()),
            }
        }
    }

    fn entry(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
        depth: usize,
        device: Dev,
    ) {
        let path = path.join(os(name));
        let about = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(about) => about,
            Err(Errno::NOENT) => return,
            Err(error) => return self.failed(&path, &error.into()),
        };
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Directory => self.subfolder(folder, name, &path, depth, device),
            FileType::RegularFile => self.file(folder, os(name), &path, depth, &about),
            FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
    }

    fn subfolder(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        path: &Path,
        depth: usize,
        device: Dev,
    ) {
        if self.sweep.filter.depth_max.is_some_and(|max| depth >= max) {
            return;
        }
        if depth >= DEPTH_MAX {
            return self.failed(path, &io::Error::other("too many folders deep"));
        }
        let opened = rustix::fs::openat(parent, name, FOLDER, Mode::empty());
        let opened = opened.and_then(|fd| rustix::fs::fstat(&fd).map(|about| (fd, about)));
        match opened {
            // Other file systems are left alone, and so is the crew's own house.
            Ok((_, about)) if about.st_dev != device || self.is_spared(&about) => {}
            Ok((fd, _)) => self.folder(fd, path, depth + 1, device),
            // It vanished, or was swapped for a link or a file: there is nothing to enter.
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR) => {}
            Err(error) => self.failed(path, &error.into()),
        }
    }

    fn file(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &OsStr,
        path: &Path,
        depth: usize,
        about: &Stat,
    ) {
        if !self.is_wanted(name, depth, about) {
            return;
        }
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) => {
                self.report.removed += 1;
                // Bytes come back only when the last name of a file goes.
                if about.st_nlink == 1 {
                    let blocks = u64::try_from(about.st_blocks).unwrap_or(0);
                    self.report.freed_bytes += blocks.saturating_mul(512);
                }
            }
            Err(Errno::NOENT) => {}
            Err(error) => self.failed(path, &error.into()),
        }
    }

    fn is_wanted(&self, name: &OsStr, depth: usize, about: &Stat) -> bool {
        let filter = &self.sweep.filter;
        let size = u64::try_from(about.st_size).unwrap_or(0);
        let rests = |span: Option<Millis>, seconds, nanos| {
            span.is_none_or(|span| self.is_past(seconds, i32::try_from(nanos).ok(), span))
        };
        depth >= filter.depth_min
            && filter.depth_max.is_none_or(|max| depth <= max)
            && filter.name.as_ref().is_none_or(|pattern| pattern.matches(&name.to_string_lossy()))
            && rests(filter.unmodified_for, about.st_mtime, about.st_mtime_nsec)
            && rests(filter.unread_for, about.st_atime, about.st_atime_nsec)
            && rests(filter.unchanged_for, about.st_ctime, about.st_ctime_nsec)
            && filter.larger_than.is_none_or(|limit| size > limit)
            && (!filter.is_empty || size == 0)
    }

    /// Whether a time of a file is `span` or more in the past.  A time that cannot be represented
    /// is not.
    fn is_past(&self, seconds: i64, nanos: Option<i32>, span: Millis) -> bool {
        let Ok(moment) = Timestamp::new(seconds, nanos.unwrap_or(0)) else {
            return false;
        };
        let span = SignedDuration::try_from(span.duration()).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(moment) >= span
    }

    fn is_spared(&self, about: &Stat) -> bool {
        self.spared.contains(&(about.st_dev, about.st_ino))
    }

    fn is_over(&mut self) -> bool {
        if self.report.cut.is_none() {
            if self.stop.load(Ordering::Relaxed) {
                self.report.cut = Some(Cut::Stopped);
            } else if self.report.looked_at >= self.entries_max {
                self.report.cut = Some(Cut::Limit);
            }
        }
        self.report.cut.is_some()
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        self.report.errors += 1;
        if self.report.listed.len() < ERRORS_LISTED_MAX {
            self.report.listed.push(format!("{}: {error}", path.display()));
        }
    }
}

fn os(name: &CStr) -> &OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    OsStr::from_bytes(name.to_bytes())
}

/// The device and number of a folder; none: there is none to spare.
fn identity(folder: &Path) -> Option<(Dev, u64)> {
    let about = rustix::fs::stat(folder).ok()?;
    Some((about.st_dev, about.st_ino))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::files::Files;
    use crate::roots::CleanRoots;

    fn sweep(root: &Path, filter: Filter) -> Sweep {
        let roots = CleanRoots::new(&[root.to_owned()], &Files::Real);
        let start = roots.check(root.to_str().unwrap(), &Files::Real).unwrap();
        Sweep { starts: vec![start], filter, spared: Vec::new() }
    }

    #[test]
    fn a_run_ends_at_its_limit_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..10 {
            fs::write(folder.path().join(format!("{n}")), "x").unwrap();
        }
        let sweep = sweep(folder.path(), Filter::default());
        let report = sweep.run(Timestamp::MAX, 4, &AtomicBool::new(false));
        assert_eq!((report.removed, report.cut), (4, Some(Cut::Limit)));
        assert!(report.words().contains("stopped at the limit"));
        let report = sweep.run(Timestamp::MAX, FILES_MAX, &AtomicBool::new(true));
        assert_eq!((report.removed, report.cut), (0, Some(Cut::Stopped)));
        let report = sweep.run(Timestamp::MAX, FILES_MAX, &AtomicBool::new(false));
        assert_eq!((report.removed, report.cut), (6, None));
    }

    #[test]
    fn folders_deeper_than_the_limit_are_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let mut deep = folder.path().to_owned();
        for _ in 0..DEPTH_MAX + 3 {
            deep.push("d");
            fs::create_dir(&deep).unwrap();
            fs::write(deep.join("f"), "x").unwrap();
        }
        let report = sweep(folder.path(), Filter::default()).run(
            Timestamp::MAX,
            FILES_MAX,
            &AtomicBool::new(false),
        );
        assert_eq!(report.removed, u64::try_from(DEPTH_MAX).unwrap() - 1);
        assert!(report.words().contains("too many folders deep"));
    }

    #[test]
    fn only_so_many_errors_are_listed() {
        let mut walk = Walk {
            sweep: &sweep(Path::new("/tmp"), Filter::default()),
            now: Timestamp::MAX,
            entries_max: 1,
            stop: &AtomicBool::new(false),
            spared: Vec::new(),
            report: Report::default(),
        };
        for _ in 0..ERRORS_LISTED_MAX + 5 {
            walk.failed(Path::new("/tmp/x"), &io::Error::other("어떤 오류"));
        }
        assert_eq!(walk.report.listed.len(), ERRORS_LISTED_MAX);
        assert!(walk.report.words().ends_with("… and 5 more"));
    }
}
