//! What else moved: series of the same service, and of those it needs, before a finding.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use nightcrew_model::id::ServiceName;

use crate::point::Point;
use crate::rank::{Because, Edge, Evidence, Ranked, Series, rank};

/// The largest number of series that are compared for one finding.
pub const SERIES_MAX: usize = 64;

/// The largest number of services that are named.
const NAMED_MAX: usize = 3;

/// The smallest change that is named, in usual spreads.
const SPREADS_MIN: f64 = 6.0;

/// How deep dependencies are followed.
const DEPTH_MAX: usize = 3;

/// What each service needs.
pub(super) type Needs = BTreeMap<ServiceName, Vec<ServiceName>>;

/// The service and those that it needs, directly or through others, and who calls whom: as the
/// operator says, and as traces taught.
pub(super) fn neighbours(
    service: &ServiceName,
    needs: [&Needs; 2],
) -> (BTreeSet<ServiceName>, Vec<Edge>) {
    let mut known = BTreeSet::from([service.clone()]);
    let mut edges = Vec::new();
    let mut newest = vec![service.clone()];
    for _ in 0..DEPTH_MAX {
        let mut next = Vec::new();
        for caller in newest {
            let callees = needs.iter().filter_map(|needs| needs.get(&caller));
            for callee in callees.flatten() {
                if edges.len() < SERIES_MAX {
                    edges.push(Edge { caller: caller.clone(), callee: callee.clone() });
                }
                if known.len() < SERIES_MAX && known.insert(callee.clone()) {
                    next.push(callee.clone());
                }
            }
        }
        newest = next;
    }
    (known, edges)
}

/// One series that may have moved too.
pub(super) struct Moved {
    pub(super) service: ServiceName,
    pub(super) metric: nightcrew_model::id::MetricName,
    pub(super) points: Vec<Point>,
}

/// What moved, in words; none: nothing else did.
pub(super) fn words(
    moved: Vec<Moved>,
    edges: &[Edge],
    at: Timestamp,
    is_own: impl Fn(&ServiceName, &Evidence) -> bool,
) -> Option<String> {
    let series: Vec<Series> = moved
        .into_iter()
        .map(|it| Series { component: it.service, metric: it.metric, points: it.points })
        .collect();
    let ranked = rank(&series, edges, at);
    let has_moved = |it: &&Ranked| {
        it.because != Because::NothingChanged
            && it.evidence.iter().any(|evidence| evidence.deviation.abs() >= SPREADS_MIN)
    };
    let mut named = Vec::new();
    for ranked in ranked.iter().filter(has_moved).take(NAMED_MAX) {
        let telling = ranked.evidence.iter().find(|evidence| {
            evidence.deviation.abs() >= SPREADS_MIN && !is_own(&ranked.component, evidence)
        });
        if let Some(evidence) = telling {
            named.push(evidence_words(&ranked.component, evidence));
        }
    }
    (!named.is_empty())
        .then(|| format!("; also moved, the likelier origin first: {}", named.join("; ")))
}

fn evidence_words(component: &ServiceName, evidence: &Evidence) -> String {
    let Evidence { metric, before, after, onset, .. } = evidence;
    let since =
        onset.map_or(String::new(), |onset| format!(" since {}", onset.strftime("%H:%M:%S")));
    match after {
        Some(after) => {
            format!("{component} {metric} {} to {}{since}", short(*before), short(*after))
        }
        None => format!("{component} {metric} fell silent{since}"),
    }
}

fn short(value: f64) -> String {
    super::picture::amount(value, nightcrew_model::unit::Unit::Count)
}
