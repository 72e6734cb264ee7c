//! The doors through which other systems tell of alerts.

use std::collections::BTreeMap;

use nightcrew_model::alert::Source;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use super::Secret;

/// A door through which another system tells of alerts.
#[derive(Clone, Debug, Serialize)]
pub struct Inbound {
    /// Its name, the last part of its path: `/hooks/<name>`.
    pub name: String,
    /// Who speaks there.
    pub source: Source,
    /// How it is known that it is really that system.
    pub auth: InboundAuth,
    /// How old a signed message may be, where the format signs a time.
    pub replay_window: Millis,
    /// Where the fields are, for [`Source::Generic`].
    pub mapping: Option<Mapping>,
}

/// How a caller of a door proves who it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundAuth {
    /// Not at all; only over loopback.
    Open,
    /// A bearer token, an API key or `GenieKey`, as the format has it.
    Token(Secret),
    /// A user and a password (HTTP Basic).
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// An HMAC over the body, as the format has it; several while keys change.
    Signature(Vec<Secret>),
    /// The signature of Amazon SNS, for messages of these topics; empty: of any.
    Sns {
        /// The allowed topics (ARN).
        topics: Vec<String>,
    },
}

/// Where a generic webhook has its fields, as JSON pointers (RFC 6901).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// The list of alerts; none: the body is one alert.
    pub alerts: Option<String>,
    /// Labels, by name, from pointers below each alert.
    pub labels: BTreeMap<String, String>,
    /// Annotations, by name, from pointers below each alert.
    pub annotations: BTreeMap<String, String>,
    /// The pointer to the status …
    pub status: Option<String>,
    /// … and the values of it that mean that it is over.
    pub resolved: Vec<String>,
    /// The pointer to the severity.
    pub severity: Option<String>,
    /// The pointer to the beginning.
    pub starts_at: Option<String>,
    /// The pointer to a link for people.
    pub url: Option<String>,
}
