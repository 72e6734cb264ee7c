//! A process that is killed so that a supervisor starts it again: `sleep`, known by the file in
//! which its supervisor keeps its number.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::proc;
use crate::stopwatch::{Stopwatch, now, wait_for};

/// What it runs, and for how many seconds: should everything else fail, it ends by itself.
pub(crate) const SLEEP: [&str; 2] = ["/bin/sleep", "600"];

/// The name that the kernel gives it.
const COMM: &str = "sleep";

/// How often is looked for the new process.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// How long a supervisor may take.
const START_MAX: Duration = Duration::from_secs(60);

/// One process.  Its start tells it from a later one with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pid: Pid,
    start_ticks: u64,
}

/// The moment of a kill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Killed {
    /// By the wall clock.
    pub(crate) at: Timestamp,
    watch: Stopwatch,
}

/// The process that its supervisor keeps alive.  Has to outlive the supervisor: its drop kills the
/// last process.
#[derive(Debug)]
pub(crate) struct Victim {
    pid_file: PathBuf,
}

impl Victim {
    pub(crate) fn new(pid_file: &Path) -> Self {
        Self { pid_file: pid_file.to_owned() }
    }

    /// The process that lives now; none: none does.
    pub(crate) fn alive(&self) -> anyhow::Result<Option<Identity>> {
        let Ok(text) = fs::read_to_string(&self.pid_file) else { return Ok(None) };
        let pid = text.split_whitespace().next().and_then(|word| word.parse().ok());
        let Some(pid) = pid.filter(|pid| *pid > 0).and_then(Pid::from_raw) else { return Ok(None) };
        let stat = proc::stat(pid.as_raw_nonzero().get())?;
        let stat = stat.filter(|stat| stat.comm == COMM && !stat.is_zombie);
        Ok(stat.map(|stat| Identity { pid, start_ticks: stat.start_ticks }))
    }

    /// Waits for a process that lives, and is another than `before`.
    pub(crate) fn started(&self, before: Option<Identity>) -> anyhow::Result<Identity> {
        wait_for("a new process", START_MAX, LOOK_EVERY, || {
            Ok(self.alive()?.filter(|alive| Some(*alive) != before))
        })
    }

    /// Kills a process (SIGKILL), and no other that has got its number since.
    pub(crate) fn kill(&self, identity: Identity) -> anyhow::Result<Killed> {
        let pidfd = pidfd_open(identity.pid, PidfdFlags::empty()).context("opening a process")?;
        // What the file descriptor stands for is the process that was looked at, if it still is.
        ensure!(self.alive()? == Some(identity), "the process is not the one that was seen");
        let killed = Killed { at: now(), watch: Stopwatch::start() };
        pidfd_send_signal(pidfd, Signal::KILL).context("sending SIGKILL")?;
        Ok(killed)
    }

    /// Kills it and waits for the next one: the moment of the kill, and the milliseconds until the
    /// new process was seen.
    pub(crate) fn kill_and_wait(&self) -> anyhow::Result<(Killed, f64)> {
        let before = self.alive()?.context("the process does not live")?;
        let killed = self.kill(before)?;
        self.started(Some(before))?;
        Ok((killed, killed.watch.ms()))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Ok(Some(alive)) = self.alive() {
            // It may end by itself between the look and the kill.
            let _ = self.kill(alive);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_living_sleep_is_a_victim() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("멈춤.pid");
        let victim = Victim::new(&file);
        assert_eq!(victim.alive().unwrap(), None);
        for text in ["", "x", "-1", "0", "99999999999", &std::process::id().to_string()] {
            fs::write(&file, text).unwrap();
            assert_eq!(victim.alive().unwrap(), None, "{text}");
        }
    }

    #[test]
    fn a_killed_process_is_gone_and_a_new_one_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let start = || {
            let mut command = crate::setting::command(Path::new(SLEEP[0]));
            command.arg(SLEEP[1]);
            let program = crate::program::Program::start(command, folder.path()).unwrap();
            fs::write(&file, program.pid().to_string()).unwrap();
            program
        };
        let victim = Victim::new(&file);
        let _first = start();
        let before = victim.started(None).unwrap();
        victim.kill(before).unwrap();
        let _second = start();
        assert_ne!(victim.started(Some(before)).unwrap(), before);
        assert!(victim.kill(before).is_err());
    }
}
