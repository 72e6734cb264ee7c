//! All segments, in the order in which later ones win over earlier ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::chunk::Chunked;
use crate::config::THIN_WINDOW;
use crate::error::Damage;
use crate::sample::{Moment, Resolution, settle};
use crate::segment::Segment;

/// The segments of a store, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Arc<Vec<Arc<Segment>>>);

impl Shelf {
    /// A shelf with these segments.
    pub(crate) fn new(mut segments: Vec<Arc<Segment>>) -> Self {
        segments.sort_by_key(|segment| (segment.meta().newest_seal(), segment.number()));
        Self(Arc::new(segments))
    }

    /// The shelf with some segments more and some fewer.
    pub(crate) fn with(&self, added: Vec<Arc<Segment>>, removed: &[u64]) -> Self {
        let kept = self.iter().filter(|segment| !removed.contains(&segment.number())).cloned();
        Self::new(kept.chain(added).collect())
    }

    /// The segments.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.0.iter()
    }

    /// The segments of a resolution.
    pub(crate) fn of(&self, resolution: Resolution) -> impl Iterator<Item = &Arc<Segment>> {
        self.iter().filter(move |segment| segment.resolution() == resolution)
    }

    /// The segments of a resolution that touch a range.
    pub(crate) fn touching(
        &self,
        resolution: Resolution,
        from: Moment,
        until: Moment,
    ) -> Vec<Arc<Segment>> {
        self.of(resolution).filter(|segment| segment.touches(from, until)).cloned().collect()
    }

    /// Whether any segment has the series.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.iter().any(|segment| segment.has(id))
    }

    /// The days that segments of a resolution have rows of, each with its newest source.
    pub(crate) fn days(&self, resolution: Resolution) -> BTreeMap<i64, u64> {
        merged_days(self.of(resolution))
    }
}

/// The days of several segments, each with its newest source.
pub(crate) fn merged_days<'s>(
    segments: impl Iterator<Item = &'s Arc<Segment>>,
) -> BTreeMap<i64, u64> {
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    for (day, seal) in segments.flat_map(|segment| &segment.meta().days) {
        let newest = days.entry(*day).or_insert(*seal);
        *newest = (*newest).max(*seal);
    }
    days
}

/// The ids of all series in these segments, in order.
pub(crate) fn ids(segments: &[Arc<Segment>]) -> Vec<u32> {
    let mut ids: Vec<u32> = segments.iter().flat_map(|segment| segment.ids()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The rows of a series in a range, from these segments and from what comes after them.
pub(crate) fn gather<T: Chunked>(
    segments: &[Arc<Segment>],
    id: u32,
    (from, until): (Moment, Moment),
    newest: impl FnOnce(&mut Vec<T>),
    damage: &mut Vec<Damage>,
) -> Vec<T> {
    let mut rows = Vec::new();
    for segment in segments {
        segment.gather(id, (from, until), &mut rows, damage);
    }
    newest(&mut rows);
    settle(&mut rows);
    let end = rows.partition_point(|row| row.at() < until);
    rows.truncate(end);
    let start = rows.partition_point(|row| row.at() < from);
    if start > 0 {
        rows.drain(..start);
    }
    rows
}

/// The end of the day that starts at a moment.
pub(crate) fn day_end(day: i64) -> Moment {
    Moment(day).plus(THIN_WINDOW)
}
