//! The systems that are asked for numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use nightcrew_model::catalogue::{self, Kind};
use nightcrew_model::id::{MetricName, ServiceName, SourceName};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::sample::Status;
use nightcrew_model::unit::{Millis, Unit};
use serde::Serialize;

use super::Secret;

/// A system that is asked for numbers: an entry of `sources` with a `kind`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Source {
    /// Its name.
    pub name: SourceName,
    /// What it is, and what it is asked.
    pub kind: SourceKind,
    /// How often it is asked.
    pub interval: Millis,
    /// How long one answer may take.
    pub timeout: Millis,
    /// How many questions it is asked in a minute at most; what is more waits.
    pub queries_per_minute: u32,
}

/// What a source is, and what it is asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Prometheus, or whatever speaks its HTTP API (Thanos, Mimir).
    Prometheus(Prometheus),
    /// `VictoriaMetrics`; the same API.
    Victoriametrics(Prometheus),
    /// `SigNoz`.
    Signoz(Signoz),
    /// Grafana Loki.
    Loki(Loki),
    /// Elasticsearch or `OpenSearch`.
    Elasticsearch(Elasticsearch),
    /// Amazon `CloudWatch`.
    Cloudwatch(Cloudwatch),
    /// Any program that shows its metrics as text, such as `node_exporter`.
    Scrape(Scrape),
    /// The Docker Engine of this machine.
    Docker(Docker),
}

impl SourceKind {
    /// The words of the configuration, in the order of declaration.
    pub const WORDS: [&str; 8] = [
        "prometheus",
        "victoriametrics",
        "signoz",
        "loki",
        "elasticsearch",
        "cloudwatch",
        "scrape",
        "docker",
    ];

    /// The word of the configuration.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Prometheus(_) => "prometheus",
            Self::Victoriametrics(_) => "victoriametrics",
            Self::Signoz(_) => "signoz",
            Self::Loki(_) => "loki",
            Self::Elasticsearch(_) => "elasticsearch",
            Self::Cloudwatch(_) => "cloudwatch",
            Self::Scrape(_) => "scrape",
            Self::Docker(_) => "docker",
        }
    }

    /// Whether an answer may be about this service.
    #[must_use]
    pub fn may_name(&self, service: &ServiceName) -> bool {
        let may = |asked: &Asked| match &asked.service {
            ServiceOf::Fixed(name) => name == service,
            ServiceOf::Label(_) => true,
        };
        match self {
            Self::Prometheus(it) | Self::Victoriametrics(it) => {
                it.queries.iter().any(|query| may(&query.asked))
            }
            Self::Loki(it) => {
                it.queries.iter().any(|query| may(&query.asked))
                    || it.lines.iter().any(|query| may(&query.asked))
            }
            Self::Elasticsearch(it) => it.queries.iter().any(|query| may(&query.asked)),
            Self::Cloudwatch(it) => it.queries.iter().any(|query| may(&query.asked)),
            Self::Scrape(it) => {
                it.service == *service || it.series.iter().any(|series| may(&series.asked))
            }
            Self::Signoz(_) | Self::Docker(_) => true,
        }
    }

    /// The metrics that its answers give.
    #[must_use]
    pub fn metrics(&self) -> Vec<MetricName> {
        let of = |asked: &Asked| asked.metric.clone();
        let own = |names: &[&str]| names.iter().map(|name| MetricName::from(*name)).collect();
        let mut metrics: Vec<MetricName> = match self {
            Self::Prometheus(it) | Self::Victoriametrics(it) if it.alerts => {
                own(&[Prometheus::RULES_FAILING])
            }
            Self::Signoz(it) if it.services != ServicesApi::Off => own(&Signoz::SERVICE_METRICS),
            _ => Vec::new(),
        };
        match self {
            Self::Prometheus(it) | Self::Victoriametrics(it) => {
                metrics.extend(it.queries.iter().map(|query| of(&query.asked)));
            }
            Self::Signoz(it) => metrics.extend(it.queries.iter().map(|query| of(&query.asked))),
            Self::Loki(it) => {
                metrics.extend(it.queries.iter().map(|query| of(&query.asked)));
                metrics.extend(it.lines.iter().map(|query| of(&query.asked)));
            }
            Self::Elasticsearch(it) => {
                metrics.extend(it.queries.iter().map(|query| of(&query.asked)));
            }
            Self::Cloudwatch(it) => metrics.extend(it.queries.iter().map(|query| of(&query.asked))),
            Self::Scrape(it) => metrics.extend(it.series.iter().map(|series| of(&series.asked))),
            Self::Docker(_) => {}
        }
        metrics
    }

    /// How many questions one look asks at most.
    #[must_use]
    pub fn questions(&self) -> usize {
        match self {
            // The alerts, and the rules that make them.
            Self::Prometheus(it) | Self::Victoriametrics(it) => {
                it.queries.len() + if it.alerts { 2 } else { 0 }
            }
            Self::Signoz(it) => {
                let services = usize::from(it.services != ServicesApi::Off);
                let exemplars = if it.exemplars { Signoz::EXEMPLARS_MAX } else { 0 };
                services + exemplars + it.queries.len() + usize::from(it.alerts)
            }
            Self::Loki(it) => it.queries.len() + it.lines.len(),
            Self::Elasticsearch(it) => it.queries.len(),
            Self::Cloudwatch(_) | Self::Scrape(_) | Self::Docker(_) => 1,
        }
    }
}

/// Where a source is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The URL without a slash at its end, and without a user or a password.
    pub url: String,
    /// The headers of every request, the one that proves who asks included: `token`, `username`
    /// and `password` of the configuration are here already in the form that the kind wants.
    pub headers: BTreeMap<String, Secret>,
}

/// The unit in which a source gives a number, before it is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// Billionths of a second.
    Nanoseconds,
    /// Millionths of a second.
    Microseconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Days of 24 hours.
    Days,
    /// The used part of a whole, 0 to 1.
    Ratio,
    /// The part of a whole that is left, 0 to 1: what is held is the used part.
    RatioLeft,
    /// The used part of a whole in hundredths.
    Percent,
    /// The part of a whole that is left in hundredths: what is held is the used part.
    PercentLeft,
    /// Bytes.
    Bytes,
    /// 1,024 bytes.
    Kibibytes,
    /// 1,048,576 bytes.
    Mebibytes,
    /// 1,000,000 bytes.
    Megabytes,
    /// Bytes in a second.
    BytesPerSecond,
    /// Bits in a second.
    BitsPerSecond,
    /// Things in a second.
    PerSecond,
    /// Things in a minute.
    PerMinute,
    /// Things.
    Count,
    /// 1 while the thing is as it should be, and 0 while it is not, such as `up`.
    Up,
}

/// What is held of a number that a source gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// A number in this unit.
    Number(Unit),
    /// The first state for 1, the second for 0.
    State {
        /// For 1.
        up: Status,
        /// For 0.
        down: Status,
    },
}

impl Held {
    /// What is held of a number that is given in this unit: what the catalogue says of the metric,
    /// or else the natural unit; none where the given unit does not go into that of the metric.
    #[must_use]
    pub fn of(given: Given, metric: &MetricName) -> Option<Self> {
        let natural = given.natural();
        match (catalogue::metric(metric.as_str()).map(|known| known.kind), natural) {
            (None, Some(unit)) => Some(Self::Number(unit)),
            (None, None) => Some(Self::State { up: Status::Passing, down: Status::Failing }),
            (Some(Kind::Number(held)), Some(unit)) => {
                let fits = matches!(
                    (unit, held),
                    (Unit::Milliseconds | Unit::Days, Unit::Milliseconds | Unit::Days)
                        | (Unit::Percent, Unit::Percent | Unit::Ratio)
                        | (Unit::Bytes, Unit::Bytes | Unit::Megabytes)
                        | (Unit::BytesPerSecond, Unit::BytesPerSecond)
                        | (Unit::PerMinute, Unit::PerMinute)
                        | (Unit::Count, Unit::Count)
                );
                fits.then_some(Self::Number(held))
            }
            (Some(Kind::States(&[up, down])), None) => Some(Self::State { up, down }),
            (Some(_), _) => None,
        }
    }
}

impl Given {
    /// The unit in which such a number is held where the metric has none of its own; none for a
    /// state.
    #[must_use]
    pub fn natural(self) -> Option<Unit> {
        Some(match self {
            Self::Nanoseconds | Self::Microseconds | Self::Milliseconds | Self::Seconds => {
                Unit::Milliseconds
            }
            Self::Days => Unit::Days,
            Self::Ratio | Self::RatioLeft | Self::Percent | Self::PercentLeft => Unit::Percent,
            Self::Bytes | Self::Kibibytes | Self::Mebibytes | Self::Megabytes => Unit::Bytes,
            Self::BytesPerSecond | Self::BitsPerSecond => Unit::BytesPerSecond,
            Self::PerSecond | Self::PerMinute => Unit::PerMinute,
            Self::Count => Unit::Count,
            Self::Up => return None,
        })
    }
}

/// What is said of each number of an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// As what metric it is held.
    pub metric: MetricName,
    /// In which unit the source gives it.
    pub given: Given,
    /// What is held of it; [`Given`] can be converted into it.
    pub held: Held,
    /// Whose number it is.
    pub service: ServiceOf,
    /// The label that names the part of the service; none: the service as a whole.
    pub resource_label: Option<String>,
}

/// Whose number it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceOf {
    /// This service's.
    Fixed(ServiceName),
    /// That of the service that this label (or field) names.
    Label(String),
}

/// One question in the language of the source: `PromQL` or `LogQL`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Query {
    /// The question.
    pub query: String,
    /// What is said of each series of the answer.
    pub asked: Asked,
}

/// What is asked of a Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prometheus {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is asked at every look.
    pub queries: Vec<Query>,
    /// How far back the first look asks, so that detectors know the past; zero: not at all.
    pub backfill: Millis,
    /// Whether its firing alerts become alerts here.
    pub alerts: bool,
}

/// What is asked of a `SigNoz`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signoz {
    /// Where it is, without `/api`.
    pub endpoint: Endpoint,
    /// Which form of its list of services is asked.
    pub services: ServicesApi,
    /// Over how long a span numbers are taken.
    pub window: Millis,
    /// The services that must be there: one that is absent is unknown.
    pub expected: Vec<ServiceName>,
    /// Further questions.
    pub queries: Vec<SignozQuery>,
    /// Whether a slow or failing service is shown with a trace.
    pub exemplars: bool,
    /// Whether its firing alerts become alerts here.
    pub alerts: bool,
}

impl Prometheus {
    /// The metric that counts the alerting rules which a source cannot evaluate.
    pub const RULES_FAILING: &str = "rules_failing";
}

impl Signoz {
    /// The metrics of each service of its list.
    pub const SERVICE_METRICS: [&str; 4] =
        ["latency_p99_ms", "error_ratio", "error_rate_per_min", "requests_per_min"];

    /// How many traces of one look are searched for, to be shown with slow or failing services.
    pub const EXEMPLARS_MAX: usize = 2;
}

/// Which form of the list of services a `SigNoz` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServicesApi {
    /// None.
    Off,
    /// `POST /api/v1/services`: a bare array.
    V1,
    /// `POST /api/v2/services`: the array in an envelope.
    V2,
    /// The second form, and the first where the second is not there.
    Newest,
}

/// A question in `PromQL` or of the query builder, over `POST /api/v5/query_range`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignozQuery {
    /// What is asked.
    pub question: SignozQuestion,
    /// What is said of each series of the answer.
    pub asked: Asked,
}

/// What a `SigNoz` is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignozQuestion {
    /// `PromQL`.
    Promql(String),
    /// The query builder.
    Builder {
        /// `traces`, `logs` or `metrics`.
        signal: SignozSignal,
        /// Which, such as `service.name = 'checkout'`; empty: all.
        filter: String,
        /// What of them, such as `p99(duration_nano)`.
        aggregation: String,
        /// The fields by which series are kept apart.
        group_by: Vec<String>,
    },
}

/// What the query builder of `SigNoz` looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignozSignal {
    /// Spans.
    Traces,
    /// Lines.
    Logs,
    /// Numbers.
    Metrics,
}

/// What is asked of a Loki.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loki {
    /// Where it is; a tenant is the header `X-Scope-OrgID`.
    pub endpoint: Endpoint,
    /// Metric queries in `LogQL`.
    pub queries: Vec<Query>,
    /// Log queries, whose lines are counted and the newest of which is shown.
    pub lines: Vec<LineQuery>,
}

/// A log query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineQuery {
    /// The question, such as `{app="checkout"} |= "error"`.
    pub query: String,
    /// Over how long a span lines are asked for.
    pub window: Millis,
    /// How many lines at most, 1 to 5,000.
    pub limit: u32,
    /// As what the number of lines in the window is held ([`Given::Count`]).
    pub asked: Asked,
}

/// What is asked of an Elasticsearch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Elasticsearch {
    /// Where it is.
    pub endpoint: Endpoint,
    /// What is asked at every look.
    pub queries: Vec<SearchQuery>,
}

/// One search.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchQuery {
    /// The index or a pattern, such as `logs-*`.
    pub index: String,
    /// A query string, such as `level:ERROR`; empty: everything.
    pub query: String,
    /// The field of the time.
    pub time_field: String,
    /// Over how long a span is searched.
    pub window: Millis,
    /// What is counted of what was found.
    pub aggregation: Aggregation,
    /// What is said of the number; a label is a field with exact values.
    pub asked: Asked,
}

/// What is counted of the documents of a search.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// How many.
    Count,
    /// The mean of a field.
    Average(String),
    /// The largest value of a field.
    Maximum(String),
    /// The sum of a field.
    Sum(String),
    /// A percentile of a field.
    Percentile {
        /// The field.
        field: String,
        /// Which, 0 to 100.
        percent: f64,
    },
}

/// What is asked of `CloudWatch`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cloudwatch {
    /// The region, such as `ap-northeast-2`.
    pub region: String,
    /// Where it is, where it is not Amazon's own address of the region.
    pub url: Option<String>,
    /// The id of the access key.
    pub access_key_id: Secret,
    /// The access key.
    pub secret_access_key: Secret,
    /// The token of a session, for keys that hold only for a while.
    pub session_token: Option<Secret>,
    /// What is asked at every look.
    pub queries: Vec<CloudwatchQuery>,
}

/// One metric of `CloudWatch`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloudwatchQuery {
    /// Such as `AWS/ApplicationELB`.
    pub namespace: String,
    /// Such as `TargetResponseTime`.
    pub name: String,
    /// By name.
    pub dimensions: BTreeMap<String, String>,
    /// Such as `Average`, `Sum`, `p99`.
    pub statistic: String,
    /// Over how long a span each point is taken; whole minutes.
    pub period: Millis,
    /// What is said of it; always a fixed service.
    pub asked: Asked,
}

/// What is read from a page of metrics.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scrape {
    /// Where the page is; the URL of the page itself, such as `http://127.0.0.1:9100/metrics`.
    pub endpoint: Endpoint,
    /// Metrics of ours that are known to be on such a page; none: only `series`.
    pub preset: Option<Preset>,
    /// Whose numbers those of the preset are.
    pub service: ServiceName,
    /// What else is read.
    pub series: Vec<Selection>,
}

/// A page that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The `node_exporter`: CPU, memory, swap, disks, load and network of another machine.
    NodeExporter,
}

/// Some series of a page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Selection {
    /// The name of the metric on the page; of a histogram without `_bucket`.
    pub name: String,
    /// Which of its series.
    pub matchers: Matchers,
    /// What of them.
    pub take: Take,
    /// What is said of them.
    pub asked: Asked,
}

/// What is taken of the series of a page.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The value of the one series.
    Value,
    /// By how much the series grew in a second since the look before, added up.
    Rate,
    /// A quantile (0 to 1) of what a histogram has seen since the look before, its series added
    /// up.
    Quantile(f64),
}

/// What is asked of a Docker Engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Docker {
    /// Its socket.
    pub socket: PathBuf,
    /// The label of a container that names its service; a container without it goes by its name.
    pub service_label: String,
}
