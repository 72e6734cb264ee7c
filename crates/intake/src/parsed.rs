//! What a request tells, or why it tells nothing.

use std::fmt::Write as _;

use nightcrew_model::alert::{IncomingAlert, Source};

use crate::change::Change;
use crate::door::cloudwatch::Subscription;
use crate::door::opsgenie::Receipt;
use crate::limit::{ALERTS_MAX, BAD_NAMED_MAX, NOTES_MAX};
use crate::wording::shortened;

/// What a request tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// Alerts which name themselves by all of their labels.
    pub alerts: Vec<IncomingAlert>,
    /// What happened to things which have an id, in order.
    pub changes: Vec<Change>,
    /// What was left out on purpose, and why, in words.
    pub notes: Vec<String>,
    /// The elements that could not be read.
    pub partial: Vec<Rejected>,
    /// How many alerts the sender left out because its message was too long: they have to be
    /// fetched from it (`GET /api/v2/alerts`).
    pub n_truncated: u64,
    /// What the sender wants confirmed before it sends anything else.
    pub handshake: Option<Subscription>,
    /// What an Opsgenie client is answered with.
    pub receipt: Option<Receipt>,
}

/// An element of a body that could not be read; the others are taken all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which one, from 0.
    pub index: usize,
    /// Why, with the path of the field.
    pub why: String,
}

/// Why a body as a whole tells nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unparsable {
    /// It is not text.
    #[error("the body is not UTF-8 from byte {at} on; send JSON in UTF-8")]
    NotUtf8 {
        /// Where.
        at: usize,
    },
    /// It is not JSON, or not of that shape.
    #[error("the body cannot be read: {0}")]
    Json(String),
    /// Arrays and objects nest deeper than anything that is meant for people.
    #[error(
        "the body cannot be read: arrays and objects nest too deep at line {line}, column {column}"
    )]
    TooDeep {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// There are too many.
    #[error(
        "there are {n} alerts and one request may hold {ALERTS_MAX}; send them in several requests"
    )]
    TooMany {
        /// How many.
        n: usize,
    },
    /// A field is missing or wrong.
    #[error("{path}: {why}")]
    Field {
        /// Where, with dots: `event.data.id`; `body` for the whole.
        path: String,
        /// What is wrong, and what was expected.
        why: String,
    },
    /// The request asks for something that this door does not have.
    #[error(
        "{method} {path} is no call of this API; use POST /v2/alerts, /v2/alerts/ID/close or /v2/alerts/ID/acknowledge"
    )]
    NoSuchCall {
        /// Its method.
        method: String,
        /// Its path.
        path: String,
    },
    /// A generic door without a mapping of fields.
    #[error("the door `{door}` has no mapping; say in its `mapping` where the labels are")]
    NoMapping {
        /// Its name.
        door: String,
    },
    /// Nothing comes in from there.
    #[error("`{0}` tells nothing from outside")]
    NoDoor(Source),
}

impl Unparsable {
    pub(crate) fn field(path: impl Into<String>, why: impl AsRef<str>) -> Self {
        let path = path.into();
        let path = if path.is_empty() { "body".to_owned() } else { shortened(&path) };
        Self::Field { path, why: shortened(why.as_ref()) }
    }
}

impl Parsed {
    /// How many alerts, changes and bad elements there were.
    #[must_use]
    pub fn n_elements(&self) -> usize {
        self.alerts.len() + self.changes.len() + self.partial.len()
    }

    /// Why the bad ones are bad; none when all are good.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        if self.partial.is_empty() {
            return None;
        }
        let named: Vec<_> = self
            .partial
            .iter()
            .take(BAD_NAMED_MAX)
            .map(|bad| format!("alert {}: {}", bad.index, bad.why))
            .collect();
        let mut complaint = named.join("; ");
        let more = self.partial.len() - named.len();
        if more > 0 {
            // Writing to a string cannot fail.
            let _ = write!(complaint, "; and {more} more");
        }
        Some(complaint)
    }

    pub(crate) fn reject(&mut self, index: usize, why: &str) {
        self.partial.push(Rejected { index, why: shortened(why) });
    }

    pub(crate) fn note(&mut self, note: &str) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(shortened(note));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::REASON_CHARS_MAX;

    #[test]
    fn a_complaint_names_the_first_bad_ones_and_counts_the_others() {
        let mut parsed = Parsed::default();
        assert_eq!(parsed.complaint(), None);
        for index in 0..BAD_NAMED_MAX + 3 {
            parsed.reject(index, &"나쁨".repeat(REASON_CHARS_MAX));
        }
        let complaint = parsed.complaint().unwrap();
        assert!(complaint.starts_with("alert 0: 나쁨나쁨"));
        assert!(complaint.ends_with("…; and 3 more"));
        assert_eq!(complaint.matches("; ").count(), BAD_NAMED_MAX);
    }

    #[test]
    fn notes_are_bounded() {
        let mut parsed = Parsed::default();
        for _ in 0..=NOTES_MAX {
            parsed.note("무시");
        }
        assert_eq!(parsed.notes.len(), NOTES_MAX);
    }
}
