//! HMAC-SHA256 over the body, as the formats have it.
//!
//! | format | header | signed |
//! |---|---|---|
//! | Grafana | `X-Grafana-Alerting-Signature: <hex>` | the body; with `X-Grafana-Alerting-Timestamp: <seconds>`, `<seconds>:<body>` |
//! | `PagerDuty` | `X-PagerDuty-Signature: v1=<hex>,v1=<hex>` | the body, in which `event.occurred_at` is the time |
//! | Sentry | `Sentry-Hook-Signature: <hex>` | the body |
//! | every other | `X-Hub-Signature-256: sha256=<hex>` | the body; with `X-Nightcrew-Timestamp: <seconds>`, `<seconds>:<body>` |

use jiff::Timestamp;
use nightcrew_config::settings::Secret;
use nightcrew_model::alert::Source;
use ring::hmac;

use super::AuthError;
use crate::field::Field;
use crate::json;
use crate::limit::SIGNATURES_MAX;
use crate::moment;
use crate::request::{Header, Request};

/// How many bytes an HMAC-SHA256 has.
const MAC_BYTES: usize = 32;

/// A body whose signature holds.
pub(super) struct Signed {
    /// The signature.
    pub(super) mac: Vec<u8>,
    /// When it was signed, where that is signed as well.
    pub(super) at: Option<Timestamp>,
}

/// Where a format has its signature and its time.
struct Scheme {
    header: &'static str,
    /// What stands before the hexadecimal digits.
    prefix: &'static str,
    /// The header of the time that stands before the signed body.
    time_header: Option<&'static str>,
}

fn scheme(source: Source) -> Result<Scheme, AuthError> {
    let scheme = |header, prefix, time_header| Ok(Scheme { header, prefix, time_header });
    match source {
        Source::Grafana => {
            scheme("X-Grafana-Alerting-Signature", "", Some("X-Grafana-Alerting-Timestamp"))
        }
        Source::Pagerduty => scheme("X-PagerDuty-Signature", "v1=", None),
        Source::Sentry => scheme("Sentry-Hook-Signature", "", None),
        Source::AlertsApi
        | Source::Alertmanager
        | Source::Signoz
        | Source::Opsgenie
        | Source::Datadog
        | Source::Newrelic
        | Source::Uptime
        | Source::Generic => {
            scheme("X-Hub-Signature-256", "sha256=", Some("X-Nightcrew-Timestamp"))
        }
        Source::Cloudwatch | Source::Detector | Source::Watchdog | Source::Prometheus => {
            Err(AuthError::Unsupported(source))
        }
    }
}

/// Checks the signature of a request against every secret of the door.
pub(super) fn check(
    source: Source,
    request: &Request<'_>,
    secrets: &[Secret],
) -> Result<Signed, AuthError> {
    let scheme = scheme(source)?;
    let malformed = |why: &str| AuthError::Malformed { what: scheme.header, why: why.to_owned() };
    let text = match request.header(scheme.header) {
        Header::Text(text) => text,
        Header::Unclear => return Err(malformed("expected one value in ASCII")),
        Header::Absent => return Err(AuthError::Missing(scheme.header)),
    };
    let macs: Vec<_> = text
        .split(',')
        .take(SIGNATURES_MAX)
        .filter_map(|one| bytes_of_hex(one.trim().strip_prefix(scheme.prefix)?))
        .filter(|mac| mac.len() == MAC_BYTES)
        .collect();
    if macs.is_empty() {
        return Err(malformed("expected 64 hexadecimal digits in the format's form"));
    }
    let time = match scheme.time_header.map(|name| (name, request.header(name))) {
        None | Some((_, Header::Absent)) => None,
        Some((_, Header::Text(seconds))) => Some(seconds),
        Some((name, Header::Unclear)) => {
            let why = "expected seconds since 1970".to_owned();
            return Err(AuthError::Malformed { what: name, why });
        }
    };
    let prefixed;
    let signed = match time {
        None => request.body,
        Some(seconds) => {
            prefixed = [seconds.as_bytes(), b":", request.body].concat();
            &prefixed
        }
    };
    let keys: Vec<_> = secrets
        .iter()
        .filter(|secret| !secret.expose().is_empty())
        .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
        .collect();
    let matches = |mac: &Vec<u8>| keys.iter().any(|key| hmac::verify(key, signed, mac).is_ok());
    let Some(mac) = macs.into_iter().find(matches) else {
        return Err(AuthError::Wrong("the signature"));
    };
    let at = match time {
        Some(seconds) => Some(
            seconds
                .parse()
                .ok()
                .and_then(|it| Timestamp::from_second(it).ok())
                .ok_or_else(|| malformed("its time is not a number of seconds since 1970"))?,
        ),
        None if source == Source::Pagerduty => occurred_at(request.body),
        None => None,
    };
    Ok(Signed { mac, at })
}

/// When the event of a `PagerDuty` webhook happened.
fn occurred_at(body: &[u8]) -> Option<Timestamp> {
    let body = json::value(body).ok()?;
    moment::lenient(Field::body(&body).at("event").at("occurred_at").value())
}

/// The bytes behind hexadecimal digits of either case.
fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<_>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}
