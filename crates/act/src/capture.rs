//! What a program printed, cut to a limit and made fit to be shown.
//!
//! The beginning and the end are kept, because errors stand in either place.  Control characters
//! become visible, so that no output can move a cursor, recolour a terminal or forge a line.

use std::collections::VecDeque;

use crate::text::is_invisible;

/// The largest output that is kept, in bytes of UTF-8, without the line that counts the rest.
pub(crate) const OUTPUT_BYTES_MAX: usize = 16 * 1_024;

const HALF: usize = OUTPUT_BYTES_MAX / 2;

/// Keeps the first and the last bytes of a stream.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
}

impl Capture {
    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = HALF.saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..excess);
        self.left_out = self.left_out.saturating_add(excess);
    }

    /// What was kept, as text.
    pub(crate) fn text(self) -> String {
        let Self { head, tail, left_out } = self;
        let tail = Vec::from(tail);
        if left_out == 0 {
            let all = visible([head, tail].concat().as_slice());
            let bytes: usize = all.iter().map(|(c, _)| c.len_utf8()).sum();
            if bytes <= OUTPUT_BYTES_MAX {
                return all.into_iter().map(|(c, _)| c).collect();
            }
            let middle = all.len() / 2;
            let (first, last) = all.split_at(middle);
            return joined(first, last, 0);
        }
        joined(&visible(&head), &visible(&tail), left_out)
    }
}

/// Each character to show, with the number of bytes it stands for.
fn visible(bytes: &[u8]) -> Vec<(char, usize)> {
    let mut shown = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut chars = chunk.valid().chars().peekable();
        while let Some(c) = chars.next() {
            // The end of a line as some programs write it.
            if c == '\r' && chars.peek() == Some(&'\n') {
                continue;
            }
            shown.push((fit(c), c.len_utf8()));
        }
        if !chunk.invalid().is_empty() {
            shown.push((char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
        }
    }
    shown
}

/// The character that is shown for one: a picture for a control character.
fn fit(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{7f}' => '\u{2421}',
        '\0'..='\u{1f}' => {
            char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        c if c.is_control() || is_invisible(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The beginning of the head and the end of the tail, each within its half, and what is missing.
fn joined(head: &[(char, usize)], tail: &[(char, usize)], left_out: usize) -> String {
    let (first, after) = head.split_at(fitting(head.iter()));
    let (before, last) = tail.split_at(tail.len() - fitting(tail.iter().rev()));
    let missing: usize = after.iter().chain(before).map(|(_, bytes)| bytes).sum();
    let text = |part: &[(char, usize)]| part.iter().map(|(c, _)| *c).collect::<String>();
    format!(
        "{}\n… {} bytes left out …\n{}",
        text(first),
        left_out.saturating_add(missing),
        text(last)
    )
}

/// How many of these characters fit into one half.
fn fitting<'a>(chars: impl Iterator<Item = &'a (char, usize)>) -> usize {
    let mut room = HALF;
    chars
        .take_while(|(c, _)| match room.checked_sub(c.len_utf8()) {
            Some(rest) => {
                room = rest;
                true
            }
            None => false,
        })
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(chunks: &[&[u8]]) -> String {
        let mut capture = Capture::default();
        for chunk in chunks {
            capture.push(chunk);
        }
        capture.text()
    }

    #[test]
    fn short_output_is_kept_whole_and_shows_its_control_characters() {
        let raw = "ok\r\n\u{1b}[31m빨강\u{7}\0\u{202e}\rx".as_bytes();
        assert_eq!(captured(&[raw, b"\xff"]), "ok\n␛[31m빨강␇␀\u{fffd}␍x\u{fffd}");
        assert_eq!(captured(&[]), "");
    }

    #[test]
    fn long_output_keeps_its_beginning_and_its_end() {
        let text = captured(&[&[b'a'; HALF], &[b'b'; 1_000], &[b'c'; HALF]]);
        assert!(text.starts_with(&"a".repeat(HALF)));
        assert!(text.ends_with(&"c".repeat(HALF)));
        assert!(text.contains("\n… 1000 bytes left out …\n"));
        let whole = captured(&[&[b'a'; OUTPUT_BYTES_MAX]]);
        assert_eq!(whole.len(), OUTPUT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_output_grows_beyond_its_limit(bytes in prop::collection::vec(any::<u8>(), 0..40_000), chunk in 1usize..5_000) {
            let mut capture = Capture::default();
            for part in bytes.chunks(chunk) {
                capture.push(part);
            }
            let text = capture.text();
            prop_assert!(text.len() <= OUTPUT_BYTES_MAX + 60);
            prop_assert!(text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
        }
    }
}
