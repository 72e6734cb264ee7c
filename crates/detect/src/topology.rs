//! Who calls whom, learned from the spans of traces.
//!
//! A span of one service whose parent is a span of another one is a call from the other to the
//! one.  Spans of a trace come in in any order and in different requests, so both sides wait for
//! each other in tables of a fixed size.  What a client names as its peer is an edge too: a
//! database has no spans of its own.
//!
//! **Invariant:** at most [`EDGES_MAX`] edges and [`SPANS_REMEMBERED_MAX`] spans are kept; an edge
//! loses half of its weight in [`HALF_LIFE`], and its place when it is the weakest.

use std::collections::{BTreeMap, HashMap, VecDeque};

use jiff::Timestamp;
use nightcrew_model::id::ServiceName;
use nightcrew_model::telemetry::{SpanKind, SpanSeen};
use nightcrew_model::unit::Millis;

use crate::rank::Edge;

/// How many edges are kept.
pub const EDGES_MAX: usize = 2_000;

/// How many spans wait for their parents or children, each way.
pub const SPANS_REMEMBERED_MAX: usize = 20_000;

/// After how long a call counts half.
pub const HALF_LIFE: Millis = Millis::from_secs(3_600);

/// How long an edge that is not seen again is kept: a weekly job calls once a week.
pub const EDGE_IDLE_MAX: Millis = Millis::from_secs(8 * 24 * 3_600);

/// The graph of calls.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    edges: BTreeMap<Edge, Weight>,
    /// Whose span it is.
    owners: Remembered<ServiceName>,
    /// The services whose spans wait for a parent.
    orphans: Remembered<ServiceName>,
}

/// How much an edge is used.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Weight {
    /// Calls, those of long ago counting less, as of the last one.
    calls: f64,
    first: Timestamp,
    last: Timestamp,
}

/// An edge and how it was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Who calls whom.
    pub edge: Edge,
    /// Calls, a call of [`HALF_LIFE`] ago counting half.
    pub calls: f64,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
}

/// A span of a trace.
type SpanKey = (u128, u64);

/// What is kept of the latest spans.
#[derive(Clone, Debug)]
struct Remembered<T> {
    by_span: HashMap<SpanKey, T>,
    order: VecDeque<SpanKey>,
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { by_span: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Remembered<T> {
    fn keep(&mut self, key: SpanKey, what: T) {
        if self.by_span.insert(key, what).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > SPANS_REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_span.remove(&oldest);
        }
    }
}

impl Topology {
    /// Learns from spans that came in now.
    pub fn learn(&mut self, spans: &[SpanSeen], now: Timestamp) {
        for span in spans {
            self.owners.keep((span.trace, span.span), span.service.clone());
            if let Some(child) = self.orphans.by_span.remove(&(span.trace, span.span)) {
                self.call(&span.service, &child, now);
            }
            if let Some(peer) = &span.peer {
                self.call(&span.service, peer, now);
            }
            // Work inside a service has its parent there, and so has what it asks for.
            let comes_in = matches!(span.kind, SpanKind::Server | SpanKind::Consumer);
            let Some(parent) = span.parent.filter(|_| comes_in) else { continue };
            let parent = (span.trace, parent);
            match self.owners.by_span.get(&parent).cloned() {
                Some(caller) => self.call(&caller, &span.service, now),
                None => self.orphans.keep(parent, span.service.clone()),
            }
        }
    }

    fn call(&mut self, caller: &ServiceName, callee: &ServiceName, now: Timestamp) {
        if caller == callee {
            return;
        }
        let edge = Edge { caller: caller.clone(), callee: callee.clone() };
        if let Some(weight) = self.edges.get_mut(&edge) {
            weight.calls = decayed(*weight, now) + 1.0;
            weight.last = weight.last.max(now);
            return;
        }
        if self.edges.len() >= EDGES_MAX {
            self.drop_weakest(now);
        }
        self.edges.insert(edge, Weight { calls: 1.0, first: now, last: now });
    }

    fn drop_weakest(&mut self, now: Timestamp) {
        self.forget(now);
        if self.edges.len() < EDGES_MAX {
            return;
        }
        let weakest = self
            .edges
            .iter()
            .min_by(|(_, a), (_, b)| decayed(**a, now).total_cmp(&decayed(**b, now)))
            .map(|(edge, _)| edge.clone());
        if let Some(weakest) = weakest {
            self.edges.remove(&weakest);
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.edges.retain(|_, weight| EDGE_IDLE_MAX.after(weight.last) > now);
    }

    /// The edges that are known now, in the order of their names.
    #[must_use]
    pub fn learned(&self, now: Timestamp) -> Vec<Learned> {
        let known = self.edges.iter().filter(|(_, weight)| EDGE_IDLE_MAX.after(weight.last) > now);
        known
            .map(|(edge, weight)| Learned {
                edge: edge.clone(),
                calls: decayed(*weight, now),
                first: weight.first,
                last: weight.last,
            })
            .collect()
    }
}

fn decayed(weight: Weight, now: Timestamp) -> f64 {
    let half_lives =
        now.duration_since(weight.last).as_secs_f64().max(0.0) / HALF_LIFE.duration().as_secs_f64();
    weight.calls * (-half_lives).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn span(service: &str, trace: u128, id: u64, parent: u64, kind: SpanKind) -> SpanSeen {
        SpanSeen {
            service: service.into(),
            trace,
            span: id,
            parent: (parent != 0).then_some(parent),
            kind,
            failed: false,
            duration_ms: Some(1.0),
            peer: None,
        }
    }

    /// `web` asks `주문`, which asks its database.
    fn trace(n: u64) -> Vec<SpanSeen> {
        let trace = u128::from(n) + 1;
        let mut spans = vec![
            span("web", trace, 1, 0, SpanKind::Server),
            span("web", trace, 2, 1, SpanKind::Client),
            span("주문", trace, 3, 2, SpanKind::Server),
            span("주문", trace, 4, 3, SpanKind::Internal),
            span("주문", trace, 5, 4, SpanKind::Client),
        ];
        spans[4].peer = Some("postgresql".into());
        spans
    }

    fn pairs(topology: &Topology, now: Timestamp) -> Vec<(String, String)> {
        let learned = topology.learned(now).into_iter();
        learned.map(|one| (one.edge.caller.into(), one.edge.callee.into())).collect()
    }

    #[test]
    fn calls_are_learned_across_services_and_named_peers() {
        let mut topology = Topology::default();
        topology.learn(&trace(0), at(0));
        let wanted = [("web", "주문"), ("주문", "postgresql")]
            .map(|(caller, callee)| (caller.to_owned(), callee.to_owned()));
        assert_eq!(pairs(&topology, at(0)), wanted);
        let an_hour_later = topology.learned(at(3_600));
        assert!((an_hour_later[0].calls - 0.5).abs() < 1e-9);
        assert_eq!(pairs(&topology, at(9 * 24 * 3_600)), []);
    }

    #[test]
    fn edges_and_spans_are_bounded_and_the_weakest_edge_goes() {
        let mut topology = Topology::default();
        for n in 0..EDGES_MAX + 10 {
            let mut call = span(&format!("s{n}"), 1, n as u64 + 1, 0, SpanKind::Client);
            call.peer = Some("db".into());
            topology.learn(&[call.clone()], at(0));
            if n == 0 {
                topology.learn(&[call], at(0));
            }
        }
        assert_eq!(topology.edges.len(), EDGES_MAX);
        assert!(pairs(&topology, at(0)).contains(&("s0".into(), "db".into())), "called twice");
        for n in 0..=SPANS_REMEMBERED_MAX as u64 {
            topology.learn(&[span("x", 2, n + 1, u64::MAX - n, SpanKind::Server)], at(0));
        }
        assert_eq!(topology.owners.by_span.len(), SPANS_REMEMBERED_MAX);
        assert_eq!(topology.orphans.by_span.len(), SPANS_REMEMBERED_MAX);
    }

    proptest! {
        #[test]
        fn the_order_in_which_spans_come_does_not_matter(seed in any::<u64>(), parts in 1_usize..5) {
            let mut spans: Vec<SpanSeen> = (0..3).flat_map(trace).collect();
            spans.sort_by_key(|span| {
                (span.span ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.rotate_left(7)
            });
            let mut topology = Topology::default();
            for part in spans.chunks(spans.len().div_ceil(parts)) {
                topology.learn(part, at(0));
            }
            let counts: Vec<f64> =
                topology.learned(at(0)).iter().map(|learned| learned.calls).collect();
            prop_assert_eq!(counts, [3.0, 3.0]);
        }
    }
}
