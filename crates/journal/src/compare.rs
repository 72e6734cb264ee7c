//! The whole check: is every entry what was written, and are the projections what the log says?

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Rows};

use crate::database::{Unfolded, checkpoint_on_close};
use crate::entry::Position;
use crate::error::{Damage, OpenError, Part, Trouble};
use crate::fold::Tally;
use crate::front::{Link, Reading};
use crate::lock::FolderLock;
use crate::open::{self, lost};
use crate::schema::{self, Layout};
use crate::{chunk, database, dead_letter, log, mark, outbox, snapshot};

/// The longest report of `SQLite` about a damaged file, in findings.
const FINDINGS_MAX: usize = 10;

/// What a check found.
pub(crate) fn verify(dir: &Path) -> Result<Tally, OpenError> {
    let dir = &std::path::absolute(dir).map_err(|error| OpenError::folder(dir, error))?;
    let path = present(dir)?;
    let _lock = FolderLock::take_existing(dir)?;
    let marked = mark::read(dir)?;
    let conn = schema::writer(&path)?;
    // A check moves nothing, not even the write-ahead log into the file.
    checkpoint_on_close(&conn, false)?;
    let layout = schema::layout(&conn, &path)?;
    if layout == Layout::Empty {
        return match marked {
            Position::START => Ok(Tally::default()),
            _ => Err(lost(Position::START, marked).into()),
        };
    }
    check(dir, &conn, marked)
}

/// The path of the journal in a folder, if there is one.
pub(crate) fn present(dir: &Path) -> Result<std::path::PathBuf, OpenError> {
    let path = dir.join(open::FILE);
    match path.try_exists() {
        Ok(true) => Ok(path),
        Ok(false) => Err(OpenError::Missing { path }),
        Err(error) => Err(OpenError::folder(&path, error)),
    }
}

fn check(dir: &Path, conn: &Connection, marked: Position) -> Result<Tally, OpenError> {
    let mut fresh = Connection::open_in_memory().map_err(Trouble::from)?;
    schema::migrate(&mut fresh, Layout::Empty)?;
    // The log first: whether it is whole decides what helps against anything found later.
    let tx = fresh.transaction().map_err(Trouble::from)?;
    let mut tally = chunk::refold(conn, &tx, |_| Ok(()))?;
    tx.commit().map_err(Trouble::from)?;
    // What is durable and not yet in the tables belongs to the log.
    let front = read_front(dir, schema::front(conn).ok(), tally.last)?;
    let last = front.last().map_or(tally.last, |last| Position(last.next_position().0 - 1));
    if last < marked {
        return Err(lost(last, marked).into());
    }
    if let Some(stream) = log::streams_with_gaps(conn)?.first() {
        let what = format!("the versions of the stream {stream} have a gap");
        return Err(Damage::file(what).into());
    }
    check_file(conn)?;
    if schema::statements(conn)? != schema::statements(&fresh)? {
        return Err(Damage::file("its tables are not laid out as they should be").into());
    }
    check_projections(conn, &fresh).map_err(|trouble| trouble.of(Part::Projections, None))?;
    tally.skipped += database::fold(&fresh, &front)?.skipped;
    tally.last = last;
    Ok(tally)
}

/// What lies in the front file behind the log.  Where the database cannot say where that is, it is
/// looked for.
pub(crate) fn read_front(
    dir: &Path,
    known: Option<Link>,
    last: Position,
) -> Result<Vec<Unfolded>, OpenError> {
    let from = match known {
        Some(link) => link,
        None => find(&Reading::open(dir, Link::default())?, last)?,
    };
    let mut reading = Reading::open(dir, from)?;
    let (mut last, mut frames) = (last, Vec::new());
    while let Some(frame) = reading.next(last)? {
        let unfolded = open::follows(frame, reading.at(), last)?;
        last = Position(unfolded.next_position().0.saturating_sub(1));
        frames.push(unfolded);
    }
    Ok(frames)
}

/// The place in the chain before the first frame that goes on where the log ends.
fn find(reading: &Reading, last: Position) -> Result<Link, Trouble> {
    for link in reading.all()? {
        if let Some(frame) = reading.frame(link.offset)?
            && frame.first == last.next()
        {
            return Ok(Link { sequence: link.sequence.saturating_sub(1), offset: link.offset });
        }
    }
    let newest = reading.all()?.last().copied().unwrap_or_default();
    Ok(newest)
}

fn check_file(conn: &Connection) -> Result<(), Trouble> {
    let mut check = conn.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let findings: Vec<String> = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    match findings.as_slice() {
        [only] if only == "ok" => Ok(()),
        _ => Err(Damage::file(findings.join("; ")).into()),
    }
}

fn check_projections(conn: &Connection, fresh: &Connection) -> Result<(), Trouble> {
    let (found, right) = (schema::projected(conn)?, schema::projected(fresh)?);
    if found != right {
        let what = format!("the tables are folded up to {found} and the log ends at {right}");
        return Err(Damage::projections(what).into());
    }
    for table in schema::PROJECTIONS {
        if let Some(row) = first_difference(conn, fresh, table)? {
            let what = format!("row {row} of {table} is not what the log says");
            return Err(Damage::projections(what).into());
        }
    }
    let (_, retries) = outbox::retries(conn)?;
    let (snapshots, letters) = (snapshot::damaged(conn)?, dead_letter::damaged(conn)?);
    if retries + snapshots + letters > 0 {
        let what = format!(
            "{retries} retries, {snapshots} snapshots and {letters} dead letters have a wrong \
             checksum"
        );
        return Err(Damage::projections(what).into());
    }
    Ok(())
}

/// The number, from 1, of the first row in which two tables differ.
fn first_difference(
    left: &Connection,
    right: &Connection,
    table: &str,
) -> Result<Option<u64>, Trouble> {
    let sql = format!("SELECT * FROM {table} ORDER BY 1");
    let (mut left, mut right) = (left.prepare(&sql)?, right.prepare(&sql)?);
    let n_columns = right.column_count();
    let (mut left, mut right) = (left.query([])?, right.query([])?);
    for number in 1.. {
        match (values(&mut left, n_columns)?, values(&mut right, n_columns)?) {
            (None, None) => break,
            (left, right) if left == right => {}
            _ => return Ok(Some(number)),
        }
    }
    Ok(None)
}

fn values(rows: &mut Rows<'_>, n_columns: usize) -> Result<Option<Vec<Value>>, Trouble> {
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let values = (0..n_columns).map(|column| row.get(column));
    Ok(Some(values.collect::<Result<_, _>>()?))
}
