//! Alerts and incidents as tables: columns and values, and the queries over them.

use jiff::Timestamp;
use nightcrew_model::alert::{Alert, AlertState};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::labels::Fingerprint;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::entry::Position;
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

const ALERT: &str = "SELECT state, position, alert FROM alerts";

fn alert_row(row: &Row<'_>) -> Result<AlertRow, Trouble> {
    let (state, position): (String, i64) = (row.get(0)?, row.get(1)?);
    Ok(AlertRow {
        state: word(&state)?,
        position: Position(position.cast_unsigned()),
        alert: json::<Alert>(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
    })
}

/// The alert of that fingerprint.
pub(crate) fn alert(
    conn: &Connection,
    fingerprint: Fingerprint,
) -> Result<Option<AlertRow>, Trouble> {
    let sql = format!("{ALERT} WHERE fingerprint = ?1");
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
    let filter = state.map_or("", |_| "WHERE state = ?2");
    let sql = format!("{ALERT} {filter} ORDER BY rowid DESC LIMIT ?1");
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = match state {
        Some(state) => select.query(params![limit(n_rows), state.as_str()])?,
        None => select.query(params![limit(n_rows)])?,
    };
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(alert_row(row)?);
    }
    Ok(alerts)
}

/// Every firing alert, in one look.
pub(crate) fn firing(conn: &Connection) -> Result<Vec<AlertRow>, Trouble> {
    let sql = format!("{ALERT} WHERE state = ?2 ORDER BY rowid DESC LIMIT ?1");
    let mut select = conn.prepare_cached(&sql)?;
    let n_rows = i64::try_from(FIRING_MAX).unwrap_or(i64::MAX);
    let mut rows = select.query(params![n_rows, AlertState::Firing.as_str()])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(alert_row(row)?);
    }
    Ok(alerts)
}

/// How many alerts fire, and how many incidents there are in each state.
pub(crate) fn counts(conn: &Connection) -> Result<Counts, Trouble> {
    let mut firing = conn.prepare_cached("SELECT COUNT(*) FROM alerts WHERE state = ?1")?;
    let alerts_firing: i64 = firing.query_row([AlertState::Firing.as_str()], |row| row.get(0))?;
    let mut incidents = Vec::new();
    let mut of_state = conn.prepare_cached("SELECT COUNT(*) FROM incidents WHERE state = ?1")?;
    for state in IncidentState::ALL {
        let n: i64 = of_state.query_row([state.as_str()], |row| row.get(0))?;
        incidents.push((state, n.unsigned_abs()));
    }
    Ok(Counts { alerts_firing: alerts_firing.unsigned_abs(), incidents })
}

/// Writes an alert, in the place of the one with its fingerprint.
pub(crate) fn put_alert(conn: &Connection, row: &AlertRow) -> Result<(), Trouble> {
    conn.prepare_cached("INSERT OR REPLACE INTO alerts VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![
            row.alert.fingerprint.0.cast_signed(),
            row.state.as_str(),
            row.position.column(),
            to_json(&row.alert)?,
        ],
    )?;
    Ok(())
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
