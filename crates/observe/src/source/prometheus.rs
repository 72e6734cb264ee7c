//! Prometheus, and what speaks its HTTP API: `VictoriaMetrics`, Thanos, Mimir.
//!
//! <https://prometheus.io/docs/prometheus/latest/querying/api/>: `POST /api/v1/query`,
//! `POST /api/v1/query_range`, `GET /api/v1/alerts`, `GET /api/v1/rules`.
//!
//! An answer is as fresh as the last scrape of its target, which the API does not tell; a target
//! that cannot be scraped any longer is missing from the answer at once (staleness markers).

mod answer;

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::id::{ServiceName, SourceName, Target};
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

use crate::sampling::{float, number, sample};
use crate::source::exchange::{Exchange, Heard};
use crate::source::expected::Expected;

/// The largest number of points of one series that Prometheus gives (its own limit is 11,000).
const POINTS_PER_SERIES_MAX: u64 = 10_000;

/// The largest number of alerts that are taken over at once.
const ALERTS_MAX: usize = 5_000;

/// Asks one Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    name: SourceName,
    exchange: Exchange,
    timeout: Millis,
    queries: Vec<(String, Expected)>,
    backfill: Option<Millis>,
    wants_alerts: bool,
    /// What the last look found to fire; none: it could not be asked.
    alerts: Option<Vec<IncomingAlert>>,
}

impl Prometheus {
    pub(crate) fn new(
        source: &settings::source::Source,
        it: &settings::source::Prometheus,
    ) -> Self {
        let queries = it.queries.iter();
        let queries = queries.map(|q| (q.query.clone(), Expected::new(&source.name, &q.asked)));
        Self {
            name: source.name.clone(),
            exchange: Exchange::new(&it.endpoint, source.timeout),
            timeout: source.timeout,
            queries: queries.collect(),
            backfill: Some(it.backfill).filter(|span| span.0 > 0),
            wants_alerts: it.alerts,
            alerts: None,
        }
    }

    pub(crate) fn questions(&self) -> usize {
        self.queries.len() + if self.wants_alerts { 2 } else { 0 }
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        self.exchange.take_heard()
    }

    pub(crate) fn take_alerts(&mut self) -> Option<Vec<IncomingAlert>> {
        self.alerts.take()
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let mut samples = Vec::new();
        let timeout = format!("{}ms", self.timeout.0);
        for (query, expected) in &mut self.queries {
            let at = clock.now();
            let form = [("query", query.as_str()), ("timeout", timeout.as_str())];
            let answer = self.exchange.post_form(http, "/api/v1/query", &form).await;
            let points = answer.and_then(|response| answer::instant(&response));
            samples.extend(expected.samples(at, points));
        }
        if self.wants_alerts {
            let at = clock.now();
            samples.push(self.rules(http, at).await);
            self.alerts = self
                .firing(http)
                .await
                .inspect_err(|why| {
                    tracing::warn!(
                        source.name = self.name.as_str(),
                        "its alerts are not known: {why}"
                    );
                })
                .ok();
        }
        samples
    }

    /// The alerts that fire.
    async fn firing(&mut self, http: &Http) -> Result<Vec<IncomingAlert>, Unknown> {
        let response = self.exchange.get(http, "/api/v1/alerts").await?;
        let mut alerts = answer::firing(&response)?;
        if alerts.len() > ALERTS_MAX {
            let found = alerts.len();
            return Err(Unknown::Failed(format!("{found} alerts, more than {ALERTS_MAX}")));
        }
        let link = format!("{}/alerts", self.exchange.url());
        for alert in &mut alerts {
            alert.generator_url.clone_from(&link);
        }
        Ok(alerts)
    }

    /// How many of its alerting rules cannot be evaluated: an alert of such a rule never comes.
    async fn rules(&mut self, http: &Http, at: Timestamp) -> Sample {
        let answer = self.exchange.get(http, "/api/v1/rules?type=alert").await;
        let failing = answer.and_then(|response| answer::failing_rules(&response));
        let target = Target::service(ServiceName::from(self.name.as_str()));
        let (seen, detail) = match failing {
            Ok(failing) => {
                let first = failing.first().cloned();
                (number(float(failing.len() as u64), Unit::Count), first)
            }
            Err(why) => (Err(why), None),
        };
        sample(at, &target, settings::source::Prometheus::RULES_FAILING, seen, detail)
    }

    /// Whether the past is still to be asked for.
    pub(crate) fn wants_history(&self) -> bool {
        self.backfill.is_some()
    }

    /// What was before the first look, oldest first, for detectors that learn: numbers only, and
    /// only the first time it is asked for.  What cannot be had is left out; the past is no alarm.
    pub(crate) async fn history(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let Some(span) = self.backfill.take() else { return Vec::new() };
        let end = clock.now();
        let start = end.checked_sub(span.duration()).unwrap_or(Timestamp::UNIX_EPOCH);
        let step = (span.0 / 1_000).div_ceil(POINTS_PER_SERIES_MAX).max(60);
        let [start, end, step] =
            [start.as_second().to_string(), end.as_second().to_string(), step.to_string()];
        let mut samples = Vec::new();
        for (query, expected) in &mut self.queries {
            let form =
                [("query", query.as_str()), ("start", &start), ("end", &end), ("step", &step)];
            let answer = self.exchange.post_form(http, "/api/v1/query_range", &form).await;
            match answer.and_then(|response| answer::range(&response)) {
                Ok(series) => samples.extend(expected.past(series)),
                Err(why) => {
                    tracing::warn!(
                        source.name = self.name.as_str(),
                        "the past is not known: {why}"
                    );
                }
            }
        }
        samples.sort_by_key(|sample| sample.at);
        samples
    }
}
