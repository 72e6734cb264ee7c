//! The systems that are asked for numbers: each with its own time-out, its own limit of questions
//! in a minute, and its own breaker.
//!
//! Each kind has its file; what they share is here: when a source may be asked, and what is said
//! of its series when it may not or does not answer.
//!
//! **Invariant:** a source that does not answer makes its series `Unknown`, never zero, never
//! healthy, never the number of before.

mod budget;
mod cloudwatch;
mod docker;
mod elasticsearch;
mod exchange;
mod expected;
mod loki;
mod prometheus;
mod reading;
mod scrape;
mod signoz;

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::SourceKind;
use nightcrew_model as model;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::catalogue;
use nightcrew_model::id::{MetricName, ServiceName, SourceName, Target};
use nightcrew_model::sample::{Observation, Reading, Sample, Status, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

use crate::breaker::Breaker;
use crate::sampling::sample;
use crate::source::budget::Budget;
use crate::source::cloudwatch::Cloudwatch;
use crate::source::docker::Docker;
use crate::source::elasticsearch::Elasticsearch;
use crate::source::exchange::Heard;
use crate::source::expected::{missing, nameless, nothing_counted};
use crate::source::loki::Loki;
use crate::source::prometheus::Prometheus;
use crate::source::scrape::Scrape;
use crate::source::signoz::Signoz;

pub use exchange::{ANSWER_BYTES_MAX, REST_MAX};
pub use expected::{EXPECTED_FOR, NAME_BYTES_MAX, SERIES_PER_QUERY_MAX};

/// The largest number of samples of one look at one source.
pub const SAMPLES_PER_LOOK_MAX: usize = 2_000;

/// The part of a source as a target of its own: whether it answers.
pub const ANSWERS: &str = "answers";

/// A source that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum BadSource {
    /// Its kind is not asked here.
    #[error("source `{name}`: the kind `{kind}` is not asked by this version; leave it out")]
    Kind {
        /// The source.
        name: SourceName,
        /// Its kind.
        kind: &'static str,
    },
}

/// Asks one source.
#[derive(Debug)]
pub struct Source {
    name: SourceName,
    kind: Kind,
    breaker: Breaker,
    budget: Budget,
    interval: Millis,
    /// Until when it wants to be left alone.
    rests_until: Option<Timestamp>,
    /// What its last whole look was about.
    known: BTreeSet<(Target, MetricName)>,
    state: State,
}

#[derive(Debug)]
enum Kind {
    Prometheus(Box<Prometheus>),
    Signoz(Box<Signoz>),
    Scrape(Box<Scrape>),
    Loki(Box<Loki>),
    Elasticsearch(Box<Elasticsearch>),
    Cloudwatch(Box<Cloudwatch>),
    Docker(Box<Docker>),
}

/// How asking a source goes.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Its name.
    pub name: SourceName,
    /// Its kind, as the configuration writes it.
    pub kind: &'static str,
    /// Whether the last look that was made was answered by more than refusals; none before the
    /// first.
    pub up: Option<bool>,
    /// When it was last answered.
    pub last_success: Option<Timestamp>,
    /// What went wrong last, and when.
    pub last_error: Option<(Timestamp, String)>,
    /// How many questions it was asked.
    pub questions: u64,
    /// How many samples it gave, and how many of them are unknown, at the last look.
    pub samples: u64,
    /// See `samples`.
    pub unknown: u64,
}

impl Source {
    /// A source that was not asked yet.
    ///
    /// # Errors
    /// When its settings cannot be used.
    pub fn new(
        source: &settings::source::Source,
        breaker: settings::Breaker,
    ) -> Result<Self, BadSource> {
        let word = source.kind.as_str();
        let kind = match &source.kind {
            SourceKind::Prometheus(it) | SourceKind::Victoriametrics(it) => {
                Kind::Prometheus(Box::new(Prometheus::new(source, it)))
            }
            SourceKind::Signoz(it) => Kind::Signoz(Box::new(Signoz::new(source, it))),
            SourceKind::Scrape(it) => Kind::Scrape(Box::new(Scrape::new(source, it))),
            SourceKind::Loki(it) => Kind::Loki(Box::new(Loki::new(source, it))),
            SourceKind::Elasticsearch(it) => {
                Kind::Elasticsearch(Box::new(Elasticsearch::new(source, it)))
            }
            SourceKind::Cloudwatch(it) => Kind::Cloudwatch(Box::new(Cloudwatch::new(source, it))),
            SourceKind::Docker(it) => Kind::Docker(Box::new(Docker::new(source, it))),
        };
        Ok(Self {
            name: source.name.clone(),
            kind,
            breaker: Breaker::new(breaker),
            budget: Budget::new(source.queries_per_minute),
            interval: source.interval,
            rests_until: None,
            known: BTreeSet::new(),
            state: State {
                name: source.name.clone(),
                kind: word,
                up: None,
                last_success: None,
                last_error: None,
                questions: 0,
                samples: 0,
                unknown: 0,
            },
        })
    }

    /// How often it is asked.
    #[must_use]
    pub fn interval(&self) -> Millis {
        self.interval
    }

    /// How asking it goes.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether its last look was about this target.
    #[must_use]
    pub fn is_about(&self, target: &Target) -> bool {
        self.known.iter().any(|(known, _)| known == target)
    }

    /// Asks now, or as soon as the limit of questions allows.  One more sample says whether the
    /// source itself answers: `health_status` of `NAME:answers`.
    pub async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        self.budget.wait(self.questions()).await;
        let at = clock.now();
        if let Some(until) = self.rests_until.filter(|until| at < *until) {
            let rest = Millis::between(at, until);
            let why = Unknown::Failed(format!("not asked: it wants to be left alone for {rest}"));
            return self.not_asked(at, &why);
        }
        if !self.breaker.allow(at) {
            return self.not_asked(at, &Unknown::BreakerOpen);
        }
        let (mut samples, heard) = match &mut self.kind {
            Kind::Prometheus(it) => (it.look(http, clock).await, it.take_heard()),
            Kind::Signoz(it) => (it.look(http, clock).await, it.take_heard()),
            Kind::Scrape(it) => (it.look(http, clock).await, it.take_heard()),
            Kind::Loki(it) => (it.look(http, clock).await, it.take_heard()),
            Kind::Elasticsearch(it) => (it.look(http, clock).await, it.take_heard()),
            Kind::Cloudwatch(it) => (it.look(http, clock).await, it.take_heard()),
            Kind::Docker(it) => (it.look(http, clock).await, it.take_heard()),
        };
        if samples.len() > SAMPLES_PER_LOOK_MAX {
            tracing::warn!(
                source.name = self.name.as_str(),
                samples = samples.len(),
                samples_max = SAMPLES_PER_LOOK_MAX,
                "a source gave more samples than are kept; the last ones are left out"
            );
            samples.truncate(SAMPLES_PER_LOOK_MAX);
        }
        self.learn(at, &samples, heard);
        // What nobody has seen yet is nobody's: it is told as trouble of the source.
        let nameless = nameless(&self.name);
        samples.retain(|sample| sample.target != nameless);
        let key = |sample: &Sample| (sample.target.clone(), sample.metric.clone());
        self.known = samples.iter().map(key).collect();
        let health = match (heard.rest, self.state.up) {
            (Some(rest), _) => {
                Err(Unknown::Failed(format!("it wants to be left alone for {rest}")))
            }
            (None, Some(true)) => Ok(Reading::Status(Status::Passing)),
            (None, _) => Ok(Reading::Status(Status::Failing)),
        };
        samples.push(self.health(at, health));
        samples
    }

    /// What was before the first look, oldest first, where the settings want it: numbers only, and
    /// only once.  It is for what learns, and no reason for an alarm.
    pub async fn history(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        // Only a Prometheus keeps a past that is asked for.
        let Kind::Prometheus(it) = &mut self.kind else { return Vec::new() };
        if !it.wants_history() {
            return Vec::new();
        }
        self.budget.wait(it.questions()).await;
        it.history(http, clock).await
    }

    /// The alerts that fire there, where they are to be taken over and could be asked for.  None:
    /// nobody knows, so none of those that were there has ended.
    pub fn alerts(&mut self) -> Option<Vec<IncomingAlert>> {
        match &mut self.kind {
            Kind::Prometheus(it) => it.take_alerts(),
            Kind::Signoz(it) => it.take_alerts(),
            Kind::Scrape(_)
            | Kind::Loki(_)
            | Kind::Elasticsearch(_)
            | Kind::Cloudwatch(_)
            | Kind::Docker(_) => None,
        }
    }

    /// By what way its alerts come; none where it has none.
    #[must_use]
    pub fn alerts_come_as(&self) -> Option<model::alert::Source> {
        match &self.kind {
            Kind::Prometheus(_) => Some(model::alert::Source::Prometheus),
            Kind::Signoz(_) => Some(model::alert::Source::Signoz),
            Kind::Scrape(_)
            | Kind::Loki(_)
            | Kind::Elasticsearch(_)
            | Kind::Cloudwatch(_)
            | Kind::Docker(_) => None,
        }
    }

    fn questions(&self) -> usize {
        match &self.kind {
            Kind::Prometheus(it) => it.questions(),
            Kind::Signoz(it) => it.questions(),
            Kind::Scrape(_) => 1,
            Kind::Loki(it) => it.questions(),
            Kind::Elasticsearch(it) => it.questions(),
            Kind::Cloudwatch(it) => it.questions(),
            Kind::Docker(it) => it.questions(),
        }
    }

    /// What is said of everything that was known when it is not asked.
    fn not_asked(&self, at: Timestamp, why: &Unknown) -> Vec<Sample> {
        let one = |(target, metric): &(Target, MetricName)| {
            sample(at, target, metric.as_str(), Err(why.clone()), None)
        };
        let mut samples: Vec<Sample> = self.known.iter().map(one).collect();
        samples.push(self.health(at, Err(why.clone())));
        samples
    }

    fn health(&self, at: Timestamp, seen: Result<Reading, Unknown>) -> Sample {
        let target = Target::part(ServiceName::from(self.name.as_str()), ANSWERS);
        let error = self.state.last_error.as_ref().filter(|(when, _)| *when == at);
        let detail = error.map(|(_, why)| why.clone());
        sample(at, &target, catalogue::HEALTH_STATUS, seen, detail)
    }

    fn learn(&mut self, at: Timestamp, samples: &[Sample], heard: Heard) {
        let state = &mut self.state;
        state.questions += heard.questions;
        state.samples = samples.len() as u64;
        let nameless = nameless(&self.name);
        let unknown: Vec<(&Sample, &Unknown)> = samples
            .iter()
            .filter_map(|sample| match &sample.observation {
                Observation::Unknown(why) => Some((sample, why)),
                Observation::Read(_) => None,
            })
            .collect();
        state.unknown = unknown.len() as u64;
        // A series that is gone, and nothing to count, are told of where they are missing.
        let is_trouble = |(sample, why): &&(&Sample, &Unknown)| {
            sample.target == nameless || (**why != missing() && **why != nothing_counted())
        };
        if let Some((sample, why)) = unknown.iter().find(is_trouble) {
            state.last_error = Some((at, format!("{}: {why}", sample.metric)));
        }
        // Who answers nothing but refusals is of no more use than who is silent.
        let is_refusal = |(_, why): &(&Sample, &Unknown)| match why {
            Unknown::TimedOut(_) => true,
            Unknown::Failed(_) => **why != missing() && **why != nothing_counted(),
            Unknown::BreakerOpen | Unknown::NotPlausible(_) | Unknown::Absent => false,
        };
        let is_blind =
            !samples.is_empty() && unknown.len() == samples.len() && unknown.iter().all(is_refusal);
        let is_up = heard.answered && !is_blind;
        state.up = Some(is_up);
        if is_up {
            state.last_success = Some(at);
        }
        if heard.answered {
            self.breaker.success();
        } else {
            self.breaker.failure(at);
        }
        self.rests_until = heard.rest.map(|rest| rest.after(at));
    }
}
