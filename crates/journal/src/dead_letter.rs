//! Dead letters: what came through a door and could not be read.
//!
//! They are no facts: nothing is folded from them.  They are kept with their raw body so that a
//! person sees them, and so that they can be replayed once they can be read.  There is room for
//! [`DEAD_LETTERS_MAX`] of them with [`DEAD_LETTERS_BYTES_MAX`] bytes; the oldest that were replayed
//! go first, then the oldest, and how many went is counted.

use std::fmt;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use crate::checksum::Crc32;
use crate::error::{Damage, ReadError, Trouble, WriteError};
use crate::journal::Journal;
use crate::limit::{
    DEAD_LETTER_BODY_BYTES_MAX, DEAD_LETTER_WORDS_CHARS_MAX, DEAD_LETTERS_BYTES_MAX,
    DEAD_LETTERS_MAX,
};
use crate::table::{self, limit, moment};
use crate::writer::{Outcome, Work};

/// The number of a dead letter, unique and rising within one journal.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DeadLetterId(pub u64);

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The name of the door it came through.
    pub door: String,
    /// When.
    pub received_at: Timestamp,
    /// What its sender said it is.
    pub content_type: String,
    /// Why it could not be read; cut after
    /// [`DEAD_LETTER_WORDS_CHARS_MAX`] characters, as the words before are.
    pub error: String,
    /// What came, as it came; at most
    /// [`DEAD_LETTER_BODY_BYTES_MAX`] bytes.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// What came of the last replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// When.
    pub at: Timestamp,
    /// In words.
    pub outcome: String,
}

/// A dead letter as it is kept, without its body.  Times are cut to microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterRow {
    /// Its number.
    pub id: DeadLetterId,
    /// The name of the door it came through.
    pub door: String,
    /// When.
    pub received_at: Timestamp,
    /// What its sender said it is.
    pub content_type: String,
    /// Why it could not be read.
    pub error: String,
    /// The size of its body, in bytes.
    pub body_bytes: u64,
    /// What came of its last replay; none: there was none.
    pub replay: Option<Replay>,
}

/// How many dead letters there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetterCounts {
    /// How many are kept.
    pub kept: u64,
    /// How many of these were replayed.
    pub replayed: u64,
    /// The size of the bodies that are kept, in bytes.
    pub body_bytes: u64,
    /// How many went to make room, since there is the journal.
    pub dropped: u64,
}

impl Journal {
    /// Keeps a dead letter.  Durable when it returns.
    ///
    /// # Errors
    /// When its body is larger than [`DEAD_LETTER_BODY_BYTES_MAX`] or it cannot be written.
    pub async fn put_dead_letter(&self, letter: DeadLetter) -> Result<DeadLetterId, WriteError> {
        let bytes = letter.body.len();
        if bytes > DEAD_LETTER_BODY_BYTES_MAX {
            return Err(WriteError::LetterTooLarge { bytes });
        }
        match self.submit(Work::Letter(letter.cut()), bytes).await? {
            Outcome::Letter(id) => Ok(id),
            Outcome::Written
            | Outcome::Appended(_)
            | Outcome::Conflict { .. }
            | Outcome::Moved { .. } => Err(WriteError::Closed),
        }
    }

    /// Notes what came of replaying a dead letter; one that is gone is left alone.  Durable when it
    /// returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn dead_letter_replayed(
        &self,
        id: DeadLetterId,
        at: Timestamp,
        outcome: &str,
    ) -> Result<(), WriteError> {
        let replay = Replay { at, outcome: cut(outcome) };
        let bytes = replay.outcome.len();
        Outcome::written(self.submit(Work::Replay(id, replay), bytes).await)
    }

    /// The dead letters with a number below `before`, the newest first; `limit` or
    /// [`ROWS_MAX`](crate::limit::ROWS_MAX) at most.  The last number of one page is the `before` of
    /// the next.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn dead_letters(
        &self,
        before: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetterRow>, ReadError> {
        self.readers().read(move |conn| table::in_projections(list(conn, before, limit))).await
    }

    /// A dead letter and its body; none where there is none of that number any more.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn dead_letter(
        &self,
        id: DeadLetterId,
    ) -> Result<Option<(DeadLetterRow, Vec<u8>)>, ReadError> {
        self.readers().read(move |conn| table::in_projections(get(conn, id))).await
    }

    /// How many dead letters there are.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn dead_letter_counts(&self) -> Result<DeadLetterCounts, ReadError> {
        self.readers().read(move |conn| table::in_projections(counts(conn))).await
    }
}

fn cut(words: &str) -> String {
    words.chars().take(DEAD_LETTER_WORDS_CHARS_MAX).collect()
}

impl DeadLetter {
    fn cut(self) -> Self {
        Self {
            door: cut(&self.door),
            content_type: cut(&self.content_type),
            error: cut(&self.error),
            ..self
        }
    }

    fn checksum(&self, id: DeadLetterId) -> i64 {
        head_sum(id, &self.door, self.received_at.as_microsecond(), &self.content_type, &self.error)
    }
}

/// Over what a list shows: a list does not read bodies.
fn head_sum(
    id: DeadLetterId,
    door: &str,
    received_at_us: i64,
    content_type: &str,
    error: &str,
) -> i64 {
    let words = [door, content_type, error];
    let start = Crc32::new().number(id.0).number(received_at_us.cast_unsigned());
    let sum =
        words.iter().fold(start, |sum, word| sum.bytes(word.as_bytes()).number(word.len() as u64));
    sum.finish()
}

fn body_sum(body: &[u8]) -> i64 {
    Crc32::new().bytes(body).finish()
}

/// The newest number that was ever given.
pub(crate) fn last(conn: &Connection) -> Result<DeadLetterId, Trouble> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT value FROM meta WHERE name = 'last_letter'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(DeadLetterId(last.unwrap_or(0).cast_unsigned()))
}

/// Writes a dead letter, and makes room for it.
pub(crate) fn save(
    conn: &Connection,
    id: DeadLetterId,
    letter: &DeadLetter,
    body: &[u8],
) -> Result<(), Trouble> {
    let row = id.0.cast_signed();
    conn.prepare_cached(
        "INSERT OR REPLACE INTO dead_letters VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, NULL, NULL, ?7, ?8, ?9)",
    )?
    .execute(params![
        row,
        letter.door,
        letter.received_at.as_microsecond(),
        letter.content_type,
        letter.error,
        i64::try_from(body.len()).unwrap_or(i64::MAX),
        letter.checksum(id),
        body_sum(body),
        body,
    ])?;
    conn.prepare_cached("UPDATE meta SET value = max(value, ?1) WHERE name = 'last_letter'")?
        .execute([row])?;
    make_room(conn)
}

fn make_room(conn: &Connection) -> Result<(), Trouble> {
    let (mut kept, mut bytes): (i64, i64) = conn
        .prepare_cached("SELECT count(*), coalesce(sum(body_bytes), 0) FROM dead_letters")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let kept_max = i64::try_from(DEAD_LETTERS_MAX).unwrap_or(i64::MAX);
    let bytes_max = i64::try_from(DEAD_LETTERS_BYTES_MAX).unwrap_or(i64::MAX);
    while kept > kept_max || bytes > bytes_max {
        let oldest: Option<(i64, i64)> = conn
            .prepare_cached(
                "SELECT id, body_bytes FROM dead_letters \
                 ORDER BY replayed_at_us IS NULL, id LIMIT 1",
            )?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, size)) = oldest else { break };
        conn.prepare_cached("DELETE FROM dead_letters WHERE id = ?1")?.execute([id])?;
        conn.prepare_cached("UPDATE meta SET value = value + 1 WHERE name = 'letters_dropped'")?
            .execute([])?;
        kept -= 1;
        bytes -= size;
    }
    Ok(())
}

/// Notes what came of a replay.
pub(crate) fn replayed(
    conn: &Connection,
    id: DeadLetterId,
    replay: &Replay,
) -> Result<(), Trouble> {
    conn.prepare_cached("UPDATE dead_letters SET replayed_at_us = ?2, outcome = ?3 WHERE id = ?1")?
        .execute(params![id.0.cast_signed(), replay.at.as_microsecond(), replay.outcome])?;
    Ok(())
}

/// The columns that [`letter_row`] reads, in its order.
const HEAD: &str = "id, door, received_at_us, content_type, error, body_bytes, replayed_at_us, \
                    outcome, head_sum";

fn letter_row(row: &Row<'_>) -> Result<DeadLetterRow, Trouble> {
    let (id, door, received): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (content_type, error): (String, String) = (row.get(3)?, row.get(4)?);
    let (body_bytes, replayed): (i64, Option<i64>) = (row.get(5)?, row.get(6)?);
    let id = DeadLetterId(id.cast_unsigned());
    let sum: i64 = row.get(8)?;
    if head_sum(id, &door, received, &content_type, &error) != sum {
        return Err(damaged_letter(id));
    }
    let outcome: Option<String> = row.get(7)?;
    let replay = replayed.map(moment).transpose()?;
    Ok(DeadLetterRow {
        id,
        door,
        received_at: moment(received)?,
        content_type,
        error,
        body_bytes: body_bytes.unsigned_abs(),
        replay: replay.map(|at| Replay { at, outcome: outcome.unwrap_or_default() }),
    })
}

fn damaged_letter(id: DeadLetterId) -> Trouble {
    Damage::projections(format!("the dead letter {id} does not match its checksum")).into()
}

fn list(
    conn: &Connection,
    before: Option<DeadLetterId>,
    n_rows: usize,
) -> Result<Vec<DeadLetterRow>, Trouble> {
    let sql = format!("SELECT {HEAD} FROM dead_letters WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut select = conn.prepare_cached(&sql)?;
    let before = before.map_or(i64::MAX, |id| i64::try_from(id.0).unwrap_or(i64::MAX));
    let mut rows = select.query(params![before, limit(n_rows)])?;
    let mut letters = Vec::new();
    while let Some(row) = rows.next()? {
        letters.push(letter_row(row)?);
    }
    Ok(letters)
}

fn get(conn: &Connection, id: DeadLetterId) -> Result<Option<(DeadLetterRow, Vec<u8>)>, Trouble> {
    let sql = format!("SELECT {HEAD}, body_sum, body FROM dead_letters WHERE id = ?1");
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([id.0.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (sum, body): (i64, Vec<u8>) = (row.get(9)?, row.get(10)?);
    if body_sum(&body) != sum {
        return Err(damaged_letter(id));
    }
    Ok(Some((letter_row(row)?, body)))
}

fn counts(conn: &Connection) -> Result<DeadLetterCounts, Trouble> {
    let (kept, replayed, bytes): (i64, i64, i64) = conn
        .prepare_cached(
            "SELECT count(*), count(replayed_at_us), coalesce(sum(body_bytes), 0) FROM dead_letters",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let dropped: i64 = conn
        .prepare_cached("SELECT value FROM meta WHERE name = 'letters_dropped'")?
        .query_row([], |row| row.get(0))?;
    Ok(DeadLetterCounts {
        kept: kept.unsigned_abs(),
        replayed: replayed.unsigned_abs(),
        body_bytes: bytes.unsigned_abs(),
        dropped: dropped.unsigned_abs(),
    })
}

/// Copies every dead letter that is whole, and says how many are not.
pub(crate) fn copy(from: &Connection, into: &Connection) -> Result<u64, Trouble> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'dead_letters'";
    if from.query_row(tables, [], |row| row.get::<_, i64>(0))? == 0 {
        // A file of a layout that had none.
        return Ok(0);
    }
    let mut damaged = 0;
    let mut ids = from.prepare("SELECT id FROM dead_letters ORDER BY id")?;
    let ids: Vec<i64> = ids.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in ids {
        let Ok(Some((row, body))) = get(from, DeadLetterId(id.cast_unsigned())) else {
            damaged += 1;
            continue;
        };
        let letter = DeadLetter {
            door: row.door,
            received_at: row.received_at,
            content_type: row.content_type,
            error: row.error,
            body: Vec::new(),
        };
        save(into, row.id, &letter, &body)?;
        if let Some(replay) = row.replay {
            replayed(into, row.id, &replay)?;
        }
    }
    into.execute(
        "UPDATE meta SET value = max(value, ?1) WHERE name = 'last_letter'",
        [last(from)?.0.cast_signed()],
    )?;
    let dropped: i64 =
        from.query_row("SELECT value FROM meta WHERE name = 'letters_dropped'", [], |row| {
            row.get(0)
        })?;
    into.execute("UPDATE meta SET value = ?1 WHERE name = 'letters_dropped'", [dropped])?;
    Ok(damaged)
}

/// How many dead letters do not match their checksums.
pub(crate) fn damaged(conn: &Connection) -> Result<u64, Trouble> {
    let mut ids = conn.prepare("SELECT id FROM dead_letters")?;
    let ids: Vec<i64> = ids.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let bad = |id: &&i64| get(conn, DeadLetterId(id.cast_unsigned())).is_err();
    Ok(ids.iter().filter(bad).count() as u64)
}
