//! Command lines as lists of words, never as text for a shell.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest command line that is read, in bytes.
pub const COMMAND_LINE_BYTES_MAX: usize = 4_096;

/// One word of a command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The word itself.
    Literal(String),
    /// A word with `*`, `?` or `[` outside quotes: it stands for the paths that match, and is
    /// expanded by the gate, only below an allowed root.
    Glob(String),
}

impl Word {
    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Glob(text) => text,
        }
    }
}

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Argv(pub Vec<Word>);

/// Why a command line is not a list of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotArgv {
    /// It says nothing.
    Empty,
    /// It is longer than [`COMMAND_LINE_BYTES_MAX`].
    TooLong,
    /// It needs a shell for this character, at this byte offset.
    NeedsShell(char, usize),
    /// A quote is not closed.
    OpenQuote(char),
    /// It holds a control character, at this byte offset.
    Control(usize),
}

impl fmt::Display for NotArgv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the command is empty"),
            Self::TooLong => {
                write!(f, "the command is longer than {COMMAND_LINE_BYTES_MAX} bytes")
            }
            Self::NeedsShell(sign, at) => write!(
                f,
                "`{sign}` at offset {at} needs a shell, and commands run without one; quote it \
                 with '…' if it is meant literally, or give the steps as actions of their own"
            ),
            Self::OpenQuote(quote) => write!(f, "the quote {quote} is not closed"),
            Self::Control(at) => write!(f, "a control character at offset {at}"),
        }
    }
}

impl std::error::Error for NotArgv {}

impl Argv {
    /// A list of words, each meant literally.
    pub fn literal<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self(words.into_iter().map(|word| Word::Literal(word.into())).collect())
    }

    /// Reads a command line by the quoting rules of POSIX (XCU 2.2), and refuses whatever only a
    /// shell could do: separators, pipes, redirection, substitution, variables, comments, `~`.
    ///
    /// # Errors
    /// When the line is not a plain list of words.
    pub fn parse(line: &str) -> Result<Self, NotArgv> {
        if line.len() > COMMAND_LINE_BYTES_MAX {
            return Err(NotArgv::TooLong);
        }
        let mut words = Vec::new();
        let mut reader = Reader { chars: line.char_indices().peekable() };
        while let Some(word) = reader.word()? {
            words.push(word);
        }
        if words.is_empty() { Err(NotArgv::Empty) } else { Ok(Self(words)) }
    }

    /// The program's name as written; empty for an empty list.
    #[must_use]
    pub fn program(&self) -> &str {
        self.0.first().map_or("", Word::as_str)
    }
}

impl fmt::Display for Argv {
    /// As a person would type it: words with unusual characters stand in single quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, word) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            match word {
                Word::Glob(text) => f.write_str(text)?,
                Word::Literal(text) => quote(f, text)?,
            }
        }
        Ok(())
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%{}".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        f.write_str(text)
    } else {
        write!(f, "'{}'", text.replace('\'', r"'\''"))
    }
}

struct Reader<'a> {
    chars: std::iter::Peekable<std::str::CharIndices<'a>>,
}

impl Reader<'_> {
    fn word(&mut self) -> Result<Option<Word>, NotArgv> {
        while self.chars.next_if(|(_, c)| matches!(c, ' ' | '\t')).is_some() {}
        let Some(&(start, _)) = self.chars.peek() else {
            return Ok(None);
        };
        let mut text = String::new();
        let mut glob = false;
        while let Some((at, c)) = self.chars.next_if(|(_, c)| !matches!(c, ' ' | '\t')) {
            match c {
                '\'' | '"' => self.quoted(c, &mut text)?,
                '\\' => match self.chars.next() {
                    Some((at, escaped)) if escaped.is_control() => {
                        return Err(NotArgv::Control(at));
                    }
                    Some((_, escaped)) => text.push(escaped),
                    None => return Err(NotArgv::OpenQuote('\\')),
                },
                // `{}` is how find names the file and how we name a parameter; a brace expansion
                // needs a comma or dots inside, which the gate sees as plain text.
                ';' | '|' | '&' | '$' | '(' | ')' | '<' | '>' | '`' | '!' => {
                    return Err(NotArgv::NeedsShell(c, at));
                }
                '#' | '~' if at == start => return Err(NotArgv::NeedsShell(c, at)),
                '*' | '?' | '[' => {
                    glob = true;
                    text.push(c);
                }
                c if c.is_control() => return Err(NotArgv::Control(at)),
                c => text.push(c),
            }
        }
        Ok(Some(if glob { Word::Glob(text) } else { Word::Literal(text) }))
    }

    fn quoted(&mut self, quote: char, text: &mut String) -> Result<(), NotArgv> {
        while let Some((at, c)) = self.chars.next() {
            match c {
                c if c == quote => return Ok(()),
                '$' | '`' if quote == '"' => return Err(NotArgv::NeedsShell(c, at)),
                '\\' if quote == '"' => match self.chars.next() {
                    Some((_, escaped @ ('"' | '\\' | '$' | '`'))) => text.push(escaped),
                    Some((at, other)) if other.is_control() => return Err(NotArgv::Control(at)),
                    Some((_, other)) => {
                        text.push('\\');
                        text.push(other);
                    }
                    None => return Err(NotArgv::OpenQuote(quote)),
                },
                c if c.is_control() && c != '\t' => return Err(NotArgv::Control(at)),
                c => text.push(c),
            }
        }
        Err(NotArgv::OpenQuote(quote))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_words_as_posix_quoting_does() {
        let line = r#"find /var/log -name '*.log.*' "a b" c\ d x'y'"z" *.tmp"#;
        let argv = Argv::parse(line).unwrap();
        let words: Vec<&str> = argv.0.iter().map(Word::as_str).collect();
        assert_eq!(words, ["find", "/var/log", "-name", "*.log.*", "a b", "c d", "xyz", "*.tmp"]);
        assert_eq!(argv.0[3], Word::Literal("*.log.*".into()));
        assert_eq!(argv.0[7], Word::Glob("*.tmp".into()));
    }

    #[test]
    fn refuses_what_needs_a_shell() {
        for line in [
            "a; b",
            "a | b",
            "a && b",
            "a $HOME",
            "a `b`",
            "a \"$(b)\"",
            "a > f",
            "(a)",
            "a &",
            "~/x",
            "a ~root",
            "# a",
            "a\nb",
            "a\0b",
            "a 'b",
            "a \\",
            "!x",
        ] {
            assert!(Argv::parse(line).is_err(), "{line:?}");
        }
        assert!(Argv::parse("a 'b;c|d$e'").is_ok());
        assert_eq!(Argv::parse(&"a ".repeat(3_000)), Err(NotArgv::TooLong));
    }

    proptest! {
        #[test]
        fn never_panics(line in "\\PC{0,80}") {
            let _ = Argv::parse(&line);
        }

        #[test]
        fn literal_words_read_back_what_they_print(words in prop::collection::vec("[^\\p{Cc}]{0,8}", 1..6)) {
            let argv = Argv::literal(words);
            prop_assert_eq!(Argv::parse(&argv.to_string()), Ok(argv));
        }
    }
}
