//! The queue before the disk, and the leader that empties it.
//!
//! Whoever puts a request into the queue while there is no leader starts one: a blocking task that
//! drains the queue, a group of requests in one transaction, answers each, and ends when nothing
//! waits.  While it waits for the disk the next group gathers, so the cost of a flush is shared by
//! all who came meanwhile.
//!
//! **Invariant:** there is at most one leader, every request is answered once, and an answer is
//! given after the commit.  A caller that goes away does not take its request back.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::commit::{Outcome, Work, Writer};
use crate::entry::Position;
use crate::error::WriteError;
use crate::limit::{GROUP_BATCHES_MAX, GROUP_BYTES_MAX, QUEUE_BATCHES_MAX, QUEUE_BYTES_MAX};
use crate::row::WriteStats;

/// The end of the log, for those who wait for more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last position.
    pub(crate) last: Position,
    /// Whether there will be no more.
    pub(crate) closed: bool,
}

struct Request {
    work: Work,
    bytes: usize,
    answer: oneshot::Sender<Result<Outcome, WriteError>>,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    has_leader: bool,
    closed: bool,
}

/// The way to the one writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    writer: Mutex<Option<Writer>>,
    head: watch::Sender<Head>,
    commits: AtomicU64,
}

/// A lock whose holder panicked is taken all the same: the transaction was rolled back, and the
/// queue is only pushed to and popped from.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    pub(crate) fn new(writer: Writer) -> Self {
        let head = Head { last: writer.last(), closed: false };
        Self {
            waiting: Mutex::default(),
            writer: Mutex::new(Some(writer)),
            head: watch::Sender::new(head),
            commits: AtomicU64::new(0),
        }
    }

    /// The end of the log now.
    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// The end of the log as it moves.
    pub(crate) fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(crate) fn stats(&self) -> WriteStats {
        WriteStats {
            commits: self.commits.load(Ordering::Relaxed),
            waiting: lock(&self.waiting).requests.len(),
        }
    }

    /// Has it written, with whatever else waits, and returns when it is durable.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        work: Work,
        bytes: usize,
    ) -> Result<Outcome, WriteError> {
        let (answer, outcome) = oneshot::channel();
        let request = Request { work, bytes, answer };
        if let Some(leader) = self.push(request)? {
            // Not awaited: it serves others too, and answers through the requests.
            drop(tokio::task::spawn_blocking(move || leader.drain()));
        }
        outcome.await.unwrap_or(Err(WriteError::Closed))
    }

    fn push(self: &Arc<Self>, request: Request) -> Result<Option<Leader>, WriteError> {
        let mut waiting = lock(&self.waiting);
        if waiting.closed {
            return Err(WriteError::Closed);
        }
        let bytes = waiting.bytes + request.bytes;
        if waiting.requests.len() >= QUEUE_BATCHES_MAX || bytes > QUEUE_BYTES_MAX {
            return Err(WriteError::Overloaded);
        }
        waiting.bytes = bytes;
        waiting.requests.push_back(request);
        if waiting.has_leader {
            return Ok(None);
        }
        waiting.has_leader = true;
        Ok(Some(Leader { queue: Arc::clone(self), resigned: false }))
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

    /// Writes one group in one transaction and answers it.
    fn write(&self, writer: &mut Writer, group: Vec<Request>) {
        let outcome = writer.commit(group.iter().map(|request| &request.work));
        match outcome {
            Ok(outcomes) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                let last = writer.last();
                self.head.send_if_modified(|head| {
                    let moved = head.last != last;
                    head.last = last;
                    moved
                });
                for (request, outcome) in group.into_iter().zip(outcomes) {
                    // A caller that went away needs no answer.
                    drop(request.answer.send(Ok(outcome)));
                }
            }
            Err(trouble) => {
                for request in group {
                    drop(request.answer.send(Err(trouble.clone().into())));
                }
            }
        }
    }

    /// Takes no more, writes what waits, and closes the file.  Blocks.
    pub(crate) fn close(&self) -> Result<(), WriteError> {
        lock(&self.waiting).closed = true;
        let mut writer = lock(&self.writer);
        let closed = match writer.take() {
            None => Ok(()),
            Some(mut open) => {
                loop {
                    let group = self.group();
                    if group.is_empty() {
                        break;
                    }
                    self.write(&mut open, group);
                }
                open.close().map_err(WriteError::from)
            }
        };
        self.head.send_modify(|head| head.closed = true);
        closed
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
        while !self.resigned {
            // A group is taken with the writer in hand: as much as possible gathers before, and
            // nobody closes the file in between.
            let mut writer = lock(&self.queue.writer);
            let group = self.queue.group();
            if group.is_empty() {
                drop(writer);
                self.resign();
            } else if let Some(writer) = writer.as_mut() {
                self.queue.write(writer, group);
            }
            // Without a writer the journal is closed: to drop the requests is to answer so.
        }
    }

    /// Gives the place up, unless something came in just now.
    fn resign(&mut self) {
        let mut waiting = lock(&self.queue.waiting);
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
        let mut waiting = lock(&self.queue.waiting);
        waiting.has_leader = false;
        waiting.requests.clear();
        waiting.bytes = 0;
    }
}
