//! `metrics-collector`, further tasks: one stores what was measured, one keeps the store tidy.
//!
//! Nothing else depends on them: while the disk is full or the store cannot be opened, samples are
//! let go and counted, and everything else of the crew goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use nightcrew_series::config::Config;
use nightcrew_series::error::{QueryError, StoreError};
use nightcrew_series::sample::Moment;
use nightcrew_series::store::{Opened, Store};
use tokio::time::{Instant, sleep, sleep_until};

use crate::core::chain;
use crate::handle::{Handle, Kept};
use crate::recorded::stored;
use crate::recording::{self, Ids, Measured, Part};

/// How long samples are gathered before they are stored together.
const GATHER: Millis = Millis(250);

/// How long after it was stored a sample is durable, at the latest.
const SYNC: Millis = Millis::from_secs(3);

/// How often a store that cannot be opened, or a disk that takes nothing, is tried again.
const RETRY: Millis = Millis::from_secs(5);

/// How much of what was stored the judge learns when the crew begins, at most …
const PAST: Millis = Millis::from_secs(48 * 3_600);

/// … and about how many samples, at one or two microseconds each.
const PAST_SAMPLES: u64 = 500_000;

/// How much of it is in memory at a time.
const PAST_STRETCH: Millis = Millis::from_secs(3_600);

/// How often the task gives its heartbeat.
const BEAT: Millis = Millis::from_secs(10);

/// How often the store is tidied up.
const UPKEEP: Millis = Millis::from_secs(300);

/// When it is tidied up for the first time.
const FIRST_UPKEEP: Millis = Millis::from_secs(60);

/// How long a stop waits for a write that is under way.
const LAST_MAX: Millis = Millis::from_secs(10);

/// Stores samples.
pub(crate) struct Recorder {
    handle: Handle,
    ids: Ids,
    first: bool,
    /// When what was stored is to be made durable; none: it is.
    sync_at: Option<Instant>,
    /// When opening is tried again.
    open_at: Instant,
}

impl Recorder {
    pub(crate) async fn new(handle: Handle) -> Self {
        let ids = Ids::default();
        let mut recorder =
            Self { handle, ids, first: true, sync_at: None, open_at: Instant::now() };
        recorder.open().await;
        if !recorder.handle.0.recording.tell_past() {
            recorder.tell_past().await;
            recorder.handle.learned();
        }
        recorder
    }

    /// Tells the judge what was stored before the crew began, an hour at a time, oldest first.
    async fn tell_past(&self) {
        let Some(store) = self.handle.0.recording.store() else { return };
        let now = self.handle.clock().now();
        let n_series = store.stats().series.max(1) as u64;
        // As if each were looked at as often as the host.
        let reach = Millis((PAST_SAMPLES / n_series) * self.handle.settings().host.interval.0);
        let mut from = now.checked_sub(reach.min(PAST).duration()).unwrap_or(now);
        while from < now {
            let until = PAST_STRETCH.after(from).min(now);
            let store = Arc::clone(&store);
            let read = tokio::task::spawn_blocking(move || {
                let mut past = stored(&store, from, until, &mut Vec::new())?;
                past.sort_by_key(|sample| sample.at);
                Ok::<_, QueryError>(past)
            });
            match read.await {
                Ok(Ok(past)) => {
                    if self.handle.learn(past, Kept::Crew).await.is_err() {
                        return;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!("series: the past is not learned: {}", chain(&error));
                    return;
                }
                Err(_) => return,
            }
            from = until;
        }
    }

    async fn work(&mut self) -> Result<(), String> {
        // The first round is at once, so that readiness does not wait for it.
        if std::mem::take(&mut self.first) {
            return Ok(());
        }
        let beat = Instant::now() + BEAT.duration();
        let wake = self.sync_at.map_or(beat, |sync| sync.min(beat));
        tokio::select! {
            () = self.handle.0.recording.arrived.notified() => sleep(GATHER.duration()).await,
            () = sleep_until(wake) => {}
        }
        self.open().await;
        self.store().await
    }

    async fn open(&mut self) {
        let recording = &self.handle.0.recording;
        if recording.store().is_some() || Instant::now() < self.open_at {
            return;
        }
        self.open_at = Instant::now() + RETRY.duration();
        let (folder, config) = recording::place(&self.handle.settings());
        let now = self.handle.clock().now();
        let opened = tokio::task::spawn_blocking(move || open_or_set_aside(&folder, config, now));
        match opened.await {
            Ok(Ok(found)) => {
                recording.add_damage(found.aside.map(|aside| {
                    format!("the series could not be read and are set aside: {}", aside.display())
                }));
                let damage = found.opened.damage.iter().map(ToString::to_string);
                recording.add_damage(damage);
                self.ids = Ids::default();
                recording.set_store(Some(found.store));
                recording.set_trouble(Part::Writing, None);
            }
            Ok(Err(error)) => recording.set_trouble(Part::Writing, Some(chain(&error))),
            Err(_) => {
                let why = "opening the series panicked".to_owned();
                recording.set_trouble(Part::Writing, Some(why));
            }
        }
    }

    async fn store(&mut self) -> Result<(), String> {
        let recording = &self.handle.0.recording;
        let Some(store) = recording.store() else { return Ok(()) };
        let turn = Arc::clone(&recording.writing).lock_owned().await;
        let measured = recording.take();
        let n_measured = measured.len() as u64;
        let sync = self.sync_at.is_some_and(|sync| sync <= Instant::now());
        if measured.is_empty() && !sync {
            return Ok(());
        }
        let now = Moment::from(self.handle.clock().now());
        let mut ids = std::mem::take(&mut self.ids);
        let job = tokio::task::spawn_blocking(move || {
            // A stop that comes meanwhile ends the round, and waits for this.
            let _turn = turn;
            let written = write(&store, &mut ids, now, &measured, sync);
            (ids, written)
        });
        let (ids, written) = job.await.map_err(|_| "storing samples panicked".to_owned())?;
        self.ids = ids;
        match written {
            Ok(refused) => {
                recording.refuse_samples(refused);
                if sync {
                    recording.set_trouble(Part::Writing, None);
                }
            }
            Err(Failed::Append(error)) => {
                recording.drop_samples(n_measured);
                recording.set_trouble(Part::Writing, Some(chain(&error)));
            }
            // They stay in memory, and go with the next try.
            Err(Failed::Sync(error)) => {
                recording.set_trouble(Part::Writing, Some(chain(&error)));
                self.sync_at = Some(Instant::now() + RETRY.duration());
                return Ok(());
            }
        }
        self.sync_at = match (sync, n_measured) {
            (true, _) => None,
            (false, 0) => self.sync_at,
            (false, _) => self.sync_at.or_else(|| Some(Instant::now() + SYNC.duration())),
        };
        Ok(())
    }
}

impl Task for Recorder {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.work())
    }
}

/// What did not succeed.
enum Failed {
    /// Nothing of the batch is stored.
    Append(StoreError),
    /// It is stored and not durable.
    Sync(StoreError),
}

fn write(
    store: &Store,
    ids: &mut Ids,
    now: Moment,
    measured: &[Measured],
    sync: bool,
) -> Result<u64, Failed> {
    let refused = ids.append(store, now, measured).map_err(Failed::Append)?;
    if sync {
        match store.sync() {
            // The disk failed once: what is in memory goes into a new file.
            Err(StoreError::Unsynced) => drop(store.seal().map_err(Failed::Sync)?),
            synced => synced.map_err(Failed::Sync)?,
        }
    }
    Ok(refused)
}

/// A store that is open.
struct Found {
    store: Store,
    opened: Opened,
    /// Where the store that could not be read is now.
    aside: Option<PathBuf>,
}

/// Opens the store; one that cannot be read at all is set aside, and another one begun.
fn open_or_set_aside(folder: &Path, config: Config, now: Timestamp) -> Result<Found, StoreError> {
    let error = match Store::open(folder, config) {
        Ok((store, opened)) => return Ok(Found { store, opened, aside: None }),
        Err(error) => error,
    };
    let is_damaged = match &error {
        // Who may not read it would lose sight of it, and no more.
        StoreError::Io { source, .. } => source.kind() != std::io::ErrorKind::PermissionDenied,
        _ => false,
    };
    if !is_damaged || !folder.exists() {
        return Err(error);
    }
    let stamp = now.strftime("%Y-%m-%dT%H%M%S");
    let aside = folder.with_file_name(format!("series-damaged-{stamp}"));
    if aside.exists() || std::fs::rename(folder, &aside).is_err() {
        return Err(error);
    }
    let (store, opened) = Store::open(folder, config)?;
    Ok(Found { store, opened, aside: Some(aside) })
}

/// Stores what still waits, makes it durable and closes the store: the last step of a stop.
pub(crate) async fn finish(handle: &Handle) {
    let recording = &handle.0.recording;
    let turn = tokio::time::timeout(LAST_MAX.duration(), recording.writing.lock()).await;
    if turn.is_err() {
        tracing::warn!("series: a write is not over after {LAST_MAX}");
    }
    let (store, measured) = (recording.store(), recording.take());
    recording.set_store(None);
    let now = Moment::from(handle.clock().now());
    let Some(store) = store else { return };
    let job = tokio::task::spawn_blocking(move || {
        write(&store, &mut Ids::default(), now, &measured, true).is_ok()
    });
    if !job.await.unwrap_or(false) {
        tracing::warn!("series: the last samples are not stored");
    }
}

/// Keeps the store tidy: seals, merges, thins out, and drops what is past its time.
pub(crate) struct Upkeep {
    handle: Handle,
    first: bool,
    next: Instant,
}

impl Upkeep {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, first: true, next: Instant::now() + FIRST_UPKEEP.duration() }
    }

    async fn work(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.first) {
            return Ok(());
        }
        sleep_until(self.next.min(Instant::now() + BEAT.duration())).await;
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + UPKEEP.duration();
        let recording = &self.handle.0.recording;
        let Some(store) = recording.store() else { return Ok(()) };
        let now = Moment::from(self.handle.clock().now());
        let done = tokio::task::spawn_blocking(move || tidy(&store, now)).await;
        match done {
            Ok(Ok(damage)) => {
                recording.add_damage(damage);
                recording.set_trouble(Part::Upkeep, None);
                Ok(())
            }
            Ok(Err(error)) => {
                recording.set_trouble(Part::Upkeep, Some(chain(&error)));
                Ok(())
            }
            Err(_) => Err("tidying up the series panicked".to_owned()),
        }
    }
}

fn tidy(store: &Arc<Store>, now: Moment) -> Result<Vec<String>, StoreError> {
    let done = store.maintain(now)?;
    Ok(done.damage.iter().map(ToString::to_string).collect())
}

impl Task for Upkeep {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.work())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_cannot_be_read_is_set_aside() {
        let data = tempfile::tempdir().unwrap();
        let folder = recording::folder(data.path());
        std::fs::create_dir(&folder).unwrap();
        // A folder in the place of a segment: reading it fails.
        std::fs::create_dir(folder.join("000000000001.seg")).unwrap();
        let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
        let found = open_or_set_aside(&folder, Config::default(), now).unwrap();
        let aside = found.aside.unwrap();
        assert_eq!(aside, data.path().join("series-damaged-2026-11-21T030000"));
        assert!(aside.join("000000000001.seg").is_dir());
        // Twice in one second is not believed.
        drop(found.store);
        std::fs::create_dir(folder.join("000000000009.seg")).unwrap();
        assert!(open_or_set_aside(&folder, Config::default(), now).is_err());
    }

    #[test]
    fn a_store_in_use_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let folder = recording::folder(data.path());
        let _held = Store::open(&folder, Config::default()).unwrap();
        let refused = open_or_set_aside(&folder, Config::default(), Timestamp::UNIX_EPOCH);
        assert!(matches!(refused.err(), Some(StoreError::Locked { .. })));
    }
}
