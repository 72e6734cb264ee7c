//! Keeping a program that the gate admitted to what its grammar grants.
//!
//! Nothing may run between fork and exec without `unsafe`, so a **launcher** stands between the
//! crew and the program: the crew's own binary, started as `nightcrew sandbox-exec ARGUMENT…`
//! ([`launch::serve`]).  It reads an order from a socket that is its standard input, applies every layer to
//! itself, says over the same socket how that went, and becomes the program.
//!
//! ```text
//! crew ── order ──► launcher: session, limits, Landlock, privileges, seccomp ── exec ──► program
//!      ◄─ report ──           (the socket closes at the exec)
//! ```
//!
//! **Invariant:** a program starts only after the launcher has said which layers hold; where the
//! policy is `required` and one does not, it does not start.
//!
//! Deliberately not here: hiding files.  A program may read what its user may read.

mod capability;
mod cgroup;
pub mod launch;
pub mod layer;
mod limits;
pub(crate) mod order;
pub mod probe;
mod reach;
mod scratch;
mod start;
mod syscalls;

use std::io;
use std::path::{Path, PathBuf};

use nightcrew_config::settings::SandboxPolicy;

pub(crate) use cgroup::Bound;
pub(crate) use start::{Confinement, Held, NotConfined, command};

/// The word after the program's name that makes the binary a launcher.
pub const LAUNCHER_WORD: &str = "sandbox-exec";

/// The folder below the data folder in which the private folders of programs are made.
pub(crate) const SCRATCH_FOLDER: &str = "scratch";

/// Who becomes the program: a binary whose `main` begins with [`launch::serve`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// Its file.
    pub path: PathBuf,
    /// What stands before the program's own arguments.
    pub words: Vec<String>,
}

impl Launcher {
    /// The binary that is running, also when its file was replaced meanwhile; none: its `main` did
    /// not ask [`launch::serve`], so it cannot be one (the tests of a room).
    #[must_use]
    pub fn myself() -> Option<Self> {
        launch::is_launcher().then(|| Self::of("/proc/self/exe"))
    }

    /// Another binary that knows [`LAUNCHER_WORD`].
    #[must_use]
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), words: vec![LAUNCHER_WORD.to_owned()] }
    }
}

/// How programs are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// What happens where a layer is missing.
    pub policy: SandboxPolicy,
    /// Who applies the layers; none: nobody can, which counts as every layer missing.
    pub launcher: Option<Launcher>,
    /// Where the private folders of programs are made.
    pub scratch: PathBuf,
}

impl Sandbox {
    /// No sandbox: programs run as the crew does.
    #[must_use]
    pub fn off() -> Self {
        Self { policy: SandboxPolicy::Off, launcher: None, scratch: PathBuf::new() }
    }
}

/// Removes the private folders that a killed crew left below its data folder; to be called before
/// the first program starts.
///
/// # Errors
/// When one cannot be removed.
pub fn clear(data_dir: &Path) -> io::Result<()> {
    scratch::clear(&data_dir.join(SCRATCH_FOLDER))
}
