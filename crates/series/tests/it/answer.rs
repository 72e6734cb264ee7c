//! Questions over ranges, and stores that are only read.

use std::fs;

use nightcrew_model::unit::Millis;
use nightcrew_series::answer::{Answer, Question, Rows, Step};
use nightcrew_series::config::Config;
use nightcrew_series::error::{QueryError, StoreError};
use nightcrew_series::limit::POINTS_MAX;
use nightcrew_series::sample::{Moment, Sample};
use nightcrew_series::selector;
use nightcrew_series::store::Store;
use nightcrew_series::view::AnswerView;

use crate::crash::files;
use crate::{DAY, HOUR, MINUTE, START, append, cpu, open, samples, wave};

fn ask(store: &Store, now: i64, from: i64, step: Step) -> Result<Answer, QueryError> {
    let matchers = selector::parse("cpu").unwrap();
    let question = Question { matchers, from: Moment(from), until: Moment(now + 1), step };
    store.answer(Moment(now), &question)
}

/// How many points there are, and how wide each is.
fn shape(answer: &Answer) -> (usize, u64) {
    match &answer.rows {
        Rows::Samples(lines) => (lines.iter().map(|line| line.rows.len()).sum(), 0),
        Rows::Buckets { width, lines } => (lines.iter().map(|line| line.rows.len()).sum(), width.0),
    }
}

#[test]
fn a_short_range_has_samples_and_a_long_one_buckets() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    append(&store, cpu(&store, "a"), &wave(START, 15_000, 5_760));
    let now = START + DAY - 15_000;
    let shaped = |span: i64, step| shape(&ask(&store, now, now + 1 - span, step).unwrap());
    assert_eq!(shaped(HOUR, Step::Auto), (240, 0));
    assert_eq!(shaped(6 * HOUR, Step::Auto).1, 60_000);
    assert_eq!(shaped(DAY, Step::Auto), (288, 300_000));
    assert_eq!(shaped(DAY, Step::Raw), (5_760, 0));
    assert_eq!(shaped(DAY, Step::Width(Millis(301_000))), (144, 600_000));
    assert_eq!(shaped(DAY, Step::Width(Millis(3_600_001))), (12, 7_200_000));
    assert_eq!(shaped(HOUR, Step::Width(Millis(7_000))).1, 7_000);
    let answer = ask(&store, now, START, Step::Width(Millis(60_000))).unwrap();
    let Rows::Buckets { lines, .. } = &answer.rows else { panic!("{answer:?}") };
    let first = lines[0].rows[0];
    let values: Vec<f64> = wave(START, 15_000, 4).iter().map(|sample| sample.value).collect();
    assert_eq!((first.count, first.min, first.last), (4, values[0], values[3]));
    assert_eq!(first.sum, values.iter().sum::<f64>());
}

#[test]
fn what_is_older_than_samples_are_kept_comes_from_buckets() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { raw_age_max: Millis::from_secs(2 * 86_400), ..Config::default() };
    let (store, _) = Store::open(dir.path(), config).unwrap();
    for day in 0..6 {
        append(&store, cpu(&store, "a"), &wave(START + day * DAY, MINUTE, 1_440));
        store.maintain(Moment(START + (day + 1) * DAY + 4 * HOUR)).unwrap();
    }
    let now = START + 6 * DAY + 4 * HOUR;
    assert!(samples(&store, "a")[0].at > Moment(START));
    let (points, width) = shape(&ask(&store, now, START, Step::Width(Millis(60_000))).unwrap());
    assert_eq!((points, width), (6 * 288, 300_000));
    assert_eq!(shape(&ask(&store, now, now - HOUR, Step::Auto).unwrap()).1, 0);
}

#[test]
fn an_answer_has_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    append(&store, cpu(&store, "a"), &wave(START, 50, POINTS_MAX as i64 + 1));
    let now = START + 2 * HOUR - 1;
    let refused = ask(&store, now, START, Step::Raw).unwrap_err();
    assert!(matches!(refused, QueryError::TooManyPoints { limit: POINTS_MAX }));
    assert_eq!(shape(&ask(&store, now, START, Step::Auto).unwrap()).1, 15_000);
    let backwards = ask(&store, START - 1, START + 1, Step::Auto).unwrap_err();
    assert!(matches!(backwards, QueryError::Backwards));
}

#[test]
fn a_view_names_its_columns_and_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let key = nightcrew_series::key::Key::new(
        "disk_usage",
        [("unit", "percent"), ("resource", "/var")].into_iter().collect(),
    );
    append(&store, store.series(&key.unwrap()).unwrap(), &[Sample::new(START, 90.5)]);
    let matchers = selector::parse("disk_usage{resource=~\"/v.*\"}").unwrap();
    let (from, until) = (Moment(START), Moment(START + 1));
    let question = Question { matchers, from, until, step: Step::Auto };
    let view = AnswerView::of(&store.answer(until, &question).unwrap());
    assert_eq!(
        serde_json::to_value(view).unwrap(),
        serde_json::json!({
            "from": "2023-11-15T00:00:00Z", "until": "2023-11-15T00:00:00.001Z",
            "step_ms": null, "columns": ["at_ms", "value"], "damage": [],
            "series": [{ "metric": "disk_usage", "unit": "percent",
                         "labels": { "resource": "/var" }, "points": [[START, 90.5]] }],
        })
    );
}

#[test]
fn a_store_that_is_only_read_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let absent = Store::open_to_read(dir.path(), Config::default()).unwrap_err();
    assert!(matches!(absent, StoreError::Absent { .. }));
    let (store, _) = open(dir.path());
    append(&store, cpu(&store, "a"), &wave(START, MINUTE, 60));
    store.seal().unwrap();
    append(&store, cpu(&store, "a"), &wave(START + HOUR, MINUTE, 10));
    store.sync().unwrap();
    let locked = Store::open_to_read(dir.path(), Config::default()).unwrap_err();
    assert!(matches!(locked, StoreError::Locked { .. }));
    drop(store);
    // A torn end stays where it is.
    let wal = files(dir.path(), "wal").remove(0);
    let mut torn = fs::read(&wal).unwrap();
    torn.extend_from_slice(b"NCw1torn");
    fs::write(&wal, &torn).unwrap();
    fs::write(dir.path().join("000000000099.part"), "x").unwrap();
    let listed = || {
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listed();
    let (one, opened) = Store::open_to_read(dir.path(), Config::default()).unwrap();
    let (other, _) = Store::open_to_read(dir.path(), Config::default()).unwrap();
    assert_eq!((opened.replayed_rows, opened.cut_bytes), (10, 8));
    assert_eq!((samples(&one, "a").len(), samples(&other, "a").len()), (70, 70));
    assert!(matches!(one.append(Moment(START), &[]), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(one.sync(), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(one.seal(), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(one.maintain(Moment(START)), Err(StoreError::ReadOnly { .. })));
    let taken = Store::open(dir.path(), Config::default()).unwrap_err();
    assert!(matches!(taken, StoreError::Locked { .. }));
    drop((one, other));
    assert_eq!(listed(), before);
    assert_eq!(fs::read(&wal).unwrap(), torn);
}
