//! Upkeep: seal, thin out, merge, drop, forget; all of it only when the caller says so.

use std::sync::{Arc, PoisonError};

use crate::config::SEAL_WINDOW;
use crate::error::{Damage, StoreError};
use crate::folder::remove;
use crate::limit::{DAMAGE_MAX, MAINTAIN_STEPS_MAX};
use crate::merge::plan;
use crate::retention::surplus;
use crate::sample::Moment;
use crate::segment::Segment;
use crate::store::Store;

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Samples that went from memory into segments.
    pub sealed_samples: u64,
    /// Days that were thinned out.
    pub thinned_days: u64,
    /// Merges of segments.
    pub merges: u64,
    /// Segments that were dropped, past their time or over the limit of bytes.
    pub dropped_segments: u64,
    /// Series that were forgotten: no sample of theirs is left.
    pub forgotten_series: u64,
    /// What turned out to be damaged.
    pub damage: Vec<Damage>,
}

impl Store {
    /// Does what is due: seals samples of windows that are over, thins out days that are over,
    /// merges small segments, drops what is past its time or too much, and forgets series of which
    /// nothing is left.  Appends and queries go on meanwhile.
    ///
    /// Samples in segments are thinned out before they are dropped, unless a single call has more
    /// to do than its limit; then the next one goes on.
    ///
    /// # Errors
    /// When the disk does not take a new segment; what was done until then stays done.
    pub fn maintain(&self, now: Moment) -> Result<Maintained, StoreError> {
        self.folder.writable()?;
        let upkeep = self.upkeep.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = Maintained::default();
        let due = now.minus(SEAL_WINDOW).minus(self.config.late_max);
        let is_due = self.live().head.oldest().is_some_and(|oldest| oldest < due);
        if is_due {
            done.sealed_samples = self.seal_held(&upkeep)?;
        }
        let mut tried = Vec::new();
        while let Some((day, seal)) = self.day_to_thin(now, &tried)
            && tried.len() < MAINTAIN_STEPS_MAX
        {
            self.thin((day, seal), &mut done.damage)?;
            tried.push(day);
            done.thinned_days += 1;
        }
        for _ in 0..MAINTAIN_STEPS_MAX {
            let Some(merge) = plan(&self.shelf(), &self.config, now) else { break };
            done.merges += u64::from(self.merge(&merge, &mut done.damage)?);
        }
        let surplus = surplus(&self.shelf(), &self.config, now);
        let numbers: Vec<u64> = surplus.iter().map(|segment| segment.number()).collect();
        self.reshelve(Vec::new(), &numbers);
        self.discard(&surplus)?;
        done.dropped_segments = surplus.len() as u64;
        done.forgotten_series = self.forget();
        done.damage.truncate(DAMAGE_MAX);
        Ok(done)
    }

    /// Removes the files of segments that are off the shelf.
    pub(crate) fn discard(&self, segments: &[Arc<Segment>]) -> Result<(), StoreError> {
        segments.iter().try_for_each(|segment| remove(segment.path()))
    }

    fn forget(&self) -> u64 {
        let shelf = self.shelf();
        let mut live = self.live_mut();
        let live = &mut *live;
        let head = &live.head;
        let frozen = live.frozen.as_ref();
        let forgotten = live.index.forget(|id| {
            head.has(id) || frozen.is_some_and(|all| !all.of(id).is_empty()) || shelf.has(id)
        });
        for id in &forgotten {
            live.head.close(*id);
        }
        forgotten.len() as u64
    }
}
