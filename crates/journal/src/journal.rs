//! The open journal.
//!
//! Opening blocks; everything else is async, runs off the async threads and needs a tokio runtime.
//! Queries see every batch that was acknowledged before they were asked; while the disk is full,
//! those of alerts, incidents and counts show what is in the tables.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use nightcrew_model::alert::AlertState;
use nightcrew_model::decision::{Decision, Receipt, Subject};
use nightcrew_model::id::{ChannelName, IncidentId, NotificationId};
use nightcrew_model::labels::Fingerprint;

use crate::batch::{Batch, Committed, NotPrepared, Prepared};
use crate::entry::{Entry, Position};
use crate::error::{AppendError, OpenError, ReadError, WriteError};
use crate::folding::Folding;
use crate::limit::{ENTRIES_MAX, SNAPSHOT_BYTES_MAX};
use crate::open::Opened;
use crate::outbox::{self, Retry};
use crate::queue::{Answer, Queue};
use crate::reader::Readers;
use crate::row::{AlertRow, Counts, IncidentRow, OutboxCounts, OutboxRow, Which, WriteStats};
use crate::tail::Subscription;
use crate::writer::{Outcome, Work};
use crate::{log, open, snapshot, table};

/// A handle on the open journal; cheap to clone.  The file is closed by [`Journal::close`], or when
/// the last handle is dropped.
#[derive(Clone)]
pub struct Journal(Arc<Open>);

/// What all handles share.
struct Open {
    readers: Arc<Readers>,
    queue: Arc<Queue>,
    folding: Arc<Folding>,
}

impl Drop for Open {
    /// Nobody can ask for anything any more: what is durable is put into the tables.
    fn drop(&mut self) {
        if let Err(error) = self.queue.close() {
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("last", &self.last_position()).finish_non_exhaustive()
    }
}

impl Journal {
    /// Opens the journal in a folder and locks it; makes both when there is none.  Blocks.
    ///
    /// # Errors
    /// When another process has it open, when a newer version wrote it, when it is damaged, or when
    /// the disk fails or is full.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let Opened { writer, folding, path } = open::open(dir)?;
        let folding = Arc::new(folding);
        let readers = Arc::new(Readers::new(path, Arc::clone(&folding)));
        let queue = Arc::new(Queue::new(writer, Arc::clone(&folding)));
        Ok(Self(Arc::new(Open { readers, queue, folding })))
    }

    /// Appends a batch, all of it or nothing, and returns when it is durable.
    ///
    /// Dropping the future does not take the batch back.
    ///
    /// # Errors
    /// When a stream is not as expected, when the batch breaks a limit, or when it cannot be
    /// written.  Only [`WriteError::Io`] leaves open whether it is in the log.
    pub async fn append(&self, batch: Batch) -> Result<Committed, AppendError> {
        let batch = Prepared::of(batch)?;
        let bytes = batch.records.len();
        appended(self.0.queue.submit(Work::Append(batch), bytes).await)
    }

    /// Appends decisions, each to the stream it belongs to, all of them or none, if the log ends at
    /// `end` then; what was handed over before counts as there already.  So several batches can be
    /// on their way: when one is not written, those behind it are not either.
    ///
    /// `done` is called, in the order of the calls, once the decisions are durable or refused, on
    /// the thread that writes: it must be quick.  Needs a tokio runtime.
    ///
    /// # Errors
    /// When the batch breaks a limit or cannot be written as JSON: then it is given back, and
    /// `done` is not called.  `done` gets every other error.
    pub fn append_at(
        &self,
        end: Position,
        decisions: Vec<Decision>,
        done: impl FnOnce(Result<Committed, AppendError>) + Send + 'static,
    ) -> Result<(), NotPrepared> {
        let batch = Prepared::at_end(decisions, end)?;
        let bytes = batch.records.len();
        let answer = Answer::Call(Box::new(move |outcome| done(appended(outcome))));
        self.0.queue.push(Work::Append(batch), bytes, answer);
        Ok(())
    }

    /// The position of the last entry that is durable; [`Position::START`] when there is none.
    #[must_use]
    pub fn last_position(&self) -> Position {
        self.0.queue.last()
    }

    /// The entries after a position, in order; `limit` or [`ENTRIES_MAX`] at most, and fewer when
    /// they are large.  Empty only at the end of the log.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn read(&self, after: Position, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let head = self.last_position();
        self.0.readers.read(move |conn| log::page(conn, after, limit, head)).await
    }

    /// The entries of a stream after a version (0: from the first on), with the limits of
    /// [`Journal::read`].
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn read_stream(
        &self,
        stream: &str,
        after_version: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, ReadError> {
        let stream = stream.to_owned();
        self.0.readers.read(move |conn| log::stream_page(conn, &stream, after_version, limit)).await
    }

    /// Follows the log from behind a position.
    #[must_use]
    pub fn subscribe(&self, after: Position) -> Subscription {
        Subscription::new(self.clone(), self.0.folding.watch(), after)
    }

    /// Folds every decision after a position, in order, into a state.  Gives the state and the
    /// position up to which it was folded.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read; the state is lost then.
    pub async fn fold<S: Send + 'static>(
        &self,
        after: Position,
        state: S,
        mut step: impl FnMut(&mut S, &Decision) + Send + 'static,
    ) -> Result<(S, Position), ReadError> {
        let head = self.last_position();
        self.0
            .readers
            .read(move |conn| {
                let (mut state, mut at) = (state, after);
                // Page by page, so that a long fold does not keep the write-ahead log from being
                // emptied.
                loop {
                    let entries = log::page(conn, at, ENTRIES_MAX, head)?;
                    let Some(last) = entries.last() else {
                        return Ok((state, at));
                    };
                    at = last.position;
                    for entry in &entries {
                        step(&mut state, &entry.decision);
                    }
                }
            })
            .await
    }

    /// Keeps a state that was folded up to a position; the newest
    /// [`SNAPSHOTS_MAX`](crate::limit::SNAPSHOTS_MAX) are kept.  Durable when it returns.
    ///
    /// # Errors
    /// When it is larger than [`SNAPSHOT_BYTES_MAX`] or cannot be written.
    pub async fn save_snapshot(
        &self,
        position: Position,
        bytes: Vec<u8>,
    ) -> Result<(), WriteError> {
        let size = bytes.len();
        if size > SNAPSHOT_BYTES_MAX {
            return Err(WriteError::TooLarge { bytes: size });
        }
        let folding = Arc::clone(&self.0.folding);
        let saved = tokio::task::spawn_blocking(move || folding.snapshot(position, &bytes)).await;
        saved.map_or(Err(WriteError::Closed), |saved| saved.map_err(WriteError::from))
    }

    /// The newest snapshot that is whole, and the position up to which it was folded.
    ///
    /// # Errors
    /// When the journal is closed or cannot be read.
    pub async fn load_snapshot(&self) -> Result<Option<(Position, Vec<u8>)>, ReadError> {
        let head = self.last_position();
        self.0.readers.read(move |conn| snapshot::load(conn, head)).await
    }

    /// The alerts in a state, or all, those that changed last first; `limit` or
    /// [`ROWS_MAX`](crate::limit::ROWS_MAX) at most.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn alerts(
        &self,
        state: Option<AlertState>,
        limit: usize,
    ) -> Result<Vec<AlertRow>, ReadError> {
        self.0
            .readers
            .look(move |conn| table::in_projections(table::alerts(conn, state, limit)))
            .await
    }

    /// Every firing alert as of one moment, those that changed last first;
    /// [`FIRING_MAX`](crate::limit::FIRING_MAX) at most.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn firing(&self) -> Result<Vec<AlertRow>, ReadError> {
        self.0.readers.look(move |conn| table::in_projections(table::firing(conn))).await
    }

    /// How many alerts fire, and how many incidents there are in each state.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn counts(&self) -> Result<Counts, ReadError> {
        self.0.readers.look(move |conn| table::in_projections(table::counts(conn))).await
    }

    /// The alert of that fingerprint.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn alert(&self, fingerprint: Fingerprint) -> Result<Option<AlertRow>, ReadError> {
        self.0
            .readers
            .look(move |conn| table::in_projections(table::alert(conn, fingerprint)))
            .await
    }

    /// The incidents with an id below `before`, the newest first; `limit` or
    /// [`ROWS_MAX`](crate::limit::ROWS_MAX) at most.  The last id of one page is the `before` of the
    /// next.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn incidents(
        &self,
        which: Which,
        before: Option<IncidentId>,
        limit: usize,
    ) -> Result<Vec<IncidentRow>, ReadError> {
        self.0
            .readers
            .look(move |conn| table::in_projections(table::incidents(conn, which, before, limit)))
            .await
    }

    /// The incident of that id.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn incident(&self, id: IncidentId) -> Result<Option<IncidentRow>, ReadError> {
        self.0.readers.look(move |conn| table::in_projections(table::incident(conn, id))).await
    }

    /// The messages that are to be sent now, the oldest first; `limit` or
    /// [`ROWS_MAX`](crate::limit::ROWS_MAX) at most.  Of each incident and channel only the oldest
    /// that is pending, so that never two are on their way.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn outbox_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, ReadError> {
        self.0.readers.read(move |conn| table::in_projections(outbox::due(conn, now, limit))).await
    }

    /// The messages about something, the oldest first; `limit` or
    /// [`ROWS_MAX`](crate::limit::ROWS_MAX) at most.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn outbox_of(
        &self,
        subject: &Subject,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, ReadError> {
        let subject = subject.clone();
        self.0
            .readers
            .look(move |conn| table::in_projections(outbox::about(conn, &subject, limit)))
            .await
    }

    /// The newest message about something that arrived through a channel whose receiver named it,
    /// and the name: by it the message can be changed.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn last_receipt(
        &self,
        subject: &Subject,
        channel: &ChannelName,
    ) -> Result<Option<(NotificationId, Receipt)>, ReadError> {
        let (subject, channel) = (subject.clone(), channel.clone());
        self.0
            .readers
            .read(move |conn| table::in_projections(outbox::receipt(conn, &subject, &channel)))
            .await
    }

    /// How many messages there are in each state.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn outbox_counts(&self) -> Result<OutboxCounts, ReadError> {
        self.0.readers.look(move |conn| table::in_projections(outbox::counts(conn))).await
    }

    /// Notes that a message was tried and has to be tried again.  `attempts` is how often it was
    /// tried so far.  A message that is no longer pending is left alone.  Durable when it returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn outbox_retry(
        &self,
        notification: NotificationId,
        attempts: u32,
        next_at: Timestamp,
        error: &str,
    ) -> Result<(), WriteError> {
        let retry = Retry::new(notification, attempts, next_at, error);
        let bytes = retry.error.len();
        Outcome::written(self.0.queue.submit(Work::Retry(retry), bytes).await)
    }

    /// Hands something to the writing side.
    pub(crate) async fn submit(&self, work: Work, bytes: usize) -> Result<Outcome, WriteError> {
        self.0.queue.submit(work, bytes).await
    }

    /// The reading side.
    pub(crate) fn readers(&self) -> &Arc<Readers> {
        &self.0.readers
    }

    /// Writes something tiny, durably: the way to find out that a full disk has space again.
    ///
    /// # Errors
    /// When nothing can be written.
    pub async fn probe_write(&self) -> Result<(), WriteError> {
        Outcome::written(self.0.queue.submit(Work::Probe, 0).await)
    }

    /// What the writing side has done and has to do.
    #[must_use]
    pub fn write_stats(&self) -> WriteStats {
        self.0.queue.stats()
    }

    /// Writes what waits, closes the file and unlocks the folder, whatever other handles there
    /// are; they find the journal closed.
    ///
    /// # Errors
    /// When the file could not be closed cleanly.  What was acknowledged is durable all the same.
    pub async fn close(&self) -> Result<(), WriteError> {
        self.0.readers.close().await;
        let queue = Arc::clone(&self.0.queue);
        match tokio::task::spawn_blocking(move || queue.close()).await {
            Ok(closed) => closed,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(WriteError::Closed),
        }
    }
}

/// What became of a batch.
fn appended(outcome: Result<Outcome, WriteError>) -> Result<Committed, AppendError> {
    match outcome? {
        Outcome::Appended(committed) => Ok(committed),
        Outcome::Conflict { stream, expected, actual } => {
            Err(AppendError::Conflict { stream, expected, actual })
        }
        Outcome::Moved { expected, actual } => Err(AppendError::Moved { expected, actual }),
        Outcome::Written | Outcome::Letter(_) => Err(AppendError::Empty),
    }
}
