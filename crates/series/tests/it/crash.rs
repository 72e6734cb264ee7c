//! A process may end at any point: what was acknowledged is there again.

use std::fs;
use std::path::{Path, PathBuf};

use nightcrew_series::config::Config;
use nightcrew_series::error::StoreError;
use nightcrew_series::sample::{Moment, Sample};
use nightcrew_series::store::Store;
use proptest::prelude::*;

use crate::{HOUR, MINUTE, START, append, cpu, open, rows, samples, wave};

/// A copy of the folder as it is now: what a crash at this point leaves behind.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// The files with this ending, in the order of their numbers.
pub(crate) fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect();
    files.sort();
    files
}

#[test]
fn what_was_synced_survives_the_end_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let (a, b) = (cpu(&store, "a"), cpu(&store, "b"));
    let wave_a = wave(START, MINUTE, 50);
    append(&store, a, &wave_a);
    append(&store, b, &wave_a[..7]);
    store.sync().unwrap();
    let synced = copy(dir.path());
    append(&store, b, &[Sample::new(START + HOUR, 1.0)]);
    let unsynced = copy(dir.path());
    for left in [synced, unsynced] {
        let (again, opened) = open(left.path());
        assert_eq!((opened.replayed_rows, opened.cut_bytes, opened.damage.len()), (57, 0, 0));
        assert_eq!(samples(&again, "a"), wave_a);
        assert_eq!(samples(&again, "b"), wave_a[..7]);
    }
}

#[test]
fn a_file_cut_at_any_byte_gives_what_was_whole_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 8);
    let mut ends = vec![0];
    for batch in wave.chunks(2) {
        append(&store, a, batch);
        store.sync().unwrap();
        ends.push(fs::metadata(&files(dir.path(), "wal")[0]).unwrap().len());
    }
    for cut in 0..=*ends.last().unwrap() {
        let left = copy(dir.path());
        let wal = files(left.path(), "wal").remove(0);
        fs::OpenOptions::new().write(true).open(wal).unwrap().set_len(cut).unwrap();
        let (again, opened) = open(left.path());
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(samples(&again, "a"), wave[..whole * 2], "cut at {cut}");
        assert_eq!(opened.damage, []);
        // What was cut off stays off.
        drop(again);
        assert_eq!(open(left.path()).1.cut_bytes, 0);
    }
}

#[test]
fn a_crash_while_a_segment_is_written_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 600);
    append(&store, a, &wave);
    store.sync().unwrap();
    let before = copy(dir.path());
    store.seal().unwrap();
    assert_eq!(samples(&store, "a"), wave);
    let after = copy(dir.path());
    assert_eq!(files(after.path(), "seg").len(), 5);
    for present in 0..=5 {
        // Some segments are there, one is half written, and the write-ahead file is still there.
        let left = copy(before.path());
        for segment in files(after.path(), "seg").iter().take(present) {
            fs::copy(segment, left.path().join(segment.file_name().unwrap())).unwrap();
        }
        fs::write(left.path().join("000000000099.part"), b"half").unwrap();
        let (again, opened) = open(left.path());
        assert_eq!(opened.damage, []);
        assert_eq!(samples(&again, "a"), wave);
        assert!(files(left.path(), "part").is_empty());
        again.seal().unwrap();
        again.maintain(Moment(START + 72 * HOUR)).unwrap();
        assert_eq!(samples(&again, "a"), wave);
        assert_eq!(again.stats().segment_samples, 600 + 120 + 10);
    }
}

#[test]
fn a_crash_between_a_merge_and_its_end_leaves_no_source_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 600);
    append(&store, a, &wave);
    store.seal().unwrap();
    let before = copy(dir.path());
    assert!(store.maintain(Moment(START + 72 * HOUR)).unwrap().merges > 0);
    for segment in files(dir.path(), "seg") {
        fs::copy(&segment, before.path().join(segment.file_name().unwrap())).unwrap();
    }
    let (again, _) = open(before.path());
    assert_eq!(samples(&again, "a"), wave);
    assert_eq!(files(before.path(), "seg"), {
        let names = files(dir.path(), "seg");
        names.iter().map(|path| before.path().join(path.file_name().unwrap())).collect::<Vec<_>>()
    });
}

#[test]
fn a_seal_that_fails_keeps_everything_and_the_next_one_does_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let a = cpu(&store, "a");
    let wave = wave(START, MINUTE, 30);
    append(&store, a, &wave[..20]);
    // A folder stands where the segment should be written.
    let in_the_way = dir.path().join("000000000003.part");
    fs::create_dir(&in_the_way).unwrap();
    assert!(matches!(store.seal(), Err(StoreError::Io { path, .. }) if path == in_the_way));
    fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(samples(&store, "a"), wave[..20]);
    append(&store, a, &wave[20..]);
    store.sync().unwrap();
    let left = copy(dir.path());
    assert_eq!(samples(&open(left.path()).0, "a"), wave);
    assert_eq!(store.stats().head_samples, 30);
    assert_eq!(store.seal().unwrap(), 30);
    assert_eq!(samples(&store, "a"), wave);
    assert_eq!(files(dir.path(), "wal").len(), 1);
}

#[test]
fn a_second_process_is_turned_away() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    assert!(matches!(Store::open(dir.path(), Config::default()), Err(StoreError::Locked { .. })));
    drop(store);
    open(dir.path());
}

#[derive(Clone, Debug)]
enum Act {
    Append(Vec<(u8, i16, i8)>),
    Sync,
    Seal,
    Maintain(u8),
    Reopen,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => prop::collection::vec((0..3_u8, -50..50_i16, any::<i8>()), 1..20).prop_map(Act::Append),
        2 => Just(Act::Sync),
        2 => Just(Act::Seal),
        2 => any::<u8>().prop_map(Act::Maintain),
        1 => Just(Act::Reopen),
        1 => Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a map that knows everything.
    #[test]
    fn any_sequence_of_acts_gives_what_a_map_would(acts in prop::collection::vec(act(), 1..25)) {
        use std::collections::BTreeMap;
        let mut dir = tempfile::tempdir().unwrap();
        let (mut store, _) = open(dir.path());
        let mut known: BTreeMap<(u8, i64), f64> = BTreeMap::new();
        let mut durable = known.clone();
        let mut clock = START;
        for act in acts {
            match act {
                Act::Append(rows_) => {
                    clock += 30 * MINUTE;
                    for (host, minutes, value) in rows_ {
                        let id = cpu(&store, &host.to_string());
                        let at = clock + i64::from(minutes.min(0)) * MINUTE;
                        let sample = Sample::new(at, f64::from(value));
                        let tally = store.append(Moment(clock), &rows(id, &[sample])).unwrap();
                        if tally.accepted == 1 {
                            known.insert((host, at), sample.value);
                        }
                    }
                }
                Act::Sync => {
                    store.sync().unwrap();
                    durable = known.clone();
                }
                Act::Seal => {
                    store.seal().unwrap();
                    durable = known.clone();
                }
                Act::Maintain(hours) => {
                    clock += i64::from(hours % 48) * HOUR;
                    if store.maintain(Moment(clock)).unwrap().sealed_samples > 0 {
                        durable = known.clone();
                    }
                }
                Act::Reopen => {
                    store.sync().unwrap();
                    durable = known.clone();
                    drop(store);
                    (store, _) = open(dir.path());
                }
                Act::Crash => {
                    let left = copy(dir.path());
                    drop(store);
                    dir = left;
                    (store, _) = open(dir.path());
                    // All that is kept in these tests is small enough to wait for `sync`.
                    known = durable.clone();
                }
            }
            for host in 0..3 {
                let expected: Vec<Sample> = known
                    .range((host, i64::MIN)..=(host, i64::MAX))
                    .map(|((_, at), value)| Sample::new(*at, *value))
                    .collect();
                prop_assert_eq!(samples(&store, &host.to_string()), expected);
            }
        }
    }
}
