//! The formats, one module each.

pub mod alertmanager;
pub mod alerts_api;
pub mod cloudwatch;
pub mod datadog;
pub mod generic;
pub mod grafana;
pub mod newrelic;
pub mod opsgenie;
pub mod pagerduty;
pub mod sentry;
pub mod signoz;
pub mod uptime;

pub(crate) mod sns;
mod told;
