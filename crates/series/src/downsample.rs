//! Thinning out: buckets of 5 minutes and of an hour, day by day.

use std::collections::BTreeMap;
use std::sync::Arc;

use nightcrew_model::unit::Millis;

use crate::column::Effort;
use crate::error::{Damage, StoreError};
use crate::sample::{Bucket, Moment, Resolution, Sample};
use crate::segment_writer::{Origin, SegmentWriter};
use crate::shelf::{day_end, gather, ids};
use crate::store::Store;

/// The buckets of this resolution that the samples make, which are in the order of time.
pub(crate) fn buckets(samples: &[Sample], resolution: Resolution) -> Vec<Bucket> {
    let each = samples.iter().map(|sample| Bucket {
        at: sample.at,
        min: sample.value,
        max: sample.value,
        sum: sample.value,
        count: 1,
        last: sample.value,
    });
    widen(each, resolution)
}

/// The wider buckets that buckets make, which are in the order of time.
pub(crate) fn widen(
    finer: impl IntoIterator<Item = Bucket>,
    resolution: Resolution,
) -> Vec<Bucket> {
    widen_to(finer, resolution.width())
}

/// The buckets of this width that buckets make, which are in the order of time.
pub(crate) fn widen_to(finer: impl IntoIterator<Item = Bucket>, width: Millis) -> Vec<Bucket> {
    let mut wider: Vec<Bucket> = Vec::new();
    for bucket in finer {
        let at = bucket.at.floor(width);
        match wider.last_mut() {
            Some(open) if open.at == at => {
                open.min = open.min.min(bucket.min);
                open.max = open.max.max(bucket.max);
                open.sum += bucket.sum;
                open.count += bucket.count;
                open.last = bucket.last;
            }
            _ => wider.push(Bucket { at, ..bucket }),
        }
    }
    wider
}

impl Store {
    /// The next day that is over and has samples that its buckets do not know of yet.
    pub(crate) fn day_to_thin(&self, now: Moment, skip: &[i64]) -> Option<(i64, u64)> {
        let shelf = self.shelf();
        let coarse = shelf.days(Resolution::Hour);
        let fine = shelf.days(Resolution::FiveMinutes);
        let lacks = |days: &BTreeMap<i64, u64>, resolution, day: i64, seal: u64| {
            let is_kept = day_end(day) >= now.minus(self.config.age_max(resolution));
            is_kept && days.get(&day).is_none_or(|known| *known < seal)
        };
        shelf.days(Resolution::Raw).into_iter().find(|(day, seal)| {
            let is_over = day_end(*day).plus(self.config.late_max) <= now;
            let is_wanted = lacks(&fine, Resolution::FiveMinutes, *day, *seal)
                || lacks(&coarse, Resolution::Hour, *day, *seal);
            is_over && is_wanted && !skip.contains(day)
        })
    }

    /// Thins a day out.
    pub(crate) fn thin(
        &self,
        (day, seal): (i64, u64),
        damage: &mut Vec<Damage>,
    ) -> Result<(), StoreError> {
        let range = (Moment(day), day_end(day));
        let segments = self.shelf().touching(Resolution::Raw, range.0, range.1);
        let writer = |resolution| {
            SegmentWriter::begin(&self.folder, self.number(), resolution, Effort::Quick)
        };
        let mut fine = writer(Resolution::FiveMinutes)?;
        let mut coarse = writer(Resolution::Hour)?;
        for id in ids(&segments) {
            let samples: Vec<Sample> = gather(&segments, id, range, |_| {}, damage);
            let Some(labels) = self.labels(id) else { continue };
            let narrow = buckets(&samples, Resolution::FiveMinutes);
            fine.series(id, &labels, &narrow)?;
            coarse.series(id, &labels, &widen(narrow, Resolution::Hour))?;
        }
        let origin = Origin::Segments { days: BTreeMap::from([(day, seal)]), replaces: Vec::new() };
        let written = [fine.finish(origin.clone())?, coarse.finish(origin)?];
        self.reshelve(written.into_iter().flatten().map(Arc::new).collect(), &[]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hours_from_samples_and_from_finer_buckets_are_the_same(
            values in prop::collection::btree_map(0..20_000_000_i64, -100..100_i32, 0..60),
        ) {
            let samples: Vec<Sample> =
                values.iter().map(|(at, value)| Sample::new(*at, f64::from(*value))).collect();
            let straight = buckets(&samples, Resolution::Hour);
            let stepwise = widen(buckets(&samples, Resolution::FiveMinutes), Resolution::Hour);
            prop_assert_eq!(&straight, &stepwise);
            prop_assert_eq!(straight.iter().map(|bucket| bucket.count).sum::<u64>() as usize, samples.len());
            for bucket in straight {
                prop_assert!(bucket.min <= bucket.mean() && bucket.mean() <= bucket.max);
            }
        }
    }
}
