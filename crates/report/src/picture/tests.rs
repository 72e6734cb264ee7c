use insta::assert_snapshot;
use jiff::Timestamp;
use nightcrew_model::chart::{Band, Chart, Method, Point};
use nightcrew_model::unit::Unit;
use proptest::prelude::*;

use super::{blocks, svg};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_764_000_000 + second).unwrap()
}

fn chart() -> Chart {
    let point = |n: i64, value: f64| Point { at: at(n * 3_600), value };
    Chart {
        method: Method::Forecast,
        unit: Unit::Percent,
        points: (0..40).map(|n| point(n, 40.0 + n as f64)).collect(),
        ahead: (40..60).map(|n| point(n, 40.0 + n as f64 * 0.9)).collect(),
        expected: Some(Band { low: 45.0, high: 55.0 }),
        limit: Some(90.0),
        since: Some(at(20 * 3_600)),
    }
}

#[test]
fn blocks_show_what_was_what_comes_and_the_limit() {
    assert_snapshot!(blocks(&chart(), 72));
}

#[test]
fn the_picture_is_one_whole_document() {
    assert_snapshot!(svg(&chart()));
}

#[test]
fn a_spike_of_one_point_is_seen() {
    let mut spike = chart();
    spike.points = (0..120)
        .map(|n| Point { at: at(n * 15), value: if n == 60 { 900.0 } else { 100.0 } })
        .collect();
    (spike.ahead, spike.expected, spike.limit) = (Vec::new(), None, None);
    assert!(blocks(&spike, 60).lines().next().unwrap().contains('█'));
}

#[test]
fn without_points_there_is_nothing_to_draw() {
    let mut empty = chart();
    (empty.points, empty.ahead) = (Vec::new(), Vec::new());
    assert_eq!(blocks(&empty, 80), "");
    assert!(svg(&empty).ends_with("</svg>\n"));
}

proptest! {
    #[test]
    fn any_numbers_make_a_bounded_picture(
        points in prop::collection::vec((any::<i32>(), any::<f64>()), 0..130),
        ahead in prop::collection::vec((any::<i32>(), any::<f64>()), 0..20),
        limit in prop::option::of(any::<f64>()),
        band in prop::option::of((any::<f64>(), any::<f64>())),
        since in any::<i32>(),
        width in 0_usize..400,
    ) {
        let drawn = |found: Vec<(i32, f64)>| -> Vec<Point> {
            found.into_iter().map(|(s, value)| Point { at: at(s.into()), value }).collect()
        };
        let chart = Chart {
            points: drawn(points),
            ahead: drawn(ahead),
            limit,
            expected: band.map(|(low, high)| Band { low, high }),
            since: Some(at(since.into())),
            ..chart()
        };
        let text = blocks(&chart, width);
        prop_assert!(text.lines().count() <= 10);
        prop_assert!(text.lines().all(|line| line.chars().count() <= width.clamp(26, 250) + 16));
        let picture = svg(&chart);
        prop_assert!(picture.ends_with("</svg>\n") && !picture.contains("NaN"));
        prop_assert_eq!(picture.matches("<svg").count(), 1);
    }
}
