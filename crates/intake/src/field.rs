//! A field of a body together with its path, so that every complaint says where.

use jiff::Timestamp;
use serde_json::Value;

use crate::limit::ID_BYTES_MAX;
use crate::moment;
use crate::parsed::Unparsable;

static NULL: Value = Value::Null;

/// A value and its path from the body down; a field that is absent is `null`.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// The whole body.
    pub(crate) fn body(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// The member of this name, `null` where there is none.
    pub(crate) fn at(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        let value = self.value.get(name).unwrap_or(&NULL);
        Self { path: format!("{}{dot}{name}", self.path), value }
    }

    /// What a JSON pointer (RFC 6901) leads to.
    pub(crate) fn pointed(&self, pointer: &str) -> Self {
        let value = self.value.pointer(pointer).unwrap_or(&NULL);
        Self { path: format!("{}{pointer}", self.path), value }
    }

    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// The elements of an array.
    pub(crate) fn elements(&self) -> Option<impl Iterator<Item = Field<'a>> + use<'a, '_>> {
        let array = self.value.as_array()?;
        Some(array.iter().enumerate().map(|(n, value)| {
            let path = format!("{}[{n}]", self.path);
            Field { path, value }
        }))
    }

    /// A text, or a number or a truth value as text; none for what is empty and for what is
    /// something else.
    pub(crate) fn text(&self) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// The text of a field that becomes a label: none where there is none.
    pub(crate) fn label(&self) -> Result<Option<String>, Unparsable> {
        match self.text() {
            Some(text) if text.len() > ID_BYTES_MAX => {
                Err(self.wrong(format!("{} bytes, at most {ID_BYTES_MAX}", text.len())))
            }
            found => Ok(found),
        }
    }

    /// The text of a field without which nothing can be said.
    pub(crate) fn needed(&self, what: &str) -> Result<String, Unparsable> {
        match self.label()? {
            Some(text) => Ok(text),
            None if self.is_null() => Err(self.wrong(format!("missing; expected {what}"))),
            None => Err(self.wrong(format!("expected {what}, found {}", shape(self.value)))),
        }
    }

    /// A moment, where it is one; never later than `now`, so that a sender whose clock is ahead
    /// cannot begin something after its end.
    pub(crate) fn moment(&self, now: Timestamp) -> Option<Timestamp> {
        moment::lenient(self.value).map(|moment| moment.min(now))
    }

    pub(crate) fn wrong(&self, why: impl AsRef<str>) -> Unparsable {
        Unparsable::field(self.path.as_str(), why)
    }
}

/// What kind of value it is, in words.
pub(crate) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(text) if text.trim().is_empty() => "an empty text",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_complaint_names_the_path() {
        let body = json!({"a": {"b": [7, {"c": []}], "빈": " "}});
        let field = Field::body(&body);
        let second = field.at("a").at("b").elements().unwrap().nth(1).unwrap();
        let said = |field: &Field<'_>| field.needed("an id").unwrap_err().to_string();
        assert_eq!(said(&second.at("c")), "a.b[1].c: expected an id, found an array");
        assert_eq!(said(&second.at("d")), "a.b[1].d: missing; expected an id");
        assert_eq!(said(&field.at("a").at("빈")), "a.빈: expected an id, found an empty text");
        assert_eq!(said(&field), "body: expected an id, found an object");
        assert_eq!(field.pointed("/a/b/0").needed("an id"), Ok("7".to_owned()));
        assert_eq!(said(&field.pointed("/a/x")), "/a/x: missing; expected an id");
    }

    #[test]
    fn an_id_has_a_limit() {
        let fits = json!("x".repeat(ID_BYTES_MAX));
        assert!(Field::body(&fits).needed("an id").is_ok());
        let long = json!("x".repeat(ID_BYTES_MAX + 1));
        let said = Field::body(&long).needed("an id").unwrap_err().to_string();
        assert_eq!(said, "body: 1025 bytes, at most 1024");
    }
}
