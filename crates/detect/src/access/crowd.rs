//! Many addresses that each do a little: who took part within a day.
//!
//! **Invariant:** at most [`MEMBERS_MAX`] addresses; the oldest goes first.

use std::collections::VecDeque;

/// How many addresses of a crowd are remembered.
pub const MEMBERS_MAX: usize = 512;

/// How long an address belongs to the crowd, in seconds.
pub const MEMBER_SECONDS: i64 = 86_400;

/// The addresses that took part lately.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    members: VecDeque<(i64, Box<[u8]>)>,
}

impl Crowd {
    /// Adds an address, forgets those of before yesterday; whether it is new.
    pub(crate) fn join(&mut self, second: i64, address: &[u8]) -> bool {
        while self.members.front().is_some_and(|(at, _)| second - at > MEMBER_SECONDS) {
            self.members.pop_front();
        }
        if self.members.iter().any(|(_, member)| &**member == address) {
            return false;
        }
        if self.members.len() >= MEMBERS_MAX {
            self.members.pop_front();
        }
        self.members.push_back((second, Box::from(address)));
        true
    }

    /// Takes an address out: it is told apart from the crowd.
    pub(crate) fn leave(&mut self, address: &[u8]) {
        self.members.retain(|(_, member)| &**member != address);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Who they are, the oldest first.
    pub(crate) fn members(&self) -> impl Iterator<Item = &[u8]> {
        self.members.iter().map(|(_, member)| &**member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_bounded_and_forgets() {
        let mut crowd = Crowd::default();
        for n in 0..MEMBERS_MAX + 10 {
            assert!(crowd.join(0, n.to_string().as_bytes()));
        }
        assert_eq!(crowd.len(), MEMBERS_MAX);
        assert!(!crowd.join(1, b"400"));
        crowd.leave(b"400");
        assert!(crowd.join(1, b"400"));
        crowd.join(MEMBER_SECONDS + 1, b"new");
        assert_eq!(crowd.members().collect::<Vec<_>>(), [&b"400"[..], b"new"]);
    }
}
