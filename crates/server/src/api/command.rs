//! What every request that changes something has in common: a small JSON body that says who asks.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use nightcrew_model::id::PersonName;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::body;
use crate::limit::{COMMAND_BODY_BYTES_MAX, NAME_CHARS_MAX, REASON_CHARS_MAX};
use crate::problem::Problem;

/// A JSON body; an empty one is an empty object.
pub(crate) struct Command<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Command<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Ok(Self(read(app, &parts.headers, body).await?))
    }
}

async fn read<T: DeserializeOwned>(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Problem> {
    let received = body::read(&app.bodies, headers, body, COMMAND_BODY_BYTES_MAX).await?;
    let text = if received.text.trim().is_empty() { "{}" } else { &received.text };
    serde_json::from_str(text).map_err(|error| {
        Problem::bad_request(
            format!("the body cannot be read: {error}"),
            "send a JSON object with the members that the documentation of the path names",
        )
    })
}

/// Who asks, where nothing else is said.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asker {
    by: Option<String>,
}

impl Asker {
    /// The name, `api` where none is told.
    pub(crate) fn name(self) -> Result<PersonName, Problem> {
        self.by.map_or_else(|| Ok(PersonName::from("api")), |by| person("by", &by))
    }
}

/// The name of a person.
pub(crate) fn person(member: &str, text: &str) -> Result<PersonName, Problem> {
    line(member, text, NAME_CHARS_MAX).map(PersonName::from)
}

/// Why a person wants something.
pub(crate) fn reason(text: &str) -> Result<String, Problem> {
    line("reason", text, REASON_CHARS_MAX).map(str::to_owned)
}

/// One line of text.
pub(crate) fn line<'a>(member: &str, text: &'a str, chars_max: usize) -> Result<&'a str, Problem> {
    let text = text.trim();
    let fits = !text.is_empty()
        && text.chars().count() <= chars_max
        && !text.chars().any(char::is_control);
    if fits {
        return Ok(text);
    }
    Err(Problem::bad_request(
        format!("{member} is not valid"),
        format!("give one line of 1 to {chars_max} characters"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_reasons_are_one_line_of_a_bounded_length() {
        assert_eq!(person("by", " 김 철수 ").unwrap().as_str(), "김 철수");
        assert!(person("by", &"김".repeat(NAME_CHARS_MAX)).is_ok());
        for bad in ["", "  ", "a\nb", "a\u{7}b", &"김".repeat(NAME_CHARS_MAX + 1)] {
            assert!(person("by", bad).is_err(), "{bad:?}");
        }
        assert!(reason(&"x".repeat(REASON_CHARS_MAX)).is_ok());
        assert!(reason(&"x".repeat(REASON_CHARS_MAX + 1)).is_err());
        assert_eq!(Asker::default().name().unwrap().as_str(), "api");
    }
}
