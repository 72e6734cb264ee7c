//! The store: open, name a series, append, make durable.
//!
//! Every method may be called from several threads, and blocks.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nightcrew_model::labels::Labels;

use crate::config::Config;
use crate::error::{Damage, Refusal, StoreError};
use crate::folder::{Access, Folder, remove};
use crate::head::{Bounds, Frozen, Head, NotDescribed};
use crate::index::Index;
use crate::key::Key;
use crate::limit::{BATCH_ROWS_MAX, DAMAGE_MAX};
use crate::replay::{Replay, replay};
use crate::sample::{Moment, Row, Sample, SeriesId};
use crate::segment::Segment;
use crate::shelf::Shelf;
use crate::stats::{Appended, Stats};
use crate::wal::{Unsynced, Wal};

/// What changes with every append.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) index: Index,
    pub(crate) head: Head,
    pub(crate) wal: Wal,
    /// What is being sealed, still readable.
    pub(crate) frozen: Option<Arc<Frozen>>,
    appended: Appended,
    series_refused: u64,
}

/// A store of series.
///
/// **Invariant:** a sample that was accepted is in the head, in what is being sealed or in a
/// segment, and until a segment has it, in a write-ahead file too.
#[derive(Debug)]
pub struct Store {
    pub(crate) folder: Folder,
    pub(crate) config: Config,
    pub(crate) live: RwLock<Live>,
    pub(crate) shelf: RwLock<Shelf>,
    /// Held by whoever writes segments: one at a time.
    pub(crate) upkeep: Mutex<()>,
    next: AtomicU64,
}

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Rows that were in no segment yet.
    pub replayed_rows: u64,
    /// What was cut off write-ahead files: it was being written when the process ended.
    pub cut_bytes: u64,
    /// What is damaged.  The rest is open.
    pub damage: Vec<Damage>,
}

struct Refill<'o> {
    index: &'o mut Index,
    head: &'o mut Head,
}

impl Replay for Refill<'_> {
    fn series(&mut self, labels: &Labels) -> Option<u32> {
        self.index.restore(labels).map(|id| id.0)
    }

    fn sample(&mut self, id: u32, sample: Sample) {
        self.head.put(id, sample);
    }
}

impl Store {
    /// Opens the store in a folder, which is made if there is none.
    ///
    /// # Errors
    /// When another process has it open, or the folder cannot be used.
    pub fn open(dir: &Path, config: Config) -> Result<(Self, Opened), StoreError> {
        Self::open_in(Folder::take(dir)?, config)
    }

    /// Opens the store in a folder to read it: nothing there is changed, and nothing is taken.
    ///
    /// # Errors
    /// When there is none, a process stores there, or the folder cannot be read.
    pub fn open_to_read(dir: &Path, config: Config) -> Result<(Self, Opened), StoreError> {
        Self::open_in(Folder::look(dir)?, config)
    }

    fn open_in(folder: Folder, config: Config) -> Result<(Self, Opened), StoreError> {
        let found = folder.scan()?;
        let mut opened = Opened::default();
        let (mut index, mut head) = (Index::default(), Head::default());
        let mut segments = Vec::new();
        for number in &found.segments {
            let name = |labels: &Labels| index.restore(labels).map(|id| id.0);
            let path = folder.segment(*number);
            segments.extend(Segment::open(path, *number, &mut opened.damage, name)?);
        }
        // After a crash between two steps of a merge its sources may still be there.
        let replaced: Vec<u64> =
            segments.iter().flat_map(|segment| segment.meta().replaces.clone()).collect();
        for segment in segments.extract_if(.., |segment| replaced.contains(&segment.number())) {
            if folder.access() == Access::Write {
                remove(segment.path())?;
            }
        }
        for segment in &segments {
            for id in segment.ids() {
                head.open(id, segment.chunks(id).last().map(|chunk| chunk.last));
            }
        }
        let mut wals = Vec::new();
        for number in &found.wals {
            let path = folder.wal(*number);
            let mut refill = Refill { index: &mut index, head: &mut head };
            let replayed = replay(&path, *number, folder.access(), &mut refill)?;
            opened.replayed_rows += replayed.rows;
            opened.cut_bytes += replayed.cut_bytes;
            opened.damage.extend(replayed.damage);
            let is_empty = fs::metadata(&path).is_ok_and(|file| file.len() == 0);
            if is_empty && folder.access() == Access::Write {
                remove(&path)?;
            } else {
                wals.push(*number);
            }
        }
        opened.damage.truncate(DAMAGE_MAX);
        let number = found.segments.iter().chain(&found.wals).max().map_or(1, |last| last + 1);
        let wal = Wal::begin(&folder, number, wals)?;
        let live = Live {
            index,
            head,
            wal,
            frozen: None,
            appended: Appended::default(),
            series_refused: 0,
        };
        let shelf = Shelf::new(segments.into_iter().map(Arc::new).collect());
        let store = Self {
            folder,
            config,
            live: RwLock::new(live),
            shelf: RwLock::new(shelf),
            upkeep: Mutex::new(()),
            next: AtomicU64::new(number + 1),
        };
        Ok((store, opened))
    }

    /// The id of a series, made if there is none.  It holds until the store is closed, or until the
    /// series has had no samples for two rounds of `maintain`.
    ///
    /// # Errors
    /// When there are as many series as there may be.
    pub fn series(&self, key: &Key) -> Result<SeriesId, Refusal> {
        let mut live = self.live_mut();
        let named = live.index.series(key, self.config.series_max);
        match &named {
            Ok(id) => live.head.open(id.0, None),
            Err(_) => live.series_refused += 1,
        }
        named
    }

    /// Appends a batch.  Rows that cannot be taken are counted, the others are stored.  Of several
    /// samples of one series at one moment the last to arrive counts.
    ///
    /// What is appended can be read at once and is durable after the next `sync`.
    ///
    /// # Errors
    /// When the batch is too large or the disk takes nothing more; then nothing of it is stored.
    pub fn append(&self, now: Moment, rows: &[Row]) -> Result<Appended, StoreError> {
        self.folder.writable()?;
        if rows.len() > BATCH_ROWS_MAX {
            return Err(StoreError::BatchTooLarge { rows: rows.len() });
        }
        self.seal_if_full()?;
        let bounds = Bounds::new(&self.config, now);
        let mut tally = Appended::default();
        let mut live = self.live_mut();
        live.wal.make_room()?;
        let Live { index, head, wal, appended, .. } = &mut *live;
        let number = wal.number();
        let mut new = Vec::new();
        for row in rows {
            let taken = head.take(row, &bounds, number, &mut tally);
            if let Some(NotDescribed(not_described)) = taken {
                if not_described {
                    new.push(row.series.0);
                }
                wal.row(row.series.0, row.sample);
            }
        }
        wal.end(new.into_iter().filter_map(|id| Some((id, index.labels(id)?))));
        *appended += tally;
        Ok(tally)
    }

    /// Seals once as many samples are in memory as may be; a batch that comes then waits for it.
    fn seal_if_full(&self) -> Result<(), StoreError> {
        let is_full = || self.live().head.samples() >= self.config.head_samples_max;
        if !is_full() {
            return Ok(());
        }
        let upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have sealed while this one waited.
        if is_full() { self.seal_held(&upkeep).map(drop) } else { Ok(()) }
    }

    /// Makes all that was appended before durable.
    ///
    /// # Errors
    /// When the disk does not take it.  After [`StoreError::Unsynced`] only `seal` helps, or
    /// opening the store again.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.folder.writable()?;
        let files = {
            let mut live = self.live_mut();
            if live.wal.is_broken() {
                return Err(StoreError::Unsynced);
            }
            live.wal.flush()?;
            live.wal.to_sync()
        };
        // Without the lock: appends go on while the disk works.
        if files.iter().any(|Unsynced { file, .. }| file.sync_data().is_err()) {
            self.live_mut().wal.set_broken();
            return Err(StoreError::Unsynced);
        }
        self.live_mut().wal.synced(&files);
        Ok(())
    }

    /// How large the store is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shelf = self.shelf();
        let live = self.live();
        Stats {
            series: live.index.living(),
            head_samples: live.head.samples(),
            segment_samples: shelf.iter().map(|segment| segment.meta().rows).sum(),
            segments: shelf.iter().count(),
            segment_bytes: shelf.iter().map(|segment| segment.bytes()).sum(),
            appended: live.appended,
            series_refused: live.series_refused,
        }
    }

    pub(crate) fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn live_mut(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The segments as they are now.
    pub(crate) fn shelf(&self) -> Shelf {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts segments on the shelf and takes others off it.
    pub(crate) fn reshelve(&self, added: Vec<Arc<Segment>>, removed: &[u64]) {
        let mut shelf = self.shelf.write().unwrap_or_else(PoisonError::into_inner);
        *shelf = shelf.with(added, removed);
    }

    /// A number that no file has had.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;

    const START: i64 = 1_700_006_400_000;

    fn samples(store: &Store) -> usize {
        let all = crate::query::Selection::parse("{}", Moment::MIN, Moment::MAX).unwrap();
        store.select(&all).unwrap().map(|line| line.rows.len()).sum()
    }

    fn append(store: &Store, at: i64) {
        let key = Key::new("cpu", Labels::default()).unwrap();
        let row = Row { series: store.series(&key).unwrap(), sample: Sample::new(at, 1.0) };
        assert_eq!(store.append(Moment(at), &[row]).unwrap().accepted, 1);
    }

    #[test]
    fn a_disk_that_fails_to_sync_is_told_and_a_seal_makes_everything_durable() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(dir.path(), Config::default()).unwrap();
        append(&store, START);
        store.sync().unwrap();
        append(&store, START + 1);
        // A device takes what is written and has nothing to sync: the call fails.
        let broken = OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
        assert!(broken.sync_data().is_err());
        store.live_mut().wal.replace_file(broken);
        assert!(matches!(store.sync(), Err(StoreError::Unsynced)));
        // Nobody believes a later success: the kernel may have let the pages go.
        append(&store, START + 2);
        assert!(matches!(store.sync(), Err(StoreError::Unsynced)));
        assert_eq!(samples(&store), 3);
        assert_eq!(store.seal().unwrap(), 3);
        append(&store, START + 3);
        store.sync().unwrap();
        drop(store);
        let (again, opened) = Store::open(dir.path(), Config::default()).unwrap();
        assert_eq!((samples(&again), opened.replayed_rows), (4, 1));
        assert_eq!(opened.damage, []);
    }
}
