//! An HTTP check: status, body, latency, and the days that the certificate has left.

use jiff::Timestamp;
use nightcrew_model::sample::{Status, Unknown};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, HttpError, Request, Response};
use regex::Regex;
use reqwest::Url;
use tokio::time::Instant;

use crate::check::tls::{self, Shown};
use crate::check::trouble::{Trouble, judge};
use crate::check::{BadCheck, Exchange, milliseconds_since};

/// The longest part of a pattern that is repeated to people, in characters.
const PATTERN_CHARS_MAX: usize = 60;

/// What is asked, and which answer is right.
#[derive(Debug)]
pub(crate) struct HttpCheck {
    url: String,
    /// The host's name or address, without the brackets of IPv6.
    host: String,
    address: String,
    tls: bool,
    expect_status: Vec<u16>,
    expect_body: Option<Regex>,
}

impl HttpCheck {
    pub(crate) fn new(
        url: &str,
        expect_status: &[u16],
        expect_body: Option<&str>,
    ) -> Result<Self, BadCheck> {
        let parsed = Url::parse(url).map_err(|_| BadCheck::Url)?;
        let tls = match parsed.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(BadCheck::Url),
        };
        let host = parsed.host_str().ok_or(BadCheck::Url)?;
        let port = parsed.port_or_known_default().ok_or(BadCheck::Url)?;
        Ok(Self {
            url: parsed.as_str().to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            address: format!("{host}:{port}"),
            tls,
            expect_status: expect_status.to_vec(),
            expect_body: expect_body.map(Regex::new).transpose().map_err(BadCheck::Pattern)?,
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// Asks, and measures the certificate in a connection of its own at the same time: a
    /// certificate that is not valid is measured too.
    pub(crate) async fn look(
        &self,
        http: &Http,
        timeout: Millis,
        now: Timestamp,
    ) -> (Result<Exchange, Trouble>, Option<Result<Shown, Unknown>>) {
        let certificate = async {
            if self.tls {
                Some(tls::shown(&self.host, &self.address, timeout, now).await)
            } else {
                None
            }
        };
        tokio::join!(self.ask(http, timeout), certificate)
    }

    async fn ask(&self, http: &Http, timeout: Millis) -> Result<Exchange, Trouble> {
        // Each look makes its own connection: a kept one would not notice that nobody accepts
        // new ones any longer.
        let request = Request::get(&self.url, timeout).header("connection", "close");
        let began = Instant::now();
        let response = http.send(request).await.map_err(|error| match error {
            HttpError::TimedOut(_) => Trouble::Failing(error.to_string()),
            HttpError::Url => Trouble::Unknown(error.to_string()),
            HttpError::Connection(why) => judge(&why),
        })?;
        let latency_ms = milliseconds_since(began);
        let (status, detail) = self.judge(&response);
        Ok(Exchange { status, detail, latency_ms })
    }

    fn judge(&self, response: &Response) -> (Status, String) {
        let code = response.status.as_u16();
        let expected = if self.expect_status.is_empty() {
            (200..400).contains(&code)
        } else {
            self.expect_status.contains(&code)
        };
        if !expected {
            return (Status::Failing, format!("HTTP {code}"));
        }
        if let Some(pattern) = &self.expect_body
            && !pattern.is_match(&String::from_utf8_lossy(&response.body))
        {
            let shown: String = pattern.as_str().chars().take(PATTERN_CHARS_MAX).collect();
            let part = if response.cut { "the beginning of the body" } else { "body" };
            return (Status::Failing, format!("{part} does not match /{shown}/"));
        }
        (Status::Passing, format!("HTTP {code}"))
    }
}
