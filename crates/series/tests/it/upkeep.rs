//! Merging, thinning out, dropping and forgetting.

use nightcrew_model::unit::Millis;
use nightcrew_series::config::Config;
use nightcrew_series::query::{Line, Selection};
use nightcrew_series::sample::{Bucket, Moment, Resolution, Sample};
use nightcrew_series::store::Store;

use crate::{DAY, HOUR, MINUTE, START, append, cpu, open, rows, samples, wave};

fn buckets(store: &Store, from: i64, until: i64, resolution: Resolution) -> Vec<Bucket> {
    let selection = Selection::parse("{}", Moment(from), Moment(until)).unwrap();
    let mut found = store.buckets(&selection, resolution).unwrap();
    let lines: Vec<Line<Bucket>> = found.by_ref().collect();
    assert_eq!(found.damage(), []);
    lines.into_iter().flat_map(|line| line.rows).collect()
}

#[test]
fn small_segments_become_large_ones() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 2 * 24 * 60);
    for hour in wave.chunks(60) {
        append(&store, a, hour);
        store.maintain(hour.last().unwrap().at).unwrap();
    }
    store.seal().unwrap();
    store.maintain(Moment(START + 12 * DAY)).unwrap();
    assert_eq!(samples(&store, "a"), wave);
    // One of samples, one of each width of buckets; the days lie in one or two windows.
    assert!((3..=6).contains(&store.stats().segments), "{:?}", store.stats());
    drop(store);
    let (store, opened) = open(dir.path());
    assert_eq!(opened.damage, []);
    assert_eq!(samples(&store, "a"), wave);
}

#[test]
fn buckets_are_the_same_before_and_after_thinning() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 3 * 24 * 60);
    append(&store, a, &wave);
    let ask = |store: &Store| {
        [Resolution::FiveMinutes, Resolution::Hour]
            .map(|resolution| buckets(store, START + 7, START + 3 * DAY - 7, resolution))
    };
    let before = ask(&store);
    assert_eq!(before.each_ref().map(Vec::len), [3 * 24 * 12, 3 * 24]);
    assert_eq!(before[1][0].count, 60);
    let done = store.maintain(Moment(START + 2 * DAY + 2 * HOUR)).unwrap();
    assert_eq!((done.sealed_samples, done.thinned_days), (3 * 24 * 60, 2));
    assert_eq!(ask(&store), before);
    assert_eq!(store.maintain(Moment(START + 4 * DAY)).unwrap().thinned_days, 1);
    assert_eq!(ask(&store), before);
    assert_eq!(store.maintain(Moment(START + 12 * DAY)).unwrap().thinned_days, 0);
    // The samples go, the buckets stay.
    let done = store.maintain(Moment(START + 60 * DAY)).unwrap();
    assert!(done.dropped_segments > 0);
    assert_eq!(samples(&store, "a"), []);
    assert_eq!(ask(&store), before);
}

#[test]
fn late_samples_reach_days_that_were_thinned_out() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { late_max: Millis::from_secs(3 * 86_400), ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let (a, now) = (cpu(&store, "a"), Moment(START + 6 * DAY));
    append(&store, a, &wave(START, MINUTE, 60));
    append(&store, a, &[Sample::new(START + 2 * DAY, 1.0)]);
    store.seal().unwrap();
    assert_eq!(store.maintain(now).unwrap().thinned_days, 2);
    let tally = store.append(now, &rows(a, &[Sample::new(START + 30, 1_000.0)])).unwrap();
    assert_eq!(tally.accepted, 1);
    store.seal().unwrap();
    assert_eq!(store.maintain(now).unwrap().thinned_days, 1);
    let hour = buckets(&store, START, START + HOUR, Resolution::Hour)[0];
    assert_eq!((hour.count, hour.max, hour.last), (61, 1_000.0, samples(&store, "a")[60].value));
}

#[test]
fn of_two_values_of_a_moment_the_later_one_stays_through_merges() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    for value in 0..20 {
        let sample = Sample::new(START, f64::from(value));
        store.append(Moment(START), &rows(a, &[sample])).unwrap();
        store.seal().unwrap();
        store.maintain(Moment(START)).unwrap();
        assert_eq!(samples(&store, "a"), [sample]);
        assert!(store.stats().segments <= 8);
    }
}

#[test]
fn what_is_past_its_time_goes_and_its_series_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        raw_age_max: Millis::from_secs(10 * 86_400),
        five_minutes_age_max: Millis::from_secs(20 * 86_400),
        hour_age_max: Millis::from_secs(30 * 86_400),
        ..Config::default()
    };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let a = cpu(&store, "a");
    append(&store, a, &wave(START, MINUTE, 60));
    let mut left = Vec::new();
    for day in [5, 12, 22, 32] {
        store.maintain(Moment(START + day * DAY)).unwrap();
        let stats = store.stats();
        left.push((stats.segments, stats.series));
    }
    assert_eq!(left, [(3, 1), (2, 1), (1, 1), (0, 0)]);
    let now = START + 32 * DAY;
    let tally = store.append(Moment(now), &rows(a, &[Sample::new(now, 1.0)])).unwrap();
    assert_eq!(tally.unknown_series, 1);
    append(&store, cpu(&store, "a"), &[Sample::new(now, 1.0)]);
    assert_eq!(samples(&store, "a"), [Sample::new(now, 1.0)]);
}

#[test]
fn too_many_bytes_drop_the_oldest_samples_first() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { bytes_max: 12_000, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let a = cpu(&store, "a");
    // Noise does not pack.
    let mut state = 1_u64;
    let noise: Vec<Sample> = (0..4 * 24 * 60)
        .map(|n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            Sample::new(START + n * MINUTE, (state >> 11) as f64)
        })
        .collect();
    append(&store, a, &noise);
    store.seal().unwrap();
    let now = Moment(START + 4 * DAY);
    let done = store.maintain(now).unwrap();
    assert!(done.dropped_segments > 0);
    assert!(store.stats().segment_bytes <= 12_000, "{:?}", store.stats());
    let kept = samples(&store, "a");
    assert_eq!(kept, noise[noise.len() - kept.len()..]);
    assert!(!buckets(&store, START, START + DAY, Resolution::Hour).is_empty());
}

#[test]
fn queries_go_on_while_segments_are_merged_and_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 600);
    append(&store, a, &wave);
    store.seal().unwrap();
    let selection = Selection::parse("{}", Moment::MIN, Moment::MAX).unwrap();
    let asked_before = store.select(&selection).unwrap();
    store.maintain(Moment(START + 3 * DAY)).unwrap();
    store.maintain(Moment(START + 4_000 * DAY)).unwrap();
    assert_eq!(store.stats().segments, 0);
    assert_eq!(asked_before.flat_map(|line| line.rows).collect::<Vec<_>>(), wave);
}

#[test]
fn several_threads_append_ask_and_maintain_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { head_samples_max: 400, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let waves: Vec<_> = (0..3).map(|n| wave(START + n, MINUTE, 500)).collect();
    std::thread::scope(|scope| {
        for (n, wave) in waves.iter().enumerate() {
            let store = &store;
            scope.spawn(move || {
                for batch in wave.chunks(20) {
                    // A series without samples may be forgotten between these two.
                    let now = batch[batch.len() - 1].at;
                    let again = || {
                        let batch = rows(cpu(store, &n.to_string()), batch);
                        store.append(now, &batch).unwrap().unknown_series > 0
                    };
                    while again() {}
                    let seen = samples(store, &n.to_string());
                    assert_eq!(seen.last(), batch.last());
                    assert_eq!(seen, wave[..seen.len()]);
                    store.sync().unwrap();
                }
            });
        }
        scope.spawn(|| {
            for hour in 0..10 {
                store.maintain(Moment(START + hour * HOUR)).unwrap();
            }
        });
    });
    drop(store);
    let (store, opened) = open(dir.path());
    assert_eq!(opened.damage, []);
    for (n, wave) in waves.iter().enumerate() {
        assert_eq!(samples(&store, &n.to_string()), *wave);
    }
}
