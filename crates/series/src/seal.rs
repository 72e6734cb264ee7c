//! Sealing: what is in memory goes into segments, and the write-ahead files before it go away.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use nightcrew_model::unit::Millis;

use crate::column::Effort;
use crate::config::SEAL_WINDOW;
use crate::error::StoreError;
use crate::folder::remove;
use crate::head::{Frozen, within};
use crate::sample::{Moment, Resolution};
use crate::segment::Segment;
use crate::segment_writer::{Origin, SegmentWriter};
use crate::store::Store;

/// What is sealed at once goes into about this many files: for samples that reach far back, each
/// covers a longer time.
const SEAL_FILES: usize = 16;

impl Store {
    /// Seals all samples that are in memory into segments.
    ///
    /// # Errors
    /// When the disk does not take them; then they stay in memory and in the write-ahead file.
    pub fn seal(&self) -> Result<u64, StoreError> {
        self.folder.writable()?;
        let upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        self.seal_held(&upkeep)
    }

    /// Seals, while the caller holds the right to write segments.  Gives the number of samples.
    pub(crate) fn seal_held(&self, _upkeep: &MutexGuard<'_, ()>) -> Result<u64, StoreError> {
        let frozen = {
            let mut live = self.live_mut();
            if live.head.samples() == 0 {
                return Ok(0);
            }
            live.wal.rotate(&self.folder, self.number())?;
            let frozen = Arc::new(live.head.freeze());
            live.frozen = Some(Arc::clone(&frozen));
            frozen
        };
        match self.write_frozen(&frozen) {
            Ok(segments) => {
                let rows = segments.iter().map(|segment| segment.meta().rows).sum();
                // First on the shelf, then out of memory: seen twice is seen once.
                self.reshelve(segments, &[]);
                let old = {
                    let mut live = self.live_mut();
                    live.frozen = None;
                    live.wal.sealed()
                };
                for number in old {
                    remove(&self.folder.wal(number))?;
                }
                Ok(rows)
            }
            Err(error) => {
                let mut live = self.live_mut();
                live.head.thaw(&frozen);
                live.frozen = None;
                Err(error)
            }
        }
    }

    fn write_frozen(&self, frozen: &Frozen) -> Result<Vec<Arc<Segment>>, StoreError> {
        let window = self.seal_window(frozen);
        // What reaches far back is not merged soon, so it is packed well at once.
        let effort = if window == SEAL_WINDOW { Effort::Quick } else { Effort::Thorough };
        let mut segments = Vec::new();
        for start in starts(frozen, window) {
            let until = start.plus(window);
            let mut writer =
                SegmentWriter::begin(&self.folder, self.number(), Resolution::Raw, effort)?;
            for (id, samples) in &frozen.0 {
                let rows = within(samples, start, until);
                if !rows.is_empty()
                    && let Some(labels) = self.labels(*id)
                {
                    writer.series(*id, &labels, rows)?;
                }
            }
            segments.extend(writer.finish(Origin::Seal)?.map(Arc::new));
        }
        Ok(segments)
    }

    /// The labels of a series, without a lock held while segments are written.
    pub(crate) fn labels(&self, id: u32) -> Option<nightcrew_model::labels::Labels> {
        self.live().index.labels(id).cloned()
    }

    /// The smallest window that does not cut what is sealed into too many files.
    fn seal_window(&self, frozen: &Frozen) -> Millis {
        let mut window = SEAL_WINDOW;
        for wider in self.config.windows(Resolution::Raw) {
            window = wider;
            if starts(frozen, window).len() <= SEAL_FILES {
                break;
            }
        }
        window
    }
}

/// Where the windows start that hold samples.
fn starts(frozen: &Frozen, window: Millis) -> BTreeSet<Moment> {
    let mut starts = BTreeSet::new();
    for (_, samples) in &frozen.0 {
        let mut rest = samples.as_slice();
        while let Some(first) = rest.first() {
            let start = first.at.floor(window);
            starts.insert(start);
            let end = start.plus(window);
            rest = rest.get(rest.partition_point(|sample| sample.at < end)..).unwrap_or_default();
        }
    }
    starts
}
