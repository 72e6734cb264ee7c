//! Limits are reached and said.

use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use nightcrew_series::config::Config;
use nightcrew_series::error::{QueryError, Refusal, StoreError};
use nightcrew_series::key::Key;
use nightcrew_series::limit::BATCH_ROWS_MAX;
use nightcrew_series::query::Selection;
use nightcrew_series::sample::{Moment, Row, Sample};
use nightcrew_series::store::Store;

use crate::{MINUTE, START, append, cpu, open, rows, samples, wave};

#[test]
fn too_many_series_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { series_max: 3, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let key = |n: usize| Key::new("up", [("n", n.to_string())].into_iter().collect()).unwrap();
    for n in 0..3 {
        store.series(&key(n)).unwrap();
    }
    assert_eq!(store.series(&key(3)), Err(Refusal::TooManySeries { limit: 3 }));
    assert_eq!(store.series(&key(1)), store.series(&key(1)));
    assert_eq!((store.stats().series, store.stats().series_refused), (3, 1));
    // Series that never got a sample are forgotten and make room.
    for _ in 0..2 {
        store.maintain(Moment(START)).unwrap();
    }
    assert_eq!(store.stats().series, 0);
    store.series(&key(3)).unwrap();
}

#[test]
fn a_batch_may_not_be_too_large_and_bad_rows_do_not_spoil_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let good = Sample::new(START, 1.0);
    let too_many = vec![good; BATCH_ROWS_MAX + 1];
    assert!(matches!(
        store.append(Moment(START), &rows(a, &too_many)),
        Err(StoreError::BatchTooLarge { rows }) if rows == BATCH_ROWS_MAX + 1
    ));
    store.append(Moment(START), &rows(a, &too_many[1..])).unwrap();
    let mixed = [
        Sample::new(START, f64::NAN),
        Sample::new(START + 1, f64::INFINITY),
        Sample::new(START - 3_600_001, 1.0),
        Sample::new(START + 600_001, 1.0),
        Sample::new(i64::MIN, 1.0),
        Sample::new(START + 2, -0.0),
        Sample::new(START + 2, 2.0),
        Sample::new(START - 3_599_998, 3.0),
    ];
    let tally = store.append(Moment(START), &rows(a, &mixed)).unwrap();
    assert_eq!((tally.accepted, tally.replaced, tally.refused()), (3, 1, 5));
    store.sync().unwrap();
    let expected =
        [Sample::new(START - 3_599_998, 3.0), Sample::new(START, 1.0), Sample::new(START + 2, 2.0)];
    assert_eq!(samples(&store, "a"), expected);
    drop(store);
    assert_eq!(samples(&open(dir.path()).0, "a"), expected);
}

#[test]
fn what_is_too_late_is_refused_after_a_restart_too() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    append(&store, cpu(&store, "a"), &wave(START, MINUTE, 180));
    store.seal().unwrap();
    drop(store);
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let tally = store.append(Moment(START), &rows(a, &[Sample::new(START, 1.0)])).unwrap();
    assert_eq!((tally.accepted, tally.too_old), (0, 1));
}

#[test]
fn a_full_head_is_sealed_before_it_takes_more() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { head_samples_max: 100, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 450);
    for batch in wave.chunks(30) {
        append(&store, a, batch);
        assert!(store.stats().head_samples < 100 + 30);
    }
    assert_eq!(store.stats().segment_samples, 360);
    assert_eq!(samples(&store, "a"), wave);
}

#[test]
fn answers_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { query_series_max: 2, query_samples_max: 100, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    for host in ["a", "b", "c"] {
        append(&store, cpu(&store, host), &wave(START, MINUTE, 60));
    }
    store.seal().unwrap();
    let select = |matchers: &str, until: i64| {
        let selection = Selection::parse(matchers, Moment(START), Moment(until)).unwrap();
        store.select(&selection).map(|found| found.map(|line| line.rows.len()).sum::<usize>())
    };
    assert!(matches!(
        select("{}", START + MINUTE),
        Err(QueryError::TooManySeries { found: 3, limit: 2 })
    ));
    assert!(matches!(
        select("{host=~\"a|b\"}", START + 60 * MINUTE),
        Err(QueryError::TooManySamples { found: 120, limit: 100 })
    ));
    assert_eq!(select("{host=\"a\"}", START + 60 * MINUTE).unwrap(), 60);
    assert_eq!(select("{host=\"a\"}", START).unwrap(), 0);
    let backwards = Selection { from: Moment(1), until: Moment(0), matchers: Default::default() };
    assert!(matches!(store.select(&backwards), Err(QueryError::Backwards)));
}

#[test]
fn a_bomb_of_labels_is_refused_at_the_limit_and_forgotten_when_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { series_max: 20_000, ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    let mut rows = Vec::new();
    let mut refused = 0;
    for n in 0..30_000 {
        let labels = [("id", format!("request-{n}"))].into_iter().collect();
        match store.series(&Key::new("requests", labels).unwrap()) {
            Ok(series) => rows.push(Row { series, sample: Sample::new(START, 1.0) }),
            Err(_) => refused += 1,
        }
    }
    assert_eq!((rows.len(), refused, store.stats().series_refused), (20_000, 10_000, 10_000));
    assert_eq!(store.append(Moment(START), &rows).unwrap().accepted, 20_000);
    store.seal().unwrap();
    // After the longest time that anything is kept.
    let late = Moment(START).plus(config.hour_age_max).plus(Millis::from_secs(400 * 86_400));
    for _ in 0..3 {
        store.maintain(late).unwrap();
    }
    assert_eq!((store.stats().series, store.stats().segments), (0, 0));
    assert!(store.series(&Key::new("up", Labels::default()).unwrap()).is_ok());
}
