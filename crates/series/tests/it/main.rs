//! What the series store does, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answer;
mod bad_input;
mod crash;
mod damage;
mod nab;
mod upkeep;

use std::path::Path;

use nightcrew_model::labels::Labels;
use nightcrew_series::config::Config;
use nightcrew_series::key::Key;
use nightcrew_series::query::{Line, Selection};
use nightcrew_series::sample::{Moment, Row, Sample, SeriesId};
use nightcrew_series::store::{Opened, Store};

/// A moment on a day boundary.
pub(crate) const START: i64 = 1_700_006_400_000;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// The store in a folder, opened with the settings that everyone has.
pub(crate) fn open(dir: &Path) -> (Store, Opened) {
    Store::open(dir, Config::default()).unwrap()
}

/// The id of `cpu{host="…"}`.
pub(crate) fn cpu(store: &Store, host: &str) -> SeriesId {
    store.series(&Key::new("cpu", [("host", host)].into_iter().collect()).unwrap()).unwrap()
}

/// Rows of one series.
pub(crate) fn rows(series: SeriesId, samples: &[Sample]) -> Vec<Row> {
    samples.iter().map(|sample| Row { series, sample: *sample }).collect()
}

/// Evenly spaced samples.
pub(crate) fn wave(from: i64, step: i64, count: i64) -> Vec<Sample> {
    (0..count).map(|n| Sample::new(from + n * step, (n * n % 97) as f64 * 0.25)).collect()
}

/// Appends in batches, each at the time of its last sample.
pub(crate) fn append(store: &Store, series: SeriesId, samples: &[Sample]) {
    for batch in samples.chunks(1_000) {
        let now = batch.iter().map(|sample| sample.at).max().unwrap();
        let tally = store.append(now, &rows(series, batch)).unwrap();
        assert_eq!(tally.refused(), 0);
    }
}

/// Everything that matches.
pub(crate) fn all(store: &Store, matchers: &str) -> Vec<Line<Sample>> {
    let selection = Selection::parse(matchers, Moment::MIN, Moment::MAX).unwrap();
    let mut found = store.select(&selection).unwrap();
    let lines: Vec<_> = found.by_ref().collect();
    assert_eq!(found.damage(), []);
    lines
}

/// The samples of `cpu{host="…"}`.
pub(crate) fn samples(store: &Store, host: &str) -> Vec<Sample> {
    let lines = all(store, &format!("{{__name__=\"cpu\",host=\"{host}\"}}"));
    lines.into_iter().flat_map(|line| line.rows).collect()
}

pub(crate) fn host(labels: &Labels) -> String {
    labels.get("host").unwrap_or_default().to_owned()
}
