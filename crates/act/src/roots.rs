//! The folders below which files may be changed, and the rule that a path must pass to be below
//! one.
//!
//! A path passes when it is absolute, has no `.` and no `..`, begins with a root, and when nothing
//! from the root down to it is a symbolic link.  A root may itself be reached through a link (as
//! `/tmp` is on macOS), but only through the one that was there at the start.
//!
//! **Invariant:** [`CleanPath::real`] holds no symbolic link at the moment of judgement.  At the
//! moment of use that is not taken on trust: whoever uses it opens it component by component
//! ([`CleanPath::open_folder`]).

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::files::{Entry, Files, Kind};
use crate::pattern::Pattern;
use crate::text;

/// The largest number of paths that one glob may stand for.
pub const GLOB_MATCHES_MAX: usize = 1_000;

/// Folders that hold other things than files to clean, so none of them can be a root.
const NEVER_ROOTS: [&str; 24] = [
    "/",
    "/home",
    "/root",
    "/var",
    "/var/lib",
    "/var/spool",
    "/var/mail",
    "/var/db",
    "/opt",
    "/srv",
    "/mnt",
    "/media",
    "/run",
    "/usr",
    "/usr/local",
    "/snap",
    "/nix",
    "/Users",
    "/Volumes",
    "/private",
    "/private/var",
    "/opt/homebrew",
    "/var/run",
    "/lost+found",
];

/// Folders of the system: neither they nor anything below them can be a root.
const NEVER_BELOW: [&str; 17] = [
    "/etc",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/boot",
    "/proc",
    "/sys",
    "/dev",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/private/etc",
    "/System",
    "/Library",
];

/// Folders of people: a person's whole folder cannot be a root, a folder in it can.
const HOMES: [&str; 2] = ["/home", "/Users"];

/// Why a folder cannot be a clean root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoot {
    /// It does not begin with `/`, or has `.` or `..` in it.
    #[error("a clean root must be an absolute path without `.` and `..`")]
    NotPlain,
    /// It is, or leads to, a folder of the system or of a person.
    #[error("{} is a folder of the system or of a person and never a clean root", .0.display())]
    Forbidden(PathBuf),
}

/// Why a path may not be acted on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It does not begin with `/`.
    #[error("`{0}` is not an absolute path")]
    Relative(String),
    /// It has `.` or `..` in it.
    #[error("`{0}` has `.` or `..` in it; write the path that is meant")]
    Dots(String),
    /// It is not below a root.
    #[error("`{path}` is not below a clean root ({roots}); see policy.clean_roots")]
    Outside {
        /// The path.
        path: String,
        /// The usable roots.
        roots: String,
    },
    /// A symbolic link is on the way.
    #[error("`{}` is a symbolic link, and links are not followed", .0.display())]
    Link(PathBuf),
    /// A root is no longer what it was.
    #[error("the clean root {} leads elsewhere than when the crew started; restart the crew if that is right", .0.display())]
    Moved(PathBuf),
    /// What is on the way cannot be seen.
    #[error("`{}` cannot be looked at: {why}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// The words of the operating system.
        why: String,
    },
    /// A glob matches nothing.
    #[error("nothing matches `{0}`")]
    NoMatch(String),
    /// A glob matches more than [`GLOB_MATCHES_MAX`].
    #[error("`{0}` matches more than {GLOB_MATCHES_MAX} paths; make it narrower")]
    TooManyMatches(String),
    /// A pattern that cannot be read.
    #[error("`{glob}` cannot be read: {why}")]
    Pattern {
        /// The word.
        glob: String,
        /// Why.
        why: String,
    },
}

/// The folders below which files may be changed.
#[derive(Clone, Debug)]
pub struct CleanRoots {
    roots: Vec<Root>,
    unusable: Vec<(PathBuf, BadRoot)>,
}

#[derive(Clone, Debug)]
struct Root {
    written: PathBuf,
    /// Where it led at the start; none: it did not exist.
    real: Option<PathBuf>,
}

/// A path that passed the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPath {
    /// The path as it was written.
    pub written: PathBuf,
    /// The path without symbolic links.
    pub real: PathBuf,
    /// What lay there; none: nothing.
    pub entry: Option<Entry>,
}

impl CleanRoots {
    /// Takes the folders of the policy; those that cannot be roots are left out and told of.
    #[must_use]
    pub fn new(folders: &[PathBuf], files: &Files) -> Self {
        let mut roots = Vec::new();
        let mut unusable = Vec::new();
        for folder in folders {
            match usable(folder, files) {
                Ok(root) => roots.push(root),
                Err(why) => unusable.push((folder.clone(), why)),
            }
        }
        Self { roots, unusable }
    }

    /// The folders of the policy that cannot be roots, and why.
    #[must_use]
    pub fn unusable(&self) -> &[(PathBuf, BadRoot)] {
        &self.unusable
    }

    /// Checks one path.  What does not exist passes: there is nothing there to harm.
    ///
    /// # Errors
    /// When it may not be acted on.
    pub fn check(&self, text: &str, files: &Files) -> Result<CleanPath, BadPath> {
        let path = plain(text)?;
        let below = |root: &&Root| path.starts_with(&root.written);
        let longest = |root: &&Root| root.written.as_os_str().len();
        let root = self.roots.iter().filter(below).max_by_key(longest);
        let root = root.ok_or_else(|| self.outside(text))?;
        let mut real = root.resolve(files)?;
        let mut entry = look(&real, files)?;
        let inside = path.strip_prefix(&root.written).unwrap_or(Path::new(""));
        for component in inside.components() {
            real.push(component);
            if entry.is_some() {
                entry = look(&real, files)?;
            }
            if matches!(&entry, Some(Entry { kind: Kind::Link(_), .. })) {
                return Err(BadPath::Link(real));
            }
        }
        // The same answer by the operating system's own way of resolving.
        if entry.is_some() {
            let canonical = files.canonical(&real).map_err(|why| unreadable(&real, &why))?;
            if canonical != real {
                return Err(BadPath::Link(real));
            }
        }
        Ok(CleanPath { written: path, real, entry })
    }

    /// The paths that a glob stands for, sorted.  Links are neither followed nor matched; names
    /// with unusual characters are left out, and a leading dot only matches a dot.
    ///
    /// # Errors
    /// When the glob is not below a root, matches nothing, or matches too much.
    pub fn expand(&self, glob: &str, files: &Files) -> Result<Vec<CleanPath>, BadPath> {
        let is_pattern = |part: &str| part.contains(['*', '?', '[']);
        let mut parts = glob.split('/').peekable();
        let mut head = String::new();
        while let Some(part) = parts.next_if(|part| !is_pattern(part)) {
            if !part.is_empty() {
                head.push('/');
                head.push_str(part);
            }
        }
        if !glob.starts_with('/') {
            return Err(BadPath::Relative(glob.to_owned()));
        }
        let mut found = vec![self.check(&head, files)?];
        for part in parts {
            if part.is_empty() || part == "." || part == ".." {
                return Err(BadPath::Dots(glob.to_owned()));
            }
            let pattern = Pattern::parse(part, false)
                .map_err(|why| BadPath::Pattern { glob: glob.to_owned(), why: why.to_string() })?;
            let mut next = Vec::new();
            for folder in &found {
                self.matching(folder, &pattern, files, &mut next)?;
                if next.len() > GLOB_MATCHES_MAX {
                    return Err(BadPath::TooManyMatches(glob.to_owned()));
                }
            }
            found = next;
        }
        if found.is_empty() {
            return Err(BadPath::NoMatch(glob.to_owned()));
        }
        found.sort_by(|a, b| a.written.cmp(&b.written));
        Ok(found)
    }

    fn matching(
        &self,
        folder: &CleanPath,
        pattern: &Pattern,
        files: &Files,
        into: &mut Vec<CleanPath>,
    ) -> Result<(), BadPath> {
        if !matches!(&folder.entry, Some(Entry { kind: Kind::Folder, .. })) {
            return Ok(());
        }
        let names = files.names(&folder.real).map_err(|why| unreadable(&folder.real, &why))?;
        let names = names.iter().filter_map(|name| name.to_str());
        for name in names.filter(|name| text::check(name).is_ok() && pattern.matches(name)) {
            if name.starts_with('.') && !pattern.starts_with_dot() {
                continue;
            }
            let Some(path) = folder.written.join(name).to_str().map(str::to_owned) else {
                continue;
            };
            match self.check(&path, files) {
                Ok(path) if path.entry.is_some() => into.push(path),
                Ok(_) | Err(BadPath::Link(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn outside(&self, text: &str) -> BadPath {
        let roots: Vec<String> =
            self.roots.iter().map(|root| root.written.display().to_string()).collect();
        BadPath::Outside {
            path: text.to_owned(),
            roots: if roots.is_empty() { "there is none".to_owned() } else { roots.join(", ") },
        }
    }
}

impl Root {
    fn resolve(&self, files: &Files) -> Result<PathBuf, BadPath> {
        match (files.canonical(&self.written), &self.real) {
            (Ok(now), Some(then)) if now == *then => Ok(now),
            (Ok(now), None) if now == self.written => Ok(now),
            (Ok(_), Some(_) | None) => Err(BadPath::Moved(self.written.clone())),
            (Err(error), real) if error.kind() == io::ErrorKind::NotFound => {
                Ok(real.clone().unwrap_or_else(|| self.written.clone()))
            }
            (Err(error), _) => Err(unreadable(&self.written, &error)),
        }
    }
}

impl CleanPath {
    /// Opens it as a folder, from `/` down, each component without following a link.
    ///
    /// # Errors
    /// When a component is not a folder (a link is none), or cannot be opened.
    pub fn open_folder(&self) -> io::Result<OwnedFd> {
        open_folder(&self.real)
    }

    /// Opens the folder that holds it, in the same way, and gives its own name in there; none: the
    /// path is `/`.
    ///
    /// # Errors
    /// As [`Self::open_folder`].
    pub fn open_parent(&self) -> io::Result<Option<(OwnedFd, &OsStr)>> {
        let (Some(parent), Some(name)) = (self.real.parent(), self.real.file_name()) else {
            return Ok(None);
        };
        Ok(Some((open_folder(parent)?, name)))
    }
}

/// How a folder is opened that is only passed through.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY;

pub(crate) fn open_folder(path: &Path) -> io::Result<OwnedFd> {
    let folder = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            Component::Prefix(_)
            | Component::RootDir
            | Component::CurDir
            | Component::ParentDir => None,
        })
        .peekable();
    let first = if names.peek().is_some() { PASS } else { OFlags::RDONLY };
    let mut fd = rustix::fs::open("/", folder | first, Mode::empty())?;
    while let Some(name) = names.next() {
        let access = if names.peek().is_some() { PASS } else { OFlags::RDONLY };
        fd = rustix::fs::openat(&fd, name, folder | access, Mode::empty())?;
    }
    Ok(fd)
}

fn usable(folder: &Path, files: &Files) -> Result<Root, BadRoot> {
    let written = folder.to_str().and_then(|text| plain(text).ok()).ok_or(BadRoot::NotPlain)?;
    if is_forbidden(&written) {
        return Err(BadRoot::Forbidden(written));
    }
    let real = files.canonical(&written).ok();
    match real {
        Some(real) if is_forbidden(&real) => Err(BadRoot::Forbidden(real)),
        real => Ok(Root { written, real }),
    }
}

fn is_forbidden(path: &Path) -> bool {
    let is = |other: &&str| path == Path::new(other);
    NEVER_ROOTS.iter().any(is)
        || NEVER_BELOW.iter().any(|system| path.starts_with(system))
        || HOMES.iter().any(|homes| path.parent() == Some(Path::new(homes)))
}

/// The path of a text that is absolute and has neither `.` nor `..` in it.
fn plain(text: &str) -> Result<PathBuf, BadPath> {
    if !text.starts_with('/') {
        return Err(BadPath::Relative(text.to_owned()));
    }
    if text.split('/').any(|part| part == "." || part == "..") {
        return Err(BadPath::Dots(text.to_owned()));
    }
    // Collecting the components drops doubled and trailing slashes.
    Ok(Path::new(text).components().collect())
}

fn look(path: &Path, files: &Files) -> Result<Option<Entry>, BadPath> {
    match files.look(path) {
        Ok(entry) => Ok(entry),
        // Something on the way is a file: nothing can lie below it.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, why: &io::Error) -> BadPath {
    BadPath::Unreadable { path: path.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    fn scratch() -> (tempfile::TempDir, CleanRoots) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("clean/a/b")).unwrap();
        fs::create_dir_all(folder.path().join("victim/b")).unwrap();
        fs::write(folder.path().join("clean/a/one.log"), "1").unwrap();
        fs::write(folder.path().join("clean/a/둘.log"), "2").unwrap();
        fs::write(folder.path().join("clean/a/.hidden.log"), "3").unwrap();
        symlink(folder.path().join("victim"), folder.path().join("clean/link")).unwrap();
        symlink("one.log", folder.path().join("clean/a/alias.log")).unwrap();
        let roots = CleanRoots::new(&[folder.path().join("clean")], &Files::Real);
        (folder, roots)
    }

    #[test]
    fn only_what_is_really_below_a_root_passes() {
        let (folder, roots) = scratch();
        let check =
            |rest: &str| roots.check(&format!("{}/{rest}", folder.path().display()), &Files::Real);
        assert!(check("clean").is_ok());
        assert!(check("clean/a//b/").is_ok());
        assert!(check("clean/not/there").unwrap().entry.is_none());
        assert!(matches!(check("clean/link"), Err(BadPath::Link(_))));
        assert!(matches!(check("clean/link/b"), Err(BadPath::Link(_))));
        assert!(matches!(check("clean/../victim"), Err(BadPath::Dots(_))));
        assert!(matches!(check("clean/./a"), Err(BadPath::Dots(_))));
        assert!(matches!(check("clean2"), Err(BadPath::Outside { .. })));
        assert!(matches!(check("victim"), Err(BadPath::Outside { .. })));
        assert!(matches!(roots.check("tmp", &Files::Real), Err(BadPath::Relative(_))));
    }

    #[test]
    fn globs_stand_for_visible_names_that_are_no_links() {
        let (folder, roots) = scratch();
        let expand = |rest: &str| {
            let glob = format!("{}/{rest}", folder.path().display());
            let paths = roots.expand(&glob, &Files::Real)?;
            let name =
                |path: &CleanPath| path.written.file_name().unwrap().to_string_lossy().into_owned();
            Ok::<Vec<String>, BadPath>(paths.iter().map(name).collect())
        };
        assert_eq!(expand("clean/a/*.log").unwrap(), ["one.log", "둘.log"]);
        assert_eq!(expand("clean/*/?.log").unwrap(), ["둘.log"]);
        assert_eq!(expand("clean/a/.h*").unwrap(), [".hidden.log"]);
        assert!(matches!(expand("clean/*.none"), Err(BadPath::NoMatch(_))));
        assert!(matches!(expand("clean/*/../x"), Err(BadPath::Dots(_))));
        assert!(matches!(expand("vic*"), Err(BadPath::Outside { .. })));
        assert!(matches!(expand("clean/link/*"), Err(BadPath::Link(_))));
        assert!(matches!(roots.expand("*", &Files::Real), Err(BadPath::Relative(_))));
    }

    #[test]
    fn a_glob_over_too_many_paths_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..=GLOB_MATCHES_MAX {
            fs::write(folder.path().join(format!("{n}.x")), "").unwrap();
        }
        let roots = CleanRoots::new(&[folder.path().to_owned()], &Files::Real);
        let glob = format!("{}/*.x", folder.path().display());
        assert!(matches!(roots.expand(&glob, &Files::Real), Err(BadPath::TooManyMatches(_))));
        fs::remove_file(folder.path().join("0.x")).unwrap();
        assert_eq!(roots.expand(&glob, &Files::Real).unwrap().len(), GLOB_MATCHES_MAX);
    }

    #[test]
    fn folders_of_the_system_are_never_roots() {
        let folder = tempfile::tempdir().unwrap();
        let to_etc = folder.path().join("to-etc");
        symlink("/etc", &to_etc).unwrap();
        for root in [
            "/",
            "/etc",
            "/etc/nginx",
            "/usr/bin/x",
            "/home",
            "/home/kim",
            "/root",
            "/proc/1",
            "/var",
            "tmp",
            "/tmp/..",
        ] {
            let roots = CleanRoots::new(&[PathBuf::from(root)], &Files::Real);
            assert_eq!(roots.unusable().len(), 1, "{root}");
        }
        assert_eq!(CleanRoots::new(&[to_etc], &Files::Real).unusable().len(), 1);
        let fine = ["/home/kim/cache", "/var/log", "/opt/app/tmp"].map(PathBuf::from);
        assert!(CleanRoots::new(&fine, &Files::Real).unusable().is_empty());
    }

    #[test]
    fn a_root_that_is_swapped_for_a_link_is_no_root_any_more() {
        let (folder, roots) = scratch();
        let clean = folder.path().join("clean");
        fs::rename(&clean, folder.path().join("old")).unwrap();
        symlink(folder.path().join("victim"), &clean).unwrap();
        let text = clean.join("b");
        assert!(matches!(
            roots.check(text.to_str().unwrap(), &Files::Real),
            Err(BadPath::Moved(_))
        ));
    }

    proptest! {
        #[test]
        fn whatever_passes_is_lexically_below_a_root(text in "(/|\\.|\\.\\.|tmp|etc|a|\\PC){0,12}") {
            let roots = CleanRoots::new(&[PathBuf::from("/tmp")], &Files::Fixed([
                (PathBuf::from("/tmp"), Entry::of_root(Kind::Folder)),
            ].into()));
            if let Ok(path) = roots.check(&text, &Files::Fixed([
                (PathBuf::from("/tmp"), Entry::of_root(Kind::Folder)),
            ].into())) {
                prop_assert!(path.real.starts_with("/tmp"));
                prop_assert!(!path.real.components().any(|part| part == Component::ParentDir));
            }
        }
    }
}
