//! How often a ranking names the cause first, and early.

use std::collections::BTreeMap;

use nightcrew_detect::quantile::{median, quantile, sorted};
use nightcrew_detect::rank::{Ranked, rank};

use crate::microservices::{Case, Fault, case};

/// The shares of cases with the cause among the first one, three and five, and their mean over
/// one to five: `AC@1`, `AC@3`, `AC@5`, `Avg@5`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accuracy {
    n: f64,
    first: [f64; 5],
}

impl Accuracy {
    fn add(&mut self, names: &[String], cause: &str) {
        self.n += 1.0;
        let place = names.iter().position(|name| name == cause).unwrap_or(usize::MAX);
        for (k, hits) in self.first.iter_mut().enumerate() {
            *hits += if place <= k { 1.0 } else { 0.0 };
        }
    }

    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.first.iter_mut().zip(other.first).for_each(|(sum, more)| *sum += more);
    }

    /// The share with the cause among the first `k`.
    pub(crate) fn at(&self, k: usize) -> f64 {
        self.first[k - 1] / self.n.max(1.0)
    }

    /// The mean of the shares for the first one to five.
    pub(crate) fn average(&self) -> f64 {
        self.first.iter().sum::<f64>() / 5.0 / self.n.max(1.0)
    }

    /// As a row of a table.
    pub(crate) fn row(&self) -> String {
        let (one, three, five, all) = (self.at(1), self.at(3), self.at(5), self.average());
        format!("{one:5.2} {three:5.2} {five:5.2} {all:5.2}")
    }
}

/// A way of ranking: the names, best first.
pub(crate) type Ranking = fn(&Case) -> Vec<String>;

/// The accuracy of each way of ranking, by fault, over `n` cases of every fault.
pub(crate) fn of(n: u64, seed: u64, rankings: &[Ranking]) -> Vec<Vec<(Fault, Accuracy)>> {
    let mut rows = vec![Vec::new(); rankings.len()];
    for (fault, n_fault) in Fault::ALL.into_iter().zip(0_u64..) {
        let mut accuracies = vec![Accuracy::default(); rankings.len()];
        for one in 0..n {
            let case = case(seed + n_fault * 1_000_000 + one, fault);
            for (ranking, accuracy) in rankings.iter().zip(&mut accuracies) {
                accuracy.add(&ranking(&case), &case.cause);
            }
        }
        for (rows, accuracy) in rows.iter_mut().zip(accuracies) {
            rows.push((fault, accuracy));
        }
    }
    rows
}

/// The accuracy over all faults.
pub(crate) fn total(rows: &[(Fault, Accuracy)]) -> Accuracy {
    let mut total = Accuracy::default();
    rows.iter().for_each(|(_, accuracy)| total.merge(accuracy));
    total
}

/// As this project ranks.
pub(crate) fn ours(case: &Case) -> Vec<String> {
    names(&rank(&case.series, &case.edges, case.at))
}

/// As this project ranks without knowing who calls whom.
pub(crate) fn without_edges(case: &Case) -> Vec<String> {
    names(&rank(&case.series, &[], case.at))
}

fn names(ranked: &[Ranked]) -> Vec<String> {
    ranked.iter().map(|one| one.component.to_string()).collect()
}

/// As the scorer of BARO ranks (Pham et al., FSE 2024): the metric with the largest distance of
/// any later value above the earlier median, in earlier interquartile ranges.
pub(crate) fn baro(case: &Case) -> Vec<String> {
    let mut best: BTreeMap<String, f64> = BTreeMap::new();
    for series in &case.series {
        let part = |is_before: bool| {
            let points = series.points.iter();
            sorted(points.filter(|it| (it.at < case.at) == is_before).map(|it| it.value))
        };
        let (before, after) = (part(true), part(false));
        let (Some(center), Some(highest)) = (median(&before), after.last()) else {
            continue;
        };
        let range = quantile(&before, 0.75).unwrap() - quantile(&before, 0.25).unwrap();
        // Memory is compared in megabytes, as there.
        let unit = if series.metric.as_str().contains("mem") { 1e6 } else { 1.0 };
        let scale = if range > 0.0 { range } else { unit };
        let score = best.entry(series.component.to_string()).or_insert(f64::MIN);
        *score = score.max((highest - center) / scale);
    }
    let mut order: Vec<(String, f64)> = best.into_iter().collect();
    order.sort_by(|left, right| right.1.total_cmp(&left.1));
    order.into_iter().map(|(name, _)| name).collect()
}
