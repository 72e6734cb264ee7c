//! Charts from what a series remembers.

use jiff::Timestamp;
use nightcrew_model::chart::{Band, Chart, Method, POINTS_MAX, Point};
use nightcrew_model::unit::Unit;

use crate::point;

/// A chart of a method over points; of more than fit, neighbours give way evenly.
pub(super) fn chart(
    method: Method,
    unit: Unit,
    points: impl IntoIterator<Item = point::Point>,
) -> Chart {
    Chart {
        method,
        unit,
        points: thinned(points),
        ahead: Vec::new(),
        expected: None,
        limit: None,
        since: None,
    }
}

/// At most [`POINTS_MAX`] of the points, the newest among them.
pub(super) fn thinned(points: impl IntoIterator<Item = point::Point>) -> Vec<Point> {
    let points: Vec<Point> = points
        .into_iter()
        .filter(|point| point.value.is_finite())
        .map(|point| Point { at: point.at, value: point.value })
        .collect();
    let every = points.len().div_ceil(POINTS_MAX).max(1);
    let first = points.len().saturating_sub(1) % every;
    points.into_iter().skip(first).step_by(every).collect()
}

/// A band around a level.
pub(super) fn band(level: f64, around: f64) -> Band {
    Band { low: level - around.abs(), high: level + around.abs() }
}

/// A straight line between two moments, of a few points.
pub(super) fn line(from: (Timestamp, f64), to: (Timestamp, f64)) -> Vec<Point> {
    const PARTS: i32 = 8;
    let seconds = to.0.duration_since(from.0).as_secs_f64();
    (0..=PARTS)
        .filter_map(|part| {
            let share = f64::from(part) / f64::from(PARTS);
            let span = jiff::SignedDuration::try_from_secs_f64(seconds * share).ok()?;
            let at = from.0.checked_add(span).ok()?;
            Some(Point { at, value: from.1 + (to.1 - from.1) * share })
        })
        .collect()
}

/// A number of a unit for people: as many digits as say something.
pub(super) fn amount(value: f64, unit: Unit) -> String {
    let size = value.abs();
    let digits = match size {
        _ if size >= 100.0 || size == 0.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 0.1 => 2,
        _ => 6,
    };
    let text = format!("{value:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", unit.sign())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_keeps_its_limit_and_its_newest_point() {
        let points = (0..1_000).map(|n| point::Point {
            at: Timestamp::from_second(n).unwrap(),
            value: if n == 5 { f64::NAN } else { n as f64 },
        });
        let chart = chart(Method::Anomaly, Unit::Count, points);
        assert!(chart.points.len() <= POINTS_MAX);
        assert_eq!(chart.points.last().map(|point| point.value), Some(999.0));
    }

    #[test]
    fn amounts_have_the_digits_that_matter() {
        let said = [123_456.7, 12.34, 0.5, 0.001_2, 0.0].map(|it| amount(it, Unit::Milliseconds));
        assert_eq!(said, ["123457 ms", "12.3 ms", "0.5 ms", "0.0012 ms", "0 ms"]);
    }
}
