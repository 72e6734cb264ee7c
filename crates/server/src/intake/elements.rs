//! The elements of a JSON array as raw text, so that each can be read, or be bad, on its own.

use std::fmt::{self, Write as _};

use crate::limit::{ALERTS_PER_REQUEST_MAX, BAD_NAMED_MAX, DEPTH_MAX};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many characters of a reason are shown.
const REASON_CHARS_MAX: usize = 300;

/// The raw elements of an array, [`ALERTS_PER_REQUEST_MAX`] at most, and how many there were.
#[derive(Debug, Default)]
pub(crate) struct Elements<'a> {
    pub(crate) raw: Vec<&'a RawValue>,
    pub(crate) n_total: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of alerts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut elements = Elements::default();
                while elements.n_total < ALERTS_PER_REQUEST_MAX {
                    let Some(raw) = array.next_element()? else { return Ok(elements) };
                    elements.raw.push(raw);
                    elements.n_total += 1;
                }
                while array.next_element::<IgnoredAny>()?.is_some() {
                    elements.n_total += 1;
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

/// Why a body as a whole holds no alerts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAlerts {
    /// It is not JSON, or not of that shape.
    #[error("the body cannot be read: {0}")]
    Shape(String),
    /// It nests too deep.
    #[error("arrays and objects nest deeper than {DEPTH_MAX} at byte {at}")]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// There are too many.
    #[error(
        "there are {n} alerts and one request may hold {ALERTS_PER_REQUEST_MAX}; send them in \
         several requests"
    )]
    TooMany {
        /// How many.
        n: usize,
    },
}

/// Reads a body, unless it nests too deep.
pub(crate) fn from_text<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, NotAlerts> {
    if let Some(at) = too_deep(text) {
        return Err(NotAlerts::TooDeep { at });
    }
    serde_json::from_str(text).map_err(|error| NotAlerts::Shape(cut(&error.to_string())))
}

/// The first byte at which a JSON text nests deeper than [`DEPTH_MAX`].
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Some(at);
        }
    }
    None
}

/// What was read: the good ones, and why the others are bad.
#[derive(Debug, Default)]
pub(crate) struct Parsed<T> {
    pub(crate) good: Vec<T>,
    named: Vec<String>,
    pub(crate) n_bad: usize,
}

impl<T> Parsed<T> {
    /// Reads every element with `parse`.
    pub(crate) fn of(
        elements: &Elements<'_>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Self, NotAlerts> {
        if elements.n_total > elements.raw.len() {
            return Err(NotAlerts::TooMany { n: elements.n_total });
        }
        let mut parsed = Self { good: Vec::new(), named: Vec::new(), n_bad: 0 };
        for (index, raw) in elements.raw.iter().enumerate() {
            match parse(raw.get()) {
                Ok(one) => parsed.good.push(one),
                Err(why) => {
                    parsed.n_bad += 1;
                    if parsed.named.len() < BAD_NAMED_MAX {
                        parsed.named.push(format!("alert {index}: {}", cut(&why)));
                    }
                }
            }
        }
        Ok(parsed)
    }

    /// Why the bad ones are bad; none when all are good.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.n_bad == 0 {
            return None;
        }
        let mut complaint = self.named.join("; ");
        let more = self.n_bad - self.named.len();
        if more > 0 {
            // Writing to a string cannot fail.
            let _ = write!(complaint, "; and {more} more");
        }
        Some(complaint)
    }
}

/// A reason, cut to what a person reads.
fn cut(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        None => reason.to_owned(),
        Some(_) => reason.chars().take(REASON_CHARS_MAX).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_bad(n: usize) -> Parsed<()> {
        let text = format!("[{}]", vec!["1"; n].join(","));
        Parsed::of(&from_text(&text).unwrap(), |_| Err("나쁨".repeat(400))).unwrap()
    }

    #[test]
    fn names_the_first_bad_ones_and_counts_the_others() {
        let complaint = all_bad(BAD_NAMED_MAX + 3).complaint().unwrap();
        assert!(complaint.starts_with("alert 0: 나쁨나쁨"));
        assert!(complaint.ends_with("…; and 3 more"));
        assert_eq!(complaint.matches("; ").count(), BAD_NAMED_MAX);
    }

    #[test]
    fn too_many_are_refused_before_any_is_read() {
        let text = format!("[{}1]", "1,".repeat(ALERTS_PER_REQUEST_MAX));
        let elements: Elements<'_> = from_text(&text).unwrap();
        let refused = Parsed::<()>::of(&elements, |_| unreachable!()).unwrap_err();
        assert_eq!(refused, NotAlerts::TooMany { n: ALERTS_PER_REQUEST_MAX + 1 });
    }

    #[test]
    fn depth_is_counted_outside_of_strings() {
        assert_eq!(too_deep(&"[".repeat(DEPTH_MAX)), None);
        assert_eq!(too_deep(&"[".repeat(1_000_000)), Some(DEPTH_MAX));
        let text = format!(r#"["{}\"[", "\\"]"#, "[{".repeat(1_000));
        assert_eq!(too_deep(&text), None);
    }
}
