//! Root cause ranking: of all components that changed, where did it begin?
//!
//! Each metric of each component is compared with its own normal side, robustly and bounded, as
//! in BARO (Pham et al., FSE 2024).  What a metric speaks about decides what its change means: a
//! resource speaks about the component itself, while latency and errors spread from a callee to
//! its callers, so that what callees explain is taken away from the caller (the idea of CIRCA,
//! Li et al., KDD 2022, without a model to fit) and load that falls everywhere says nothing.
//!
//! **Invariant:** the same series, edges and moment give the same ranking in any order of rows,
//! and every component that has a series is ranked once.

mod blame;
mod deviation;
mod kind;
pub mod rows;

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::id::{MetricName, ServiceName};
use serde::Serialize;

use self::deviation::{Counter, Deviation, Floor, Line, Sides, Told};
pub use self::kind::Kind;
use crate::point::Point;
use crate::quantile::{median, quantile, sorted};

/// One metric of one component, in any order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The component.
    pub component: ServiceName,
    /// The metric; its name tells what it speaks about ([`Kind::of`]).
    pub metric: MetricName,
    /// The values; several series of one component and metric are taken as one.
    pub points: Vec<Point>,
}

/// One component calls another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The one that asks.
    pub caller: ServiceName,
    /// The one that answers.
    pub callee: ServiceName,
}

/// The largest number of metrics of one component that are handed back as evidence.
pub const EVIDENCE_MAX: usize = 8;

/// A component and how likely it is the origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// The component.
    pub component: ServiceName,
    /// How much of what happened begins here; only the order has a meaning.
    pub score: f64,
    /// Its metrics that changed, the most telling first.
    pub evidence: Vec<Evidence>,
    /// The callees that explain its symptoms, the strongest first.
    pub explained_by: Vec<ServiceName>,
    /// Why it stands where it stands.
    pub because: Because,
}

/// Why a component stands where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Its own resources changed.
    OwnResources,
    /// It became slow or failed more, and no callee explains that.
    OwnSymptoms,
    /// Its callers suffer, and of what they call this is the likeliest.
    CallersSuffer,
    /// A metric of it ended while others went on.
    FellSilent,
    /// It became slow or failed more, as callees of it did.
    ExplainedByCallees,
    /// Nothing of it changed.
    NothingChanged,
}

/// One metric that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The metric.
    pub metric: MetricName,
    /// What it speaks about.
    pub kind: Kind,
    /// The normal level.
    pub before: f64,
    /// The level of most of the time after; none: the series ends.
    pub after: Option<f64>,
    /// How far it went at most, in normal spreads; negative when it fell.
    pub deviation: f64,
    /// Since when; none when it never left the normal range for good.
    pub onset: Option<Timestamp>,
}

/// One metric of one component, judged.
#[derive(Clone, Debug)]
struct Judged {
    evidence: Evidence,
    /// Seconds from the moment.
    onset: Option<f64>,
    /// How much it rose at most, in the unit of the metric.
    rise: f64,
    /// Signed and bounded: the logarithm of the deviation.
    strength: f64,
}

/// A deviation of this many spreads is where surprise begins to be worth something.
const SURPRISE_SPREADS: f64 = 2.0;

/// A metric that ends while others go on counts as a change of this many spreads.
const SILENCE_SPREADS: f64 = 20.0;

/// The smallest spread, as a share of the level that the same metric has elsewhere: what is
/// nearly nothing here stays nearly nothing when it doubles.
const PEER_FLOOR_SHARE: f64 = 0.01;

/// The smallest spread where there was nothing before, as a share of the largest level that the
/// same metric reaches anywhere.
const NOTHING_FLOOR_SHARE: f64 = 0.1;

/// The share of the strength that a change keeps when it is a single spike.
const SPIKE_SHARE: f64 = 0.4;

/// The components by how likely the incident began there, best first; equal scores by name.
///
/// `at` is when the incident was seen, a few minutes early or late.  Names in `edges` that no
/// series has are ignored, and so are edges from a component to itself; without edges every
/// component speaks for itself alone.
#[must_use]
pub fn rank(series: &[Series], edges: &[Edge], at: Timestamp) -> Vec<Ranked> {
    let mut components = judge(series, at);
    blame::take_away_what_all_share(&mut components);
    blame::rank(&components, edges)
}

/// Every metric of every component against its own normal side.
fn judge(series: &[Series], at: Timestamp) -> BTreeMap<ServiceName, Vec<Judged>> {
    let mut merged: BTreeMap<(&ServiceName, &MetricName), Vec<&Series>> = BTreeMap::new();
    for one in series {
        merged.entry((&one.component, &one.metric)).or_default().push(one);
    }
    let lines: BTreeMap<_, Line> = merged
        .into_iter()
        .map(|(key, parts)| {
            let points = parts.into_iter().flat_map(|part| &part.points);
            let samples = points.map(|point| (seconds_between(at, point.at), point.value));
            (key, deviation::clean(samples, counter(key.1.as_str())))
        })
        .collect();
    let ends = lines.values().filter_map(|line| line.last()).map(|(end, _)| *end);
    let end = ends.fold(0.0, f64::max);
    let told: BTreeMap<_, Told> =
        lines.iter().map(|(key, line)| (*key, deviation::compare(line, end))).collect();
    let floors = peer_floors(&told);
    let mut components: BTreeMap<ServiceName, Vec<Judged>> = BTreeMap::new();
    for ((component, metric), told) in told {
        let judged = components.entry(component.clone()).or_default();
        let floor = floors.get(metric).copied().unwrap_or_default();
        judged.extend(judge_one(metric, &told, floor, at));
    }
    components
}

fn judge_one(metric: &MetricName, told: &Told, floor: Floor, at: Timestamp) -> Option<Judged> {
    let kind = Kind::of(metric.as_str());
    let (before, after, deviation) = match told {
        Told::Nothing => return None,
        Told::Silent(center) => {
            let silence =
                Deviation { spreads: -SILENCE_SPREADS, rise: 0.0, lasting: 1.0, onset: None };
            (*center, None, silence)
        }
        Told::Both(sides) => (sides.center, Some(sides.settled), sides.deviation(floor)),
    };
    let Deviation { spreads, rise, lasting, onset } = deviation;
    let kept = SPIKE_SHARE + (1.0 - SPIKE_SHARE) * lasting;
    let strength = kept * (spreads.abs() / SURPRISE_SPREADS).ln_1p().copysign(spreads);
    let evidence = Evidence {
        metric: metric.clone(),
        kind,
        before,
        after,
        deviation: spreads,
        onset: onset.and_then(|seconds| moment(at, seconds)),
    };
    Some(Judged { evidence, onset, strength, rise })
}

/// The smallest spread of each metric by the level that it has at components that have it.
fn peer_floors(told: &BTreeMap<(&ServiceName, &MetricName), Told>) -> BTreeMap<MetricName, Floor> {
    let mut levels: BTreeMap<MetricName, Vec<f64>> = BTreeMap::new();
    for ((_, metric), told) in told {
        if let Told::Both(sides) = told {
            levels.entry((*metric).clone()).or_default().push(Sides::level(sides));
        }
    }
    levels
        .into_iter()
        .map(|(metric, levels)| {
            let levels = sorted(levels);
            let typical = median(&levels).unwrap_or(0.0);
            let largest = levels.last().copied().unwrap_or(0.0);
            // Errors are none nearly everywhere: there the larger ones are the measure.
            let large = quantile(&levels, 0.9).unwrap_or(0.0);
            let usual = PEER_FLOOR_SHARE * typical.max(0.2 * large);
            (metric, Floor { usual, from_nothing: (NOTHING_FLOOR_SHARE * largest).max(usual) })
        })
        .collect()
}

/// Whether a series of that name may count up for ever, as counters of Prometheus do.
fn counter(metric: &str) -> Counter {
    let name = metric.to_lowercase();
    if ["total", "count", "sum", "counter"].iter().any(|end| name.ends_with(end)) {
        return Counter::Named;
    }
    match Kind::of(metric) {
        Kind::Memory | Kind::Handles | Kind::Latency => Counter::Never,
        Kind::Errors
        | Kind::Load
        | Kind::Cpu
        | Kind::Disk
        | Kind::Network
        | Kind::Restarts
        | Kind::Other => Counter::Possible,
    }
}

fn seconds_between(at: Timestamp, then: Timestamp) -> f64 {
    then.duration_since(at).as_secs_f64()
}

fn moment(at: Timestamp, seconds: f64) -> Option<Timestamp> {
    let span = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    at.checked_add(span).ok()
}

#[cfg(test)]
mod tests;
