//! Snapshots: a state that somebody folded, kept so that the next start need not fold it all.
//!
//! A snapshot is a shortcut and never the truth: one that is damaged, or that is ahead of the log,
//! is left aside with a warning, and its owner folds the log instead.

use rusqlite::{Connection, params};

use crate::checksum::Crc32;
use crate::entry::Position;
use crate::error::Trouble;
use crate::limit::SNAPSHOTS_MAX;

fn checksum(position: i64, bytes: &[u8]) -> i64 {
    Crc32::new().bytes(bytes).number(position.cast_unsigned()).finish()
}

/// Writes a snapshot and removes those that are too old.
pub(crate) fn save(conn: &Connection, position: Position, bytes: &[u8]) -> Result<(), Trouble> {
    let at = position.column();
    conn.prepare_cached("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3)")?
        .execute(params![at, checksum(at, bytes), bytes])?;
    conn.prepare_cached(
        "DELETE FROM snapshots WHERE position NOT IN \
         (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?1)",
    )?
    .execute([i64::try_from(SNAPSHOTS_MAX).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// The newest snapshot that is whole and not ahead of `head`.
pub(crate) fn load(
    conn: &Connection,
    head: Position,
) -> Result<Option<(Position, Vec<u8>)>, Trouble> {
    let mut select =
        conn.prepare("SELECT position, checksum, bytes FROM snapshots ORDER BY position DESC")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (at, sum): (i64, i64) = (row.get(0)?, row.get(1)?);
        let bytes: Vec<u8> = row.get(2)?;
        let position = Position(at.cast_unsigned());
        if checksum(at, &bytes) != sum {
            tracing::warn!(journal.position = position.0, "a snapshot is damaged and left aside");
        } else if position > head {
            tracing::warn!(
                journal.position = position.0,
                "a snapshot is ahead of the log and left aside"
            );
        } else {
            return Ok(Some((position, bytes)));
        }
    }
    Ok(None)
}

/// How many snapshots do not match their checksum.
pub(crate) fn damaged(conn: &Connection) -> Result<u64, Trouble> {
    let mut select = conn.prepare("SELECT position, checksum, bytes FROM snapshots")?;
    let mut rows = select.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        let (at, sum): (i64, i64) = (row.get(0)?, row.get(1)?);
        let bytes: Vec<u8> = row.get(2)?;
        if checksum(at, &bytes) != sum {
            damaged += 1;
        }
    }
    Ok(damaged)
}
