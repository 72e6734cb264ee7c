//! A JSON5 file that is not the configuration itself, read as strictly: every key is declared by
//! the reading of it, and every problem has its place.
//!
//! The gate's grammars are such files.  Nothing of `${VAR}`, `$include` or layers applies to them.

use std::ops::RangeInclusive;
use std::path::Path;

use crate::fields::{self, Fields};
use crate::problem::{Place, Problem, Report};
use crate::text::{FileId, Files, Span};
use crate::tree::{At, Value};
use crate::{json5, read};

/// The problems of one file while it is read.
#[derive(Default)]
pub struct Problems {
    report: Report,
}

impl Problems {
    /// Notes that something cannot be used, and what to write instead.
    pub fn error(&mut self, at: &Spot<'_>, message: impl Into<String>, hint: impl Into<String>) {
        self.report.error(&at.0, message.into()).hint(hint);
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.report.has_errors()
    }
}

/// A value and its place.
#[derive(Clone)]
pub struct Spot<'a>(At<'a>);

impl<'a> Spot<'a> {
    /// The text that stands here; none: something else does.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.0.node.text()
    }

    /// The list that stands here; none: something else does.
    #[must_use]
    pub fn list(&self) -> Option<Vec<Self>> {
        match &self.0.node.value {
            Value::Array(items) => {
                Some(items.iter().enumerate().map(|(n, item)| Self(self.0.item(n, item))).collect())
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Text(_)
            | Value::Object(_)
            | Value::Told => None,
        }
    }

    /// The object that stands here; anything else is a problem.
    pub fn object(&self, what: &str, problems: &mut Problems) -> Option<Object<'a>> {
        Fields::open(&self.0, what, &mut problems.report).map(Object)
    }

    /// The texts that stand here; anything else is a problem.
    pub fn texts(&self, problems: &mut Problems) -> Vec<(Self, &'a str)> {
        let texts = fields::texts(&self.0, &mut problems.report);
        texts.into_iter().map(|(at, text)| (Self(at), text)).collect()
    }

    /// The whole number that stands here; anything else is a problem.
    pub fn integer(&self, range: RangeInclusive<u32>, problems: &mut Problems) -> Option<u32> {
        fields::integer(&self.0, range, &mut problems.report)
    }

    /// The values of an object whose keys are names; anything else is a problem.
    pub fn named(&self, what: &str, problems: &mut Problems) -> Vec<(&'a str, Self)> {
        let named = fields::named(&self.0, what, &mut problems.report);
        named.into_iter().map(|(name, at)| (name, Self(at))).collect()
    }

    /// The values of a list; anything else is a problem.
    pub fn items(&self, problems: &mut Problems) -> Vec<Self> {
        fields::items(&self.0, &mut problems.report).into_iter().map(Self).collect()
    }
}

/// An object that is being read: asking for a key declares it.
pub struct Object<'a>(Fields<'a>);

impl<'a> Object<'a> {
    /// Where the object stands.
    #[must_use]
    pub fn spot(&self) -> Spot<'a> {
        Spot(self.0.at().clone())
    }

    /// The value of a key, if it is there.
    pub fn take(&mut self, key: &str) -> Option<Spot<'a>> {
        self.0.take(key).map(Spot)
    }

    /// A text.
    pub fn text(&mut self, key: &str, problems: &mut Problems) -> Option<&'a str> {
        self.0.text(key, &mut problems.report)
    }

    /// A truth value.
    pub fn boolean(&mut self, key: &str, problems: &mut Problems) -> Option<bool> {
        self.0.boolean(key, &mut problems.report)
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self, problems: &mut Problems) {
        self.0.finish(&mut problems.report);
    }
}

/// Reads the text of a file; `shown` is how problems name it.
///
/// # Errors
/// Everything that is wrong with it, in order of place.
pub fn read<T>(
    shown: &Path,
    text: &str,
    decode: impl FnOnce(Object<'_>, &mut Problems) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    let mut files = Files::default();
    let file = files.add(shown.to_owned(), text.to_owned());
    let mut problems = Problems::default();
    let node = json5::parse(text, file, &files, &mut problems.report);
    let value = node.as_ref().and_then(|node| {
        let object = Spot(At::root(node)).object("an object", &mut problems)?;
        decode(object, &mut problems)
    });
    finished(value, problems, file, &files)
}

/// Reads a file, at most 4 MiB of UTF-8.
///
/// # Errors
/// Why it cannot be read, or everything that is wrong with it.
pub fn read_file<T>(
    path: &Path,
    decode: impl FnOnce(Object<'_>, &mut Problems) -> Option<T>,
) -> Result<T, Vec<Problem>> {
    match read::read(path) {
        Ok(text) => read(path, &text, decode),
        Err(why) => {
            let mut files = Files::default();
            let file = files.add(path.to_owned(), String::new());
            let mut problems = Problems::default();
            let found = problems.report.error(Place::new(Span::top(file), ""), why.to_string());
            if let Some(hint) = why.hint() {
                found.hint(hint);
            }
            finished(None, problems, file, &files)
        }
    }
}

fn finished<T>(
    value: Option<T>,
    mut problems: Problems,
    file: FileId,
    files: &Files,
) -> Result<T, Vec<Problem>> {
    if problems.is_empty() {
        if let Some(value) = value {
            return Ok(value);
        }
        problems.report.error(Place::new(Span::top(file), ""), "the file cannot be used");
    }
    Err(problems.report.into_problems(files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<String, Vec<String>> {
        let read = read(Path::new("f"), text, |mut object, problems| {
            let name = object.text("name", problems).map(str::to_owned);
            object.finish(problems);
            name
        });
        read.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_document_is_read_strictly() {
        assert_eq!(name("{ name: '이름' }"), Ok("이름".to_owned()));
        assert_eq!(
            name("{ name: 'a',\n  more: 1 }").unwrap_err(),
            ["f:2:3: error: more: unknown key (known are name)"]
        );
        assert_eq!(name("{}").unwrap_err(), ["f:1:1: error: the file cannot be used"]);
        assert!(name("[").unwrap_err()[0].starts_with("f:1:1: error: "));
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem() {
        let problems = read_file(Path::new("/no/such.json5"), |_, _| Some(())).unwrap_err();
        assert!(problems[0].message.contains("no such file"), "{problems:?}");
    }
}
