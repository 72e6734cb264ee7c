//! What is known where an expression is asked: the latest looks at a target, and what the steps of
//! an attempt found.
//!
//! A metric that nobody looks at for the target itself is that of its service as a whole, or else
//! that of the machine.

use jiff::Timestamp;
use nightcrew_model::expression::Known;
use nightcrew_model::id::{MetricName, ServiceName, StepName, Target};
use nightcrew_model::plan::{ResultKey, ResultValue};
use nightcrew_model::sample::{Observation, Sample};
use nightcrew_model::unit::Millis;

use crate::incident::Results;
use crate::state::State;

/// A sample older than this is no ground for an action.
pub(crate) const EVIDENCE_AGE_MAX: Millis = Millis::from_secs(120);

/// The looks that count.
#[derive(Clone, Copy)]
pub(crate) struct Looks<'a> {
    state: &'a State,
    target: &'a Target,
    /// They are at most [`EVIDENCE_AGE_MAX`] old now.
    now: Option<Timestamp>,
    /// They were taken then or later.
    from: Option<Timestamp>,
    /// They were taken later than that.
    after: Option<Timestamp>,
    results: Option<&'a Results>,
}

impl<'a> Looks<'a> {
    /// Every look there was at a target.
    pub(crate) fn at(state: &'a State, target: &'a Target) -> Self {
        Self { state, target, now: None, from: None, after: None, results: None }
    }

    /// Those that are no older than the last effect on the service.
    pub(crate) fn since_effect(self) -> Self {
        let from = self.state.last_effect.get(&self.target.service).copied();
        Self { from, ..self }
    }

    /// Those that are recent too.
    pub(crate) fn recent(self, now: Timestamp) -> Self {
        Self { now: Some(now), ..self }
    }

    /// Those from a moment on.
    pub(crate) fn from(self, from: Timestamp) -> Self {
        Self { from: Some(from), ..self }
    }

    /// Those that are later than a moment.
    pub(crate) fn after(self, after: Timestamp) -> Self {
        Self { after: Some(after), ..self }
    }

    /// With what steps found.
    pub(crate) fn with(self, results: &'a Results) -> Self {
        Self { results: Some(results), ..self }
    }

    /// The latest look at a metric, if it counts.
    pub(crate) fn sample(&self, metric: &MetricName) -> Option<&'a Sample> {
        let sample = self.state.latest_of(self.target, metric)?;
        let recent = self.now.is_none_or(|now| EVIDENCE_AGE_MAX.after(sample.at) >= now);
        let counts = recent
            && self.from.is_none_or(|from| from <= sample.at)
            && self.after.is_none_or(|after| after < sample.at);
        counts.then_some(sample)
    }
}

impl Known for Looks<'_> {
    fn observation(&self, metric: &MetricName) -> Option<&Observation> {
        self.sample(metric).map(|sample| &sample.observation)
    }

    fn result(&self, step: &StepName, key: &ResultKey) -> Option<&ResultValue> {
        self.results?.get(step)?.get(key)
    }
}

impl State {
    /// The latest look at a metric of a target, of its service, or of the machine.
    fn latest_of(&self, target: &Target, metric: &MetricName) -> Option<&Sample> {
        let of = |target: &Target| self.latest.get(target).and_then(|known| known.get(metric));
        let whole = || target.resource.is_some().then(|| Target::service(target.service.clone()));
        of(target).or_else(|| of(&whole()?)).or_else(|| of(&Target::service(ServiceName::host())))
    }

    /// Where a metric that is asked for a target is looked at.
    pub(crate) fn looked_at(&self, target: &Target, metric: &MetricName) -> Target {
        let sample = self.latest_of(target, metric);
        sample.map_or_else(|| target.clone(), |sample| sample.target.clone())
    }
}
