//! What is durable in the front file and not yet in the tables, and who folds it.
//!
//! Whoever needs the tables to be as far as the log folds what is missing, on its own thread; and
//! when nobody asks, a blocking task folds it a moment later, much at once.  One of them at a time
//! has the database.
//!
//! **Invariant:** frames are folded in order, each once; a frame that could not be folded stays
//! the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::database::{Database, Durability, Unfolded};
use crate::entry::Position;
use crate::error::Trouble;
use crate::front::Link;
use crate::limit::{FOLD_BYTES_MAX, FOLD_DELAY_MS, FRONT_BYTES_LAZY};
use crate::queue::{Head, lock};

/// What waits to be folded.
struct Backlog {
    frames: VecDeque<Unfolded>,
    /// What these frames take on the disk, in bytes.
    bytes: usize,
    /// The last frame that is durable in the front file.
    pushed: Link,
    /// The last frame that was folded.
    folded: Link,
    /// The last frame that the database has durably.
    settled: Link,
    /// What was folded since, in bytes.
    unsettled_bytes: usize,
    /// What went wrong with the last fold.
    trouble: Option<Trouble>,
    has_leader: bool,
}

/// The folding side.
pub(crate) struct Folding {
    backlog: Mutex<Backlog>,
    /// Told when there is enough for a fold.
    enough: Condvar,
    database: Mutex<Option<Database>>,
    /// How far the tables are.
    head: watch::Sender<Head>,
}

impl Folding {
    /// The tables are as far as the log: up to this link and position, durably.
    pub(crate) fn new(database: Database, link: Link, last: Position) -> Self {
        Self {
            backlog: Mutex::new(Backlog {
                frames: VecDeque::new(),
                bytes: 0,
                pushed: link,
                folded: link,
                settled: link,
                unsettled_bytes: 0,
                trouble: None,
                has_leader: false,
            }),
            enough: Condvar::new(),
            database: Mutex::new(Some(database)),
            head: watch::Sender::new(Head { last, closed: false }),
        }
    }

    /// How far the tables are, as it moves.
    pub(crate) fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// The last frame that is durable.
    pub(crate) fn pushed(&self) -> u64 {
        lock(&self.backlog).pushed.sequence
    }

    /// The last frame that the database has durably.
    pub(crate) fn settled(&self) -> Link {
        lock(&self.backlog).settled
    }

    /// What is durable and not yet in the tables, in bytes.
    pub(crate) fn unfolded_bytes(&self) -> usize {
        lock(&self.backlog).bytes
    }

    /// Takes a frame that has become durable, and has it folded before long.
    pub(crate) fn push(self: &Arc<Self>, unfolded: Unfolded) {
        let mut backlog = lock(&self.backlog);
        backlog.pushed = unfolded.link;
        backlog.bytes += unfolded.frame.disk_bytes();
        backlog.frames.push_back(unfolded);
        if backlog.has_leader {
            if backlog.bytes >= FOLD_BYTES_MAX {
                self.enough.notify_one();
            }
            return;
        }
        // Without a runtime the journal is being closed, which folds everything.
        let Ok(runtime) = Handle::try_current() else { return };
        backlog.has_leader = true;
        drop(backlog);
        let leader = Leader { folding: Arc::clone(self), resigned: false };
        // Not awaited: it serves everybody, and what it leaves is folded by whoever needs it.
        drop(runtime.spawn_blocking(move || leader.lead()));
    }

    /// Folds until this frame is in the tables.  Blocks.
    pub(crate) fn catch_up(&self, sequence: u64) -> Result<(), Trouble> {
        while lock(&self.backlog).folded.sequence < sequence {
            let mut database = lock(&self.database);
            self.fold_some(database.as_mut().ok_or(Trouble::Closed)?, Durability::Lazy)?;
        }
        Ok(())
    }

    /// Tries again what went wrong with the last fold, if anything did.  Blocks.
    pub(crate) fn mend(&self) -> Result<(), Trouble> {
        let pushed = {
            let backlog = lock(&self.backlog);
            match backlog.trouble {
                None => return Ok(()),
                Some(_) => backlog.pushed.sequence,
            }
        };
        self.catch_up(pushed)
    }

    /// Folds everything and makes it durable in the database, so that the front file is free.
    /// Blocks.
    pub(crate) fn settle(&self) -> Result<(), Trouble> {
        self.catch_up(self.pushed())?;
        let mut database = lock(&self.database);
        self.settle_folded(database.as_mut().ok_or(Trouble::Closed)?)
    }

    /// Makes some of the front file free: the database has more durably when it returns than up to
    /// `settled`.  A part at a time, so that whoever waits for the disk does not wait for all of it.
    /// Blocks.
    pub(crate) fn make_room(&self, settled: Link) -> Result<(), Trouble> {
        let mut database = lock(&self.database);
        let database = database.as_mut().ok_or(Trouble::Closed)?;
        if self.settled() == settled {
            self.fold_some(database, Durability::Now)?;
        }
        if self.settled() == settled {
            self.settle_folded(database)?;
        }
        // With everything in the database there is room for any frame.
        if self.settled() == settled { Err(Trouble::Full) } else { Ok(()) }
    }

    /// Writes a snapshot; durable when it returns.  Blocks.
    pub(crate) fn snapshot(&self, position: Position, bytes: &[u8]) -> Result<(), Trouble> {
        let mut database = lock(&self.database);
        database.as_mut().ok_or(Trouble::Closed)?.snapshot(position, bytes)
    }

    /// Folds what is left and closes the database.  Blocks.
    pub(crate) fn close(&self) -> Result<(), Trouble> {
        let settled = self.settle();
        let database = lock(&self.database).take();
        let closed = database.map_or(Ok(()), Database::close);
        self.head.send_modify(|head| head.closed = true);
        match settled {
            Err(Trouble::Closed) => closed,
            settled => settled.and(closed),
        }
    }

    /// Folds the next frames, if there are any; durably at once where that is wanted, or where much
    /// was not.
    fn fold_some(&self, database: &mut Database, least: Durability) -> Result<(), Trouble> {
        let (frames, bytes, durability) = {
            let mut backlog = lock(&self.backlog);
            let (mut frames, mut bytes) = (Vec::new(), 0);
            while bytes < FOLD_BYTES_MAX
                && let Some(next) = backlog.frames.pop_front()
            {
                bytes += next.frame.disk_bytes();
                frames.push(next);
            }
            let lazy = backlog.unsettled_bytes + bytes < FRONT_BYTES_LAZY;
            (frames, bytes, if lazy { least } else { Durability::Now })
        };
        let Some(last) = frames.last() else { return Ok(()) };
        let (link, next) = (last.link, last.next_position());
        let outcome = database.fold(&frames, durability);
        let mut backlog = lock(&self.backlog);
        match outcome {
            Ok(()) => {
                backlog.bytes -= bytes;
                backlog.folded = link;
                backlog.unsettled_bytes += bytes;
                if durability == Durability::Now {
                    backlog.settled = link;
                    backlog.unsettled_bytes = 0;
                }
                backlog.trouble = None;
                drop(backlog);
                self.head.send_if_modified(|head| {
                    let last = Position(next.0.saturating_sub(1));
                    std::mem::replace(&mut head.last, last) != last
                });
                Ok(())
            }
            Err(trouble) => {
                for frame in frames.into_iter().rev() {
                    backlog.frames.push_front(frame);
                }
                if backlog.trouble.is_none() {
                    tracing::error!(?trouble, "what is durable cannot be put into the tables");
                }
                backlog.trouble = Some(trouble.clone());
                Err(trouble)
            }
        }
    }

    /// Makes what was folded durable in the database.
    fn settle_folded(&self, database: &mut Database) -> Result<(), Trouble> {
        let (folded, settled) = {
            let backlog = lock(&self.backlog);
            (backlog.folded, backlog.settled)
        };
        if folded != settled {
            database.settle(folded)?;
            let mut backlog = lock(&self.backlog);
            backlog.settled = folded;
            backlog.unsettled_bytes = 0;
        }
        Ok(())
    }
}

/// The task that folds when nobody asks.  However it ends, the next frame finds the place free.
struct Leader {
    folding: Arc<Folding>,
    /// Whether it gave its place up itself; somebody else may have it already.
    resigned: bool,
}

impl Leader {
    fn lead(mut self) {
        while !self.resigned {
            let folding = Arc::clone(&self.folding);
            let gathered = {
                let backlog = lock(&folding.backlog);
                let delay = Duration::from_millis(FOLD_DELAY_MS);
                let more = |backlog: &mut Backlog| backlog.bytes < FOLD_BYTES_MAX;
                let waited = folding.enough.wait_timeout_while(backlog, delay, more);
                !waited.unwrap_or_else(PoisonError::into_inner).0.frames.is_empty()
            };
            let mut database = lock(&folding.database);
            let Some(database) = database.as_mut() else { return };
            let outcome = match gathered {
                true => folding.fold_some(database, Durability::Lazy),
                false => folding.settle_folded(database),
            };
            if outcome.is_err() {
                // Whoever writes or reads next tries again.
                return;
            }
            if !gathered {
                self.resign();
            }
        }
    }

    /// Gives the place up, unless something came in just now.
    fn resign(&mut self) {
        let mut backlog = lock(&self.folding.backlog);
        if backlog.frames.is_empty() {
            backlog.has_leader = false;
            self.resigned = true;
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.resigned {
            lock(&self.folding.backlog).has_leader = false;
        }
    }
}
