//! One question to a source over HTTP, and what may go wrong with it.
//!
//! **Invariant:** an answer is whole and good, or it is `Unknown` with the reason: a status that is
//! not 200 to 299, a body that is cut, a connection that breaks half-way, a silence.

use bytes::Bytes;
use nightcrew_config::settings::source::Endpoint;
use nightcrew_model::sample::Unknown;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, HttpError, Method, Request, Response};
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

/// The largest answer of a source that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The longest rest that a source can ask for (`Retry-After`).
pub const REST_MAX: Millis = Millis::from_secs(3_600);

/// How long a source rests that answers 429 and does not say how long.
pub(super) const REST_DEFAULT: Millis = Millis::from_secs(60);

/// Asks one source.
#[derive(Debug)]
pub(crate) struct Exchange {
    endpoint: Endpoint,
    timeout: Millis,
    heard: Heard,
    /// Why it was silent in this look so far.
    silence: Option<Unknown>,
}

/// What a look learned about the source itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Whether it answered at all, be it with a refusal.
    pub(crate) answered: bool,
    /// How long it wants to be left alone.
    pub(crate) rest: Option<Millis>,
    /// How many questions it was asked.
    pub(crate) questions: u64,
}

impl Exchange {
    pub(crate) fn new(endpoint: &Endpoint, timeout: Millis) -> Self {
        Self { endpoint: endpoint.clone(), timeout, heard: Heard::default(), silence: None }
    }

    /// What was heard since the last call.
    pub(crate) fn take_heard(&mut self) -> Heard {
        self.silence = None;
        std::mem::take(&mut self.heard)
    }

    /// The URL of the source, for links.
    pub(crate) fn url(&self) -> &str {
        &self.endpoint.url
    }

    /// Asks for a page below the URL; `path` may be empty.
    pub(crate) async fn get(&mut self, http: &Http, path: &str) -> Result<Response, Unknown> {
        let request = Request::get(format!("{}{path}", self.endpoint.url), self.timeout);
        self.send(http, request).await
    }

    /// Posts a form.
    pub(crate) async fn post_form(
        &mut self,
        http: &Http,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Response, Unknown> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let mut request = Request::get(format!("{}{path}", self.endpoint.url), self.timeout)
            .method(Method::POST)
            .header("content-type", "application/x-www-form-urlencoded");
        request.body = Bytes::from(body);
        self.send(http, request).await
    }

    /// Posts JSON.
    pub(crate) async fn post_json(
        &mut self,
        http: &Http,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Response, Unknown> {
        let url = format!("{}{path}", self.endpoint.url);
        self.send(http, Request::post_json(url, body, self.timeout)).await
    }

    async fn send(&mut self, http: &Http, mut request: Request) -> Result<Response, Unknown> {
        // Who was silent is not asked again in the same look, which would wait for each question.
        if let Some(why) = self.silence.clone().filter(|_| !self.heard.answered) {
            return Err(why);
        }
        for (name, value) in &self.endpoint.headers {
            request = request.header(name, value.expose());
        }
        request.body_bytes_max = ANSWER_BYTES_MAX;
        self.heard.questions += 1;
        let response = http.send(request).await.map_err(|error| match error {
            HttpError::TimedOut(after) => Unknown::TimedOut(after),
            HttpError::Url | HttpError::Connection(_) => Unknown::Failed(error.to_string()),
        });
        let response = response.inspect_err(|why| self.silence = Some(why.clone()))?;
        let code = response.status.as_u16();
        // 502 to 504 are the words of whatever stands in front of a source that is not there.
        self.heard.answered |= !matches!(code, 502..=504);
        if code == 429 || code == 503 {
            let asked = retry_after(&response).or((code == 429).then_some(REST_DEFAULT));
            self.heard.rest = self.heard.rest.max(asked);
        }
        if !response.status.is_success() {
            return Err(Unknown::Failed(refusal(&response)));
        }
        if response.cut {
            let mebibytes = ANSWER_BYTES_MAX >> 20;
            return Err(Unknown::Failed(format!("the answer is longer than {mebibytes} MiB")));
        }
        Ok(response)
    }
}

/// `Retry-After` in seconds; the form with a date is not used by any source of ours.
fn retry_after(response: &Response) -> Option<Millis> {
    let text = response.headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = text.trim().parse().ok()?;
    Some(Millis::from_secs(seconds).min(REST_MAX))
}

/// What a source says of why it refuses.
#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    message: Option<String>,
}

/// `HTTP 422: parse error …`.
fn refusal(response: &Response) -> String {
    let code = response.status.as_u16();
    let said = serde_json::from_slice::<Refusal>(&response.body).ok().and_then(|refusal| {
        let nested = |value: &serde_json::Value| {
            let text = value.as_str().or_else(|| value.get("message")?.as_str());
            text.map(str::to_owned)
        };
        refusal.error.as_ref().and_then(nested).or(refusal.message)
    });
    match said {
        Some(said) => format!("HTTP {code}: {said}"),
        None => format!("HTTP {code}"),
    }
}

/// Reads an answer in JSON; an answer that is none (a sign-in page, half an object) is no reading.
pub(crate) fn json<'a, T: Deserialize<'a>>(response: &'a Response) -> Result<T, Unknown> {
    serde_json::from_slice(&response.body)
        .map_err(|error| Unknown::Failed(format!("the answer is not what was expected: {error}")))
}
