//! Words are kept once, as numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;

/// A word that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WordId(NonZeroU32);

impl WordId {
    /// The number of the nth word, counted from zero.
    fn nth(n: usize) -> Self {
        Self(u32::try_from(n).map_or(NonZeroU32::MAX, |n| NonZeroU32::MIN.saturating_add(n)))
    }

    /// The number, never zero.
    pub(crate) fn get(self) -> u32 {
        self.0.get()
    }

    /// The word with a number; none for zero.
    pub(crate) fn with(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

/// A hasher for keys that are hashes already.
#[derive(Debug, Default)]
pub(crate) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A map whose keys are hashes already.
pub(crate) type HashKeyed<V> = HashMap<u64, V, BuildHasherDefault<Identity>>;

/// The words, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Words {
    text: Vec<u8>,
    ends: Vec<u32>,
    known: HashKeyed<WordId>,
}

impl Words {
    /// The number of a word.
    pub(crate) fn id(&mut self, word: &[u8]) -> WordId {
        let mut hash = hash_of(word);
        loop {
            match self.known.get(&hash) {
                Some(&id) if self.text_of(id) == word => return id,
                Some(_) => hash = hash.wrapping_add(1),
                None => break,
            }
        }
        let id = WordId::nth(self.ends.len());
        self.text.extend_from_slice(word);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        self.known.insert(hash, id);
        id
    }

    /// The text of a word.
    pub(crate) fn text_of(&self, id: WordId) -> &[u8] {
        let n = id.get() as usize - 1;
        let end = self.ends.get(n).map_or(0, |&end| end as usize);
        let start = n.checked_sub(1).and_then(|n| self.ends.get(n)).map_or(0, |&end| end as usize);
        self.text.get(start..end).unwrap_or_default()
    }
}

/// A hash of some bytes, the same in every run.
pub(crate) fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
