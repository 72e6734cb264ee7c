//! The one place where a program is looked up and a process is prepared.
//!
//! Every process starts without a shell, in a process group of its own, with an empty standard
//! input and an environment of `PATH`, `HOME`, `LANG` and `TZ`.  So neither `LD_PRELOAD` nor
//! `GIT_SSH_COMMAND` nor `PAGER` reaches it.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::environment::{Environment, LANG};
use crate::programs::PROGRAM_FOLDERS;
use crate::sandbox::Launcher;
use crate::sandbox::order::Target;

/// A program file that was looked at just now.
#[derive(Clone, Debug)]
pub(crate) struct Pinned {
    /// Its path without symbolic links.
    path: PathBuf,
    /// How it was called: programs of several names look at it.
    called: String,
    device: u64,
    inode: u64,
}

impl Pinned {
    /// The very file, for a launcher.
    pub(crate) fn target(&self) -> Target {
        Target {
            path: self.path.clone(),
            device: self.device,
            inode: self.inode,
            called: self.called.clone(),
        }
    }
}

/// Why there is no program to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PinError {
    /// In no folder.
    #[error("{0} is not installed in any of {folders}", folders = PROGRAM_FOLDERS.join(":"))]
    NotFound(String),
    /// It has a relative folder in it.
    #[error("{0} is neither a bare name nor an absolute path")]
    Relative(String),
    /// It cannot be looked at.
    #[error("{} cannot be looked at: {why}", path.display())]
    Unreadable { path: PathBuf, why: io::Error },
    /// It is a folder, or may not be executed.
    #[error("{} is not an executable file", .0.display())]
    NotExecutable(PathBuf),
    /// Everybody may replace it.
    #[error("everybody may write {}; take that right away (chmod o-w) before it is started", .0.display())]
    Writable(PathBuf),
}

const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;
const EXECUTABLE: u32 = 0o111;

/// Finds the file of a program: a bare name in the fixed folders, an absolute path as it is.
pub(crate) fn pin(program: &str) -> Result<Pinned, PinError> {
    let file = if program.starts_with('/') {
        PathBuf::from(program)
    } else if program.contains('/') {
        return Err(PinError::Relative(program.to_owned()));
    } else {
        PROGRAM_FOLDERS
            .iter()
            .map(|folder| Path::new(folder).join(program))
            .find(|file| file.is_file())
            .ok_or_else(|| PinError::NotFound(program.to_owned()))?
    };
    let unreadable = |why| PinError::Unreadable { path: file.clone(), why };
    let path = std::fs::canonicalize(&file).map_err(unreadable)?;
    let about = std::fs::metadata(&path).map_err(unreadable)?;
    let mode = about.permissions().mode();
    if !about.is_file() || mode & EXECUTABLE == 0 {
        return Err(PinError::NotExecutable(path));
    }
    if mode & WRITABLE_BY_ALL != 0 {
        return Err(PinError::Writable(path));
    }
    if let Some(folder) = path.parent() {
        let mode = std::fs::metadata(folder).map_err(unreadable)?.permissions().mode();
        if mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0 {
            return Err(PinError::Writable(folder.to_owned()));
        }
    }
    let (device, inode) = (about.dev(), about.ino());
    Ok(Pinned { path, called: program.to_owned(), device, inode })
}

/// A process that is not yet started: arguments, folder and output are the caller's.
pub(crate) fn command(pinned: &Pinned, environment: &Environment) -> Command {
    let mut command = bare(&pinned.path, environment);
    command.arg0(&pinned.called).stdin(Stdio::null()).process_group(0);
    command
}

/// A launcher that is not yet started: the program's arguments, folder and output are the caller's.
/// It makes its own group or session, which only a process can that leads no group yet.
pub(crate) fn launcher(launcher: &Launcher, environment: &Environment) -> Command {
    let mut command = bare(&launcher.path, environment);
    command.arg0("nightcrew").args(&launcher.words);
    command
}

fn bare(path: &Path, environment: &Environment) -> Command {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where a process begins")]
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", PROGRAM_FOLDERS.join(":"))
        .env("HOME", &environment.home)
        .env("LANG", LANG)
        .current_dir("/");
    if let Some(tz) = &environment.tz {
        command.env("TZ", tz);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_that_everybody_may_replace_is_not_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("프로그램");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        let text = file.to_str().unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&file, 0o644);
        assert!(matches!(pin(text), Err(PinError::NotExecutable(_))));
        mode(&file, 0o757);
        assert!(matches!(pin(text), Err(PinError::Writable(_))));
        mode(&file, 0o755);
        assert!(pin(text).is_ok());
        mode(folder.path(), 0o777);
        assert!(matches!(pin(text), Err(PinError::Writable(_))));
        mode(folder.path(), 0o1777);
        assert!(pin(text).is_ok());
    }

    #[test]
    fn programs_are_found_by_bare_name_or_absolute_path_only() {
        assert!(pin("sh").is_ok());
        assert!(matches!(pin("no-such-program-here"), Err(PinError::NotFound(_))));
        assert!(matches!(pin("bin/sh"), Err(PinError::Relative(_))));
        assert!(matches!(pin("../bin/sh"), Err(PinError::Relative(_))));
        assert!(matches!(pin("/no/such"), Err(PinError::Unreadable { .. })));
    }
}
