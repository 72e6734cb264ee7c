//! All checks of one service, as one answer per round.
//!
//! Two checks of a service have the same target and metric; told one after the other they would
//! flap.  So the service is as healthy as its worst check, and as slow as its slowest.
//!
//! **Invariant:** a sample is never dated later than a look that it rests on.  "Passing" rests on
//! every check and is as old as the oldest answer; "failing" rests on those that fail.  When a due
//! check changes its answer, all are asked again, so that a change never rests on an old answer.

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::catalogue;
use nightcrew_model::id::{ServiceName, Target};
use nightcrew_model::sample::{Reading, Sample, Status, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use tokio::time::Instant;

use crate::check::command::Programs;
use crate::check::{Answer, BadCheck, CheckProbe};
use crate::sampling::{number, sample};

/// Asks everything that is to be asked of one service.
#[derive(Debug)]
pub struct ServiceChecks {
    target: Target,
    checks: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    probe: CheckProbe,
    interval: Millis,
    /// When it is due; none: now.
    due: Option<Instant>,
    answer: Option<Answer>,
}

/// A check of a service that cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("check {number} of service `{service}`")]
pub struct BadServiceCheck {
    /// The service.
    pub service: ServiceName,
    /// Which check, from 1.
    pub number: usize,
    /// Why.
    pub source: BadCheck,
}

impl ServiceChecks {
    /// The checks of a service, none of which has looked yet; none where it has no checks.
    ///
    /// # Errors
    /// When a check cannot be made.
    pub fn new(
        service: &settings::Service,
        breaker: settings::Breaker,
    ) -> Result<Option<Self>, BadServiceCheck> {
        let mut checks = Vec::new();
        for (n, check) in service.checks.iter().enumerate() {
            let probe = CheckProbe::new(check, breaker).map_err(|source| BadServiceCheck {
                service: service.name.clone(),
                number: n + 1,
                source,
            })?;
            checks.push(Entry { probe, interval: check.interval, due: None, answer: None });
        }
        let target = Target::service(service.name.clone());
        Ok((!checks.is_empty()).then_some(Self { target, checks }))
    }

    /// Says who starts the programs of its checks; until then such a check is unknown.
    #[must_use]
    pub fn run_by(mut self, programs: &Arc<dyn Programs>) -> Self {
        for entry in &mut self.checks {
            entry.probe.run_by(programs);
        }
        self
    }

    /// Waits until a check is due, asks all that are due, and tells how the service is.  The first
    /// call asks all at once.  May be dropped at any time; the next call asks again.
    pub async fn next(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let due = self.checks.iter().map(|entry| entry.due).min().flatten();
        if let Some(due) = due {
            tokio::time::sleep_until(due).await;
        }
        let now = Instant::now();
        if self.ask(http, clock, |entry| entry.due.is_none_or(|due| due <= now)).await {
            self.ask(http, clock, |entry| entry.due.is_none_or(|due| due > now)).await;
        }
        self.samples(clock.now())
    }

    /// Asks everything now, for verification; every sample rests on fresh answers only.
    pub async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        self.ask(http, clock, |_| true).await;
        self.samples(clock.now())
    }

    /// Asks the chosen checks at the same time; whether one changed its answer.
    async fn ask(&mut self, http: &Http, clock: &Clock, chosen: impl Fn(&Entry) -> bool) -> bool {
        let chosen = self.checks.iter_mut().filter(|entry| chosen(entry));
        let asked = chosen.map(|entry| async move {
            let next = Instant::now() + entry.interval.duration();
            let answer = entry.probe.look(http, clock).await;
            let before = entry.answer.as_ref().map(|before| &before.health);
            let changed = before.is_some_and(|before| *before != answer.health);
            entry.due = Some(next);
            entry.answer = Some(answer);
            changed
        });
        join_all(asked).await.contains(&true)
    }

    fn samples(&self, now: Timestamp) -> Vec<Sample> {
        let answers: Vec<(usize, &Answer)> = self
            .checks
            .iter()
            .enumerate()
            .filter_map(|(n, entry)| Some((n, entry.answer.as_ref()?)))
            .collect();
        let oldest = answers.iter().map(|(_, answer)| answer.at).min().unwrap_or(now);
        let mut samples = vec![self.health(&answers, oldest)];
        let latency = answers
            .iter()
            .filter_map(|(_, answer)| answer.latency_ms.clone())
            .reduce(worst(f64::max));
        if let Some(latency) = latency {
            let latency = latency.and_then(|latency| number(latency, Unit::Milliseconds));
            let metric = catalogue::API_LATENCY_MS;
            samples.push(sample(oldest, &self.target, metric, latency, None));
        }
        let days = answers
            .iter()
            .filter_map(|(_, answer)| answer.days_left.clone())
            .reduce(worst(f64::min));
        if let Some(days) = days {
            let days = days.and_then(|days| number(days, Unit::Days));
            let metric = catalogue::SSL_EXPIRES_IN_DAYS;
            samples.push(sample(oldest, &self.target, metric, days, self.other_certificate()));
        }
        samples
    }

    /// What is to be said where a server shows another certificate than the file holds: the file
    /// was renewed, and nobody told the server.
    fn other_certificate(&self) -> Option<String> {
        let known = |on_disk: bool| {
            let of = self
                .checks
                .iter()
                .filter(move |entry| entry.probe.is_certificate_file() == on_disk);
            of.filter_map(|entry| Some((entry, entry.answer.as_ref()?.certificate?)))
        };
        known(false).find_map(|(server, shown)| {
            let mut files = known(true).peekable();
            let (file, _) = *files.peek()?;
            let differs = files.all(|(_, held)| held != shown);
            let (server, file) = (server.probe.label(), file.probe.label());
            differs.then(|| format!("{server} shows another one than {file}; reload the server"))
        })
    }

    /// The worst of all: failing before unknown before passing; of several failing, the latest.
    fn health(&self, answers: &[(usize, &Answer)], oldest: Timestamp) -> Sample {
        let failing = answers
            .iter()
            .filter(|(_, answer)| answer.health == Ok(Status::Failing))
            .max_by_key(|(_, answer)| answer.at);
        let unknown = || answers.iter().find(|(_, answer)| answer.health.is_err());
        let decisive = failing.or_else(unknown).or_else(|| answers.first());
        let metric = catalogue::HEALTH_STATUS;
        let Some((n, answer)) = decisive else {
            // Only before the first answer, which `next` and `look` wait for.
            return sample(oldest, &self.target, metric, Err(Unknown::Absent), None);
        };
        let at = if failing.is_some() { answer.at } else { oldest };
        let alone = self.checks.len() == 1 || answer.health == Ok(Status::Passing);
        let detail = match self.checks.get(*n) {
            _ if answer.detail.is_empty() => None,
            Some(entry) if !alone => {
                let (of, label) = (self.checks.len(), entry.probe.label());
                Some(format!("check {} of {of}, {label}: {}", n + 1, answer.detail))
            }
            Some(_) | None => Some(answer.detail.clone()),
        };
        let health = answer.health.clone().map(Reading::Status);
        sample(at, &self.target, metric, health, detail)
    }
}

/// The worse of two numbers; one that is unknown makes the whole unknown.
fn worst(
    pick: fn(f64, f64) -> f64,
) -> impl Fn(Result<f64, Unknown>, Result<f64, Unknown>) -> Result<f64, Unknown> {
    move |a, b| Ok(pick(a?, b?))
}
