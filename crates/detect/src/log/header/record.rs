//! The message of a line that is a record: JSON or `key=value`.

use std::ops::Range;

/// The keys that a message has, the most telling first.
const KEYS: [&[u8]; 6] =
    [b"\"message\"", b"\"msg\"", b"\"MESSAGE\"", b"\"log\"", b"\"text\"", b"\"event\""];

/// How much of a line is searched, in bytes.
const SEARCHED_BYTES_MAX: usize = 16 * 1_024;

/// The text of the message of a line of JSON, escapes as they are.
pub(crate) fn json_message(line: &[u8]) -> Option<Range<usize>> {
    let line = line.get(..SEARCHED_BYTES_MAX).unwrap_or(line);
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    KEYS.iter().find_map(|key| {
        let at = line.windows(key.len()).position(|window| window == *key)? + key.len();
        let rest = line.get(at..)?;
        let colon = rest.iter().position(|b| *b != b' ')?;
        let quote = colon + 1 + rest.get(colon + 1..)?.iter().position(|b| *b != b' ')?;
        let is_text = rest.get(colon) == Some(&b':') && rest.get(quote) == Some(&b'"');
        is_text.then_some(())?;
        quoted(line, at + quote)
    })
}

/// The text of `msg` in a line of `key=value`.
pub(crate) fn logfmt_message(line: &[u8]) -> Option<Range<usize>> {
    let line = line.get(..SEARCHED_BYTES_MAX).unwrap_or(line);
    let at = line.windows(5).position(|window| window == b" msg=")? + 5;
    if line.get(at) == Some(&b'"') {
        return quoted(line, at);
    }
    let length = line.get(at..)?.iter().position(|b| *b == b' ');
    Some(at..length.map_or(line.len(), |length| at + length))
}

/// What is inside of the quotes that open at `at`.
fn quoted(line: &[u8], at: usize) -> Option<Range<usize>> {
    let mut end = at + 1;
    loop {
        match line.get(end)? {
            b'\\' => end += 2,
            b'"' => return Some(at + 1..end),
            _ => end += 1,
        }
    }
}
