//! What was measured, stored: bytes for each sample, samples in and out in a second.
//!
//! The made-up gauges are a host's: percentages with two places, counts of bytes, states.  The
//! peer is Prometheus's own database, made of the same samples by `promtool`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use nightcrew_series::config::Config;
use nightcrew_series::key::Key;
use nightcrew_series::query::Selection;
use nightcrew_series::sample::{Moment, Row, Sample, SeriesId};
use nightcrew_series::store::Store;

use crate::chance::Chance;
use crate::figure::{Figure, Unit};
use crate::setting::{Setting, command, peer};
use crate::stopwatch::Stopwatch;

pub(super) const NAME: &str = "series";

const SERIES: usize = 600;

/// Twelve hours, every 15 s.
const ROUNDS: i64 = 2_880;
const STEP_MS: i64 = 15_000;
const START: i64 = 1_700_006_400_000;
const DAY: Millis = Millis::from_secs(86_400);

/// Rounds that one append holds.
const ROUNDS_PER_BATCH: i64 = 20;

/// What a sample may take.
const BYTES_MAX: f64 = 1.6;

/// The peer.
const PROMETHEUS: &str = "Prometheus";

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let made_up = made_up();
    let theirs = prometheus(&made_up, &setting.fresh("prometheus")?)?;
    let folder = setting.fresh("series")?;
    let (store, _) = Store::open(&folder, Config::default())?;
    let (seconds_in, n) = fill(&store, &made_up)?;
    let rate = |seconds: f64| n as f64 / seconds;
    let sealed = bytes_per_sample(&store);
    // Past the day, so that its segments are merged and packed well; the buckets of the day are
    // extra, and left out.
    drop(store);
    let raw =
        Config { five_minutes_age_max: Millis(0), hour_age_max: Millis(0), ..Config::default() };
    let (store, _) = Store::open(&folder, raw)?;
    store.maintain(Moment(START).plus(Millis(20 * DAY.0)))?;
    let merged = bytes_per_sample(&store);
    let watch = Stopwatch::start();
    let all = Selection::parse("{}", Moment::MIN, Moment::MAX)?;
    let read: usize = store.select(&all)?.map(|line| line.rows.len()).sum();
    let seconds_out = watch.elapsed().as_secs_f64();
    ensure!(read == n, "{n} samples were stored and {read} read");
    let made = format!("{SERIES} made-up gauges, {n} samples");
    let mut figures = vec![
        Figure::new(NAME, format!("{made}: bytes for each, after a day"), merged, Unit::Ratio)
            .limit(BYTES_MAX)
            .peer(PROMETHEUS, theirs),
        Figure::new(NAME, "the same as first sealed: bytes for each", sealed, Unit::Ratio)
            .peer(PROMETHEUS, theirs),
        Figure::new(NAME, "in: appended, durable and sealed", rate(seconds_in), Unit::PerSecond),
        Figure::new(NAME, "out: read from disk", rate(seconds_out), Unit::PerSecond),
    ];
    figures.extend(real(setting)?);
    Ok(figures)
}

/// The samples of every series, one series after the other.
fn made_up() -> Vec<Vec<Sample>> {
    let mut chance = Chance::new("series");
    let mut share = move || chance.within(0..1_000_001) as f64 / 1e6;
    (0..SERIES)
        .map(|n| {
            let mut level = 20.0 + 60.0 * share();
            (0..ROUNDS)
                .map(|round| {
                    level = (level + share() - 0.5).clamp(0.0, 100.0);
                    let value = match n % 4 {
                        0 | 1 => (level * 100.0).round() / 100.0,
                        2 => (level * 1e7).round(),
                        _ => f64::from(u8::from(share() > 0.001)),
                    };
                    Sample::new(START + round * STEP_MS, value)
                })
                .collect()
        })
        .collect()
}

fn key(n: usize) -> anyhow::Result<Key> {
    let labels = [("service", "host".to_owned()), ("resource", format!("part-{n}"))];
    Ok(Key::new(&format!("metric_{}", n % 4), labels.into_iter().collect())?)
}

/// Stores everything in the order of time, and gives the seconds and the number of samples.
fn fill(store: &Store, made_up: &[Vec<Sample>]) -> anyhow::Result<(f64, usize)> {
    let ids = (0..made_up.len()).map(|n| Ok(store.series(&key(n)?)?));
    let ids: Vec<SeriesId> = ids.collect::<anyhow::Result<_>>()?;
    let watch = Stopwatch::start();
    let mut n_samples = 0;
    for batch in 0..ROUNDS / ROUNDS_PER_BATCH {
        let from = usize::try_from(batch * ROUNDS_PER_BATCH)?;
        let until = from + usize::try_from(ROUNDS_PER_BATCH)?;
        let mut rows = Vec::new();
        for round in from..until {
            let of_round = ids.iter().zip(made_up);
            rows.extend(of_round.filter_map(|(series, samples)| {
                Some(Row { series: *series, sample: *samples.get(round)? })
            }));
        }
        let now = rows.last().map_or(Moment(START), |row| row.sample.at);
        n_samples += usize::try_from(store.append(now, &rows)?.accepted)?;
        store.sync()?;
        store.maintain(now)?;
    }
    store.seal()?;
    Ok((watch.elapsed().as_secs_f64(), n_samples))
}

fn bytes_per_sample(store: &Store) -> f64 {
    let stats = store.stats();
    stats.segment_bytes as f64 / stats.segment_samples as f64
}

/// What the same samples take in Prometheus's database, chunks and index; none without `promtool`.
fn prometheus(made_up: &[Vec<Sample>], folder: &Path) -> anyhow::Result<Option<f64>> {
    let Some(promtool) = peer("promtool", "--version") else { return Ok(None) };
    let mut text = String::new();
    for metric in 0..4 {
        writeln!(text, "# TYPE metric_{metric} gauge")?;
        for (n, samples) in made_up.iter().enumerate().filter(|(n, _)| n % 4 == metric) {
            for Sample { at, value } in samples {
                let seconds = at.0 as f64 / 1e3;
                let labels = format!("resource=\"part-{n}\",service=\"host\"");
                writeln!(text, "metric_{metric}{{{labels}}} {value} {seconds}")?;
            }
        }
    }
    text.push_str("# EOF\n");
    let (input, output) = (folder.join("samples.om"), folder.join("tsdb"));
    fs::write(&input, text).context("writing samples")?;
    let log = File::create(folder.join("log")).context("making a log")?;
    let mut made = command(&promtool.path);
    made.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(&input).arg(&output);
    let status = made.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).status()?;
    ensure!(status.success(), "promtool ended with {status}");
    let bytes = size(&output, &|path| {
        path.file_name().is_some_and(|name| name == "index")
            || path.parent().is_some_and(|parent| parent.ends_with("chunks"))
    })?;
    let n: usize = made_up.iter().map(Vec::len).sum();
    Ok(Some(bytes as f64 / n as f64))
}

fn size(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            bytes += size(&entry.path(), wanted)?;
        } else if wanted(&entry.path()) {
            bytes += entry.metadata()?.len();
        }
    }
    Ok(bytes)
}

/// Where the Numenta Anomaly Benchmark lies; none where it does not.
fn corpus() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "only the caller knows where the data lie")]
    let named = std::env::var("NIGHTCREW_SHARED");
    let shared = named.map_or_else(|_| PathBuf::from("../shared"), PathBuf::from);
    Some(shared.join("data/nab/data")).filter(|folder| folder.is_dir())
}

/// Real series, where they are there.
fn real(setting: &Setting) -> anyhow::Result<Vec<Figure>> {
    let Some(corpus) = corpus() else { return Ok(Vec::new()) };
    // They are from several years.
    let config = Config { raw_age_max: Millis(4_000 * DAY.0), ..Config::default() };
    let (store, _) = Store::open(&setting.fresh("nab")?, config)?;
    let mut n_files = 0;
    for folder in fs::read_dir(corpus)? {
        for file in fs::read_dir(folder?.path())? {
            let path = file?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let series = store.series(&Key::new(&name, Labels::default())?)?;
            for batch in read(&path)?.chunks(10_000) {
                let rows: Vec<Row> =
                    batch.iter().map(|sample| Row { series, sample: *sample }).collect();
                let now = batch.iter().map(|sample| sample.at).max().unwrap_or_default();
                store.append(now, &rows)?;
            }
            n_files += 1;
        }
    }
    store.seal()?;
    let what = format!("{n_files} files of NAB: bytes for each sample, labels included");
    let figure = Figure::new(NAME, what, bytes_per_sample(&store), Unit::Ratio);
    Ok(vec![figure.limit(BYTES_MAX)])
}

fn read(path: &Path) -> anyhow::Result<Vec<Sample>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let rows = text.lines().skip(1).filter_map(|line| line.split_once(','));
    rows.map(|(at, value)| {
        let at = at.parse::<DateTime>()?.to_zoned(TimeZone::UTC)?.timestamp();
        Ok(Sample { at: Moment::from(at), value: value.parse()? })
    })
    .collect()
}
