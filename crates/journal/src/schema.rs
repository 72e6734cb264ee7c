//! The layout of the file, and how an older file becomes a newer one.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use crate::entry::Position;
use crate::error::{Damage, OpenError, Part, Trouble};
use crate::front::Link;
use crate::limit::{WAL_BYTES_KEPT, WAL_PAGES_MAX, WRITER_CACHE_KIB};

/// Marks the file as ours: `NCjn` (`PRAGMA application_id`).
const APPLICATION_ID: i64 = 0x4E43_6A6E;

/// One step for each layout: the first makes layout 1 out of an empty file.  A step that changes a
/// projection drops and makes its table and sets `projected` to 0; the next open then folds the log
/// again.  Steps are never edited after a release.
const MIGRATIONS: [&str; 2] = [LAYOUT_1, LAYOUT_2];

const LAYOUT_1: &str = "
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    payload TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entries_by_stream ON entries (stream, version);

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('projected', 0), ('probe', 0);

-- A changed alert is a new row, so rows lie in the order of their last change, and new ones share
-- pages although fingerprints are random.
CREATE TABLE alerts (
    fingerprint INTEGER NOT NULL UNIQUE,
    state TEXT NOT NULL,
    position INTEGER NOT NULL,
    alert TEXT NOT NULL
) STRICT;
CREATE INDEX alerts_by_state ON alerts (state);

CREATE TABLE incidents (
    id INTEGER PRIMARY KEY,
    open INTEGER NOT NULL,
    state TEXT NOT NULL,
    severity TEXT NOT NULL,
    opened_at_us INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL,
    ended_at_us INTEGER,
    position INTEGER NOT NULL,
    summary TEXT NOT NULL
) STRICT;
CREATE INDEX incidents_open ON incidents (open, id);

CREATE TABLE outbox (
    notification INTEGER PRIMARY KEY,
    incident INTEGER NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    queued_at_us INTEGER NOT NULL,
    state TEXT NOT NULL,
    settled_at_us INTEGER,
    error TEXT,
    position INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_state ON outbox (state, queued_at_us);
CREATE INDEX outbox_pending ON outbox (incident, channel, notification) WHERE state = 'pending';

CREATE TABLE retries (
    notification INTEGER PRIMARY KEY,
    attempts INTEGER NOT NULL,
    next_at_us INTEGER NOT NULL,
    error TEXT NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

CREATE TABLE snapshots (
    position INTEGER PRIMARY KEY,
    checksum INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;
";

/// Streams are an index in the order of streams, an alert is the entry that tells of it, a message is
/// about an incident, a group of alerts or the crew itself, and what could not be read is kept.
const LAYOUT_2: &str = "
DROP INDEX entries_by_stream;
CREATE TABLE streams (
    stream TEXT NOT NULL,
    version INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (stream, version)
) STRICT, WITHOUT ROWID;

DROP TABLE alerts;
-- `position` is the entry that last changed it, `told` the one with its contents.
CREATE TABLE alerts (
    fingerprint INTEGER PRIMARY KEY,
    firing INTEGER NOT NULL,
    position INTEGER NOT NULL,
    told INTEGER NOT NULL
) STRICT;
CREATE INDEX alerts_by_state ON alerts (firing, position);

DROP TABLE outbox;
CREATE TABLE outbox (
    notification INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    mentions TEXT NOT NULL,
    queued_at_us INTEGER NOT NULL,
    state TEXT NOT NULL,
    settled_at_us INTEGER,
    error TEXT,
    receipt TEXT,
    position INTEGER NOT NULL
) STRICT;
-- Each in the order of notifications: the number of a row stands behind its columns.
CREATE INDEX outbox_by_state ON outbox (state);
CREATE INDEX outbox_by_channel ON outbox (channel) WHERE state = 'pending';
CREATE INDEX outbox_pending ON outbox (subject, channel, notification) WHERE state = 'pending';
CREATE INDEX outbox_by_subject ON outbox (subject, channel, notification);

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    door TEXT NOT NULL,
    received_at_us INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    error TEXT NOT NULL,
    body_bytes INTEGER NOT NULL,
    replayed_at_us INTEGER,
    outcome TEXT,
    head_sum INTEGER NOT NULL,
    body_sum INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_use ON dead_letters (replayed_at_us, id, body_bytes);
INSERT INTO meta VALUES
    ('front_sequence', 0), ('front_offset', 0), ('last_letter', 0), ('letters_dropped', 0);
UPDATE meta SET value = 0 WHERE name = 'projected';
";

/// The tables that are folded from the log.
pub(crate) const PROJECTIONS: [&str; 4] = ["streams", "alerts", "incidents", "outbox"];

/// How long another program that reads or writes the file is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many prepared statements a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// Opens a connection that may write; makes the file when there is none.
pub(crate) fn writer(path: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    configure(&conn)?;
    Ok(conn)
}

/// Opens a connection that only reads a journal that is open for writing in this process.
pub(crate) fn reader(path: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    configure(&conn)?;
    Ok(conn)
}

fn configure(conn: &Connection) -> Result<(), Trouble> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Otherwise a statement is prepared anew whenever other values are bound to it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // `cell_size_check` finds damaged pages when they are read; `trusted_schema` keeps a file
    // from another hand from calling functions.
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF; \
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(())
}

/// Turns the write-ahead log on; the file remembers it.
pub(crate) fn use_wal(conn: &Connection) -> Result<(), Trouble> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" {
        conn.query_row(&format!("PRAGMA journal_size_limit = {WAL_BYTES_KEPT}"), [], |_| Ok(()))?;
        conn.query_row(&format!("PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}"), [], |_| Ok(()))?;
        conn.execute_batch(&format!("PRAGMA cache_size = -{WRITER_CACHE_KIB}"))?;
        Ok(())
    } else {
        Err(Damage::file(format!("its journal mode is {mode} and cannot be changed")).into())
    }
}

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nothing is in it.
    Empty,
    /// A journal of this layout, which this version knows.
    Known(i64),
}

/// Reads the header.
pub(crate) fn layout(conn: &Connection, path: &Path) -> Result<Layout, OpenError> {
    let pragma = |name: &str| -> Result<i64, Trouble> {
        Ok(conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?)
    };
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(Trouble::from)?;
    let (id, found) = (pragma("application_id")?, pragma("user_version")?);
    let known = MIGRATIONS.len() as i64;
    match (id, found) {
        (0, 0) if tables == 0 => Ok(Layout::Empty),
        (APPLICATION_ID, 1..) if found <= known => Ok(Layout::Known(found)),
        (APPLICATION_ID, 1..) => Err(OpenError::NewerSchema { found, known }),
        (APPLICATION_ID, _) => Err(Damage::file(format!("its layout is {found}")).into()),
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Brings the file to the newest layout.
pub(crate) fn migrate(conn: &mut Connection, layout: Layout) -> Result<(), Trouble> {
    let done = match layout {
        Layout::Empty => 0,
        Layout::Known(layout) => usize::try_from(layout).unwrap_or(MIGRATIONS.len()),
    };
    let steps = MIGRATIONS.get(done..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    let tx = conn.transaction()?;
    for step in steps {
        tx.execute_batch(step)?;
    }
    tx.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {}",
        MIGRATIONS.len()
    ))?;
    tx.commit()?;
    Ok(())
}

/// Up to which entry the projections are folded.
pub(crate) fn projected(conn: &Connection) -> Result<Position, Trouble> {
    let read = || -> Result<i64, Trouble> {
        Ok(conn
            .prepare_cached("SELECT value FROM meta WHERE name = 'projected'")?
            .query_row([], |row| row.get(0))?)
    };
    let value = read().map_err(|trouble| trouble.of(Part::Projections, None))?;
    Ok(Position(value.cast_unsigned()))
}

/// Notes up to which entry the projections are folded.
pub(crate) fn set_projected(conn: &Connection, position: Position) -> Result<(), Trouble> {
    let mut update = conn.prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'projected'")?;
    match update.execute(params![position.column()])? {
        1 => Ok(()),
        _ => Err(Damage::projections("the row `projected` is gone").into()),
    }
}

/// Up to which frame of the front file the database has everything.
pub(crate) fn front(conn: &Connection) -> Result<Link, Trouble> {
    let read = |name: &str| -> Result<u64, Trouble> {
        let value: i64 = conn
            .prepare_cached("SELECT value FROM meta WHERE name = ?1")?
            .query_row([name], |row| row.get(0))?;
        Ok(value.cast_unsigned())
    };
    let read = || Ok(Link { sequence: read("front_sequence")?, offset: read("front_offset")? });
    read().map_err(|trouble: Trouble| trouble.of(Part::Projections, None))
}

/// Notes up to which frame of the front file the database has everything.
pub(crate) fn set_front(conn: &Connection, link: Link) -> Result<(), Trouble> {
    let mut update = conn.prepare_cached("UPDATE meta SET value = ?2 WHERE name = ?1")?;
    for (name, value) in [("front_sequence", link.sequence), ("front_offset", link.offset)] {
        if update.execute(params![name, value.cast_signed()])? != 1 {
            return Err(Damage::projections(format!("the row `{name}` is gone")).into());
        }
    }
    Ok(())
}

/// The statements that made the tables, for comparison.
pub(crate) fn statements(conn: &Connection) -> Result<Vec<String>, Trouble> {
    let mut select = conn.prepare(
        "SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || coalesce(sql, '') \
         FROM sqlite_schema ORDER BY 1",
    )?;
    let rows = select.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
