//! Series as blocks in a terminal.

use jiff::Timestamp;

use super::{Point, number};
use crate::output::plain;

/// How wide a plot is, in columns.
const COLUMNS: usize = 72;

/// How high a plot is, in lines.
const LINES: usize = 8;

/// From an eighth of a line to all of it.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The mean of each column; none where a column has no point.
fn columns(points: &[Point], n_columns: usize) -> Vec<Option<f64>> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let span = last.at.saturating_sub(first.at).saturating_add(1);
    let mut sums = vec![(0.0, 0.0); n_columns];
    for point in points {
        let place = i128::from(point.at - first.at) * n_columns as i128 / i128::from(span);
        if let Some((sum, count)) = usize::try_from(place).ok().and_then(|n| sums.get_mut(n)) {
            *sum += point.mean;
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| (count > 0.0).then(|| sum / count)).collect()
}

/// How many eighths of `lines` a value is high; at least one, so that it is seen.
fn eighths(value: f64, (low, high): (f64, f64), lines: usize) -> usize {
    let share = if high > low { (value - low) / (high - low) } else { 0.5 };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a few lines; a cast of a float saturates"
    )]
    let height = (share * (lines * BLOCKS.len()) as f64).round() as usize;
    height.clamp(1, lines * BLOCKS.len())
}

fn block(eighths: usize) -> char {
    eighths.checked_sub(1).and_then(|n| BLOCKS.get(n.min(7))).copied().unwrap_or(' ')
}

fn range(values: &[Option<f64>]) -> (f64, f64) {
    let values = || values.iter().flatten().copied();
    (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
}

/// A series in one line.
pub(super) fn spark(points: &[Point], n_columns: usize) -> String {
    let values = columns(points, n_columns.min(points.len()).max(1));
    let range = range(&values);
    let one = |value: &Option<f64>| value.map_or(' ', |value| block(eighths(value, range, 1)));
    values.iter().map(one).collect()
}

/// A series with its axes, its unit, and its smallest and largest value.
pub(super) fn plot(name: &str, unit: &str, points: &[Point]) -> String {
    let values = columns(points, COLUMNS.min(points.len()).max(1));
    let (low, high) = range(&values);
    let min = points.iter().map(|point| point.min).fold(f64::INFINITY, f64::min);
    let max = points.iter().map(|point| point.max).fold(f64::NEG_INFINITY, f64::max);
    let mut lines = vec![format!(
        "{}  [{}]  min {}  max {}",
        plain(name),
        if unit.is_empty() { "no unit" } else { unit },
        number(min),
        number(max)
    )];
    let heights: Vec<Option<usize>> =
        values.iter().map(|value| value.map(|value| eighths(value, (low, high), LINES))).collect();
    let axis = [number(high), number(low)];
    let width = axis.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    for line in (0..LINES).rev() {
        let label = match line {
            0 => axis[1].as_str(),
            _ if line == LINES - 1 => axis[0].as_str(),
            _ => "",
        };
        let below = line * BLOCKS.len();
        let cell = |height: &Option<usize>| match height {
            Some(height) if *height > below => block(height - below),
            _ => ' ',
        };
        let drawn: String = heights.iter().map(cell).collect();
        lines.push(format!("{label:>width$} ┤{}", drawn.trim_end()));
    }
    lines.push(format!("{:>width$} └{}", "", "─".repeat(values.len())));
    let at = |point: Option<&Point>| {
        let at = point.and_then(|point| Timestamp::from_millisecond(point.at).ok());
        at.map(|at| format!("{at:.0}")).unwrap_or_default()
    };
    let (from, until) = (at(points.first()), at(points.last()));
    let gap = values.len().saturating_sub(from.len() + until.len()).max(1);
    lines.push(format!("{:>width$}  {from}{}{until}", "", " ".repeat(gap)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        let point = |(value, at): (&f64, i64)| Point {
            at: at * 60_000,
            mean: *value,
            min: *value,
            max: *value,
            last: *value,
        };
        values.iter().zip(0..).map(point).collect()
    }

    #[test]
    fn a_plot_has_axes_and_a_unit() {
        let rising: Vec<f64> = (0..24).map(f64::from).collect();
        let drawn = plot("disk_usage", "percent", &points(&rising));
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), LINES + 3);
        assert_eq!(lines[0], "disk_usage  [percent]  min 0  max 23");
        assert!(lines[1].starts_with("23 ┤") && lines[1].ends_with('█'), "{drawn}");
        assert!(lines[8].starts_with(" 0 ┤▁"), "{drawn}");
        assert!(lines[10].contains("1970-01-01T00:00:00Z"), "{drawn}");
        assert!(lines[10].ends_with("1970-01-01T00:23:00Z"), "{drawn}");
    }

    #[test]
    fn gaps_stay_gaps_and_odd_series_do_not_panic() {
        let mut some = points(&[1.0, 2.0]);
        some[1].at = 10 * 60_000;
        some.push(Point { at: 11 * 60_000, ..some[1] });
        assert_eq!(spark(&some, 3), "▁ █");
        assert_eq!(spark(&points(&[5.0; 4]), 4), "▄▄▄▄");
        assert_eq!(spark(&[], 4), "");
        for odd in [&[][..], &[f64::MAX, f64::MIN], &[f64::INFINITY, 1.0], &[0.0]] {
            plot("a\u{1b}[2J", "", &points(odd));
        }
    }
}
