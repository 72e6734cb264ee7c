//! The word that was probably meant.

/// Longer words are not compared.
const WORD_CHARS_MAX: usize = 64;

/// The candidate that is most like the word, if one is like it at all: a third of the characters
/// may differ.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = word.chars().count();
    if length > WORD_CHARS_MAX {
        return None;
    }
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count() <= WORD_CHARS_MAX)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&folded, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let longest = length.max(candidate.chars().count());
            *distance * 3 <= longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` for the nearest candidate, or else the list of them.
pub(crate) fn suggestion<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    /// More names than this are not listed.
    const LISTED_MAX: usize = 24;
    if let Some(near) = nearest(word, candidates.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut names: Vec<&str> = candidates.into_iter().collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    names.truncate(LISTED_MAX);
    match (names.is_empty(), more) {
        (true, _) => "there is none that could be named here".to_owned(),
        (false, 0) => format!("known are {}", names.join(", ")),
        (false, more) => format!("known are {} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_else() {
        let known = ["timeout_ms", "interval_ms", "checks", "서비스"];
        assert_eq!(nearest("timout_ms", known), Some("timeout_ms"));
        assert_eq!(nearest("Checks", known), Some("checks"));
        assert_eq!(nearest("서비", known), Some("서비스"));
        assert_eq!(nearest("port", known), None);
        assert_eq!(nearest(&"x".repeat(100_000), known), None);
    }
}
