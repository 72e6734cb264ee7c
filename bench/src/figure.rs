//! Figures: a measured value, and what it is compared with.

use serde::Serialize;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    Microseconds,
    Milliseconds,
    /// Of 1,000,000 bytes.
    Megabytes,
    Bytes,
    PerSecond,
    Count,
    Ratio,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) section: &'static str,
    pub(crate) measure: String,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// What it should be at most.
    pub(crate) limit: Option<f64>,
    /// The same measure of another program, taken in the same run.
    pub(crate) peer: Option<Peer>,
}

/// Another program's value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) value: f64,
}

impl Figure {
    pub(crate) fn new(
        section: &'static str,
        measure: impl Into<String>,
        value: f64,
        unit: Unit,
    ) -> Self {
        Self { section, measure: measure.into(), value, unit, limit: None, peer: None }
    }

    pub(crate) fn limit(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Compares with another program; none: it is not installed.
    pub(crate) fn peer(self, name: &str, value: Option<f64>) -> Self {
        Self { peer: value.map(|value| Peer { name: name.to_owned(), value }), ..self }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Microseconds => format!("{value:.1} µs"),
            Self::Milliseconds if value < 100.0 => format!("{value:.2} ms"),
            Self::Milliseconds => format!("{} ms", thousands(value)),
            Self::Megabytes => format!("{value:.1} MB"),
            Self::Bytes => format!("{} B", thousands(value)),
            Self::PerSecond => format!("{}/s", thousands(value)),
            Self::Count => thousands(value),
            Self::Ratio => format!("{value:.2}"),
        }
    }
}

/// Empty where there is nothing to divide by.
fn ratio(value: f64, other: f64) -> String {
    if other == 0.0 {
        return String::new();
    }
    let ratio = value / other;
    if ratio == 0.0 || ratio >= 0.1 { format!("{ratio:.2}") } else { format!("{ratio:.3}") }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut shown = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    if value <= -0.5 { format!("-{shown}") } else { shown }
}

/// The value that a share of the values (0.5: half) does not exceed: the nearest rank.  The values
/// have to be in order; none are 0.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).or(sorted.last()).copied().unwrap_or(0.0)
}

/// The values in order.
pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The figures as a Markdown table.
pub(crate) fn table(figures: &[Figure]) -> String {
    let titles =
        ["section", "measure", "Nightcrew", "limit", "of limit", "peer in the same run", "÷ peer"];
    let mut rows = vec![titles.map(str::to_owned)];
    rows.extend(figures.iter().map(row));
    let width = |column: usize| {
        rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).enumerate().map(|(n, (cell, &width))| match n {
                0 | 1 | 5 => format!("| {cell:<width$} "),
                _ => format!("| {cell:>width$} "),
            });
            cells.collect::<String>() + "|"
        })
        .collect();
    let rule = widths.iter().enumerate().map(|(n, width)| match n {
        0 | 1 | 5 => format!("|{}", "-".repeat(width + 2)),
        _ => format!("|{}:", "-".repeat(width + 1)),
    });
    lines.insert(1, rule.collect::<String>() + "|");
    lines.join("\n") + "\n"
}

fn row(figure: &Figure) -> [String; 7] {
    let show = |value: f64| figure.unit.show(value);
    let ratio = |other: f64| ratio(figure.value, other);
    let peer = figure.peer.as_ref();
    [
        figure.section.to_owned(),
        figure.measure.clone(),
        show(figure.value),
        figure.limit.map(show).unwrap_or_default(),
        figure.limit.map(ratio).unwrap_or_default(),
        peer.map(|peer| format!("{} {}", peer.name, show(peer.value))).unwrap_or_default(),
        peer.map(|peer| ratio(peer.value)).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let values = sorted((1..=20).rev().map(f64::from).collect());
        assert_eq!(percentile(&values, 0.5), 10.0);
        assert_eq!(percentile(&values, 0.95), 19.0);
        assert_eq!(percentile(&values, 1.0), 20.0);
        assert_eq!(percentile(&[7.0], 0.01), 7.0);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn ratios_keep_two_digits_and_never_divide_by_nothing() {
        assert_eq!(ratio(12.0, 5.0), "2.40");
        assert_eq!(ratio(5.8, 1_676.0), "0.003");
        assert_eq!(ratio(0.0, 3.0), "0.00");
        assert_eq!(ratio(1.0, 0.0), "");
    }

    #[test]
    fn the_table_is_aligned_and_shows_ratios() {
        let text = table(&[
            Figure::new("cold_start", "빈 폴더", 12.5, Unit::Milliseconds)
                .limit(50.0)
                .peer("Alertmanager", Some(125.0)),
            Figure::new("crash_rounds", "lost", 0.0, Unit::Count).limit(0.0),
            Figure::new("posts", "alerts", 1_234_567.0, Unit::PerSecond).peer("none", None),
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2],
            "| cold_start   | 빈 폴더    |    12.50 ms | 50.00 ms |     0.25 | Alertmanager 125 ms  |   0.10 |"
        );
        assert!(lines[3].contains(" 0 |        0 |          |"), "{}", lines[3]);
        assert!(lines[4].contains("1,234,567/s"));
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width), "{text}");
    }
}
