//! The log as SQL: what is inserted, and how it is read back in order.

use rusqlite::{CachedStatement, Connection, Statement, ToSql, params};

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
        .prepare_cached("SELECT max(version) FROM streams WHERE stream = ?1")?
        .query_row([stream], |row| row.get(0))?;
    Ok(version.unwrap_or(0).cast_unsigned())
}

/// The statements that put entries into the log, held while there are many.
pub(crate) struct Appending<'c> {
    begin: CachedStatement<'c>,
    join: CachedStatement<'c>,
    insert: CachedStatement<'c>,
}

impl<'c> Appending<'c> {
    pub(crate) fn new(conn: &'c Connection) -> Result<Self, Trouble> {
        Ok(Self {
            begin: conn.prepare_cached("INSERT OR IGNORE INTO streams VALUES (?1, 1, ?2)")?,
            join: conn.prepare_cached("INSERT INTO streams VALUES (?1, ?2, ?3)")?,
            insert: conn.prepare_cached("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?,
        })
    }

    /// Notes that an entry begins a stream; false when the stream has entries already.
    pub(crate) fn begin(&mut self, stream: &str, position: Position) -> Result<bool, Trouble> {
        Ok(self.begin.execute(params![stream, position.column()])? == 1)
    }

    /// Notes that an entry is in a stream.
    pub(crate) fn join(
        &mut self,
        stream: &str,
        version: u64,
        position: Position,
    ) -> Result<(), Trouble> {
        self.join.execute(params![stream, version.cast_signed(), position.column()])?;
        Ok(())
    }

    /// Writes one entry.
    pub(crate) fn insert(
        &mut self,
        position: Position,
        stream: &str,
        version: u64,
        payload: &str,
    ) -> Result<(), Trouble> {
        let sum = seal(payload.as_bytes(), stream.as_bytes(), position, version, ENTRY_SCHEMA);
        let version = version.cast_signed();
        let row = params![position.column(), stream, version, ENTRY_SCHEMA, sum, payload];
        self.insert.execute(row)?;
        Ok(())
    }
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
pub(crate) enum Go {
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

/// Visits every entry after a position until it says stop, verifying checksums and that none is
/// missing in between.  Gives the last position.
pub(crate) fn each(
    conn: &Connection,
    after: Position,
    step: impl FnMut(&Stored<'_>) -> Result<Go, Trouble>,
) -> Result<Position, Trouble> {
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE position > ?1 ORDER BY position");
    let mut select = conn.prepare_cached(&sql)?;
    visit(&mut select, &[&after.column()], after, step)
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
    let columns = COLUMNS.replace(", ", ", e.");
    let sql = format!(
        "SELECT s.version, s.position, e.{columns} FROM streams s LEFT JOIN entries e \
         ON e.position = s.position WHERE s.stream = ?1 AND s.version > ?2 \
         ORDER BY s.version LIMIT ?3"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let after_column = i64::try_from(after).unwrap_or(i64::MAX);
    let rows = i64::try_from(limit.min(ENTRIES_MAX)).unwrap_or(i64::MAX);
    let mut rows = select.query(params![stream, after_column, rows])?;
    let (mut entries, mut bytes): (Vec<Entry>, _) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (version, position): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (version, position) = (version.cast_unsigned(), Position(position.cast_unsigned()));
        let expected = entries.last().map_or(after, |entry| entry.version) + 1;
        let is_there = row.get::<_, Option<i64>>(2)?.is_some();
        if version != expected || !is_there {
            let what = format!("version {expected} of the stream {stream} is missing");
            return Err(Damage::log(what, position).into());
        }
        let stored = Stored::behind(row, 2, position)?;
        if stored.version != version || stored.stream != stream {
            let what = format!("the stream {stream} does not have the entry at {position}");
            return Err(Damage::projections(what).into());
        }
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
