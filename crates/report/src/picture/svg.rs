//! A chart as SVG: without scripts, styles from outside or fonts of its own.

use std::fmt::Write as _;

use nightcrew_model::chart::{Chart, Point};

use super::frame::{Frame, number, shown};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 24.0;

/// A line breaks where the next point is so many usual distances away.
const GAP_TIMES: f64 = 4.0;

/// A chart as a whole SVG document; without a point it says that there is none.
#[must_use]
pub fn svg(chart: &Chart) -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"11\">\n"
    );
    let unit = escaped(chart.unit.sign().trim());
    let title = escaped(chart.method.as_str());
    let _ = writeln!(text, "<title>{title}</title>");
    let _ = writeln!(text, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>");
    let Some(frame) = Frame::of(chart) else {
        let _ = writeln!(text, "<text x=\"{LEFT}\" y=\"{TOP}\" fill=\"#555\">{title}: -</text>");
        text.push_str("</svg>\n");
        return text;
    };
    let x = |at| LEFT + frame.along(at) * (WIDTH - LEFT - RIGHT);
    let y = |value| HEIGHT - BOTTOM - frame.height(value) * (HEIGHT - TOP - BOTTOM);
    if let Some(band) = chart.expected.filter(|band| band.low.is_finite() && band.high.is_finite())
    {
        let (top, bottom) = (y(band.high), y(band.low));
        let _ = writeln!(
            text,
            "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#dbe9f6\"/>",
            WIDTH - LEFT - RIGHT,
            (bottom - top).max(1.0),
        );
    }
    edges(&mut text, &frame, &unit);
    if let Some(limit) = chart.limit.filter(|limit| limit.is_finite()) {
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"#c62828\" \
             stroke-dasharray=\"6 3\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\" \
             fill=\"#c62828\">{3}{unit}</text>",
            y(limit),
            WIDTH - RIGHT,
            y(limit) - 4.0,
            number(limit),
        );
    }
    if let Some(since) = chart.since.filter(|since| *since >= frame.from && *since <= frame.to) {
        let _ = writeln!(
            text,
            "<line x1=\"{0:.1}\" y1=\"{TOP}\" x2=\"{0:.1}\" y2=\"{1}\" stroke=\"#ef6c00\" \
             stroke-dasharray=\"2 2\"/>",
            x(since),
            HEIGHT - BOTTOM,
        );
    }
    line(&mut text, &chart.points, (&x, &y), "#1565c0");
    line(&mut text, &chart.ahead, (&x, &y), "#1565c0\" stroke-dasharray=\"4 3");
    let (from, to) = (frame.moment(frame.from), frame.moment(frame.to));
    let below = HEIGHT - 8.0;
    let _ = writeln!(
        text,
        "<text x=\"{LEFT}\" y=\"{below}\" fill=\"#555\">{from}</text>\
         <text x=\"{}\" y=\"{below}\" text-anchor=\"end\" fill=\"#555\">{to} UTC</text>\
         <text x=\"{LEFT}\" y=\"14\" fill=\"#333\">{title}</text>",
        WIDTH - RIGHT,
    );
    text.push_str("</svg>\n");
    text
}

/// The lines of the highest and the lowest value.
fn edges(text: &mut String, frame: &Frame, unit: &str) {
    for (value, at) in [(frame.high, TOP), (frame.low, HEIGHT - BOTTOM)] {
        let _ = writeln!(
            text,
            "<line x1=\"{LEFT}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555\">{}{unit}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            number(value),
        );
    }
}

/// Draws points as a line that breaks at gaps.
fn line(
    text: &mut String,
    points: &[Point],
    (x, y): (&dyn Fn(jiff::Timestamp) -> f64, &dyn Fn(f64) -> f64),
    stroke: &str,
) {
    let points: Vec<&Point> = shown(points).collect();
    let mut distances: Vec<f64> = points
        .iter()
        .zip(points.iter().skip(1))
        .map(|(one, next)| x(next.at) - x(one.at))
        .collect();
    distances.sort_by(f64::total_cmp);
    let usual = distances.get(distances.len() / 2).copied().unwrap_or(0.0);
    let mut path = String::new();
    let mut last: Option<f64> = None;
    for point in &points {
        let (across, down) = (x(point.at), y(point.value));
        let breaks = last.is_none_or(|last| across - last > (GAP_TIMES * usual).max(4.0));
        let _ = write!(path, "{}{across:.1} {down:.1} ", if breaks { 'M' } else { 'L' });
        last = Some(across);
    }
    if !path.is_empty() {
        let _ = writeln!(
            text,
            "<path d=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.5\" \
             stroke-linecap=\"round\"/>",
            path.trim_end(),
        );
    }
}

/// Text that cannot end the element in which it stands.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
