//! `SigNoz`: its list of services, its query builder, an example trace, its alerts.
//!
//! `POST /api/v1/services`, `POST /api/v2/services`, `POST /api/v5/query_range`,
//! `GET /api/v2/rules` (0.120 and later), `GET /api/v1/rules`, with the key in `SIGNOZ-API-KEY`.
//! Durations come in nanoseconds, `errorRate` in percent, `callRate` in calls a second.
//!
//! **Invariant:** a service that is absent from the list had no traffic, or tells of none: it is
//! `Unknown`, not healthy.

mod answer;
mod question;

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_config::settings::source::{
    Asked, Given, Held, ServiceOf, ServicesApi, Signoz as Settings, SignozQuestion,
};
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::id::{MetricName, SourceName, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Sample, Unknown};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;

use crate::source::exchange::{Exchange, Heard};
use crate::source::expected::{Expected, Point, nothing_counted};
use crate::source::signoz::answer::Service;
use crate::source::signoz::question::Example;

/// The label under which the name of a service is held.
const SERVICE: &str = "service";

/// Asks one `SigNoz`.
#[derive(Debug)]
pub(crate) struct Signoz {
    name: SourceName,
    exchange: Exchange,
    services: ServicesApi,
    window: Millis,
    red: Red,
    queries: Vec<(SignozQuestion, Expected)>,
    exemplars: bool,
    wants_alerts: bool,
    /// The path of the rules that is there; the second where the first is not.
    rules_path: &'static str,
    alerts: Option<Vec<IncomingAlert>>,
}

/// What is known of each service: rate, errors, duration.
#[derive(Debug)]
struct Red {
    latency: Expected,
    error_ratio: Expected,
    errors: Expected,
    requests: Expected,
}

impl Red {
    fn new(source: &SourceName) -> Self {
        let expected = |metric: &str, given, held| {
            Expected::new(
                source,
                &Asked {
                    metric: MetricName::from(metric),
                    given,
                    held: Held::Number(held),
                    service: ServiceOf::Label(SERVICE.to_owned()),
                    resource_label: None,
                },
            )
        };
        let [latency, error_ratio, errors, requests] = Settings::SERVICE_METRICS;
        Self {
            latency: expected(latency, Given::Nanoseconds, Unit::Milliseconds),
            error_ratio: expected(error_ratio, Given::Percent, Unit::Ratio),
            errors: expected(errors, Given::PerMinute, Unit::PerMinute),
            requests: expected(requests, Given::PerSecond, Unit::PerMinute),
        }
    }

    fn each(&mut self) -> [&mut Expected; 4] {
        [&mut self.latency, &mut self.error_ratio, &mut self.errors, &mut self.requests]
    }

    fn samples(
        &mut self,
        at: Timestamp,
        window: Millis,
        services: Result<Vec<Service>, Unknown>,
        examples: &[Example],
    ) -> Vec<Sample> {
        let services = match services {
            Ok(services) => services,
            Err(why) => {
                let all = self.each().into_iter();
                return all.flat_map(|one| one.samples(at, Err(why.clone()))).collect();
            }
        };
        let minutes = window.duration().as_secs_f64() / 60.0;
        let points = |number: &dyn Fn(&Service) -> Result<f64, Unknown>, failing: Option<bool>| {
            let one = |service: &Service| {
                let example = examples
                    .iter()
                    .find(|it| it.service == service.name && Some(it.failing) == failing);
                Point {
                    labels: [(SERVICE, service.name.as_str())].into_iter().collect(),
                    value: number(service),
                    detail: example.and_then(|it| it.found.clone()),
                }
            };
            Ok(services.iter().map(one).collect())
        };
        // Of nothing there is neither a duration nor a ratio.
        let of_calls = |service: &Service, number: f64| {
            if service.calls > 0.0 { Ok(number) } else { Err(nothing_counted()) }
        };
        let mut samples = self.latency.samples(at, points(&|it| of_calls(it, it.p99), Some(false)));
        let ratio = points(&|it| of_calls(it, it.error_rate), Some(true));
        samples.extend(self.error_ratio.samples(at, ratio));
        samples.extend(self.errors.samples(at, points(&|it| Ok(it.errors / minutes), None)));
        samples.extend(self.requests.samples(at, points(&|it| Ok(it.call_rate), None)));
        samples
    }
}

impl Signoz {
    pub(crate) fn new(source: &settings::source::Source, it: &Settings) -> Self {
        let mut red = Red::new(&source.name);
        for service in &it.expected {
            for one in red.each() {
                one.always(Target::service(service.clone()));
            }
        }
        let queries = it.queries.iter();
        let queries = queries.map(|q| (q.question.clone(), Expected::new(&source.name, &q.asked)));
        Self {
            name: source.name.clone(),
            exchange: Exchange::new(&it.endpoint, source.timeout),
            services: it.services,
            window: it.window,
            red,
            queries: queries.collect(),
            exemplars: it.exemplars,
            wants_alerts: it.alerts,
            rules_path: "/api/v2/rules",
            alerts: None,
        }
    }

    pub(crate) fn questions(&self) -> usize {
        let services = usize::from(self.services != ServicesApi::Off);
        let examples = if self.exemplars { Settings::EXEMPLARS_MAX } else { 0 };
        services + examples + self.queries.len() + usize::from(self.wants_alerts)
    }

    pub(crate) fn take_heard(&mut self) -> Heard {
        self.exchange.take_heard()
    }

    pub(crate) fn take_alerts(&mut self) -> Option<Vec<IncomingAlert>> {
        self.alerts.take()
    }

    pub(crate) async fn look(&mut self, http: &Http, clock: &Clock) -> Vec<Sample> {
        let mut samples = Vec::new();
        if self.services != ServicesApi::Off {
            let at = clock.now();
            let services = self.list(http, at).await;
            let examples = match &services {
                Ok(services) if self.exemplars => self.examples(http, at, services).await,
                _ => Vec::new(),
            };
            samples.extend(self.red.samples(at, self.window, services, &examples));
        }
        for (question, expected) in &mut self.queries {
            let at = clock.now();
            let body = question::time_series(question, at, self.window);
            let answer = self.exchange.post_json(http, "/api/v5/query_range", &body).await;
            let points = answer.and_then(|response| answer::latest(&response));
            samples.extend(expected.samples(at, points));
        }
        if self.wants_alerts {
            let firing = self.firing(http).await.inspect_err(|why| {
                tracing::warn!(source.name = self.name.as_str(), "its alerts are not known: {why}");
            });
            self.alerts = firing.ok();
        }
        samples
    }

    /// The services of the window; the first form of the list where the second is not there.
    async fn list(&mut self, http: &Http, at: Timestamp) -> Result<Vec<Service>, Unknown> {
        let body = question::services(at, self.window);
        let path = match self.services {
            ServicesApi::V1 => "/api/v1/services",
            ServicesApi::V2 | ServicesApi::Newest | ServicesApi::Off => "/api/v2/services",
        };
        let answer = self.exchange.post_json(http, path, &body).await;
        match answer {
            Err(Unknown::Failed(why))
                if self.services == ServicesApi::Newest && why.starts_with("HTTP 404") =>
            {
                self.services = ServicesApi::V1;
                let answer = self.exchange.post_json(http, "/api/v1/services", &body).await;
                answer.and_then(|response| answer::services(&response))
            }
            answer => answer.and_then(|response| answer::services(&response)),
        }
    }

    /// A trace of the service that fails most, and one of the slowest.
    async fn examples(&mut self, http: &Http, at: Timestamp, services: &[Service]) -> Vec<Example> {
        let mut examples = question::worth_an_example(services);
        for example in &mut examples {
            let body = question::trace(example, at, self.window);
            let answer = self.exchange.post_json(http, "/api/v5/query_range", &body).await;
            // Without an example the numbers stand all the same.
            example.found = answer.and_then(|response| answer::trace(&response)).ok().flatten();
        }
        examples
    }

    /// The alerts that fire, one for each rule: which series of a rule fire is not told here.
    async fn firing(&mut self, http: &Http) -> Result<Vec<IncomingAlert>, Unknown> {
        let answer = self.exchange.get(http, self.rules_path).await;
        let response = match answer {
            Err(Unknown::Failed(why)) if why.starts_with("HTTP 404") => {
                self.rules_path = "/api/v1/rules";
                self.exchange.get(http, self.rules_path).await?
            }
            answer => answer?,
        };
        let rules = answer::firing(&response)?;
        let url = self.exchange.url();
        let alerts = rules.into_iter().map(|rule| IncomingAlert {
            generator_url: format!("{url}/alerts/overview?ruleId={}", rule.id),
            labels: rule.labels(),
            annotations: Labels::from(rule.annotations),
            starts_at: None,
            ends_at: None,
        });
        Ok(alerts.collect())
    }
}
