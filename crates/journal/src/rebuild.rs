//! Rebuilding and verifying a journal that nobody has open.
//!
//! A rebuild copies the log, entry by entry with its checksum verified, into a new file and folds
//! the projections there; then the new file takes the place of the old one in one step.  So it also
//! helps when pages outside the log are damaged, and a rebuild that is cut off has changed nothing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use serde::Serialize;
use tokio::time::Instant;

use crate::compare;
use crate::database::{self, checkpoint_on_close};
use crate::entry::Position;
use crate::error::{OpenError, Part, Trouble};
use crate::fold::Tally;
use crate::lock::FolderLock;
use crate::mark::Mark;
use crate::open::{flush_folder, lost};
use crate::schema::{self, Layout};
use crate::{chunk, dead_letter, log, outbox};

/// The new file while it is made.
const NEW_FILE: &str = "journal.db.rebuild";

/// The old file afterwards; the one of the rebuild before is replaced.
const OLD_FILE: &str = "journal.db.before-rebuild";

/// What a rebuild came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// How many entries there are, each verified.
    pub entries: u64,
    /// How many of them do not fit what came before and are in no table.
    pub skipped: u64,
    /// How many retries of messages were damaged; these messages are tried at once.
    pub retries_lost: u64,
    /// How many dead letters were damaged and are gone.
    pub letters_lost: u64,
    /// The file as it was before.
    pub before: PathBuf,
    /// How long it took.
    pub took: Duration,
}

/// What a verification came to, if it found nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many entries there are, each verified.
    pub entries: u64,
    /// How many of them do not fit what came before and are in no table.
    pub skipped: u64,
    /// How long it took.
    pub took: Duration,
}

/// Makes the file anew from its log.  Snapshots are left out: their owners fold the log.  Blocks;
/// needs as much free space again as the file has.
///
/// # Errors
/// When the journal is in use, is not there, has a damaged log, or the disk fails or is full.
/// Nothing has changed then.
pub fn rebuild(dir: &Path) -> Result<Rebuilt, OpenError> {
    let start = Instant::now();
    let dir = &std::path::absolute(dir).map_err(|error| OpenError::folder(dir, error))?;
    let path = compare::present(dir)?;
    let _lock = FolderLock::take_existing(dir)?;
    let (mut mark, marked) = Mark::open(dir)?;
    let old = schema::writer(&path)?;
    checkpoint_on_close(&old, false)?;
    if schema::layout(&old, &path)? == Layout::Empty {
        return Err(match marked {
            Position::START => OpenError::Missing { path },
            _ => lost(Position::START, marked).into(),
        });
    }
    let new_path = dir.join(NEW_FILE);
    remove(&new_path)?;
    remove(&dir.join(format!("{NEW_FILE}-journal")))?;
    let copied = copy(dir, &old, &new_path, marked);
    let Copied { tally, retries_lost, letters_lost } = match copied {
        Ok(copied) => copied,
        Err(error) => {
            // What is half done helps nobody, and may be what fills the disk.
            remove(&new_path)?;
            remove(&dir.join(format!("{NEW_FILE}-journal")))?;
            return Err(error);
        }
    };
    retire(old, &path)?;
    let before = dir.join(OLD_FILE);
    replace(dir, &path, &new_path, &before)?;
    mark.write(tally.last);
    Ok(Rebuilt {
        entries: tally.last.0,
        skipped: tally.skipped,
        retries_lost,
        letters_lost,
        before,
        took: start.elapsed(),
    })
}

/// Checks every entry, the whole file, and that the tables are what the log says.  Changes nothing
/// in it.  Blocks.
///
/// # Errors
/// The first thing that is wrong, or that the journal is in use or not there.
pub fn verify(dir: &Path) -> Result<Verified, OpenError> {
    let start = Instant::now();
    let tally = compare::verify(dir)?;
    Ok(Verified { entries: tally.last.0, skipped: tally.skipped, took: start.elapsed() })
}

/// What went into the new file.
struct Copied {
    tally: Tally,
    retries_lost: u64,
    letters_lost: u64,
}

/// Makes the new file and flushes it.
fn copy(
    dir: &Path,
    old: &Connection,
    new_path: &Path,
    marked: Position,
) -> Result<Copied, OpenError> {
    let mut new = schema::writer(new_path)?;
    schema::migrate(&mut new, Layout::Empty)?;
    let copied = copy_rows(dir, old, &mut new)?;
    if copied.tally.last < marked {
        return Err(lost(copied.tally.last, marked).into());
    }
    new.close().map_err(|(_conn, error)| Trouble::from(error))?;
    File::open(new_path)
        .and_then(|file| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            file.set_permissions(mode)?;
            file.sync_all()
        })
        .map_err(|error| OpenError::folder(new_path, error))?;
    Ok(copied)
}

fn copy_rows(dir: &Path, old: &Connection, new: &mut Connection) -> Result<Copied, OpenError> {
    let tx = new.transaction().map_err(Trouble::from)?;
    let mut tally = chunk::refold(old, &tx, |stored| {
        log::copy(&tx, stored).map_err(|trouble| trouble.of(Part::Log, Some(stored.position)))
    })?;
    // The bookkeeping is worth a try, and nothing more.
    let (retries, retries_lost) = outbox::retries(old).unwrap_or_else(|trouble| {
        tracing::warn!(?trouble, "the retries of messages cannot be read");
        (Vec::new(), 1)
    });
    for retry in &retries {
        outbox::retry(&tx, retry)?;
    }
    let letters_lost = dead_letter::copy(old, &tx).unwrap_or_else(|trouble| {
        tracing::warn!(?trouble, "the dead letters cannot be read");
        1
    });
    // What is durable and not yet in the tables of the old file.
    let front = compare::read_front(dir, schema::front(old).ok(), tally.last)?;
    if let Some(last) = front.last() {
        tally.skipped += database::fold(&tx, &front)?.skipped;
        tally.last = Position(last.next_position().0.saturating_sub(1));
        schema::set_projected(&tx, tally.last)?;
        schema::set_front(&tx, last.link)?;
    } else if let Ok(link) = schema::front(old) {
        schema::set_front(&tx, link)?;
    }
    tx.commit().map_err(Trouble::from)?;
    Ok(Copied { tally, retries_lost, letters_lost })
}

/// Moves the write-ahead log of the old file into it and closes it, so that the log beside it is
/// never taken for that of the new file.
fn retire(old: Connection, path: &Path) -> Result<(), OpenError> {
    let busy: i64 = old
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .map_err(Trouble::from)?;
    old.close().map_err(|(_conn, error)| Trouble::from(error))?;
    if busy != 0 {
        return Err(OpenError::Locked { dir: path.parent().unwrap_or(path).to_owned(), pid: None });
    }
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        remove(Path::new(&name))?;
    }
    Ok(())
}

/// Puts the new file in the place of the old one, which keeps a second name.
fn replace(dir: &Path, path: &Path, new: &Path, before: &Path) -> Result<(), OpenError> {
    remove(before)?;
    std::fs::hard_link(path, before).map_err(|error| OpenError::folder(before, error))?;
    std::fs::rename(new, path).map_err(|error| OpenError::folder(path, error))?;
    flush_folder(dir)
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(OpenError::folder(path, error))
        }
        _ => Ok(()),
    }
}
