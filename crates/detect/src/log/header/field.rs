//! The fields at the beginning of a line: times, levels, numbers, brackets, tags.

use std::ops::Range;

/// What a field looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// A date, a time of day, seconds since 1970, the name of a month or a day.
    Time,
    /// How bad it is: `INFO`, `[error]`, `W`.
    Level,
    /// Digits: the number of a process or a thread.
    Number,
    /// Something in square or angle brackets.
    Bracket,
    /// A lone hyphen.
    Dash,
    /// A name with a colon at its end.
    Tag,
    /// A name with dots inside.
    Dotted,
    /// Anything else.
    Word,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = 8;

/// A field of a line.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) kind: FieldKind,
    pub(crate) range: Range<usize>,
    /// Where the next field begins.
    pub(crate) next: usize,
}

impl Field {
    /// Whether several spaces stand behind it, as in a table.
    pub(crate) fn is_aligned(&self) -> bool {
        self.next >= self.range.end + 2
    }
}

/// The longest text in brackets that is a field, in bytes.
const BRACKET_BYTES_MAX: usize = 256;

/// The field that begins at `at`; none at the end of the line.
pub(crate) fn field(line: &[u8], at: usize) -> Option<Field> {
    let first = *line.get(at)?;
    let end = match first {
        b'[' | b'<' => closing(line, at).unwrap_or_else(|| word_end(line, at)),
        _ => word_end(line, at),
    };
    let text = line.get(at..end)?;
    let spaces = line.get(end..)?.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    Some(Field { kind: kind(text), range: at..end, next: end + spaces })
}

fn word_end(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().position(|b| matches!(b, b' ' | b'\t' | b'|')).unwrap_or(rest.len()).max(1)
}

fn closing(line: &[u8], at: usize) -> Option<usize> {
    let (open, close) = if line.get(at) == Some(&b'[') { (b'[', b']') } else { (b'<', b'>') };
    let mut depth = 0_usize;
    for (n, &byte) in line.get(at..)?.iter().take(BRACKET_BYTES_MAX).enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth -= 1;
            if depth == 0 {
                let end = at + n + 1;
                let is_tag = line.get(end) == Some(&b':');
                return Some(end + usize::from(is_tag));
            }
        }
    }
    None
}

fn kind(text: &[u8]) -> FieldKind {
    if let [b'[' | b'<', inner @ .., b']' | b'>'] = text {
        let inner = inner.trim_ascii();
        return if is_level(inner) {
            FieldKind::Level
        } else if inner.split(|b| *b == b' ').any(is_time) {
            FieldKind::Time
        } else {
            FieldKind::Bracket
        };
    }
    if text == b"-" {
        return FieldKind::Dash;
    }
    let bare = text.strip_suffix(b",").unwrap_or(text);
    if is_time(bare) {
        return FieldKind::Time;
    }
    if is_level(bare.strip_suffix(b":").unwrap_or(bare)) {
        return FieldKind::Level;
    }
    if bare.iter().all(u8::is_ascii_digit) {
        return FieldKind::Number;
    }
    if text.len() > 1 && text.ends_with(b":") || text.ends_with(b"]") && !text.contains(&b'[') {
        return FieldKind::Tag;
    }
    let is_dotted = text.contains(&b'.')
        && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'-'))
        && text.iter().any(u8::is_ascii_alphabetic);
    if is_dotted { FieldKind::Dotted } else { FieldKind::Word }
}

/// Whether a word is the name of a level.
pub(crate) fn is_level(word: &[u8]) -> bool {
    const LETTERS: &[u8] = b"VDIWEF";
    const WORDS: &[&str] = &[
        "trace",
        "debug",
        "verbose",
        "info",
        "information",
        "notice",
        "warn",
        "warning",
        "error",
        "err",
        "crit",
        "critical",
        "alert",
        "emerg",
        "fatal",
        "severe",
        "failure",
        "panic",
    ];
    match word {
        [letter] => LETTERS.contains(letter),
        _ => WORDS.iter().any(|level| word.eq_ignore_ascii_case(level.as_bytes())),
    }
}

/// Whether a word is a date, a time of day, seconds since 1970, a month or a day of the week.
fn is_time(word: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
    ];
    if word.iter().filter(|b| b.is_ascii_digit()).count() < 4 {
        return NAMES.contains(&word);
    }
    if word.iter().all(u8::is_ascii_digit) {
        return is_epoch(word) || is_compact_clock(word);
    }
    is_date(word) || has_clock(word)
}

fn is_epoch(digits: &[u8]) -> bool {
    matches!(digits.len(), 10 | 13 | 16) && digits.first() == Some(&b'1')
}

fn is_compact_clock(digits: &[u8]) -> bool {
    let parts: Vec<u8> = digits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[tens, ones]| (tens - b'0') * 10 + (ones - b'0'))
        .collect();
    matches!(parts.as_slice(), [hour, minute, second]
        if digits.len() == 6 && *hour < 32 && *minute < 60 && *second < 60)
}

/// Three numbers with the same separator, of six to eight digits, whatever follows.
fn is_date(word: &[u8]) -> bool {
    let Some(&separator) = word.iter().find(|b| !b.is_ascii_digit()) else { return false };
    if !matches!(separator, b'-' | b'/' | b'.') {
        return false;
    }
    let digits = |part: &[u8]| part.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut parts = word.split(|b| *b == separator);
    let (Some(a), Some(b), Some(c)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_month = b.len() == 3 && b.iter().all(u8::is_ascii_alphabetic);
    let is_whole = digits(a) == a.len() && (digits(b) == b.len() || is_month);
    let sum = digits(a) + digits(b) + digits(c);
    let is_address = separator == b'.' && parts.next().is_some();
    is_whole && matches!(digits(a), 2 | 4) && matches!(sum, 4..=8) && digits(c) >= 2 && !is_address
}

/// Whether hours and minutes are somewhere inside.
fn has_clock(word: &[u8]) -> bool {
    if word.iter().filter(|b| **b == b'.').count() >= 3 && !word.contains(&b'_') {
        return false;
    }
    let digit = |at: Option<usize>| at.and_then(|at| word.get(at)).is_some_and(u8::is_ascii_digit);
    word.iter().enumerate().filter(|(_, b)| **b == b':').any(|(at, _)| {
        let before = digit(at.checked_sub(1)) && digit(at.checked_sub(2));
        let after = digit(Some(at + 1)) && digit(Some(at + 2)) && !digit(Some(at + 3));
        let is_full = word.get(at + 3) == Some(&b':') && digit(Some(at + 4));
        before && after && (is_full || !word.contains(&b'-'))
    })
}
