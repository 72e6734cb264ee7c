//! What every tracker has in common over HTTP: who asks, and what the answers mean.

use nightcrew_config::settings::Secret;
use nightcrew_model::event::Delivery;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::http::{Http, Method, Request, Response};
use serde_json::Value;

use super::Undone;
use crate::receiver::{self, REQUEST_TIMEOUT, Secrets, retry_after};

/// One tracker over HTTP.
pub(super) struct Desk<'a> {
    /// What people call it.
    pub(super) service: &'static str,
    /// Where its API begins, without a `/` at the end.
    pub(super) base: String,
    /// The header by which it knows us, and its value.
    pub(super) authorization: (&'static str, String),
    /// What else it wants to hear.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// What it says is wrong, in its words.
    pub(super) words: fn(&Response) -> String,
    /// How long it asks to be left alone where it does not say so by `Retry-After`.
    pub(super) reset: fn(&Response) -> Option<Millis>,
    pub(super) secrets: Secrets,
    pub(super) http: &'a Http,
}

/// What a request was about: what 404 means depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// One ticket, by its key.
    Ticket,
    /// The project as a whole.
    Project,
}

/// The secrets of a tracker that knows us by a token.
pub(super) fn secrets_of(token: &Secret) -> Secrets {
    let mut secrets = Secrets::in_url("");
    secrets.add(token.expose());
    secrets
}

impl Desk<'_> {
    /// One request, whatever its answer.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, Undone> {
        let url = format!("{}{path}", self.base);
        let request = match body {
            Some(body) => Request::post_json(url, body, REQUEST_TIMEOUT),
            None => Request::get(url, REQUEST_TIMEOUT),
        };
        let mut request = request.method(method).header("user-agent", "nightcrew");
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let (name, value) = &self.authorization;
        request = request.header(name, value);
        let Some(set) = request.headers.get_mut(*name) else {
            return Err(Undone::Permanent {
                error: "the token has characters that no token has; copy it anew into `token` of \
                        the tracker"
                    .to_owned(),
            });
        };
        set.set_sensitive(true);
        receiver::send(self.http, request, &self.secrets).await.map_err(undone)
    }

    /// What the tracker says of a request that it did not do.
    pub(super) fn said(&self, answer: &Response) -> String {
        self.secrets.quote(&(self.words)(answer))
    }

    /// What a request that was not done means.
    pub(super) fn judge(&self, answer: &Response, about: About) -> Undone {
        let (service, said) = (self.service, self.said(answer));
        let status = answer.status.as_u16();
        let words = format!("{service} answered HTTP {status}{said}");
        let asked = retry_after(answer).max((self.reset)(answer));
        // 409: somebody else changed it at the same time.
        if receiver::is_later(status) || status == 409 || status == 403 && asked.is_some() {
            return Undone::Retry { after: asked, error: words };
        }
        let permanent = |advice: &str| Undone::Permanent { error: format!("{words}; {advice}") };
        match status {
            200..=299 => undone(receiver::not_the_service(service, answer, &said)),
            300..=399 => permanent(
                "redirects are not followed: check `url` of the tracker, and whether the project \
                 was moved or renamed",
            ),
            401 => permanent("the token does not work any more: set a new one as `token`"),
            403 => permanent("give the account the permission to see and to write these tickets"),
            404 | 410 if about == About::Ticket => Undone::Gone { error: words },
            404 | 410 => permanent(
                "check `url` and the project of the tracker, and whether the account may see it",
            ),
            _ => permanent("check the settings of the tracker"),
        }
    }
}

/// What an unsent message means for a ticket.
fn undone(delivery: Delivery) -> Undone {
    match delivery {
        Delivery::Retry { after, error } => Undone::Retry { after, error },
        Delivery::Permanent { error } => Undone::Permanent { error },
        Delivery::Delivered { .. } => {
            Undone::Retry { after: None, error: "the answer was not understood".to_owned() }
        }
    }
}

/// A text as a part of a path or the value of a query (RFC 3986, 2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 0xf)]);
        }
    }
    encoded
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

/// The texts of a list; what is no text is left out.
pub(super) fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_ends_the_part_of_a_path() {
        assert_eq!(encoded("야간/c r&w?#.."), "%EC%95%BC%EA%B0%84%2Fc%20r%26w%3F%23..");
    }
}
