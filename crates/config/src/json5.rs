//! JSON5 text in, a tree with places out.
//!
//! The grammar is that of <https://spec.json5.org>; a key that is written twice is an error here,
//! because one of the two would silently lose.

use std::collections::HashMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::problem::{Place, Report};
use crate::text::{FileId, Files, Span};
use crate::tree::{Entry, Node, Object, Text, Value, push_index, push_key};

/// How deep values may be nested, in parentheses of the grammar: an array counts once, an object
/// twice (itself and its key).  The parser has the same limit.
pub(crate) const DEPTH_MAX: usize = 512;

/// Every freedom of JSON5, and none beyond it.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: true,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: true,
    allow_hexadecimal_numbers: true,
    allow_unary_plus_numbers: true,
    allow_bare_decimal_point_numbers: true,
    allow_non_finite_numbers: true,
    allow_extended_string_escapes: true,
};

/// Reads a text that was added to `files` as `file`.
pub(crate) fn parse(text: &str, file: FileId, files: &Files, report: &mut Report) -> Option<Node> {
    let mut reader = Reader { file, files, report, path: String::new() };
    reader.parse(text)
}

struct Reader<'a> {
    file: FileId,
    files: &'a Files,
    report: &'a mut Report,
    path: String,
}

impl Reader<'_> {
    fn parse(&mut self, text: &str) -> Option<Node> {
        match parse_to_ast(text, &CollectOptions::default(), &OPTIONS) {
            Ok(parsed) => match parsed.value {
                Some(value) => Some(self.node(value)),
                None => {
                    self.report
                        .error(
                            Place::new(Span::top(self.file), ""),
                            "the file says nothing; expected an object",
                        )
                        .hint("write at least `{}`");
                    None
                }
            },
            Err(error) => {
                self.syntax(&error);
                None
            }
        }
    }

    fn syntax(&mut self, error: &ParseError) {
        let range = error.range();
        let span = Span::new(self.file, range.start, range.end);
        let (message, hint) = explain(error.kind());
        let found = self.report.error(Place::new(span, ""), message);
        if let Some(hint) = hint {
            found.hint(hint);
        }
    }

    fn node(&mut self, value: ast::Value<'_>) -> Node {
        let range = value.range();
        let span = Span::new(self.file, range.start, range.end);
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::StringLit(literal) => {
                Value::Text(Text { text: literal.value.into_owned(), from_env: false })
            }
            ast::Value::NumberLit(literal) => self.number(literal.value, span),
            ast::Value::Array(array) => Value::Array(self.array(array)),
            ast::Value::Object(object) => Value::Object(self.object(object)),
        };
        Node { span, value }
    }

    fn number(&mut self, written: &str, span: Span) -> Value {
        match number(written) {
            Some(number) => Value::Number(number),
            None => {
                self.report
                    .error(
                        Place::new(span, self.path.clone()),
                        format!("expected a finite number, found {written}"),
                    )
                    .hint("leave the key out if there is no limit");
                Value::Told
            }
        }
    }

    fn array(&mut self, array: ast::Array<'_>) -> Vec<Node> {
        let length = self.path.len();
        let items = array.elements.into_iter().enumerate();
        items
            .map(|(n, element)| {
                push_index(&mut self.path, n);
                let node = self.node(element);
                self.path.truncate(length);
                node
            })
            .collect()
    }

    fn object(&mut self, object: ast::Object<'_>) -> Object {
        let length = self.path.len();
        let mut entries: Vec<Entry> = Vec::with_capacity(object.properties.len());
        let mut seen: HashMap<String, Span> = HashMap::with_capacity(object.properties.len());
        for property in object.properties {
            let range = property.name.range();
            let key_span = Span::new(self.file, range.start, range.end);
            let key = property.name.into_string();
            push_key(&mut self.path, &key);
            let node = self.node(property.value);
            if let Some(first) = seen.get(&key) {
                let first = self.files.locate(*first);
                self.report
                    .error(
                        Place::new(key_span, self.path.clone()),
                        format!("the key is written twice; first at {first}"),
                    )
                    .hint("keep one of the two");
            } else {
                seen.insert(key.clone(), key_span);
                entries.push(Entry { key, label: None, key_span, node });
            }
            self.path.truncate(length);
        }
        Object { entries }
    }
}

/// Reads a number of JSON5; none if it is not finite.
fn number(written: &str) -> Option<f64> {
    let (negative, digits) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let number = match hexadecimal {
        // Digit by digit: a number beyond 2^53 is rounded as a decimal one would be.
        Some(digits) => digits.chars().try_fold(0.0_f64, |number, digit| {
            Some(number * 16.0 + f64::from(digit.to_digit(16)?))
        })?,
        None => digits.parse::<f64>().ok()?,
    };
    let signed = if negative { -number } else { number };
    signed.is_finite().then_some(signed)
}

/// What a syntax error means, and what to do.
fn explain(kind: &ParseErrorKind) -> (String, Option<&'static str>) {
    use ParseErrorKind as Kind;
    let (message, hint) = match kind {
        Kind::UnterminatedObject => (
            "this `{` is never closed: the file ends first",
            Some("add the missing `}`; if the end of the file is gone, write the file again"),
        ),
        Kind::UnterminatedArray => (
            "this `[` is never closed: the file ends first",
            Some("add the missing `]`; if the end of the file is gone, write the file again"),
        ),
        Kind::UnterminatedCommentBlock => {
            ("this comment is never closed: the file ends first", Some("add the missing `*/`"))
        }
        Kind::ExpectedColonAfterObjectKey => ("expected `:` after the key", None),
        Kind::ExpectedObjectValue => ("expected a value after `:`, but the file ends", None),
        Kind::ExpectedComma => ("expected `,` between two values", Some("add a `,` here")),
        Kind::MultipleRootJsonValues => {
            ("expected the end of the file after the value", Some("one file holds one object"))
        }
        Kind::UnexpectedWord => {
            ("expected a value, found a word without quotes", Some("put the text into quotes"))
        }
        Kind::UnexpectedTokenInObject => ("expected a key or `}`", None),
        Kind::NestingDepthExceeded => {
            ("nested too deeply: at most 512 levels, where an object counts twice", None)
        }
        Kind::String(what) => {
            let message = lowercase_start(&what.to_string());
            return (message, Some("write `\\\\` for a backslash that is meant literally"));
        }
        other => return (lowercase_start(&other.to_string()), None),
    };
    (message.to_owned(), hint)
}

fn lowercase_start(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::At;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut files = Files::default();
        let mut report = Report::default();
        let file = files.add("f".into(), text.to_owned());
        let node = parse(text, file, &files, &mut report);
        let problems = report.into_problems(&files);
        (node, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_every_freedom_of_json5() {
        let text = "// c\n{ 'a': +1, b: .5, \"c\": 5., d: 0xFF, e: -0x10, 한글: 'x\\\ny', /* z */ \
                    f: [1, 2,], }";
        let (node, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        let node = node.unwrap();
        let root = At::root(&node);
        let said = |key: &str| root.get(key).unwrap().describe();
        assert_eq!(said("a"), "1");
        assert_eq!(said("b"), "0.5");
        assert_eq!(said("c"), "5");
        assert_eq!(said("d"), "255");
        assert_eq!(said("e"), "-16");
        assert_eq!(said("한글"), "\"xy\"");
        assert_eq!(said("f"), "an array of 2");
    }

    #[test]
    fn says_what_is_wrong_with_the_text() {
        let cases = [
            ("{ a: 1,\n  b: [", "f:2:6: error: this `[` is never closed"),
            ("{ a: {", "f:1:6: error: this `{` is never closed"),
            ("", "f:1:1: error: the file says nothing"),
            ("// only a comment", "f:1:1: error: the file says nothing"),
            ("{ a: hello }", "f:1:6: error: expected a value, found a word"),
            ("{ a: 1 b: 2 }", "f:1:7: error: expected `,`"),
            ("{} {}", "f:1:4: error: expected the end of the file"),
            ("{ a: NaN }", "f:1:6: error: a: expected a finite number, found NaN"),
            ("{ a: 1e999 }", "f:1:6: error: a: expected a finite number"),
            ("{ 가: 'x", "f:1:6: error: unterminated string literal"),
            (
                "{\r\n  나: { 가: 1,\r\n    가: 2 } }",
                "f:3:5: error: 나.가: the key is written twice; first at f:2:8",
            ),
        ];
        for (text, expected) in cases {
            let (_, problems) = read(text);
            assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
            assert!(problems[0].starts_with(expected), "{text:?}: {problems:?}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
        assert_eq!(read(&deep).1, [""; 0]);
        let deeper = "[".repeat(100_000);
        assert!(read(&deeper).1[0].contains("nested too deeply"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}:,'\"/*+.0-9a-fxNI가-힣\\\\ \\r\\n-]{0,60}") {
            let _ = read(&text);
        }
    }
}
