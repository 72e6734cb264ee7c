//! What a series is: a metric name and labels, within limits.

use nightcrew_model::labels::Labels;

use crate::error::Refusal;
use crate::limit::{LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX};

/// The label that holds the name of the metric, as in Prometheus.
pub const METRIC_LABEL: &str = "__name__";

/// The label that holds the unit of the numbers, such as `percent`.
pub const UNIT_LABEL: &str = "unit";

/// The identity of a series: its labels, with the metric's name among them.
///
/// **Invariant:** it has a metric name and is within every limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Labels);

impl Key {
    /// A key of its parts.
    ///
    /// # Errors
    /// When the name is missing or a part is larger than it may be.
    pub fn new(metric: &str, mut labels: Labels) -> Result<Self, Refusal> {
        if labels.get(METRIC_LABEL).is_some_and(|named| named != metric) {
            return Err(Refusal::TwoMetrics);
        }
        labels.set(METRIC_LABEL, metric);
        Self::of(labels)
    }

    /// A key of labels that hold the metric's name as `__name__`.
    ///
    /// # Errors
    /// When the name is missing or a part is larger than it may be.
    pub fn of(labels: Labels) -> Result<Self, Refusal> {
        if labels.get(METRIC_LABEL).is_none() {
            return Err(Refusal::NoMetric);
        }
        if labels.len() > LABELS_MAX {
            return Err(Refusal::TooManyLabels { found: labels.len() });
        }
        let mut bytes = 0;
        for (name, value) in labels.iter() {
            if name.is_empty() || name.len() > LABEL_NAME_BYTES_MAX {
                return Err(Refusal::BadLabelName);
            }
            if value.len() > LABEL_VALUE_BYTES_MAX {
                return Err(Refusal::LongValue);
            }
            bytes += name.len() + value.len();
        }
        if bytes > LABELS_BYTES_MAX {
            return Err(Refusal::LongLabels);
        }
        Ok(Self(labels))
    }

    /// The name of the metric.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.0.get(METRIC_LABEL).unwrap_or_default()
    }

    /// All labels, with the metric's name as `__name__`.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_needs_a_name_and_keeps_the_limits() {
        let labels = |n: usize| (0..n).map(|n| (format!("l{n:03}"), "x")).collect::<Labels>();
        assert_eq!(Key::new("up", labels(2)).unwrap().metric(), "up");
        assert_eq!(Key::new("", labels(2)), Err(Refusal::NoMetric));
        assert!(Key::new("up", labels(LABELS_MAX - 1)).is_ok());
        assert_eq!(
            Key::new("up", labels(LABELS_MAX)),
            Err(Refusal::TooManyLabels { found: LABELS_MAX + 1 })
        );
        let one = |name: &str, value: &str| Key::new("up", [(name, value)].into_iter().collect());
        assert_eq!(one("", "x"), Err(Refusal::BadLabelName));
        assert_eq!(one(&"n".repeat(LABEL_NAME_BYTES_MAX + 1), "x"), Err(Refusal::BadLabelName));
        assert!(one("n", &"x".repeat(LABEL_VALUE_BYTES_MAX)).is_ok());
        assert_eq!(one("n", &"x".repeat(LABEL_VALUE_BYTES_MAX + 1)), Err(Refusal::LongValue));
        assert_eq!(one(METRIC_LABEL, "down"), Err(Refusal::TwoMetrics));
        let long = "x".repeat(LABEL_VALUE_BYTES_MAX);
        let bomb: Labels = (0..4).map(|n| (n.to_string(), long.clone())).collect();
        assert_eq!(Key::new("up", bomb), Err(Refusal::LongLabels));
    }
}
