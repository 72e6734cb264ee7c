//! What is measured, with which peers, and where.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Where Debian puts the peers.
const PEER_FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Variables that would change what Nightcrew does.
const VARIABLES: [&str; 4] =
    ["NIGHTCREW_CONFIG", "NIGHTCREW_DATA", "NIGHTCREW_URL", "NIGHTCREW_LOG"];

/// The short name of a peer in tables.
pub(crate) const ALERTMANAGER: &str = "Alertmanager";

/// Another program, as it is installed here.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) path: PathBuf,
    /// The first line of what it says of its version.
    pub(crate) version: String,
}

/// Everything that a section needs to know.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The program that is measured.
    pub(crate) nightcrew: Installed,
    pub(crate) alertmanager: Option<Installed>,
    pub(crate) monit: Option<Installed>,
    /// A Python that has drain3.
    pub(crate) drain3: Option<Installed>,
    /// The rounds of `crash_rounds`.
    pub(crate) crash_rounds: u32,
    folder: tempfile::TempDir,
}

impl Setting {
    /// Looks for the programs, and makes a folder below `folder` that is removed at the end.
    pub(crate) fn new(
        nightcrew: PathBuf,
        folder: &Path,
        crash_rounds: u32,
    ) -> anyhow::Result<Self> {
        ensure!(
            nightcrew.is_file(),
            "there is no program {}; build it with `cargo build --release -p nightcrew`",
            nightcrew.display()
        );
        let folder = tempfile::Builder::new()
            .prefix("nightcrew-bench-")
            .tempdir_in(folder)
            .with_context(|| format!("making a folder in {}", folder.display()))?;
        Ok(Self {
            nightcrew: Installed { version: version(&nightcrew, "--version"), path: nightcrew },
            alertmanager: peer("prometheus-alertmanager", "--version"),
            monit: peer("monit", "-V"),
            drain3: None,
            crash_rounds,
            folder,
        })
    }

    /// Looks for drain3 in a Python; without one: in that of the system.
    pub(crate) fn with_python(self, python: Option<PathBuf>) -> Self {
        let python = python.or_else(|| peer("python3", "--version").map(|found| found.path));
        Self { drain3: python.and_then(|python| drain3(&python)), ..self }
    }

    /// The folder below which everything is written.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a new folder.
    pub(crate) fn fresh(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{name}-"))
            .tempdir_in(self.folder())
            .with_context(|| format!("making a folder for {name}"))?;
        Ok(folder.keep())
    }
}

/// A program that is about to be started, free of variables that would change what it does.
#[expect(clippy::disallowed_methods, reason = "this is the one place where a benchmark starts one")]
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
}

/// A peer, where it is installed.
pub(crate) fn peer(name: &str, version_flag: &str) -> Option<Installed> {
    let mut paths = PEER_FOLDERS.iter().map(|folder| Path::new(folder).join(name));
    let path = paths.find(|path| path.is_file())?;
    Some(Installed { version: version(&path, version_flag), path })
}

/// The drain3 of a Python.
fn drain3(python: &Path) -> Option<Installed> {
    const VERSION: &str =
        "import drain3, importlib.metadata as about; print('drain3 ' + about.version('drain3'))";
    let output = command(python).args(["-c", VERSION]).output().ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then(|| Installed { path: python.to_owned(), version })
}

fn version(program: &Path, flag: &str) -> String {
    let Ok(output) = command(program).arg(flag).output() else {
        return "of unknown version".to_owned();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or("of unknown version");
    // Alertmanager goes on with the branch and revision of its build.
    first.split(" (").next().unwrap_or(first).to_owned()
}

/// A port of the loopback address that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_with_its_remedy() {
        let error = Setting::new("/no/such".into(), &std::env::temp_dir(), 1).unwrap_err();
        assert!(error.to_string().contains("cargo build --release"), "{error}");
    }

    #[test]
    fn the_folder_is_gone_with_its_setting() {
        let setting = Setting::new("/bin/true".into(), &std::env::temp_dir(), 1).unwrap();
        let fresh = setting.fresh("밤").unwrap();
        assert!(fresh.is_dir());
        drop(setting);
        assert!(!fresh.exists());
    }
}
