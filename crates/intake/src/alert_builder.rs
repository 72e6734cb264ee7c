//! An alert of a door that has ids, put together.
//!
//! Labels are the door, the ids, a severity in our words and a service; everything that people
//! may rename is an annotation.

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::labels::Labels;
use nightcrew_model::severity::Severity;
use serde_json::Value;

use crate::change::{Change, Key, News, SEVERITY};
use crate::limit::{ANNOTATIONS_BYTES_MAX, RAW_BYTES_MAX};
use crate::wording::beginning;

/// The label that names the door: ids of two installations of the same system may be the same.
const DOOR: &str = "door";

/// An alert in the making.
#[derive(Clone, Debug)]
pub(crate) struct Builder {
    key: Labels,
    labels: Labels,
    annotations: Annotations,
    starts_at: Option<Timestamp>,
    generator_url: String,
}

impl Builder {
    /// A thing of this door with this id.  `kind` says what the id counts (`datadog-monitor`):
    /// together they are the alert's name, for want of one that stays.
    pub(crate) fn new(door: &str, kind: &str, id: &str) -> Self {
        let key: Labels = [(DOOR, door), (&kind.replace('-', "_"), id)].into_iter().collect();
        let mut labels = key.clone();
        labels.set("alertname", &format!("{kind}-{id}"));
        Self {
            key,
            labels,
            annotations: Annotations::default(),
            starts_at: None,
            generator_url: String::new(),
        }
    }

    /// Another part of the id.
    pub(crate) fn id(&mut self, name: &str, value: &str) {
        self.key.set(name, value);
        self.labels.set(name, value);
    }

    pub(crate) fn label(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.labels.set(name, value);
        }
    }

    /// The sender's word for how bad it is, in ours; its own stays in an annotation.
    pub(crate) fn severity(&mut self, word: Option<&str>) {
        if let Some(word) = word {
            self.labels.set(SEVERITY, &Severity::from_label(word).to_string());
            self.annotations.set("severity_original", word);
        }
    }

    pub(crate) fn annotate(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.annotations.set(name, value);
        }
    }

    /// Keeps the beginning of the event as it came, for the fields that nobody here knows.
    pub(crate) fn raw(&mut self, event: &Value) {
        let json = event.to_string();
        self.annotations.set("raw", beginning(&json, RAW_BYTES_MAX));
    }

    pub(crate) fn starts_at(&mut self, moment: Option<Timestamp>) {
        self.starts_at = moment;
    }

    pub(crate) fn url(&mut self, url: Option<String>) {
        let url = url.unwrap_or_default();
        beginning(&url, ANNOTATIONS_BYTES_MAX).clone_into(&mut self.generator_url);
    }

    /// What happened to it.
    pub(crate) fn changed(&self, news: News) -> Change {
        Change { key: Key::Within(self.key.clone()), news }
    }

    pub(crate) fn fires(self) -> Change {
        Change { key: Key::Within(self.key.clone()), news: News::Fires(Box::new(self.alert())) }
    }

    pub(crate) fn no_data(self) -> Change {
        Change { key: Key::Within(self.key.clone()), news: News::NoData(Box::new(self.alert())) }
    }

    fn alert(self) -> IncomingAlert {
        IncomingAlert {
            labels: self.labels,
            annotations: self.annotations.fitting(self.generator_url.len()),
            starts_at: self.starts_at,
            ends_at: None,
            generator_url: self.generator_url,
        }
    }
}

/// Annotations, cut to [`ANNOTATIONS_BYTES_MAX`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations(Labels);

impl Annotations {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.set(name, value);
    }

    /// The annotations, the longest cut first, so that together with `more` bytes they fit.
    pub(crate) fn fitting(self, more: usize) -> Labels {
        fitting(self.0, more)
    }
}

/// The annotations, the longest cut first, so that together with `more` bytes they fit.
pub(crate) fn fitting(mut annotations: Labels, more: usize) -> Labels {
    const MARK: &str = "…";
    let length = |(name, value): (&str, &str)| name.len() + value.len();
    let mut total = annotations.iter().map(length).sum::<usize>() + more;
    while total > ANNOTATIONS_BYTES_MAX {
        let longest = annotations.iter().max_by_key(|pair| length(*pair));
        let Some((name, value)) = longest.map(|(name, value)| (name.to_owned(), value.to_owned()))
        else {
            break;
        };
        let excess = total - ANNOTATIONS_BYTES_MAX + MARK.len();
        let rest = value.len().saturating_sub(excess);
        let shorter = match beginning(&value, rest) {
            "" => String::new(),
            kept => format!("{kept}{MARK}"),
        };
        total -= value.len() - shorter.len();
        if shorter.is_empty() {
            total -= name.len();
        }
        annotations.set(&name, &shorter);
    }
    annotations
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(labels: &Labels) -> usize {
        labels.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn annotations_always_fit(lengths in prop::collection::vec(0_usize..60_000, 0..6), more in 0_usize..70_000) {
            let pairs = lengths.iter().enumerate();
            let labels: Labels = pairs.map(|(n, length)| (format!("n{n}"), "가".repeat(length / 3))).collect();
            let cut = fitting(labels.clone(), more);
            prop_assert!(cut.is_empty() || total(&cut) + more <= ANNOTATIONS_BYTES_MAX);
            if total(&labels) + more <= ANNOTATIONS_BYTES_MAX {
                prop_assert_eq!(cut, labels);
            }
        }
    }

    #[test]
    fn a_short_annotation_survives_a_long_one() {
        let long = "x".repeat(ANNOTATIONS_BYTES_MAX);
        let labels: Labels =
            [("summary", "결제 느림"), ("description", &long)].into_iter().collect();
        let cut = fitting(labels, 10);
        assert_eq!(cut.get("summary"), Some("결제 느림"));
        assert!(cut.get("description").unwrap().ends_with('…'));
    }

    #[test]
    fn the_raw_event_is_cut() {
        let mut builder = Builder::new("door", "datadog-monitor", "7");
        builder.raw(&Value::String("가".repeat(RAW_BYTES_MAX)));
        let News::Fires(alert) = builder.fires().news else { unreachable!() };
        assert!(alert.annotations.get("raw").unwrap().len() <= RAW_BYTES_MAX);
        assert_eq!(alert.labels.get("alertname"), Some("datadog-monitor-7"));
        assert_eq!(alert.labels.get("datadog_monitor"), Some("7"));
    }
}
