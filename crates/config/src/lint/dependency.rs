//! Services that need each other in a circle, or that nobody declared.

use std::collections::{BTreeMap, BTreeSet};

use nightcrew_model::id::ServiceName;

use crate::decode::seen::Seen;
use crate::nearest::suggestion;
use crate::problem::{Place, Report};
use crate::settings::Settings;

/// Judges `dependencies` and `depends_on`.
pub(crate) fn check(settings: &Settings, seen: &Seen, report: &mut Report) {
    if !settings.services.is_empty() {
        let mut told: BTreeSet<&ServiceName> = BTreeSet::new();
        for need in &seen.needs {
            let both = [(&need.service, &need.service_place), (&need.needed, &need.needed_place)];
            for (service, place) in both {
                if !settings.services.contains_key(service) && told.insert(service) {
                    unknown(service, place, settings, report);
                }
            }
        }
    }
    let needs = &settings.triage.dependencies.needs;
    let mut done: BTreeSet<&ServiceName> = BTreeSet::new();
    for need in &seen.needs {
        if done.contains(&need.service) {
            continue;
        }
        if let Some(circle) = circle(&need.service, needs) {
            let names: Vec<&str> = circle.iter().map(|name| name.as_str()).collect();
            report
                .warning(
                    need.needed_place.clone(),
                    format!(
                        "the services need each other in a circle: {} → {}; none of them is the \
                         cause of the others",
                        names.join(" → "),
                        need.service
                    ),
                )
                .hint("leave the weakest of these needs out");
            done.extend(circle);
        }
    }
}

fn unknown(service: &ServiceName, place: &Place, settings: &Settings, report: &mut Report) {
    let names = settings.services.keys().map(|name| name.as_str());
    report
        .warning(
            place.clone(),
            format!(
                "no service called {:?} is declared; only alerts can name it",
                service.as_str()
            ),
        )
        .hint(suggestion(service.as_str(), names));
}

/// The way from a service back to itself, if there is one; the shortest.
fn circle<'n>(
    start: &'n ServiceName,
    needs: &'n BTreeMap<ServiceName, Vec<ServiceName>>,
) -> Option<Vec<&'n ServiceName>> {
    let mut before: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in needs.get(at).into_iter().flatten() {
            if next == start {
                let mut way = vec![at];
                let mut here = at;
                while here != start {
                    here = before.get(here)?;
                    way.push(here);
                }
                way.reverse();
                return Some(way);
            }
            if !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}
