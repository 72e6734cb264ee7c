use proptest::prelude::*;

use super::*;

const AT_SECONDS: i64 = 1_700_000_000;

fn at() -> Timestamp {
    Timestamp::from_second(AT_SECONDS).unwrap()
}

/// A series sampled every ten seconds from 30 minutes before to 15 minutes after the moment.
fn series(component: &str, metric: &str, value: impl Fn(i64) -> f64) -> Series {
    let points = (-180..90)
        .map(|n: i64| Point {
            at: Timestamp::from_second(AT_SECONDS + n * 10).unwrap(),
            value: value(n),
        })
        .collect();
    Series { component: component.into(), metric: metric.into(), points }
}

fn wobble(n: i64) -> f64 {
    [0.0, 0.3, -0.2, 0.1, -0.4, 0.2, -0.1][usize::try_from(n.rem_euclid(7)).unwrap()]
}

fn step(normal: f64, then: f64) -> impl Fn(i64) -> f64 {
    move |n| (if n < 0 { normal } else { then }) * (1.0 + 0.05 * wobble(n))
}

fn edge(caller: &str, callee: &str) -> Edge {
    Edge { caller: caller.into(), callee: callee.into() }
}

fn names(ranked: &[Ranked]) -> Vec<&str> {
    ranked.iter().map(|one| one.component.as_str()).collect()
}

#[test]
fn a_slow_callee_explains_its_slow_callers() {
    let all = [
        series("web", "latency", step(100.0, 900.0)),
        series("cart", "latency", step(40.0, 840.0)),
        series("db", "latency", step(20.0, 400.0)),
        series("ads", "latency", step(10.0, 10.0)),
    ];
    let edges = [edge("web", "cart"), edge("cart", "db"), edge("web", "ads")];
    let ranked = rank(&all, &edges, at());
    assert_eq!(names(&ranked), ["db", "cart", "web", "ads"]);
    assert_eq!(ranked[0].because, Because::OwnSymptoms);
    assert_eq!(ranked[1].explained_by, ["db".into()]);
    assert_eq!(ranked[3].because, Because::NothingChanged);
    let evidence = &ranked[0].evidence[0];
    assert_eq!((evidence.before, evidence.after), (20.0, Some(399.0)));
    let late = evidence.onset.unwrap().duration_since(at()).as_secs().abs();
    assert!(late <= 60, "the onset is {late} s off");
}

#[test]
fn a_resource_speaks_for_itself_and_falling_load_does_not() {
    let mut all = vec![
        series("a", "cpu", step(0.2, 0.1)),
        series("b", "cpu", step(0.2, 0.95)),
        series("c", "cpu", step(0.2, 0.1)),
        series("d", "cpu", step(0.2, 0.1)),
    ];
    for name in ["a", "b", "c", "d"] {
        all.push(series(name, "requests", step(50.0, 5.0)));
    }
    let ranked = rank(&all, &[], at());
    assert_eq!(ranked[0].component, "b".into());
    assert_eq!(ranked[0].because, Because::OwnResources);
    assert_eq!(ranked[1].because, Because::NothingChanged, "{ranked:#?}");
}

#[test]
fn memory_that_was_constant_to_the_byte_and_moves_by_a_page_is_no_cause() {
    let all = [
        series("still", "memory", |n| if n < 0 { 1e8 } else { 1e8 + 4_096.0 }),
        series("slow", "latency", step(10.0, 60.0)),
    ];
    assert_eq!(names(&rank(&all, &[], at())), ["slow", "still"]);
}

#[test]
fn a_counter_is_read_as_its_rate() {
    let all = [
        series("even", "requests_total", |n| {
            f64::from(u32::try_from(n + 180).unwrap()).mul_add(50.0, 7.0)
        }),
        series("burst", "cpu_seconds_total", |n| {
            let n = f64::from(u32::try_from(n + 180).unwrap());
            if n < 180.0 { n } else { 180.0 + 9.0 * (n - 180.0) }
        }),
    ];
    let ranked = rank(&all, &[], at());
    assert_eq!(names(&ranked), ["burst", "even"]);
    assert_eq!(ranked[1].because, Because::NothingChanged);
    assert!((ranked[0].evidence[0].before - 0.1).abs() < 1e-9);
}

#[test]
fn a_component_that_falls_silent_is_found() {
    let mut gone = series("gone", "cpu", step(0.2, 0.2));
    gone.points.retain(|point| point.at < at());
    let all = [gone, series("here", "cpu", step(0.2, 0.2))];
    let ranked = rank(&all, &[], at());
    assert_eq!(ranked[0].component, "gone".into());
    assert_eq!(ranked[0].because, Because::FellSilent);
}

#[test]
fn a_database_without_latency_is_blamed_for_its_callers() {
    let all = [
        series("web", "latency", step(100.0, 900.0)),
        series("db", "cpu", step(0.2, 0.2)),
        series("ads", "latency", step(10.0, 10.0)),
    ];
    let ranked = rank(&all, &[edge("web", "db"), edge("web", "ads")], at());
    assert_eq!(names(&ranked), ["web", "db", "ads"]);
    assert_eq!(ranked[1].because, Because::CallersSuffer);
}

#[test]
fn a_place_to_look_from_is_no_cause() {
    let all = [
        series("gateway-clients", "latency", step(100.0, 900.0)),
        series("web", "latency", step(100.0, 850.0)),
        series("web", "cpu", step(0.2, 0.2)),
        series("ads", "cpu", step(0.2, 0.2)),
    ];
    assert_eq!(names(&rank(&all, &[], at())), ["web", "gateway-clients", "ads"]);
}

#[test]
fn a_daily_wave_does_not_hide_a_change_of_today() {
    let wave =
        |n: i64| (f64::from(i32::try_from(n).unwrap()) / 1_440.0 * std::f64::consts::TAU).sin();
    let daily = |component: &str, then: f64| {
        let points = (-2_880..20).map(|n: i64| Point {
            at: Timestamp::from_second(AT_SECONDS + n * 60).unwrap(),
            value: 100.0 + 60.0 * wave(n) + wobble(n) + if n < 0 { 0.0 } else { then },
        });
        Series { component: component.into(), metric: "cpu".into(), points: points.collect() }
    };
    let ranked = rank(&[daily("calm", 0.0), daily("hot", 40.0)], &[], at());
    assert_eq!(names(&ranked), ["hot", "calm"]);
    assert_eq!(ranked[0].because, Because::OwnResources);
}

#[test]
fn cycles_unknown_names_and_self_calls_are_borne() {
    let all = [series("a", "latency", step(10.0, 80.0)), series("b", "latency", step(10.0, 10.0))];
    let edges = [edge("a", "b"), edge("b", "a"), edge("a", "a"), edge("x", "y"), edge("a", "z")];
    assert_eq!(names(&rank(&all, &edges, at())), ["a", "b"]);
    assert!(rank(&[], &edges, at()).is_empty());
}

#[test]
fn a_moment_some_minutes_off_finds_the_same() {
    let all = [
        series("web", "latency", step(100.0, 900.0)),
        series("db", "latency", step(20.0, 400.0)),
        series("ads", "latency", step(10.0, 10.0)),
    ];
    for minutes in [-4, -1, 0, 1, 4] {
        let seen = Timestamp::from_second(AT_SECONDS + minutes * 60).unwrap();
        let ranked = rank(&all, &[edge("web", "db"), edge("web", "ads")], seen);
        assert_eq!(names(&ranked), ["db", "web", "ads"], "{minutes} minutes");
    }
}

fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(0.0),
        -1e9..1e9,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_rows_in_any_order_rank_every_component_once(
        rows in prop::collection::vec(
            (0..4_usize, 0..5_usize, -500..500_i64, wild()), 0..200),
        edges in prop::collection::vec((0..6_usize, 0..6_usize), 0..12),
        turned in any::<bool>(),
    ) {
        let components = ["a", "b", "c", "d", "x", "y"];
        let metrics = ["latency", "cpu_total", "errors", "mem", "what"];
        let mut all: Vec<Series> = rows
            .iter()
            .map(|(component, metric, n, value)| Series {
                component: components[*component].into(),
                metric: metrics[*metric].into(),
                points: vec![Point {
                    at: Timestamp::from_second(AT_SECONDS + n).unwrap(),
                    value: *value,
                }],
            })
            .collect();
        let edges: Vec<Edge> =
            edges.iter().map(|(from, to)| edge(components[*from], components[*to])).collect();
        let ranked = rank(&all, &edges, at());
        let mut expected: Vec<_> = all.iter().map(|one| one.component.clone()).collect();
        expected.sort();
        expected.dedup();
        let mut found: Vec<_> = ranked.iter().map(|one| one.component.clone()).collect();
        found.sort();
        prop_assert_eq!(found, expected);
        prop_assert!(ranked.iter().all(|one| one.score.is_finite()));
        let falls = |pair: &[Ranked]| pair[0].score >= pair[1].score;
        prop_assert!(ranked.windows(2).all(falls));
        // Rows of one moment overwrite each other, so only distinct moments may change places.
        let mut moments: Vec<_> =
            rows.iter().map(|(component, metric, n, _)| (component, metric, n)).collect();
        moments.sort();
        let n_rows = moments.len();
        moments.dedup();
        if turned && moments.len() == n_rows {
            all.reverse();
            prop_assert_eq!(rank(&all, &edges, at()), ranked);
        }
    }
}
