//! Damage is found, named, and loses no more than it must.

use std::fs;

use nightcrew_series::query::Selection;
use nightcrew_series::sample::{Moment, Sample};
use nightcrew_series::store::Store;
use proptest::prelude::*;

use crate::crash::{copy, files};
use crate::{DAY, HOUR, MINUTE, START, append, cpu, host, open, wave};

type Lines = Vec<(String, Vec<Sample>)>;

fn everything(store: &Store) -> (Lines, usize) {
    let selection = Selection::parse("{}", Moment::MIN, Moment::MAX).unwrap();
    let mut found = store.select(&selection).unwrap();
    let lines = found.by_ref().map(|line| (host(&line.labels), line.rows)).collect();
    (lines, found.damage().len())
}

/// A folder with one segment of three series, and the same samples.
fn sealed() -> (tempfile::TempDir, Lines) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let names = ["a", "b", "c"];
    let mut lines = Vec::new();
    for (n, name) in (0..).zip(names) {
        let wave = wave(START + n, MINUTE, 40);
        append(&store, cpu(&store, name), &wave);
        lines.push((name.to_owned(), wave));
    }
    store.seal().unwrap();
    (dir, lines)
}

#[test]
fn any_flipped_bit_of_a_segment_is_found_and_the_rest_is_read() {
    let (dir, whole) = sealed();
    let segment = files(dir.path(), "seg").remove(0);
    let bytes = fs::read(&segment).unwrap();
    let mut untouched = 0;
    for at in (0..bytes.len()).step_by(3) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&segment, &flipped).unwrap();
        let (store, opened) = open(dir.path());
        let (lines, damage) = everything(&store);
        if opened.damage.is_empty() && damage == 0 {
            // Only the mark at the very start is read by nobody.
            assert_eq!(lines, whole, "byte {at}");
            untouched += 1;
        } else {
            assert!(lines.iter().all(|line| whole.contains(line)), "byte {at}");
            let named = opened.damage.iter().all(|damage| damage.path == segment);
            assert!(named, "byte {at}");
            if damage > 0 {
                assert_eq!((lines.len(), damage), (2, 1), "byte {at}: one chunk, one series");
            }
        }
    }
    assert!(untouched <= 8, "{untouched}");
}

#[test]
fn a_segment_cut_anywhere_is_reported_and_opens_nothing_wrong() {
    let (dir, _) = sealed();
    let segment = files(dir.path(), "seg").remove(0);
    let bytes = fs::read(&segment).unwrap();
    for len in (0..bytes.len()).step_by(7).chain(bytes.len() - 40..bytes.len()) {
        fs::write(&segment, &bytes[..len]).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!(opened.damage.len(), 1, "cut at {len}");
        assert_eq!(everything(&store).0, []);
    }
}

#[test]
fn a_damaged_segment_is_neither_merged_nor_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    append(&store, cpu(&store, "a"), &wave(START, MINUTE, 600));
    store.seal().unwrap();
    let segments = files(dir.path(), "seg");
    let mut bytes = fs::read(&segments[1]).unwrap();
    bytes[12] ^= 1;
    fs::write(&segments[1], bytes).unwrap();
    let done = store.maintain(Moment(START + 3 * DAY)).unwrap();
    assert!(done.damage.iter().all(|damage| damage.path == segments[1] && damage.offset == 8));
    assert!(!done.damage.is_empty());
    assert!(segments[1].exists());
    let (lines, damage) = everything(&store);
    assert_eq!((lines[0].1.len(), damage), (480, 1));
    let again = store.maintain(Moment(START + 3 * DAY)).unwrap();
    assert_eq!((again.merges, again.thinned_days), (0, 0));
}

#[test]
fn a_damaged_file_in_the_middle_loses_itself_and_nothing_beside_it() {
    for spoil in [|_: &[u8]| Vec::new(), |bytes: &[u8]| vec![0; bytes.len()]] {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let a = cpu(&store, "a");
        for n in 0..3 {
            append(&store, a, &wave(START + n * 2 * HOUR, MINUTE, 120));
            store.seal().unwrap();
        }
        drop(store);
        let segments = files(dir.path(), "seg");
        let whole = fs::read(&segments[1]).unwrap();
        fs::write(&segments[1], spoil(&whole)).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!(opened.damage.len(), 1);
        assert_eq!(opened.damage[0].path, segments[1]);
        let expected: Vec<Sample> =
            [0, 2].into_iter().flat_map(|n| wave(START + n * 2 * HOUR, MINUTE, 120)).collect();
        assert_eq!(everything(&store).0[0].1, expected);
        // What cannot be read is left for whoever can repair it; the others are kept in order.
        append(&store, cpu(&store, "a"), &wave(START + 6 * HOUR, MINUTE, 60));
        store.maintain(Moment(START + 3 * DAY)).unwrap();
        assert!(segments[1].exists());
        assert_eq!(everything(&store).0[0].1.len(), 300);
        drop(store);
        fs::write(&segments[1], whole).unwrap();
        let (store, opened) = open(dir.path());
        assert_eq!((opened.damage.len(), everything(&store).0[0].1.len()), (0, 420));
    }
}

#[test]
fn a_segment_under_another_name_is_not_taken_for_its_own() {
    let (dir, _) = sealed();
    let segment = files(dir.path(), "seg").remove(0);
    fs::rename(&segment, dir.path().join("000000000077.seg")).unwrap();
    let (store, opened) = open(dir.path());
    assert_eq!(opened.damage.len(), 1);
    assert_eq!(everything(&store).0, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_flipped_bit_of_a_write_ahead_file_loses_at_most_what_depends_on_its_frame(
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let whole = wave(START, MINUTE, 40);
        let a = cpu(&store, "a");
        for batch in whole.chunks(10) {
            append(&store, a, batch);
        }
        store.sync().unwrap();
        let left = copy(dir.path());
        let wal = files(left.path(), "wal").remove(0);
        let mut bytes = fs::read(&wal).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        fs::write(&wal, &bytes).unwrap();
        let (again, opened) = open(left.path());
        prop_assert!(!opened.damage.is_empty() || opened.cut_bytes > 0);
        let rest: Vec<Sample> = everything(&again).0.into_iter().flat_map(|line| line.1).collect();
        prop_assert!(rest.iter().all(|sample| whole.contains(sample)));
        // Either three of the four batches, or, without the description of the series, none.
        prop_assert!([0, 30].contains(&rest.len()), "{} samples", rest.len());
        for damage in &opened.damage {
            prop_assert!(damage.path == wal && damage.offset < bytes.len() as u64);
        }
    }

    #[test]
    fn no_bytes_in_the_folder_make_it_panic(
        wal in prop::collection::vec(any::<u8>(), 0..200),
        seg in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("000000000001.wal"), wal).unwrap();
        fs::write(dir.path().join("000000000002.seg"), seg).unwrap();
        fs::write(dir.path().join("notes.txt"), "x").unwrap();
        let (store, opened) = open(dir.path());
        prop_assert_eq!(opened.damage.len(), 1);
        append(&store, cpu(&store, "a"), &[Sample::new(START, 1.0)]);
        store.seal().unwrap();
        store.maintain(Moment(START + 4 * HOUR)).unwrap();
        prop_assert_eq!(everything(&store).0.len(), 1);
    }
}
