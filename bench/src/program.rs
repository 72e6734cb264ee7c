//! Programs under measurement: started here, ended here.
//!
//! **Invariant:** whatever is dropped is killed and collected first.  Only children of this process
//! are signalled.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::http::Connection;
use crate::setting::{Installed, command, free_address};
use crate::stopwatch::{Stopwatch, pause, wait_for};

/// How long a server may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(30);

/// How often is asked whether a server is ready, and whether a program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long a program gets to end by itself.
const STOP_MAX: Duration = Duration::from_secs(15);

/// How much of the end of a log is shown with an error, in characters.
const LOG_TAIL_CHARS: usize = 2_000;

/// A running program.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program in a folder; what it prints goes to the file `log` there.
    pub(crate) fn start(mut command: Command, folder: &Path) -> anyhow::Result<Self> {
        let log = folder.join("log");
        let out = File::options().create(true).append(true).open(&log);
        let out = out.with_context(|| format!("opening {}", log.display()))?;
        let errors = out.try_clone().context("opening the log twice")?;
        command.current_dir(folder).stdin(Stdio::null()).stdout(out).stderr(errors);
        let what = command.get_program().to_owned();
        let child = command.spawn().with_context(|| format!("starting {}", what.display()))?;
        Ok(Self { child, log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error when the program has ended, with the end of its log.
    pub(crate) fn must_run(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait().context("looking at a child")? {
            None => Ok(()),
            Some(status) => bail!("it ended ({status}); the end of its log:\n{}", self.log_tail()),
        }
    }

    fn log_tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let skipped = text.chars().count().saturating_sub(LOG_TAIL_CHARS);
        text.chars().skip(skipped).collect()
    }

    /// Asks it to end, and waits for it.
    pub(crate) fn stop(mut self) -> anyhow::Result<ExitStatus> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("sending SIGTERM")?;
        wait_for("the end of a program after SIGTERM", STOP_MAX, LOOK_EVERY, || {
            self.child.try_wait().context("looking at a child")
        })
    }

    /// Kills it (SIGKILL), and waits for it.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().context("sending SIGKILL")?;
        self.child.wait().context("waiting for a killed child")?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that serves HTTP.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    /// How long it took from its start until it answered anything, in milliseconds.
    pub(crate) answer_ms: f64,
    /// How long it took from its start until it said that it is ready, in milliseconds.
    pub(crate) ready_ms: f64,
}

/// An Alertmanager that tells nobody.  Its groups are what the incidents of Nightcrew are: one for
/// each name of an alert.
const ALERTMANAGER_CONFIG: &str = "\
route: { receiver: nobody, group_by: [alertname] }
receivers: [{ name: nobody }]
";

impl Server {
    /// `nightcrew up` with its data in a folder; without a configuration: the defaults.
    pub(crate) fn nightcrew(
        nightcrew: &Installed,
        folder: &Path,
        config: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut up = command(&nightcrew.path);
        up.args(["up", "--listen", &address.to_string(), "--data"]).arg(folder.join("data"));
        if let Some(config) = config {
            up.arg("--config").arg(config);
        }
        Self::start(up, folder, address, "/readyz").context("nightcrew up")
    }

    /// An Alertmanager without a cluster that tells nobody, with its data in a folder.
    pub(crate) fn alertmanager(alertmanager: &Installed, folder: &Path) -> anyhow::Result<Self> {
        Self::alertmanager_with(alertmanager, folder, ALERTMANAGER_CONFIG)
    }

    /// An Alertmanager without a cluster, with its data in a folder.
    pub(crate) fn alertmanager_with(
        alertmanager: &Installed,
        folder: &Path,
        text: &str,
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let config = folder.join("alertmanager.yml");
        fs::write(&config, text).context("writing a configuration")?;
        let mut serve = command(&alertmanager.path);
        serve
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            // Empty: otherwise it talks to other machines.
            .arg("--cluster.listen-address=");
        Self::start(serve, folder, address, "/-/ready").context("the Alertmanager")
    }

    fn start(
        command: Command,
        folder: &Path,
        address: SocketAddr,
        ready_path: &str,
    ) -> anyhow::Result<Self> {
        let watch = Stopwatch::start();
        let mut program = Program::start(command, folder)?;
        let mut answer_ms = None;
        loop {
            let answer = Connection::open(address).and_then(|mut opened| opened.get(ready_path));
            if let Ok(answer) = answer {
                let answer_ms = *answer_ms.get_or_insert_with(|| watch.ms());
                if answer.status == 200 {
                    return Ok(Self { answer_ms, ready_ms: watch.ms(), program, address });
                }
            }
            program.must_run()?;
            if watch.elapsed() > READY_MAX {
                let tail = program.log_tail();
                bail!("not ready within {} s; the end of its log:\n{tail}", READY_MAX.as_secs());
            }
            pause(LOOK_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_ends_at_once_is_told_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(Path::new("/bin/sh"));
        command.args(["-c", "echo '포트가 없다' >&2; exit 3"]);
        let address = free_address().unwrap();
        let error = Server::start(command, folder.path(), address, "/").unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("exit status: 3") && text.contains("포트가 없다"), "{text}");
    }

    #[test]
    fn a_dropped_program_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(Path::new("/bin/sleep"));
        command.arg("600");
        let program = Program::start(command, folder.path()).unwrap();
        let pid = i32::try_from(program.pid()).unwrap();
        assert!(crate::proc::stat(pid).unwrap().is_some());
        drop(program);
        assert_eq!(crate::proc::stat(pid).unwrap(), None);
    }
}
