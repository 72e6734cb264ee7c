//! How the gate looks at the file system: without following a last symbolic link, and without
//! changing anything.
//!
//! [`Files::Fixed`] is a table in place of the machine's files, so that a test of the grammar says
//! the same on every machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// The largest number of names of one folder that is read to expand a glob.
pub const NAMES_MAX: usize = 100_000;

/// Where the gate looks.
#[derive(Clone, Debug)]
pub enum Files {
    /// At this machine.
    Real,
    /// At a table of paths; what is not in it does not exist.
    Fixed(BTreeMap<PathBuf, Entry>),
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The number of the user who owns it.
    pub owner: u32,
    /// Its permission bits.
    pub mode: u32,
}

/// What kind of thing lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, and where it leads.
    Link(PathBuf),
    /// A device, socket or pipe.
    Other,
}

impl Entry {
    /// Something that root owns and nobody else may write.
    #[must_use]
    pub fn of_root(kind: Kind) -> Self {
        Self { kind, owner: 0, mode: 0o755 }
    }

    /// Whether its group or everybody may write it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.mode & 0o022 != 0
    }
}

impl Files {
    /// What lies at a path, a last symbolic link not followed; none: nothing does.
    ///
    /// # Errors
    /// When nobody can say.
    pub fn look(&self, path: &Path) -> io::Result<Option<Entry>> {
        let Self::Fixed(table) = self else {
            return match std::fs::symlink_metadata(path) {
                Ok(about) => Ok(Some(Entry {
                    kind: kind_of(path, &about)?,
                    owner: about.uid(),
                    mode: about.mode() & 0o7777,
                })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        };
        Ok(table.get(path).cloned())
    }

    /// The path without symbolic links.
    ///
    /// # Errors
    /// When something of it does not exist or cannot be read.
    pub fn canonical(&self, path: &Path) -> io::Result<PathBuf> {
        let Self::Fixed(table) = self else {
            return std::fs::canonicalize(path);
        };
        let mut real = PathBuf::from("/");
        for component in path.components() {
            let Component::Normal(name) = component else {
                continue;
            };
            real.push(name);
            match table.get(&real).map(|entry| &entry.kind) {
                Some(Kind::Link(target)) => real = target.clone(),
                Some(Kind::File | Kind::Folder | Kind::Other) => {}
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        Ok(real)
    }

    /// The names in a folder, in no order.
    ///
    /// # Errors
    /// When it cannot be read, or holds more than [`NAMES_MAX`].
    pub fn names(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        match self {
            Self::Real => {
                for entry in std::fs::read_dir(folder)?.take(NAMES_MAX + 1) {
                    names.push(entry?.file_name());
                }
            }
            Self::Fixed(table) => {
                let inside = table.keys().filter(|path| path.parent() == Some(folder));
                names.extend(inside.filter_map(|path| path.file_name()).map(OsString::from));
            }
        }
        if names.len() > NAMES_MAX {
            return Err(io::Error::other("more names in one folder than are read"));
        }
        Ok(names)
    }
}

fn kind_of(path: &Path, about: &std::fs::Metadata) -> io::Result<Kind> {
    let kind = about.file_type();
    Ok(if kind.is_symlink() {
        Kind::Link(std::fs::read_link(path)?)
    } else if kind.is_dir() {
        Kind::Folder
    } else if kind.is_file() {
        Kind::File
    } else {
        Kind::Other
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_too_many_names_is_not_read() {
        let path = |n: usize| (PathBuf::from(format!("/tmp/{n}")), Entry::of_root(Kind::File));
        let mut table: BTreeMap<_, _> = (0..NAMES_MAX).map(path).collect();
        assert_eq!(Files::Fixed(table.clone()).names(Path::new("/tmp")).unwrap().len(), NAMES_MAX);
        table.extend([path(NAMES_MAX)]);
        assert!(Files::Fixed(table).names(Path::new("/tmp")).is_err());
    }
}
