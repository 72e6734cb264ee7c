//! Queries: which series, over which range, one series after the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use nightcrew_model::labels::Labels;
use nightcrew_model::matcher::Matchers;

use crate::downsample::{buckets, widen};
use crate::error::{Damage, QueryError};
use crate::head::within;
use crate::sample::{Bucket, Moment, Resolution, Sample, settle};
use crate::segment::Segment;
use crate::shelf::{day_end, gather};
use crate::store::{Live, Store};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Which series; the metric's name is the label `__name__`.  Without matchers: all.
    pub matchers: Matchers,
    /// Where the range starts.
    pub from: Moment,
    /// Where the range ends; what is at this moment is not in it.
    pub until: Moment,
}

impl Selection {
    /// A selection of its parts; the matchers as in `{__name__="up",job=~"a|b"}`.
    ///
    /// # Errors
    /// When the matchers cannot be read or the range is backwards.
    pub fn parse(matchers: &str, from: Moment, until: Moment) -> Result<Self, QueryError> {
        if from > until {
            return Err(QueryError::Backwards);
        }
        Ok(Self { matchers: Matchers::parse(matchers)?, from, until })
    }
}

/// One series of an answer, with what it has in the range, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<T> {
    /// The labels, with the metric's name as `__name__`.
    pub labels: Labels,
    /// Its samples or buckets.
    pub rows: Vec<T>,
}

/// A series that was found, with what memory has of it.
#[derive(Debug)]
struct Hit {
    id: u32,
    labels: Labels,
    newest: Vec<Sample>,
}

#[derive(Debug)]
struct Hits {
    range: (Moment, Moment),
    raw: Vec<Arc<Segment>>,
    hits: std::vec::IntoIter<Hit>,
    damage: Vec<Damage>,
}

/// The samples of the series that were found: an iterator over series that have some.
///
/// It shows the store as it was when it was asked; appends and upkeep do not change it.
#[derive(Debug)]
pub struct Samples(Hits);

impl Samples {
    /// What could not be read so far.  What is beside it was given.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.0.damage
    }
}

impl Iterator for Samples {
    type Item = Line<Sample>;

    fn next(&mut self) -> Option<Line<Sample>> {
        let Hits { range, raw, hits, damage } = &mut self.0;
        loop {
            let mut hit = hits.next()?;
            let memory = std::mem::take(&mut hit.newest);
            let rows = gather(raw, hit.id, *range, |rows| rows.extend(memory), damage);
            if !rows.is_empty() {
                return Some(Line { labels: hit.labels, rows });
            }
        }
    }
}

/// The buckets of the series that were found: an iterator over series that have some.
///
/// Days that were thinned out come from their buckets, others from their samples.
#[derive(Debug)]
pub struct Buckets {
    hits: Hits,
    resolution: Resolution,
    thin: Vec<Arc<Segment>>,
    /// The days that were thinned out.
    days: BTreeSet<i64>,
}

impl Buckets {
    /// What could not be read so far.  What is beside it was given.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.hits.damage
    }
}

impl Iterator for Buckets {
    type Item = Line<Bucket>;

    fn next(&mut self) -> Option<Line<Bucket>> {
        let Hits { range, raw, hits, damage } = &mut self.hits;
        loop {
            let mut hit = hits.next()?;
            let memory = std::mem::take(&mut hit.newest);
            let mut samples = Vec::new();
            for (from, until) in gaps(*range, &self.days) {
                let touching: Vec<_> =
                    raw.iter().filter(|segment| segment.touches(from, until)).cloned().collect();
                let found = within(&memory, from, until);
                let newest = |rows: &mut Vec<Sample>| rows.extend_from_slice(found);
                samples.extend(gather(&touching, hit.id, (from, until), newest, damage));
            }
            let mut rows = gather(&self.thin, hit.id, *range, |_| {}, damage);
            rows.extend(buckets(&samples, self.resolution));
            rows.sort_by_key(|bucket| bucket.at);
            let rows = widen(rows, self.resolution);
            if !rows.is_empty() {
                return Some(Line { labels: hit.labels, rows });
            }
        }
    }
}

/// The parts of a range outside of these days.
fn gaps((from, until): (Moment, Moment), days: &BTreeSet<i64>) -> Vec<(Moment, Moment)> {
    let mut gaps = Vec::new();
    let mut start = from;
    for day in days {
        let end = Moment(*day).min(until);
        if start < end {
            gaps.push((start, end));
        }
        start = start.max(day_end(*day));
    }
    if start < until {
        gaps.push((start, until));
    }
    gaps
}

impl Store {
    /// The samples of the series that match, in a range.
    ///
    /// # Errors
    /// When the range is backwards, or more would be found than one answer may have.
    pub fn select(&self, selection: &Selection) -> Result<Samples, QueryError> {
        self.hits(selection, &BTreeSet::new()).map(Samples)
    }

    /// The buckets of the series that match, in a range that is widened to whole buckets.  Of
    /// raw resolution there is one bucket for each millisecond that has a sample.
    ///
    /// # Errors
    /// When the range is backwards, or more would be found than one answer may have.
    pub fn buckets(
        &self,
        selection: &Selection,
        resolution: Resolution,
    ) -> Result<Buckets, QueryError> {
        let mut selection = selection.clone();
        selection.from = selection.from.floor(resolution.width());
        let last = Moment(selection.until.0.saturating_sub(1));
        if selection.from < selection.until {
            selection.until = last.floor(resolution.width()).plus(resolution.width());
        }
        let (from, until) = (selection.from, selection.until);
        let (mut thin, mut days) = (Vec::new(), BTreeSet::new());
        if resolution != Resolution::Raw {
            let shelf = self.shelf();
            thin = shelf.touching(resolution, from, until);
            days = shelf.days(resolution).into_keys().collect();
            days.retain(|day| Moment(*day) < until && day_end(*day) > from);
        }
        let hits = self.hits(&selection, &days)?;
        Ok(Buckets { hits, resolution, thin, days })
    }

    fn hits(&self, selection: &Selection, thinned: &BTreeSet<i64>) -> Result<Hits, QueryError> {
        let (from, until) = (selection.from, selection.until);
        if from > until {
            return Err(QueryError::Backwards);
        }
        let live = self.live();
        // After the lock: what was sealed before is on the shelf, what comes later is in memory.
        let raw = self.shelf().touching(Resolution::Raw, from, until);
        let ids = live.index.select(&selection.matchers);
        let limit = self.config.query_series_max;
        if ids.len() > limit {
            return Err(QueryError::TooManySeries { found: ids.len(), limit });
        }
        let limit = self.config.query_samples_max;
        let mut found = 0;
        let ranges = gaps((from, until), thinned);
        let mut hits = Vec::with_capacity(ids.len());
        for id in ids {
            for range in &ranges {
                found += count(&raw, &live, id, *range);
            }
            if found > limit {
                return Err(QueryError::TooManySamples { found, limit });
            }
            let Some(labels) = live.index.labels(id).cloned() else { continue };
            let mut newest = Vec::new();
            if let Some(frozen) = &live.frozen {
                newest.extend_from_slice(within(frozen.of(id), from, until));
            }
            live.head.gather(id, from, until, &mut newest);
            settle(&mut newest);
            hits.push(Hit { id, labels, newest });
        }
        Ok(Hits { range: (from, until), raw, hits: hits.into_iter(), damage: Vec::new() })
    }
}

/// About how many samples of a series are in a range.
fn count(raw: &[Arc<Segment>], live: &Live, id: u32, (from, until): (Moment, Moment)) -> u64 {
    let sealed: u64 = raw
        .iter()
        .flat_map(|segment| segment.chunks(id))
        .filter(|chunk| chunk.touches(from, until))
        .map(|chunk| u64::from(chunk.rows))
        .sum();
    let frozen = live.frozen.as_ref().map_or(0, |all| within(all.of(id), from, until).len());
    sealed + frozen as u64 + live.head.count_of(id, from, until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_the_days_leave() {
        const DAY: i64 = 86_400_000;
        let gaps = |from, until, days: &[i64]| {
            let days = days.iter().map(|day| day * DAY).collect();
            super::gaps((Moment(from), Moment(until)), &days)
                .into_iter()
                .map(|(from, until)| (from.0, until.0))
                .collect::<Vec<_>>()
        };
        assert_eq!(gaps(5, 9, &[]), [(5, 9)]);
        assert_eq!(gaps(5, 9, &[0]), []);
        assert_eq!(gaps(5, 3 * DAY, &[1]), [(5, DAY), (2 * DAY, 3 * DAY)]);
        assert_eq!(gaps(5, 3 * DAY, &[0, 2]), [(DAY, 2 * DAY)]);
        assert_eq!(gaps(5, 5, &[]), []);
    }

    #[test]
    fn a_selection_says_what_is_wrong_with_it() {
        let parse = |matchers, from, until| Selection::parse(matchers, Moment(from), Moment(until));
        assert!(matches!(parse("{}", 2, 1), Err(QueryError::Backwards)));
        assert!(matches!(parse("{a", 1, 2), Err(QueryError::Matcher(_))));
        assert!(parse("{__name__=\"up\"}", 1, 1).is_ok());
    }
}
