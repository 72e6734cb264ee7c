//! `${VAR}`: variables of the environment in values and in keys.
//!
//! `${VAR:-default}` has a default for a variable that is not set or empty, `$${` is a literal
//! `${`.  Below `actions`, the placeholders of the service (`${SERVICE_NAME}` and its kin) belong
//! to the playbook and stay as they are.

use std::collections::HashMap;

use nightcrew_model::plan::SERVICE_PLACEHOLDERS;

use crate::env::{Variables, is_name};
use crate::nearest::nearest;
use crate::problem::{Place, Report};
use crate::text::{Files, Span};
use crate::tree::{Node, Object, Text, Value, push_index, push_key};

/// The key below which placeholders of the service are left alone.
const ACTIONS: &str = "actions";

/// Puts the variables into a tree; `path` is the key at which the tree stands.
pub(crate) fn substitute(
    node: &mut Node,
    path: String,
    variables: &Variables<'_>,
    files: &Files,
    report: &mut Report,
) {
    let in_actions = path.split(['.', '[']).any(|part| part == ACTIONS);
    let mut walk = Walk { variables, files, report, path, in_actions };
    walk.node(node);
}

struct Walk<'a> {
    variables: &'a Variables<'a>,
    files: &'a Files,
    report: &'a mut Report,
    path: String,
    in_actions: bool,
}

/// What one text became.
struct Filled {
    text: String,
    from_env: bool,
}

impl Walk<'_> {
    fn node(&mut self, node: &mut Node) {
        let length = self.path.len();
        match &mut node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Told => {}
            Value::Text(text) if text.text.contains("${") => {
                let filled = self.fill(&text.text, node.span);
                node.value = match filled {
                    Some(Filled { text, from_env }) => Value::Text(Text { text, from_env }),
                    None => Value::Told,
                };
            }
            Value::Text(_) => {}
            Value::Array(items) => {
                for (n, item) in items.iter_mut().enumerate() {
                    push_index(&mut self.path, n);
                    self.node(item);
                    self.path.truncate(length);
                }
            }
            Value::Object(object) => self.object(object),
        }
    }

    fn object(&mut self, object: &mut Object) {
        let length = self.path.len();
        let outside = self.in_actions;
        let mut renamed = false;
        for entry in &mut object.entries {
            push_key(&mut self.path, &entry.key);
            if entry.key.contains("${")
                && let Some(filled) = self.fill(&entry.key, entry.key_span)
            {
                let written = std::mem::replace(&mut entry.key, filled.text);
                entry.label = filled.from_env.then_some(written);
                renamed = true;
            }
            self.in_actions = outside || entry.key == ACTIONS;
            self.node(&mut entry.node);
            self.in_actions = outside;
            self.path.truncate(length);
        }
        if renamed {
            self.drop_repeated(object);
        }
    }

    /// Two keys that were different may have become the same.
    fn drop_repeated(&mut self, object: &mut Object) {
        let mut seen: HashMap<String, Span> = HashMap::new();
        object.entries.retain(|entry| {
            let Some(first) = seen.get(&entry.key) else {
                seen.insert(entry.key.clone(), entry.key_span);
                return true;
            };
            let mut key = self.path.clone();
            push_key(&mut key, entry.shown());
            let first = self.files.locate(*first);
            self.report
                .error(
                    Place::new(entry.key_span, key),
                    format!(
                        "with its variable filled in, the key is written twice; first at {first}"
                    ),
                )
                .hint("keep one of the two");
            false
        });
    }

    /// The text with its variables; none after an error, which is noted.
    fn fill(&mut self, text: &str, span: Span) -> Option<Filled> {
        let mut filled = String::with_capacity(text.len());
        let mut from_env = false;
        let mut good = true;
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let offset = text.len() - after.len() - 2;
            if let Some(literal) = before.strip_suffix('$') {
                filled.push_str(literal);
                filled.push_str("${");
                rest = after;
                continue;
            }
            filled.push_str(before);
            let Some((inside, behind)) = after.split_once('}') else {
                self.malformed(text, span, offset);
                return None;
            };
            rest = behind;
            if self.in_actions && is_placeholder(inside) {
                filled.push_str("${");
                filled.push_str(inside);
                filled.push('}');
                continue;
            }
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            if !is_name(name) {
                self.malformed(text, span, offset);
                good = false;
                continue;
            }
            let set = self.variables.get(name);
            match (set, default) {
                (Some(value), None) => {
                    self.report.conceal(name, value);
                    filled.push_str(value);
                    from_env = true;
                }
                (Some(value), Some(_)) if !value.is_empty() => {
                    self.report.conceal(name, value);
                    filled.push_str(value);
                    from_env = true;
                }
                (_, Some(default)) => filled.push_str(default),
                (None, None) => {
                    self.missing(name, self.files.inside(span, text, offset));
                    good = false;
                }
            }
        }
        filled.push_str(rest);
        good.then_some(Filled { text: filled, from_env })
    }

    fn malformed(&mut self, text: &str, span: Span, offset: usize) {
        let span = self.files.inside(span, text, offset);
        self.report
            .error(Place::new(span, self.path.clone()), "expected `${NAME}` or `${NAME:-default}`")
            .hint("write `$${` for a literal `${`");
    }

    fn missing(&mut self, name: &str, span: Span) {
        let hint = if self.variables.is_expected(name) {
            ".env.example asks for it: copy that file to .env and fill it in".to_owned()
        } else if let Some(near) = nearest(name, self.variables.names()) {
            format!("did you mean `${{{near}}}`?")
        } else {
            format!("set it in the environment or in .env, or write `${{{name}:-default}}`")
        };
        self.report
            .error(Place::new(span, self.path.clone()), format!("the variable {name} is not set"))
            .hint(hint);
    }
}

fn is_placeholder(inside: &str) -> bool {
    SERVICE_PLACEHOLDERS.iter().any(|placeholder| {
        placeholder.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) == Some(inside)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;
    use crate::json5;
    use crate::tree::At;

    fn fill(text: &str) -> (Node, Vec<String>) {
        let mut files = Files::default();
        let mut report = Report::default();
        let file = files.add("f".into(), text.to_owned());
        let mut node = json5::parse(text, file, &files, &mut report).unwrap();
        let env: Env = [
            ("HOST", "db-서울"),
            ("EMPTY", ""),
            ("KEY", "a"),
            ("SERVICE_NAME", "wrong"),
            ("DISCORD_WEBHOOK_URL", "s3cr3t-value"),
        ]
        .into_iter()
        .collect();
        let variables = Variables::new(&env, Env::default(), &Env::default());
        substitute(&mut node, String::new(), &variables, &files, &mut report);
        let problems = report.into_problems(&files);
        (node, problems.iter().map(ToString::to_string).collect())
    }

    fn value(node: &Node, key: &str) -> String {
        let root = At::root(node);
        root.get(key).unwrap().node.text().unwrap().to_owned()
    }

    #[test]
    fn fills_values_keys_defaults_and_escapes() {
        let (node, problems) = fill(
            "{ a1: '${HOST}:${EMPTY}5432', b: '${NONE:-dé fault}', c: '${EMPTY:-x}', d: '$${HOST}', \
             e: 'a $5 {x} ${HOST}', '${KEY}': 'k' }",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(value(&node, "a1"), "db-서울:5432");
        assert_eq!(value(&node, "b"), "dé fault");
        assert_eq!(value(&node, "c"), "x");
        assert_eq!(value(&node, "d"), "${HOST}");
        assert_eq!(value(&node, "e"), "a $5 {x} db-서울");
        assert_eq!(value(&node, "a"), "k");
    }

    #[test]
    fn placeholders_of_the_service_stay_in_actions() {
        let (node, problems) =
            fill("{ actions: ['restart ${SERVICE_NAME} on ${HOST}'], x: '${SERVICE_NAME}' }");
        assert_eq!(problems, [""; 0]);
        let root = At::root(&node);
        let Value::Array(items) = &root.get("actions").unwrap().node.value else { panic!() };
        assert_eq!(items[0].text(), Some("restart ${SERVICE_NAME} on db-서울"));
        assert_eq!(value(&node, "x"), "wrong");
    }

    #[test]
    fn errors_point_at_the_variable() {
        let (_, problems) = fill(
            "{ 주소: 'http://${HOTS}/', b: '${DISCORD_WEBHOOK}', c: '${한글}', d: '${HOST',\n\
             '${KEY}': 1, a: 2 }",
        );
        assert_eq!(
            problems,
            [
                "f:1:15: error: 주소: the variable HOTS is not set (did you mean `${HOST}`?)",
                "f:1:30: error: b: the variable DISCORD_WEBHOOK is not set (did you mean \
                 `${DISCORD_WEBHOOK_URL}`?)",
                "f:1:55: error: c: expected `${NAME}` or `${NAME:-default}` (write `$${` for a \
                 literal `${`)",
                "f:1:67: error: d: expected `${NAME}` or `${NAME:-default}` (write `$${` for a \
                 literal `${`)",
                "f:2:14: error: a: with its variable filled in, the key is written twice; first \
                 at f:2:1 (keep one of the two)",
            ]
        );
    }
}
