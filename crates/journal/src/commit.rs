//! One transaction: entries, what is folded from them, and what is kept beside the log.

use std::collections::HashMap;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use crate::batch::{Committed, Prepared};
use crate::entry::Position;
use crate::error::{Trouble, WriteError};
use crate::lock::FolderLock;
use crate::mark::Mark;
use crate::outbox::{self, Retry};
use crate::{fold, log, schema, snapshot};

/// Something to write.
#[derive(Debug)]
pub(crate) enum Work {
    /// Decisions, if their streams are as expected.
    Append(Prepared),
    /// A try to send a message that has to be repeated.
    Retry(Retry),
    /// A state that somebody folded up to a position.
    Snapshot(Position, Vec<u8>),
    /// Nothing but the proof that writing is possible.
    Probe,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is durable.
    Written,
    /// The batch is durable, there.
    Appended(Committed),
    /// The batch was not written, because a stream is not as expected.
    Conflict { stream: String, expected: u64, actual: u64 },
}

/// The one connection that writes.
///
/// The fields are dropped in this order: the folder stays locked until the file is closed.
#[derive(Debug)]
pub(crate) struct Writer {
    conn: Connection,
    mark: Mark,
    last: Position,
    _lock: FolderLock,
}

/// The versions that streams have in the transaction under way.
type Versions<'w> = HashMap<&'w str, u64>;

impl Writer {
    pub(crate) fn new(conn: Connection, mark: Mark, last: Position, lock: FolderLock) -> Self {
        Self { conn, mark, last, _lock: lock }
    }

    /// The last position that is durable.
    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// Writes a group in one transaction.  A batch whose streams are not as expected is found before
    /// its first row is written, so it leaves no trace and the others go on; an error of the storage
    /// undoes the whole group.
    pub(crate) fn commit<'w>(
        &mut self,
        group: impl Iterator<Item = &'w Work>,
    ) -> Result<Vec<Outcome>, Trouble> {
        if !self.conn.is_autocommit() {
            // A rollback that failed, after the error before.
            self.conn.execute_batch("ROLLBACK")?;
        }
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut last = self.last;
        let mut versions = Versions::new();
        let outcomes = group
            .map(|work| match work {
                Work::Append(batch) => append(&tx, &mut versions, &mut last, batch),
                Work::Retry(retry) => outbox::retry(&tx, retry).map(|()| Outcome::Written),
                Work::Snapshot(position, bytes) => {
                    snapshot::save(&tx, *position, bytes).map(|()| Outcome::Written)
                }
                Work::Probe => schema::probe(&tx).map(|()| Outcome::Written),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if last != self.last {
            schema::set_projected(&tx, last)?;
        }
        tx.commit()?;
        if last != self.last {
            self.last = last;
            self.mark.write(last);
        }
        Ok(outcomes)
    }

    /// Moves everything into the main file and closes it.
    pub(crate) fn close(self) -> Result<(), Trouble> {
        if let Err(error) = self.mark.flush() {
            tracing::warn!(%error, "the mark of the journal could not be flushed");
        }
        self.conn.close().map_err(|(_conn, error)| Trouble::from(error))
    }
}

/// Whether closing the last connection moves the write-ahead log into the main file.  It must not
/// while it is not known that the two are whole: the log beside the file is evidence.
pub(crate) fn checkpoint_on_close(conn: &Connection, on: bool) -> Result<(), Trouble> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !on)?;
    Ok(())
}

fn append<'w>(
    tx: &Connection,
    versions: &mut Versions<'w>,
    last: &mut Position,
    batch: &'w Prepared,
) -> Result<Outcome, Trouble> {
    if let Some(conflict) = conflict(tx, versions, batch)? {
        return Ok(conflict);
    }
    let first = last.next();
    for append in &batch.appends {
        let mut version = current(tx, versions, &append.stream)?;
        for entry in &append.entries {
            version += 1;
            *last = last.next();
            log::insert(tx, *last, &append.stream, version, entry)?;
            // Whether it fitted is warned about there; the log keeps it in any case.
            let _: fold::Folded = fold::apply(tx, *last, &entry.decision)?;
        }
        versions.insert(&append.stream, version);
    }
    Ok(Outcome::Appended(Committed { first, last: *last }))
}

/// The first expectation that does not hold.
fn conflict<'w>(
    tx: &Connection,
    versions: &mut Versions<'w>,
    batch: &'w Prepared,
) -> Result<Option<Outcome>, Trouble> {
    let mut own: HashMap<&str, u64> = HashMap::new();
    for append in &batch.appends {
        let own = own.entry(&append.stream).or_default();
        if let Some(expected) = append.expected.version() {
            let actual = current(tx, versions, &append.stream)? + *own;
            if actual != expected {
                return Ok(Some(Outcome::Conflict {
                    stream: append.stream.clone(),
                    expected,
                    actual,
                }));
            }
        }
        *own += append.entries.len() as u64;
    }
    Ok(None)
}

fn current<'w>(
    tx: &Connection,
    versions: &mut Versions<'w>,
    stream: &'w str,
) -> Result<u64, Trouble> {
    if let Some(version) = versions.get(stream) {
        return Ok(*version);
    }
    let version = log::version(tx, stream)?;
    versions.insert(stream, version);
    Ok(version)
}

impl Outcome {
    /// For what is no batch and so has no streams.
    pub(crate) fn written(result: Result<Self, WriteError>) -> Result<(), WriteError> {
        match result? {
            Self::Written | Self::Appended(_) | Self::Conflict { .. } => Ok(()),
        }
    }
}
