//! What was recorded, from a data folder, in the order of time.
//!
//! Samples come from the series store, a part of a day at a time, so that memory stays bounded;
//! alerts of other systems and the incidents that really were come from the journal.  A crew may
//! run on the folder meanwhile.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use nightcrew_journal::error::OpenError;
use nightcrew_journal::history;
use nightcrew_model::alert::{Alert, IncomingAlert, Source};
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::unit::Millis;
use nightcrew_series::error::{QueryError, StoreError};
use nightcrew_series::store::Store;

use super::{Backtest, Outcome, Recorded, beside};
use crate::recorded::stored;
use crate::recording;

/// How much time is read at once.
const STRETCH: Millis = Millis::from_secs(6 * 3_600);

/// So long after the end of the records that nothing of them is left.
const NEVER: Millis = Millis::from_secs(365 * 86_400);

/// Why nothing can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The series store cannot be read.
    #[error("the recorded series cannot be opened")]
    Series(#[from] StoreError),
    /// A crew has it open, and no picture of it could be taken.
    #[error("the series that a crew has open cannot be copied; look at the space for them")]
    Picture(#[source] io::Error),
    /// A stretch of it cannot be read.
    #[error("the recorded series cannot be read; ask for less with --since")]
    Query(#[from] QueryError),
    /// The journal cannot be read.
    #[error("the journal cannot be read")]
    Journal(#[from] OpenError),
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Replayed {
    /// What would have been.
    pub outcome: Outcome,
    /// What of the series could not be read; what is beside it was replayed.
    pub damage: Vec<String>,
}

/// Replays what a data folder holds of a time, under these settings.  Blocks.
///
/// # Errors
/// When there is no journal or it is damaged, or the series cannot be read.
pub fn replay(
    settings: &nightcrew_config::settings::Settings,
    data_dir: &Path,
    from: Timestamp,
    until: Timestamp,
) -> Result<Replayed, RecordsError> {
    let told = Told::read(data_dir, from, until)?;
    let folder = recording::folder(data_dir);
    let config = recording::config(&settings.retention.metrics);
    let mut damage = Vec::new();
    // Kept until the store that is read from it is closed.
    let mut taken = None;
    let opened = match Store::open_to_read(&folder, config) {
        Err(StoreError::Absent { .. }) => None,
        Err(StoreError::Locked { .. }) => {
            let taken = taken.insert(beside::picture(&folder).map_err(RecordsError::Picture)?);
            Some(Store::open(taken.path(), config)?)
        }
        outcome => Some(outcome?),
    };
    let store = opened.map(|(store, opened)| {
        damage.extend(opened.damage.iter().map(ToString::to_string));
        store
    });
    let begins = match &store {
        Some(store) => first(store, from, until)?,
        None => None,
    };
    let begins = begins.into_iter().chain(told.alerts.first().map(|(at, ..)| *at)).min();
    let begins = begins.unwrap_or(from).max(from);
    let mut backtest = Backtest::new(settings, begins);
    let mut alerts = told.alerts.into_iter().peekable();
    let mut at = begins;
    while at < until {
        let end = STRETCH.after(at).min(until);
        let happened = match &store {
            Some(store) => stored(store, at, end, &mut damage)?,
            None => Vec::new(),
        };
        let mut happened: Vec<(Timestamp, Recorded)> =
            happened.into_iter().map(|sample| (sample.at, Recorded::Sample(sample))).collect();
        while let Some((when, source, alert)) = alerts.next_if(|(when, ..)| *when < end) {
            happened.push((when, Recorded::Alerts { source, alerts: vec![alert] }));
        }
        happened.sort_by_key(|(when, _)| *when);
        for (when, recorded) in happened {
            backtest.take(when, recorded);
        }
        at = end;
    }
    let mut outcome = backtest.end(until);
    outcome.compare(told.incidents);
    Ok(Replayed { outcome, damage })
}

/// The moment of the first sample in a time, to a stretch.
fn first(
    store: &Store,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<Timestamp>, QueryError> {
    let mut at = from;
    while at < until {
        let end = STRETCH.after(at).min(until);
        let found = stored(store, at, end, &mut Vec::new())?;
        if let Some(first) = found.iter().map(|sample| sample.at).min() {
            return Ok(Some(first));
        }
        at = end;
    }
    Ok(None)
}

/// What the journal says of a time.
#[derive(Default)]
struct Told {
    /// What other systems told, in order.
    alerts: Vec<(Timestamp, Source, IncomingAlert)>,
    /// The incidents that began.
    incidents: Vec<(Timestamp, IncidentKey)>,
}

impl Told {
    fn read(data_dir: &Path, from: Timestamp, until: Timestamp) -> Result<Self, OpenError> {
        let mut told = Self::default();
        // What an alert's end is about was said when it began, perhaps before the time.
        let mut known: HashMap<Fingerprint, (Source, Labels)> = HashMap::new();
        history::read(data_dir, |Decision { at, fact, .. }| {
            let is_within = from <= at && at < until;
            match fact {
                Fact::AlertFired { alert } | Fact::AlertChanged { alert } => {
                    let alert = *alert;
                    if matches!(alert.source, Source::Detector | Source::Watchdog) {
                        return;
                    }
                    known.insert(alert.fingerprint, (alert.source, alert.labels.clone()));
                    if is_within {
                        told.alerts.push((at, alert.source, fires(alert, until)));
                    }
                }
                Fact::AlertResolved { fingerprint, .. } => {
                    if let Some((source, labels)) = known.remove(&fingerprint)
                        && is_within
                    {
                        told.alerts.push((at, source, ends(labels, at)));
                    }
                }
                Fact::IncidentOpened { key, .. } if is_within => told.incidents.push((at, key)),
                _ => {}
            }
        })?;
        Ok(told)
    }
}

fn fires(alert: Alert, until: Timestamp) -> IncomingAlert {
    IncomingAlert {
        labels: alert.labels,
        annotations: alert.annotations,
        starts_at: Some(alert.starts_at),
        // It was repeated, which is no fact, until the journal says that it ended: perhaps never.
        ends_at: Some(NEVER.after(until)),
        generator_url: alert.generator_url,
    }
}

fn ends(labels: Labels, at: Timestamp) -> IncomingAlert {
    IncomingAlert {
        labels,
        annotations: Labels::default(),
        starts_at: None,
        ends_at: Some(at),
        generator_url: String::new(),
    }
}
