//! The ranking over seeded microservices with injected faults.

use crate::accuracy;

/// Cases of every fault.
const CASES: u64 = 2;

#[test]
fn the_cause_is_named_first_more_often_than_by_the_largest_deviation() {
    let rankings = [accuracy::ours, accuracy::without_edges, accuracy::baro];
    let rows = accuracy::of(CASES, 1, &rankings);
    let totals: Vec<_> = rows.iter().map(|rows| accuracy::total(rows)).collect();
    let [ours, without_edges, baro] = totals[..] else { panic!("three rankings") };
    assert!(ours.at(1) > baro.at(1), "{} against {}", ours.row(), baro.row());
    assert!(ours.average() > baro.average(), "{} against {}", ours.row(), baro.row());
    assert!(without_edges.average() > baro.average(), "{}", without_edges.row());
}
