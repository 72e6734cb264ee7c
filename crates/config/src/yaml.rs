//! YAML text in, a tree with places out.
//!
//! A plain scalar is a truth value, a number or nothing where the core schema of YAML 1.2 says so;
//! whoever wants the text of it all the same asks [`Files::written`].  Aliases and merge keys are
//! resolved, within limits, so that a small file cannot become a large tree.
//!
//! The parser gives events, and the tree is built of them without recursion: no depth of a file
//! can exhaust the stack.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::problem::{Place, Report};
use crate::text::{FileId, Files, Span};
use crate::tree::{Entry, Node, Object, Text, Value};

/// How deep values may be nested.
pub(crate) const YAML_DEPTH_MAX: usize = 64;

/// The largest number of values of one file, those of aliases included.
pub(crate) const YAML_NODES_MAX: usize = 200_000;

/// The key whose value is merged into the object around it.
const MERGE: &str = "<<";

/// Reads a text that was added to `files` as `file`.
pub(crate) fn parse(text: &str, file: FileId, files: &Files, report: &mut Report) -> Option<Node> {
    let mut builder = Builder::new(file, files);
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => Err(syntax(&error, file)),
        };
        if let Err(Bad { span, message, hint }) = step {
            let found = report.error(Place::new(span, ""), message);
            if let Some(hint) = hint {
                found.hint(hint);
            }
            return None;
        }
    }
    if builder.root.is_none() {
        report.error(Place::new(Span::top(file), ""), "the file says nothing; expected an object");
    }
    builder.root
}

/// What is wrong with a file.
struct Bad {
    span: Span,
    message: String,
    hint: Option<&'static str>,
}

fn bad(span: Span, message: impl Into<String>) -> Bad {
    Bad { span, message: message.into(), hint: None }
}

fn syntax(error: &ScanError, file: FileId) -> Bad {
    let at = error.marker().byte_offset().unwrap_or(0);
    Bad {
        span: Span::new(file, at, at),
        message: format!("not YAML: {}", error.info()),
        hint: Some("YAML indents with spaces, and a text that holds `: ` or ` #` needs quotes"),
    }
}

/// A value that is complete.
#[derive(Clone)]
struct Built {
    node: Node,
    /// How many values it is made of, itself counted.
    size: usize,
    /// How deep it is, itself counted.
    depth: usize,
}

/// A list or an object whose end has not come.
struct Open {
    start: Span,
    anchor: usize,
    size: usize,
    depth: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        /// The places of the keys that are there.
        keys: HashMap<String, Span>,
        /// The key whose value comes next.
        key: Option<(String, Span)>,
        /// The objects of merge keys.
        merged: Vec<Object>,
    },
}

struct Builder<'f> {
    file: FileId,
    files: &'f Files,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    /// How many values there are.
    size: usize,
    has_document: bool,
    root: Option<Node>,
}

impl<'f> Builder<'f> {
    fn new(file: FileId, files: &'f Files) -> Self {
        Self {
            file,
            files,
            open: Vec::new(),
            anchors: HashMap::new(),
            size: 0,
            has_document: false,
            root: None,
        }
    }

    fn span(&self, span: &granit_parser::Span) -> Span {
        let start = span.start.byte_offset().unwrap_or(0);
        let end = span.end.byte_offset().unwrap_or(start);
        Span::new(self.file, start, end.max(start))
    }

    fn event(&mut self, event: Event<'_>, at: &granit_parser::Span) -> Result<(), Bad> {
        let span = self.span(at);
        match event {
            Event::DocumentStart(..) if self.has_document => {
                return Err(bad(span, "the file holds more than one document"));
            }
            Event::DocumentStart(..) => self.has_document = true,
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), span)?;
                return self
                    .complete(Built { node: Node { span, value }, size: 1, depth: 1 }, anchor);
            }
            Event::SequenceStart(_, anchor, tag) => {
                untagged(tag.as_deref(), "seq", span)?;
                self.begin(span, anchor, Inside::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                untagged(tag.as_deref(), "map", span)?;
                let (entries, keys) = (Vec::new(), HashMap::new());
                let inside = Inside::Map { entries, keys, key: None, merged: Vec::new() };
                self.begin(span, anchor, inside)?;
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(span),
            Event::Alias(anchor) => {
                // An anchor whose value is still open holds itself.
                let Some(built) = self.anchors.get(&anchor).cloned() else {
                    return Err(bad(span, "the alias stands inside of what it stands for"));
                };
                return self.complete(built, 0);
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, start: Span, anchor: usize, inside: Inside) -> Result<(), Bad> {
        if self.open.len() >= YAML_DEPTH_MAX {
            return Err(bad(
                start,
                format!("values are nested deeper than {YAML_DEPTH_MAX} levels"),
            ));
        }
        self.open.push(Open { start, anchor, size: 1, depth: 1, inside });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Bad> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let span = Span { end: end.end.max(open.start.end), ..open.start };
        let value = match open.inside {
            Inside::List(items) => Value::Array(items),
            Inside::Map { mut entries, mut keys, merged, .. } => {
                for entry in merged.into_iter().flat_map(|object| object.entries) {
                    // What stands in the object itself wins, and then what was merged first.
                    if keys.insert(entry.key.clone(), entry.key_span).is_none() {
                        entries.push(entry);
                    }
                }
                Value::Object(Object { entries })
            }
        };
        let built = Built { node: Node { span, value }, size: open.size, depth: open.depth };
        self.complete(built, open.anchor)
    }

    /// Puts a complete value to where it stands.
    fn complete(&mut self, built: Built, anchor: usize) -> Result<(), Bad> {
        let span = built.node.span;
        self.size += if anchor == 0 { built.size } else { 1 };
        if self.size > YAML_NODES_MAX {
            return Err(bad(
                span,
                format!("with its aliases the file holds more than {YAML_NODES_MAX} values"),
            ));
        }
        if self.open.len() + built.depth > YAML_DEPTH_MAX {
            return Err(bad(
                span,
                format!("values are nested deeper than {YAML_DEPTH_MAX} levels"),
            ));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let files = self.files;
        let Some(open) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        open.size += built.size;
        open.depth = open.depth.max(built.depth + 1);
        match &mut open.inside {
            Inside::List(items) => items.push(built.node),
            Inside::Map { entries, keys, key, merged } => match key.take() {
                None => *key = Some(self::key(&built.node, files)?),
                Some((name, _)) if name == MERGE => merged.extend(mergeable(built.node)?),
                Some((name, key_span)) => {
                    if let Some(first) = keys.insert(name.clone(), key_span) {
                        let first = files.locate(first);
                        let message =
                            format!("the key {name:?} is written twice; first at {first}");
                        return Err(Bad {
                            hint: Some("keep one of the two"),
                            ..bad(key_span, message)
                        });
                    }
                    entries.push(Entry { key: name, label: None, key_span, node: built.node });
                }
            },
        }
        Ok(())
    }
}

/// A key as a text.
fn key(node: &Node, files: &Files) -> Result<(String, Span), Bad> {
    let text = match &node.value {
        Value::Text(text) => Some(text.text.clone()),
        Value::Number(_) | Value::Bool(_) => files.written(node.span).map(str::to_owned),
        _ => None,
    };
    match text.filter(|text| !text.is_empty()) {
        Some(text) => Ok((text, node.span)),
        None => Err(bad(node.span, "expected a text as the key")),
    }
}

/// The objects of a merge key: one, or a list of them.
fn mergeable(node: Node) -> Result<Vec<Object>, Bad> {
    let span = node.span;
    let wrong = || bad(span, "expected an object, or a list of objects, to merge");
    match node.value {
        Value::Object(object) => Ok(vec![object]),
        Value::Array(items) => {
            let objects = items.into_iter().map(|item| match item.value {
                Value::Object(object) => Ok(object),
                _ => Err(wrong()),
            });
            objects.collect()
        }
        _ => Err(wrong()),
    }
}

/// Tags say nothing here but what the value is anyway.
fn untagged(tag: Option<&Tag>, expected: &str, span: Span) -> Result<(), Bad> {
    match tag {
        None => Ok(()),
        Some(tag) if tag.suffix() == expected => Ok(()),
        Some(tag) => Err(bad(span, format!("the tag {tag} means nothing here"))),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, Bad> {
    untagged(tag, "str", span)?;
    let as_text = || Value::Text(Text { text: text.to_owned(), from_env: false });
    if tag.is_some() || style != ScalarStyle::Plain {
        return Ok(as_text());
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(as_text, Value::Number),
    })
}

/// A number of the core schema that is finite.
fn number(text: &str) -> Option<f64> {
    let whole = |digits: &str, base| u32::from_str_radix(digits, base).ok().map(f64::from);
    if let Some(digits) = text.strip_prefix("0x") {
        return whole(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return whole(digits, 8);
    }
    let is_number = text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E'));
    let number: f64 = if is_number { text.parse().ok()? } else { return None };
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tree::At;

    fn read(text: &str) -> (Option<Node>, Files, Vec<String>) {
        let mut files = Files::default();
        let file = files.add("a.yml".into(), text.to_owned());
        let mut report = Report::default();
        let node = parse(text, file, &files, &mut report);
        let problems = report.into_problems(&files);
        (node, files, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_value_knows_where_it_is_written() {
        let text = "\u{feff}route:\n  receiver: '결제 팀'   # 누구\n  group_wait: 30s\n  continue: true\n  \
                    chat: -1001234567890123\n  zip: 007\n  list: [a, \"b\"]\n  none:\n";
        let text = text.trim_start_matches('\u{feff}');
        let (node, files, problems) = read(text);
        assert_eq!(problems, [""; 0]);
        let node = node.unwrap();
        let route = At::root(&node).get("route").unwrap();
        let at = |key: &str| {
            let at = route.get(key).unwrap();
            let place = files.locate(at.node.span);
            (place, files.written(at.node.span).unwrap_or_default().to_owned())
        };
        assert_eq!(at("receiver"), ("a.yml:2:13".into(), "'결제 팀'".into()));
        assert_eq!(at("group_wait"), ("a.yml:3:15".into(), "30s".into()));
        assert_eq!(at("chat"), ("a.yml:5:9".into(), "-1001234567890123".into()));
        assert_eq!(at("zip"), ("a.yml:6:8".into(), "007".into()));
        assert!(matches!(route.get("continue").unwrap().node.value, Value::Bool(true)));
        assert!(matches!(route.get("none").unwrap().node.value, Value::Null));
        assert_eq!(route.get("list").unwrap().describe(), "an array of 2");
        assert_eq!(files.locate(route.get("list").unwrap().key_span), "a.yml:7:3");
    }

    #[test]
    fn aliases_and_merge_keys_are_resolved() {
        let (node, _, problems) =
            read("base: &b {a: 1, b: 2}\nuse: *b\nmerged:\n  <<: *b\n  a: 3\n");
        assert_eq!(problems, [""; 0]);
        let node = node.unwrap();
        let root = At::root(&node);
        assert_eq!(root.get("use").unwrap().get("b").unwrap().describe(), "2");
        assert_eq!(root.get("merged").unwrap().get("a").unwrap().describe(), "3");
        assert_eq!(root.get("merged").unwrap().get("b").unwrap().describe(), "2");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let cases = [
            ("a: [1, 2\nb: 3\n", "a.yml:2:2: error: not YAML: illegal placement of ':' indicator"),
            (
                "a: 1\na: 2\n",
                "a.yml:2:1: error: the key \"a\" is written twice; first at a.yml:1:1",
            ),
            (
                "a: 1\n\tb: 2\n",
                "a.yml:1:4: error: not YAML: while scanning a plain scalar, found a tab",
            ),
            ("? [1]\n: x\n", "a.yml:1:3: error: expected a text as the key"),
            ("a: *nobody\n", "a.yml:1:4: error: not YAML: "),
            ("a: &x [*x]\n", "a.yml:1:8: error: the alias stands inside of what it stands for"),
            ("a: 1\n---\nb: 2\n", "a.yml:2:1: error: the file holds more than one document"),
            ("a: !!int 5\n", "error: the tag"),
            ("<<: 5\n", "a.yml:1:5: error: expected an object, or a list of objects, to merge"),
            ("가: \"열린\n", "a.yml:2:1: error: not YAML: "),
            ("", "a.yml:1:1: error: the file says nothing"),
        ];
        for (text, expected) in cases {
            let (node, _, problems) = read(text);
            assert!(node.is_none(), "{text}");
            assert!(problems.join("\n").contains(expected), "{text}: {problems:?}");
        }
    }

    #[test]
    fn neither_depth_nor_aliases_make_it_large() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(YAML_DEPTH_MAX)).0.is_some());
        let (node, _, problems) = read(&deep(YAML_DEPTH_MAX + 1));
        assert!(node.is_none() && problems[0].contains("nested deeper than 64"), "{problems:?}");
        assert!(read(&deep(10_000)).0.is_none());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..9 {
            let item = format!("*a{}", n - 1);
            let list = [item.as_str(); 10].join(", ");
            bomb = format!("{bomb}a{n}: &a{n} [{list}]\n");
        }
        let (node, _, problems) = read(&bomb);
        assert!(node.is_none() && problems[0].contains("more than 200000 values"), "{problems:?}");
        let mut chain = "a0: &a0 [x]\n".to_owned();
        for n in 1..100 {
            chain = format!("{chain}a{n}: &a{n} [*a{}]\n", n - 1);
        }
        let (node, _, problems) = read(&chain);
        assert!(node.is_none() && problems[0].contains("nested deeper"), "{problems:?}");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\PC\n\t]{0,80}", yaml in "[-a:{}\\[\\]&*!?|>'\"# \n<,]{0,60}") {
            let _ = read(&text);
            let _ = read(&yaml);
        }
    }
}
