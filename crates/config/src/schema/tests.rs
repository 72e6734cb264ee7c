//! That the schema agrees with what is read: the samples are valid by it, and every key that is
//! asked for while they are read is in it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::TEXT;
use crate::env::Env;
use crate::json5;
use crate::load::{ConfigSource, load};
use crate::problem::Report;
use crate::text::Files;
use crate::tree::{Node, Value};

thread_local! {
    /// The keys that were asked for, by the path of their object.
    static ASKED: RefCell<Vec<(String, Vec<String>)>> = const { RefCell::new(Vec::new()) };
}

/// Notes the keys that were asked for in one object.
pub(crate) fn note_asked(path: &str, keys: &[String]) {
    ASKED.with_borrow_mut(|asked| asked.push((path.to_owned(), keys.to_vec())));
}

fn schema() -> Json {
    serde_json::from_str(TEXT).unwrap()
}

const SAMPLES: [&str; 4] = [
    "nightcrew.json5",
    "playbooks/nightcrew.json5",
    "oncall/nightcrew.json5",
    "sources/nightcrew.json5",
];

fn examples() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Told => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Number(number) => serde_json::json!(number),
        Value::Text(text) => Json::String(text.text.clone()),
        Value::Array(items) => Json::Array(items.iter().map(json).collect()),
        Value::Object(object) => {
            let entries = object.entries.iter();
            Json::Object(entries.map(|it| (it.key.clone(), json(&it.node))).collect())
        }
    }
}

fn read(text: &str) -> Json {
    let mut files = Files::default();
    let file = files.add("f".into(), text.to_owned());
    let mut report = Report::default();
    let node = json5::parse(text, file, &files, &mut report).unwrap();
    json(&node)
}

/// The part of JSON Schema that the schema uses.
struct Checker<'s> {
    root: &'s Json,
    errors: Vec<String>,
}

impl<'s> Checker<'s> {
    fn resolve(&self, schema: &'s Json) -> &'s Json {
        match schema.get("$ref").and_then(Json::as_str) {
            Some(name) => self.root.pointer(name.trim_start_matches('#')).expect("a known name"),
            None => schema,
        }
    }

    fn check(&mut self, schema: &'s Json, value: &Json, path: &str) {
        let schema = self.resolve(schema);
        if let Some(any) = schema.get("anyOf").and_then(Json::as_array) {
            let mut nearest: Option<Vec<String>> = None;
            for part in any {
                let mut inner = Checker { root: self.root, errors: Vec::new() };
                inner.check(part, value, path);
                if inner.errors.is_empty() {
                    return;
                }
                if nearest.as_ref().is_none_or(|it| inner.errors.len() <= it.len()) {
                    nearest = Some(inner.errors);
                }
            }
            self.errors.extend(nearest.unwrap_or_default());
            return;
        }
        if let Some(values) = schema.get("enum").and_then(Json::as_array)
            && !values.contains(value)
        {
            self.errors.push(format!("{path}: {value} is none of {values:?}"));
        }
        if let Some(kind) = schema.get("type") {
            let kinds: Vec<&str> = match kind {
                Json::String(kind) => vec![kind],
                Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
                other => panic!("{other}"),
            };
            let found = match value {
                Json::Null => "null",
                Json::Bool(_) => "boolean",
                Json::Number(_) => "number",
                Json::String(_) => "string",
                Json::Array(_) => "array",
                Json::Object(_) => "object",
            };
            if !kinds.contains(&found) {
                self.errors.push(format!("{path}: expected {kinds:?}, found {found}"));
                return;
            }
        }
        match value {
            Json::String(text) => {
                let pattern = schema.get("pattern").and_then(Json::as_str);
                if pattern.is_some_and(|it| !regex::Regex::new(it).unwrap().is_match(text)) {
                    self.errors.push(format!("{path}: {text:?} does not match"));
                }
            }
            Json::Array(items) => {
                let least = schema.get("minItems").and_then(Json::as_u64).unwrap_or(0);
                if u64::try_from(items.len()).unwrap() < least {
                    self.errors.push(format!("{path}: too few"));
                }
                for (n, item) in items.iter().enumerate() {
                    if let Some(schema) = schema.get("items") {
                        self.check(schema, item, &format!("{path}[{n}]"));
                    }
                }
            }
            Json::Object(object) => self.object(schema, object, path),
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn object(&mut self, schema: &'s Json, object: &Map<String, Json>, path: &str) {
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
            if !object.contains_key(key.as_str().unwrap()) {
                self.errors.push(format!("{path}: {key} is missing"));
            }
        }
        for (key, value) in object {
            match property(schema, key) {
                Some(Json::Bool(true)) => {}
                None | Some(Json::Bool(false)) => {
                    self.errors.push(format!("{path}.{key}: unknown key"));
                }
                Some(schema) => self.check(schema, value, &format!("{path}.{key}")),
            }
        }
    }

    /// Every schema that may hold for the value at a path; none where the path is open.
    fn at(&self, path: &str) -> Vec<&'s Json> {
        let mut here = self.alternatives(self.root);
        let plain = path.replace("[\"", ".").replace("\"]", "").replace('[', ".#").replace(']', "");
        for part in plain.split('.').filter(|part| !part.is_empty()) {
            let next = here.iter().filter_map(|schema| match part.strip_prefix('#') {
                Some(_) => schema.get("items"),
                None => property(schema, part),
            });
            here = next.flat_map(|schema| self.alternatives(schema)).collect();
        }
        here
    }

    fn alternatives(&self, schema: &'s Json) -> Vec<&'s Json> {
        let schema = self.resolve(schema);
        match schema.get("anyOf").and_then(Json::as_array) {
            Some(any) => any.iter().flat_map(|part| self.alternatives(part)).collect(),
            None => vec![schema],
        }
    }
}

/// The schema of one key of an object; none where there is no such key.
fn property<'s>(schema: &'s Json, key: &str) -> Option<&'s Json> {
    if let Some(found) = schema.get("properties").and_then(|it| it.get(key)) {
        return Some(found);
    }
    let patterns = schema.get("patternProperties").and_then(Json::as_object);
    let mut patterns = patterns.into_iter().flatten();
    if let Some((_, found)) = patterns.find(|it| regex::Regex::new(it.0).unwrap().is_match(key)) {
        return Some(found);
    }
    match schema.get("additionalProperties") {
        Some(Json::Bool(false)) => None,
        Some(more) => Some(more),
        // What nothing is said about may hold anything; a text holds no keys.
        None if schema.get("type").is_none_or(|kind| kind == "object") => Some(&ANYTHING),
        None => None,
    }
}

static ANYTHING: Json = Json::Bool(true);

fn errors(text: &str) -> Vec<String> {
    let schema = schema();
    let mut checker = Checker { root: &schema, errors: Vec::new() };
    checker.check(&schema, &read(text), "");
    checker.errors
}

#[test]
fn the_samples_are_valid() {
    for name in SAMPLES {
        let text = std::fs::read_to_string(examples().join(name)).unwrap();
        assert_eq!(errors(&text), [""; 0], "{name}");
    }
}

#[test]
fn slips_are_not_valid() {
    let cases = [
        ("{ playbook: {} }", ".playbook: unknown key"),
        ("{ services: { web: { unti: 'x' } } }", ".services.web.unti: unknown key"),
        ("{ playbooks: { p: { actions: [{ type: 'runn' }] } } }", "is none of"),
        ("{ playbooks: { p: { actions: [{ type: 'wait', duration: 5 }] } } }", "unknown key"),
        ("{ healing: { autonomy: 'all' } }", "is none of"),
        ("{ tickets: { j: { type: 'github', token: 't' } } }", "missing"),
        ("{ policy: { clean_roots: '/tmp' } }", "expected [\"array\"], found string"),
    ];
    for (text, expected) in cases {
        let said = errors(text).join("\n");
        assert!(said.contains(expected), "{text}: {said}");
    }
}

/// Sections that the schema only names.
const OPEN: [&str; 19] = [
    "thresholds",
    "detection",
    "slos",
    "channels",
    "all_clear",
    "chat",
    "dependencies",
    "escalation",
    "flapping",
    "heartbeat",
    "inhibit_rules",
    "mute_windows",
    "people",
    "receivers",
    "routing",
    "schedules",
    "sources",
    "storm",
    "time_intervals",
];

#[test]
fn every_key_that_is_read_is_in_the_schema() {
    ASKED.with_borrow_mut(Vec::clear);
    for name in SAMPLES {
        let _ = load(ConfigSource::Path(examples().join(name)), &Env::default());
    }
    let schema = schema();
    let checker = Checker { root: &schema, errors: Vec::new() };
    let mut unknown = BTreeSet::new();
    let mut places = BTreeSet::new();
    for (path, keys) in ASKED.take() {
        let section = path.split(['.', '[']).next().unwrap_or("");
        if OPEN.contains(&section) || section == "watchdogs" || section == "inbound" {
            continue;
        }
        places.insert(section.to_owned());
        let here = checker.at(&path);
        for key in keys {
            if !here.iter().any(|schema| property(schema, &key).is_some()) {
                unknown.insert(format!("{path}: {key}"));
            }
        }
    }
    assert_eq!(unknown, BTreeSet::new());
    for section in ["", "services", "playbooks", "patterns", "healing", "policy", "tickets", "logs"]
    {
        assert!(places.contains(section), "{section}: {places:?}");
    }
}
