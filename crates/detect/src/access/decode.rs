//! What a server would make of an encoded value: percent-encoding (several times, overlong UTF-8),
//! `+`, `%u0041`, `\u0041`, `\x41`, HTML entities, full-width letters, case.
//!
//! **Invariant:** the result is never longer than the input, and decoding ends after
//! [`LAYERS_MAX`] rounds.

/// How many times percent-encoding is undone.
pub const LAYERS_MAX: usize = 3;

/// A decoded value, in small letters.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// The value.
    pub(crate) text: Vec<u8>,
    /// It was encoded more than once.
    pub(crate) is_nested: bool,
    /// It held a character in more bytes than it needs, which only hides something.
    pub(crate) is_overlong: bool,
    /// It held a zero byte.
    pub(crate) has_zero: bool,
}

impl Decoded {
    /// Decodes a value; the buffer is used again.
    pub(crate) fn read(&mut self, value: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(value);
        (self.is_nested, self.is_overlong, self.has_zero) = (false, false, false);
        for byte in &mut self.text {
            if *byte == b'+' {
                *byte = b' ';
            }
        }
        for layer in 0..LAYERS_MAX {
            if memchr::memchr3(b'%', b'\\', b'&', &self.text).is_none() {
                break;
            }
            let n_before = self.text.len();
            self.layer();
            if self.text.len() == n_before {
                break;
            }
            self.is_nested |= layer > 0;
        }
        self.narrow();
        self.text.make_ascii_lowercase();
        self.has_zero |= self.text.contains(&0);
    }

    /// Undoes one layer in place.
    fn layer(&mut self) {
        let (mut from, mut to) = (0, 0);
        while let Some(&byte) = self.text.get(from) {
            let left = self.text.get(from..).unwrap_or_default();
            let (value, n_read) = match byte {
                b'%' => percent(left),
                b'\\' => backslash(left),
                b'&' => entity(left),
                _ => None,
            }
            .unwrap_or((u32::from(byte), 1));
            // A code point beyond a byte stays its own kind of letter: none of the syntaxes that
            // are judged has any, but full-width forms stand for ASCII in some servers.
            let value = u8::try_from(value).or_else(|_| full_width(value).ok_or(()));
            if let Some(slot) = self.text.get_mut(to) {
                *slot = value.unwrap_or(b'?');
            }
            to += 1;
            from += n_read;
        }
        self.text.truncate(to);
    }

    /// Folds overlong forms (`C0 AF` is `/`) and full-width letters to ASCII.
    fn narrow(&mut self) {
        if self.text.is_ascii() {
            return;
        }
        let (mut from, mut to) = (0, 0);
        while let Some(&byte) = self.text.get(from) {
            let next = |n: usize| self.text.get(from + n).copied().unwrap_or(0);
            let (value, n_read) = match byte {
                0xc0 | 0xc1 if next(1) & 0xc0 == 0x80 => {
                    self.is_overlong = true;
                    ((byte & 1) << 6 | next(1) & 0x3f, 2)
                }
                0xef if matches!(next(1), 0xbc | 0xbd) && next(2) & 0xc0 == 0x80 => {
                    let code = u32::from(byte & 0x0f) << 12
                        | u32::from(next(1) & 0x3f) << 6
                        | u32::from(next(2) & 0x3f);
                    full_width(code).map_or((byte, 1), |letter| (letter, 3))
                }
                _ => (byte, 1),
            };
            if let Some(slot) = self.text.get_mut(to) {
                *slot = value;
            }
            to += 1;
            from += n_read;
        }
        self.text.truncate(to);
    }
}

/// The ASCII letter that a full-width form (U+FF01 … U+FF5E) stands for.
fn full_width(code: u32) -> Option<u8> {
    (0xff01..=0xff5e).contains(&code).then(|| u8::try_from(code - 0xfee0).ok()).flatten()
}

/// `%41`, `%u0041`.
fn percent(left: &[u8]) -> Option<(u32, usize)> {
    if matches!(left.get(1), Some(b'u' | b'U')) {
        return Some((hex(left.get(2..6)?)?, 6));
    }
    Some((hex(left.get(1..3)?)?, 3))
}

/// `\x41`, `\u0041`; a quote escaped by the log is the quote.
fn backslash(left: &[u8]) -> Option<(u32, usize)> {
    match left.get(1)? {
        b'x' | b'X' => Some((hex(left.get(2..4)?)?, 4)),
        b'u' => Some((hex(left.get(2..6)?)?, 6)),
        b'"' => Some((u32::from(b'"'), 2)),
        _ => None,
    }
}

/// `&lt;`, `&#60;`, `&#x3c;`.
fn entity(left: &[u8]) -> Option<(u32, usize)> {
    const NAMES: &[(&[u8], u8)] = &[
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&quot;", b'"'),
        (b"&apos;", b'\''),
        (b"&amp;", b'&'),
        (b"&colon;", b':'),
        (b"&lpar;", b'('),
        (b"&tab;", b'\t'),
        (b"&newline;", b'\n'),
    ];
    if left.get(1) == Some(&b'#') {
        let end = left.iter().take(10).position(|byte| *byte == b';')?;
        let digits = left.get(2..end)?;
        let code = match digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X")) {
            Some(digits) => hex(digits)?,
            None => u32::try_from(crate::signs::scan::number(digits)?).ok()?,
        };
        return Some((code, end + 1));
    }
    let is_start =
        |name: &[u8]| left.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name));
    NAMES
        .iter()
        .find(|(name, _)| is_start(name))
        .map(|(name, letter)| (u32::from(*letter), name.len()))
}

/// One to six hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 6 {
        return None;
    }
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(value: &str) -> (String, Decoded) {
        let mut decoded = Decoded::default();
        decoded.read(value.as_bytes());
        (String::from_utf8_lossy(&decoded.text).into_owned(), decoded)
    }

    #[test]
    fn every_encoding_is_undone() {
        let rows = [
            ("a%20b+C", "a b c"),
            ("%2e%2E%2f", "../"),
            ("%252e%252e%252f", "../"),
            ("%25252e", "."),
            ("%c0%ae%c0%af", "./"),
            ("%u003cscript", "<script"),
            (r"\u003c\x3C", "<<"),
            ("&lt;&#60;&#x3c;", "<<<"),
            ("%EF%BC%87 or", "' or"),
            ("%uff07", "'"),
            (r#"\""#, "\""),
            ("100%", "100%"),
            ("%zz", "%zz"),
        ];
        for (value, expected) in rows {
            assert_eq!(decoded(value).0, expected, "{value}");
        }
        assert!(decoded("%252e").1.is_nested && !decoded("%2e").1.is_nested);
        assert!(decoded("%c0%af").1.is_overlong && decoded("a%00").1.has_zero);
    }

    #[test]
    fn decoding_ends_after_its_layers() {
        assert_eq!(decoded("%2525252541").0, "%2541");
    }

    proptest! {
        #[test]
        fn nothing_panics_or_grows(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut decoded = Decoded::default();
            decoded.read(&value);
            prop_assert!(decoded.text.len() <= value.len());
        }

        #[test]
        fn what_was_encoded_comes_back(text in "[a-z '\"<>/=().;]{0,40}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(decoded(&encoded).0, text);
        }
    }
}
