//! Which words are vocabulary: a word of the language in which messages are written is more likely
//! a constant, a word that is in no dictionary more likely the name of something.
//!
//! The list holds the English words that occur often in the messages of common programs, without
//! those that are also usual names of users and hosts.

use std::collections::HashSet;
use std::sync::LazyLock;

static WORDS: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    include_str!("../../assets/vocabulary.txt")
        .split_ascii_whitespace()
        .map(str::as_bytes)
        .collect()
});

/// The longest word that is looked up, in bytes.
const WORD_BYTES_MAX: usize = 32;

/// Whether a word is vocabulary: in the list, as it is, capitalised or in capitals, or made of
/// such words with hyphens or slashes between.
pub(crate) fn is_vocabulary(word: &[u8]) -> bool {
    let word = trimmed(word);
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return false;
    }
    let mut parts = word.split(|b| matches!(b, b'-' | b'/'));
    parts.all(is_listed)
}

fn trimmed(word: &[u8]) -> &[u8] {
    let is_edge = |b: &u8| matches!(b, b'*' | b'.' | b'-' | b'_' | b'+');
    let start = word.iter().position(|b| !is_edge(b)).unwrap_or(word.len());
    let end = word.iter().rposition(|b| !is_edge(b)).map_or(start, |n| n + 1);
    word.get(start..end).unwrap_or_default()
}

fn is_listed(part: &[u8]) -> bool {
    let capitals = part.iter().filter(|b| b.is_ascii_uppercase()).count();
    let is_capitalised = capitals == 1 && part.first().is_some_and(u8::is_ascii_uppercase);
    if !is_capitalised && capitals != 0 && capitals != part.len() {
        return false;
    }
    let mut lower = [0_u8; WORD_BYTES_MAX];
    for (to, from) in lower.iter_mut().zip(part) {
        *to = from.to_ascii_lowercase();
    }
    lower.get(..part.len()).is_some_and(|part| WORDS.contains(part) || is_form(part))
}

/// Whether a word is a form of one in the list: `resumed`, `retries`.
fn is_form(word: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 6] = [b"ed", b"ing", b"s", b"es", b"er", b"ly"];
    const STEM_BYTES_MIN: usize = 4;
    ENDINGS.iter().filter_map(|ending| word.strip_suffix(*ending)).any(|stem| {
        let mut with_e = [0_u8; WORD_BYTES_MAX + 1];
        with_e.iter_mut().zip(stem.iter().chain(b"e")).for_each(|(to, from)| *to = *from);
        let with_e = with_e.get(..=stem.len()).unwrap_or_default();
        stem.len() >= STEM_BYTES_MIN && (WORDS.contains(stem) || WORDS.contains(with_e))
    })
}

/// Whether a word takes few values that any line could have instead: truth values, the names of
/// days and months, stars in the place of a number.
pub(crate) fn is_value_word(word: &[u8]) -> bool {
    let is_name = is_among(
        word,
        "Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec true false \
         True False TRUE FALSE null NULL None nil",
    );
    is_name || (word.len() > 2 && word.iter().all(|&b| b == b'*'))
}

/// Whether a word is the state of a switch, where it does not stand in a sentence.
pub(crate) fn is_switch(word: &[u8]) -> bool {
    matches!(word, b"on" | b"off" | b"yes" | b"no" | b"On" | b"Off" | b"Yes" | b"No")
}

fn is_among(word: &[u8], words: &str) -> bool {
    words.split_ascii_whitespace().any(|one| one.as_bytes() == word)
}

/// Whether a word behind a number is its unit, written short.
pub(crate) fn is_unit(word: &[u8]) -> bool {
    is_among(
        word,
        "B kB KB MB GB TB KiB MiB GiB TiB K M G sec secs s ms us ns min mins h hr hrs % \
        Hz kHz MHz GHz",
    )
}

/// Whether a word says what was done, so is hardly a name.
pub(crate) fn is_participle(word: &[u8]) -> bool {
    word.ends_with(b"ed") || word.ends_with(b"ing")
}

/// Whether a word says that a name follows.
pub(crate) fn is_name_giving(word: &[u8]) -> bool {
    is_among(
        word,
        "user USER User username host hostname account group domain interface device \
        named service Service server node client customer process queue class module \
        driver database table region pool called job task owner topic feature container pod \
        image volume index shard partition executor component",
    )
}

/// Whether a word says that something follows which may be a name.
pub(crate) fn is_preposition(word: &[u8]) -> bool {
    is_among(word, "for from by to on at of via with in as")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_messages_are_vocabulary_and_names_are_not() {
        for word in ["session", "Opened", "FAILED", "BREAK-IN", "read/write", "BLOCK*"] {
            assert!(is_vocabulary(word.as_bytes()), "{word}");
        }
        for word in ["root", "cupsd", "PacketResponder", "결제", "", "-", "x".repeat(99).as_str()]
        {
            assert!(!is_vocabulary(word.as_bytes()), "{word}");
        }
    }
}
