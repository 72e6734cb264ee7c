//! What an executor has around it: the clock, the network, and what was seen last.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::sample::{Observation, Reading, Sample};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

/// A sample that is older says nothing any more.
pub const SAMPLE_AGE_MAX: Millis = Millis::from_secs(120);

/// What actions need beside themselves.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The time.
    pub clock: Clock,
    /// The network, and the Docker Engine over its socket.
    pub http: Http,
    /// What was seen last.
    pub sight: Sight,
}

impl Surroundings {
    /// The network and nothing seen.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, http: Http::net(), sight: Sight::default() }
    }
}

/// What was seen last, as the caller knows it.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The newest sample of every target and metric that matters; of several of the same, the
    /// newest counts.
    pub samples: Vec<Sample>,
    /// Which services a service needs.
    pub needs: BTreeMap<ServiceName, Vec<ServiceName>>,
}

impl Sight {
    /// The newest readings of a metric of a service and its parts that are not older than
    /// [`SAMPLE_AGE_MAX`].
    pub(crate) fn fresh(
        &self,
        service: &ServiceName,
        metric: &str,
        now: Timestamp,
    ) -> impl Iterator<Item = Reading> {
        let mut newest: BTreeMap<&Target, &Sample> = BTreeMap::new();
        let samples = self
            .samples
            .iter()
            .filter(|sample| sample.target.service == *service && sample.metric.as_str() == metric);
        for sample in samples {
            let known = newest.entry(&sample.target).or_insert(sample);
            if sample.at >= known.at {
                *known = sample;
            }
        }
        newest
            .into_values()
            .filter(move |sample| SAMPLE_AGE_MAX.after(sample.at) >= now)
            .filter_map(|sample| match &sample.observation {
                Observation::Read(reading) => Some(*reading),
                Observation::Unknown(_) => None,
            })
    }

    /// The newest fresh number of a metric; of several parts the largest.
    pub(crate) fn number(
        &self,
        service: &ServiceName,
        metric: &str,
        now: Timestamp,
    ) -> Option<f64> {
        let numbers = self.fresh(service, metric, now).filter_map(|reading| match reading {
            Reading::Quantity(quantity) => Some(quantity.value()),
            Reading::Status(_) => None,
        });
        numbers.max_by(f64::total_cmp)
    }
}
