//! Answers in Alertmanager's own form: the same JSON text that Go writes, and its errors.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::problem::Problem;

/// A status and a JSON body.
pub(crate) struct Answer<T>(pub(crate) StatusCode, pub(crate) T);

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let Ok(text) = serde_json::to_string(&self.1) else {
            // Strings, numbers and lists always have a JSON form.
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (self.0, as_go(&text)).into_response();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

/// JSON as `encoding/json` of Go writes it: what could end a script of a page is escaped, and a
/// line ends it.
fn as_go(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text.push('\n');
    text
}

/// Why a request is not done.
#[derive(Debug)]
pub(crate) enum Refused {
    /// 400 with the reason as a JSON string.
    Bad(String),
    /// 404 with the reason as a JSON string.
    Unknown(&'static str),
    /// A rule of the interface is broken; the code is the one of `go-openapi/errors`.
    Rule {
        /// The HTTP status.
        status: StatusCode,
        /// The code in the body.
        code: u16,
        /// The words.
        message: String,
    },
    /// What any other path would answer too.
    Problem(Problem),
}

impl Refused {
    /// A part of the body or the path that is missing or not as the interface has it.
    pub(crate) fn unprocessable(code: u16, message: impl Into<String>) -> Self {
        Self::Rule { status: StatusCode::UNPROCESSABLE_ENTITY, code, message: message.into() }
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<nightcrew_crew::handle::Refusal> for Refused {
    fn from(refusal: nightcrew_crew::handle::Refusal) -> Self {
        Self::Problem(refusal.into())
    }
}

#[derive(Serialize)]
struct Rule<'a> {
    code: u16,
    message: &'a str,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Bad(why) => Answer(StatusCode::BAD_REQUEST, why).into_response(),
            Self::Unknown(why) => Answer(StatusCode::NOT_FOUND, why).into_response(),
            Self::Rule { status, code, message } => {
                Answer(status, Rule { code, message: &message }).into_response()
            }
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

/// A moment as Alertmanager writes it: in milliseconds, whatever they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(pub(crate) Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_bytes_that_go_writes() {
        let text = as_go(&serde_json::to_string(&["<b>&", "가"]).unwrap());
        assert_eq!(text, "[\"\\u003cb\\u003e\\u0026\",\"가\"]\n");
        let moment = |text: &str| serde_json::to_string(&Moment(text.parse().unwrap())).unwrap();
        assert_eq!(moment("2026-11-21T03:00:00.1239Z"), "\"2026-11-21T03:00:00.123Z\"");
        assert_eq!(moment("2030-01-01T00:00:00Z"), "\"2030-01-01T00:00:00.000Z\"");
    }
}
