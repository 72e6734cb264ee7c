//! Which characters may stand in a word at all.
//!
//! Names come from alerts, and alerts come from outside.  A word that *looks* like another one is
//! worth nothing to an operator, so dashes, spaces, slashes and letters that only imitate ASCII are
//! refused, as is everything that is invisible.  Letters of other scripts (한글) are fine: whether
//! they may stand where they stand is the grammar's business.

/// The longest word, in bytes (`PATH_MAX` of Linux).
pub(crate) const WORD_BYTES_MAX: usize = 4_096;

/// Why a word is not plain text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadText {
    /// It is empty.
    #[error("a word is empty; leave it out")]
    Empty,
    /// It is longer than [`WORD_BYTES_MAX`].
    #[error("a word is longer than {WORD_BYTES_MAX} bytes")]
    TooLong,
    /// It holds a control character.
    #[error("a word holds the control character U+{0:04X}; such a name is not acted on")]
    Control(u32),
    /// It holds a character that is invisible or imitates ASCII.
    #[error(
        "a word holds U+{0:04X}, which is invisible or only looks like ASCII; write the ASCII \
         character if it is meant"
    )]
    LooksLikeAscii(u32),
}

/// Whether a word holds nothing but plain, visible characters.
pub(crate) fn check(word: &str) -> Result<(), BadText> {
    if word.is_empty() {
        return Err(BadText::Empty);
    }
    if word.len() > WORD_BYTES_MAX {
        return Err(BadText::TooLong);
    }
    for c in word.chars() {
        if c.is_control() {
            return Err(BadText::Control(u32::from(c)));
        }
        if !c.is_ascii() && is_deceptive(c) {
            return Err(BadText::LooksLikeAscii(u32::from(c)));
        }
    }
    Ok(())
}

/// Characters that have no width or change the direction or form of their neighbours.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Characters outside ASCII that cannot be seen or are easily taken for ASCII punctuation.
fn is_deceptive(c: char) -> bool {
    is_invisible(c)
        || matches!(c,
        // Spaces of every width, and the mark of what could not be read.
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}'
        | '\u{3000}' | '\u{fffc}' | '\u{fffd}'
        // Dashes.
        | '\u{58a}' | '\u{5be}' | '\u{1806}' | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}'
        | '\u{2796}' | '\u{2e3a}' | '\u{2e3b}' | '\u{fe31}' | '\u{fe32}' | '\u{fe58}' | '\u{fe63}'
        // Slashes, dots, quotes, separators.
        | '\u{2018}'..='\u{201f}' | '\u{2024}'..='\u{2026}' | '\u{2044}' | '\u{2215}' | '\u{2216}'
        | '\u{2571}' | '\u{29f8}' | '\u{37e}' | '\u{2236}' | '\u{a789}' | '\u{fe50}'..='\u{fe6b}'
        // Full-width ASCII and signs, private use.
        | '\u{ff01}'..='\u{ff5e}' | '\u{ffe0}'..='\u{ffee}' | '\u{e000}'..='\u{f8ff}'
        | '\u{f0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_other_scripts_are_plain_text() {
        for word in ["nginx", "/tmp/보고서/2026-01.log", "데이터", "größe", "ログ"] {
            assert_eq!(check(word), Ok(()), "{word}");
        }
    }

    #[test]
    fn what_hides_or_imitates_is_refused() {
        for word in [
            "",
            "a\0",
            "a\r",
            "a\nb",
            "a\tb",
            "\u{1b}[31m",
            "\u{85}",
            "nginx\u{200b}",
            "\u{202e}xnign",
            "ｎginx",
            "−delete",
            "–force",
            "—volumes",
            "a\u{a0}b",
            "a／b",
            "a\u{2024}b",
            "\u{feff}find",
            "a\u{fe0f}",
        ] {
            assert!(check(word).is_err(), "{word:?}");
        }
        assert_eq!(check(&"a".repeat(WORD_BYTES_MAX)), Ok(()));
        assert_eq!(check(&"a".repeat(WORD_BYTES_MAX + 1)), Err(BadText::TooLong));
    }
}
