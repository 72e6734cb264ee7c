//! The outbox: messages to people, folded from the log, and the retries of their sending.
//!
//! That a message was queued, arrived or never will is a fact and comes from the log.  How often
//! it was tried and when it is tried next is no fact: it is kept in a table of its own, which a
//! rebuild takes over.  A row of that table that is damaged only means that the message is tried
//! now.
//!
//! **Invariant:** of each subject and channel at most the oldest pending message is due, so that
//! people read messages in the order of what happened.

use jiff::Timestamp;
use nightcrew_model::decision::{NotificationKind, Receipt, Subject};
use nightcrew_model::id::{ChannelName, NotificationId, PersonName};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use crate::checksum::Crc32;
use crate::entry::Position;
use crate::error::{Damage, Trouble};
use crate::limit::{RETRY_ERROR_CHARS_MAX, ROWS_MAX};
use crate::row::{OutboxCounts, OutboxRow, OutboxState};
use crate::table::{count, limit, moment, word};

/// A message that is new.
pub(crate) struct Queued<'d> {
    pub(crate) notification: NotificationId,
    pub(crate) subject: &'d Subject,
    pub(crate) channel: &'d ChannelName,
    pub(crate) kind: NotificationKind,
    pub(crate) mentions: &'d [PersonName],
    pub(crate) at: Timestamp,
}

/// A message that is done with.
pub(crate) struct Settled<'d> {
    pub(crate) notification: NotificationId,
    pub(crate) state: OutboxState,
    pub(crate) error: Option<&'d str>,
    pub(crate) receipt: Option<&'d Receipt>,
    pub(crate) at: Timestamp,
}

/// One try that has to be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Retry {
    pub(crate) notification: NotificationId,
    pub(crate) attempts: u32,
    pub(crate) next_at: Timestamp,
    pub(crate) error: String,
}

impl Retry {
    pub(crate) fn new(
        notification: NotificationId,
        attempts: u32,
        next_at: Timestamp,
        error: &str,
    ) -> Self {
        Self {
            notification,
            attempts,
            next_at,
            error: error.chars().take(RETRY_ERROR_CHARS_MAX).collect(),
        }
    }

    fn checksum(notification: i64, attempts: i64, next_at_us: i64, error: &str) -> i64 {
        Crc32::new()
            .number(notification.cast_unsigned())
            .number(attempts.cast_unsigned())
            .number(next_at_us.cast_unsigned())
            .bytes(error.as_bytes())
            .finish()
    }
}

/// Puts a message into the outbox; false when it is there already.
pub(crate) fn queue(
    conn: &Connection,
    position: Position,
    queued: &Queued<'_>,
) -> Result<bool, Trouble> {
    let n_rows = conn
        .prepare_cached(
            "INSERT INTO outbox VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', NULL, NULL, NULL, ?7) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            queued.notification.0.cast_signed(),
            json(queued.subject)?,
            queued.channel.as_str(),
            queued.kind.to_string(),
            json(queued.mentions)?,
            queued.at.as_microsecond(),
            position.column(),
        ])?;
    Ok(n_rows == 1)
}

/// Notes what became of a message; false when it is not pending.
pub(crate) fn settle(
    conn: &Connection,
    position: Position,
    settled: &Settled<'_>,
) -> Result<bool, Trouble> {
    let n_rows = conn
        .prepare_cached(
            "UPDATE outbox SET state = ?2, settled_at_us = ?3, error = ?4, receipt = ?5, position = ?6 \
             WHERE notification = ?1 AND state = 'pending'",
        )?
        .execute(params![
            settled.notification.0.cast_signed(),
            settled.state.as_str(),
            settled.at.as_microsecond(),
            settled.error,
            settled.receipt.map(|receipt| receipt.0.as_str()),
            position.column(),
        ])?;
    Ok(n_rows == 1)
}

/// Notes a try.  A message that is not pending any more is left alone.
pub(crate) fn retry(conn: &Connection, retry: &Retry) -> Result<(), Trouble> {
    let notification = retry.notification.0.cast_signed();
    let (attempts, next_at_us) = (i64::from(retry.attempts), retry.next_at.as_microsecond());
    conn.prepare_cached(
        "INSERT OR REPLACE INTO retries SELECT ?1, ?2, ?3, ?4, ?5 \
         WHERE EXISTS (SELECT 1 FROM outbox WHERE notification = ?1 AND state = 'pending')",
    )?
    .execute(params![
        notification,
        attempts,
        next_at_us,
        retry.error,
        Retry::checksum(notification, attempts, next_at_us, &retry.error),
    ])?;
    Ok(())
}

/// The columns that [`outbox_row`] reads, in its order.
pub(crate) const ROW: &str = "SELECT o.notification, o.subject, o.channel, o.kind, o.queued_at_us, o.state, \
                   o.error, r.attempts, r.next_at_us, r.error, r.checksum, o.mentions, o.receipt \
                   FROM outbox o LEFT JOIN retries r USING (notification)";

pub(crate) fn outbox_row(row: &Row<'_>) -> Result<OutboxRow, Trouble> {
    let (notification, subject): (i64, String) = (row.get(0)?, row.get(1)?);
    let (mentions, receipt): (String, Option<String>) = (row.get(11)?, row.get(12)?);
    let (channel, kind, state): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(5)?);
    let retried = match retried(row, notification) {
        Ok(retried) => retried,
        Err(trouble) => {
            tracing::warn!(
                notification.id = notification,
                ?trouble,
                "the retries of a message are damaged; it is tried now"
            );
            None
        }
    };
    Ok(OutboxRow {
        notification: NotificationId(notification.cast_unsigned()),
        subject: read(&subject)?,
        channel: ChannelName::from(channel),
        kind: word(&kind)?,
        queued_at: moment(row.get(4)?)?,
        state: word(&state)?,
        attempts: retried.as_ref().map_or(0, |retry| retry.attempts),
        next_at: retried.as_ref().map(|retry| retry.next_at),
        last_error: row.get::<_, Option<String>>(6)?.or(retried.map(|retry| retry.error)),
        mentions: read(&mentions)?,
        receipt: receipt.map(Receipt),
    })
}

/// A value as a column.
fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|error| Damage::projections(format!("a value cannot be written: {error}")).into())
}

/// A column as a value.
fn read<T: serde::de::DeserializeOwned>(column: &str) -> Result<T, Trouble> {
    serde_json::from_str(column)
        .map_err(|error| Damage::projections(format!("a column cannot be read: {error}")).into())
}

fn retried(row: &Row<'_>, notification: i64) -> Result<Option<Retry>, Trouble> {
    let Some(checksum) = row.get::<_, Option<i64>>(10)? else {
        return Ok(None);
    };
    let (attempts, next_at_us, error): (i64, i64, String) = (row.get(7)?, row.get(8)?, row.get(9)?);
    if Retry::checksum(notification, attempts, next_at_us, &error) != checksum {
        let what = format!("the retries of {notification} do not match their checksum");
        return Err(Damage::projections(what).into());
    }
    Ok(Some(Retry {
        notification: NotificationId(notification.cast_unsigned()),
        attempts: count(attempts)?,
        next_at: moment(next_at_us)?,
        error,
    }))
}

/// The messages that are to be sent now, the oldest first.
pub(crate) fn due(
    conn: &Connection,
    now: Timestamp,
    n_rows: usize,
) -> Result<Vec<OutboxRow>, Trouble> {
    let sql = format!(
        "{ROW} WHERE o.state = 'pending' AND NOT EXISTS (\
             SELECT 1 FROM outbox p WHERE p.state = 'pending' AND p.subject = o.subject \
             AND p.channel = o.channel AND p.notification < o.notification\
         ) ORDER BY o.notification"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query([])?;
    let mut due = Vec::new();
    while due.len() < n_rows.min(ROWS_MAX)
        && let Some(row) = rows.next()?
    {
        let row = outbox_row(row)?;
        if row.next_at.is_none_or(|next_at| next_at <= now) {
            due.push(row);
        }
    }
    Ok(due)
}

/// The messages about something, the oldest first.
pub(crate) fn about(
    conn: &Connection,
    subject: &Subject,
    n_rows: usize,
) -> Result<Vec<OutboxRow>, Trouble> {
    let sql = format!("{ROW} WHERE o.subject = ?1 ORDER BY o.notification LIMIT ?2");
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query(params![json(subject)?, limit(n_rows)])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(outbox_row(row)?);
    }
    Ok(messages)
}

/// The newest message about something that has a name at the receiver of a channel.
pub(crate) fn receipt(
    conn: &Connection,
    subject: &Subject,
    channel: &ChannelName,
) -> Result<Option<(NotificationId, Receipt)>, Trouble> {
    let found: Option<(i64, String)> = conn
        .prepare_cached(
            "SELECT notification, receipt FROM outbox \
             WHERE subject = ?1 AND channel = ?2 AND receipt IS NOT NULL \
             ORDER BY notification DESC LIMIT 1",
        )?
        .query_row(params![json(subject)?, channel.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(id, receipt)| (NotificationId(id.cast_unsigned()), Receipt(receipt))))
}

/// How many messages there are.
pub(crate) fn counts(conn: &Connection) -> Result<OutboxCounts, Trouble> {
    let mut select = conn.prepare_cached("SELECT state, count(*) FROM outbox GROUP BY state")?;
    let mut rows = select.query([])?;
    let mut counts = OutboxCounts::default();
    while let Some(row) = rows.next()? {
        let (state, n_rows): (String, i64) = (row.get(0)?, row.get(1)?);
        let n_rows = n_rows.cast_unsigned();
        match word(&state)? {
            OutboxState::Pending => counts.pending = n_rows,
            OutboxState::Delivered => counts.delivered = n_rows,
            OutboxState::Failed => counts.failed = n_rows,
            OutboxState::Superseded => counts.superseded = n_rows,
        }
    }
    let oldest: Option<i64> = conn
        .prepare_cached("SELECT min(queued_at_us) FROM outbox WHERE state = 'pending'")?
        .query_row([], |row| row.get(0))?;
    counts.oldest_pending_at = oldest.map(moment).transpose()?;
    Ok(counts)
}

/// Every kept retry that is whole, and how many are not.
pub(crate) fn retries(conn: &Connection) -> Result<(Vec<Retry>, u64), Trouble> {
    let mut select = conn.prepare(
        "SELECT notification, 0, 0, 0, 0, 0, 0, attempts, next_at_us, error, checksum \
         FROM retries ORDER BY notification",
    )?;
    let mut rows = select.query([])?;
    let (mut whole, mut damaged) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        match retried(row, row.get(0)?) {
            Ok(retry) => whole.extend(retry),
            Err(_) => damaged += 1,
        }
    }
    Ok((whole, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let error = "가".repeat(RETRY_ERROR_CHARS_MAX + 1);
        let retry = Retry::new(NotificationId(1), 1, Timestamp::UNIX_EPOCH, &error);
        assert_eq!(retry.error.chars().count(), RETRY_ERROR_CHARS_MAX);
    }
}
