//! Reads for whoever sends messages: what is due, channel by channel, so that a channel with much
//! to send hides none of the others, and the alerts that one message tells of.

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_model::id::ChannelName;
use nightcrew_model::labels::Fingerprint;
use rusqlite::{Connection, params};

use crate::error::{ReadError, Trouble};
use crate::journal::Journal;
use crate::limit::ROWS_MAX;
use crate::outbox::{ROW, outbox_row};
use crate::row::{AlertRow, OutboxRow};
use crate::table;

/// The largest number of channels that are looked at.
pub const LANES_MAX: usize = 1_000;

impl Journal {
    /// The messages that are to be sent now, those that wait for longest first: of each channel that
    /// is not in `left_out` the first `each`, and of each subject and channel only the oldest that is
    /// pending.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn outbox_due_each(
        &self,
        now: Timestamp,
        each: usize,
        left_out: BTreeSet<ChannelName>,
    ) -> Result<Vec<OutboxRow>, ReadError> {
        self.readers()
            .read(move |conn| table::in_projections(due_each(conn, now, each, &left_out)))
            .await
    }

    /// The alerts of these fingerprints that the log knows, in the same order.
    ///
    /// # Errors
    /// When the journal is closed, damaged or cannot be read.
    pub async fn alerts_of(
        &self,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<Vec<AlertRow>, ReadError> {
        let found = move |conn: &Connection| {
            let rows = fingerprints.into_iter().map(|fingerprint| table::alert(conn, fingerprint));
            rows.filter_map(Result::transpose).collect()
        };
        self.readers().read(move |conn| table::in_projections(found(conn))).await
    }
}

fn due_each(
    conn: &Connection,
    now: Timestamp,
    each: usize,
    left_out: &BTreeSet<ChannelName>,
) -> Result<Vec<OutboxRow>, Trouble> {
    let mut due = Vec::new();
    for channel in channels(conn)? {
        if !left_out.contains(&channel) {
            due_of(conn, now, each, &channel, &mut due)?;
        }
    }
    due.sort_by_key(|row| (row.next_at.unwrap_or(row.queued_at), row.notification));
    Ok(due)
}

/// The channels with messages that are to be sent.
fn channels(conn: &Connection) -> Result<Vec<ChannelName>, Trouble> {
    let mut select = conn
        .prepare_cached("SELECT DISTINCT channel FROM outbox WHERE state = 'pending' LIMIT ?1")?;
    let mut rows = select.query([table::limit(LANES_MAX)])?;
    let mut channels = Vec::new();
    while let Some(row) = rows.next()? {
        channels.push(ChannelName::from(row.get::<_, String>(0)?));
    }
    Ok(channels)
}

fn due_of(
    conn: &Connection,
    now: Timestamp,
    each: usize,
    channel: &ChannelName,
    due: &mut Vec<OutboxRow>,
) -> Result<(), Trouble> {
    // What failed takes its turn behind what waits for longer.  A retry whose checksum is wrong makes
    // its message due now: that is judged in `outbox_row`.
    let sql = format!(
        "{ROW} WHERE o.state = 'pending' AND o.channel = ?1 AND NOT EXISTS (\
             SELECT 1 FROM outbox p WHERE p.state = 'pending' AND p.subject = o.subject \
             AND p.channel = o.channel AND p.notification < o.notification\
         ) ORDER BY coalesce(r.next_at_us, o.queued_at_us), o.notification"
    );
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query(params![channel.as_str()])?;
    let mut n_found = 0;
    while n_found < each.min(ROWS_MAX)
        && let Some(row) = rows.next()?
    {
        let row = outbox_row(row)?;
        if row.next_at.is_none_or(|next_at| next_at <= now) {
            due.push(row);
            n_found += 1;
        }
    }
    Ok(())
}
