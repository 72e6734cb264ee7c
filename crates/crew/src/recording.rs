//! What is kept of what was measured: the way of samples to the series store, and how that goes.
//!
//! | label | holds |
//! |---|---|
//! | `__name__` | the metric, such as `disk_usage` |
//! | `service` | the service, such as `host` |
//! | `resource` | the part of it, such as `/var`; left out where the service is one thing |
//! | `unit` | what the numbers count, such as `percent`; `status` for states |
//!
//! A state is 1 while it is as it should be (running, passing) and 0 while it is not (stopped,
//! failing).  A look that came back with nothing has no number and is not stored: a gap is a gap.
//!
//! **Invariant:** nobody who brings a sample waits for the disk.  What finds no room is counted and
//! let go; the core has it all the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightcrew_config::settings::{MetricsRetention, Settings};
use nightcrew_model::id::{MetricName, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::unit::Unit;
use nightcrew_series::answer::{Answer, Question};
use nightcrew_series::config::Config;
use nightcrew_series::error::{QueryError, Refusal, StoreError};
use nightcrew_series::key::{Key, METRIC_LABEL, UNIT_LABEL};
use nightcrew_series::limit::BATCH_ROWS_MAX;
use nightcrew_series::sample::{Moment, Row, SeriesId};
use nightcrew_series::stats::Stats;
use nightcrew_series::store::Store;
use tokio::sync::Notify;

use crate::handle::Handle;

/// How many samples may wait to be stored, at some 80 bytes each.
pub const SAMPLES_WAITING_MAX: usize = 50_000;

/// How many pieces of damage are kept to be shown.
pub const DAMAGE_SHOWN_MAX: usize = 20;

/// The largest number of series in one answer.
pub const SERIES_PER_ANSWER_MAX: usize = 2_000;

/// The largest number of samples that one question reads.
pub const SAMPLES_PER_ANSWER_MAX: u64 = 5_000_000;

/// The unit of states.
pub const STATUS_UNIT: &str = "status";

/// What one sample takes in memory, in bytes.
const SAMPLE_BYTES: u64 = 16;

/// The folder of the series below the data folder.
#[must_use]
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("series")
}

/// The settings of the store.
#[must_use]
pub fn config(kept: &MetricsRetention) -> Config {
    Config {
        series_max: kept.series_max as usize,
        head_samples_max: usize::try_from(kept.memory_bytes / SAMPLE_BYTES).unwrap_or(usize::MAX),
        raw_age_max: kept.raw,
        five_minutes_age_max: kept.five_minutes,
        hour_age_max: kept.hourly,
        bytes_max: kept.disk_bytes,
        query_series_max: SERIES_PER_ANSWER_MAX,
        query_samples_max: SAMPLES_PER_ANSWER_MAX,
        ..Config::default()
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Quantity(Unit),
    Status,
}

impl Kind {
    /// The word of the label.
    fn word(self) -> String {
        match self {
            Self::Status => STATUS_UNIT.to_owned(),
            // The word that samples have in every other file.
            Self::Quantity(unit) => match serde_json::to_value(unit) {
                Ok(serde_json::Value::String(word)) => word,
                _ => String::new(),
            },
        }
    }
}

/// Which series a sample belongs to.
type Name = (Target, MetricName, Kind);

/// A sample with a number.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    name: Name,
    sample: nightcrew_series::sample::Sample,
}

impl Measured {
    /// The number of a sample; none where nothing was read.
    fn of(sample: &Sample) -> Option<Self> {
        let (kind, value) = match sample.observation {
            Observation::Read(Reading::Quantity(read)) => {
                (Kind::Quantity(read.unit()), read.value())
            }
            Observation::Read(Reading::Status(status)) => (Kind::Status, value_of(status)),
            Observation::Unknown(_) => return None,
        };
        let name = (sample.target.clone(), sample.metric.clone(), kind);
        let sample = nightcrew_series::sample::Sample { at: Moment::from(sample.at), value };
        Some(Self { name, sample })
    }
}

/// The number that stands for a state.
#[must_use]
pub fn value_of(status: Status) -> f64 {
    match status {
        Status::Running | Status::Passing => 1.0,
        Status::Stopped | Status::Failing => 0.0,
    }
}

fn labels(target: &Target, kind: Option<Kind>) -> Labels {
    let mut labels = Labels::default();
    labels.set("service", target.service.as_str());
    labels.set("resource", target.resource.as_ref().map_or("", |part| part.as_str()));
    labels.set(UNIT_LABEL, &kind.map(Kind::word).unwrap_or_default());
    labels
}

fn key((target, metric, kind): &Name) -> Result<Key, Refusal> {
    Key::new(metric.as_str(), labels(target, Some(*kind)))
}

/// The labels under which a sample is stored; without a unit where it has no number.
#[must_use]
pub fn labels_of(sample: &Sample) -> Labels {
    let measured = Measured::of(sample);
    let mut labels = labels(&sample.target, measured.map(|measured| measured.name.2));
    labels.set(METRIC_LABEL, sample.metric.as_str());
    labels
}

/// The ids of the series that were stored lately, so that labels are compared once.
#[derive(Debug, Default)]
pub(crate) struct Ids(HashMap<Name, SeriesId>);

impl Ids {
    fn of(&mut self, store: &Store, name: &Name) -> Result<SeriesId, Refusal> {
        if let Some(id) = self.0.get(name) {
            return Ok(*id);
        }
        let id = store.series(&key(name)?)?;
        self.0.insert(name.clone(), id);
        Ok(id)
    }

    /// Appends samples, and gives how many were refused.
    pub(crate) fn append(
        &mut self,
        store: &Store,
        now: Moment,
        measured: &[Measured],
    ) -> Result<u64, StoreError> {
        let mut refused = 0;
        for batch in measured.chunks(BATCH_ROWS_MAX) {
            let mut tally = store.append(now, &self.rows(store, batch))?;
            if tally.unknown_series > 0 {
                // Series that had nothing for long were forgotten, and their ids with them.
                self.0.clear();
                tally = store.append(now, &self.rows(store, batch))?;
            }
            refused += (batch.len() as u64).saturating_sub(tally.accepted);
        }
        Ok(refused)
    }

    fn rows(&mut self, store: &Store, batch: &[Measured]) -> Vec<Row> {
        let row = |measured: &Measured| {
            let series = self.of(store, &measured.name).ok()?;
            Some(Row { series, sample: measured.sample })
        };
        batch.iter().filter_map(row).collect()
    }
}

/// Samples on their way to the store, the store, and how it goes.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    waiting: Mutex<Vec<Measured>>,
    /// Told when there is a sample to store.
    pub(crate) arrived: Notify,
    /// Held by whoever writes to the store, on whatever thread.
    pub(crate) writing: Arc<tokio::sync::Mutex<()>>,
    store: Mutex<Option<Arc<Store>>>,
    state: Mutex<State>,
    dropped: AtomicU64,
    refused: AtomicU64,
    past_told: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    writing: Option<String>,
    upkeep: Option<String>,
    damage: Vec<String>,
}

/// Which part of the work has trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Opening and appending.
    Writing,
    /// Sealing, merging and dropping.
    Upkeep,
}

/// How the store of series is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeriesStatus {
    /// Why nothing is stored, or nothing is tidied up; none: all is well.
    pub trouble: Option<String>,
    /// What of the store is damaged, the first [`DAMAGE_SHOWN_MAX`].
    pub damage: Vec<String>,
    /// Samples that found no room on their way, or could not be written.
    pub dropped: u64,
    /// Samples that the store does not take: too old, or of a series that is too much.
    pub refused: u64,
    /// Samples that wait to be stored.
    pub waiting: usize,
    /// How large the store is; none while it is not open.
    pub stats: Option<Stats>,
}

/// Why a question about series has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The store is not open.
    #[error("the series cannot be read: {0}")]
    Closed(String),
    /// The question cannot be answered.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The thread that read them fell.
    #[error("reading the series failed; ask again")]
    Fell,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recording {
    /// Takes the numbers of a look, as far as there is room.
    pub(crate) fn offer(&self, samples: &[Sample]) {
        let mut waiting = held(&self.waiting);
        let mut dropped = 0;
        for measured in samples.iter().filter_map(Measured::of) {
            if waiting.len() < SAMPLES_WAITING_MAX {
                waiting.push(measured);
            } else {
                dropped += 1;
            }
        }
        drop(waiting);
        self.drop_samples(dropped);
        self.arrived.notify_one();
    }

    /// Whether the judge was told of what was stored before the crew began.
    pub(crate) fn is_past_told(&self) -> bool {
        self.past_told.load(Ordering::Acquire)
    }

    /// Notes that it is told now; whether it was before.
    pub(crate) fn tell_past(&self) -> bool {
        self.past_told.swap(true, Ordering::AcqRel)
    }

    /// Takes everything that waits.
    pub(crate) fn take(&self) -> Vec<Measured> {
        std::mem::take(&mut *held(&self.waiting))
    }

    /// Counts samples that are let go.
    pub(crate) fn drop_samples(&self, n: u64) {
        self.dropped.fetch_add(n, Ordering::Relaxed);
    }

    /// Counts samples that the store did not take.
    pub(crate) fn refuse_samples(&self, n: u64) {
        self.refused.fetch_add(n, Ordering::Relaxed);
    }

    /// The store, while it is open.
    pub(crate) fn store(&self) -> Option<Arc<Store>> {
        held(&self.store).clone()
    }

    /// Puts a store in the place of the one before.
    pub(crate) fn set_store(&self, store: Option<Store>) {
        *held(&self.store) = store.map(Arc::new);
    }

    /// Notes trouble, or that it is over; tells of it once.
    pub(crate) fn set_trouble(&self, part: Part, trouble: Option<String>) {
        let mut state = held(&self.state);
        let place = match part {
            Part::Writing => &mut state.writing,
            Part::Upkeep => &mut state.upkeep,
        };
        match (&place, &trouble) {
            (None, Some(why)) => tracing::warn!("series: {why}; everything else goes on"),
            (Some(_), None) => tracing::warn!("series: the trouble is over"),
            _ => {}
        }
        *place = trouble;
    }

    /// Notes damage, each piece once.
    pub(crate) fn add_damage(&self, found: impl IntoIterator<Item = String>) {
        let mut state = held(&self.state);
        for damage in found {
            if state.damage.len() < DAMAGE_SHOWN_MAX && !state.damage.contains(&damage) {
                tracing::warn!("series: {damage}");
                state.damage.push(damage);
            }
        }
    }

    fn trouble(&self) -> Option<String> {
        let state = held(&self.state);
        state.writing.clone().or_else(|| state.upkeep.clone())
    }
}

/// Where the series of a crew lie, and how they are kept.
pub(crate) fn place(settings: &Settings) -> (PathBuf, Config) {
    (folder(&settings.data_dir), config(&settings.retention.metrics))
}

impl Handle {
    /// The store of series, while it is open.  Its methods block.
    #[must_use]
    pub fn series(&self) -> Option<Arc<Store>> {
        self.0.recording.store()
    }

    /// How the store of series is.
    #[must_use]
    pub fn series_status(&self) -> SeriesStatus {
        let recording = &self.0.recording;
        SeriesStatus {
            trouble: recording.trouble(),
            damage: held(&recording.state).damage.clone(),
            dropped: recording.dropped.load(Ordering::Relaxed),
            refused: recording.refused.load(Ordering::Relaxed),
            waiting: held(&recording.waiting).len(),
            stats: recording.store().map(|store| store.stats()),
        }
    }

    /// Answers a question about series.
    ///
    /// # Errors
    /// When the store is not open, or the answer would be larger than one may be.
    pub async fn ask_series(&self, question: Question) -> Result<Answer, SeriesError> {
        let now = Moment::from(self.clock().now());
        self.read_series(move |store| Ok(store.answer(now, &question)?)).await
    }

    /// Reads the store, where blocking is allowed.
    ///
    /// # Errors
    /// When the store is not open, or `read` says so.
    pub async fn read_series<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, SeriesError> + Send + 'static,
    ) -> Result<T, SeriesError> {
        let Some(store) = self.series() else {
            let trouble = self.0.recording.trouble();
            let why = trouble.unwrap_or_else(|| "the crew begins or stops".to_owned());
            return Err(SeriesError::Closed(why));
        };
        let read = tokio::task::spawn_blocking(move || read(&store)).await;
        read.unwrap_or(Err(SeriesError::Fell))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use nightcrew_model::sample::Unknown;
    use nightcrew_model::unit::Quantity;
    use nightcrew_series::query::Selection;

    use super::*;

    fn sample(metric: &str, observation: Observation) -> Sample {
        Sample {
            target: Target::part("host".into(), "/var"),
            metric: metric.into(),
            at: Timestamp::from_millisecond(1_700_000_000_000).unwrap(),
            observation,
            detail: None,
        }
    }

    fn percent(value: f64) -> Observation {
        Observation::Read(Reading::Quantity(Quantity::new(value, Unit::Percent).unwrap()))
    }

    #[test]
    fn numbers_are_stored_with_their_unit_and_gaps_stay_gaps() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), config(&MetricsRetention::default())).unwrap();
        let recording = Recording::default();
        recording.offer(&[
            sample("disk_usage", percent(90.5)),
            sample("process_status", Observation::Read(Reading::Status(Status::Stopped))),
            sample("health_status", Observation::Read(Reading::Status(Status::Passing))),
            sample("cpu_usage", Observation::Unknown(Unknown::Absent)),
        ]);
        let (mut ids, now) = (Ids::default(), Moment(1_700_000_000_000));
        assert_eq!(ids.append(&store, now, &recording.take()).unwrap(), 0);
        let all = Selection::parse("{}", Moment::MIN, Moment::MAX).unwrap();
        let mut found: Vec<String> = store
            .select(&all)
            .unwrap()
            .map(|line| {
                let labels: Vec<_> = line.labels.iter().map(|(_, value)| value).collect();
                format!("{} = {}", labels.join(" "), line.rows[0].value)
            })
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "disk_usage /var host percent = 90.5",
                "health_status /var host status = 1",
                "process_status /var host status = 0",
            ]
        );
    }

    #[test]
    fn what_finds_no_room_is_counted_and_let_go() {
        let recording = Recording::default();
        let look = vec![sample("disk_usage", percent(1.0)); SAMPLES_WAITING_MAX - 1];
        recording.offer(&look);
        assert_eq!(recording.dropped.load(Ordering::Relaxed), 0);
        recording.offer(&vec![sample("disk_usage", percent(1.0)); 3]);
        assert_eq!(recording.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(recording.take().len(), SAMPLES_WAITING_MAX);
        assert!(recording.take().is_empty());
    }

    #[test]
    fn series_that_are_too_many_are_refused_and_the_others_stored() {
        let folder = tempfile::tempdir().unwrap();
        let kept = MetricsRetention { series_max: 2, ..MetricsRetention::default() };
        let (store, _) = Store::open(folder.path(), config(&kept)).unwrap();
        let recording = Recording::default();
        let look: Vec<Sample> =
            (0..5).map(|n| sample(&format!("m{n}"), percent(f64::from(n)))).collect();
        recording.offer(&look);
        let mut ids = Ids::default();
        let now = Moment(1_700_000_000_000);
        assert_eq!(ids.append(&store, now, &recording.take()).unwrap(), 3);
        assert_eq!((store.stats().series, ids.0.len()), (2, 2));
    }
}
