//! How many requests there were: a ratio over a handful says nothing.

use std::collections::HashMap;

use jiff::Timestamp;
use nightcrew_model::id::{MetricName, ServiceName};
use nightcrew_model::sample::{Observation, Reading, Sample};
use nightcrew_model::unit::Millis;
use serde::Serialize;

/// How many requests a metric must be about to say anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MinRequests {
    /// The metric of the same service that counts them.
    pub metric: MetricName,
    /// The smallest reading of it that is enough, in its own unit.
    pub count: f64,
}

/// A count older than this says nothing about now.
pub const FRESH: Millis = Millis::from_secs(10 * 60);

/// The largest number of services whose counts are kept; those of others are not known.
pub const SERVICES_MAX: usize = 10_000;

/// The latest counts of requests, of the metrics that rules name.
#[derive(Debug, Default)]
pub struct Requests {
    wanted: Vec<MetricName>,
    latest: HashMap<(ServiceName, MetricName), (Timestamp, f64)>,
}

impl Requests {
    /// No counts yet, of the metrics that `rules` name.
    #[must_use]
    pub fn about<'a>(rules: impl Iterator<Item = &'a MinRequests>) -> Self {
        let mut wanted: Vec<MetricName> = rules.map(|min| min.metric.clone()).collect();
        wanted.sort();
        wanted.dedup();
        Self { wanted, latest: HashMap::new() }
    }

    /// Takes the count of a sample, where it is one.
    pub fn note(&mut self, sample: &Sample) {
        let Observation::Read(Reading::Quantity(count)) = &sample.observation else {
            return;
        };
        if !self.wanted.contains(&sample.metric) {
            return;
        }
        let key = (sample.target.service.clone(), sample.metric.clone());
        if self.latest.len() < SERVICES_MAX || self.latest.contains_key(&key) {
            self.latest.insert(key, (sample.at, count.value()));
        }
    }

    /// Whether there were too few.  What nobody counted, or not lately, is not called few.
    #[must_use]
    pub fn are_few(&self, min: &MinRequests, service: &ServiceName, at: Timestamp) -> bool {
        // Without rules that name requests nothing is hashed.
        if self.wanted.is_empty() {
            return false;
        }
        let latest = self.latest.get(&(service.clone(), min.metric.clone()));
        latest
            .is_some_and(|(then, count)| Millis::between(*then, at) <= FRESH && *count < min.count)
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::Target;
    use nightcrew_model::unit::{Quantity, Unit};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_a_fresh_count_is_few() {
        let min = MinRequests { metric: "requests_per_min".into(), count: 20.0 };
        let mut requests = Requests::about(std::iter::once(&min));
        let count = |service: &str, value| Sample {
            target: Target::service(service.into()),
            metric: "requests_per_min".into(),
            at: at(0),
            observation: Observation::Read(Reading::Quantity(
                Quantity::new(value, Unit::PerMinute).unwrap(),
            )),
            detail: None,
        };
        requests.note(&count("web", 3.0));
        requests.note(&count("db", 300.0));
        assert!(requests.are_few(&min, &"web".into(), at(60)));
        assert!(!requests.are_few(&min, &"db".into(), at(60)));
        assert!(!requests.are_few(&min, &"unheard".into(), at(60)));
        assert!(!requests.are_few(&min, &"web".into(), at(601)), "it is stale");
        for n in 0..SERVICES_MAX + 5 {
            requests.note(&count(&format!("s{n}"), 1.0));
        }
        assert_eq!(requests.latest.len(), SERVICES_MAX);
    }
}
