//! Problems: what is wrong with a configuration, where, and what to write instead.
//!
//! **Invariant:** no problem shows a secret.  Values that came from the environment are described,
//! never quoted, and whatever slips into a text all the same is replaced by the name of its
//! variable when the report is closed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::text::{Files, Span};
use crate::tree::{At, Value};

/// The largest number of problems that one load reports; the rest is counted.
pub const PROBLEMS_MAX: usize = 500;

/// The longest key, message or hint, in characters.
pub(crate) const SAID_CHARS_MAX: usize = 1_000;

/// The shortest value of a variable, in bytes, that is searched for in the texts of problems.
/// Shorter ones are too common to be replaced without hurting the text.
const SCRUB_BYTES_MIN: usize = 6;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration is not used.
    Error,
    /// The configuration is used, but may not do what its author means.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was reached.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key, such as `services.web.checks[0].timeout_ms`; empty for the file as a whole.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, file, line, column, key, message, hint } = self;
        write!(f, "{file}:{line}:{column}: {severity}: ")?;
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(message)?;
        match hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Where a problem is: a place in a file and its key.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) span: Span,
    pub(crate) key: String,
}

impl Place {
    pub(crate) fn new(span: Span, key: impl Into<String>) -> Self {
        Self { span, key: key.into() }
    }
}

impl From<&At<'_>> for Place {
    fn from(at: &At<'_>) -> Self {
        Self::new(at.node.span, at.path.clone())
    }
}

/// A problem before its place is counted in lines and columns.
#[derive(Debug)]
pub(crate) struct Found {
    severity: Severity,
    place: Place,
    message: String,
    hint: Option<String>,
}

impl Found {
    fn new(severity: Severity, place: Place, message: String) -> Self {
        Self { severity, place, message, hint: None }
    }

    /// Says what to write instead.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Collects the problems of one load.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Found>,
    /// How many were found after [`PROBLEMS_MAX`].
    dropped: usize,
    /// The last one that is not said, so that a hint can be written to it.
    unsaid: Option<Found>,
    errors: usize,
    /// The values of the variables that were used, with their names.
    secrets: BTreeMap<String, String>,
}

impl Report {
    /// Notes an error.
    pub(crate) fn error(
        &mut self,
        place: impl Into<Place>,
        message: impl Into<String>,
    ) -> &mut Found {
        self.errors += 1;
        self.add(Severity::Error, place.into(), message.into())
    }

    /// Notes a warning.
    pub(crate) fn warning(
        &mut self,
        place: impl Into<Place>,
        message: impl Into<String>,
    ) -> &mut Found {
        self.add(Severity::Warning, place.into(), message.into())
    }

    /// Notes a value of the wrong kind: what was expected, and what stands there.
    pub(crate) fn expected(&mut self, at: &At<'_>, what: &str) -> &mut Found {
        let message = format!("expected {what}, found {}", at.describe());
        if let Value::Told = at.node.value {
            return self.unsaid.insert(Found::new(Severity::Error, at.into(), message));
        }
        self.error(at, message)
    }

    /// Whether further problems are only counted, so that hints for them are a waste.
    pub(crate) fn is_full(&self) -> bool {
        self.found.len() >= PROBLEMS_MAX
    }

    fn add(&mut self, severity: Severity, place: Place, message: String) -> &mut Found {
        let found = Found::new(severity, place, message);
        if self.is_full() {
            self.dropped += 1;
            return self.unsaid.insert(found);
        }
        self.found.push(found);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Whether an error was noted.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Remembers the value of a variable that was put into the configuration.
    pub(crate) fn conceal(&mut self, name: &str, value: &str) {
        if value.len() >= SCRUB_BYTES_MIN && !self.secrets.contains_key(value) {
            self.secrets.insert(value.to_owned(), name.to_owned());
            // As it stands in a text that is quoted.
            let quoted = format!("{value:?}");
            let escaped = quoted.trim_matches('"');
            self.secrets.entry(escaped.to_owned()).or_insert_with(|| name.to_owned());
        }
    }

    /// Takes over what another report has found.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.errors += other.errors;
        self.dropped += other.dropped;
        for found in other.found {
            if self.is_full() {
                self.dropped += 1;
            } else {
                self.found.push(found);
            }
        }
    }

    /// Conceals what another report conceals.
    pub(crate) fn conceal_as(&mut self, other: &Self) {
        self.secrets.extend(other.secrets.iter().map(|(k, v)| (k.clone(), v.clone())));
    }

    /// The problems, in the order of the files and the places in them.
    pub(crate) fn into_problems(mut self, files: &Files) -> Vec<Problem> {
        self.found.sort_by_key(|found| {
            let span = found.place.span;
            (span.file, span.start, found.severity)
        });
        let mut secrets: Vec<(String, String)> = std::mem::take(&mut self.secrets)
            .into_iter()
            .map(|(value, name)| (value, format!("${{{name}}}")))
            .collect();
        // A value that contains another one is replaced first.
        secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        let scrub = |text: String| {
            let scrubbed = secrets.iter().fold(text, |text, (value, name)| {
                if text.contains(value.as_str()) {
                    text.replace(value.as_str(), name)
                } else {
                    text
                }
            });
            shorten(scrubbed)
        };
        let mut problems: Vec<Problem> = self
            .found
            .into_iter()
            .map(|found| {
                let position = files.position(found.place.span);
                Problem {
                    severity: found.severity,
                    file: files.shown(found.place.span.file),
                    line: position.line,
                    column: position.column,
                    key: scrub(found.place.key),
                    message: scrub(found.message),
                    hint: found.hint.map(scrub),
                }
            })
            .collect();
        if let (Some(last), dropped @ 1..) = (problems.last().cloned(), self.dropped) {
            let only_warnings = self.errors == 0;
            problems.push(Problem {
                severity: if only_warnings { Severity::Warning } else { Severity::Error },
                key: String::new(),
                message: format!("{dropped} more problems are not shown"),
                hint: Some("mend these first".to_owned()),
                ..last
            });
        }
        problems
    }
}

fn shorten(text: String) -> String {
    if text.chars().count() <= SAID_CHARS_MAX {
        return text;
    }
    let mut short: String = text.chars().take(SAID_CHARS_MAX - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Files;

    fn place(files: &mut Files) -> Place {
        let file = files.add("night.json5".into(), "{\r\n  서비스: 1 }".to_owned());
        Place::new(Span::new(file, 5, 14), "서비스")
    }

    #[test]
    fn prints_as_compilers_do() {
        let mut files = Files::default();
        let place = place(&mut files);
        let mut report = Report::default();
        report.error(place, "unknown key").hint("did you mean `services`?");
        let problems = report.into_problems(&files);
        assert_eq!(
            problems[0].to_string(),
            "night.json5:2:3: error: 서비스: unknown key (did you mean `services`?)"
        );
    }

    #[test]
    fn hides_the_values_of_variables_wherever_they_slip_in() {
        let mut files = Files::default();
        let place = place(&mut files);
        let mut report = Report::default();
        report.conceal("TOKEN", "비밀-tok-1234");
        report.error(place, "found 비밀-tok-1234 here");
        let problems = report.into_problems(&files);
        assert_eq!(problems[0].message, "found ${TOKEN} here");
    }

    #[test]
    fn nothing_is_said_at_endless_length() {
        let mut files = Files::default();
        let place = place(&mut files);
        let mut report = Report::default();
        report.error(place, "가".repeat(SAID_CHARS_MAX + 1));
        let problems = report.into_problems(&files);
        assert_eq!(problems[0].message.chars().count(), SAID_CHARS_MAX);
    }

    #[test]
    fn counts_what_is_beyond_the_limit() {
        let mut files = Files::default();
        let place = place(&mut files);
        let mut report = Report::default();
        for _ in 0..PROBLEMS_MAX + 3 {
            report.warning(place.clone(), "same").hint("same");
        }
        let problems = report.into_problems(&files);
        assert_eq!(problems.len(), PROBLEMS_MAX + 1);
        let last = problems.last().unwrap();
        assert_eq!(last.message, "3 more problems are not shown");
        assert_eq!(last.severity, Severity::Warning);
    }
}
