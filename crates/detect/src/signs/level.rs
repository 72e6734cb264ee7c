//! How bad a line says that it is: by its level field first, then by its words in their context.
//!
//! **Invariant:** `0 errors`, `no error`, `error_log` and `errors=0` are not errors.

use crate::signs::scan::{cut, rest, word};

/// How far into a line a level is looked for, in words.
pub const LEADING_WORDS_MAX: usize = 4;

/// A level, rising.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Debug, trace, info, notice.
    Quiet,
    /// A warning.
    Warning,
    /// An error.
    Error,
    /// Critical, alert, emergency, fatal, panic.
    Fatal,
}

impl Level {
    /// Reads a level's word, in any case.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Option<Self> {
        const WORDS: &[(&[u8], Level)] = &[
            (b"trace", Level::Quiet),
            (b"debug", Level::Quiet),
            (b"info", Level::Quiet),
            (b"information", Level::Quiet),
            (b"notice", Level::Quiet),
            (b"log", Level::Quiet),
            (b"warn", Level::Warning),
            (b"warning", Level::Warning),
            (b"err", Level::Error),
            (b"error", Level::Error),
            (b"severe", Level::Error),
            (b"crit", Level::Fatal),
            (b"critical", Level::Fatal),
            (b"alert", Level::Fatal),
            (b"emerg", Level::Fatal),
            (b"emergency", Level::Fatal),
            (b"fatal", Level::Fatal),
            (b"panic", Level::Fatal),
        ];
        if !(3..=11).contains(&word.len()) {
            return None;
        }
        WORDS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
    }
}

/// The level field at the beginning of a message, and the text after it: `[error]`, `ERROR`,
/// `WARN:`, `level=error`, within the first words.
pub(crate) fn leading(text: &[u8]) -> (Option<Level>, &[u8]) {
    let mut left = text;
    for _ in 0..LEADING_WORDS_MAX {
        left = left.trim_ascii_start();
        let head = word(left);
        if head.is_empty() {
            break;
        }
        let behind = rest(left, head.len()).trim_ascii_start();
        if let Some(level) = field(head) {
            return (Some(level), behind);
        }
        left = behind;
    }
    (None, text)
}

/// The level that one word states as a field.  A bare word counts in capitals only: "error" in
/// small letters is prose.
fn field(head: &[u8]) -> Option<Level> {
    if let Some((key, value)) = cut(head, b'=') {
        let is_level = matches!(key, b"level" | b"lvl" | b"severity" | b"loglevel");
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        return Level::from_word(value.strip_suffix(b"\"").unwrap_or(value)).filter(|_| is_level);
    }
    let bracketed = head.strip_prefix(b"[").and_then(|inner| cut(inner, b']'));
    if let Some((inner, _)) = bracketed {
        // Apache writes the module before the level: [core:error].
        let name = inner.rsplit(|byte| *byte == b':').next().unwrap_or(inner);
        return Level::from_word(name);
    }
    let name = head.strip_suffix(b":").unwrap_or(head);
    let is_capital = name.iter().all(u8::is_ascii_uppercase);
    Level::from_word(name).filter(|_| is_capital)
}

/// What the words of a message say, where no field says it: an error, or nothing.
pub(crate) fn by_words(text: &[u8]) -> Option<Level> {
    const WORDS: &[&[u8]] =
        &[b"error", b"errors", b"failed", b"failure", b"exception", b"fatal", b"panic"];
    let is_break = |byte: &u8| matches!(byte, b' ' | b',' | b';' | b'(' | b')' | b'\t' | b'"');
    let mut before: &[u8] = b"";
    let mut words = text.split(is_break).filter(|word| !word.is_empty()).peekable();
    while let Some(whole) = words.next() {
        let name = whole.strip_suffix(b":").unwrap_or(whole);
        let name = name.strip_suffix(b".").unwrap_or(name);
        if WORDS.iter().any(|word| name.eq_ignore_ascii_case(word)) {
            let counted = words.peek().is_some_and(|next| is_none_at_all(next));
            if !(is_denial(before) || counted && name.len() < whole.len()) {
                return Some(Level::Error);
            }
        } else if name.ends_with(b"Exception") || name.ends_with(b"Error") {
            return Some(Level::Error);
        }
        before = whole;
    }
    None
}

/// Whether a word says that there are none: `0 errors`, `no error`, `without error`.
fn is_denial(word: &[u8]) -> bool {
    const WORDS: &[&[u8]] = &[b"no", b"zero", b"without", b"not", b"any", b"if", b"on", b"non"];
    is_none_at_all(word) || WORDS.iter().any(|denial| word.eq_ignore_ascii_case(denial))
}

/// Whether a word is a zero: `errors: 0`.
fn is_none_at_all(word: &[u8]) -> bool {
    matches!(word.strip_suffix(b".").unwrap_or(word), b"0" | b"none" | b"None" | b"0%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_field_is_read_and_prose_is_not() {
        assert_eq!(leading(b"[error] x"), (Some(Level::Error), &b"x"[..]));
        assert_eq!(leading(b"[core:error] [pid 5] x").0, Some(Level::Error));
        assert_eq!(leading(b"main WARN x"), (Some(Level::Warning), &b"x"[..]));
        assert_eq!(leading(b"level=\"fatal\" x").0, Some(Level::Fatal));
        assert_eq!(leading(b"the error was mended"), (None, &b"the error was mended"[..]));
        assert_eq!(leading(b"one two three four ERROR x").0, None);
        assert_eq!(leading(b""), (None, &b""[..]));
    }

    #[test]
    fn words_count_in_their_context() {
        for bad in ["request failed", "Error: disk", "java.io.IOException: x", "got an error."] {
            assert_eq!(by_words(bad.as_bytes()), Some(Level::Error), "{bad}");
        }
        for good in [
            "done, 0 errors",
            "no error",
            "errors: 0",
            "failed: 0, passed: 9",
            "opened /var/log/error_log",
            "errors=0",
            "finished without error",
            "error_count 0",
            "retry on error",
        ] {
            assert_eq!(by_words(good.as_bytes()), None, "{good}");
        }
    }
}
