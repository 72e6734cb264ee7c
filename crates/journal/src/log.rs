//! The log as SQL: what is inserted, and how it is read back in order.

use rusqlite::{Connection, Statement, ToSql, params};

use crate::batch::PreparedEntry;
use crate::entry::{COLUMNS, ENTRY_SCHEMA, Entry, Position, Stored, seal};
use crate::error::{Damage, Part, Trouble};
use crate::limit::{ENTRIES_MAX, READ_BYTES_MAX};

/// The position of the last entry.
pub(crate) fn last(conn: &Connection) -> Result<Position, Trouble> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(position) FROM entries")?
        .query_row([], |row| row.get(0))?;
    Ok(Position(last.unwrap_or(0).cast_unsigned()))
}

/// The version of a stream: how many entries it has.
pub(crate) fn version(conn: &Connection, stream: &str) -> Result<u64, Trouble> {
    let version: Option<i64> = conn
        .prepare_cached("SELECT max(version) FROM entries WHERE stream = ?1")?
        .query_row([stream], |row| row.get(0))?;
    Ok(version.unwrap_or(0).cast_unsigned())
}

/// Writes one entry.
pub(crate) fn insert(
    conn: &Connection,
    position: Position,
    stream: &str,
    version: u64,
    entry: &PreparedEntry,
) -> Result<(), Trouble> {
    let checksum = seal(entry.body, position, version, ENTRY_SCHEMA);
    conn.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
        params![
            position.column(),
            stream,
            version.cast_signed(),
            ENTRY_SCHEMA,
            checksum,
            entry.payload,
        ],
    )?;
    Ok(())
}

/// Writes an entry as it is stored elsewhere.
pub(crate) fn copy(conn: &Connection, entry: &Stored<'_>) -> Result<(), Trouble> {
    conn.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
        params![
            entry.position.column(),
            entry.stream,
            entry.version.cast_signed(),
            entry.schema,
            entry.checksum,
            entry.payload,
        ],
    )?;
    Ok(())
}

/// Whether to go on to the next entry.
enum Go {
    On,
    Stop,
}

/// Visits the rows of a statement over the log whose positions have no gap, from `after` on.
fn visit(
    select: &mut Statement<'_>,
    params: &[&dyn ToSql],
    after: Position,
    mut visit: impl FnMut(&Stored<'_>) -> Result<Go, Trouble>,
) -> Result<Position, Trouble> {
    let mut at = after;
    let in_log = |error, at: Position| Trouble::from(error).of(Part::Log, Some(at.next()));
    let mut rows = select.query(params).map_err(|error| in_log(error, at))?;
    while let Some(row) = rows.next().map_err(|error| in_log(error, at))? {
        let stored = Stored::of(row, at.next())?;
        if stored.position != at.next() {
            return Err(Damage::log("entries are missing", at.next()).into());
        }
        at = stored.position;
        if let Go::Stop = visit(&stored)? {
            break;
        }
    }
    Ok(at)
}

/// Visits every entry after a position, verifying checksums and that none is missing in between.
/// Gives the last position.
pub(crate) fn each(
    conn: &Connection,
    after: Position,
    mut step: impl FnMut(&Stored<'_>) -> Result<(), Trouble>,
) -> Result<Position, Trouble> {
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE position > ?1 ORDER BY position");
    let mut select = conn.prepare_cached(&sql)?;
    visit(&mut select, &[&after.column()], after, |stored| step(stored).map(|()| Go::On))
}

/// The entries after a position: at most `limit`, at most [`READ_BYTES_MAX`] and one entry more.
/// `head` is a position that is known to be in the log.
pub(crate) fn page(
    conn: &Connection,
    after: Position,
    limit: usize,
    head: Position,
) -> Result<Vec<Entry>, Trouble> {
    let limit = limit.min(ENTRIES_MAX);
    let sql =
        format!("SELECT {COLUMNS} FROM entries WHERE position > ?1 ORDER BY position LIMIT ?2");
    let mut select = conn.prepare_cached(&sql)?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let at = visit(&mut select, &[&after.column(), &rows], after, |stored| {
        entries.push(stored.entry()?);
        bytes += stored.payload.len();
        Ok(if bytes > READ_BYTES_MAX { Go::Stop } else { Go::On })
    })?;
    if entries.len() < limit && bytes <= READ_BYTES_MAX && at < head {
        return Err(Damage::log("entries are missing", at.next()).into());
    }
    Ok(entries)
}

/// The entries of a stream after a version, with the limits of [`page`].
pub(crate) fn stream_page(
    conn: &Connection,
    stream: &str,
    after: u64,
    limit: usize,
) -> Result<Vec<Entry>, Trouble> {
    let sql = format!(
        "SELECT {COLUMNS} FROM entries WHERE stream = ?1 AND version > ?2 ORDER BY version LIMIT ?3"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let after_column = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = i64::try_from(limit.min(ENTRIES_MAX)).unwrap_or(i64::MAX);
    let mut rows = select.query(params![stream, after_column, rows])?;
    let (mut entries, mut bytes, mut at): (Vec<Entry>, _, _) = (Vec::new(), 0, Position::START);
    while let Some(row) = rows.next()? {
        let stored = Stored::of(row, at.next())?;
        let expected = entries.last().map_or(after, |entry| entry.version) + 1;
        if stored.version != expected || stored.stream != stream {
            let what = format!("version {expected} of the stream {stream} is missing");
            return Err(Damage::log(what, stored.position).into());
        }
        at = stored.position;
        bytes += stored.payload.len();
        entries.push(stored.entry()?);
        if bytes > READ_BYTES_MAX {
            break;
        }
    }
    Ok(entries)
}

/// The streams whose versions have a gap; [`ENTRIES_MAX`] at most.
pub(crate) fn streams_with_gaps(conn: &Connection) -> Result<Vec<String>, Trouble> {
    let mut select = conn.prepare(
        "SELECT stream FROM entries GROUP BY stream \
         HAVING min(version) <> 1 OR max(version) <> count(*) LIMIT ?1",
    )?;
    let limit = i64::try_from(ENTRIES_MAX).unwrap_or(i64::MAX);
    let rows = select.query_map([limit], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
