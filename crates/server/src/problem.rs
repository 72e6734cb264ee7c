//! Errors as a client sees them: `application/problem+json` (RFC 9457) with a hint.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use nightcrew_crew::handle::Refusal;
use nightcrew_journal::dead_letter::DeadLetterId;
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
    /// It is written or compressed in a way that is not read here.
    UnsupportedEncoding,
    /// Who asks has not proven who it is.
    Unauthorized,
    /// Who asks is not who it says.
    Unbelieved,
    /// Things are not so that it could be done.
    Conflict,
    /// Too much is waiting already.
    Overloaded,
    /// The journal cannot be written.
    StorageUnavailable,
    /// The crew is stopping.
    Stopping,
    /// The journal cannot be read.
    JournalUnreadable,
    /// What was measured cannot be read.
    SeriesUnavailable,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::WrongHost | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Unbelieved => StatusCode::FORBIDDEN,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Overloaded
            | Self::StorageUnavailable
            | Self::SeriesUnavailable
            | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::UnsupportedEncoding => "unsupported-encoding",
            Self::Unauthorized => "unauthorized",
            Self::Unbelieved => "unbelieved",
            Self::Conflict => "conflict",
            Self::Overloaded => "overloaded",
            Self::StorageUnavailable => "storage-unavailable",
            Self::Stopping => "stopping",
            Self::JournalUnreadable => "journal-unreadable",
            Self::SeriesUnavailable => "series-unavailable",
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
            Self::UnsupportedEncoding => "The request is written in another way",
            Self::Unauthorized => "It is not known who asks",
            Self::Unbelieved => "It is not believed who asks",
            Self::Conflict => "It cannot be done as things are",
            Self::Overloaded => "Too much is waiting",
            Self::StorageUnavailable => "The journal cannot be written",
            Self::Stopping => "The crew is stopping",
            Self::JournalUnreadable => "The journal cannot be read",
            Self::SeriesUnavailable => "What was measured cannot be read",
        }
    }
}

/// An error with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    kind: Kind,
    detail: String,
    hint: String,
    /// Where what was sent is kept, if it is.
    dead_letter: Option<DeadLetterId>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: hint.into(), dead_letter: None }
    }

    pub(crate) fn bad_request(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Kind::BadRequest, detail, hint)
    }

    pub(crate) fn not_found(what: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, format!("there is no {what}"), hint)
    }

    /// The problem, with the place where what was sent is kept.
    pub(crate) fn about_letter(mut self, id: DeadLetterId) -> Self {
        self.dead_letter = Some(id);
        self
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

/// The body, as RFC 9457 names its members; `hint` and `dead_letter` are extensions of ours.
#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    hint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<DeadLetterId>,
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
            dead_letter: self.dead_letter,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let wanted = HeaderValue::from_static("Bearer realm=\"nightcrew\"");
            headers.insert(WWW_AUTHENTICATE, wanted);
        }
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
