//! Sending one HTTP request to a URL that an operator declared, such as the reset of a pool.
//!
//! The URL must be one of `services.*.http_actions`, letter by letter: what an alert says can choose
//! none.  Redirects are not followed, so the answer is the declared server's own.

use std::time::Duration;

use nightcrew_model::plan::Method;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;
use nightcrew_runtime::http::{self, Http};

use crate::capture::Capture;
use crate::done::Done;
use crate::gate::Gate;
use crate::ruling::{Fit, Unfit};
use crate::text;
use crate::work::Work;

/// How long the whole exchange may take.
pub const REQUEST_TIMEOUT: Millis = Millis::from_secs(10);

/// How much of an answer is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 4 * 1_024;

const RULE: &str = "request";

/// A request to a declared URL.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    method: Method,
    url: String,
}

/// What a request can cost: the server decides what it does, so the method is all there is to go
/// by.  GET and POST ask for an action that its owner declared as harmless; PUT replaces and DELETE
/// removes.
fn class_of(method: Method) -> RiskClass {
    match method {
        Method::Get | Method::Post => RiskClass::Reversible,
        Method::Put | Method::Delete => RiskClass::Disruptive,
    }
}

impl Gate {
    pub(crate) fn request(&self, method: Method, url: &str) -> Result<Fit, Unfit> {
        let argv = vec![RULE.to_owned(), method.to_string(), url.to_owned()];
        let refused = |reason: String| {
            Unfit::refused(RULE, reason).of_class(class_of(method)).of_words(argv.clone())
        };
        text::check(url).map_err(|why| refused(why.to_string()))?;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(refused(format!("`{url}` is not an http or https URL")));
        }
        let declared =
            self.services().find(|service| service.http_actions.iter().any(|other| other == url));
        let service = declared.ok_or_else(|| {
            refused(format!(
                "`{url}` is not declared; add exactly this URL to services.NAME.http_actions"
            ))
        })?;
        Ok(Fit {
            class: class_of(method),
            rule: RULE.into(),
            reason: format!("services.{}.http_actions declares this URL", service.name),
            argv,
            approval: None,
            work: Work::Request(Call { method, url: url.to_owned() }),
        })
    }
}

impl Call {
    pub(crate) async fn send(&self, http: &Http, limit: Duration) -> Done {
        let limit = u64::try_from(limit.as_millis()).map_or(REQUEST_TIMEOUT, Millis);
        let mut request = http::Request::get(self.url.as_str(), limit.min(REQUEST_TIMEOUT)).method(
            match self.method {
                Method::Get => http::Method::GET,
                Method::Post => http::Method::POST,
                Method::Put => http::Method::PUT,
                Method::Delete => http::Method::DELETE,
            },
        );
        request.body_bytes_max = ANSWER_BYTES_MAX;
        let response = match http.send(request).await {
            Ok(response) => response,
            Err(why) => return Done::failed(format!("no answer: {why}")),
        };
        let mut capture = Capture::default();
        capture.push(&response.body);
        let said = format!("{} {}", response.status, capture.text());
        let said = said.trim_end().to_owned();
        let done = if response.status.is_success() {
            Done::succeeded(said)
        } else if response.status.is_redirection() {
            Done::failed(format!("{said}: redirects are not followed; declare where it leads"))
        } else {
            Done::failed(said)
        };
        done.number("status", f64::from(response.status.as_u16()))
    }
}
