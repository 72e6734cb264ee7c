//! One check of a service: an HTTP GET or a TCP connection.
//!
//! A refused connection, a wrong status and a silence are *readings*: the check did look, and the
//! service fails.  Unknown is what kept us from looking: no file descriptor left, no name server.
//! So the breaker opens over the second kind only; a service that is down is asked on.

mod connect;
mod http;
mod tls;
mod trouble;

use jiff::Timestamp;
use nightcrew_config::settings::{self, Probe};
use nightcrew_model::sample::{Status, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::check::http::HttpCheck;
use crate::check::trouble::Trouble;

/// A check that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BadCheck {
    /// Not an `http` or `https` URL with a host.  The URL is not repeated: it may hold a secret.
    #[error("the URL is not one; expected a form such as http://127.0.0.1:8080/health")]
    Url,
    /// Not `host:port`.
    #[error("`{0}` is not an address; expected host:port")]
    Address(String),
    /// Not a regular expression.
    #[error("the pattern for the body is not a regular expression")]
    Pattern(#[source] regex::Error),
}

/// Asks one thing of a service.
#[derive(Debug)]
pub struct CheckProbe {
    kind: Kind,
    timeout: Millis,
    breaker: Breaker,
}

#[derive(Debug)]
enum Kind {
    Http(HttpCheck),
    /// `host:port`.
    Tcp(String),
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// When the look began.
    pub at: Timestamp,
    /// [`Status::Passing`] or [`Status::Failing`], or why nobody could ask.
    pub health: Result<Status, Unknown>,
    /// Why, in words, such as `HTTP 503`.
    pub detail: String,
    /// How long the whole answer took, in milliseconds.
    pub latency_ms: Result<f64, Unknown>,
    /// How many days the server's certificate has left; none where the check is not by TLS.
    pub days_left: Option<Result<f64, Unknown>>,
}

impl CheckProbe {
    /// A check that has not looked yet.
    ///
    /// # Errors
    /// When its URL, address or pattern cannot be used.
    pub fn new(check: &settings::Check, breaker: settings::Breaker) -> Result<Self, BadCheck> {
        let kind = match &check.probe {
            Probe::Http { url, expect_status, expect_body } => {
                Kind::Http(HttpCheck::new(url, expect_status, expect_body.as_deref())?)
            }
            Probe::Tcp { address } => {
                let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
                if !matches!(port, Some(Ok(1..))) {
                    return Err(BadCheck::Address(address.clone()));
                }
                Kind::Tcp(address.clone())
            }
        };
        Ok(Self { kind, timeout: check.timeout, breaker: Breaker::new(breaker) })
    }

    /// What is asked, in words that hold no secret: the host and port, not the path.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.kind {
            Kind::Http(check) => format!("HTTP {}", check.address()),
            Kind::Tcp(address) => format!("TCP {address}"),
        }
    }

    /// Asks now.
    pub async fn look(&mut self, http: &Http, clock: &Clock) -> Answer {
        let at = clock.now();
        if !self.breaker.allow(at) {
            let why = Unknown::BreakerOpen;
            return Answer {
                at,
                detail: String::new(),
                latency_ms: Err(why.clone()),
                days_left: self.is_tls().then(|| Err(why.clone())),
                health: Err(why),
            };
        }
        let (outcome, days_left) = match &self.kind {
            Kind::Http(check) => check.look(http, self.timeout, at).await,
            Kind::Tcp(address) => (self.connect(address).await, None),
        };
        match &outcome {
            Err(Trouble::Unknown(_)) => self.breaker.failure(at),
            Ok(_) | Err(Trouble::Failing(_)) => self.breaker.success(),
        }
        answer(at, outcome, days_left)
    }

    fn is_tls(&self) -> bool {
        matches!(&self.kind, Kind::Http(check) if check.is_tls())
    }

    async fn connect(&self, address: &str) -> Result<Exchange, Trouble> {
        let began = Instant::now();
        connect::connect(address, self.timeout).await?;
        Ok(Exchange {
            status: Status::Passing,
            detail: "connected".into(),
            latency_ms: milliseconds_since(began),
        })
    }
}

/// A whole exchange with a service.
#[derive(Debug)]
struct Exchange {
    status: Status,
    detail: String,
    latency_ms: f64,
}

fn answer(
    at: Timestamp,
    outcome: Result<Exchange, Trouble>,
    days_left: Option<Result<f64, Unknown>>,
) -> Answer {
    let (health, mut detail, latency_ms) = match outcome {
        Ok(exchange) => (Ok(exchange.status), exchange.detail, Ok(exchange.latency_ms)),
        Err(Trouble::Failing(why)) => {
            let no_latency = Unknown::Failed("there was no whole answer to time".into());
            (Ok(Status::Failing), why, Err(no_latency))
        }
        Err(Trouble::Unknown(why)) => {
            let why = Unknown::Failed(why);
            (Err(why.clone()), String::new(), Err(why))
        }
    };
    // The words of a TLS library do not say since when.
    if let (Ok(Status::Failing), Some(Ok(days))) = (&health, &days_left)
        && *days < 0.0
    {
        detail = format!("the certificate expired {:.1} days ago; {detail}", -days);
    }
    Answer { at, health, detail, latency_ms, days_left }
}

fn milliseconds_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}
