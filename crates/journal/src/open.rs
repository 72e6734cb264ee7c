//! Opening: lock, read the header, migrate, check the end of the log.
//!
//! The checks at every start are cheap (the header, the last [`CHECKED_ENTRIES`] entries, the mark,
//! how far the projections are); [`crate::rebuild`] has the whole check.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::database::{self, Database, Unfolded, checkpoint_on_close};
use crate::entry::Position;
use crate::error::{Damage, OpenError, Trouble};
use crate::folding::Folding;
use crate::frame::Frame;
use crate::front::{Front, Link, Reading};
use crate::lock::FolderLock;
use crate::log::Go;
use crate::mark::{self, Mark};
use crate::schema::{self, Layout};
use crate::writer::Writer;
use crate::{chunk, dead_letter, fold, log};

/// The file of the log in the data folder.
pub(crate) const FILE: &str = "journal.db";

/// How many entries at the end of the log are verified at every start.
pub(crate) const CHECKED_ENTRIES: u64 = 1_000;

/// How many frames of the front file are folded at once at a start.
const REPLAYED_FRAMES: usize = 1_000;

/// An open journal.
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) folding: Folding,
    /// The file of the database.
    pub(crate) path: PathBuf,
}

/// Opens the journal in a folder; makes both when there is none.
pub(crate) fn open(dir: &Path) -> Result<Opened, OpenError> {
    let dir = &std::path::absolute(dir).map_err(|error| OpenError::folder(dir, error))?;
    let lock = FolderLock::take(dir)?;
    let (mut mark, marked) = Mark::open(dir)?;
    let path = dir.join(FILE);
    let is_new = make(&path, marked)?;
    let mut conn = schema::writer(&path)?;
    checkpoint_on_close(&conn, false)?;
    let layout = schema::layout(&conn, &path)?;
    if layout == Layout::Empty && marked > Position::START {
        return Err(lost(Position::START, marked).into());
    }
    schema::use_wal(&conn)?;
    schema::migrate(&mut conn, layout)?;
    let last = check_log(&conn)?;
    catch_up(&mut conn, last)?;
    let (last, link) = replay(dir, &mut conn, last)?;
    if last < marked {
        return Err(lost(last, marked).into());
    }
    if last != marked {
        mark.write(last);
    }
    let front = Front::open(dir, link)?;
    if is_new || layout == Layout::Empty {
        mark.write(last);
        mark.flush().map_err(|error| OpenError::folder(&dir.join(mark::FILE), error))?;
        flush_folder(dir)?;
    }
    checkpoint_on_close(&conn, true)?;
    let last_letter = dead_letter::last(&conn)?;
    let folding = Folding::new(Database::new(conn, lock), link, last);
    let writer = Writer::new(front, mark, path.clone(), last, last_letter);
    Ok(Opened { writer, folding, path })
}

/// Puts what is durable in the front file, and not yet in the database, into it.
fn replay(
    dir: &Path,
    conn: &mut Connection,
    last: Position,
) -> Result<(Position, Link), OpenError> {
    let mut reading = Reading::open(dir, schema::front(conn)?)?;
    let (mut last, mut frames) = (last, Vec::new());
    let tx = conn.transaction().map_err(Trouble::from)?;
    let from = reading.at();
    while let Some(frame) = reading.next(last)? {
        let unfolded = follows(frame, reading.at(), last)?;
        last = Position(unfolded.next_position().0.saturating_sub(1));
        frames.push(unfolded);
        if frames.len() >= REPLAYED_FRAMES {
            database::fold(&tx, &frames)?;
            frames.clear();
        }
    }
    database::fold(&tx, &frames)?;
    if reading.at() != from {
        schema::set_projected(&tx, last)?;
        schema::set_front(&tx, reading.at())?;
    }
    tx.commit().map_err(Trouble::from)?;
    Ok((last, reading.at()))
}

/// A frame that was found, if its entries go on where the log ends.
pub(crate) fn follows(frame: Frame, link: Link, last: Position) -> Result<Unfolded, Trouble> {
    if frame.first != last.next() {
        return Err(Damage::log("the front file does not go on there", last.next()).into());
    }
    Unfolded::found(frame, link)
}

/// Makes the file, readable by its owner alone; true when there was none.
fn make(path: &Path, marked: Position) -> Result<bool, OpenError> {
    let exists = path.try_exists().map_err(|error| OpenError::folder(path, error))?;
    if exists {
        return Ok(false);
    }
    if marked > Position::START {
        return Err(lost(Position::START, marked).into());
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| OpenError::folder(path, error))?;
    Ok(true)
}

/// Makes the names of new files durable, and the folder's own name.
pub(crate) fn flush_folder(dir: &Path) -> Result<(), OpenError> {
    for folder in [Some(dir), dir.parent()].into_iter().flatten() {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| OpenError::folder(folder, error))?;
    }
    Ok(())
}

/// What a log means that ends before the mark.
pub(crate) fn lost(last: Position, marked: Position) -> Damage {
    Damage::log(
        format!(
            "it ends at {last}, although {marked} was acknowledged; to go on without what is lost, \
             remove {} instead",
            mark::FILE
        ),
        last.next(),
    )
}

/// Verifies the end of the log.
fn check_log(conn: &Connection) -> Result<Position, Trouble> {
    let last = log::last(conn)?;
    let from = Position(last.0.saturating_sub(CHECKED_ENTRIES));
    let seen = log::each(conn, from, |_| Ok(Go::On))?;
    if seen != last {
        return Err(Damage::log("entries are missing", seen.next()).into());
    }
    Ok(last)
}

/// Folds the log into projections that a migration has emptied.
fn catch_up(conn: &mut Connection, last: Position) -> Result<(), Trouble> {
    let projected = schema::projected(conn)?;
    if projected == last {
        return Ok(());
    }
    if projected != Position::START {
        let what = format!("the tables are folded up to {projected} and the log ends at {last}");
        return Err(Damage::projections(what).into());
    }
    let tx = conn.transaction()?;
    fold::clear(&tx)?;
    chunk::refold(&tx, &tx, |_| Ok(()))?;
    tx.commit()?;
    Ok(())
}
