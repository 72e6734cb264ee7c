//! Text that is said again and again is kept once.
//!
//! Names of labels, of services and most values repeat from alert to alert.  A table of fixed size
//! remembers what was said last at each of its places, so that the next one who says it shares the
//! memory.  What is said once is forgotten when something else takes its place.

use std::hash::Hasher as _;
use std::sync::{Arc, Mutex, PoisonError};

/// How many texts are remembered.
const PLACES: usize = 8_192;

/// The longest text that is remembered, in bytes: longer ones seldom repeat.
const BYTES_MAX: usize = 128;

static TABLE: [Mutex<Option<Arc<str>>>; PLACES] = [const { Mutex::new(None) }; PLACES];

/// The text, shared with whoever said it lately.
pub(crate) fn intern(text: &str) -> Arc<str> {
    if text.len() > BYTES_MAX {
        return Arc::from(text);
    }
    let mut hasher = fnv::FnvHasher::default();
    hasher.write(text.as_bytes());
    // The low bits of the hash of short texts differ too little by themselves.
    let hash = hasher.finish();
    let place = (hash ^ hash >> 32) as usize % PLACES;
    let Some(place) = TABLE.get(place) else { return Arc::from(text) };
    let mut kept = place.lock().unwrap_or_else(PoisonError::into_inner);
    match &*kept {
        Some(kept) if **kept == *text => Arc::clone(kept),
        _ => Arc::clone(kept.insert(Arc::from(text))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_shares_its_memory() {
        let (once, again) = (intern("결제"), intern("결제"));
        assert!(Arc::ptr_eq(&once, &again));
        let long = "가".repeat(BYTES_MAX);
        assert!(!Arc::ptr_eq(&intern(&long), &intern(&long)));
        assert_eq!(*intern(&long), *long);
    }

    #[test]
    fn more_texts_than_there_are_places_stay_what_they_are() {
        for n in 0..3 * PLACES {
            assert_eq!(&*intern(&n.to_string()), n.to_string());
        }
    }
}
