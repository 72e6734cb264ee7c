//! Rate, errors and duration of every service, from its spans, over the last minute.
//!
//! A request is a span by which a service is entered: a server's or consumer's, or the first of
//! its trace.  The minute is counted by arrival, because the clocks of services differ, and moves in
//! steps of [`SLOT`].  The idea is that of Tom Wilkie's RED method.
//!
//! **Invariant:** a service from which no span came in the last minute is `Unknown`: nobody knows
//! whether it was not asked or its spans are lost.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::catalogue;
use nightcrew_model::id::{MetricName, ServiceName, Target};
use nightcrew_model::sample::{Observation, Reading, Sample, Unknown};
use nightcrew_model::telemetry::{SpanKind, SpanSeen};
use nightcrew_model::unit::{Millis, Quantity, Unit};

use crate::quantile::{as_f64, floor_index};

/// The steps in which the minute moves.
pub const SLOT: Millis = Millis::from_secs(5);

/// How many of them make a minute.
const SLOTS: usize = 12;

/// How many services are followed; spans of further ones are counted nowhere.
pub const SERVICES_MAX: usize = 500;

/// After how long without a span a service is forgotten.
pub const SERVICE_IDLE_MAX: Millis = Millis::from_secs(3_600);

/// The shortest duration that is told apart, in milliseconds.
const SHORTEST_MS: f64 = 0.05;

/// How much wider than the last one each class of durations is: a quantile is off by 4 % at most.
const GROWTH: f64 = 1.08;

/// How many classes there are; the last one ends above 20 minutes.
const CLASSES: usize = 224;

/// The share of requests that are at most as slow as what is told.
const SHARE: f64 = 0.99;

/// What was asked of each service in the last minute.
#[derive(Clone, Debug, Default)]
pub struct Red {
    services: BTreeMap<ServiceName, Window>,
}

#[derive(Clone, Debug)]
struct Window {
    slots: Vec<Slot>,
    last: Timestamp,
    /// The first slot in which something came: before a minute is over, the rate is known over a
    /// shorter time.
    first_slot: i64,
}

/// What came in a few seconds.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Which one, counted since 1970.
    number: i64,
    n_requests: usize,
    n_failed: usize,
    /// By class of duration; empty until there is one.
    classes: Vec<u32>,
}

fn slot_of(at: Timestamp) -> i64 {
    at.as_millisecond().div_euclid(i64::try_from(SLOT.0).unwrap_or(i64::MAX))
}

/// The class of a duration.
fn class_of(duration_ms: f64) -> usize {
    let place = (duration_ms.max(SHORTEST_MS) / SHORTEST_MS).ln() / GROWTH.ln();
    floor_index(place).min(CLASSES - 1)
}

/// The middle of a class, in milliseconds.
fn duration_of(class: usize) -> f64 {
    SHORTEST_MS * GROWTH.powf(as_f64(class) + 0.5)
}

impl Red {
    /// Counts the requests among spans that came in now.
    pub fn count(&mut self, spans: &[SpanSeen], now: Timestamp) {
        for span in spans {
            let is_request = match span.kind {
                SpanKind::Server | SpanKind::Consumer => true,
                SpanKind::Internal => span.parent.is_none(),
                SpanKind::Client | SpanKind::Producer => false,
            };
            if !is_request {
                continue;
            }
            let n_services = self.services.len();
            if n_services >= SERVICES_MAX && !self.services.contains_key(&span.service) {
                continue;
            }
            let fresh = || Window { slots: Vec::new(), last: now, first_slot: slot_of(now) };
            let window = self.services.entry(span.service.clone()).or_insert_with(fresh);
            window.last = window.last.max(now);
            window.count(span, slot_of(now));
        }
    }

    /// How every known service did over the last minute: three samples each.
    pub fn samples(&mut self, now: Timestamp) -> Vec<Sample> {
        self.services.retain(|_, window| SERVICE_IDLE_MAX.after(window.last) > now);
        let mut samples = Vec::new();
        for (service, window) in &mut self.services {
            let target = Target::service(service.clone());
            for (metric, seen) in window.told(slot_of(now)) {
                let observation = match seen {
                    Ok(quantity) => Observation::Read(Reading::Quantity(quantity)),
                    Err(why) => Observation::Unknown(why),
                };
                samples.push(Sample {
                    target: target.clone(),
                    metric: MetricName::from(metric),
                    at: now,
                    observation,
                    detail: None,
                });
            }
        }
        samples
    }
}

impl Slot {
    fn count(&mut self, span: &SpanSeen) {
        self.n_requests += 1;
        self.n_failed += usize::from(span.failed);
        let Some(duration_ms) = span.duration_ms.filter(|ms| ms.is_finite()) else { return };
        if self.classes.is_empty() {
            self.classes = vec![0; CLASSES];
        }
        if let Some(count) = self.classes.get_mut(class_of(duration_ms)) {
            *count = count.saturating_add(1);
        }
    }
}

impl Window {
    fn count(&mut self, span: &SpanSeen, number: i64) {
        self.forget(number);
        if !self.slots.iter().any(|slot| slot.number == number) {
            self.slots.push(Slot { number, ..Slot::default() });
        }
        for slot in self.slots.iter_mut().filter(|slot| slot.number == number) {
            slot.count(span);
        }
    }

    /// Lets go of what came more than a minute before this slot.
    fn forget(&mut self, now: i64) {
        let minute = i64::try_from(SLOTS).unwrap_or(i64::MAX);
        self.slots.retain(|slot| slot.number > now - minute && slot.number <= now);
    }

    fn told(&mut self, now: i64) -> [(&'static str, Result<Quantity, Unknown>); 3] {
        self.forget(now);
        let n_requests: usize = self.slots.iter().map(|slot| slot.n_requests).sum();
        let n_failed: usize = self.slots.iter().map(|slot| slot.n_failed).sum();
        let n_slots = usize::try_from(now - self.first_slot + 1).unwrap_or(1).clamp(1, SLOTS);
        let silent = || Err(Unknown::Failed("no span came in the last minute".to_owned()));
        let told = |value: Option<f64>, unit| match value.and_then(|v| Quantity::new(v, unit)) {
            Some(quantity) => Ok(quantity),
            None => silent(),
        };
        let some = (n_requests > 0).then_some(());
        let per_minute = some.map(|()| as_f64(n_requests) * as_f64(SLOTS) / as_f64(n_slots));
        let ratio = some.map(|()| as_f64(n_failed) / as_f64(n_requests));
        [
            (catalogue::REQUESTS_PER_MIN, told(per_minute, Unit::PerMinute)),
            (catalogue::ERROR_RATIO, told(ratio, Unit::Ratio)),
            (catalogue::LATENCY_P99_MS, told(self.quantile(), Unit::Milliseconds)),
        ]
    }

    /// The duration that [`SHARE`] of the requests do not exceed, in milliseconds.
    fn quantile(&self) -> Option<f64> {
        let count = |class| {
            let counts = self.slots.iter().filter_map(|slot| slot.classes.get(class));
            counts.fold(0_usize, |sum, count| sum.saturating_add(*count as usize))
        };
        let total: usize = (0..CLASSES).map(count).sum();
        let wanted = as_f64(total) * SHARE;
        let mut reached = 0;
        let class = (0..CLASSES).find(|class| {
            reached += count(*class);
            reached > 0 && as_f64(reached) >= wanted
        })?;
        Some(duration_of(class))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    fn request(service: &str, duration_ms: f64, failed: bool) -> SpanSeen {
        SpanSeen {
            service: service.into(),
            trace: 1,
            span: 1,
            parent: Some(7),
            kind: SpanKind::Server,
            failed,
            duration_ms: Some(duration_ms),
            peer: None,
        }
    }

    fn value(samples: &[Sample], metric: &str) -> Option<f64> {
        let sample = samples.iter().find(|sample| sample.metric.as_str() == metric).unwrap();
        match &sample.observation {
            Observation::Read(Reading::Quantity(quantity)) => Some(quantity.value()),
            Observation::Read(Reading::Status(_)) | Observation::Unknown(_) => None,
        }
    }

    #[test]
    fn a_minute_of_requests_has_a_rate_errors_and_a_duration() {
        let mut red = Red::default();
        for second in 0..60 {
            let slow = if second % 20 == 0 { 900.0 } else { 10.0 };
            red.count(&[request("결제", slow, second % 4 == 0)], at(second));
        }
        let samples = red.samples(at(59));
        assert_eq!(value(&samples, catalogue::REQUESTS_PER_MIN), Some(60.0));
        assert_eq!(value(&samples, catalogue::ERROR_RATIO), Some(0.25));
        let p99 = value(&samples, catalogue::LATENCY_P99_MS).unwrap();
        assert!((p99 / 900.0 - 1.0).abs() < 0.05, "{p99}");
    }

    #[test]
    fn silence_is_unknown_and_later_forgotten() {
        let mut red = Red::default();
        red.count(&[request("결제", 1.0, false)], at(0));
        assert_eq!(value(&red.samples(at(0)), catalogue::REQUESTS_PER_MIN), Some(12.0));
        let silent = red.samples(at(61));
        assert_eq!(silent.len(), 3);
        assert!(silent.iter().all(|sample| matches!(sample.observation, Observation::Unknown(_))));
        assert_eq!(red.samples(at(3_601)), []);
    }

    #[test]
    fn only_entries_into_a_service_are_requests() {
        let mut red = Red::default();
        let of = |kind, parent| SpanSeen { kind, parent, ..request("a", 1.0, false) };
        let inside = [
            of(SpanKind::Client, None),
            of(SpanKind::Producer, None),
            of(SpanKind::Internal, Some(1)),
        ];
        red.count(&inside, at(0));
        assert_eq!(red.samples(at(0)), []);
        red.count(&[of(SpanKind::Internal, None), of(SpanKind::Consumer, Some(2))], at(0));
        assert_eq!(value(&red.samples(at(55)), catalogue::REQUESTS_PER_MIN), Some(2.0));
    }

    #[test]
    fn services_and_durations_are_bounded() {
        let mut red = Red::default();
        for n in 0..SERVICES_MAX + 5 {
            red.count(&[request(&format!("s{n}"), f64::MAX, false)], at(0));
        }
        assert_eq!(red.samples(at(0)).len(), 3 * SERVICES_MAX);
        for odd in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
            assert!(class_of(odd) < CLASSES);
        }
        assert!(duration_of(CLASSES - 1) > 20.0 * 60_000.0);
    }
}
