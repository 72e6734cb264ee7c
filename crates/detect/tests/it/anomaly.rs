//! The streaming anomaly score over made and recorded series.

use std::path::{Path, PathBuf};
use std::{fs, iter};

use nightcrew_detect::anomaly::why::{Kind, Why};
use nightcrew_detect::anomaly::{Anomaly, Scorer, THRESHOLD};
use proptest::prelude::*;

/// The interval of the made series.
const INTERVAL_MS: i64 = 300_000;

/// The state that one series may cost.
const STATE_BYTES_MAX: usize = 1024;

/// Numbers from 0 to 1 that look random and are always the same.
fn noise() -> impl Iterator<Item = f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    })
}

/// A made series: its value at every row, with some noise.
fn series(n_rows: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    noise().take(n_rows).enumerate().map(|(n, noise)| value(n) + noise).collect()
}

fn score(values: &[f64]) -> Vec<Anomaly> {
    let mut scorer = Scorer::new();
    (0..).zip(values).map(|(n, value)| scorer.score(n * INTERVAL_MS, *value)).collect()
}

fn alarm_rows(values: &[f64]) -> Vec<usize> {
    let alarms = score(values).into_iter().enumerate().filter(|(_, anomaly)| anomaly.alarm);
    alarms.map(|(row, _)| row).collect()
}

/// The rows of the alarms and what the first of them says.
fn first_alarm(values: &[f64]) -> (usize, Kind) {
    let found = score(values).into_iter().enumerate().find(|(_, anomaly)| anomaly.alarm);
    let Some((row, Anomaly { why: Why::Deviation { kind, .. }, .. })) = found else {
        panic!("no alarm with a deviation: {found:?}");
    };
    (row, kind)
}

#[test]
fn the_state_is_small_and_has_no_heap() {
    let size = size_of::<Scorer>();
    assert!(size <= STATE_BYTES_MAX, "{size}");
    assert!(!std::mem::needs_drop::<Scorer>());
}

#[test]
fn noise_alone_is_silent() {
    assert!(alarm_rows(&series(4000, |_| 10.0)).is_empty());
}

#[test]
fn a_constant_series_is_silent() {
    assert!(alarm_rows(&[7.0; 3000]).is_empty());
}

#[test]
fn a_spike_is_found_at_its_row() {
    let values = series(2000, |n| if n == 1500 { 60.0 } else { 10.0 });
    assert_eq!(alarm_rows(&values), [1500]);
    assert_eq!(first_alarm(&values), (1500, Kind::Spike));
}

#[test]
fn a_level_shift_is_found_once() {
    let rows = alarm_rows(&series(2000, |n| if n < 1500 { 10.0 } else { 14.0 }));
    let [row] = rows[..] else { panic!("{rows:?}") };
    assert!((1500..1520).contains(&row), "{row}");
}

#[test]
fn a_small_level_shift_is_found_though_no_value_is_unusual() {
    let values = series(3000, |n| if n < 2000 { 10.0 } else { 10.6 });
    let rows = alarm_rows(&values);
    let [row, ..] = rows[..] else { panic!("no alarm") };
    assert!((2000..2100).contains(&row), "{rows:?}");
}

#[test]
fn wilder_movement_is_found() {
    let values: Vec<f64> = noise()
        .take(3000)
        .enumerate()
        .map(|(n, noise)| 10.0 + (noise - 0.5) * if n < 2000 { 1.0 } else { 2.2 })
        .collect();
    let rows = alarm_rows(&values);
    assert!(rows.first().is_some_and(|row| (2000..2060).contains(row)), "{rows:?}");
}

/// A day of half-hour peaks; the peak of one day is left out.
fn days(left_out: Option<usize>) -> Vec<f64> {
    series(288 * 14, move |n| {
        let is_peak = (100..160).contains(&(n % 288)) && Some(n / 288) != left_out;
        if is_peak { 80.0 } else { 20.0 }
    })
}

#[test]
fn a_daily_peak_becomes_usual() {
    let rows = alarm_rows(&days(None));
    assert!(rows.iter().all(|row| *row < 288 * 4), "{rows:?}");
}

#[test]
fn a_missing_daily_peak_is_found() {
    let rows = alarm_rows(&days(Some(11)));
    let day = 288 * 11;
    assert!(rows.iter().any(|row| (day..day + 288).contains(row)), "{rows:?}");
}

#[test]
fn a_weekend_becomes_usual() {
    const WEEK: usize = 288 * 7;
    let rows = alarm_rows(&series(WEEK * 6, |n| if n % WEEK < 288 * 5 { 100.0 } else { 30.0 }));
    assert!(rows.len() <= 8 && rows.iter().all(|row| *row < WEEK * 4), "{rows:?}");
}

#[test]
fn a_line_that_stops_moving_is_found() {
    let values = series(2000, |n| if n < 1500 { 10.0 } else { 0.0 });
    let stuck: Vec<f64> =
        values.iter().enumerate().map(|(n, v)| if n < 1500 { *v } else { values[1499] }).collect();
    let (row, kind) = first_alarm(&stuck);
    assert!((1500..1600).contains(&row), "{row}");
    assert!(matches!(kind, Kind::FlatLine | Kind::Variance), "{kind}");
}

#[test]
fn an_episode_alarms_once_and_not_on_every_row() {
    let rows = alarm_rows(&series(2000, |n| if (1500..1540).contains(&n) { 90.0 } else { 10.0 }));
    assert_eq!(rows, [1500]);
}

#[test]
fn an_alarm_says_what_was_expected_and_what_was_seen() {
    let values = series(2000, |n| if n == 1500 { 1060.0 } else { 1010.0 });
    let Why::Deviation { evidence, .. } = score(&values)[1500].why else { panic!("no deviation") };
    assert!((evidence.seen - 1060.5).abs() < 0.6, "{evidence:?}");
    assert!((evidence.expected - 1010.5).abs() < 0.6, "{evidence:?}");
    assert!(evidence.sigmas > 20.0 && evidence.rarity_nats > 7.0, "{evidence:?}");
}

#[test]
fn the_same_sample_twice_is_scored_once() {
    let mut scorer = Scorer::new();
    scorer.score(0, 1.0);
    scorer.score(INTERVAL_MS, 2.0);
    assert_eq!(scorer.score(INTERVAL_MS, 2.0).why, Why::Repeated);
}

#[test]
fn a_silence_is_a_gap() {
    let mut scorer = Scorer::new();
    for (n, value) in (0..).zip(series(500, |_| 10.0)) {
        scorer.score(n * INTERVAL_MS, value);
    }
    let after = scorer.score(700 * INTERVAL_MS, 10.5);
    let gap = Why::Gap { silence_ms: 201 * INTERVAL_MS, usual_ms: INTERVAL_MS };
    assert_eq!((after.why, after.alarm), (gap, false));
}

/// Samples that no source should send: they come between good ones and must not leave a trace
/// that hides the next anomaly.
#[test]
fn bad_samples_do_not_poison_the_state() {
    let values = series(2000, |n| if n == 1500 { 60.0 } else { 10.0 });
    let mut scorer = Scorer::new();
    let mut rows = Vec::new();
    for (n, value) in (0_i64..).zip(values) {
        let at_ms = n * INTERVAL_MS;
        if n % 50 == 7 {
            scorer.score(at_ms, f64::NAN);
            scorer.score(at_ms, f64::NEG_INFINITY);
        }
        if n % 400 == 9 {
            scorer.score(i64::MAX, value);
            scorer.score(i64::MIN, value);
            scorer.score(at_ms - 10 * INTERVAL_MS, value);
        }
        if scorer.score(at_ms, value).alarm {
            rows.push(n);
        }
    }
    assert_eq!(rows, [1500]);
}

#[test]
fn huge_and_tiny_values_are_scored() {
    let extremes = [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 0.0, -0.0, 1e-300, 1e300];
    let mut scorer = Scorer::new();
    for n in 0_i32..5000 {
        let value = extremes[(n * n) as usize % extremes.len()];
        let anomaly = scorer.score(i64::from(n) * INTERVAL_MS, value);
        assert!((0.0..=1.0).contains(&anomaly.score), "{anomaly:?}");
    }
}

#[test]
fn one_huge_outlier_at_the_start_does_not_blind_for_ever() {
    let n_rows = 30_000;
    let at = n_rows - 100;
    let values = series(n_rows, |n| match n {
        5 => 1e6,
        n if n == at => 100.0,
        _ => 10.0,
    });
    let rows = alarm_rows(&values);
    assert!(rows.contains(&at), "{rows:?} {:?}", score(&values)[at]);
}

/// The recorded series, where they are at hand.
fn recorded() -> Vec<Vec<f64>> {
    let shared = option_env!("NIGHTCREW_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let names = ["realAWSCloudwatch/rds_cpu_utilization_e47b3b", "realTraffic/occupancy_t4013"];
    let paths = names.map(|name| shared.join("data/nab/data").join(name).with_extension("csv"));
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    let value = |line: &str| line.split(',').nth(1)?.trim().parse().ok();
    texts.map(|text| text.lines().skip(1).filter_map(value).collect()).collect()
}

/// Whatever happens to the values of a series, the same rows alarm.
#[test]
fn scaling_moving_and_mirroring_keep_the_alarms() {
    let made = [days(Some(9)), series(3000, |n| if n % 700 == 650 { 40.0 } else { 10.0 })];
    for values in made.into_iter().chain(recorded()) {
        let rows = alarm_rows(&values);
        assert!(!rows.is_empty());
        for (factor, offset) in [(1000.0, 0.0), (1.0, 1e6), (-1.0, 0.0), (1e-3, -5.0), (-7.0, 3.0)]
        {
            let changed: Vec<f64> = values.iter().map(|value| value * factor + offset).collect();
            let changed = alarm_rows(&changed);
            let differing = rows.iter().filter(|row| !changed.contains(row)).count()
                + changed.iter().filter(|row| !rows.contains(row)).count();
            assert!(differing <= 1 + rows.len() / 10, "{factor} {offset}: {rows:?} {changed:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_power_of_two_and_a_mirror_change_nothing(
        values in prop::collection::vec(-1e3..1e3_f64, 2..600),
        exponent in -200..200_i32,
        mirrored: bool,
    ) {
        let factor = 2.0_f64.powi(exponent) * if mirrored { -1.0 } else { 1.0 };
        let changed: Vec<f64> = values.iter().map(|value| value * factor).collect();
        for (one, other) in score(&values).iter().zip(score(&changed)) {
            prop_assert_eq!(one.score.to_bits(), other.score.to_bits());
        }
    }

    #[test]
    fn when_the_series_began_does_not_matter(
        values in prop::collection::vec(0.0..1e3_f64, 200..900),
        shift_ms in 0..2_000_000_000_000_i64,
    ) {
        let (mut one, mut other) = (Scorer::new(), Scorer::new());
        for (at_ms, value) in (0..).step_by(3_600_000).zip(values) {
            let shifted = other.score(at_ms + shift_ms, value);
            prop_assert_eq!(one.score(at_ms, value), shifted);
        }
    }

    #[test]
    fn any_sample_has_a_score_from_0_to_1(
        samples in prop::collection::vec((any::<i64>(), any::<f64>()), 0..400),
    ) {
        let mut scorer = Scorer::new();
        for (at_ms, value) in samples {
            let anomaly = scorer.score(at_ms, value);
            prop_assert!((0.0..=1.0).contains(&anomaly.score), "{:?}", anomaly);
            prop_assert_eq!(anomaly.alarm, anomaly.score >= THRESHOLD);
        }
    }

    #[test]
    fn what_is_no_number_leaves_no_trace(
        values in prop::collection::vec((-1e3..1e3_f64, any::<bool>()), 2..400),
    ) {
        let (mut clean, mut dirty) = (Scorer::new(), Scorer::new());
        for (n, (value, is_bad)) in (0..).zip(values) {
            if is_bad {
                dirty.score(n * INTERVAL_MS, f64::NAN);
            }
            let at_ms = n * INTERVAL_MS;
            prop_assert_eq!(clean.score(at_ms, value), dirty.score(at_ms, value));
        }
    }
}
