//! The tree of a configuration: values that know where they were written.
//!
//! **Invariant:** a node keeps the place of its own file through `$include`, layers and merging,
//! so that a problem always points at the line that a person has to change.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::secret;
use crate::text::Span;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A JSON5 value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Always finite.
    Number(f64),
    Text(Text),
    Array(Vec<Node>),
    Object(Object),
    /// Something whose problem is told already, such as a text with a variable that is not set:
    /// nothing more is said about it.
    Told,
}

/// A string.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// Whether a variable of the environment is in it: then it is never shown, and may stand for
    /// a number or a truth value.
    pub(crate) from_env: bool,
}

/// An object; keys are unique and in the order of writing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) entries: Vec<Entry>,
}

/// One key of an object.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// The key as written, where a variable was put into it.
    pub(crate) label: Option<String>,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Entry {
    /// The key as it may be shown.
    pub(crate) fn shown(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.key)
    }
}

impl Object {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    /// The object, if it is one.
    pub(crate) fn object(&self) -> Option<&Object> {
        match &self.value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// Puts `over` on top of this: objects merge key by key, everything else is replaced.
    pub(crate) fn merged_with(self, over: Self) -> Self {
        let span = over.span;
        let value = match (self.value, over.value) {
            (Value::Object(base), Value::Object(over)) => Value::Object(base.merged_with(over)),
            (_, value) => value,
        };
        Self { span, value }
    }

    /// This value under a key of a new object.
    pub(crate) fn under(self, key: &str) -> Self {
        let span = self.span;
        Self {
            span,
            value: Value::Object(Object {
                entries: vec![Entry {
                    key: key.to_owned(),
                    label: None,
                    key_span: span,
                    node: self,
                }],
            }),
        }
    }
}

impl Object {
    fn merged_with(self, over: Self) -> Self {
        let mut places: HashMap<String, usize> =
            self.entries.iter().enumerate().map(|(n, entry)| (entry.key.clone(), n)).collect();
        let mut slots: Vec<Option<Entry>> = self.entries.into_iter().map(Some).collect();
        for entry in over.entries {
            match places.get(&entry.key) {
                Some(&n) => {
                    let merged = match slots[n].take() {
                        Some(base) => Entry { node: base.node.merged_with(entry.node), ..entry },
                        None => entry,
                    };
                    slots[n] = Some(merged);
                }
                None => {
                    places.insert(entry.key.clone(), slots.len());
                    slots.push(Some(entry));
                }
            }
        }
        Self { entries: slots.into_iter().flatten().collect() }
    }
}

/// A node and the key that leads to it.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) node: &'a Node,
    /// Where its key stands; for an element of an array, the element itself.
    pub(crate) key_span: Span,
    /// The dotted key, such as `services.web.checks[0]`.
    pub(crate) path: String,
}

impl<'a> At<'a> {
    /// The whole configuration.
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { node, key_span: node.span, path: String::new() }
    }

    /// The value of one key.
    pub(crate) fn entry(&self, entry: &'a Entry) -> Self {
        let mut path = self.path.clone();
        push_key(&mut path, entry.shown());
        At { node: &entry.node, key_span: entry.key_span, path }
    }

    /// One element.
    pub(crate) fn item(&self, n: usize, node: &'a Node) -> Self {
        let mut path = self.path.clone();
        push_index(&mut path, n);
        At { node, key_span: node.span, path }
    }

    /// The value of a key, if this is an object that has it.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        self.node.object()?.get(key).map(|entry| self.entry(entry))
    }

    /// What stands here, in words that may be shown.
    pub(crate) fn describe(&self) -> String {
        const SHOWN_CHARS_MAX: usize = 60;
        match &self.node.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text)
                if text.from_env
                    || secret::is_secret_key(&self.path)
                    || secret::looks_like_secret(&text.text) =>
            {
                "a string that is not shown, because it may be a secret".to_owned()
            }
            Value::Text(text) if text.text.chars().count() > SHOWN_CHARS_MAX => {
                let start: String = text.text.chars().take(SHOWN_CHARS_MAX).collect();
                format!("{:?}", start + "…")
            }
            Value::Text(text) => format!("{:?}", text.text),
            Value::Array(items) => format!("an array of {}", items.len()),
            Value::Object(_) => "an object".to_owned(),
            Value::Told => "what is told already".to_owned(),
        }
    }
}

/// Appends a key to a dotted path; a key that is not a plain word stands in brackets.
pub(crate) fn push_key(path: &mut String, key: &str) {
    let plain = !key.is_empty()
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '{' | '}'));
    if plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        // Writing to a string cannot fail.
        let _ = write!(path, "[{key:?}]");
    }
}

/// Appends an index to a dotted path.
pub(crate) fn push_index(path: &mut String, n: usize) {
    let _ = write!(path, "[{n}]");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json5;
    use crate::problem::Report;
    use crate::text::Files;

    fn parse(files: &mut Files, text: &str) -> Node {
        let file = files.add("t".into(), text.to_owned());
        json5::parse(text, file, files, &mut Report::default()).unwrap()
    }

    #[test]
    fn merges_objects_deeply_and_replaces_the_rest() {
        let mut files = Files::default();
        let base = parse(&mut files, "{a: {x: 1, y: [1, 2]}, b: 1}");
        let over = parse(&mut files, "{a: {y: [3], z: 2}, c: {}}");
        let merged = base.merged_with(over);
        let root = At::root(&merged);
        let a = root.get("a").unwrap();
        assert_eq!(a.get("x").unwrap().describe(), "1");
        assert_eq!(a.get("y").unwrap().describe(), "an array of 1");
        let keys: Vec<&str> =
            merged.object().unwrap().entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c"]);
    }

    #[test]
    fn paths_are_dotted_and_odd_keys_are_quoted() {
        let mut path = String::new();
        push_key(&mut path, "services");
        push_key(&mut path, "웹");
        push_index(&mut path, 2);
        push_key(&mut path, "a.b");
        assert_eq!(path, "services.웹[2][\"a.b\"]");
    }
}
