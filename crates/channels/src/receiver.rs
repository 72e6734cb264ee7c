//! What every receiver over HTTP has in common: sending once, reading what it says about later,
//! and quoting it without giving a secret away.

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, HttpError, Request, Response};

use crate::retry::{ASKED_MAX, CONNECTION_FAILED, NO_ANSWER};
use crate::text::one_line;

/// How long one request may take, from connecting to the end of the answer.
pub(crate) const REQUEST_TIMEOUT: Millis = Millis::from_secs(10);

/// The longest quotation of an answer, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// The shortest part of a URL or header that is taken for a secret, in bytes.
const SECRET_BYTES_MIN: usize = 4;

/// The parts of a request that must not be repeated to anyone.
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Whatever in the URL is not its scheme and host.
    pub(crate) fn in_url(url: &str) -> Self {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, path) = match after_scheme.split_once(['/', '?', '#']) {
            Some((authority, path)) => (authority, path),
            None => (after_scheme, ""),
        };
        let mut secrets = Self(Vec::new());
        if let Some((user, _)) = authority.rsplit_once('@') {
            secrets.add(user);
        }
        secrets.add(path);
        secrets
    }

    /// The words of one more text, such as the value of a header.
    pub(crate) fn add(&mut self, text: &str) {
        let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let words = text.split(|c| !part_of_word(c));
        let words = words.filter(|word| word.len() >= SECRET_BYTES_MIN);
        self.0.extend(words.map(str::to_lowercase));
    }

    /// One more text, which is secret as a whole, whatever its signs.
    pub(crate) fn add_whole(&mut self, text: &str) {
        if text.len() >= SECRET_BYTES_MIN {
            self.0.push(text.to_lowercase());
        }
    }

    fn occur_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().any(|secret| text.contains(secret))
    }

    /// The text in quotes behind a colon and a space, or nothing where it is empty, a web page, or
    /// repeats a secret.
    pub(crate) fn quote(&self, text: &str) -> String {
        let text = text.trim();
        if text.is_empty() || text.starts_with('<') || self.occur_in(text) {
            String::new()
        } else {
            format!(": `{}`", one_line(text, QUOTED_CHARS_MAX))
        }
    }
}

/// Sends one request.  Where no answer comes, the error is what that means for the message.
pub(crate) async fn send(
    http: &Http,
    request: Request,
    secrets: &Secrets,
) -> Result<Response, Delivery> {
    let scheme = request.url.split_once("://").map(|(scheme, _)| scheme);
    let known = ["http", "https"];
    if !scheme.is_some_and(|scheme| known.iter().any(|name| name.eq_ignore_ascii_case(scheme))) {
        return Err(bad_url());
    }
    http.send(request).await.map_err(|error| match error {
        HttpError::Url => bad_url(),
        HttpError::TimedOut(after) => {
            Delivery::Retry { after: None, error: format!("{NO_ANSWER} {after}") }
        }
        HttpError::Connection(cause) => Delivery::Retry {
            after: None,
            error: format!("{CONNECTION_FAILED}{}", secrets.quote(&cause)),
        },
    })
}

fn bad_url() -> Delivery {
    Delivery::Permanent {
        error: "the URL of the channel is not usable; it must begin with https:// or http:// and \
                name a host"
            .into(),
    }
}

/// Whether a status means "not now": what the same request may meet with another answer later.
pub(crate) fn is_later(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500.. | ..200)
}

/// What every service says by these statuses; none: the service has its own words for this one.
pub(crate) fn later(service: &str, response: &Response, said: &str) -> Option<Delivery> {
    let status = response.status.as_u16();
    is_later(status).then(|| Delivery::Retry {
        after: retry_after(response),
        error: format!("{service} answered HTTP {status}{said}"),
    })
}

/// An answer with a good status that is not the service's own: a proxy or a login page in between.
pub(crate) fn not_the_service(service: &str, response: &Response, said: &str) -> Delivery {
    Delivery::Retry {
        after: None,
        error: format!(
            "HTTP {} came, but not in the words of {service}{said}; something between it and the \
             crew answers in its place",
            response.status.as_u16()
        ),
    }
}

/// The answer as a JSON object; null where it is none.
pub(crate) fn json(response: &Response) -> serde_json::Value {
    let parsed = serde_json::from_slice(&response.body).unwrap_or_default();
    if matches!(parsed, serde_json::Value::Object(_)) { parsed } else { serde_json::Value::Null }
}

/// The request with a header whose value nobody may see; none where HTTP does not allow the value.
pub(crate) fn authorised(request: Request, value: &str) -> Option<Request> {
    let mut request = request.header("authorization", value);
    let set = request.headers.get_mut("authorization")?;
    set.set_sensitive(true);
    Some(request)
}

/// The start of the answer as text; broken UTF-8 is replaced.
pub(crate) fn body_text(response: &Response) -> String {
    /// Enough for what is quoted, whatever its characters.
    const BYTES_MAX: usize = QUOTED_CHARS_MAX * 16;
    let start = response.body.get(..BYTES_MAX).unwrap_or(&response.body);
    String::from_utf8_lossy(start).into_owned()
}

/// A header as text, if it is one.
pub(crate) fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.get(name)?.to_str().ok().map(str::trim)
}

/// How long the receiver asks to be left alone by `Retry-After` (RFC 9110, 10.2.3): seconds, or a
/// date, which is held against the `Date` of the same answer, so that no clock but the receiver's
/// counts.
pub(crate) fn retry_after(response: &Response) -> Option<Millis> {
    let asked = header(response, "retry-after")?;
    if let Some(after) = asked.parse().ok().and_then(from_seconds) {
        return Some(after);
    }
    let (until, now) = (http_date(asked)?, http_date(header(response, "date")?)?);
    Some(Millis::between(now, until).min(ASKED_MAX))
}

/// Seconds as a span, rounded up, at most [`ASKED_MAX`]; none for what is no span of time.
pub(crate) fn from_seconds(seconds: f64) -> Option<Millis> {
    if !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    // A cast from a float saturates.
    Some(Millis((seconds * 1_000.0).ceil() as u64).min(ASKED_MAX))
}

/// The three forms of RFC 9110, 5.6.7: the one that is sent today and the two obsolete ones that a
/// recipient still has to read.
pub(crate) fn http_date(text: &str) -> Option<Timestamp> {
    const FORMS: [&str; 3] =
        ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    FORMS.iter().find_map(|form| {
        let parsed = BrokenDownTime::parse(form, text).ok()?;
        Offset::UTC.to_timestamp(parsed.to_datetime().ok()?).ok()
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nightcrew_runtime::http::Http;
    use proptest::prelude::*;

    use super::*;

    /// An answer with these headers, as the client sees it.
    async fn answer(headers: &'static [(&'static str, &'static str)]) -> Response {
        let router = axum::Router::new().fallback(move || async move {
            let mut map = axum::http::HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            (map, "")
        });
        let request = Request::get("http://fake/", REQUEST_TIMEOUT);
        Http::Fake(router).send(request).await.unwrap()
    }

    #[tokio::test]
    async fn retry_after_is_seconds_or_a_date() {
        let after = retry_after(&answer(&[("retry-after", "120")]).await);
        assert_eq!(after, Some(Millis::from_secs(120)));
        for (date, until) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:37 GMT"),
            ("Sunday, 06-Nov-94 08:49:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT"),
            ("Sun Nov  6 08:49:37 1994", "Sun Nov  6 08:50:37 1994"),
        ] {
            let headers = Box::leak(Box::new([("date", date), ("retry-after", until)]));
            let after = retry_after(&answer(headers).await);
            assert_eq!(after, Some(Millis::from_secs(60)), "{date}");
        }
    }

    #[tokio::test]
    async fn nonsense_about_later_is_no_word_about_later() {
        for nonsense in ["", "soon", "-5", "NaN", "내일", "1e999"] {
            let headers = Box::leak(Box::new([("retry-after", nonsense)]));
            assert_eq!(retry_after(&answer(headers).await), None, "{nonsense}");
        }
        let undated = [("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(retry_after(&answer(Box::leak(Box::new(undated))).await), None);
        let for_ever = answer(&[("retry-after", "1e300")]).await;
        assert_eq!(retry_after(&for_ever), Some(ASKED_MAX));
    }

    #[test]
    fn an_answer_that_repeats_a_secret_is_not_quoted() {
        let mut secrets =
            Secrets::in_url("https://me:pass-word@hooks.example/services/T0KEN-abc?key=k3y-9");
        secrets.add("Bearer s3cr3t-h34der");
        for told in [
            "cannot POST /services/t0ken-ABC",
            "bad key K3Y-9",
            "user pass-word unknown",
            "token s3cr3t-h34der is over",
            "<html>whatever</html>",
            "  ",
        ] {
            assert_eq!(secrets.quote(told), "", "{told}");
        }
        assert_eq!(secrets.quote("hooks.example: 잘못된 요청\n"), ": `hooks.example: 잘못된 요청`");
    }

    #[tokio::test]
    async fn a_url_without_a_known_scheme_is_permanent() {
        let http = Http::net();
        for url in ["ftp://x/", "discord.com/api", "", "http//x", "https://"] {
            let request = Request::get(url, REQUEST_TIMEOUT);
            let secrets = Secrets::in_url(url);
            let sent = send(&http, request, &secrets).await;
            assert!(matches!(sent, Err(Delivery::Permanent { .. })), "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_quotation_holds_a_part_of_the_url(path in "[a-z0-9/._-]{0,30}", around in "\\PC{0,20}") {
            let secrets = Secrets::in_url(&format!("https://host/{path}"));
            let quoted = secrets.quote(&format!("{around} {path} {around}")).to_lowercase();
            for word in path.split(['/', '.']).filter(|word| word.len() >= SECRET_BYTES_MIN) {
                prop_assert!(!quoted.contains(word));
            }
        }

        #[test]
        fn dates_and_seconds_never_panic(text in "\\PC{0,40}") {
            let _ = http_date(&text);
            let _ = text.parse().ok().and_then(from_seconds);
        }
    }

    #[test]
    fn broken_utf8_is_replaced() {
        let mut response = Response {
            status: Default::default(),
            headers: Default::default(),
            body: Bytes::from_static(b"\xff\xfe no"),
            cut: false,
        };
        assert_eq!(body_text(&response), "\u{fffd}\u{fffd} no");
        response.body = Bytes::from("가".repeat(100_000));
        assert!(body_text(&response).len() < 10_000);
    }
}
