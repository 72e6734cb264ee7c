//! Texts, cut to what is kept of them.

use crate::limit::REASON_CHARS_MAX;

/// A reason, cut to what a person reads.
pub(crate) fn shortened(reason: &str) -> String {
    match reason.char_indices().nth(REASON_CHARS_MAX) {
        None => reason.to_owned(),
        Some(_) => reason.chars().take(REASON_CHARS_MAX).chain(['…']).collect(),
    }
}

/// The beginning of a text of at most so many bytes, ending between two characters.
pub(crate) fn beginning(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(beginning("결제", 5), "결");
        assert_eq!(beginning("결제", 6), "결제");
        assert_eq!(beginning("결제", 2), "");
        assert_eq!(beginning("abc", 99), "abc");
        assert_eq!(
            shortened(&"가".repeat(REASON_CHARS_MAX + 1)).chars().count(),
            REASON_CHARS_MAX + 1
        );
        assert_eq!(shortened("가"), "가");
    }
}
