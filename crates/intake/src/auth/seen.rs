//! What was delivered and stored, so that it is not taken again.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};

use crate::limit::SEEN_MAX;

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    id: [u8; 32],
    keep_until: Timestamp,
}

impl Delivery {
    /// The delivery of something signed at a door, to be remembered until then.
    pub(crate) fn new(door: &str, signed: &[u8], keep_until: Timestamp) -> Self {
        let mut hasher = Context::new(&SHA256);
        hasher.update(door.as_bytes());
        hasher.update(&[0]);
        hasher.update(signed);
        let mut id = [0; 32];
        id.copy_from_slice(hasher.finish().as_ref());
        Self { id, keep_until }
    }
}

/// The deliveries that were stored, [`SEEN_MAX`] at most; then the oldest is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    until: HashMap<[u8; 32], Timestamp>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    /// Whether it was stored before.
    #[must_use]
    pub fn knows(&self, delivery: &Delivery, now: Timestamp) -> bool {
        self.until.get(&delivery.id).is_some_and(|until| *until >= now)
    }

    /// Remembers a delivery.  To be called once it is stored, and not before: what could not be
    /// stored must be taken when it comes again.
    pub fn remember(&mut self, delivery: &Delivery, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let expired = self.until.get(oldest).is_none_or(|until| *until < now);
            if !expired && self.order.len() < SEEN_MAX {
                break;
            }
            self.until.remove(oldest);
            self.order.pop_front();
        }
        if self.until.insert(delivery.id, delivery.keep_until).is_none() {
            self.order.push_back(delivery.id);
        }
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_delivery_is_known_until_its_time() {
        let mut seen = Seen::default();
        let delivery = Delivery::new("결제", b"x", at(10));
        assert!(!seen.knows(&delivery, at(0)));
        seen.remember(&delivery, at(0));
        assert!(seen.knows(&delivery, at(10)));
        assert!(!seen.knows(&delivery, at(11)));
        assert!(!seen.knows(&Delivery::new("other", b"x", at(10)), at(0)));
        assert!(!seen.knows(&Delivery::new("결제", b"y", at(10)), at(0)));
    }

    #[test]
    fn it_is_bounded_and_forgets_what_is_over() {
        let mut seen = Seen::default();
        let delivery = |n: usize, until| Delivery::new("door", &n.to_be_bytes(), at(until));
        for n in 0..SEEN_MAX + 5 {
            seen.remember(&delivery(n, 10), at(0));
        }
        assert_eq!(seen.len(), SEEN_MAX);
        assert!(!seen.knows(&delivery(4, 10), at(0)));
        assert!(seen.knows(&delivery(5, 10), at(0)));
        seen.remember(&delivery(usize::MAX, 30), at(20));
        assert_eq!(seen.len(), 1);
        seen.remember(&delivery(usize::MAX, 40), at(20));
        assert_eq!(seen.len(), 1);
        assert!(!seen.is_empty());
    }
}
