//! What `/metrics` tells of how well the crew heals.

use nightcrew_report::healing_figures::gauges;
use nightcrew_report::healing_score::HealingScore;

use crate::exposition::{Exposition, Type};

/// Writes the figures of the last 30 days; nothing until they are known.
pub(super) fn write(text: &mut Exposition, score: Option<&HealingScore>) {
    for gauge in score.map(gauges).unwrap_or_default() {
        if gauge.values.is_empty() {
            continue;
        }
        let name = format!("nightcrew_{}", gauge.name);
        text.head(&name, Type::Gauge, gauge.help);
        for (labels, value) in gauge.values {
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
            text.sample(&name, &labels, value);
        }
    }
}
