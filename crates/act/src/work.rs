//! What an admitted action consists of, ready to be carried out.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nightcrew_model::id::ServiceName;
use rustix::fs::{AtFlags, FileType};

use crate::check_logs::Count;
use crate::compose::ComposeService;
use crate::container::{Container, Task};
use crate::environment::Environment;
use crate::files::Files;
use crate::grammar::SandboxProfile;
use crate::memory::{Raise, Whose};
use crate::question::Question;
use crate::reload::Telling;
use crate::request::Call;
use crate::restart::Restart;
use crate::roots::CleanPath;
use crate::rotate::Rotation;
use crate::run::Prepared;
use crate::sandbox::{self, NotConfined};
use crate::spawn::{PinError, pin};
use crate::sweep::Sweep;
use crate::values::logrotate_config;

/// One of the kinds of work that exist.
#[derive(Debug)]
pub(crate) enum Work {
    /// Removing files.
    Sweep(Sweep),
    /// Stopping and starting a process.
    Restart(Box<Restart>, Environment),
    /// Running a program.
    Run(Program),
    /// Asking something of a container.
    Container(Container, Task),
    /// Restarting the containers of a service of Compose, with the patience for each.
    Compose(ComposeService, Duration),
    /// Sending a signal to a service's process.
    Tell(Telling),
    /// Sending an HTTP request.
    Request(Call),
    /// Moving a log file aside.
    Rotate(Rotation),
    /// Counting lines of logs.
    Logs(Count),
    /// Looking at what was seen last.
    Question(ServiceName, Question),
    /// Looking how much memory is in use.
    Memory(Whose),
    /// Raising a memory limit.
    Raise(Raise),
    /// Waiting.
    Wait(Duration),
}

/// A program to run, with what must still be as it was when the gate looked.
#[derive(Debug)]
pub(crate) struct Program {
    /// Every word, the program first.
    pub(crate) argv: Vec<String>,
    /// The starting points that it only reads.
    pub(crate) starts: Vec<CleanPath>,
    /// The files that it changes; they lie in one folder.
    pub(crate) files: Vec<CleanPath>,
    /// The configurations that it reads.
    pub(crate) configs: Vec<String>,
    /// What it may do beside reading.
    pub(crate) sandbox: SandboxProfile,
    pub(crate) environment: Environment,
}

/// Why a program that was admitted is not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    #[error(transparent)]
    Pin(#[from] PinError),
    #[error("sandbox: {0}")]
    NotConfined(#[from] NotConfined),
    #[error("{path} is no longer what the gate saw: {why}")]
    Changed { path: String, why: String },
}

impl Program {
    /// Looks at everything again and prepares the process.
    ///
    /// A program that changes files runs *in* their folder, which was opened without following a
    /// link, and is given their bare names: no path is resolved after this look.
    pub(crate) fn prepare(&self) -> Result<Prepared, NotReady> {
        let program = self.argv.first().map_or("", String::as_str);
        let (mut command, mut confinement) =
            sandbox::command(&pin(program)?, &self.environment, &self.sandbox)?;
        for config in &self.configs {
            logrotate_config(config, &Files::Real).map_err(|why| changed(config, why))?;
        }
        for start in &self.starts {
            look(start).map_err(|why| changed(&start.real.display().to_string(), why))?;
        }
        let mut files = self.files.iter();
        let mut folder: Option<OwnedFd> = None;
        for word in self.argv.iter().skip(1) {
            if self.files.is_empty() || word.starts_with('-') {
                command.arg(word);
                continue;
            }
            let Some(file) = files.next() else {
                return Err(changed(word, "it is not among the files that were judged"));
            };
            let (open, name) = in_folder(folder, file).map_err(|why| changed(word, why))?;
            command.arg(Path::new(".").join(name));
            folder = Some(open);
        }
        if let Some(folder) = &folder {
            if !cfg!(target_os = "linux") {
                return Err(changed(program, "files can be changed safely on Linux only"));
            }
            command.current_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()));
            if let Some(confinement) = &mut confinement {
                confinement.grant_folder();
            }
        }
        Ok(Prepared { command, folder, confinement })
    }
}

fn changed(path: &str, why: impl Display) -> NotReady {
    NotReady::Changed { path: path.to_owned(), why: why.to_string() }
}

/// Finds a regular file in the folder that is open, which is opened for the first one.
fn in_folder(open: Option<OwnedFd>, file: &CleanPath) -> io::Result<(OwnedFd, &OsStr)> {
    let name = file.real.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match open {
        Some(folder) => folder,
        None => file.open_parent()?.ok_or(io::ErrorKind::InvalidInput)?.0,
    };
    let about = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(about.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("not a regular file"));
    }
    Ok((folder, name))
}

/// Whether a path can still be reached without links.
fn look(path: &CleanPath) -> io::Result<()> {
    let (folder, name) = path.open_parent()?.ok_or(io::ErrorKind::InvalidInput)?;
    let about = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(about.st_mode) {
        FileType::Symlink => Err(io::Error::other("a symbolic link")),
        FileType::RegularFile
        | FileType::Directory
        | FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Ok(()),
    }
}
