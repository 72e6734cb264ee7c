//! Matchers over labels, as the `filter` parameter of the Alertmanager API takes them:
//! `name="value"`, `=`, `!=`, `=~`, `!~`.
//!
//! A regular expression has to match the whole value.  A label that is not set has the empty
//! value.

use crate::limit::{MATCHER_BYTES_MAX, REGEX_BYTES_MAX};
use nightcrew_model::labels::Labels;
use regex::{Regex, RegexBuilder};

/// One matcher.
#[derive(Debug)]
pub(crate) struct Matcher {
    name: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    MatchesNot(Regex),
}

/// The text is not a matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a matcher: {why}; expected a form such as severity=\"critical\"")]
pub(crate) struct BadMatcher {
    text: String,
    why: String,
}

impl Matcher {
    /// Reads a matcher.  Name and value may be quoted; inside of quotes `\"`, `\\` and `\n` stand
    /// for what they do in Go.
    pub(crate) fn parse(text: &str) -> Result<Self, BadMatcher> {
        read(text).map_err(|why| BadMatcher { text: text.chars().take(200).collect(), why })
    }

    /// Whether it holds for these labels.
    pub(crate) fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name).unwrap_or_default();
        match &self.test {
            Test::Equal(wanted) => value == wanted,
            Test::NotEqual(unwanted) => value != unwanted,
            Test::Matches(regex) => regex.is_match(value),
            Test::MatchesNot(regex) => !regex.is_match(value),
        }
    }
}

fn read(text: &str) -> Result<Matcher, String> {
    if text.len() > MATCHER_BYTES_MAX {
        return Err(format!("it is longer than {MATCHER_BYTES_MAX} bytes"));
    }
    let text = text.trim();
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = text.find(|c: char| "=!~".contains(c)).unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            (name.trim().to_owned(), rest)
        }
    };
    if name.is_empty() {
        return Err("it has no label name".to_owned());
    }
    let rest = rest.trim_start();
    let (operator, value) = ["=~", "!~", "!=", "="]
        .into_iter()
        .find_map(|operator| Some((operator, rest.strip_prefix(operator)?)))
        .ok_or("it has none of the operators =, !=, =~, !~ after the name")?;
    let value = value.trim();
    let value = match value.strip_prefix('"') {
        Some(quoted) => match unquote(quoted)? {
            (value, "") => value,
            (_, more) => return Err(format!("{more:?} follows the value")),
        },
        None if value.contains('"') => return Err("a quote stands inside of the value".to_owned()),
        None => value.to_owned(),
    };
    let test = match operator {
        "=" => Test::Equal(value),
        "!=" => Test::NotEqual(value),
        "=~" => Test::Matches(whole(&value)?),
        _ => Test::MatchesNot(whole(&value)?),
    };
    Ok(Matcher { name, test })
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok((value, chars.as_str())),
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                // Regular expressions are written with a single backslash too: `\d`, `\.`.
                Some(c) => value.extend(['\\', c]),
                None => return Err("it ends in a backslash".to_owned()),
            },
            c => value.push(c),
        }
    }
    Err("the closing quote is missing".to_owned())
}

/// A regular expression that has to match a whole value.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    // On its own first: `a)|(b` is a regular expression only inside of the group.
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the regular expression needs more than {REGEX_BYTES_MAX} bytes")
        }
        error => format!("not a regular expression: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(matcher: &str) -> bool {
        let labels = [("severity", "critical"), ("서비스", "결제"), ("path", "/var")];
        Matcher::parse(matcher).unwrap().holds(&labels.into_iter().collect())
    }

    #[test]
    fn compares_and_matches_whole_values() {
        for good in [
            r#"severity="critical""#,
            "severity=critical",
            " severity = critical ",
            r#"severity!="warning""#,
            r#"severity=~"crit.*|warning""#,
            r#"severity!~"crit""#,
            r#"서비스="결제""#,
            r#""서비스"=~"결.""#,
            r#"absent="""#,
            r#"absent!="x""#,
            r#"absent=~".*""#,
            r#"path=~"/\w+""#,
        ] {
            assert!(holds(good), "{good}");
        }
        for bad in
            [r#"severity="crit""#, r#"severity=~"crit""#, r#"absent=~".+""#, r#"서비스!~"결제""#]
        {
            assert!(!holds(bad), "{bad}");
        }
    }

    #[test]
    fn says_why_a_text_is_not_a_matcher() {
        let why = |text: &str| Matcher::parse(text).unwrap_err().why;
        assert_eq!(why("="), "it has no label name");
        assert_eq!(why("severity"), "it has none of the operators =, !=, =~, !~ after the name");
        assert_eq!(why("a=\"b"), "the closing quote is missing");
        assert_eq!(why("a=\"b\"c"), "\"c\" follows the value");
        assert_eq!(why("a=b\"c"), "a quote stands inside of the value");
        assert!(why("a=~\"(\"").starts_with("not a regular expression"));
        assert!(why("a=~\"a)|(b\"").starts_with("not a regular expression"));
        assert!(why("a=~\"((\\w{100}){100}){100}\"").contains("more than 1048576 bytes"));
        assert!(why(&format!("a={}", "x".repeat(MATCHER_BYTES_MAX))).contains("longer than"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", op in "(=|!=|=~|!~)") {
            let _ = Matcher::parse(&text);
            let _ = Matcher::parse(&format!("a{op}{text}"));
        }

        #[test]
        fn a_quoted_value_equals_itself(value in "\\PC{0,20}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let labels: Labels = [("a", value.as_str())].into_iter().collect();
            let (is, is_not) = (format!("a=\"{quoted}\""), format!("a!=\"{quoted}\""));
            prop_assert!(Matcher::parse(&is).unwrap().holds(&labels));
            prop_assert!(!Matcher::parse(&is_not).unwrap().holds(&labels));
        }
    }
}
