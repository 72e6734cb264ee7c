//! The queue before the disk, and the leader that empties it.
//!
//! Whoever puts a request into the queue while there is no leader starts one: a blocking task that
//! drains the queue, a group of requests in one frame of the front file, answers each, and ends
//! when nothing has come for a while.  While it waits for the disk the next group gathers, so the
//! cost of a flush is shared by all who came meanwhile.
//!
//! **Invariant:** there is at most one leader, every request is answered once, in order, and an
//! answer is given after the frame is on the disk.  A caller that goes away does not take its
//! request back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::entry::Position;
use crate::error::WriteError;
use crate::folding::Folding;
use crate::limit::{
    GROUP_BATCHES_MAX, GROUP_BYTES_MAX, LINGER_MS, QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX,
};
use crate::row::WriteStats;
use crate::writer::{Outcome, Work, Writer};

/// The end of the log, for those who wait for more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last position.
    pub(crate) last: Position,
    /// Whether there will be no more.
    pub(crate) closed: bool,
}

/// Where an answer goes.
pub(crate) enum Answer {
    /// To somebody who waits.
    Waiting(oneshot::Sender<Result<Outcome, WriteError>>),
    /// To a function, which is called on the thread that writes.
    Call(Box<dyn FnOnce(Result<Outcome, WriteError>) + Send>),
}

impl Answer {
    pub(crate) fn give(self, outcome: Result<Outcome, WriteError>) {
        match self {
            // A caller that went away needs no answer.
            Self::Waiting(caller) => drop(caller.send(outcome)),
            Self::Call(call) => call(outcome),
        }
    }
}

pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) bytes: usize,
    pub(crate) answer: Option<Answer>,
}

impl Request {
    pub(crate) fn answer(mut self, outcome: Result<Outcome, WriteError>) {
        if let Some(answer) = self.answer.take() {
            answer.give(outcome);
        }
    }
}

impl Drop for Request {
    /// To drop a request is to answer that the journal is closed.
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer.give(Err(WriteError::Closed));
        }
    }
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    has_leader: bool,
    /// Whether the leader sleeps until something comes.
    lingers: bool,
    closed: bool,
}

/// The way to the one writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when a request came while the leader lingers.
    came: Condvar,
    writer: Mutex<Option<Writer>>,
    folding: Arc<Folding>,
    /// The last position that is durable.
    last: AtomicU64,
    commits: AtomicU64,
}

/// A lock whose holder panicked is taken all the same: a transaction was rolled back, and queues
/// are only pushed to and popped from.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    pub(crate) fn new(writer: Writer, folding: Arc<Folding>) -> Self {
        Self {
            waiting: Mutex::default(),
            came: Condvar::new(),
            last: AtomicU64::new(writer.last().0),
            writer: Mutex::new(Some(writer)),
            folding,
            commits: AtomicU64::new(0),
        }
    }

    /// The last position that is durable.
    pub(crate) fn last(&self) -> Position {
        Position(self.last.load(Ordering::Acquire))
    }

    pub(crate) fn stats(&self) -> WriteStats {
        WriteStats {
            commits: self.commits.load(Ordering::Relaxed),
            waiting: lock(&self.waiting).requests.len(),
            unfolded_bytes: self.folding.unfolded_bytes(),
        }
    }

    /// Has it written, with whatever else waits, and returns when it is durable.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        work: Work,
        bytes: usize,
    ) -> Result<Outcome, WriteError> {
        let (answer, outcome) = oneshot::channel();
        self.push(work, bytes, Answer::Waiting(answer));
        outcome.await.unwrap_or(Err(WriteError::Closed))
    }

    /// Puts it into the queue.  Needs a tokio runtime.
    pub(crate) fn push(self: &Arc<Self>, work: Work, bytes: usize, answer: Answer) {
        let request = Request { work, bytes, answer: Some(answer) };
        let mut waiting = lock(&self.waiting);
        let all_bytes = waiting.bytes + bytes;
        let refusal = if waiting.closed {
            WriteError::Closed
        } else if waiting.requests.len() >= QUEUE_BATCHES_MAX || all_bytes > QUEUE_BYTES_MAX {
            WriteError::Overloaded
        } else {
            waiting.bytes = all_bytes;
            waiting.requests.push_back(request);
            if waiting.has_leader {
                if std::mem::take(&mut waiting.lingers) {
                    drop(waiting);
                    self.came.notify_one();
                }
                return;
            }
            waiting.has_leader = true;
            drop(waiting);
            let leader = Leader { queue: Arc::clone(self), resigned: false };
            // Not awaited: it serves others too, and answers through the requests.
            drop(tokio::task::spawn_blocking(move || leader.drain()));
            return;
        };
        drop(waiting);
        request.answer(Err(refusal));
    }

    /// The next group; empty when nothing waits.
    fn group(&self) -> Vec<Request> {
        let mut waiting = lock(&self.waiting);
        let (mut group, mut bytes) = (Vec::new(), 0);
        while group.len() < GROUP_BATCHES_MAX
            && bytes <= GROUP_BYTES_MAX
            && let Some(request) = waiting.requests.pop_front()
        {
            bytes += request.bytes;
            group.push(request);
        }
        waiting.bytes -= bytes;
        group
    }

    /// Writes one group in one frame and answers it.
    fn write(&self, writer: &mut Writer, group: Vec<Request>) {
        let (written, answers) = writer.write(group, &self.folding);
        if written {
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.last.store(writer.last().0, Ordering::Release);
        }
        for (answer, outcome) in answers {
            answer.give(outcome);
        }
    }

    /// Takes no more, writes what waits, folds it and closes the files.  Blocks.
    pub(crate) fn close(&self) -> Result<(), WriteError> {
        lock(&self.waiting).closed = true;
        let mut writer = lock(&self.writer);
        let Some(mut open) = writer.take() else { return Ok(()) };
        loop {
            let group = self.group();
            if group.is_empty() {
                break;
            }
            self.write(&mut open, group);
        }
        open.forget_streams();
        let closed = self.folding.close();
        open.close(closed.is_ok());
        closed.map_err(WriteError::from)
    }
}

/// The one who empties the queue.  However it ends, the next request finds the place free.
struct Leader {
    queue: Arc<Queue>,
    /// Whether it gave its place up itself; somebody else may have it already.
    resigned: bool,
}

impl Leader {
    fn drain(mut self) {
        let queue = Arc::clone(&self.queue);
        while !self.resigned {
            // A group is taken with the writer in hand: as much as possible gathers before, and
            // nobody closes the file in between.
            let mut writer = lock(&queue.writer);
            let group = queue.group();
            if group.is_empty() {
                drop(writer);
                self.linger();
            } else if let Some(writer) = writer.as_mut() {
                queue.write(writer, group);
            }
            // Without a writer the journal is closed: to drop the requests is to answer so.
        }
    }

    /// Waits a moment for more, and gives the place up when nothing comes.
    fn linger(&mut self) {
        let mut waiting = lock(&self.queue.waiting);
        waiting.lingers = true;
        let linger = Duration::from_millis(LINGER_MS);
        let none = |waiting: &mut Waiting| waiting.requests.is_empty() && !waiting.closed;
        let waited = self.queue.came.wait_timeout_while(waiting, linger, none);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        waiting.lingers = false;
        if waiting.requests.is_empty() {
            waiting.has_leader = false;
            self.resigned = true;
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.resigned {
            return;
        }
        // After a panic, or when the runtime ended before the leader began, nobody comes for what
        // waits: to drop it is to answer that the journal is closed.
        let dropped = {
            let mut waiting = lock(&self.queue.waiting);
            waiting.has_leader = false;
            waiting.lingers = false;
            waiting.bytes = 0;
            std::mem::take(&mut waiting.requests)
        };
        drop(dropped);
    }
}
