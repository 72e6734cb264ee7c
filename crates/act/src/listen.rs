//! A program that is listened to for as long as it runs: what it prints is read as it comes.
//!
//! It is started like every other one: without a shell, in a process group of its own, with an
//! empty input and a small environment.
//!
//! **Invariant:** whoever drops a listener ends the program; what was not yet taken of its output
//! is bounded by [`OUTPUT_BYTES_MAX`], beyond which the program waits.

use std::io;
use std::process::Stdio;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout};

use crate::environment::Environment;
use crate::spawn::{self, PinError};

/// How much output waits to be taken, in bytes.
pub const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Why a program cannot be listened to.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// It is not there, or must not be started.
    #[error("the program cannot be started")]
    Pin(#[from] NotUsable),
    /// The system refused.
    #[error("{0} could not be started")]
    Start(String, #[source] io::Error),
}

/// Why a program file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NotUsable(PinError);

/// A program that is listened to.
#[derive(Debug)]
pub struct Listener {
    child: Child,
    output: ChildStdout,
    leader: Option<Pid>,
    waiting: Vec<u8>,
    has_ended: bool,
}

impl Listener {
    /// Starts a program.
    ///
    /// # Errors
    /// When it is not installed, everybody may replace it, or the system refuses.
    pub fn start(program: &str, arguments: &[String]) -> Result<Self, ListenError> {
        let pinned = spawn::pin(program).map_err(NotUsable)?;
        let mut command = spawn::command(&pinned, &Environment::default());
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let refused = |error| ListenError::Start(program.to_owned(), error);
        let mut child = command.spawn().map_err(refused)?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| refused(io::Error::other("it has no output")))?;
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, output, leader, waiting: Vec::new(), has_ended: false })
    }

    /// Waits until it has printed something, or has ended.  Nothing is lost when the wait is given
    /// up.
    pub async fn heard(&mut self) {
        if self.has_ended {
            return std::future::pending().await;
        }
        let room = OUTPUT_BYTES_MAX.saturating_sub(self.waiting.len()).min(CHUNK);
        if room == 0 {
            return;
        }
        let mut chunk = vec![0; room];
        match self.output.read(&mut chunk).await {
            Ok(0) | Err(_) => self.has_ended = true,
            Ok(n) => self.waiting.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
    }

    /// Takes the whole lines that came, each with its end.  A line that is longer than what waits
    /// is taken in parts.
    pub fn take_lines(&mut self) -> Vec<u8> {
        let whole = self.waiting.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let is_full = self.waiting.len() >= OUTPUT_BYTES_MAX || self.has_ended;
        let rest = match whole {
            0 if is_full => Vec::new(),
            whole => self.waiting.split_off(whole),
        };
        std::mem::replace(&mut self.waiting, rest)
    }

    /// How it ended; none while it runs.
    pub fn end(&mut self) -> Option<String> {
        if !self.has_ended {
            return None;
        }
        Some(match self.child.try_wait() {
            Ok(Some(status)) => format!("it ended ({status})"),
            Ok(None) | Err(_) => "it closed its output".to_owned(),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Collected already, its number may be another's.
        if let (Ok(None), Some(leader)) = (self.child.try_wait(), self.leader) {
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Listener {
        Listener::start("sh", &["-c".to_owned(), script.to_owned()]).unwrap()
    }

    async fn all(listener: &mut Listener) -> Vec<u8> {
        let mut all = Vec::new();
        while listener.end().is_none() {
            listener.heard().await;
            all.extend(listener.take_lines());
        }
        all.extend(listener.take_lines());
        all
    }

    #[tokio::test]
    async fn what_a_program_prints_is_heard_in_whole_lines() {
        let mut listener = shell("printf 'one\\nhal'; printf 'f\\n'; printf 'end'");
        assert_eq!(all(&mut listener).await, b"one\nhalf\nend");
        assert!(listener.end().is_some());
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_waits() {
        let mut listener = shell("yes");
        while listener.waiting.len() < OUTPUT_BYTES_MAX {
            listener.heard().await;
        }
        listener.heard().await;
        assert_eq!(listener.waiting.len(), OUTPUT_BYTES_MAX);
        assert!(listener.take_lines().ends_with(b"y\n"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_listened_to_any_more_is_gone() {
        let listener = shell("sleep 600");
        let pid = listener.leader.unwrap();
        drop(listener);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        if let Ok(pidfd) = pidfd {
            let mut ends = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
            let seconds = rustix::time::Timespec { tv_sec: 10, tv_nsec: 0 };
            assert_eq!(rustix::event::poll(&mut ends, Some(&seconds)), Ok(1));
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_says_so() {
        let error = Listener::start("no-such-program-here", &[]).unwrap_err();
        assert!(matches!(error, ListenError::Pin(_)), "{error}");
    }
}
