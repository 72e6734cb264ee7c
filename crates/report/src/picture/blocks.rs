//! A chart as blocks of characters, for terminals.

use std::fmt::Write as _;

use nightcrew_model::chart::Chart;

use super::frame::{Frame, number, shown};

/// How many lines of blocks there are.
const ROWS: usize = 8;

/// The narrowest and the widest picture, in columns without the numbers beside it.
const COLUMNS: std::ops::RangeInclusive<usize> = 16..=240;

const PARTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// How wide the numbers beside the blocks are.
const MARGIN: usize = 9;

/// A chart in lines of `width` columns at most: bars for what was seen, dots for what is ahead, a
/// line for the limit, `▲` where it began; empty where there is nothing to draw.
#[must_use]
pub fn blocks(chart: &Chart, width: usize) -> String {
    let Some(frame) = Frame::of(chart) else { return String::new() };
    let n_columns = width.saturating_sub(MARGIN + 1).clamp(*COLUMNS.start(), *COLUMNS.end());
    let place = |along: f64| ((along * n_columns as f64) as usize).min(n_columns - 1);
    let (seen, ahead) = columns(chart, &frame, n_columns);
    let limit_row = chart.limit.map(|limit| row_of(frame.height(limit)));
    let mut text = String::new();
    for row in (0..ROWS).rev() {
        let label = match row {
            _ if limit_row == Some(row) => chart.limit.map(number),
            _ if row == ROWS - 1 => Some(number(frame.high)),
            0 => Some(number(frame.low)),
            _ => None,
        };
        let _ = write!(text, "{:>MARGIN$} ", label.unwrap_or_default());
        for (seen, ahead) in seen.iter().zip(&ahead) {
            let empty = if limit_row == Some(row) { '─' } else { ' ' };
            let drawn = match (seen, ahead) {
                (Some(height), _) => part(*height, row),
                (None, Some(height)) if row_of(*height) == row => '·',
                (None, Some(_) | None) => ' ',
            };
            text.push(if drawn == ' ' { empty } else { drawn });
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    if let Some(since) = chart.since.filter(|since| *since >= frame.from && *since <= frame.to) {
        let column = place(frame.along(since));
        let _ = writeln!(text, "{:>MARGIN$} {:column$}▲ {}", "", "", frame.moment(since));
    }
    let (from, to) = (frame.moment(frame.from), frame.moment(frame.to));
    let gap = n_columns.saturating_sub(from.len());
    let _ = writeln!(text, "{:>MARGIN$} {from}{to:>gap$}", chart.unit.sign().trim());
    text
}

/// The height of each column: what was seen, and what is ahead.
fn columns(chart: &Chart, frame: &Frame, n: usize) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
    let heights = |points: &[nightcrew_model::chart::Point]| {
        let mut columns: Vec<Option<f64>> = vec![None; n];
        let mut last: Option<(usize, f64)> = None;
        for point in shown(points) {
            let place = ((frame.along(point.at) * n as f64) as usize).min(n - 1);
            let height = frame.height(point.value);
            // Between points that are near each other, the height is that of the one before.
            if let Some((from, before)) =
                last.filter(|(from, _)| place - (*from).min(place) <= 1 + n / 8)
            {
                for column in columns.iter_mut().take(place).skip(from + 1) {
                    *column = Some(before);
                }
            }
            if let Some(column) = columns.get_mut(place) {
                // Of several points in a column the highest is drawn: a spike must be seen.
                *column = Some(column.map_or(height, |drawn| drawn.max(height)));
            }
            last = Some((place, height));
        }
        columns
    };
    (heights(&chart.points), heights(&chart.ahead))
}

/// The row in which a height lies.
fn row_of(height: f64) -> usize {
    ((height * ROWS as f64) as usize).min(ROWS - 1)
}

/// The block of a bar in a row.
fn part(height: f64, row: usize) -> char {
    let eighths = (height * (ROWS * 8) as f64).round() as usize;
    // The lowest value is seen too.
    let eighths = eighths.max(1).saturating_sub(row * 8).min(8);
    PARTS.get(eighths).copied().unwrap_or('█')
}
