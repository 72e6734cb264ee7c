//! One pass over the bytes of a message: words, values and the marks between them.
//!
//! What cannot be a constant by its shape alone (numbers, paths, addresses, quoted text, the value
//! of a `key=`, the printed state of an object) is a value here; whether a *word* is one is judged
//! later, from many lines.
//!
//! **Invariant:** the pieces that a sink is told depend on the message alone, never on what was
//! seen before, so that lines can be scanned by any thread in any order.

use std::ops::Range;

/// How much of a message is read, in bytes; the rest of a longer one is ignored.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1_024;

/// The largest number of words and values of a message that are told apart; the rest is ignored.
pub const TOKENS_MAX: usize = 256;

/// How many values in a row, with only spaces and commas between, are told; a longer list counts
/// as a list of this many.
pub const LIST_MAX: usize = 8;

/// How the text of an HTTP request begins, which is read though it is quoted.
const REQUEST_METHODS: [&[u8]; 7] =
    [b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"PATCH ", b"OPTIONS "];

/// How far the end of a quoted text or of a printed object may be, in bytes.
const GROUP_BYTES_MAX: usize = 4_096;

/// The fewest hexadecimal letters that make a value of a word without any digit.
const HEX_LETTERS_MIN: usize = 8;

/// Who is told the pieces of a message, in order.
pub(crate) trait Sink {
    /// A word, which may be a constant.
    fn word(&mut self, text: &[u8], at: usize);
    /// A value, whatever it is.
    fn value(&mut self, range: Range<usize>);
    /// A byte between words.
    fn mark(&mut self, byte: u8, at: usize);
    /// Space, of any length.
    fn space(&mut self, at: usize);
    /// Forget everything that was told since the last value.
    fn fold(&mut self);
}

const WORD: u8 = 1;
const DIGIT: u8 = 2;
/// A letter beyond `f`, or a byte that no hexadecimal number has.
const NOT_HEX: u8 = 4;
/// Dots, slashes and the like, which ask for a closer look at the word.
const JOINT: u8 = 8;
const SPACE: u8 = 16;

const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0_u8; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => WORD | DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => WORD,
            b'g'..=b'z' | b'G'..=b'Z' | b'_' | b'-' | b'+' | b'$' | b'*' | b'%' | 0x80..=0xff => {
                WORD | NOT_HEX
            }
            b'.' | b'/' | b'@' | b'\\' | b'~' => WORD | NOT_HEX | JOINT,
            0..=b' ' | 0x7f => SPACE,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

const fn class(byte: u8) -> u8 {
    CLASS[byte as usize]
}

/// Tells a sink the pieces of a message.
pub(crate) fn scan<S: Sink>(message: &[u8], sink: &mut S) {
    let bytes = message.get(..MESSAGE_BYTES_MAX).unwrap_or(message);
    Scan { bytes, at: 0, values: 0, tokens: 0, after_equals: false, in_request: false, sink }.run();
}

struct Scan<'a, S> {
    bytes: &'a [u8],
    at: usize,
    /// How many values in a row there were, with only spaces and commas between.
    values: usize,
    tokens: usize,
    /// Whether the last mark was an equals sign with space after it.
    after_equals: bool,
    /// Whether the text of a request is being read, whose closing quote opens nothing.
    in_request: bool,
    sink: &'a mut S,
}

impl<S: Sink> Scan<'_, S> {
    fn run(&mut self) {
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.tokens >= TOKENS_MAX {
                return;
            }
            let class = class(byte);
            if class & WORD != 0 {
                self.token();
            } else if class & SPACE != 0 {
                self.space(byte);
            } else {
                self.punctuation(byte);
            }
        }
    }

    fn peek(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b' ')
    }

    fn is_word(&self, at: usize) -> bool {
        class(self.peek(at)) & WORD != 0
    }

    fn space(&mut self, first: u8) {
        let start = self.at;
        if first == 0x1b && self.peek(self.at + 1) == b'[' {
            self.at += 2;
            while matches!(self.peek(self.at), b'0'..=b'9' | b';' | b'?') {
                self.at += 1;
            }
        }
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|&b| class(b) & SPACE != 0 && b != 0x1b) {
            self.at += 1;
        }
        if start > 0 && self.at < self.bytes.len() {
            self.sink.space(start);
        }
    }

    fn mark(&mut self, byte: u8) {
        if !matches!(byte, b',' | b';') {
            self.values = 0;
        }
        self.after_equals = false;
        self.sink.mark(byte, self.at);
        self.at += 1;
    }

    fn value(&mut self, range: Range<usize>) {
        self.at = range.end;
        self.after_equals = false;
        self.values += 1;
        self.tokens += 1;
        if self.values > LIST_MAX {
            self.sink.fold();
        } else {
            self.sink.value(range);
        }
    }

    fn word(&mut self, range: Range<usize>) {
        self.at = range.end;
        self.after_equals = false;
        self.values = 0;
        self.tokens += 1;
        if let Some(text) = self.bytes.get(range.clone()) {
            self.sink.word(text, range.start);
        }
    }

    fn punctuation(&mut self, byte: u8) {
        match byte {
            b'=' => self.equals(),
            b'"' => self.double_quoted(),
            b'\'' => self.single_quoted(),
            b'<' if self.is_less_than_number() => self.token(),
            b':' if self.peek(self.at + 1) == b':' && !self.is_word(self.at.wrapping_sub(1)) => {
                let end = self.end_of(self.at, |b| b == b':' || b == b'.' || b.is_ascii_hexdigit());
                self.value(self.at..end);
            }
            _ => self.mark(byte),
        }
    }

    /// The first place from `at` whose byte does not fit.
    fn end_of(&self, at: usize, fits: impl Fn(u8) -> bool) -> usize {
        let rest = self.bytes.get(at..).unwrap_or_default();
        at + rest.iter().position(|&b| !fits(b)).unwrap_or(rest.len())
    }

    /// Whether it is as in `lifetime <1 sec`.
    fn is_less_than_number(&self) -> bool {
        let end = self.end_of(self.at + 1, |b| b.is_ascii_digit() || b == b'.');
        end > self.at + 1 && class(self.peek(end)) & SPACE != 0
    }

    fn equals(&mut self) {
        let before = self.peek(self.at.wrapping_sub(1));
        let next = self.peek(self.at + 1);
        self.mark(b'=');
        if matches!(next, b'=' | b'>' | b'~') {
            self.mark(next);
            return;
        }
        if class(next) & SPACE != 0 {
            self.after_equals = true;
            return;
        }
        if class(before) & WORD == 0 && !matches!(before, b' ' | b'"' | b'\'' | b']' | b')') {
            return;
        }
        let end = self.end_of_assigned(self.at);
        if end > self.at {
            self.value(self.at..end);
        }
    }

    /// Where the value that begins at `at` ends: at the first space or comma outside of brackets.
    fn end_of_assigned(&self, at: usize) -> usize {
        let first = self.peek(at);
        if matches!(first, b'"' | b'\'')
            && let Some(end) = self.closing_quote(at, first)
        {
            return end;
        }
        let limit = self.bytes.len().min(at + GROUP_BYTES_MAX);
        let (mut depth, mut end, mut flat) = (0_usize, at, None);
        while end < limit {
            let byte = self.peek(end);
            match byte {
                b'(' | b'[' | b'{' | b'<' => {
                    flat.get_or_insert(end);
                    depth += 1;
                }
                b')' | b']' | b'}' | b'>' if depth > 0 => depth -= 1,
                b')' | b']' | b'}' | b'>' | b',' | b';' | b'|' | b'&' | b'"' if depth == 0 => break,
                _ if depth == 0 && class(byte) & SPACE != 0 => break,
                _ => {}
            }
            end += 1;
        }
        if depth > 0 {
            end = flat.unwrap_or(end);
        }
        while end > at + 1 && matches!(self.peek(end - 1), b'.' | b':') {
            end -= 1;
        }
        end
    }

    /// Just after the quote that closes the one at `at`.
    fn closing_quote(&self, at: usize, quote: u8) -> Option<usize> {
        let limit = self.bytes.len().min(at + GROUP_BYTES_MAX);
        let mut end = at + 1;
        while end < limit {
            match self.peek(end) {
                b'\\' => end += 1,
                byte if byte == quote && (quote == b'"' || !self.is_word(end + 1)) => {
                    return Some(end + 1);
                }
                _ => {}
            }
            end += 1;
        }
        None
    }

    fn double_quoted(&mut self) {
        if std::mem::take(&mut self.in_request) {
            return self.mark(b'"');
        }
        let Some(end) = self.closing_quote(self.at, b'"') else { return self.mark(b'"') };
        let is_key = self.peek(end) == b':';
        let inner = self.at + 1..end - 1;
        self.mark(b'"');
        let is_request = REQUEST_METHODS.iter().any(|method| {
            self.bytes.get(inner.clone()).is_some_and(|text| text.starts_with(method))
        });
        if is_request {
            self.in_request = true;
            return;
        }
        if is_key && !inner.is_empty() {
            self.word(inner);
        } else {
            self.value(inner);
        }
        self.mark(b'"');
    }

    fn single_quoted(&mut self) {
        if self.at > 0 && self.is_word(self.at - 1) {
            return self.mark(b'\'');
        }
        let Some(end) = self.closing_quote(self.at, b'\'') else { return self.mark(b'\'') };
        let inner = self.at + 1..end - 1;
        self.mark(b'\'');
        self.value(inner);
        self.mark(b'\'');
    }

    /// A run of bytes of words: a word or a value.
    fn token(&mut self) {
        let start = self.at;
        let first = self.peek(start);
        if first == b'.' && self.peek(start + 1) == b'.' {
            let end = self.end_of(start, |b| b == b'.');
            return self.word(start..end);
        }
        let mut flags = 0;
        let mut end = start + usize::from(first == b'<');
        loop {
            while let Some(&byte) = self.bytes.get(end) {
                let class = class(byte);
                if class & WORD == 0 {
                    break;
                }
                flags |= class;
                end += 1;
            }
            if self.peek(end) != b':' || !self.joins(start, end, flags) {
                break;
            }
            if self.peek(end + 1) == b'/' && self.peek(end + 2) == b'/' {
                let end = self.end_of_path(end);
                return self.value(start..end);
            }
            end += 1;
        }
        if first == b'/' && end > start + 1 {
            let end = self.end_of_path(end);
            return self.value(start..end);
        }
        if flags & JOINT != 0 {
            end = self.without_tail(start, end);
        }
        let text = self.bytes.get(start..end).unwrap_or_default();
        if self.peek(end) == b'{'
            && let Some(end) = self.closing_brace(end)
        {
            return self.value(start..end);
        }
        if self.is_value(text, flags, end) {
            self.value(start..end);
        } else {
            self.word(start..end);
        }
    }

    /// Whether the colon at `end` is inside of one value: a time, an address with a port.
    fn joins(&self, start: usize, end: usize, flags: u8) -> bool {
        let next = self.peek(end + 1);
        if next == b'/' && self.peek(end + 2) == b'/' {
            return true;
        }
        if next == b'\\' && end == start + 1 {
            return true;
        }
        if flags & DIGIT != 0 {
            return class(next) & WORD != 0 || (next == b':' && self.is_word(end + 2));
        }
        if next == b':' {
            return self.peek(end + 2).is_ascii_alphabetic() && flags & NOT_HEX != 0;
        }
        let text = self.bytes.get(start..end).unwrap_or_default();
        let is_octet = text.len() == 2 && flags & NOT_HEX == 0 && self.peek(end + 3) == b':';
        is_octet || (next.is_ascii_digit() && flags & JOINT != 0 && inner_dots(text) > 0)
    }

    fn end_of_path(&self, at: usize) -> usize {
        let mut end = self.end_of(at, |b| {
            class(b) & SPACE == 0
                && !matches!(b, b'"' | b'\'' | b',' | b';' | b')' | b']' | b'}' | b'>' | b'<')
        });
        while end > at && matches!(self.peek(end - 1), b'.' | b':' | b'?' | b'!') {
            end -= 1;
        }
        end
    }

    /// The end of a word without the full stop or the row of dots behind it.
    fn without_tail(&self, start: usize, end: usize) -> usize {
        let text = self.bytes.get(start..end).unwrap_or_default();
        let dots = text.windows(2).position(|two| two == b"..").filter(|&n| n > 0);
        let mut end = dots.map_or(end, |n| start + n);
        while end > start + 1 && self.peek(end - 1) == b'.' {
            end -= 1;
        }
        end
    }

    fn closing_brace(&self, at: usize) -> Option<usize> {
        let rest = self.bytes.get(at..self.bytes.len().min(at + GROUP_BYTES_MAX))?;
        let mut depth = 0_usize;
        for (n, &byte) in rest.iter().enumerate() {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(at + n + 1);
            }
        }
        None
    }

    fn is_value(&self, text: &[u8], flags: u8, end: usize) -> bool {
        let is_assigned = self.after_equals
            && (end == self.bytes.len() || matches!(self.peek(end), b',' | b';' | b')' | b'}'));
        if is_assigned {
            return true;
        }
        if flags & DIGIT != 0 {
            let is_called = self.peek(end) == b'(' && self.peek(end + 1) == b')';
            return !is_called && !is_member(text) && text.iter().any(u8::is_ascii_digit);
        }
        if flags & JOINT != 0 {
            return is_name_of_something(text);
        }
        flags & NOT_HEX == 0 && text.len() >= HEX_LETTERS_MIN
    }
}

/// How many dots have letters or digits on both sides.
fn inner_dots(text: &[u8]) -> usize {
    let inner = text.windows(3).filter(|three| {
        matches!(three, [a, b'.', b] if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
    });
    inner.count()
}

/// Whether it is the name of something inside of a class: `Peer80211::setMode`.
fn is_member(text: &[u8]) -> bool {
    let colons = text.windows(2).position(|two| two == b"::");
    colons.is_some_and(|at| {
        let (class, member) = text.split_at(at);
        class.first().is_some_and(u8::is_ascii_alphabetic)
            && class.iter().any(|b| matches!(b, b'g'..=b'z' | b'G'..=b'Z'))
            && member.get(2).is_some_and(u8::is_ascii_alphabetic)
    })
}

/// Endings of the names of files that are taken for values.
const FILE_ENDINGS: &[&[u8]] = &[
    b"bin",
    b"c",
    b"cc",
    b"cfg",
    b"conf",
    b"cpp",
    b"css",
    b"csv",
    b"dat",
    b"db",
    b"dll",
    b"exe",
    b"gz",
    b"h",
    b"html",
    b"ini",
    b"jar",
    b"java",
    b"js",
    b"json",
    b"log",
    b"pem",
    b"php",
    b"pid",
    b"png",
    b"properties",
    b"py",
    b"rs",
    b"sh",
    b"so",
    b"sock",
    b"sys",
    b"tar",
    b"tmp",
    b"txt",
    b"war",
    b"xml",
    b"yaml",
    b"yml",
    b"zip",
];

/// Whether a word with joints and no digit names a path, a host, a file or an address.
fn is_name_of_something(text: &[u8]) -> bool {
    let count = |byte: u8| text.iter().filter(|&&b| b == byte).count();
    let at_sign = text.iter().position(|&b| b == b'@');
    if at_sign.is_some_and(|at| at > 0 && at + 1 < text.len()) || inner_dots(text) >= 2 {
        return true;
    }
    if count(b'/') >= 2 || count(b'\\') >= 1 || text.starts_with(b"~/") {
        return true;
    }
    text.iter().rposition(|&b| b == b'.').is_some_and(|dot| {
        let ending = text.get(dot + 1..).unwrap_or_default();
        dot > 0 && FILE_ENDINGS.contains(&ending)
    })
}
