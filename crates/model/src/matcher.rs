//! Matchers over labels, in the language of Alertmanager: `name="value"`, `=`, `!=`, `=~`, `!~`.
//!
//! A regular expression has to match the whole value.  A label that is not set has the empty
//! value.  Names may hold any UTF-8 when they are quoted (Alertmanager, `matcher/parse`).

use std::fmt;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::labels::Labels;

/// The longest matcher, in bytes.
pub const MATCHER_BYTES_MAX: usize = 4_096;

/// The largest number of matchers in a set.
pub const MATCHERS_MAX: usize = 64;

/// The largest compiled regular expression, in bytes.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MatchOp {
    /// `=`
    #[serde(rename = "=")]
    Equal,
    /// `!=`
    #[serde(rename = "!=")]
    NotEqual,
    /// `=~`
    #[serde(rename = "=~")]
    Regex,
    /// `!~`
    #[serde(rename = "!~")]
    NotRegex,
}

impl MatchOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// The operator that Alertmanager's API writes as two truth values.
    #[must_use]
    pub fn of(is_regex: bool, is_equal: bool) -> Self {
        match (is_regex, is_equal) {
            (false, true) => Self::Equal,
            (false, false) => Self::NotEqual,
            (true, true) => Self::Regex,
            (true, false) => Self::NotRegex,
        }
    }

    /// Whether the value is a regular expression.
    #[must_use]
    pub fn is_regex(self) -> bool {
        matches!(self, Self::Regex | Self::NotRegex)
    }

    /// Whether the label has to be like the value, not unlike it.
    #[must_use]
    pub fn is_equal(self) -> bool {
        matches!(self, Self::Equal | Self::Regex)
    }
}

/// One matcher.  Two are equal when they are written the same.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

/// A matcher as the journal holds it.
#[derive(Serialize, Deserialize)]
struct Written {
    name: String,
    op: MatchOp,
    value: String,
}

impl TryFrom<Written> for Matcher {
    type Error = BadMatcher;

    fn try_from(written: Written) -> Result<Self, BadMatcher> {
        Self::new(written.name, written.op, written.value)
    }
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Self {
        Self { name: matcher.name, op: matcher.op, value: matcher.value }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

/// The text is not a matcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadMatcher {
    /// The text, cut where it is long.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for BadMatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, why } = self;
        write!(f, "{text:?} is not a matcher: {why}; expected a form such as severity=\"critical\"")
    }
}

impl std::error::Error for BadMatcher {}

impl BadMatcher {
    fn new(text: &str, why: impl Into<String>) -> Self {
        Self { text: text.chars().take(200).collect(), why: why.into() }
    }
}

impl Matcher {
    /// A matcher of its parts.
    ///
    /// # Errors
    /// When the name is empty or the value is not a regular expression where one is meant.
    pub fn new(name: String, op: MatchOp, value: String) -> Result<Self, BadMatcher> {
        let bad = |why: String| BadMatcher::new(&format!("{name}{}{value:?}", op.as_str()), why);
        if name.is_empty() {
            return Err(bad("it has no label name".to_owned()));
        }
        if name.len() + value.len() > MATCHER_BYTES_MAX {
            return Err(bad(format!("it is longer than {MATCHER_BYTES_MAX} bytes")));
        }
        let regex = if op.is_regex() { Some(whole(&value).map_err(bad)?) } else { None };
        Ok(Self { name, op, value, regex })
    }

    /// A matcher that a label has to equal.
    #[must_use]
    pub fn equal(name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        Self { name, op: MatchOp::Equal, value, regex: None }
    }

    /// Reads a matcher.  Name and value may be quoted; inside of quotes `\"`, `\\` and `\n` stand
    /// for what they do in Go.
    ///
    /// # Errors
    /// When the text is not a matcher.
    pub fn parse(text: &str) -> Result<Self, BadMatcher> {
        let (name, op, value) = read(text).map_err(|why| BadMatcher::new(text, why))?;
        Self::new(name, op, value).map_err(|bad| BadMatcher::new(text, bad.why))
    }

    /// The label.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// With what it compares.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for a value; the empty one where the label is not set.
    #[must_use]
    pub fn holds_for(&self, value: &str) -> bool {
        match (&self.regex, self.op) {
            (Some(regex), op) => regex.is_match(value) == op.is_equal(),
            (None, op) => (value == self.value) == op.is_equal(),
        }
    }

    /// Whether it holds for these labels.
    #[must_use]
    pub fn holds(&self, labels: &Labels) -> bool {
        self.holds_for(labels.get(&self.name).unwrap_or_default())
    }
}

impl fmt::Display for Matcher {
    /// As Alertmanager writes it: `severity=~"a|b"`; a name that is no classic label name is
    /// quoted too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classic = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let starts = !self.name.starts_with(|c: char| c.is_ascii_digit());
        if starts && self.name.chars().all(classic) {
            f.write_str(&self.name)?;
        } else {
            quote(&self.name, f)?;
        }
        f.write_str(self.op.as_str())?;
        quote(&self.value, f)
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

/// Matchers that all have to hold.  The empty set holds for every set of labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// Reads one matcher, or several in braces or between commas: `{a="b", c=~"d"}`.
    ///
    /// # Errors
    /// When a part of the text is not a matcher, or there are too many.
    pub fn parse(text: &str) -> Result<Self, BadMatcher> {
        let trimmed = text.trim();
        let inner = match (trimmed.strip_prefix('{'), trimmed.strip_suffix('}')) {
            (Some(_), Some(_)) if trimmed.len() >= 2 => {
                trimmed.get(1..trimmed.len() - 1).unwrap_or_default()
            }
            (None, None) => trimmed,
            _ if trimmed.starts_with('{') => {
                return Err(BadMatcher::new(text, "the closing brace is missing"));
            }
            // A value may end in a brace.
            _ => trimmed,
        };
        let mut parts = split(inner);
        // A comma may follow the last one.
        parts.pop_if(|part| part.trim().is_empty());
        parts.into_iter().map(Matcher::parse).collect::<Result<Vec<_>, _>>().and_then(Self::new)
    }

    /// A set of matchers.
    ///
    /// # Errors
    /// When there are too many.
    pub fn new(matchers: Vec<Matcher>) -> Result<Self, BadMatcher> {
        if matchers.len() > MATCHERS_MAX {
            let first = matchers.first().map(ToString::to_string).unwrap_or_default();
            return Err(BadMatcher::new(&first, format!("more than {MATCHERS_MAX} matchers")));
        }
        Ok(Self(matchers))
    }

    /// Whether every one holds for these labels.
    #[must_use]
    pub fn hold(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.holds(labels))
    }

    /// Whether there is a matcher that does not hold for the empty value: a set without one
    /// matches everything that lacks its labels.
    #[must_use]
    pub fn want_something(&self) -> bool {
        self.0.iter().any(|matcher| !matcher.holds_for(""))
    }

    /// The matchers.
    pub fn iter(&self) -> impl Iterator<Item = &Matcher> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    /// As in the key of an Alertmanager's group: `{a="b",c=~"d"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, matcher) in self.0.iter().enumerate() {
            write!(f, "{}{matcher}", if n == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

/// The parts between commas that stand outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn read(text: &str) -> Result<(String, MatchOp, String), String> {
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
    let (op, value) = [MatchOp::Regex, MatchOp::NotRegex, MatchOp::NotEqual, MatchOp::Equal]
        .into_iter()
        .find_map(|op| Some((op, rest.strip_prefix(op.as_str())?)))
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
    Ok((name, op, value))
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
///
/// # Errors
/// What is wrong with it, in words.
pub fn whole(pattern: &str) -> Result<Regex, String> {
    // On its own first: `a)|(b` is a regular expression only inside of the group.
    compile(pattern)?;
    compile(&format!("^(?:{pattern})$"))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| {
        if matches!(error, regex::Error::CompiledTooBig(_)) {
            format!("the regular expression needs more than {REGEX_BYTES_MAX} bytes")
        } else {
            format!("not a regular expression: {error}")
        }
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

    #[test]
    fn reads_sets_and_writes_them_as_alertmanager_does() {
        for (text, written) in [
            ("{}", "{}"),
            ("", "{}"),
            (r#"{ a = "b" , c=~"d,e" }"#, r#"{a="b",c=~"d,e"}"#),
            (r#"a=b,c!="d","#, r#"{a="b",c!="d"}"#),
            (r#"a="}""#, r#"{a="}"}"#),
            (r#"{"결제 서비스"="예"}"#, r#"{"결제 서비스"="예"}"#),
        ] {
            let set = Matchers::parse(text).unwrap();
            assert_eq!(set.to_string(), written);
            assert_eq!(Matchers::parse(&set.to_string()).unwrap(), set);
        }
        assert!(Matchers::parse("{a=b").unwrap_err().why.contains("brace"));
        assert!(Matchers::parse("a=b,,c=d").is_err());
        assert!(!Matchers::parse("a=~.*,b!=x").unwrap().want_something());
        assert!(Matchers::parse("a=~.*,b=x").unwrap().want_something());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", op in "(=|!=|=~|!~)") {
            let _ = Matcher::parse(&text);
            let _ = Matchers::parse(&text);
            let _ = Matcher::parse(&format!("a{op}{text}"));
        }

        #[test]
        fn a_matcher_reads_back_what_it_prints(name in "\\PC{1,12}", value in "\\PC{0,20}") {
            let matcher = Matcher::new(name, MatchOp::NotEqual, value).unwrap();
            prop_assert_eq!(&Matcher::parse(&matcher.to_string()).unwrap(), &matcher);
            let set = Matchers::new(vec![matcher.clone(), matcher]).unwrap();
            prop_assert_eq!(Matchers::parse(&set.to_string()).unwrap(), set);
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
