//! Patterns over file names: `*`, `?` and `[…]`, as `fnmatch(3)` reads them without flags.
//!
//! A pattern is matched against one name, never against a path, so `/` cannot stand in it.
//! Backslashes are refused, and so are braces: programs disagree about what they mean.

/// The longest pattern, in characters.
pub const PATTERN_CHARS_MAX: usize = 255;

/// A pattern over one file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
    ignore_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Any,
    One,
    Char(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is empty.
    #[error("the name pattern is empty")]
    Empty,
    /// It is longer than [`PATTERN_CHARS_MAX`].
    #[error("the name pattern is longer than {PATTERN_CHARS_MAX} characters")]
    TooLong,
    /// A character that programs read differently.
    #[error("`{0}` in a name pattern means different things to different programs; leave it out")]
    Ambiguous(char),
    /// A bracket is not closed, or holds a class such as `[:alpha:]`.
    #[error("a `[` in the name pattern has no `]`, or holds more than characters and ranges")]
    Bracket,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it is empty, too long, or has a form that programs disagree about.
    pub fn parse(text: &str, ignore_case: bool) -> Result<Self, BadPattern> {
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        if text.chars().count() > PATTERN_CHARS_MAX {
            return Err(BadPattern::TooLong);
        }
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '/' | '\\' | '{' | '}' => return Err(BadPattern::Ambiguous(c)),
                '*' => Token::Any,
                '?' => Token::One,
                '[' => set(&mut chars)?,
                c => Token::Char(if ignore_case { lower(c) } else { c }),
            });
        }
        tokens.dedup_by(|a, b| *a == Token::Any && *b == Token::Any);
        Ok(Self { tokens, ignore_case })
    }

    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> =
            name.chars().map(|c| if self.ignore_case { lower(c) } else { c }).collect();
        let (mut at, mut token) = (0, 0);
        // Where to go on when what follows the last `*` did not fit: one character later.
        let mut retry: Option<(usize, usize)> = None;
        while at < name.len() {
            match self.tokens.get(token) {
                Some(Token::Any) => {
                    retry = Some((at, token));
                    token += 1;
                }
                Some(one) if self.fits(one, name[at]) => {
                    at += 1;
                    token += 1;
                }
                Some(_) | None => match retry {
                    Some((from, star)) => {
                        retry = Some((from + 1, star));
                        at = from + 1;
                        token = star + 1;
                    }
                    None => return false,
                },
            }
        }
        self.tokens[token..].iter().all(|rest| *rest == Token::Any)
    }

    /// Whether the first character is a literal dot: a shell matches hidden names with nothing
    /// less.
    #[must_use]
    pub fn starts_with_dot(&self) -> bool {
        self.tokens.first() == Some(&Token::Char('.'))
    }

    fn fits(&self, token: &Token, c: char) -> bool {
        match token {
            Token::Any | Token::One => true,
            Token::Char(own) => *own == c,
            Token::Set { negated, ranges } => {
                let within = |c: char| ranges.iter().any(|&(from, to)| from <= c && c <= to);
                let upper = || self.ignore_case && c.to_uppercase().any(within);
                (within(c) || upper()) != *negated
            }
        }
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn set(chars: &mut std::str::Chars<'_>) -> Result<Token, BadPattern> {
    let mut inside = Vec::new();
    let mut negated = false;
    loop {
        match chars.next().ok_or(BadPattern::Bracket)? {
            '!' | '^' if inside.is_empty() && !negated => negated = true,
            ']' if !inside.is_empty() => break,
            '[' | ']' => return Err(BadPattern::Bracket),
            c @ ('/' | '\\' | '{' | '}') => return Err(BadPattern::Ambiguous(c)),
            c => inside.push(c),
        }
    }
    let mut ranges = Vec::new();
    let mut rest = inside.as_slice();
    while let [from, after @ ..] = rest {
        rest = match after {
            ['-', to, after @ ..] => {
                ranges.push((*from, *to));
                after
            }
            after => {
                ranges.push((*from, *from));
                after
            }
        };
    }
    Ok(Token::Set { negated, ranges })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern, false).unwrap().matches(name)
    }

    #[test]
    fn reads_patterns_as_fnmatch_does() {
        for (pattern, name, expected) in [
            ("*.log.*", "app.log.1", true),
            ("*.log.*", "app.log", false),
            ("*", "", true),
            ("*", ".hidden", true),
            ("?", "한", true),
            ("보고*.tx?", "보고서-1월.txt", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("[a-]", "-", true),
            ("a**b", "ab", true),
            ("*a*b*c", "xxaybzc", true),
            ("*a*b*c", "xxaybzd", false),
            ("a", "A", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} over {name}");
        }
        assert!(Pattern::parse("*.LOG", true).unwrap().matches("a.log"));
        assert!(Pattern::parse("[A-C]", true).unwrap().matches("b"));
    }

    #[test]
    fn forms_that_programs_disagree_about_are_refused() {
        for text in ["", "a/b", "a\\*", "{a,b}", "[", "[]", "[!]", "[[:alpha:]]", "[a"] {
            assert!(Pattern::parse(text, false).is_err(), "{text}");
        }
        assert_eq!(
            Pattern::parse(&"가".repeat(PATTERN_CHARS_MAX + 1), false),
            Err(BadPattern::TooLong)
        );
        assert!(Pattern::parse(&"가".repeat(PATTERN_CHARS_MAX), false).is_ok());
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,20}", name in "\\PC{0,20}") {
            if let Ok(pattern) = Pattern::parse(&text, name.len() % 2 == 0) {
                let _ = pattern.matches(&name);
            }
        }

        #[test]
        fn a_name_without_signs_matches_itself_only(name in "[a-z가-힣.]{1,12}", other in "[a-z가-힣.]{1,12}") {
            let pattern = Pattern::parse(&name, false).unwrap();
            prop_assert!(pattern.matches(&name));
            prop_assert_eq!(pattern.matches(&other), name == other);
        }

        #[test]
        fn a_star_stands_for_any_middle(head in "[a-c]{0,4}", middle in "\\PC{0,8}", tail in "[a-c]{0,4}") {
            let pattern = format!("{head}*{tail}");
            let name = format!("{head}{middle}{tail}");
            prop_assert!(matches(&pattern, &name));
        }
    }
}
