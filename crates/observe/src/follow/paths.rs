//! Which files there are: patterns of paths, and what they match now.
//!
//! A pattern is an absolute path whose parts may hold `*`, `?`, `[…]` and `{…}`; a part `**` stands
//! for any number of folders.  Compressed history is left alone.
//!
//! **Invariant:** a look goes through at most [`NAMES_MAX`] names and [`FOLDERS_MAX`] folders,
//! whatever there is.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use globset::{GlobBuilder, GlobMatcher};

/// How many names one look goes through.
pub const NAMES_MAX: usize = 300_000;

/// How many folders one look goes into.
pub const FOLDERS_MAX: usize = 2_000;

/// How many folders deep `**` goes.
pub const DEPTH_MAX: usize = 8;

/// What the names of compressed files end with.
const COMPRESSED: [&str; 9] = ["gz", "bz2", "xz", "zst", "lz4", "lzma", "zip", "Z", "br"];

/// A pattern that is none.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// It does not say where the files are.
    #[error("the path {0:?} is not absolute; write the whole path, such as /var/log/nginx/*.log")]
    Relative(String),
    /// Its marks do not fit together.
    #[error("the path {0:?} is no pattern; close each `[` and `{{`")]
    Malformed(String, #[source] globset::Error),
}

/// Which file of a file system: it keeps this when it is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(metadata: &fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// One part of a pattern.
#[derive(Clone, Debug)]
enum Part {
    Name(OsString),
    Like(GlobMatcher),
    AnyFolders,
}

/// A path that may stand for several files.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Part>);

/// A file that was found.
#[derive(Clone, Debug)]
pub(crate) struct FoundFile {
    pub(crate) path: PathBuf,
    /// Which of the patterns it matches, the first one.
    pub(crate) pattern: usize,
    pub(crate) id: FileId,
    pub(crate) modified: SystemTime,
}

/// What a look found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<FoundFile>,
    /// The folders in which files may appear.
    pub(crate) folders: Vec<PathBuf>,
    /// What could not be looked at, and why.
    pub(crate) troubles: Vec<(PathBuf, io::Error)>,
    n_names: usize,
    /// Whether there is more than a look goes through.
    pub(crate) is_cut: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is not absolute, or its marks do not fit together.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(PatternError::Relative(text.to_owned()));
        }
        let mut parts = Vec::new();
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            let shown = name.to_string_lossy();
            parts.push(if shown == "**" {
                Part::AnyFolders
            } else if shown.contains(['*', '?', '[', '{']) {
                let glob = GlobBuilder::new(&shown).literal_separator(true).build();
                let glob = glob.map_err(|error| PatternError::Malformed(text.to_owned(), error))?;
                Part::Like(glob.compile_matcher())
            } else {
                Part::Name(name.to_owned())
            });
        }
        Ok(Self(parts))
    }

    /// Whether a path is one of those that it stands for.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let names: Vec<&OsStr> = path
            .components()
            .filter_map(|component| match component {
                Component::Normal(name) => Some(name),
                _ => None,
            })
            .collect();
        matches(&self.0, &names)
    }
}

fn matches(parts: &[Part], names: &[&OsStr]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((Part::AnyFolders, rest)), _) => {
            (0..=names.len()).any(|n| matches(rest, names.get(n..).unwrap_or_default()))
        }
        (Some((Part::Name(wanted), parts)), Some((name, names))) => {
            wanted == name && matches(parts, names)
        }
        (Some((Part::Like(glob), parts)), Some((name, names))) => {
            glob.is_match(name) && matches(parts, names)
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What the patterns match, but for what `exclude` matches.
pub(crate) fn look(patterns: &[Pattern], exclude: &[Pattern]) -> Found {
    let mut found = Found::default();
    for (n, pattern) in patterns.iter().enumerate() {
        walk(PathBuf::from("/"), &pattern.0, n, 0, &mut found);
    }
    found.files.retain(|file| !exclude.iter().any(|pattern| pattern.matches(&file.path)));
    // The same file may match twice, also under two names.
    found.files.sort_by_key(|file| (file.id, file.pattern));
    found.files.dedup_by_key(|file| file.id);
    found.folders.sort();
    found.folders.dedup();
    found
}

fn walk(folder: PathBuf, parts: &[Part], pattern: usize, depth: usize, found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else { return };
    match part {
        Part::Name(name) => {
            let path = folder.join(name);
            if rest.is_empty() {
                found.folders.push(folder);
                note(path, pattern, found);
            } else {
                walk(path, rest, pattern, depth, found);
            }
        }
        Part::Like(glob) => {
            for name in names(&folder, found) {
                let hidden = name.as_encoded_bytes().first() == Some(&b'.');
                let wants_hidden = glob.glob().glob().starts_with('.');
                if hidden && !wants_hidden || !glob.is_match(&name) {
                    continue;
                }
                let path = folder.join(&name);
                if !rest.is_empty() {
                    walk(path, rest, pattern, depth, found);
                } else if !is_compressed(&name) {
                    note(path, pattern, found);
                }
            }
            if rest.is_empty() {
                found.folders.push(folder);
            }
        }
        Part::AnyFolders => {
            walk(folder.clone(), rest, pattern, depth, found);
            if depth < DEPTH_MAX {
                for name in names(&folder, found) {
                    let path = folder.join(name);
                    // A link to a folder above would be a circle.
                    if path.symlink_metadata().is_ok_and(|about| about.is_dir()) {
                        walk(path, parts, pattern, depth + 1, found);
                    }
                }
            }
        }
    }
}

/// The names in a folder; none where there is no such folder yet.
fn names(folder: &Path, found: &mut Found) -> Vec<OsString> {
    if found.folders.len() >= FOLDERS_MAX {
        found.is_cut = true;
        return Vec::new();
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            // A link or a file in the place of a folder is not one.
            let is_none =
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
            if !is_none {
                found.troubles.push((folder.to_owned(), error));
            }
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for entry in entries {
        if found.n_names >= NAMES_MAX {
            found.is_cut = true;
            break;
        }
        found.n_names += 1;
        match entry {
            Ok(entry) => names.push(entry.file_name()),
            Err(error) => {
                found.troubles.push((folder.to_owned(), error));
                break;
            }
        }
    }
    names
}

/// Whether a file is compressed history, by its name.
pub(crate) fn is_compressed(name: &OsStr) -> bool {
    let ending = Path::new(name).extension();
    ending.is_some_and(|ending| COMPRESSED.iter().any(|known| ending == *known))
}

/// Notes a file where it is one.
fn note(path: PathBuf, pattern: usize, found: &mut Found) {
    match fs::metadata(&path) {
        Ok(about) if about.is_file() => {
            let modified = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.files.push(FoundFile { id: FileId::of(&about), path, pattern, modified });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => found.troubles.push((path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(folder: &Path, wanted: &str, exclude: &[&str]) -> Vec<String> {
        let pattern = |text: &&str| Pattern::new(&format!("{}/{text}", folder.display())).unwrap();
        let exclude: Vec<Pattern> = exclude.iter().map(pattern).collect();
        let found = look(&[pattern(&wanted)], &exclude);
        assert!(found.troubles.is_empty(), "{:?}", found.troubles);
        let name = |file: &FoundFile| file.path.strip_prefix(folder).unwrap().display().to_string();
        let mut names: Vec<String> = found.files.iter().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn patterns_find_files_and_leave_compressed_history_alone() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a.log", "b.log", "a.log.1", "a.log.2.gz", ".hidden.log", "deep/er/c.log"];
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("deep/circle")).unwrap();
        let found = |wanted, exclude: &[&str]| super::tests::found(folder.path(), wanted, exclude);
        assert_eq!(found("*.log", &[]), ["a.log", "b.log"]);
        assert_eq!(found("a.log*", &[]), ["a.log", "a.log.1"]);
        assert_eq!(found("**/*.log", &[]), ["a.log", "b.log", "deep/er/c.log"]);
        assert_eq!(found("{a,b}.log", &["b.*"]), ["a.log"]);
        assert_eq!(found("deep/*/c.log", &[]), ["deep/er/c.log"]);
        assert_eq!(found("없다/*.log", &[]), Vec::<String>::new());
        assert_eq!(found("deep", &[]), Vec::<String>::new(), "a folder is no file");
        assert_eq!(found(".h*", &[]), [".hidden.log"]);
    }

    #[test]
    fn a_pattern_that_is_none_says_so() {
        assert!(matches!(Pattern::new("logs/*.log"), Err(PatternError::Relative(_))));
        assert!(matches!(Pattern::new("/logs/[a"), Err(PatternError::Malformed(..))));
        assert!(Pattern::new("/var/**/x?.log").unwrap().matches(Path::new("/var/a/b/x1.log")));
        assert!(!Pattern::new("/var/*/x.log").unwrap().matches(Path::new("/var/a/b/x.log")));
    }
}
