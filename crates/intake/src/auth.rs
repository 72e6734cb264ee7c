//! Who speaks at a door.
//!
//! Secrets are compared in constant time, and what is wrong never says which secret was tried.  A
//! signed message may be sent again by whoever overheard it: where the format signs a time it must
//! be inside the window of the door, and what was stored is remembered for as long
//! ([`seen::Seen`]), so that it is not taken twice.  That memory is not durable: after a restart a
//! message can be taken once more, while its time is inside the window.

mod credential;
pub mod seen;
mod signature;
pub mod sns;

use jiff::Timestamp;
use nightcrew_config::settings::{Inbound, InboundAuth};
use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;

use crate::door::cloudwatch::AmazonUrl;
use crate::limit::{AHEAD_MAX, REDELIVERY_MAX};
use crate::request::Request;
use seen::{Delivery, Seen};
use sns::Certificates;

/// What the checks remember between requests.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// The deliveries that were stored.
    pub seen: &'a Seen,
    /// The certificates of Amazon SNS.
    pub certificates: &'a Certificates,
}

/// A request from whom it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What to remember with [`Seen::remember`] once the request is stored; none where the format
    /// gives no way to tell a repetition.
    pub delivery: Option<Delivery>,
    topic: Option<String>,
}

impl Verified {
    /// The topic of Amazon SNS whose signature was verified.
    #[must_use]
    pub fn topic(&self) -> Option<&str> {
        self.topic.as_deref()
    }
}

/// How far a check came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a request is not verified before this says so"]
pub enum Verification {
    /// It comes from whom it says.
    Verified(Verified),
    /// First this certificate has to be fetched and given to [`Certificates::add`].
    NeedsCertificate(AmazonUrl),
}

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It proves nothing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// Its proof cannot be read.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// The header or field.
        what: &'static str,
        /// What was expected.
        why: String,
    },
    /// Its proof does not hold.
    #[error("{0} does not match")]
    Wrong(&'static str),
    /// It was signed too long ago.
    #[error("signed {age} ago, at most {window} is allowed; look at both clocks")]
    TooOld {
        /// How long ago.
        age: Millis,
        /// How long ago it may be.
        window: Millis,
    },
    /// It was signed in the future.
    #[error(
        "signed {ahead} ahead of our clock, at most {AHEAD_MAX} is allowed; look at both clocks"
    )]
    TooNew {
        /// How far.
        ahead: Millis,
    },
    /// It was taken before.
    #[error("the same signed message was taken before")]
    Replayed,
    /// Its topic is not one of the door's.
    #[error("the topic {0:?} is not one of this door's `topics`")]
    WrongTopic(String),
    /// The URL of its certificate leads away from Amazon SNS.
    #[error("SigningCertURL does not lead to Amazon SNS")]
    ForeignCertificate,
    /// The door is set up for a proof that its format does not have.
    #[error("{0} has no such proof; set another `auth` of this door")]
    Unsupported(Source),
}

impl AuthError {
    /// The status of the answer: 401 where another proof may help, 403 where none does.
    /// [`AuthError::Replayed`] was stored when it came first, so nothing is lost with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Missing(_) | Self::Malformed { .. } | Self::Wrong(_) => 401,
            Self::TooOld { .. }
            | Self::TooNew { .. }
            | Self::Replayed
            | Self::WrongTopic(_)
            | Self::ForeignCertificate
            | Self::Unsupported(_) => 403,
        }
    }
}

/// Checks that a request comes from the system of the door.
///
/// # Errors
/// Why it does not, or why nobody can say.
pub fn verify(
    inbound: &Inbound,
    request: &Request<'_>,
    memory: &Memory<'_>,
    now: Timestamp,
) -> Result<Verification, AuthError> {
    let verified = |delivery| Verification::Verified(Verified { delivery, topic: None });
    match &inbound.auth {
        InboundAuth::Open => Ok(verified(None)),
        InboundAuth::Token(token) => {
            credential::token(inbound.source, request, token)?;
            Ok(verified(None))
        }
        InboundAuth::Basic { username, password } => {
            credential::basic(request, username, password)?;
            Ok(verified(None))
        }
        InboundAuth::Signature(secrets) => {
            let signed = signature::check(inbound.source, request, secrets)?;
            let delivery = admit(inbound, &signed.mac, signed.at, memory.seen, now)?;
            Ok(verified(Some(delivery)))
        }
        InboundAuth::Sns { topics } => {
            if inbound.source != Source::Cloudwatch {
                return Err(AuthError::Unsupported(inbound.source));
            }
            match sns::check(request.body, topics, memory.certificates, now)? {
                sns::Checked::NeedsCertificate(url) => Ok(Verification::NeedsCertificate(url)),
                sns::Checked::Signed { text, at, topic } => {
                    let delivery = admit(inbound, text.as_bytes(), Some(at), memory.seen, now)?;
                    let verified = Verified { delivery: Some(delivery), topic: Some(topic) };
                    Ok(Verification::Verified(verified))
                }
            }
        }
    }
}

/// How old a message that this door's format signs may be.
fn window(inbound: &Inbound) -> Millis {
    match inbound.source {
        Source::Cloudwatch | Source::Pagerduty => inbound.replay_window.max(REDELIVERY_MAX),
        Source::Detector
        | Source::AlertsApi
        | Source::Alertmanager
        | Source::Grafana
        | Source::Signoz
        | Source::Opsgenie
        | Source::Datadog
        | Source::Newrelic
        | Source::Sentry
        | Source::Uptime
        | Source::Generic
        | Source::Watchdog
        | Source::Prometheus => inbound.replay_window,
    }
}

/// Whether a message whose signature holds is one that was not seen yet.
fn admit(
    inbound: &Inbound,
    signed: &[u8],
    at: Option<Timestamp>,
    seen: &Seen,
    now: Timestamp,
) -> Result<Delivery, AuthError> {
    let window = window(inbound);
    let keep = match at {
        None => window,
        Some(at) => {
            let (age, ahead) = (Millis::between(at, now), Millis::between(now, at));
            if age > window {
                return Err(AuthError::TooOld { age, window });
            }
            if ahead > AHEAD_MAX {
                return Err(AuthError::TooNew { ahead });
            }
            Millis(window.0.saturating_add(AHEAD_MAX.0))
        }
    };
    let delivery = Delivery::new(&inbound.name, signed, keep.after(now));
    if seen.knows(&delivery, now) {
        return Err(AuthError::Replayed);
    }
    Ok(delivery)
}
