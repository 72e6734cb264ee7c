//! One check of a service: an HTTP GET, a TCP connection, a program, or a certificate on disk.
//!
//! A refused connection, a wrong status and a silence are *readings*: the check did look, and the
//! service fails.  Unknown is what kept us from looking: no file descriptor left, no name server.
//! So the breaker opens over the second kind only; a service that is down is asked on.

mod certificate_file;
pub mod command;
mod connect;
mod fingerprint;
mod http;
mod tls;
mod trouble;

use std::sync::Arc;

use jiff::Timestamp;
use nightcrew_config::settings::{self, Probe};
use nightcrew_model::sample::{Status, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::http::Http;
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::check::certificate_file::CertificateFile;
use crate::check::command::{CommandCheck, Programs};
use crate::check::http::HttpCheck;
use crate::check::tls::Shown;
use crate::check::trouble::Trouble;

pub use fingerprint::Fingerprint;

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
    Command(CommandCheck),
    CertificateFile(Box<CertificateFile>),
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
    /// How long the whole answer took, in milliseconds; none where the check asks no server.
    pub latency_ms: Option<Result<f64, Unknown>>,
    /// How many days the certificate has left; none where the check is not about one.
    pub days_left: Option<Result<f64, Unknown>>,
    /// The certificate that a server shows, or that begins the file.
    pub certificate: Option<Fingerprint>,
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
            Probe::Command { argv, expect_exit, expect_output } => {
                Kind::Command(CommandCheck::new(argv, *expect_exit, expect_output.as_deref())?)
            }
            Probe::CertificateFile { path } => {
                Kind::CertificateFile(Box::new(CertificateFile::new(path, check.timeout, breaker)))
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
            Kind::Command(command) => format!("command {}", command.program()),
            Kind::CertificateFile(file) => format!("certificate {}", file.path().display()),
        }
    }

    /// Says who starts the program, where the check is one.
    pub fn run_by(&mut self, programs: &Arc<dyn Programs>) {
        if let Kind::Command(command) = &mut self.kind {
            command.run_by(programs);
        }
    }

    /// Whether it is a certificate on disk.
    pub(crate) fn is_certificate_file(&self) -> bool {
        matches!(&self.kind, Kind::CertificateFile(_))
    }

    /// Asks now.
    pub async fn look(&mut self, http: &Http, clock: &Clock) -> Answer {
        let at = clock.now();
        if let Kind::CertificateFile(file) = &mut self.kind {
            // It has a breaker of its own.
            return of_file(at, file.look(at).await);
        }
        if !self.breaker.allow(at) {
            let why = Unknown::BreakerOpen;
            return Answer {
                at,
                detail: String::new(),
                latency_ms: self.asks_a_server().then(|| Err(why.clone())),
                days_left: self.is_tls().then(|| Err(why.clone())),
                certificate: None,
                health: Err(why),
            };
        }
        let (outcome, shown) = match &self.kind {
            Kind::Http(check) => check.look(http, self.timeout, at).await,
            Kind::Tcp(address) => (self.connect(address).await, None),
            Kind::Command(command) => (command.look(self.timeout).await, None),
            Kind::CertificateFile(_) => (Err(Trouble::Unknown(String::new())), None),
        };
        match &outcome {
            Err(Trouble::Unknown(_)) => self.breaker.failure(at),
            Ok(_) | Err(Trouble::Failing(_)) => self.breaker.success(),
        }
        let mut answer = answer(at, outcome, shown);
        if !self.asks_a_server() {
            answer.latency_ms = None;
        }
        answer
    }

    /// Whether it measures how long a server takes.
    fn asks_a_server(&self) -> bool {
        matches!(&self.kind, Kind::Http(_) | Kind::Tcp(_))
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
pub(crate) struct Exchange {
    status: Status,
    detail: String,
    latency_ms: f64,
}

fn of_file(at: Timestamp, found: Result<certificate_file::Found, Unknown>) -> Answer {
    match found {
        Ok(found) => Answer {
            at,
            health: Ok(found.status),
            detail: found.detail,
            latency_ms: None,
            days_left: Some(Ok(found.days_left)),
            certificate: Some(found.leaf),
        },
        Err(why) => Answer {
            at,
            health: Err(why.clone()),
            detail: String::new(),
            latency_ms: None,
            days_left: Some(Err(why)),
            certificate: None,
        },
    }
}

fn answer(
    at: Timestamp,
    outcome: Result<Exchange, Trouble>,
    shown: Option<Result<Shown, Unknown>>,
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
    let certificate = match &shown {
        Some(Ok(shown)) => Some(shown.fingerprint),
        Some(Err(_)) | None => None,
    };
    let days_left = shown.map(|shown| shown.map(|shown| shown.days_left));
    // The words of a TLS library do not say since when.
    if let (Ok(Status::Failing), Some(Ok(days))) = (&health, &days_left)
        && *days < 0.0
    {
        detail = format!("the certificate expired {:.1} days ago; {detail}", -days);
    }
    let latency_ms = Some(latency_ms);
    Answer { at, health, detail, latency_ms, days_left, certificate }
}

fn milliseconds_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1_000.0
}
