//! Bodies as JSON, with errors that say where.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::limit::ALERTS_MAX;
use crate::parsed::Unparsable;
use crate::wording::shortened;

/// The text of a body.
pub(crate) fn text(body: &[u8]) -> Result<&str, Unparsable> {
    std::str::from_utf8(body).map_err(|error| Unparsable::NotUtf8 { at: error.valid_up_to() })
}

/// Reads a text; of two members of the same name the later counts.
pub(crate) fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unparsable> {
    serde_json::from_str(text).map_err(|error| unparsable(&error))
}

/// The value of a body.
pub(crate) fn value(body: &[u8]) -> Result<Value, Unparsable> {
    read(text(body)?)
}

/// What an error of the JSON reader means.
pub(crate) fn unparsable(error: &serde_json::Error) -> Unparsable {
    let said = error.to_string();
    if said.starts_with("recursion limit") {
        return Unparsable::TooDeep { line: error.line(), column: error.column() };
    }
    Unparsable::Json(shortened(&said))
}

/// The members of an object as raw text: a later member of the same name replaces an earlier one,
/// as Go and JavaScript read it.
pub(crate) type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The raw elements of an array, [`ALERTS_MAX`] at most, so that each can be read, or be bad, on
/// its own.
#[derive(Debug, Default)]
pub(crate) struct Elements<'a> {
    raw: Vec<&'a RawValue>,
    n_total: usize,
}

impl<'a> Elements<'a> {
    /// The elements, unless there are too many.
    pub(crate) fn within_limit(self) -> Result<Vec<&'a RawValue>, Unparsable> {
        if self.n_total > self.raw.len() {
            return Err(Unparsable::TooMany { n: self.n_total });
        }
        Ok(self.raw)
    }
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
                while elements.n_total < ALERTS_MAX {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_that_is_json_that_is_not_too_deep() {
        assert_eq!(value(b"{\"a\":\"\xff\"}"), Err(Unparsable::NotUtf8 { at: 6 }));
        assert!(matches!(value(b"{"), Err(Unparsable::Json(_))));
        let deep = "[".repeat(1_000);
        assert_eq!(value(deep.as_bytes()), Err(Unparsable::TooDeep { line: 1, column: 128 }));
    }

    #[test]
    fn a_later_member_replaces_an_earlier_one() {
        let members: Members<'_> = read(r#"{"가":1,"\uac00":2}"#).unwrap();
        assert_eq!(members["가"].get(), "2");
    }

    #[test]
    fn too_many_elements_are_refused() {
        let text = format!("[{}1]", "1,".repeat(ALERTS_MAX));
        let elements: Elements<'_> = read(&text).unwrap();
        let refused = elements.within_limit().unwrap_err();
        assert_eq!(refused, Unparsable::TooMany { n: ALERTS_MAX + 1 });
        let text = format!("[{}1]", "1,".repeat(ALERTS_MAX - 1));
        let elements: Elements<'_> = read(&text).unwrap();
        assert_eq!(elements.within_limit().unwrap().len(), ALERTS_MAX);
    }
}
