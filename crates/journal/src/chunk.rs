//! A stretch of the log, folded at once.
//!
//! Entries of one stream lie far apart in the log and beside each other in the index of streams, so
//! a chunk is put there in the order of streams: the more at once, the fewer pages are touched.

use nightcrew_model::decision::{Decision, Fact};
use rusqlite::Connection;

use crate::entry::{Position, Stored};
use crate::error::{Damage, Trouble};
use crate::fold::{Tables, Tally};
use crate::log::{self, Appending, Go};
use crate::schema;

/// How many entries a refold folds at once.
const REFOLD_ENTRIES: usize = 8_192;

/// An entry that is to be folded.
pub(crate) struct Item<'i> {
    pub(crate) position: Position,
    pub(crate) stream: &'i str,
    pub(crate) payload: &'i str,
    pub(crate) decision: &'i Decision,
}

/// Puts the entries into the index of streams; gives their versions, in their order.
fn join(
    conn: &Connection,
    log: &mut Appending<'_>,
    items: &[Item<'_>],
) -> Result<Vec<u64>, Trouble> {
    let mut order: Vec<(&Item<'_>, usize)> = items.iter().zip(0..).collect();
    order.sort_by_key(|(item, n)| (item.stream, *n));
    let mut versions = vec![0; items.len()];
    for stream in order.chunk_by(|(one, _), (other, _)| one.stream == other.stream) {
        let Some((first, _)) = stream.first() else { continue };
        // In a storm most alerts are new, and so are their streams: no look is needed.
        let begins = matches!(first.decision.fact, Fact::AlertFired { .. })
            && log.begin(first.stream, first.position)?;
        let mut version = if begins { 0 } else { log::version(conn, first.stream)? };
        for (item, n) in stream {
            version += 1;
            if version > 1 || !begins {
                log.join(item.stream, version, item.position)?;
            }
            if let Some(place) = versions.get_mut(*n) {
                *place = version;
            }
        }
    }
    Ok(versions)
}

/// Puts new entries into the log and folds them, inside the caller's transaction.
pub(crate) fn append(conn: &Connection, items: &[Item<'_>]) -> Result<Tally, Trouble> {
    if items.is_empty() {
        return Ok(Tally::default());
    }
    let mut log = Appending::new(conn)?;
    let versions = join(conn, &mut log, items)?;
    for (item, version) in items.iter().zip(versions) {
        log.insert(item.position, item.stream, version, item.payload)?;
    }
    fold(conn, items)
}

fn fold(conn: &Connection, items: &[Item<'_>]) -> Result<Tally, Trouble> {
    let mut tables = Tables::new(conn)?;
    let mut tally = Tally::default();
    for item in items {
        tally.add(item.position, tables.apply(item.position, item.decision)?);
    }
    tables.finish()?;
    Ok(tally)
}

/// An entry of the log, kept while its chunk is folded.
struct Kept {
    position: Position,
    stream: String,
    version: u64,
    decision: Decision,
}

/// Folds the whole log of `from` into the empty projections of `into`; `each` sees every entry
/// first.
pub(crate) fn refold(
    from: &Connection,
    into: &Connection,
    mut each: impl FnMut(&Stored<'_>) -> Result<(), Trouble>,
) -> Result<Tally, Trouble> {
    let mut tally = Tally::default();
    loop {
        let mut kept: Vec<Kept> = Vec::new();
        let last = log::each(from, tally.last, |stored| {
            each(stored)?;
            kept.push(Kept {
                position: stored.position,
                stream: stored.stream.to_owned(),
                version: stored.version,
                decision: stored.whole()?,
            });
            Ok(if kept.len() < REFOLD_ENTRIES { Go::On } else { Go::Stop })
        })?;
        if kept.is_empty() {
            break;
        }
        refold_chunk(into, &kept, &mut tally)?;
        tally.last = last;
    }
    schema::set_projected(into, tally.last)?;
    Ok(tally)
}

fn refold_chunk(into: &Connection, kept: &[Kept], tally: &mut Tally) -> Result<(), Trouble> {
    let items: Vec<Item<'_>> = kept
        .iter()
        .map(|kept| Item {
            position: kept.position,
            stream: &kept.stream,
            payload: "",
            decision: &kept.decision,
        })
        .collect();
    for (kept, version) in kept.iter().zip(join(into, &mut Appending::new(into)?, &items)?) {
        if kept.version != version {
            let what = format!("the versions of the stream {} have a gap", kept.stream);
            return Err(Damage::log(what, kept.position).into());
        }
    }
    let folded = fold(into, &items)?;
    tally.skipped += folded.skipped;
    Ok(())
}
