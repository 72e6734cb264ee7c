//! From changed metrics to blame: what a component owes to itself, to its callees, to everyone.

use std::collections::{BTreeMap, BTreeSet};

use nightcrew_model::id::{MetricName, ServiceName};

use super::{Because, EVIDENCE_MAX, Edge, Judged, Kind, Ranked};
use crate::quantile::{as_f64, median, sorted};

/// From this number of components on, what half of them share is common to all.
const COMMON_COMPONENTS_MIN: usize = 4;

/// The share of a symptom that an equally strong callee explains.
const EXPLAINED_SHARE: f64 = 0.8;

/// How much of a resource change of a callee may explain symptoms of its callers.
const RESOURCE_EXPLAINS_SHARE: f64 = 0.7;

/// The share of explained symptoms that is added to the blame of the callee.
const TRANSFERRED_SHARE: f64 = 0.25;

/// The share of unexplained symptoms that falls on a callee that has no symptoms of its own to
/// show, such as a database of which only the resources are measured.
const BLIND_SHARE: f64 = 0.35;

/// The same for a callee that shows no symptoms, although they are measured: a slow network
/// before it is seen by its callers alone.
const HEALTHY_SHARE: f64 = 0.2;

/// How many times a caller is taken to wait for one callee at most.
const CALLS: f64 = 4.0;

/// How well latency explains errors, and errors latency.
const ACROSS_SHARE: f64 = 0.7;

/// From this number of metrics of one kind on, a fault moves more than one of them.
const MANY_METRICS: usize = 3;

/// The share of the second of many metrics of one kind.
const SECOND_METRIC_SHARE: f64 = 0.25;

/// How much each further kind of change counts that a component shows.
const NEXT_KIND_SHARE: f64 = 0.3;

/// How much each further caller counts that lays blame on a component.
const NEXT_CALLER_SHARE: f64 = 0.5;

/// What remains of the blame of a component that shows no resources where most do: it is a place
/// to look from, such as the clients' side of a gateway, not a thing that can break.
const VANTAGE_SHARE: f64 = 0.6;

/// The share of the weaker of resources and symptoms that is added to the stronger.
const SECOND_SHARE: f64 = 0.4;

/// How much a change weighs that began first, in strength; less the later it began.
const FIRST_WEIGHT: f64 = 0.4;

/// A change that began this long after the first, in seconds, is not early at all.
const EARLY_SECONDS: f64 = 180.0;

/// A callee whose change began this much later, in seconds, does not explain its caller well.
const LATER_SECONDS: f64 = 120.0;

/// The strength from which on a change is worth naming: about six normal spreads.
const NOTABLE: f64 = 1.4;

/// What a change of this kind says about the component that has it.
fn weight(kind: Kind, rises: bool) -> f64 {
    match (kind, rises) {
        (Kind::Cpu | Kind::Memory | Kind::Disk | Kind::Handles | Kind::Restarts, true) => 1.0,
        (Kind::Latency | Kind::Errors, true) => 0.9,
        (Kind::Network | Kind::Other, true) => 0.7,
        (Kind::Restarts, false) => 0.8,
        (Kind::Memory | Kind::Other, false) => 0.5,
        (Kind::Load, true) | (Kind::Cpu | Kind::Disk | Kind::Handles | Kind::Network, false) => 0.4,
        (Kind::Load, false) => 0.3,
        // Faster or fewer errors: less reaches it.
        (Kind::Latency | Kind::Errors, false) => 0.15,
    }
}

/// Takes from every metric that follows the load what the median component shows of it too.
pub(super) fn take_away_what_all_share(components: &mut BTreeMap<ServiceName, Vec<Judged>>) {
    let mut shared: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
    for judged in components.values() {
        let mut strongest: BTreeMap<Kind, f64> = BTreeMap::new();
        for one in judged.iter().filter(|one| one.evidence.kind.follows_load()) {
            let strength = strongest.entry(one.evidence.kind).or_insert(0.0);
            if one.strength.abs() > strength.abs() {
                *strength = one.strength;
            }
        }
        for (kind, strength) in strongest {
            shared.entry(kind).or_default().push(strength);
        }
    }
    let shared: BTreeMap<Kind, f64> = shared
        .into_iter()
        .filter(|(_, strengths)| strengths.len() >= COMMON_COMPONENTS_MIN)
        .filter_map(|(kind, strengths)| Some((kind, median(&sorted(strengths))?)))
        .collect();
    for one in components.values_mut().flatten() {
        let Some(common) = shared.get(&one.evidence.kind) else {
            continue;
        };
        if common.signum() == one.strength.signum() {
            let left = (one.strength.abs() - common.abs()).max(0.0);
            one.strength = left.copysign(one.strength);
        }
    }
}

/// One symptom of a component.
#[derive(Debug)]
struct Symptom<'a> {
    metric: &'a MetricName,
    kind: Kind,
    strength: f64,
    rise: f64,
}

/// What a component shows, summed up.
#[derive(Debug, Default)]
struct Shown<'a> {
    /// By what belongs to it alone.
    resources: f64,
    /// By each metric of latency and errors that rose.
    symptoms: Vec<Symptom<'a>>,
    /// By a metric that ended.
    silence: f64,
    /// Whether latency or errors are measured at all.
    has_symptom_metrics: bool,
    /// Whether anything else than load, latency and errors is.
    has_resource_metrics: bool,
    /// Seconds from the moment at which its strongest change began.
    onset: Option<f64>,
}

impl<'a> Shown<'a> {
    fn of(judged: &'a [Judged]) -> Self {
        let mut by_kind: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        let mut shown = Self::default();
        let mut strongest = 0.0;
        for one in judged {
            let kind = one.evidence.kind;
            shown.has_symptom_metrics |= kind.is_symptom();
            shown.has_resource_metrics |= !kind.is_symptom() && kind != Kind::Load;
            let weighed = weight(kind, one.strength > 0.0) * one.strength.abs();
            if weighed > strongest && one.onset.is_some() {
                strongest = weighed;
                shown.onset = one.onset;
            }
            if one.evidence.after.is_none() {
                shown.silence = shown.silence.max(weighed);
            } else if kind.is_symptom() && one.strength > 0.0 {
                let metric = &one.evidence.metric;
                shown.symptoms.push(Symptom { metric, kind, strength: weighed, rise: one.rise });
            } else {
                by_kind.entry(kind).or_default().push(weighed);
            }
        }
        shown.resources = together(by_kind.into_values().map(of_kind));
        shown
    }

    /// Its symptoms together, less what callees explain of each.
    fn symptoms(&self, explained: impl Fn(&Symptom<'_>) -> f64) -> f64 {
        let mut by_kind: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        for symptom in &self.symptoms {
            let open = (symptom.strength - explained(symptom)).max(0.0);
            by_kind.entry(symptom.kind).or_default().push(open);
        }
        together(by_kind.into_values().map(of_kind))
    }

    /// How well it explains a symptom of a caller, in strength.
    fn explains(&self, caller: &Self, symptom: &Symptom<'_>) -> f64 {
        let by_symptom = |own: &Symptom<'_>| {
            if own.metric == symptom.metric {
                // A caller cannot become slower by much more than what it waits for.
                let enough = (own.rise * CALLS / symptom.rise.max(f64::MIN_POSITIVE)).min(1.0);
                own.strength * enough
            } else if symptom.kind == own.kind {
                own.strength
            } else {
                // Slow answers time out, and failed ones are asked for again.
                ACROSS_SHARE * own.strength
            }
        };
        let symptoms = self.symptoms.iter().map(by_symptom).fold(0.0, f64::max);
        let resources = RESOURCE_EXPLAINS_SHARE * (self.resources - 0.5 * NOTABLE).max(0.0);
        let resources = if self.has_symptom_metrics { 0.5 * resources } else { resources };
        let part = symptoms.max(resources).max(self.silence).min(symptom.strength);
        match (caller.onset, self.onset) {
            (Some(caller), Some(callee)) if callee > caller + LATER_SECONDS => 0.5 * part,
            _ => part,
        }
    }
}

/// The strength of one kind: its strongest metric, unless there are many and no other moved.
fn of_kind(strengths: Vec<f64>) -> f64 {
    let strengths = sorted(strengths);
    let mut strongest = strengths.iter().rev();
    match (strongest.next(), strongest.next()) {
        (Some(first), Some(second)) if strengths.len() >= MANY_METRICS => {
            first + SECOND_METRIC_SHARE * (second - first)
        }
        (first, _) => first.copied().unwrap_or(0.0),
    }
}

/// The strongest, and a little of each further one.
fn together(strengths: impl Iterator<Item = f64>) -> f64 {
    falling(strengths, NEXT_KIND_SHARE)
}

/// The sum of all, the strongest whole and each further one with a smaller share.
fn falling(strengths: impl Iterator<Item = f64>, share: f64) -> f64 {
    let strengths = sorted(strengths);
    let mut part = 1.0;
    strengths.iter().rev().fold(0.0, |sum, strength| {
        let next = part * strength;
        part *= share;
        sum + next
    })
}

/// What the callees of a component explain of it.
#[derive(Debug, Default)]
struct Explained {
    /// The strength of its symptoms that remains its own.
    open: f64,
    /// The strength that went.
    gone: f64,
    /// The callees by how much they explain, the strongest first.
    by: Vec<ServiceName>,
}

/// Ranks the components by what remains their own.
pub(super) fn rank(components: &BTreeMap<ServiceName, Vec<Judged>>, edges: &[Edge]) -> Vec<Ranked> {
    let shown: BTreeMap<&ServiceName, Shown<'_>> =
        components.iter().map(|(name, judged)| (name, Shown::of(judged))).collect();
    let mut callees: BTreeMap<&ServiceName, BTreeSet<&ServiceName>> = BTreeMap::new();
    for Edge { caller, callee } in edges {
        if caller != callee && shown.contains_key(caller) && shown.contains_key(callee) {
            callees.entry(caller).or_default().insert(callee);
        }
    }
    let mut transferred: BTreeMap<&ServiceName, Vec<f64>> = BTreeMap::new();
    let mut explained: BTreeMap<&ServiceName, Explained> = BTreeMap::new();
    for (name, own) in &shown {
        let callees: Vec<_> = callees
            .get(name)
            .into_iter()
            .flatten()
            .filter_map(|callee| Some((*callee, shown.get(callee)?)))
            .collect();
        let (one, taken) = explain(own, &callees);
        for (callee, part) in taken {
            transferred.entry(callee).or_default().push(part);
        }
        explained.insert(*name, one);
    }
    let first = shown
        .values()
        .filter(|it| it.symptoms(|_| 0.0).max(it.resources) >= NOTABLE)
        .filter_map(|it| it.onset)
        .fold(f64::INFINITY, f64::min);
    let n_with_resources = shown.values().filter(|it| it.has_resource_metrics).count();
    let mut ranked: Vec<Ranked> = shown
        .iter()
        .map(|(name, own)| {
            let explained = explained.remove(*name).unwrap_or_default();
            let taken = transferred.remove(*name).unwrap_or_default();
            let taken = falling(taken.into_iter(), NEXT_CALLER_SHARE);
            let (score, because) = weigh(own, &explained, taken, first);
            let is_vantage = n_with_resources * 2 > shown.len() && !own.has_resource_metrics;
            let score = if is_vantage { VANTAGE_SHARE * score } else { score };
            Ranked {
                component: (*name).clone(),
                score,
                evidence: evidence(components.get(*name).map_or(&[], Vec::as_slice)),
                explained_by: explained.by,
                because,
            }
        })
        .collect();
    ranked.sort_by(|left, right| {
        right.score.total_cmp(&left.score).then_with(|| left.component.cmp(&right.component))
    });
    ranked
}

/// What callees explain of a component, and what blame they take over for it.
fn explain<'a>(
    own: &Shown<'_>,
    callees: &[(&'a ServiceName, &Shown<'_>)],
) -> (Explained, Vec<(&'a ServiceName, f64)>) {
    let of = |callee: &Shown<'_>| {
        own.symptoms.iter().map(|symptom| callee.explains(own, symptom)).fold(0.0, f64::max)
    };
    let most = |symptom: &Symptom<'_>| {
        let parts = callees.iter().map(|(_, callee)| callee.explains(own, symptom));
        EXPLAINED_SHARE * parts.fold(0.0, f64::max)
    };
    let all = own.symptoms(|_| 0.0);
    let open = own.symptoms(most);
    let mut by: Vec<(f64, &'a ServiceName)> =
        callees.iter().map(|(name, callee)| (of(callee), *name)).collect();
    by.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(right.1)));
    let mut taken = Vec::new();
    if let Some((part, name)) = by.first() {
        taken.push((*name, TRANSFERRED_SHARE * part));
    }
    let n_blind = callees.iter().filter(|(_, it)| !it.has_symptom_metrics).count();
    for (name, callee) in callees {
        let (share, n) = if callee.has_symptom_metrics {
            (HEALTHY_SHARE, callees.len())
        } else {
            (BLIND_SHARE, n_blind)
        };
        taken.push((*name, share * open / as_f64(n).sqrt()));
    }
    let by = by.into_iter().filter(|(part, _)| *part >= 0.5 * NOTABLE);
    let by = by.map(|(_, name)| name.clone()).collect();
    (Explained { open, gone: all - open, by }, taken)
}

/// The blame of a component, and the largest part of it.
fn weigh(own: &Shown<'_>, explained: &Explained, taken: f64, first: f64) -> (f64, Because) {
    let parts = [
        (own.resources, Because::OwnResources),
        (explained.open, Because::OwnSymptoms),
        (own.silence, Because::FellSilent),
    ];
    let (strongest, mut because) =
        parts.into_iter().fold((0.0, Because::NothingChanged), |best, part| {
            if part.0 > best.0 { part } else { best }
        });
    let rest: f64 = parts.iter().map(|(part, _)| part).sum::<f64>() - strongest;
    let early = match own.onset {
        Some(onset) if strongest >= NOTABLE => {
            FIRST_WEIGHT * (1.0 - (onset - first) / EARLY_SECONDS).clamp(0.0, 1.0)
        }
        _ => 0.0,
    };
    if taken > strongest && taken >= 0.5 * NOTABLE {
        because = Because::CallersSuffer;
    } else if explained.gone > strongest {
        because = Because::ExplainedByCallees;
    } else if strongest < 0.5 * NOTABLE {
        because = Because::NothingChanged;
    }
    (strongest + SECOND_SHARE * rest + taken + early, because)
}

/// The metrics that changed, the most telling first.
fn evidence(judged: &[Judged]) -> Vec<super::Evidence> {
    let telling = |one: &Judged| weight(one.evidence.kind, one.strength > 0.0) * one.strength.abs();
    let mut changed: Vec<&Judged> = judged.iter().filter(|one| telling(one) > 0.0).collect();
    changed.sort_by(|left, right| {
        telling(right)
            .total_cmp(&telling(left))
            .then_with(|| left.evidence.metric.cmp(&right.evidence.metric))
    });
    changed.into_iter().take(EVIDENCE_MAX).map(|one| one.evidence.clone()).collect()
}
