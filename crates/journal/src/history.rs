//! The log as it was, for whoever judges the past: also while a crew has it open.

use std::path::Path;

use nightcrew_model::decision::Decision;

use crate::compare;
use crate::entry::Position;
use crate::error::{OpenError, Trouble};
use crate::log::{self, Go};
use crate::schema::{self, Layout};

/// Gives every decision of the log in a folder, in order, each entry verified; how many there are.
/// What is durable and not in the tables yet, the last moments of a crew that runs, is left out.
/// Blocks.
///
/// # Errors
/// When there is no journal, it is of another layout, or it is damaged; what comes before the
/// damage was given.
pub fn read(dir: &Path, mut each: impl FnMut(Decision)) -> Result<u64, OpenError> {
    let path = compare::present(dir)?;
    let conn = schema::reader(&path)?;
    if schema::layout(&conn, &path)? == Layout::Empty {
        return Ok(0);
    }
    let mut n_decisions = 0;
    let read = log::each(&conn, Position::START, |stored| {
        each(stored.whole()?);
        n_decisions += 1;
        Ok::<_, Trouble>(Go::On)
    });
    read?;
    Ok(n_decisions)
}
