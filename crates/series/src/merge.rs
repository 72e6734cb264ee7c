//! Merging: small segments of one window become a large one, which packs better and is found
//! faster.

use std::collections::BTreeMap;
use std::sync::Arc;

use nightcrew_model::unit::Millis;

use crate::chunk::Chunked;
use crate::column::Effort;
use crate::config::{Config, THIN_WINDOW};
use crate::error::{Damage, StoreError};
use crate::limit::{MERGE_SAMPLES_MAX, OPEN_WINDOW_SEGMENTS_MAX};
use crate::sample::{Bucket, Moment, Resolution, Sample};
use crate::segment::Segment;
use crate::segment_writer::{Origin, SegmentWriter};
use crate::shelf::{Shelf, gather, ids, merged_days};
use crate::store::Store;

/// Segments that are to become one.
#[derive(Debug)]
pub(crate) struct Merge {
    pub(crate) segments: Vec<Arc<Segment>>,
    effort: Effort,
}

/// The next merge, if there is one.
pub(crate) fn plan(shelf: &Shelf, config: &Config, now: Moment) -> Option<Merge> {
    Resolution::ALL.into_iter().find_map(|resolution| {
        let windows: Vec<Millis> = config.windows(resolution).collect();
        windows.iter().find_map(|window| {
            let is_last = windows.last() == Some(window);
            plan_window(shelf, config, now, (resolution, *window, is_last))
        })
    })
}

fn plan_window(
    shelf: &Shelf,
    config: &Config,
    now: Moment,
    (resolution, window, is_last): (Resolution, Millis, bool),
) -> Option<Merge> {
    let mut groups: BTreeMap<Moment, Vec<&Arc<Segment>>> = BTreeMap::new();
    for segment in shelf.of(resolution).filter(|segment| !segment.is_damaged()) {
        let start = segment.meta().first.floor(window);
        if segment.meta().last.floor(window) == start {
            groups.entry(start).or_default().push(segment);
        }
    }
    let effort = if window < THIN_WINDOW { Effort::Quick } else { Effort::Thorough };
    groups.into_iter().find_map(|(start, group)| {
        // Samples of the window may come until so late.
        let is_over = start.plus(window).plus(config.late_max) <= now;
        let is_loose = |segment: &&Arc<Segment>| segment.meta().effort == Effort::Quick;
        let wanted = match group.as_slice() {
            [] => false,
            [one] => is_over && is_last && effort == Effort::Thorough && is_loose(one),
            several => is_over || several.len() >= OPEN_WINDOW_SEGMENTS_MAX,
        };
        let fits = wanted && keeps_order(shelf, resolution, &group) && largest(&group);
        fits.then(|| Merge { segments: group.into_iter().cloned().collect(), effort })
    })
}

/// Whether no other segment stands between those of the group in the order of who wins.
fn keeps_order(shelf: &Shelf, resolution: Resolution, group: &[&Arc<Segment>]) -> bool {
    let seals = |segment: &Segment| (segment.meta().oldest_seal(), segment.meta().newest_seal());
    let oldest = group.iter().map(|segment| seals(segment).0).min().unwrap_or(0);
    let newest = group.iter().map(|segment| seals(segment).1).max().unwrap_or(0);
    let first = group.iter().map(|segment| segment.meta().first).min().unwrap_or(Moment::MAX);
    let last = group.iter().map(|segment| segment.meta().last).max().unwrap_or(Moment::MIN);
    shelf.of(resolution).all(|other| {
        group.iter().any(|segment| segment.number() == other.number())
            || !other.touches(first, last.plus(Millis(1)))
            || seals(other).1 <= oldest
            || seals(other).0 >= newest
    })
}

/// Whether every series of the group fits into memory.
fn largest(group: &[&Arc<Segment>]) -> bool {
    if group.iter().map(|segment| segment.meta().rows).sum::<u64>() <= MERGE_SAMPLES_MAX {
        return true;
    }
    let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
    for segment in group {
        for id in segment.ids() {
            let count: u64 = segment.chunks(id).iter().map(|chunk| u64::from(chunk.rows)).sum();
            *rows.entry(id).or_default() += count;
        }
    }
    rows.values().all(|count| *count <= MERGE_SAMPLES_MAX)
}

impl Store {
    /// Does a merge, unless a source turns out to be damaged: then it stays as it is, and so do
    /// the others.
    pub(crate) fn merge(
        &self,
        merge: &Merge,
        damage: &mut Vec<Damage>,
    ) -> Result<bool, StoreError> {
        let Some(first) = merge.segments.first() else { return Ok(false) };
        let resolution = first.resolution();
        let mut writer =
            SegmentWriter::begin(&self.folder, self.number(), resolution, merge.effort)?;
        let whole = match resolution {
            Resolution::Raw => self.merge_rows::<Sample>(merge, &mut writer, damage)?,
            Resolution::FiveMinutes | Resolution::Hour => {
                self.merge_rows::<Bucket>(merge, &mut writer, damage)?
            }
        };
        if !whole {
            return Ok(false);
        }
        let replaces: Vec<u64> = merge.segments.iter().map(|segment| segment.number()).collect();
        let days = merged_days(merge.segments.iter());
        let merged = writer.finish(Origin::Segments { days, replaces: replaces.clone() })?;
        self.reshelve(merged.into_iter().map(Arc::new).collect(), &replaces);
        self.discard(&merge.segments)?;
        Ok(true)
    }

    fn merge_rows<T: Chunked>(
        &self,
        merge: &Merge,
        writer: &mut SegmentWriter<'_>,
        damage: &mut Vec<Damage>,
    ) -> Result<bool, StoreError> {
        let all = (Moment(i64::MIN), Moment(i64::MAX));
        for id in ids(&merge.segments) {
            let rows: Vec<T> = gather(&merge.segments, id, all, |_| {}, damage);
            if merge.segments.iter().any(|segment| segment.is_damaged()) {
                return Ok(false);
            }
            if let Some(labels) = self.labels(id) {
                writer.series(id, &labels, &rows)?;
            }
        }
        Ok(true)
    }
}
