//! Where the numbers of a chart lie between its edges.

use jiff::Timestamp;
use nightcrew_model::chart::{Chart, Point};

/// The edges of a picture: the first and the last moment, the lowest and the highest value.
pub(super) struct Frame {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Frame {
    /// The edges of a chart; none where it has no point.
    pub(super) fn of(chart: &Chart) -> Option<Self> {
        let points = || shown(&chart.points).chain(shown(&chart.ahead));
        let from = points().map(|point| point.at).min()?;
        let to = points().map(|point| point.at).max()?;
        let band = chart.expected.iter().flat_map(|band| [band.low, band.high]);
        let values = points().map(|point| point.value).chain(chart.limit).chain(band);
        let values = values.filter(|value| value.is_finite());
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        // A bar begins at nothing, unless nothing is far from what is shown.
        let low = if low > 0.0 && low < high * 0.5 { 0.0 } else { low };
        let high = if high > low { high } else { low + low.abs().max(1.0) };
        Some(Self { from, to, low, high })
    }

    /// How far along the time a moment lies, 0 to 1.
    pub(super) fn along(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64();
        if whole <= 0.0 {
            1.0
        } else {
            (at.duration_since(self.from).as_secs_f64() / whole).clamp(0.0, 1.0)
        }
    }

    /// How high a value lies, 0 to 1.
    pub(super) fn height(&self, value: f64) -> f64 {
        // Halves, because the difference of two numbers may overflow.
        let height = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        if height.is_finite() { height.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// A moment for people: the time of the day, with the day where the picture is longer.
    pub(super) fn moment(&self, at: Timestamp) -> String {
        const DAY_SECONDS: i64 = 86_400;
        if self.to.as_second().saturating_sub(self.from.as_second()) > DAY_SECONDS {
            at.strftime("%m-%d %H:%M").to_string()
        } else {
            at.strftime("%H:%M:%S").to_string()
        }
    }
}

/// The points that can be drawn.
pub(super) fn shown(points: &[Point]) -> impl Iterator<Item = &Point> {
    points.iter().filter(|point| point.value.is_finite())
}

/// A number with as many digits as a picture needs.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "?".to_owned();
    }
    let (divided, sign) = match size {
        _ if size >= 1e15 => return format!("{value:.1e}"),
        _ if size >= 1e12 => (value / 1e12, "T"),
        _ if size >= 1e9 => (value / 1e9, "G"),
        _ if size >= 1e6 => (value / 1e6, "M"),
        _ if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let size = divided.abs();
    let digits = match size {
        _ if size >= 100.0 || size == 0.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ => 4,
    };
    let text = format!("{divided:.digits$}");
    let text = if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{sign}")
}
