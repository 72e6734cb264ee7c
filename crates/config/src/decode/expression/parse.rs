//! The text of an expression: a recursive descent over its characters, with the byte offset of
//! everything that can be wrong.
//!
//! ```text
//! any        = all { ("or" | "||") all }
//! all        = one { ("and" | "&&") one }
//! one        = ("not" | "!") one | "(" any ")" | "always" | "never" | comparison
//! comparison = name operator operand
//! operand    = number [ "%" ] | word | "'" text "'" | '"' text '"'
//! ```

use nightcrew_model::condition::Operator;

use crate::decode::condition::{FORM, Written, is_metric};

/// The largest number of comparisons of one expression.
pub(crate) const COMPARISONS_MAX: usize = 64;

/// The deepest nesting of parentheses and `not` that is followed while reading.
const NESTING_MAX: usize = 64;

/// An expression before its names are looked up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw<'t> {
    Compare(Comparison<'t>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// One comparison and where its parts stand, in bytes of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison<'t> {
    pub(crate) name: &'t str,
    pub(crate) name_at: usize,
    pub(crate) operator: Operator,
    pub(crate) written: Written,
    pub(crate) written_at: usize,
}

/// Why a text is not an expression, and at which byte.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bad {
    pub(crate) offset: usize,
    pub(crate) message: &'static str,
    pub(crate) hint: &'static str,
}

/// Reads a whole expression.
pub(crate) fn parse(text: &str) -> Result<Raw<'_>, Bad> {
    let mut parser = Parser { text, at: 0, comparisons: 0 };
    let raw = parser.any(0)?;
    parser.end("expected `and`, `or` or the end")?;
    Ok(raw)
}

/// Reads a comparison without a metric, such as `>= 90`.
pub(crate) fn parse_limit(text: &str) -> Result<(Operator, Written), Bad> {
    let mut parser = Parser { text, at: 0, comparisons: 0 };
    let operator = parser.operator()?;
    let (written, _) = parser.operand()?;
    parser.end("expected nothing behind the limit")?;
    Ok((operator, written))
}

struct Parser<'t> {
    text: &'t str,
    /// The offset of what comes next.
    at: usize,
    comparisons: usize,
}

impl<'t> Parser<'t> {
    fn any(&mut self, depth: usize) -> Result<Raw<'t>, Bad> {
        let mut parts = vec![self.all(depth)?];
        while self.eat("||") || self.eat_word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Raw::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Raw<'t>, Bad> {
        let mut parts = vec![self.one(depth)?];
        while self.eat("&&") || self.eat_word("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Raw::All))
    }

    fn one(&mut self, depth: usize) -> Result<Raw<'t>, Bad> {
        if depth > NESTING_MAX {
            return Err(self.bad("this is nested too deeply", "write fewer parentheses"));
        }
        if self.eat("(") {
            let inner = self.any(depth + 1)?;
            if !self.eat(")") {
                return Err(self.bad("expected `)`", "close every parenthesis that is opened"));
            }
            return Ok(inner);
        }
        let is_negation = !self.rest().starts_with("!=") && self.eat("!");
        if is_negation || self.eat_word("not") {
            return Ok(Raw::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.eat_word("always") {
            return Ok(Raw::All(Vec::new()));
        }
        if self.eat_word("never") {
            return Ok(Raw::Any(Vec::new()));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Raw<'t>, Bad> {
        self.comparisons += 1;
        if self.comparisons > COMPARISONS_MAX {
            return Err(self.bad("this compares too often", "write at most 64 comparisons"));
        }
        self.skip_space();
        let (name, name_at) = (self.word(), self.at);
        if !is_metric(name) {
            return Err(self.bad("expected the name of a metric", FORM));
        }
        self.at += name.len();
        let operator = self.operator()?;
        let (written, written_at) = self.operand()?;
        Ok(Raw::Compare(Comparison { name, name_at, operator, written, written_at }))
    }

    fn operator(&mut self) -> Result<Operator, Bad> {
        self.skip_space();
        let found = Operator::ALL.into_iter().find(|op| self.rest().starts_with(op.sign()));
        let Some(operator) = found else {
            // What was read so far is not quoted: it may be a piece of a secret.
            let message = if self.rest().starts_with('=') {
                "`=` compares nothing"
            } else {
                "expected a comparison with >, >=, <, <=, == or !="
            };
            return Err(self.bad(message, FORM));
        };
        self.at += operator.sign().len();
        Ok(operator)
    }

    fn operand(&mut self) -> Result<(Written, usize), Bad> {
        self.skip_space();
        let start = self.at;
        for quote in ['\'', '"'] {
            let Some(inner) = self.rest().strip_prefix(quote) else { continue };
            let Some((text, _)) = inner.split_once(quote) else {
                return Err(self.bad("this quote is not closed", FORM));
            };
            self.at += text.len() + 2;
            return Ok((Written::Word(text.to_owned()), start));
        }
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '+' | ':');
        let token = self.leading(plain);
        if let Ok(number) = token.parse::<f64>()
            && number.is_finite()
        {
            self.at += token.len();
            let is_percent = self.eat("%");
            let written =
                if is_percent { Written::Percent(number) } else { Written::Number(number) };
            return Ok((written, start));
        }
        let is_word = !token.is_empty() && token.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_word {
            return Err(self.bad("expected a number or a state behind the operator", FORM));
        }
        self.at += token.len();
        let written = match token {
            "true" => Written::Flag(true),
            "false" => Written::Flag(false),
            word => Written::Word(word.to_owned()),
        };
        Ok((written, start))
    }

    fn end(&mut self, message: &'static str) -> Result<(), Bad> {
        self.skip_space();
        if self.rest().is_empty() { Ok(()) } else { Err(self.bad(message, FORM)) }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn leading(&self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// The name or word that comes next; it may be empty.
    fn word(&self) -> &'t str {
        self.leading(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'))
    }

    fn skip_space(&mut self) {
        self.at += self.leading(char::is_whitespace).len();
    }

    fn eat(&mut self, sign: &str) -> bool {
        self.skip_space();
        let is_there = self.rest().starts_with(sign);
        if is_there {
            self.at += sign.len();
        }
        is_there
    }

    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_space();
        let is_there = self.word().eq_ignore_ascii_case(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    fn bad(&mut self, message: &'static str, hint: &'static str) -> Bad {
        self.skip_space();
        Bad { offset: self.at, message, hint }
    }
}

fn one_or<'t>(mut parts: Vec<Raw<'t>>, several: impl Fn(Vec<Raw<'t>>) -> Raw<'t>) -> Raw<'t> {
    match (parts.len(), parts.pop()) {
        (1, Some(part)) => part,
        (_, last) => {
            parts.extend(last);
            several(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(raw: &Raw<'_>) -> String {
        let join = |parts: &[Raw<'_>], word: &str| {
            let parts: Vec<String> = parts.iter().map(said).collect();
            format!("({})", parts.join(word))
        };
        match raw {
            Raw::Compare(it) => format!("{}{}{:?}", it.name, it.operator, it.written),
            Raw::All(parts) => join(parts, " & "),
            Raw::Any(parts) => join(parts, " | "),
            Raw::Not(part) => format!("!{}", said(part)),
        }
    }

    #[test]
    fn and_binds_before_or_and_not_before_both() {
        let cases = [
            ("a > 1 and b > 2 or c > 3", "((a>Number(1.0) & b>Number(2.0)) | c>Number(3.0))"),
            ("a>1&&(b>2||c>3)", "(a>Number(1.0) & (b>Number(2.0) | c>Number(3.0)))"),
            ("NOT a==x && b!=5%", "(!a==Word(\"x\") & b!=Percent(5.0))"),
            ("!!( a.b >= -1e3 )", "!!a.b>=Number(-1000.0)"),
            ("not_a == 'x y' or always", "(not_a==Word(\"x y\") | ())"),
            ("r.pressed == true", "r.pressed==Flag(true)"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|raw| said(&raw)), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_offset() {
        let cases = [
            ("", 0, "expected the name"),
            ("disk_usage", 10, "expected a comparison"),
            ("a = 1", 2, "`=` compares nothing"),
            ("a > ", 4, "expected a number or a state"),
            ("a > 1 and", 9, "expected the name"),
            ("(a > 1", 6, "expected `)`"),
            ("a > 1)", 5, "expected `and`"),
            ("a > 1 & b > 2", 6, "expected `and`"),
            ("a == 'x", 5, "not closed"),
            ("가 나 > 1", 4, "expected a comparison"),
        ];
        for (text, offset, message) in cases {
            let bad = parse(text).unwrap_err();
            assert_eq!(bad.offset, offset, "{text}: {bad:?}");
            assert!(bad.message.contains(message), "{text}: {bad:?}");
        }
    }

    #[test]
    fn nesting_and_length_have_a_limit() {
        let deep = |n: usize| format!("{}a > 1{}", "(".repeat(n), ")".repeat(n));
        assert!(parse(&deep(NESTING_MAX)).is_ok());
        assert!(parse(&deep(NESTING_MAX + 1)).unwrap_err().message.contains("too deeply"));
        assert!(parse(&"!".repeat(100_000)).is_err());
        let long = |n: usize| vec!["a > 1"; n].join(" or ");
        assert!(parse(&long(COMPARISONS_MAX)).is_ok());
        assert!(parse(&long(COMPARISONS_MAX + 1)).unwrap_err().message.contains("too often"));
    }

    proptest! {
        #[test]
        fn never_panics(
            text in "\\PC{0,40}",
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "a", "a.b", ">", "=", "!", "(", ")", "and", "or", "not", "&&", "||", "'",
                    "\"", "5", "%", "-", " ", "é",
                ]),
                0..24,
            ),
        ) {
            for text in [text, parts.concat(), parts.join(" ")] {
                if let Err(bad) = parse(&text) {
                    prop_assert!(text.is_char_boundary(bad.offset), "{}: {:?}", text, bad);
                }
                let _ = parse_limit(&text);
            }
        }
    }
}
