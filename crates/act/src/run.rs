//! Running a program to its end: output bounded, time bounded, nothing left behind on a time-out.
//!
//! **Invariant:** the process group is only signalled while its leader has not been collected, so
//! the number of the group cannot belong to anybody else.  A program that ends by itself may leave
//! children behind (a gateway puts itself into the background that way); one that is cut off may
//! not.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nightcrew_model::plan::StepStatus;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::capture::Capture;
use crate::sandbox::{Bound, Confinement, Held};

/// How long a program that was told to end gets before it is killed.
pub(crate) const TERM_GRACE: Duration = Duration::from_secs(2);

/// How long is read on after the end of the program, where its children keep the output open.
const DRAIN: Duration = Duration::from_millis(300);

/// How often is looked whether a program that was told to end has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How much is read at once, in bytes.
const CHUNK: usize = 8 * 1_024;

/// Kills the group of a program whose run is dropped half-way.
struct Group {
    leader: Option<Pid>,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.leader {
            // There may be nobody left in it, which is what is wanted.
            let _ = rustix::process::kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A process that is ready to be started.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) command: Command,
    /// The folder that it starts in, kept open until it has.
    pub(crate) folder: Option<OwnedFd>,
    /// What it is held by; none: it runs as the crew does.
    pub(crate) confinement: Option<Confinement>,
}

/// Runs a prepared process to its end.
pub(crate) async fn run(prepared: Prepared, limit: Duration) -> (StepStatus, String) {
    let end_at = Instant::now() + limit;
    let Prepared { mut command, folder, confinement } = prepared;
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let held = confinement.map(|confinement| confinement.hold(&mut command, limit)).transpose();
    let mut held = match held {
        Ok(held) => held,
        Err(why) => return (StepStatus::Failed, format!("sandbox: {why}")),
    };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return (StepStatus::Failed, format!("could not be started: {error}")),
    };
    drop((command, folder));
    if let Some(ended) = release(held.as_mut(), &mut child, end_at).await {
        return ended;
    }
    let limit = end_at.saturating_duration_since(Instant::now());
    let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    // Declared after the child, so dropped before it: the leader is not collected by then.
    let mut group = Group { leader };
    let _bound = held.as_ref().and(leader).map(Bound::of);
    let mut capture = Capture::default();
    let ended = follow(&mut child, &mut capture, limit).await;
    let status = match ended {
        Some(Ok(status)) => {
            group.leader = None;
            of_exit(status)
        }
        Some(Err(error)) => {
            capture.push(format!("\nits end could not be awaited: {error}").as_bytes());
            StepStatus::Failed
        }
        None => {
            end(&group, &mut child).await;
            group.leader = None;
            StepStatus::TimedOut
        }
    };
    (status, capture.text())
}

/// Waits until a launcher has become the program; an answer: it has not, and is gone.
async fn release(
    held: Option<&mut Held>,
    child: &mut Child,
    end_at: Instant,
) -> Option<(StepStatus, String)> {
    let released = tokio::time::timeout_at(end_at, held?.release()).await;
    let ended = match released {
        Ok(Ok(_)) => return None,
        Ok(Err(why)) => (StepStatus::Failed, format!("sandbox: {why}")),
        Err(_) => (StepStatus::TimedOut, String::new()),
    };
    // It leads no group yet, or nothing is in it but itself.
    let _ = timeout(TERM_GRACE, child.kill()).await;
    Some(ended)
}

/// Reads the output until the program ends; none: it did not within the limit.
async fn follow(
    child: &mut Child,
    capture: &mut Capture,
    limit: Duration,
) -> Option<io::Result<ExitStatus>> {
    let mut out = child.stdout.take();
    let mut err = child.stderr.take();
    let mut end = Instant::now() + limit;
    let mut status = None;
    let (mut out_chunk, mut err_chunk) = (vec![0; CHUNK], vec![0; CHUNK]);
    while status.is_none() || out.is_some() || err.is_some() {
        tokio::select! {
            // The clock first: a program that prints without end must not outrun it.
            biased;
            () = tokio::time::sleep_until(end) => break,
            ended = child.wait(), if status.is_none() => {
                status = Some(ended);
                end = end.min(Instant::now() + DRAIN);
            }
            read = next(&mut out, &mut out_chunk), if out.is_some() => {
                capture.push(out_chunk.get(..read).unwrap_or_default());
            }
            read = next(&mut err, &mut err_chunk), if err.is_some() => {
                capture.push(err_chunk.get(..read).unwrap_or_default());
            }
        }
    }
    status
}

/// The next bytes of a stream; at its end, or when it breaks, the stream is given up.
async fn next(stream: &mut Option<impl AsyncRead + Unpin>, chunk: &mut [u8]) -> usize {
    let Some(open) = stream else {
        return 0;
    };
    let read = open.read(chunk).await.unwrap_or(0);
    if read == 0 {
        *stream = None;
    }
    read
}

/// Ends a group: asks, waits, kills, and collects the leader last.
async fn end(group: &Group, child: &mut Child) {
    group.signal(Signal::TERM);
    group.signal(Signal::CONT);
    let until = Instant::now() + TERM_GRACE;
    while Instant::now() < until && !has_ended(group.leader) {
        sleep(LOOK_EVERY).await;
    }
    group.signal(Signal::KILL);
    // SIGKILL cannot be refused, but a process in the kernel's hands may take its time; the
    // runtime collects it then.
    let _ = timeout(TERM_GRACE, child.wait()).await;
}

/// Whether the leader has ended; it is not collected by the question.
fn has_ended(leader: Option<Pid>) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    leader.is_none_or(|leader| {
        !matches!(rustix::process::waitid(WaitId::Pid(leader), options), Ok(None))
    })
}

fn of_exit(status: ExitStatus) -> StepStatus {
    if status.success() {
        StepStatus::Succeeded
    } else {
        StepStatus::Exited { code: status.code() }
    }
}

#[cfg(test)]
mod tests;
