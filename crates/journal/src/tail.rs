//! Following the log as it grows.

use tokio::sync::watch;

use crate::entry::{Entry, Position};
use crate::error::ReadError;
use crate::journal::Journal;
use crate::limit::ENTRIES_MAX;
use crate::queue::Head;

/// A reader that has read up to a position and waits for more.
///
/// It reads from the log and not from a queue: a slow reader loses nothing, holds nothing up and
/// costs no memory.  It follows what is in the tables, which is a moment later than what is durable.
#[derive(Debug)]
pub struct Subscription {
    journal: Journal,
    head: watch::Receiver<Head>,
    after: Position,
}

impl Subscription {
    pub(crate) fn new(journal: Journal, head: watch::Receiver<Head>, after: Position) -> Self {
        Self { journal, head, after }
    }

    /// The last position that was given out.
    #[must_use]
    pub fn position(&self) -> Position {
        self.after
    }

    /// The next entries, in order: those that are there, or, when there is none, the first that
    /// come.  At least one; at most [`ENTRIES_MAX`].
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the journal is closed or cannot be read.  The position has not moved then.
    pub async fn next(&mut self) -> Result<Vec<Entry>, ReadError> {
        let after = self.after;
        let head = *self
            .head
            .wait_for(|head| head.last > after || head.closed)
            .await
            .map_err(|_| ReadError::Closed)?;
        if head.closed {
            return Err(ReadError::Closed);
        }
        let entries = self.journal.read(after, ENTRIES_MAX).await?;
        if let Some(last) = entries.last() {
            self.after = last.position;
        }
        Ok(entries)
    }
}
