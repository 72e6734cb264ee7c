//! From a request to what it tells.

use jiff::Timestamp;
use nightcrew_config::settings::Mapping;
use nightcrew_model::alert::Source;

use crate::door::{
    alertmanager, alerts_api, cloudwatch, datadog, generic, grafana, newrelic, opsgenie, pagerduty,
    sentry, signoz, uptime,
};
use crate::parsed::{Parsed, Unparsable};
use crate::request::Request;

/// What a parser knows beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The name of the door, which becomes the label `door` of alerts that have ids.
    pub door: &'a str,
    /// Where the fields are, for [`Source::Generic`].
    pub mapping: Option<&'a Mapping>,
    /// When the request came in.
    pub now: Timestamp,
}

/// Reads what a request tells, in the format of `source`.  Whether it comes from there is
/// [`crate::auth::verify`]'s business.
///
/// # Errors
/// When the body as a whole cannot be read.  An element that cannot is in [`Parsed::partial`].
pub fn parse(
    source: Source,
    request: &Request<'_>,
    context: &Context<'_>,
) -> Result<Parsed, Unparsable> {
    match source {
        Source::AlertsApi => alerts_api::parse(request.body),
        Source::Alertmanager => alertmanager::parse(request.body, context.now),
        Source::Grafana => grafana::parse(request.body, context),
        Source::Signoz => signoz::parse(request.body, context.now),
        Source::Pagerduty => pagerduty::parse(request.body, context),
        Source::Opsgenie => opsgenie::parse(request, context),
        Source::Datadog => datadog::parse(request.body, context),
        Source::Newrelic => newrelic::parse(request.body, context),
        Source::Sentry => sentry::parse(request, context),
        Source::Cloudwatch => cloudwatch::parse(request.body, context),
        Source::Uptime => uptime::parse(request.body, context),
        Source::Generic => generic::parse(request.body, context),
        Source::Detector | Source::Watchdog | Source::Prometheus => Err(Unparsable::NoDoor(source)),
    }
}
