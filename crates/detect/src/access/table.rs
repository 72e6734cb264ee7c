//! A bounded table of what is remembered about each address or user, least recently used out.
//!
//! **Invariant:** never more than its capacity.

use std::collections::HashMap;

/// A bounded map from names to what is remembered.
#[derive(Debug)]
pub(crate) struct Table<V> {
    rows: HashMap<Box<[u8]>, Row<V>>,
    capacity: usize,
    tick: u64,
}

#[derive(Debug)]
struct Row<V> {
    used: u64,
    value: V,
}

impl<V: Default> Table<V> {
    /// An empty table of at most `capacity` rows, at least one.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { rows: HashMap::new(), capacity: capacity.max(1), tick: 0 }
    }

    /// Changes what is remembered about a name; new when nothing is.
    pub(crate) fn update<R>(&mut self, name: &[u8], change: impl FnOnce(&mut V) -> R) -> R {
        self.tick += 1;
        if let Some(row) = self.rows.get_mut(name) {
            row.used = self.tick;
            return change(&mut row.value);
        }
        if self.rows.len() >= self.capacity {
            self.forget();
        }
        let mut row = Row { used: self.tick, value: V::default() };
        let result = change(&mut row.value);
        self.rows.insert(Box::from(name), row);
        result
    }

    /// Forgets the quarter that was not used for longest: one pass for many insertions.
    fn forget(&mut self) {
        let mut used: Vec<u64> = self.rows.values().map(|row| row.used).collect();
        let quarter = (used.len() / 4).min(used.len().saturating_sub(1));
        let (_, oldest, _) = used.select_nth_unstable(quarter);
        let oldest = *oldest;
        self.rows.retain(|_, row| row.used > oldest);
    }
}

/// A small set of hashes: how many different things there were, exactly up to its size.
#[derive(Debug, Default)]
pub(crate) struct Few {
    hashes: Vec<u32>,
}

/// How many different things a [`Few`] tells apart.
pub(crate) const FEW_MAX: usize = 64;

impl Few {
    /// Adds a thing; whether it is new.
    pub(crate) fn add(&mut self, thing: &[u8]) -> bool {
        // FNV-1a (Fowler, Noll, Vo), 32 bits: a collision only counts one thing less.
        let fold = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        let hash = thing.iter().fold(0x811c_9dc5, fold);
        let is_new = self.hashes.len() < FEW_MAX && !self.hashes.contains(&hash);
        if is_new {
            self.hashes.push(hash);
        }
        is_new
    }

    /// How many different things there were, at most [`FEW_MAX`].
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_and_keeps_what_is_used() {
        let mut table: Table<u32> = Table::new(100);
        table.update(b"kept", |value| *value = 7);
        for n in 0..1_000_u32 {
            table.update(&n.to_le_bytes(), |value| *value += 1);
            table.update(b"kept", |_| ());
            assert!(table.rows.len() <= 100);
        }
        assert_eq!(table.update(b"kept", |value| *value), 7);
        assert_eq!(table.update(&0_u32.to_le_bytes(), |value| *value), 0);
    }

    #[test]
    fn few_counts_different_things_up_to_its_size() {
        let mut few = Few::default();
        for n in 0..200_u32 {
            few.add(&(n % 10).to_le_bytes());
        }
        assert_eq!(few.len(), 10);
        for n in 0..200_u32 {
            few.add(&n.to_le_bytes());
        }
        assert_eq!(few.len(), FEW_MAX);
    }
}
