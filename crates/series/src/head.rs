//! What is in memory: the newest samples of every series.
//!
//! Samples mostly come in the order of time and are pushed behind each other.  Those that are late
//! wait beside them, unsorted, until somebody reads: sorting each into its place would let a
//! backwards sender make every append slow.

use nightcrew_model::unit::Millis;

use crate::config::Config;
use crate::sample::{Moment, Row, Sample, settle};
use crate::stats::Appended;

/// One series in memory.
#[derive(Debug)]
struct Slot {
    /// In the order of time, no moment twice.
    samples: Vec<Sample>,
    /// Late ones, in the order of arrival; each came after the sample that it may replace.
    late: Vec<Sample>,
    /// The newest sample ever, also of those that are sealed.
    newest: Moment,
    /// The write-ahead file that last described the series.
    described_in: u64,
}

/// The newest samples of every series.
#[derive(Debug, Default)]
pub(crate) struct Head {
    /// By id; `None` once the series was forgotten.
    slots: Vec<Option<Slot>>,
    samples: usize,
    oldest: Option<Moment>,
}

/// What samples have to be to be taken, at one moment of the caller's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    earliest: Moment,
    latest: Moment,
    late_max: Millis,
}

impl Bounds {
    pub(crate) fn new(config: &Config, now: Moment) -> Self {
        Self {
            earliest: now.minus(config.raw_age_max).max(Moment::MIN),
            latest: now.plus(config.future_max).min(Moment::MAX),
            late_max: config.late_max,
        }
    }
}

/// Samples that were taken out of the head to be sealed, in the order of ids.
#[derive(Debug, Default)]
pub(crate) struct Frozen(pub(crate) Vec<(u32, Vec<Sample>)>);

impl Frozen {
    /// The samples of a series.
    pub(crate) fn of(&self, id: u32) -> &[Sample] {
        let found = self.0.binary_search_by_key(&id, |(id, _)| *id);
        found.ok().and_then(|at| self.0.get(at)).map_or(&[], |(_, samples)| samples)
    }
}

impl Head {
    /// Makes room for a series; its newest sample may be sealed already.
    pub(crate) fn open(&mut self, id: u32, newest: Option<Moment>) {
        let at = id as usize;
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        let Some(slot) = self.slots.get_mut(at) else { return };
        let slot = slot.get_or_insert_with(|| Slot {
            samples: Vec::new(),
            late: Vec::new(),
            newest: Moment(i64::MIN),
            described_in: 0,
        });
        slot.newest = slot.newest.max(newest.unwrap_or(slot.newest));
    }

    /// Forgets a series.
    pub(crate) fn close(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(id as usize) {
            *slot = None;
        }
    }

    /// Takes a row if it is within bounds, and counts it.  Tells whether it was taken and whether
    /// this write-ahead file has not described its series yet.
    #[inline]
    pub(crate) fn take(
        &mut self,
        row: &Row,
        bounds: &Bounds,
        wal: u64,
        tally: &mut Appended,
    ) -> Option<NotDescribed> {
        let Sample { at, value } = row.sample;
        let Some(Some(slot)) = self.slots.get_mut(row.series.0 as usize) else {
            tally.unknown_series += 1;
            return None;
        };
        if !value.is_finite() {
            tally.not_finite += 1;
            return None;
        }
        if at < bounds.earliest || at > bounds.latest {
            match at {
                _ if at < Moment::MIN || at > Moment::MAX => tally.out_of_range += 1,
                _ if at > bounds.latest => tally.too_new += 1,
                _ => tally.too_old += 1,
            }
            return None;
        }
        if at < slot.newest && at < slot.newest.minus(bounds.late_max) {
            tally.too_old += 1;
            return None;
        }
        tally.accepted += 1;
        let not_described = NotDescribed(slot.described_in != wal);
        slot.described_in = wal;
        let added = slot.add(row.sample);
        if !added {
            tally.replaced += 1;
        }
        self.count(at, added);
        Some(not_described)
    }

    /// Puts a sample back that was taken once; bounds were checked then.
    pub(crate) fn put(&mut self, id: u32, sample: Sample) {
        self.open(id, None);
        if let Some(Some(slot)) = self.slots.get_mut(id as usize) {
            let added = slot.add(sample);
            self.count(sample.at, added);
        }
    }

    #[inline]
    fn count(&mut self, at: Moment, added: bool) {
        self.samples += usize::from(added);
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }

    /// How many samples are in memory.
    pub(crate) fn samples(&self) -> usize {
        self.samples
    }

    /// The oldest moment in memory.
    pub(crate) fn oldest(&self) -> Option<Moment> {
        self.oldest
    }

    /// Whether the series has samples in memory.
    pub(crate) fn has(&self, id: u32) -> bool {
        matches!(self.slots.get(id as usize), Some(Some(slot)) if slot.newest_in_memory().is_some())
    }

    /// Puts the samples of a series in this range behind what was gathered.
    pub(crate) fn gather(&self, id: u32, from: Moment, until: Moment, into: &mut Vec<Sample>) {
        if let Some(Some(slot)) = self.slots.get(id as usize) {
            into.extend_from_slice(within(&slot.samples, from, until));
            into.extend(slot.late.iter().filter(|sample| sample.at >= from && sample.at < until));
        }
    }

    /// How many samples of a series are in this range, those that replace others counted twice.
    pub(crate) fn count_of(&self, id: u32, from: Moment, until: Moment) -> u64 {
        let Some(Some(slot)) = self.slots.get(id as usize) else { return 0 };
        (within(&slot.samples, from, until).len() + slot.late.len()) as u64
    }

    /// Takes all samples out.
    pub(crate) fn freeze(&mut self) -> Frozen {
        let mut frozen = Vec::new();
        for (slot, id) in self.slots.iter_mut().zip(0..) {
            let Some(slot) = slot else { continue };
            let mut samples = std::mem::take(&mut slot.samples);
            samples.append(&mut slot.late);
            slot.late = Vec::new();
            if !samples.is_empty() {
                settle(&mut samples);
                frozen.push((id, samples));
            }
        }
        (self.samples, self.oldest) = (0, None);
        Frozen(frozen)
    }

    /// Puts what was frozen back below what came since.
    pub(crate) fn thaw(&mut self, frozen: &Frozen) {
        for (id, samples) in &frozen.0 {
            let Some(Some(slot)) = self.slots.get_mut(*id as usize) else { continue };
            let before = slot.samples.len() + slot.late.len();
            let mut all = samples.clone();
            all.append(&mut slot.samples);
            all.append(&mut slot.late);
            settle(&mut all);
            self.samples = (self.samples + all.len()).saturating_sub(before);
            self.oldest = self.oldest.into_iter().chain(all.first().map(|first| first.at)).min();
            slot.samples = all;
        }
    }
}

/// Whether the write-ahead file lacks a description of the series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotDescribed(pub(crate) bool);

impl Slot {
    fn newest_in_memory(&self) -> Option<Moment> {
        self.samples.last().or(self.late.last()).map(|sample| sample.at)
    }

    /// Adds a sample; tells whether its moment is a new one, as far as that is known.
    #[inline]
    fn add(&mut self, sample: Sample) -> bool {
        if sample.at > self.newest {
            self.newest = sample.at;
            self.samples.push(sample);
            return true;
        }
        match self.samples.last_mut() {
            Some(last) if last.at == sample.at => {
                last.value = sample.value;
                false
            }
            _ => {
                self.late.push(sample);
                true
            }
        }
    }
}

/// The part of a sorted stretch that is in the range.
pub(crate) fn within(samples: &[Sample], from: Moment, until: Moment) -> &[Sample] {
    let start = samples.partition_point(|sample| sample.at < from);
    let end = samples.partition_point(|sample| sample.at < until);
    samples.get(start..end).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::SeriesId;

    fn row(at: i64, value: f64) -> Row {
        Row { series: SeriesId(0), sample: Sample::new(at, value) }
    }

    fn taken(rows: &[Row], now: i64) -> (Head, Appended) {
        let mut head = Head::default();
        head.open(0, None);
        let mut tally = Appended::default();
        let bounds = Bounds::new(&Config::default(), Moment(now));
        for row in rows {
            head.take(row, &bounds, 1, &mut tally);
        }
        (head, tally)
    }

    #[test]
    fn bad_samples_are_refused_and_counted() {
        let now = 10_000_000_000;
        let late = now - 3_600_000;
        let rows = [
            row(now, 1.0),
            row(now, f64::NAN),
            row(now, f64::INFINITY),
            row(now, f64::NEG_INFINITY),
            row(late, 2.0),
            row(late - 1, 2.0),
            row(now + 600_000, 3.0),
            row(now + 600_001, 3.0),
            row(-1, 4.0),
            row(i64::MAX, 4.0),
            row(i64::MIN, 4.0),
            Row { series: SeriesId(1), sample: Sample::new(now, 1.0) },
        ];
        let (head, tally) = taken(&rows, now);
        let expected = Appended {
            accepted: 3,
            not_finite: 3,
            too_old: 1,
            too_new: 1,
            out_of_range: 3,
            unknown_series: 1,
            ..Appended::default()
        };
        assert_eq!(tally, expected);
        assert_eq!(tally.refused(), 9);
        assert_eq!(head.samples(), 3);
        assert_eq!(head.oldest(), Some(Moment(late)));
    }

    #[test]
    fn what_is_past_its_time_is_refused_at_once() {
        let config = Config::default();
        let now = i64::try_from(config.raw_age_max.0).unwrap() + 1_000;
        assert_eq!(taken(&[row(999, 1.0)], now).1.too_old, 1);
        assert_eq!(taken(&[row(1_000, 1.0)], now).1.accepted, 1);
    }

    proptest! {
        #[test]
        fn the_last_of_one_moment_wins(ats in prop::collection::vec(0..30_i64, 0..60)) {
            let rows: Vec<Row> = ats.iter().zip(0..).map(|(at, n)| row(*at, f64::from(n))).collect();
            let (mut head, tally) = taken(&rows, 100);
            prop_assert_eq!(tally.accepted as usize, rows.len());
            let expected: std::collections::BTreeMap<i64, f64> =
                rows.iter().map(|row| (row.sample.at.0, row.sample.value)).collect();
            let expected: Vec<Sample> =
                expected.into_iter().map(|(at, value)| Sample::new(at, value)).collect();
            let mut gathered = Vec::new();
            head.gather(0, Moment(0), Moment(30), &mut gathered);
            settle(&mut gathered);
            prop_assert_eq!(&gathered, &expected);
            let frozen = head.freeze();
            prop_assert_eq!(frozen.of(0), expected.as_slice());
            prop_assert_eq!(head.samples(), 0);
            head.thaw(&frozen);
            prop_assert_eq!(head.samples(), expected.len());
            let again = head.freeze();
            prop_assert_eq!(again.of(0), expected.as_slice());
        }
    }
}
