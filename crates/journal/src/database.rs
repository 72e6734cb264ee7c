//! The one connection that writes to the database, behind the front file.

use nightcrew_model::decision::Decision;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::chunk::{self, Item};
use crate::dead_letter;
use crate::entry::{self, Position};
use crate::error::{Damage, Trouble};
use crate::fold::Tally;
use crate::frame::{Frame, Kind, Record};
use crate::front::Link;
use crate::lock::FolderLock;
use crate::outbox::{self, Retry};
use crate::{schema, snapshot};

/// A frame that is durable and not yet in the tables.
#[derive(Debug)]
pub(crate) struct Unfolded {
    pub(crate) frame: Frame,
    /// The decisions of its entries, in order, in parts.
    pub(crate) decisions: Vec<Vec<Decision>>,
    /// The link that the frame is in the chain.
    pub(crate) link: Link,
}

impl Unfolded {
    /// A frame that was found in the front file.
    pub(crate) fn found(frame: Frame, link: Link) -> Result<Self, Trouble> {
        let (mut records, mut position) = (frame.records(), frame.first);
        let mut decisions = Vec::new();
        while let Some(record) = records.next()? {
            if record.kind == Kind::Entry {
                decisions.push(entry::decision(text(&record, position)?, position)?);
                position = position.next();
            }
        }
        Ok(Self { frame, decisions: vec![decisions], link })
    }

    /// The position behind its entries.
    pub(crate) fn next_position(&self) -> Position {
        let n_entries: usize = self.decisions.iter().map(Vec::len).sum();
        Position(self.frame.first.0 + n_entries as u64)
    }
}

/// Whether a transaction is on the disk when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Not yet: after a power failure the front file has it.
    Lazy,
    /// It is, and everything before it.
    Now,
}

/// The open database.
///
/// The fields are dropped in this order: the folder stays locked until the file is closed.
#[derive(Debug)]
pub(crate) struct Database {
    conn: Connection,
    _lock: FolderLock,
}

impl Database {
    pub(crate) fn new(conn: Connection, lock: FolderLock) -> Self {
        Self { conn, _lock: lock }
    }

    /// Folds frames, in order, all of them or none.
    pub(crate) fn fold(
        &mut self,
        frames: &[Unfolded],
        durability: Durability,
    ) -> Result<(), Trouble> {
        let Some(last) = frames.last() else { return Ok(()) };
        let tx = self.begin(durability)?;
        // What does not fit is warned about there; the log keeps it in any case.
        let _: Tally = fold(&tx, frames)?;
        schema::set_projected(&tx, Position(last.next_position().0.saturating_sub(1)))?;
        schema::set_front(&tx, last.link)?;
        tx.commit()?;
        Ok(())
    }

    /// Makes everything that was folded durable.
    pub(crate) fn settle(&mut self, folded: Link) -> Result<(), Trouble> {
        let tx = self.begin(Durability::Now)?;
        schema::set_front(&tx, folded)?;
        tx.commit()?;
        Ok(())
    }

    /// Writes a snapshot; durable when it returns.
    pub(crate) fn snapshot(&mut self, position: Position, bytes: &[u8]) -> Result<(), Trouble> {
        let tx = self.begin(Durability::Now)?;
        snapshot::save(&tx, position, bytes)?;
        tx.commit()?;
        Ok(())
    }

    fn begin(&mut self, durability: Durability) -> Result<Transaction<'_>, Trouble> {
        if !self.conn.is_autocommit() {
            // A rollback that failed, after the error before.
            self.conn.execute_batch("ROLLBACK")?;
        }
        let mut pragma = self.conn.prepare_cached(match durability {
            Durability::Lazy => "PRAGMA synchronous = NORMAL",
            Durability::Now => "PRAGMA synchronous = FULL",
        })?;
        pragma.execute([])?;
        drop(pragma);
        Ok(self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    /// Moves everything into the main file and closes it.
    pub(crate) fn close(self) -> Result<(), Trouble> {
        self.conn.close().map_err(|(_conn, error)| Trouble::from(error))
    }
}

/// Puts what is in frames into the log and the tables, inside the caller's transaction.
pub(crate) fn fold(conn: &Connection, frames: &[Unfolded]) -> Result<Tally, Trouble> {
    let mut tally = Tally::default();
    let mut items: Vec<Item<'_>> = Vec::new();
    for unfolded in frames {
        let (mut records, mut position) = (unfolded.frame.records(), unfolded.frame.first);
        let mut decisions = unfolded.decisions.iter().flatten();
        while let Some(record) = records.next()? {
            if record.kind == Kind::Entry {
                let Some(decision) = decisions.next() else {
                    return Err(Damage::log("a frame has no such entry", position).into());
                };
                let (stream, payload) = (record.name, text(&record, position)?);
                items.push(Item { position, stream, payload, decision });
                position = position.next();
                continue;
            }
            // A retry is kept only while its message is pending, so the order matters.
            add(&mut tally, chunk::append(conn, &items)?);
            items.clear();
            keep(conn, &record, position)?;
        }
    }
    add(&mut tally, chunk::append(conn, &items)?);
    Ok(tally)
}

fn add(tally: &mut Tally, more: Tally) {
    tally.last = tally.last.max(more.last);
    tally.skipped += more.skipped;
}

/// Puts what is no entry beside the log.
fn keep(conn: &Connection, record: &Record<'_>, position: Position) -> Result<(), Trouble> {
    match record.kind {
        Kind::Entry => Ok(()),
        Kind::Retry => {
            let retry: Retry = entry::decision(text(record, position)?, position)?;
            outbox::retry(conn, &retry)
        }
        Kind::Letter => {
            let (id, letter) = entry::decision(record.name, position)?;
            dead_letter::save(conn, id, &letter, record.content)
        }
        Kind::Replay => {
            let (id, replay) = entry::decision(text(record, position)?, position)?;
            dead_letter::replayed(conn, id, &replay)
        }
    }
}

fn text<'f>(record: &Record<'f>, position: Position) -> Result<&'f str, Trouble> {
    str::from_utf8(record.content)
        .map_err(|_| Damage::log("the text is not UTF-8", position).into())
}

/// Whether closing the last connection moves the write-ahead log into the main file.  It must not
/// while it is not known that the two are whole: the log beside the file is evidence.
pub(crate) fn checkpoint_on_close(conn: &Connection, on: bool) -> Result<(), Trouble> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !on)?;
    Ok(())
}
