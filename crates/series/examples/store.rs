//! How small and how fast the store is: bytes for each sample of real series, samples a second in,
//! queries a second out.
//!
//! ```sh
//! cargo run --release -p nightcrew-series --example store -- ../shared/data/nab/data
//! ```

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]
#![expect(clippy::disallowed_types, reason = "it measures time")]
#![expect(clippy::unwrap_used, reason = "it has nobody to tell")]
#![expect(clippy::cast_precision_loss, reason = "figures are rounded anyway")]

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use nightcrew_series::config::Config;
use nightcrew_series::key::Key;
use nightcrew_series::limit::SERIES_MAX;
use nightcrew_series::query::Selection;
use nightcrew_series::sample::{Moment, Resolution, Row, Sample, SeriesId};
use nightcrew_series::store::Store;

const START: i64 = 1_700_006_400_000;
const STEP_MS: i64 = 15_000;
const SERIES: usize = 10_000;
const ROUNDS: i64 = 2_000;
const QUERIES: usize = 2_000;
/// Real series are from several years.
const AGE_MAX: Millis = Millis::from_secs(4_000 * 86_400);

fn main() {
    match env::args().nth(1) {
        Some(folder) => size(Path::new(&folder)),
        None => println!("no folder of CSV files was given: sizes are not measured"),
    }
    speed();
    many();
}

/// The memory of this process, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

/// As many series as there may be, and one more.
fn many() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), Config::default()).unwrap();
    let before = memory();
    let begun = Instant::now();
    let key = |n: usize| {
        let labels = [("host", format!("host-{}", n / 1_000)), ("id", format!("id-{}", n % 1_000))];
        Key::new("requests_total", labels.into_iter().collect()).unwrap()
    };
    let ids: Vec<SeriesId> = (0..SERIES_MAX).map(|n| store.series(&key(n)).unwrap()).collect();
    assert!(store.series(&key(SERIES_MAX)).is_err());
    for round in 0..2 {
        let at = START + round * STEP_MS;
        for batch in ids.chunks(100_000) {
            let row = |series: &SeriesId| Row { series: *series, sample: Sample::new(at, 1.0) };
            let rows: Vec<Row> = batch.iter().map(row).collect();
            store.append(Moment(at), &rows).unwrap();
        }
    }
    store.sync().unwrap();
    let bytes = memory().saturating_sub(before) / SERIES_MAX as u64;
    println!(
        "{SERIES_MAX} series of two samples: {bytes} bytes of memory for each, {:.1} s; one more is \
         refused",
        begun.elapsed().as_secs_f64()
    );
    store.seal().unwrap();
    let found = store.select(
        &Selection::parse("{host=\"host-7\",id=~\"id-9.\"}", Moment::MIN, Moment::MAX).unwrap(),
    );
    assert_eq!(found.unwrap().count(), 10);
}

fn read(path: &Path) -> Vec<Sample> {
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).filter_map(|line| line.split_once(','));
    rows.map(|(at, value)| {
        let at: DateTime = at.parse().unwrap();
        let at = at.to_zoned(TimeZone::UTC).unwrap().timestamp();
        Sample { at: Moment::from(at), value: value.parse().unwrap() }
    })
    .collect()
}

fn csv_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(csv_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "csv") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn size(folder: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { raw_age_max: AGE_MAX, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let mut written = 0;
    let mut last = Moment::MIN;
    for path in csv_files(folder) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let series = store.series(&Key::new(&name, Labels::default()).unwrap()).unwrap();
        for batch in read(&path).chunks(10_000) {
            let rows: Vec<Row> =
                batch.iter().map(|sample| Row { series, sample: *sample }).collect();
            let now = batch.iter().map(|sample| sample.at).max().unwrap();
            written += store.append(now, &rows).unwrap().accepted;
            last = last.max(now);
        }
    }
    store.seal().unwrap();
    let sealed = store.stats();
    println!(
        "real series as sealed: {} samples, {} bytes, {:.3} bytes for each sample",
        sealed.segment_samples,
        sealed.segment_bytes,
        sealed.segment_bytes as f64 / sealed.segment_samples as f64
    );
    drop(store);
    // Without buckets, which are extra: their time is over at once.
    let only_raw = Config { five_minutes_age_max: Millis(0), hour_age_max: Millis(0), ..config };
    let (store, _) = Store::open(dir.path(), only_raw).unwrap();
    let begun = Instant::now();
    let now = last.plus(Millis::from_secs(70 * 86_400));
    let done = store.maintain(now).unwrap();
    let merged = store.stats();
    println!(
        "real series as merged: {written} written, {} samples in {} segments, {} bytes, {:.3} \
         bytes for each sample ({} merges, {:.1} s)",
        merged.segment_samples,
        merged.segments,
        merged.segment_bytes,
        merged.segment_bytes as f64 / merged.segment_samples as f64,
        done.merges,
        begun.elapsed().as_secs_f64()
    );
}

fn key(n: usize) -> Key {
    let labels = [("host", format!("host-{:03}", n / 20)), ("core", (n % 20).to_string())];
    Key::new("cpu_usage", labels.into_iter().collect()).unwrap()
}

fn speed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(dir.path(), Config::default()).unwrap();
    let begun = Instant::now();
    let ids: Vec<SeriesId> = (0..SERIES).map(|n| store.series(&key(n)).unwrap()).collect();
    let named = begun.elapsed().as_secs_f64();
    println!("{SERIES} new series: {:.0} a second", SERIES as f64 / named);
    let mut rows = Vec::with_capacity(SERIES);
    let (mut appending, mut syncing, mut samples) = (0.0, 0.0, 0);
    let whole = Instant::now();
    for round in 0..ROUNDS {
        rows.clear();
        let at = START + round * STEP_MS;
        for (series, n) in ids.iter().zip(0_i64..) {
            let value = ((round * 7 + n * 13) % 1_000) as f64 * 0.1;
            rows.push(Row { series: *series, sample: Sample::new(at, value) });
        }
        let begun = Instant::now();
        samples += store.append(Moment(at), &rows).unwrap().accepted;
        appending += begun.elapsed().as_secs_f64();
        if round % 20 == 19 {
            let begun = Instant::now();
            store.sync().unwrap();
            syncing += begun.elapsed().as_secs_f64();
        }
        // What a caller does in the background is timed apart.
        if round % 480 == 479 {
            let begun = Instant::now();
            store.seal().unwrap();
            println!("sealed 480 samples of each in {:.2} s", begun.elapsed().as_secs_f64());
        }
    }
    println!(
        "{samples} samples in: {:.2} million a second appended, {:.2} with syncs, {:.2} with seals \
         and all else",
        samples as f64 / appending / 1e6,
        samples as f64 / (appending + syncing) / 1e6,
        samples as f64 / whole.elapsed().as_secs_f64() / 1e6
    );
    let begun = Instant::now();
    let done = store.maintain(Moment(START + 2 * 86_400_000)).unwrap();
    let stats = store.stats();
    println!(
        "upkeep: {} merges, {} days thinned out in {:.2} s; {} segments, {} bytes",
        done.merges,
        done.thinned_days,
        begun.elapsed().as_secs_f64(),
        stats.segments,
        stats.segment_bytes
    );
    queries(&store);
    drop(store);
    let begun = Instant::now();
    let (store, opened) = Store::open(dir.path(), Config::default()).unwrap();
    println!(
        "opened again in {:.2} s: {} series, {} rows replayed",
        begun.elapsed().as_secs_f64(),
        store.stats().series,
        opened.replayed_rows
    );
}

fn queries(store: &Store) {
    let hour = |n: usize| START + i64::try_from(n % 7).unwrap() * 3_600_000;
    let begun = Instant::now();
    let mut samples = 0;
    for n in 0..QUERIES {
        let matchers =
            format!("{{__name__=\"cpu_usage\",host=\"host-{:03}\",core=\"7\"}}", n % 500);
        let (from, until) = (Moment(hour(n)), Moment(hour(n) + 3_600_000));
        let found = store.select(&Selection::parse(&matchers, from, until).unwrap()).unwrap();
        samples += found.map(|line| line.rows.len()).sum::<usize>();
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("one series, one hour: {:.0} queries a second", QUERIES as f64 / seconds);
    assert_eq!(samples, QUERIES * 240);
    let begun = Instant::now();
    let (from, until) = (Moment(START), Moment(START + 8 * 3_600_000));
    let all = Selection::parse("{host=~\"host-0.*\"}", from, until).unwrap();
    let samples: usize = store.select(&all).unwrap().map(|line| line.rows.len()).sum();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "2,000 series, eight hours: {:.1} million samples a second",
        samples as f64 / seconds / 1e6
    );
    let begun = Instant::now();
    let rows: usize =
        store.buckets(&all, Resolution::FiveMinutes).unwrap().map(|line| line.rows.len()).sum();
    let seconds = begun.elapsed().as_secs_f64();
    println!("the same as {rows} buckets of 5 minutes: {seconds:.2} s");
}
