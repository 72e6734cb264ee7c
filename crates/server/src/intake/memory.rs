//! What the doors remember between requests.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nightcrew_intake::auth::seen::Seen;
use nightcrew_intake::auth::sns::Certificates;
use nightcrew_journal::dead_letter::DeadLetterId;

/// How many dead letters are recognised when they come again: a sender that repeats itself every
/// minute needs one only.
const LETTERS_MAX: usize = 256;

/// What the doors remember between requests; nothing of it is lost when it is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    checks: Mutex<Checks>,
    letters: Mutex<VecDeque<(u64, DeadLetterId)>>,
    /// Held while changes are turned into alerts and stored, so that none is judged by what
    /// another is about to change.
    pub(crate) settling: tokio::sync::Mutex<()>,
}

/// What the checks of signatures remember.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) seen: Seen,
    pub(crate) certificates: Certificates,
}

impl Memory {
    pub(crate) fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dead letter that came with the same door and body a short while ago.
    pub(crate) fn letter(&self, hash: u64) -> Option<DeadLetterId> {
        let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.iter().find(|(known, _)| *known == hash).map(|(_, id)| *id)
    }

    /// Recognises a dead letter from now on.
    pub(crate) fn know_letter(&self, hash: u64, id: DeadLetterId) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= LETTERS_MAX {
            letters.pop_front();
        }
        letters.push_back((hash, id));
    }

    /// Recognises a dead letter no more: when it comes again, it is another one.
    pub(crate) fn forget_letter(&self, id: DeadLetterId) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.retain(|(_, known)| *known != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_letters_are_recognised() {
        let memory = Memory::default();
        for n in 0..=LETTERS_MAX as u64 {
            memory.know_letter(n, DeadLetterId(n));
        }
        assert_eq!(memory.letter(0), None);
        assert_eq!(memory.letter(1), Some(DeadLetterId(1)));
        memory.forget_letter(DeadLetterId(1));
        assert_eq!(memory.letter(1), None);
    }
}
