//! Escape sequences of terminals (ECMA-48), which colour a line and say nothing.

use std::borrow::Cow;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// The text without escape sequences.
pub(crate) fn without_escapes(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(ESCAPE, text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut kept = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some(at) = memchr::memchr(ESCAPE, left) {
        let (before, sequence) = left.split_at(at);
        kept.extend_from_slice(before);
        left = sequence.get(length(sequence)..).unwrap_or_default();
    }
    kept.extend_from_slice(left);
    Cow::Owned(kept)
}

/// How long the sequence is that the text begins with.
fn length(sequence: &[u8]) -> usize {
    let inner = sequence.get(2..).unwrap_or_default();
    match sequence.get(1) {
        // A control sequence ends with a byte from `@` to `~`.
        Some(b'[') => 2 + past(inner, |byte| (0x40..=0x7e).contains(&byte)),
        // A command string ends with a bell, or with another escape and a backslash.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = past(inner, |byte| byte == BELL || byte == ESCAPE);
            let is_escaped = inner.get(end.saturating_sub(1)) == Some(&ESCAPE);
            2 + end + usize::from(is_escaped && inner.get(end) == Some(&b'\\'))
        }
        Some(_) => 2,
        None => 1,
    }
}

/// The length up to and with the first byte that ends it; everything where none does.
fn past(text: &[u8], ends: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| ends(*byte)).map_or(text.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_titles_and_cut_sequences_go_and_text_stays() {
        for (text, left) in [
            (&b"\x1b[1;31mERROR\x1b[0m disk"[..], &b"ERROR disk"[..]),
            (b"\x1b]0;title\x07after", b"after"),
            (b"\x1b]8;;http://x\x1b\\link", b"link"),
            (b"\x1bMup", b"up"),
            (b"cut \x1b[31", b"cut "),
            (b"cut \x1b", b"cut "),
            (b"plain", b"plain"),
        ] {
            assert_eq!(&*without_escapes(text), left, "{}", text.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn nothing_of_an_escape_is_left(text in proptest::collection::vec(prop_oneof![Just(ESCAPE), Just(b'['), any::<u8>()], 0..60)) {
            prop_assert!(!without_escapes(&text).contains(&ESCAPE));
        }
    }
}
