//! How far the crew is trusted: a group that protects nothing, an approval that nobody can give
//! in time.

use std::collections::BTreeMap;

use nightcrew_model::approval::Autonomy;
use nightcrew_model::plan::Ask;
use nightcrew_model::unit::Millis;

use crate::problem::{Place, Report};
use crate::settings::{Service, Settings};
use crate::tree::At;

/// Judges groups and the time of approvals.
pub(crate) fn check(root: &At<'_>, settings: &Settings, report: &mut Report) {
    groups(root, settings, report);
    approvals(root, settings, report);
}

fn groups(root: &At<'_>, settings: &Settings, report: &mut Report) {
    let mut members: BTreeMap<&str, Vec<&Service>> = BTreeMap::new();
    for service in settings.services.values() {
        if let Some(group) = &service.group {
            members.entry(group).or_default().push(service);
        }
    }
    for service in members.values().filter_map(|members| match members.as_slice() {
        [one] => Some(one),
        _ => None,
    }) {
        let at = root.get("services").and_then(|at| at.get(service.name.as_str())?.get("group"));
        report
            .warning(
                at.as_ref().map_or_else(|| root.into(), Place::from),
                "no other service is in this group, so it protects nothing",
            )
            .hint("give the same `group` to the services that stand in for each other");
    }
}

/// A person has until `approval_timeout` to answer; by then the next level may be called already.
fn approvals(root: &At<'_>, settings: &Settings, report: &mut Report) {
    let healing = &settings.healing;
    let asks = |autonomy| autonomy == Autonomy::Approve;
    let is_asked = asks(healing.autonomy)
        || healing.ask_from.is_some()
        || settings.services.values().any(|service| service.autonomy.is_some_and(asks))
        || settings
            .playbooks
            .iter()
            .any(|playbook| playbook.steps.iter().any(|step| step.ask == Ask::Always));
    let timeouts = settings.triage.policies.iter().filter_map(|policy| policy.levels.first());
    let shortest = timeouts.map(|level| level.timeout).filter(|it| *it > Millis(0)).min();
    let Some(shortest) = shortest.filter(|it| *it < healing.approval_timeout) else {
        return;
    };
    if !is_asked {
        return;
    }
    let at = root.get("healing");
    report
        .warning(
            at.as_ref().map_or_else(|| root.into(), Place::from),
            format!(
                "an approval waits {}, but the first level of an escalation only {shortest}",
                healing.approval_timeout
            ),
        )
        .hint("make `approval_timeout_seconds` shorter, or the level longer");
}
