//! The environment: what the process has, and the `.env` file beside the configuration.
//!
//! The process wins over the file, so that one variable can be changed for one run.  Values are
//! never shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::problem::{Place, Report};
use crate::text::{FileId, Span};

/// The environment of the process, read once by the binary.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(n, v)| (n.into(), v.into())).collect())
    }
}

/// Every variable that a configuration can use.
#[derive(Debug)]
pub(crate) struct Variables<'a> {
    process: &'a Env,
    file: Env,
    /// Names that `.env.example` asks for.
    expected: BTreeSet<String>,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(process: &'a Env, file: Env, example: &Env) -> Self {
        Self { process, file, expected: example.0.keys().cloned().collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.process.get(name).or_else(|| self.file.get(name))
    }

    /// Whether `.env.example` asks for it.
    pub(crate) fn is_expected(&self, name: &str) -> bool {
        self.expected.contains(name)
    }

    /// The names of all variables.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let file = self.file.0.keys();
        self.process.0.keys().chain(file).map(String::as_str)
    }
}

/// Whether the text can name a variable.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads a `.env` file: `KEY=VALUE` lines, comments, quotes (single ones literally, double ones
/// with `\n`, `\t`, `\"`, `\\` and `\$`), and an optional `export`.
pub(crate) fn parse(text: &str, file: FileId, report: &mut Report) -> Env {
    let mut vars = BTreeMap::new();
    let mut offset = 0;
    for raw in text.split_inclusive('\n') {
        let start = offset;
        offset += raw.len();
        let line = raw.trim_end_matches(['\n', '\r']);
        let indent = line.len() - line.trim_start().len();
        let span = Span::new(file, start + indent, start + line.len());
        match parse_line(line.trim()) {
            Ok(None) => {}
            Ok(Some((name, value))) => {
                if vars.insert(name.to_owned(), value).is_some() {
                    report
                        .warning(Place::new(span, name), "the variable is set twice")
                        .hint("keep one of the two; the later one is used");
                }
            }
            Err(bad) => {
                report.error(Place::new(span, bad.name), bad.message).hint(
                    "a line is `KEY=VALUE`, `KEY='VALUE'`, `KEY=\"VALUE\"`, or begins with `#`",
                );
            }
        }
    }
    Env(vars)
}

struct BadLine {
    /// The variable, where its name could be read.
    name: String,
    message: &'static str,
}

fn parse_line(line: &str) -> Result<Option<(&str, String)>, BadLine> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => line,
    };
    let Some((name, value)) = line.split_once('=') else {
        return Err(BadLine {
            name: String::new(),
            message: "expected `=` after the name of the variable",
        });
    };
    let name = name.trim_end();
    if !is_name(name) {
        return Err(BadLine {
            name: String::new(),
            message: "expected a name of letters, digits and `_` before `=`",
        });
    }
    let bad = |message| BadLine { name: name.to_owned(), message };
    let value = value.trim_start();
    let (text, rest) = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            unquote(value, quote).ok_or_else(|| bad("the quote is not closed on this line"))?
        }
        _ => (unquoted(value), ""),
    };
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return Err(bad("expected the end of the line after the closing quote"));
    }
    if text.contains('\0') {
        return Err(bad("a variable cannot hold a NUL character"));
    }
    Ok(Some((name, text)))
}

/// The text up to a comment, which needs a blank before its `#`.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut after_blank = true;
    for c in value.chars() {
        if c == '#' && after_blank {
            break;
        }
        after_blank = matches!(c, ' ' | '\t');
        text.push(c);
    }
    text.truncate(text.trim_end().len());
    text
}

/// The text inside the quotes, and what follows them; none if they are not closed.
fn unquote(value: &str, quote: char) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut chars = value.chars();
    chars.next();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Some((text, chars.as_str())),
            '\\' if quote == '"' => match chars.next()? {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                escaped @ ('"' | '\\' | '$') => text.push(escaped),
                other => {
                    text.push('\\');
                    text.push(other);
                }
            },
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::Files;

    fn read(text: &str) -> (Env, Vec<String>) {
        let mut files = Files::default();
        let file = files.add(".env".into(), text.to_owned());
        let mut report = Report::default();
        let env = parse(text, file, &mut report);
        let problems = report.into_problems(&files);
        (env, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn reads_what_shells_and_docker_write() {
        let (env, problems) = read(concat!(
            "# 비밀\r\n",
            "A=1\r\n",
            "  export B = two words # comment\n",
            "C='single $x \\n'  # c\n",
            "D=\"a\\n\\\"b\\\" \\$x\"\n",
            "E=\n",
            "F=http://h/#frag\n",
            "G=가나다",
        ));
        assert_eq!(problems, [""; 0]);
        let value = |name: &str| env.get(name).unwrap();
        assert_eq!(value("A"), "1");
        assert_eq!(value("B"), "two words");
        assert_eq!(value("C"), "single $x \\n");
        assert_eq!(value("D"), "a\n\"b\" $x");
        assert_eq!(value("E"), "");
        assert_eq!(value("F"), "http://h/#frag");
        assert_eq!(value("G"), "가나다");
    }

    #[test]
    fn errors_name_the_line_and_never_the_value() {
        let (_, problems) = read("A=1\n\n  hunter2\nB='hunter2\n1C=hunter2\nD=\"x\" hunter2\n");
        let lines: Vec<&str> =
            problems.iter().map(|problem| problem.split(" error").next().unwrap()).collect();
        assert_eq!(lines, [".env:3:3:", ".env:4:1:", ".env:5:1:", ".env:6:1:"]);
        assert!(problems.iter().all(|problem| !problem.contains("hunter2")));
    }

    #[test]
    fn the_process_wins() {
        let process: Env = [("A", "process")].into_iter().collect();
        let file: Env = [("A", "file"), ("B", "file")].into_iter().collect();
        let variables = Variables::new(&process, file, &Env::default());
        assert_eq!(variables.get("A"), Some("process"));
        assert_eq!(variables.get("B"), Some("file"));
        assert_eq!(variables.get("C"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "(\\PC|[\\r\\n\\t\\\\'\"=#]){0,80}") {
            let _ = read(&text);
        }
    }
}
