//! Inhibition: while one alert fires, nobody hears of others that it explains.
//!
//! The rules are Alertmanager's (`inhibit/inhibit.go`).  The firing sources are kept by rule and by
//! the values in which source and target must agree, so that a look costs the same however many
//! alerts fire.

use std::collections::{BTreeSet, HashMap};

use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::mute::MutedBy;
use nightcrew_model::route::InhibitRule;

/// The firing alerts that are sources of a rule, by rule and values.  Derived from the firing
/// alerts and the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inhibitors {
    by_rule: Vec<HashMap<Vec<String>, Sources>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Sources {
    /// Those that are no target of the rule.
    plain: BTreeSet<Fingerprint>,
    /// Those that are a target of the rule too: they keep nobody quiet who is a source too, so
    /// that no alert inhibits itself and no two inhibit each other.
    two_sided: BTreeSet<Fingerprint>,
}

impl Sources {
    fn side(&mut self, two_sided: bool) -> &mut BTreeSet<Fingerprint> {
        if two_sided { &mut self.two_sided } else { &mut self.plain }
    }
}

impl Inhibitors {
    /// An alert fires.
    pub(crate) fn fires(
        &mut self,
        rules: &[InhibitRule],
        fingerprint: Fingerprint,
        labels: &Labels,
    ) {
        self.by_rule.resize_with(rules.len(), HashMap::new);
        for (rule, sources) in rules.iter().zip(&mut self.by_rule) {
            if rule.source.hold(labels) {
                let sources = sources.entry(rule.agreement(labels)).or_default();
                sources.side(rule.target.hold(labels)).insert(fingerprint);
            }
        }
    }

    /// An alert has ended.
    pub(crate) fn ended(
        &mut self,
        rules: &[InhibitRule],
        fingerprint: Fingerprint,
        labels: &Labels,
    ) {
        for (rule, by_values) in rules.iter().zip(&mut self.by_rule) {
            if !rule.source.hold(labels) {
                continue;
            }
            let values = rule.agreement(labels);
            let Some(sources) = by_values.get_mut(&values) else {
                continue;
            };
            sources.side(rule.target.hold(labels)).remove(&fingerprint);
            if sources.plain.is_empty() && sources.two_sided.is_empty() {
                by_values.remove(&values);
            }
        }
    }

    /// What keeps people from hearing of an alert with these labels, one for each rule.
    pub(crate) fn muting(&self, rules: &[InhibitRule], labels: &Labels) -> Vec<MutedBy> {
        let mut muting = Vec::new();
        for (rule, by_values) in rules.iter().zip(&self.by_rule) {
            if by_values.is_empty() || !rule.target.hold(labels) {
                continue;
            }
            let Some(sources) = by_values.get(&rule.agreement(labels)) else {
                continue;
            };
            let two_sided = || sources.two_sided.first().filter(|_| !rule.source.hold(labels));
            if let Some(source) = sources.plain.first().or_else(two_sided) {
                muting.push(MutedBy::Inhibition { rule: rule.name.clone(), source: *source });
            }
        }
        muting
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::matcher::Matchers;
    use proptest::prelude::*;

    use super::*;

    /// `hasEqual` and `Mutes` of Alertmanager's `inhibit.go`, over a list.
    fn by_scan(rules: &[InhibitRule], firing: &[Labels], labels: &Labels) -> Vec<bool> {
        let inhibits = |rule: &InhibitRule| {
            rule.target.hold(labels)
                && firing.iter().any(|source| {
                    let two_sided = rule.source.hold(labels) && rule.target.hold(source);
                    rule.source.hold(source)
                        && rule.agreement(source) == rule.agreement(labels)
                        && !two_sided
                })
        };
        rules.iter().map(inhibits).collect()
    }

    fn labels() -> impl Strategy<Value = Labels> {
        let value = || prop::sample::select(vec!["", "1", "2"]);
        (value(), value(), value())
            .prop_map(|(a, b, c)| [("a", a), ("b", b), ("c", c)].into_iter().collect())
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_a_scan(
            happenings in prop::collection::vec((labels(), any::<bool>()), 0..30),
            asked in labels(),
        ) {
            let rule = |name: &str, source: &str, target: &str, equal: &[&str]| InhibitRule {
                name: name.to_owned(),
                source: Matchers::parse(source).unwrap(),
                target: Matchers::parse(target).unwrap(),
                equal: equal.iter().map(|&name| name.to_owned()).collect(),
            };
            let rules = [
                rule("1", "a=1", "a=2", &["b"]),
                rule("2", "a=1", "b=~\"1|2\"", &["c"]),
                rule("3", "a!=2", "a!=2", &[]),
            ];
            let mut inhibitors = Inhibitors::default();
            let mut firing: Vec<Labels> = Vec::new();
            for (labels, fires) in happenings {
                firing.retain(|other| *other != labels);
                if fires {
                    inhibitors.fires(&rules, labels.fingerprint(), &labels);
                    firing.push(labels);
                } else {
                    inhibitors.ended(&rules, labels.fingerprint(), &labels);
                }
            }
            let muting = inhibitors.muting(&rules, &asked);
            let named: Vec<bool> = rules
                .iter()
                .map(|rule| muting.iter().any(|by| {
                    matches!(by, MutedBy::Inhibition { rule: name, .. } if *name == rule.name)
                }))
                .collect();
            prop_assert_eq!(named, by_scan(&rules, &firing, &asked));
            for labels in std::mem::take(&mut firing) {
                inhibitors.ended(&rules, labels.fingerprint(), &labels);
            }
            prop_assert!(inhibitors.by_rule.iter().all(HashMap::is_empty));
        }
    }
}
