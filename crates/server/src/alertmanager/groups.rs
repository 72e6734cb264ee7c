//! `GET /api/v2/alerts/groups`: the firing alerts as their receivers hear of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use nightcrew_model::id::{GroupKey, ReceiverName};
use nightcrew_model::labels::Labels;
use serde::Serialize;

use super::alerts::look;
use super::answer::{Answer, Refused};
use super::shown::{GettableAlert, Receiver, Seen};
use super::wanted::Wanted;
use crate::app::App;
use crate::parameters::Parameters;
use crate::view::alert::pairs;

/// A group, as the interface has it (`alertGroup`).
#[derive(Serialize)]
pub(crate) struct AlertGroup {
    alerts: Vec<GettableAlert>,
    labels: BTreeMap<String, String>,
    receiver: Receiver,
}

/// A group of which an alert is a member.
#[derive(Clone, Debug)]
struct Membership {
    key: GroupKey,
    receiver: ReceiverName,
    labels: Labels,
}

/// `GET /api/v2/alerts/groups`.
pub(crate) async fn groups(
    State(app): State<App>,
    Parameters(query): Parameters<Vec<(String, String)>>,
) -> Result<Answer<Vec<AlertGroup>>, Refused> {
    let wanted = Arc::new(Wanted::of(&query)?);
    let of_wanted = Arc::clone(&wanted);
    let seen = look(&app, wanted, move |look, alert| {
        let routes = look.routing.matching(&alert.labels);
        let routes = routes.into_iter().filter_map(|id| look.routing.route(id));
        let heard = routes.filter(|route| of_wanted.hears(&route.rule.receiver));
        let memberships: Vec<Membership> = heard
            .map(|route| {
                let labels = route.group_labels(&alert.labels);
                let key = route.group_key(&labels);
                Membership { key, receiver: route.rule.receiver.clone(), labels }
            })
            .collect();
        if memberships.is_empty() {
            return None;
        }
        let muted = look.engine.muted_by(look.settings, alert, look.now);
        if !of_wanted.shows(&muted) {
            return None;
        }
        let mut receivers: Vec<ReceiverName> =
            memberships.iter().map(|member| member.receiver.clone()).collect();
        receivers.sort();
        Some((Seen { alert: alert.clone(), muted, receivers }, memberships))
    })
    .await?;
    let timeout = app.handle.settings().healing.resolve_timeout;
    let now = app.handle.clock().now();
    let shown = gathered(seen).into_iter().map(|(receiver, labels, alerts)| AlertGroup {
        alerts: alerts.into_iter().map(|seen| seen.shown(timeout, now)).collect(),
        labels: pairs(&labels),
        receiver: Receiver { name: receiver },
    });
    Ok(Answer(StatusCode::OK, shown.collect()))
}

/// The groups and their alerts, in Alertmanager's order.
fn gathered(seen: Vec<(Seen, Vec<Membership>)>) -> Vec<(ReceiverName, Labels, Vec<Seen>)> {
    let mut groups: BTreeMap<(GroupKey, ReceiverName), (Labels, Vec<Seen>)> = BTreeMap::new();
    for (alert, memberships) in seen {
        for Membership { key, receiver, labels } in memberships {
            let group = groups.entry((key, receiver)).or_insert_with(|| (labels, Vec::new()));
            group.1.push(alert.clone());
        }
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|((_, receiver), (labels, mut alerts))| {
            alerts.sort_by(|a, b| alert_order(&a.alert.labels, &b.alert.labels));
            (receiver, labels, alerts)
        })
        .collect();
    groups.sort_by(|(receiver_a, a, _), (receiver_b, b, _)| {
        label_order(a, b).then_with(|| receiver_a.cmp(receiver_b))
    });
    groups
}

/// The order of the alerts in a group (`types.AlertSlice`): by job, instance, then all labels.
fn alert_order(a: &Labels, b: &Labels) -> Ordering {
    let by = |name: &str| match (a.get(name), b.get(name)) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    by("job").then_with(|| by("instance")).then_with(|| label_order(a, b))
}

/// The order of label sets (`model.LabelSet.Before`): fewer labels first; then the set that lacks
/// the first name that is not in both; then by values.
fn label_order(a: &Labels, b: &Labels) -> Ordering {
    let mut names: Vec<&str> = a.iter().chain(b.iter()).map(|(name, _)| name).collect();
    names.sort_unstable();
    let by_values = names.into_iter().map(|name| match (a.get(name), b.get(name)) {
        (None, _) => Ordering::Less,
        (_, None) => Ordering::Greater,
        (Some(a), Some(b)) => a.cmp(b),
    });
    let differs = |order: &Ordering| order.is_ne();
    a.len()
        .cmp(&b.len())
        .then_with(|| by_values.into_iter().find(differs).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn label_sets_stand_in_the_order_of_alertmanager() {
        let ordered = [
            labels(&[]),
            labels(&[("a", "2")]),
            labels(&[("b", "1")]),
            labels(&[("a", "1"), ("b", "1")]),
            labels(&[("a", "1"), ("b", "가")]),
        ];
        for (n, a) in ordered.iter().enumerate() {
            for (m, b) in ordered.iter().enumerate() {
                // The set that lacks the first name comes first: {b} before {a}.
                let expected = match (n, m) {
                    (1, 2) => Ordering::Greater,
                    (2, 1) => Ordering::Less,
                    _ => n.cmp(&m),
                };
                assert_eq!(label_order(a, b), expected, "{a} {b}");
            }
        }
        let with_job = labels(&[("job", "z"), ("x", "1")]);
        assert_eq!(alert_order(&with_job, &labels(&[("a", "1")])), Ordering::Less);
    }

    proptest! {
        #[test]
        fn the_order_turns_round(a in prop::collection::btree_map("[ab]", "[12]", 0..3), b in prop::collection::btree_map("[ab]", "[12]", 0..3)) {
            let (a, b): (Labels, Labels) = (a.iter().collect(), b.iter().collect());
            prop_assert_eq!(label_order(&a, &b), label_order(&b, &a).reverse());
            prop_assert_eq!(label_order(&a, &b).is_eq(), a == b);
        }
    }
}
