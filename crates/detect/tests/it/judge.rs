//! The judge over made series: what is wrong is found, a quiet week is quiet.

use nightcrew_detect::judge::Judge;
use nightcrew_detect::judge::rules::Rules;
use nightcrew_detect::threshold::Threshold;
use nightcrew_model::catalogue;
use nightcrew_model::chart::Method;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::sample::{Finding, Level};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Unit};

use crate::quiet::{Noise, Quiet, sample};

pub(crate) const DAY: i64 = 86_400;

pub(crate) fn above(metric: &str, warning: f64, critical: f64) -> Threshold {
    let limit = |at| {
        Some(Condition {
            metric: metric.into(),
            operator: Operator::Greater,
            operand: Operand::Number(at),
        })
    };
    Threshold {
        metric: metric.into(),
        service: None,
        symptom: catalogue::symptom_of(&metric.into()),
        warning: limit(warning),
        critical: limit(critical),
        needed: 3,
        of: 3,
        hysteresis: 0.0,
        lasting: Millis(0),
        min_requests: None,
    }
}

pub(crate) fn rules() -> Rules {
    Rules {
        thresholds: vec![
            above("cpu_usage", 85.0, 95.0),
            above("memory_usage", 85.0, 95.0),
            above("disk_usage", 80.0, 90.0),
            above("process_memory_mb", 3_000.0, 4_000.0),
        ],
        ..Rules::default()
    }
}

/// Feeds a series, and gives what fires, with the second.
pub(crate) fn run(
    judge: &mut Judge,
    metric: &str,
    unit: Unit,
    seconds: impl Iterator<Item = i64>,
    mut value: impl FnMut(i64) -> f64,
) -> Vec<(i64, Finding)> {
    let mut found = Vec::new();
    for second in seconds {
        let seen = judge.observe(&sample("web", metric, second, value(second), unit));
        found.extend(seen.into_iter().map(|finding| (second, finding)));
    }
    found
}

fn method(finding: &Finding) -> Method {
    finding.chart.as_ref().map_or(Method::Threshold, |chart| chart.method)
}

/// What began to fire: the second, the method, how badly.
pub(crate) fn began(found: &[(i64, Finding)]) -> Vec<(i64, Method, Severity)> {
    let mut firing = std::collections::BTreeMap::new();
    let mut began = Vec::new();
    for (second, finding) in found {
        let key = (finding.target.clone(), finding.symptom.clone());
        match finding.level {
            Level::Firing(severity) => {
                if firing.insert(key, severity) != Some(severity) {
                    began.push((*second, method(finding), severity));
                }
            }
            Level::Clear => drop(firing.remove(&key)),
            Level::Pending => {}
        }
    }
    began
}

#[test]
fn a_quiet_week_of_fifty_series_is_quiet() {
    // A cell has two samples; the example of the judge runs the same at 15 seconds.
    const STEP: usize = 150;
    let mut fires = Vec::new();
    for n in 0..50 {
        let mut judge = Judge::new(rules());
        let mut quiet = Quiet::new(n);
        let mut found = Vec::new();
        for second in (0..7 * DAY).step_by(STEP) {
            let (metric, unit, value) = quiet.next(second);
            let seen = judge.observe(&sample("web", metric, second, value, unit));
            found.extend(seen.into_iter().map(|finding| (second, finding)));
        }
        for (second, method, severity) in began(&found) {
            let rule = found.iter().find(|(at, it)| *at == second && is_firing(it));
            let rule = rule.map_or("", |(_, finding)| finding.rule.as_str());
            let day = second as f64 / 86_400.0;
            fires.push(format!("{n} {day:.2} d: {method} {severity} {rule}"));
        }
    }
    assert!(fires.len() <= 1, "{}", fires.join("\n"));
}

fn is_firing(finding: &Finding) -> bool {
    matches!(finding.level, Level::Firing(_))
}

/// Every so many seconds of some days.
fn days(days: i64, every: usize) -> impl Iterator<Item = i64> {
    (0..days * DAY).step_by(every)
}

#[test]
fn a_leak_is_caught_by_drift_long_before_its_limit() {
    let mut noise = Noise::new(7);
    // 400 MB, 90 MB more each day, with a wave of the day: the limit of 3,000 MB is a month away.
    let leak = |second: i64| {
        let day = second as f64 / DAY as f64;
        400.0 + 90.0 * day + 15.0 * (day * std::f64::consts::TAU).sin() + 4.0 * noise.normal()
    };
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "process_memory_mb", Unit::Megabytes, days(7, 60), leak);
    let began = began(&found);
    let drift = began.iter().find(|(_, method, _)| *method == Method::Drift).unwrap();
    assert!(drift.0 < 5 * DAY, "{began:?}");
    assert_eq!(drift.2, Severity::Info);
    assert!(!began.iter().any(|(_, method, _)| *method == Method::Threshold));
    let (_, finding) = found.iter().find(|(at, it)| *at == drift.0 && is_firing(it)).unwrap();
    assert!(finding.rule.contains("process_memory_mb rose by"), "{}", finding.rule);
    assert_eq!(finding.symptom.as_str(), "process_memory_mb_drifts");
    assert!(finding.chart.as_ref().unwrap().points.len() > 50);
}

#[test]
fn a_disk_that_fills_is_foretold_before_its_threshold() {
    let mut noise = Noise::new(3);
    let mut fills = |second: i64| 40.0 + 0.8 * second as f64 / 3_600.0 + 0.1 * noise.normal();
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "disk_usage", Unit::Percent, days(3, 15), |s| fills(s).min(100.0));
    let began = began(&found);
    let at = |wanted| began.iter().find(|(_, method, _)| *method == wanted).unwrap();
    let (foretold, _, severity) = *at(Method::Forecast);
    let (crossed, ..) = *at(Method::Threshold);
    assert!(foretold + 10 * 3_600 < crossed, "{began:?}");
    assert_eq!(severity, Severity::Warning);
    let (_, finding) = found.iter().find(|(at, it)| *at == foretold && is_firing(it)).unwrap();
    assert!(finding.rule.starts_with("disk_usage will reach 90 % in "), "{}", finding.rule);
    assert_eq!(finding.symptom.as_str(), "disk_space_low_soon");
    let chart = finding.chart.as_ref().unwrap();
    assert_eq!(chart.limit, Some(90.0));
    assert_eq!(chart.ahead.last().map(|point| point.value), Some(90.0));
}

#[test]
fn noise_does_not_hide_that_a_disk_fills() {
    let mut noise = Noise::new(6);
    let fills = |second: i64| 45.0 + 0.86 * second as f64 / 3_600.0 + 0.1 * noise.normal();
    let mut judge = Judge::new(rules());
    let seconds = (0..2 * DAY).step_by(300);
    let began = began(&run(&mut judge, "disk_usage", Unit::Percent, seconds, fills));
    let at = |wanted| began.iter().find(|(_, method, _)| *method == wanted).unwrap();
    assert!(at(Method::Forecast).0 + 6 * 3_600 < at(Method::Threshold).0, "{began:?}");
}

#[test]
fn what_begins_to_fill_after_quiet_days_is_foretold_by_its_newest_hours() {
    let mut noise = Noise::new(13);
    let begin = 4 * DAY;
    let fills =
        |second: i64| 40.0 + 4.0 * (second - begin).max(0) as f64 / 3_600.0 + 0.1 * noise.normal();
    let mut judge = Judge::new(rules());
    let seconds = (0..begin + 12 * 3_600).step_by(60);
    let found = run(&mut judge, "disk_usage", Unit::Percent, seconds, fills);
    let began = began(&found);
    let at = |wanted| began.iter().find(|(_, method, _)| *method == wanted).unwrap();
    let (foretold, _, severity) = *at(Method::Forecast);
    assert!(foretold < at(Method::Threshold).0 - 2 * 3_600, "{began:?}");
    assert_eq!(severity, Severity::Warning);
}

#[test]
fn a_capacity_that_ends_in_two_weeks_informs_and_in_three_days_warns() {
    let mut noise = Noise::new(11);
    // The wave of the day on a rise of 3 % a day.
    let rises = |second: i64| {
        let day = second as f64 / DAY as f64;
        40.0 + 3.0 * day + 10.0 * (day * std::f64::consts::TAU).sin() + 2.0 * noise.normal()
    };
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "memory_usage", Unit::Percent, days(16, 300), rises);
    let began = began(&found);
    let forecasts: Vec<(i64, Severity)> = began
        .iter()
        .filter(|(_, method, _)| *method == Method::Forecast)
        .map(|(second, _, severity)| (second / DAY, *severity))
        .collect();
    let (day, severity) = forecasts[0];
    assert!(severity == Severity::Info && day < 9, "{forecasts:?}");
    let warned = forecasts.iter().find(|(_, severity)| *severity == Severity::Warning).unwrap();
    assert!((13..=16).contains(&warned.0), "{forecasts:?}");
}

#[test]
fn a_level_shift_is_found_once_and_ends_when_it_is_back() {
    let mut noise = Noise::new(5);
    let shifts = |second: i64| {
        let is_up = (3 * DAY..3 * DAY + 7_200).contains(&second);
        (if is_up { 480.0 } else { 120.0 }) + 10.0 * noise.normal()
    };
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "api_latency_ms", Unit::Milliseconds, days(4, 15), shifts);
    let began = began(&found);
    let [(second, Method::Anomaly, Severity::Info)] = began[..] else { panic!("{began:?}") };
    assert!(second <= 3 * DAY + 120, "{} s late", second - 3 * DAY);
    let cleared = found.iter().find(|(at, finding)| {
        *at > second
            && finding.level == Level::Clear
            && finding.symptom.as_str() == "api_latency_ms_unusual"
    });
    let (over, _) = cleared.unwrap();
    assert!((3 * DAY + 7_200..3 * DAY + 9_000).contains(over), "{over}");
}

#[test]
fn what_lasts_is_found_although_it_is_small() {
    let mut noise = Noise::new(8);
    let shifts = |second: i64| (if second >= 3 * DAY { 45.0 } else { 35.0 }) + 4.0 * noise.normal();
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "cpu_usage", Unit::Percent, days(4, 15), shifts);
    let began = began(&found);
    let [(second, Method::Anomaly, Severity::Info)] = began[..] else { panic!("{began:?}") };
    assert!(second <= 3 * DAY + 1_300, "{} s late", second - 3 * DAY);
}

#[test]
fn ten_minutes_of_latency_are_a_wrong_unit_and_cross_no_limit() {
    let mut noise = Noise::new(2);
    let mut rules = rules();
    rules.thresholds.push(above("latency_p99_ms", 2_000.0, 5_000.0));
    let mut judge = Judge::new(rules);
    let wrong = |second: i64| {
        let is_wrong = (DAY..2 * DAY - 3_600).contains(&second);
        600.0 * (if is_wrong { 1_000.0 } else { 1.0 }) + 30.0 * noise.even()
    };
    let found = run(&mut judge, "latency_p99_ms", Unit::Milliseconds, days(3, 60), wrong);
    let began = began(&found);
    assert_eq!(began, [(DAY + 120, Method::UnitSanity, Severity::Warning)]);
    let (_, finding) = found.iter().find(|(_, it)| is_firing(it)).unwrap();
    assert!(finding.rule.contains("divided by 1000 it would fit"), "{}", finding.rule);
    let cleared = found.iter().any(|(at, finding)| {
        *at == 2 * DAY - 3_600
            && finding.level == Level::Clear
            && finding.symptom.as_str() == "latency_p99_ms_unit_doubtful"
    });
    assert!(cleared, "it is in its unit again");
}

#[test]
fn a_latency_times_a_thousand_is_doubted_but_its_limit_counts() {
    let mut rules = rules();
    rules.thresholds.push(above("api_latency_ms", 2_000.0, 5_000.0));
    let mut judge = Judge::new(rules);
    let jumps = |second: i64| if second < DAY { 12.0 } else { 12_100.0 };
    let found = run(&mut judge, "api_latency_ms", Unit::Milliseconds, days(2, 60), jumps);
    let began = began(&found);
    assert!(began.contains(&(DAY + 120, Method::UnitSanity, Severity::Info)), "{began:?}");
    assert!(began.contains(&(DAY + 120, Method::Threshold, Severity::Critical)), "{began:?}");
}

#[test]
fn a_series_that_falls_silent_is_missed_and_our_own_absence_is_nobodys_silence() {
    let mut judge = Judge::new(rules());
    let at = |second: i64| sample("web", "cpu_usage", second, 20.0, Unit::Percent);
    let mut found = Vec::new();
    let mut advance = |judge: &mut Judge, from: i64, to: i64, is_heard: bool| {
        for second in (from..to).step_by(15) {
            if is_heard {
                found.extend(judge.observe(&at(second)).into_iter().map(|it| (second, it)));
            }
            found.extend(judge.tick(at(second).at).into_iter().map(|it| (second, it)));
        }
    };
    advance(&mut judge, 0, 3_600, true);
    // The crew stands still for an hour: nothing is heard, and nothing is missed.
    advance(&mut judge, 7_200, 7_260, false);
    advance(&mut judge, 7_260, 10_800, true);
    advance(&mut judge, 10_800, 14_400, false);
    advance(&mut judge, 14_400, 15_000, true);
    let mut said: Vec<(i64, Level)> = found
        .iter()
        .filter(|(_, it)| it.symptom.as_str() == "cpu_usage_missing")
        .map(|(second, finding)| (*second, finding.level))
        .collect();
    // What is clear is said again now and then.
    said.dedup_by_key(|(_, level)| *level);
    let began = (11_085, Level::Firing(Severity::Info));
    assert_eq!(said, [(0, Level::Clear), began, (14_400, Level::Clear)]);
}

#[test]
fn a_sensor_that_hangs_is_found() {
    let mut noise = Noise::new(4);
    let mut last = 0.0;
    let hangs = |second: i64| {
        if second < 2 * DAY {
            last = 50.0 + noise.normal();
        }
        last
    };
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "fan_speed", Unit::Count, days(3, 15), hangs);
    let began = began(&found);
    assert!(matches!(began[..], [(_, Method::FlatLine, Severity::Info)]), "{began:?}");
    assert!(began[0].0 < 2 * DAY + 1_200);
}

#[test]
fn a_counter_that_begins_anew_is_no_news() {
    let mut noise = Noise::new(9);
    let mut count = 0.0;
    let counts = |second: i64| {
        if second % (2 * DAY) == 0 {
            count = 0.0;
        }
        count += 100.0 + 10.0 * noise.normal();
        count
    };
    let mut judge = Judge::new(rules());
    let found = run(&mut judge, "http_requests_total", Unit::Count, days(7, 60), counts);
    assert_eq!(began(&found), []);
}

#[test]
fn a_fresh_judge_says_nothing_wrong() {
    // As after a restart, in the middle of whatever happens.
    for (metric, unit, slope) in [
        ("cpu_usage", Unit::Percent, 2.0),
        ("memory_usage", Unit::Percent, 2.0),
        ("api_latency_ms", Unit::Milliseconds, 50.0),
        ("process_memory_mb", Unit::Megabytes, 10.0),
    ] {
        let mut judge = Judge::new(rules());
        let mut noise = Noise::new(21);
        let rises = |second: i64| 30.0 + slope * second as f64 / 3_600.0 + noise.normal();
        let hours = (0..12 * 3_600).step_by(15);
        let found = run(&mut judge, metric, unit, hours, rises);
        assert_eq!(began(&found), [], "{metric}");
    }
}

#[test]
fn other_rules_keep_the_memory_of_series() {
    let mut noise = Noise::new(5);
    let shifts =
        |second: i64| (if second >= 2 * DAY { 480.0 } else { 120.0 }) + 10.0 * noise.normal();
    let mut judge = Judge::new(rules());
    let mut value = shifts;
    let first = (0..2 * DAY).step_by(15);
    let before = run(&mut judge, "api_latency_ms", Unit::Milliseconds, first, &mut value);
    assert_eq!(began(&before), []);
    let mut other = rules();
    other.thresholds.push(above("api_latency_ms", 2_000.0, 5_000.0));
    judge.go_by(other);
    let then = (2 * DAY..2 * DAY + 600).step_by(15);
    let found = run(&mut judge, "api_latency_ms", Unit::Milliseconds, then, &mut value);
    assert!(matches!(began(&found)[..], [(_, Method::Anomaly, _)]), "no new warm-up");
}

#[test]
fn series_beyond_the_limit_have_their_thresholds_only() {
    use nightcrew_detect::judge::SERIES_MAX;
    let mut judge = Judge::new(rules());
    for n in 0..SERIES_MAX + 3 {
        let service = format!("s{n}");
        judge.observe(&sample(&service, "cpu_usage", 0, 99.0, Unit::Percent));
    }
    assert_eq!((judge.n_series(), judge.n_left_out()), (SERIES_MAX, 3));
    let last = format!("s{}", SERIES_MAX + 2);
    let found: Vec<Level> = (1..3)
        .flat_map(|n| judge.observe(&sample(&last, "cpu_usage", n, 99.0, Unit::Percent)))
        .map(|finding| finding.level)
        .collect();
    assert_eq!(found.last(), Some(&Level::Firing(Severity::Critical)));
}
