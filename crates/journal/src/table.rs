//! Alerts and incidents as tables: columns and values, and the queries over them.

use std::cmp::Reverse;

use jiff::Timestamp;
use nightcrew_model::alert::{Alert, AlertState};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::labels::Fingerprint;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, ToSql, params};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::entry::{Position, Stored};
use crate::error::{Damage, Part, Trouble};
use crate::limit::{FIRING_MAX, ROWS_MAX};
use crate::row::{AlertRow, Counts, IncidentRow, IncidentSummary, Which};

/// A query's limit as SQL takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit.min(ROWS_MAX)).unwrap_or(i64::MAX)
}

/// What is read from a projection, with damage put where it belongs.
pub(crate) fn in_projections<T>(result: Result<T, Trouble>) -> Result<T, Trouble> {
    result.map_err(|trouble| trouble.of(Part::Projections, None))
}

/// The state or kind that a word in a column stands for.
pub(crate) fn word<T: DeserializeOwned>(text: &str) -> Result<T, Trouble> {
    T::deserialize(StrDeserializer::<WordError>::new(text))
        .map_err(|error| Damage::projections(error.to_string()).into())
}

/// What the JSON in a column stands for.
pub(crate) fn json<T: DeserializeOwned>(text: &str) -> Result<T, Trouble> {
    serde_json::from_str(text).map_err(|error| Damage::projections(error.to_string()).into())
}

/// The moment in a column.
pub(crate) fn moment(microseconds: i64) -> Result<Timestamp, Trouble> {
    Timestamp::from_microsecond(microseconds)
        .map_err(|error| Damage::projections(error.to_string()).into())
}

/// A small number in a column.
pub(crate) fn count(value: i64) -> Result<u32, Trouble> {
    u32::try_from(value).map_err(|error| Damage::projections(error.to_string()).into())
}

/// The columns that [`alert_row`] reads: the row, the entry with the alert, and, of an alert that
/// ended, the entry that says so.
const ALERT: &str = "SELECT a.firing, a.position, a.told, \
    t.position, t.stream, t.version, t.schema, t.checksum, t.payload, \
    r.position, r.stream, r.version, r.schema, r.checksum, r.payload \
    FROM alerts a LEFT JOIN entries t ON t.position = a.told \
    LEFT JOIN entries r ON r.position = a.position AND a.firing = 0";

/// As much of a decision that an alert fires, or is other than before, as a row needs.
#[derive(Deserialize)]
struct Told {
    alert: Alert,
}

/// As much of a decision that an alert ended as a row needs.
#[derive(Deserialize)]
struct Ended {
    at: Timestamp,
    ends_at: Timestamp,
}

fn alert_row(row: &Row<'_>) -> Result<AlertRow, Trouble> {
    let (firing, position, told): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (position, told) = (Position(position.cast_unsigned()), Position(told.cast_unsigned()));
    let Told { mut alert } = entry(row, 3, told)?.decision()?;
    let state = if firing {
        AlertState::Firing
    } else {
        let ended: Ended = entry(row, 9, position)?.decision()?;
        alert.ends_at = Some(ended.ends_at);
        alert.updated_at = ended.at;
        AlertState::Resolved
    };
    Ok(AlertRow { state, position, alert })
}

/// The entry in these columns.
fn entry<'r>(
    row: &'r Row<'_>,
    n_columns: usize,
    position: Position,
) -> Result<Stored<'r>, Trouble> {
    if row.get::<_, Option<i64>>(n_columns)?.is_none() {
        return Err(Damage::log("an entry is missing", position).into());
    }
    Stored::behind(row, n_columns, position)
}

/// The alert of that fingerprint.
pub(crate) fn alert(
    conn: &Connection,
    fingerprint: Fingerprint,
) -> Result<Option<AlertRow>, Trouble> {
    let sql = format!("{ALERT} WHERE a.fingerprint = ?1");
    let mut select = conn.prepare_cached(&sql)?;
    let row =
        select.query_row([fingerprint.0.cast_signed()], |row| Ok(alert_row(row))).optional()?;
    row.transpose()
}

/// The alerts, those that changed last first.
pub(crate) fn alerts(
    conn: &Connection,
    state: Option<AlertState>,
    n_rows: usize,
) -> Result<Vec<AlertRow>, Trouble> {
    let firing = match state {
        None => {
            // Each is in order by itself.
            let mut alerts = alerts_in(conn, true, n_rows)?;
            alerts.extend(alerts_in(conn, false, n_rows)?);
            alerts.sort_by_key(|row| Reverse(row.position));
            alerts.truncate(n_rows.min(ROWS_MAX));
            return Ok(alerts);
        }
        Some(AlertState::Firing) => true,
        Some(AlertState::Resolved) => false,
        // The log knows no alert that is not yet confirmed.
        Some(AlertState::Pending) => return Ok(Vec::new()),
    };
    alerts_in(conn, firing, n_rows)
}

fn alerts_in(conn: &Connection, firing: bool, n_rows: usize) -> Result<Vec<AlertRow>, Trouble> {
    let filter = "WHERE a.firing = ?2 ORDER BY a.position DESC LIMIT ?1";
    alert_rows(conn, filter, &[&limit(n_rows), &firing])
}

/// Every firing alert, in one look.
pub(crate) fn firing(conn: &Connection) -> Result<Vec<AlertRow>, Trouble> {
    let n_rows = i64::try_from(FIRING_MAX).unwrap_or(i64::MAX);
    alert_rows(conn, "WHERE a.firing = 1 ORDER BY a.position DESC LIMIT ?1", &[&n_rows])
}

fn alert_rows(
    conn: &Connection,
    filter: &str,
    params: &[&dyn ToSql],
) -> Result<Vec<AlertRow>, Trouble> {
    let mut select = conn.prepare_cached(&format!("{ALERT} {filter}"))?;
    let mut rows = select.query(params)?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(alert_row(row)?);
    }
    Ok(alerts)
}

/// The statements that change alerts, held while there are many.
pub(crate) struct Alerts<'c> {
    fire: CachedStatement<'c>,
    replace: CachedStatement<'c>,
    resolve: CachedStatement<'c>,
}

impl<'c> Alerts<'c> {
    pub(crate) fn new(conn: &'c Connection) -> Result<Self, Trouble> {
        Ok(Self {
            fire: conn.prepare_cached(
                "INSERT INTO alerts VALUES (?1, 1, ?2, ?2) ON CONFLICT (fingerprint) \
                 DO UPDATE SET firing = 1, position = ?2, told = ?2 WHERE firing = 0",
            )?,
            replace: conn.prepare_cached(
                "UPDATE alerts SET position = ?2, told = ?2 WHERE fingerprint = ?1 AND firing = 1",
            )?,
            resolve: conn.prepare_cached(
                "UPDATE alerts SET firing = 0, position = ?2 WHERE fingerprint = ?1 AND firing = 1",
            )?,
        })
    }

    /// An alert begins to fire; false when it fires already.
    pub(crate) fn fire(
        &mut self,
        fingerprint: Fingerprint,
        position: Position,
    ) -> Result<bool, Trouble> {
        change(&mut self.fire, fingerprint, position)
    }

    /// An alert fires on, with other contents; false when it does not fire.
    pub(crate) fn replace(
        &mut self,
        fingerprint: Fingerprint,
        position: Position,
    ) -> Result<bool, Trouble> {
        change(&mut self.replace, fingerprint, position)
    }

    /// An alert ends; false when it does not fire.
    pub(crate) fn resolve(
        &mut self,
        fingerprint: Fingerprint,
        position: Position,
    ) -> Result<bool, Trouble> {
        change(&mut self.resolve, fingerprint, position)
    }
}

fn change(
    statement: &mut CachedStatement<'_>,
    fingerprint: Fingerprint,
    position: Position,
) -> Result<bool, Trouble> {
    Ok(statement.execute(params![fingerprint.0.cast_signed(), position.column()])? == 1)
}

/// How many alerts fire, and how many incidents there are in each state.
pub(crate) fn counts(conn: &Connection) -> Result<Counts, Trouble> {
    let mut firing = conn.prepare_cached("SELECT COUNT(*) FROM alerts WHERE firing = 1")?;
    let alerts_firing: i64 = firing.query_row([], |row| row.get(0))?;
    let mut incidents = Vec::new();
    let mut of_state = conn.prepare_cached("SELECT COUNT(*) FROM incidents WHERE state = ?1")?;
    for state in IncidentState::ALL {
        let n: i64 = of_state.query_row([state.as_str()], |row| row.get(0))?;
        incidents.push((state, n.unsigned_abs()));
    }
    Ok(Counts { alerts_firing: alerts_firing.unsigned_abs(), incidents })
}

const INCIDENT: &str = "SELECT id, state, severity, opened_at_us, updated_at_us, ended_at_us, \
                        position, summary FROM incidents";

fn incident_row(row: &Row<'_>) -> Result<IncidentRow, Trouble> {
    let (id, state, severity): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let (opened, updated, ended): (i64, i64, Option<i64>) = (row.get(3)?, row.get(4)?, row.get(5)?);
    let (position, summary): (i64, String) = (row.get(6)?, row.get(7)?);
    Ok(IncidentRow {
        id: IncidentId(id.cast_unsigned()),
        state: word(&state)?,
        severity: word(&severity)?,
        opened_at: moment(opened)?,
        updated_at: moment(updated)?,
        ended_at: ended.map(moment).transpose()?,
        position: Position(position.cast_unsigned()),
        summary: json::<IncidentSummary>(&summary)?,
    })
}

/// The incident of that id.
pub(crate) fn incident(conn: &Connection, id: IncidentId) -> Result<Option<IncidentRow>, Trouble> {
    let sql = format!("{INCIDENT} WHERE id = ?1");
    let mut select = conn.prepare_cached(&sql)?;
    let row = select.query_row([id.0.cast_signed()], |row| Ok(incident_row(row))).optional()?;
    row.transpose()
}

/// The incidents with an id below `before`, the newest first.
pub(crate) fn incidents(
    conn: &Connection,
    which: Which,
    before: Option<IncidentId>,
    n_rows: usize,
) -> Result<Vec<IncidentRow>, Trouble> {
    let filter = match which {
        Which::Open => "open = 1 AND",
        Which::All => "",
    };
    let sql = format!("{INCIDENT} WHERE {filter} id < ?1 ORDER BY id DESC LIMIT ?2");
    let mut select = conn.prepare_cached(&sql)?;
    let before = before.map_or(i64::MAX, |id| i64::try_from(id.0).unwrap_or(i64::MAX));
    let mut rows = select.query(params![before, limit(n_rows)])?;
    let mut incidents = Vec::new();
    while let Some(row) = rows.next()? {
        incidents.push(incident_row(row)?);
    }
    Ok(incidents)
}

/// Writes an incident, in the place of the one with its id.
pub(crate) fn put_incident(conn: &Connection, row: &IncidentRow) -> Result<(), Trouble> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO incidents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        row.id.0.cast_signed(),
        row.state.is_open(),
        row.state.as_str(),
        row.severity.to_string(),
        row.opened_at.as_microsecond(),
        row.updated_at.as_microsecond(),
        row.ended_at.map(Timestamp::as_microsecond),
        row.position.column(),
        to_json(&row.summary)?,
    ])?;
    Ok(())
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, Trouble> {
    // What came out of an entry goes back into JSON; an error here would be one of the types.
    serde_json::to_string(value).map_err(|error| Damage::projections(error.to_string()).into())
}
