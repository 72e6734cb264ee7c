//! What is known of a group of alerts.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_model::id::{GroupKey, ReceiverName};
use nightcrew_model::labels::{Fingerprint, Labels};

/// A group of alerts as a receiver of the routing tree hears of it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupContent {
    /// The receiver.
    pub receiver: ReceiverName,
    /// The identity of the group, as Alertmanager writes it.
    pub group_key: GroupKey,
    /// The labels that its alerts have in common by the rule of its route.
    pub group_labels: Labels,
    /// Its alerts, in any order.
    pub alerts: Vec<AlertContent>,
    /// How many more there are that are not in [`Self::alerts`].
    pub truncated: u64,
    /// Where a person can look.
    pub external_url: String,
}

/// One alert of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertContent {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Whether it fires.
    pub status: AlertStatus,
    /// Since when it is wrong.
    pub starts_at: Timestamp,
    /// When it ended; not looked at while it fires.
    pub ends_at: Option<Timestamp>,
    /// Where a person can look.
    pub generator_url: String,
    /// Its identity.
    pub fingerprint: Fingerprint,
}

/// Whether an alert fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertStatus {
    /// It does.
    Firing,
    /// It ended.
    Resolved,
}

impl AlertStatus {
    /// The word of Alertmanager.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl GroupContent {
    /// A group without alerts.
    #[must_use]
    pub fn new(receiver: ReceiverName, group_key: GroupKey) -> Self {
        Self {
            receiver,
            group_key,
            group_labels: Labels::default(),
            alerts: Vec::new(),
            truncated: 0,
            external_url: String::new(),
        }
    }

    /// Firing while any alert fires.
    #[must_use]
    pub fn status(&self) -> AlertStatus {
        self.alerts.iter().map(|alert| alert.status).min().unwrap_or(AlertStatus::Resolved)
    }

    /// How many of the alerts that are here have this status.
    #[must_use]
    pub fn count(&self, status: AlertStatus) -> usize {
        self.alerts.iter().filter(|alert| alert.status == status).count()
    }

    /// The labels that every alert has with the same value.
    #[must_use]
    pub fn common_labels(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.labels))
    }

    /// The annotations that every alert has with the same value.
    #[must_use]
    pub fn common_annotations(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.annotations))
    }

    /// The counts in words: `3 firing, 1 resolved, 7 more`.
    pub(crate) fn counts(&self) -> String {
        let (firing, resolved) =
            (self.count(AlertStatus::Firing), self.count(AlertStatus::Resolved));
        match self.truncated {
            0 => format!("{firing} firing, {resolved} resolved"),
            more => format!("{firing} firing, {resolved} resolved, {more} more"),
        }
    }
}

/// The pairs that occur in every one of these sets; none where there is no set.
#[must_use]
pub fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else {
        return Labels::default();
    };
    let mut kept: Vec<(&str, &str)> = first.iter().collect();
    for set in sets {
        kept.retain(|(name, value)| set.get(name) == Some(value));
        if kept.is_empty() {
            break;
        }
    }
    kept.into_iter().collect()
}

/// The order in which Alertmanager lists the alerts of a message: by `job`, then by `instance`
/// (those without last), then fewer labels first, then by names and values (`types.AlertSlice` and
/// `model.LabelSet.Before`).
#[must_use]
pub fn alertmanager_order(a: &Labels, b: &Labels) -> Ordering {
    for name in ["job", "instance"] {
        let order = match (a.get(name), b.get(name)) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => a.cmp(b),
        };
        if order.is_ne() {
            return order;
        }
    }
    let by_size = a.len().cmp(&b.len());
    if by_size.is_ne() {
        return by_size;
    }
    let names: BTreeSet<&str> = a.iter().chain(b.iter()).map(|(name, _)| name).collect();
    for name in names {
        // The set that lacks the name comes after the one that has it.
        match (a.get(name), b.get(name)) {
            (None, _) => return Ordering::Greater,
            (_, None) => return Ordering::Less,
            (Some(a), Some(b)) if a != b => return a.cmp(b),
            (Some(_), Some(_)) => {}
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_all_have_is_common() {
        let a = labels(&[("team", "결제"), ("job", "a"), ("x", "1")]);
        let b = labels(&[("team", "결제"), ("job", "b")]);
        assert_eq!(common([&a, &b].into_iter()), labels(&[("team", "결제")]));
        assert_eq!(common([&a].into_iter()), a);
        assert_eq!(common([].into_iter()), Labels::default());
    }

    #[test]
    fn alerts_are_listed_as_alertmanager_lists_them() {
        let mut sets = [
            labels(&[("alertname", "Z")]),
            labels(&[("alertname", "A"), ("instance", "2"), ("job", "b")]),
            labels(&[("alertname", "A"), ("x", "1")]),
            labels(&[("alertname", "B"), ("instance", "1"), ("job", "b")]),
            labels(&[("alertname", "A"), ("job", "a"), ("z", "1")]),
            labels(&[("alertname", "A"), ("b", "1")]),
        ];
        sets.sort_by(alertmanager_order);
        let shown: Vec<String> = sets.iter().map(ToString::to_string).collect();
        insta::assert_debug_snapshot!(shown, @r#"
        [
            "{alertname=\"A\", job=\"a\", z=\"1\"}",
            "{alertname=\"B\", instance=\"1\", job=\"b\"}",
            "{alertname=\"A\", instance=\"2\", job=\"b\"}",
            "{alertname=\"Z\"}",
            "{alertname=\"A\", b=\"1\"}",
            "{alertname=\"A\", x=\"1\"}",
        ]
        "#);
    }

    proptest! {
        #[test]
        fn the_order_is_one(sets in prop::collection::vec(prop::collection::btree_map("job|instance|a|b|c", "[12]?", 0..4), 3)) {
            let sets: Vec<Labels> = sets.into_iter().map(Labels::from).collect();
            let (a, b, c) = (&sets[0], &sets[1], &sets[2]);
            prop_assert_eq!(alertmanager_order(a, b), alertmanager_order(b, a).reverse());
            prop_assert_eq!(alertmanager_order(a, b).is_eq(), a == b);
            if alertmanager_order(a, b).is_le() && alertmanager_order(b, c).is_le() {
                prop_assert!(alertmanager_order(a, c).is_le());
            }
        }
    }
}
