//! Errors as a client sees them: `application/problem+json` (RFC 9457) with a hint.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use nightcrew_crew::handle::Refusal;
use nightcrew_journal::error::ReadError;
use serde::Serialize;

/// After how many seconds a client should ask again where waiting helps.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What went wrong.  The word becomes the `type`, which a program can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request makes no sense.
    BadRequest,
    /// It names a host that is not this one.
    WrongHost,
    /// A page of another site sent it.
    OtherSite,
    /// There is nothing there.
    NotFound,
    /// There is something there, and not for this method.
    MethodNotAllowed,
    /// There is too much of it.
    TooLarge,
    /// Too much is waiting already.
    Overloaded,
    /// The journal cannot be written.
    StorageUnavailable,
    /// The crew is stopping.
    Stopping,
    /// The journal cannot be read.
    JournalUnreadable,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::WrongHost | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Overloaded | Self::StorageUnavailable | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::JournalUnreadable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::WrongHost => "wrong-host",
            Self::OtherSite => "other-site",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooLarge => "too-large",
            Self::Overloaded => "overloaded",
            Self::StorageUnavailable => "storage-unavailable",
            Self::Stopping => "stopping",
            Self::JournalUnreadable => "journal-unreadable",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is not valid",
            Self::WrongHost => "The request is for another host",
            Self::OtherSite => "The request comes from another site",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::TooLarge => "The request is too large",
            Self::Overloaded => "Too much is waiting",
            Self::StorageUnavailable => "The journal cannot be written",
            Self::Stopping => "The crew is stopping",
            Self::JournalUnreadable => "The journal cannot be read",
        }
    }
}

/// An error with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    hint: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: hint.into() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, detail, hint)
    }

    pub(crate) fn not_found(what: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what}"), hint)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

/// The body, as RFC 9457 names its members; `hint` is an extension of ours.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    hint: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let body = Body {
            r#type: format!("urn:nightcrew:problem:{}", self.kind.word()),
            title: self.kind.title(),
            status: status.as_u16(),
            detail: &self.detail,
            hint: &self.hint,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (kind, hint) = match refusal {
            Refusal::Overloaded => {
                (Kind::Overloaded, "send the same request again; repeating it is safe")
            }
            Refusal::Storage(_) => (
                Kind::StorageUnavailable,
                "free space on the disk of the data folder; the crew goes on by itself, and \
                 repeating the request is safe",
            ),
            Refusal::Stopping => {
                (Kind::Stopping, "send the same request again when the crew is back")
            }
        };
        Self::new(kind, refusal.to_string(), hint)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let kind = match error {
            ReadError::Closed => Kind::Stopping,
            ReadError::Damaged(_) | ReadError::Newer(_) | ReadError::Io(_) => {
                Kind::JournalUnreadable
            }
        };
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
        let detail = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        Self::new(kind, detail, "`nightcrew doctor` looks at the data folder")
    }
}
