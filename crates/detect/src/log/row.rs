//! A shape as grouping sees it: constants, marks and open places.
//!
//! What seldom tells two messages apart is taken out here: spaces, full stops, units behind
//! numbers, a size said twice (`426 bytes (426 B)`), how many values a list has.

use std::ops::Range;

use crate::log::intern::{WordId, Words, hash_of};
use crate::log::vocabulary;

/// A piece of a shape, in four bytes: what it is, and its text or byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol(u32);

/// What a symbol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A word.
    Word(WordId),
    /// A value; its text where it may be a constant all the same.
    Value(Option<WordId>),
    /// A byte between words.
    Mark(u8),
    /// Space.
    Space,
}

const PAYLOAD: u32 = (1 << 30) - 1;

impl Symbol {
    /// Packs what is said.
    pub(crate) fn new(said: Said) -> Self {
        Self(match said {
            Said::Word(id) => id.get().min(PAYLOAD),
            Said::Value(id) => 1 << 30 | id.map_or(0, |id| id.get().min(PAYLOAD)),
            Said::Mark(byte) => 2 << 30 | u32::from(byte),
            Said::Space => 3 << 30,
        })
    }

    /// What it says.
    pub(crate) fn said(self) -> Said {
        let payload = self.0 & PAYLOAD;
        match self.0 >> 30 {
            0 => WordId::with(payload).map_or(Said::Space, Said::Word),
            1 => Said::Value(WordId::with(payload)),
            2 => Said::Mark(u8::try_from(payload).unwrap_or(b' ')),
            _ => Said::Space,
        }
    }
}

/// What stands at a place of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A word of the vocabulary.
    Constant(WordId),
    /// A byte between words.
    Mark(u8),
    /// `=`, with the value behind it if there is one.
    Assigned,
    /// A value, or a word that is not in the vocabulary.
    Open(Option<WordId>),
    /// What does not matter.
    Minor,
}

/// A place of a row, and the symbols that it stands for.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) item: Item,
    start: u16,
    end: u16,
}

/// One shape, ready to be compared.
#[derive(Debug)]
pub(crate) struct Row {
    /// Which shape.
    pub(crate) shape: usize,
    /// How many lines had it.
    pub(crate) n_lines: u64,
    pub(crate) places: Vec<Place>,
    /// How many places there were when a short unit was added to the last of them.
    n_measured: usize,
}

impl Place {
    /// Which symbols of the shape these are.
    pub(crate) fn symbols(&self) -> Range<usize> {
        usize::from(self.start)..usize::from(self.end)
    }
}

impl Row {
    /// The row of a shape.
    pub(crate) fn new(shape: usize, n_lines: u64, symbols: &[Symbol], words: &Words) -> Self {
        let places = Vec::with_capacity(symbols.len() / 2 + 1);
        let mut row = Self { shape, n_lines, places, n_measured: 0 };
        for (n, symbol) in (0..u16::MAX).zip(symbols) {
            match symbol.said() {
                Said::Space => {}
                Said::Word(id) => row.add_word(id, words.text_of(id), n, words),
                Said::Value(_) => row.add_value(None, n),
                Said::Mark(byte) => row.add_mark(byte, n, words),
            }
        }
        row.places.shrink_to_fit();
        row
    }

    /// What is compared, in order.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item> {
        self.places.iter().map(|place| place.item).filter(|item| *item != Item::Minor)
    }

    /// How many places are compared.
    pub(crate) fn len(&self) -> usize {
        self.items().count()
    }

    /// The words of the open places, in order; none for values.
    pub(crate) fn open(&self) -> impl Iterator<Item = Option<WordId>> {
        self.items().filter_map(|item| match item {
            Item::Open(word) => Some(word),
            Item::Constant(_) | Item::Mark(_) | Item::Assigned | Item::Minor => None,
        })
    }

    /// The word of the open place that is compared at `place`.
    pub(crate) fn word_at(&self, place: usize) -> Option<WordId> {
        match self.items().nth(place)? {
            Item::Open(word) => word,
            Item::Constant(_) | Item::Mark(_) | Item::Assigned | Item::Minor => None,
        }
    }

    /// What is compared, with its symbols; with `runs_as_one` open places in a row are one place,
    /// also with a colon or a slash between, as in `host:80`.
    pub(crate) fn units(&self, runs_as_one: bool) -> Vec<(Item, Range<usize>)> {
        let mut units: Vec<(Item, Range<usize>)> = Vec::with_capacity(self.places.len());
        for place in self.places.iter().filter(|place| place.item != Item::Minor) {
            if runs_as_one && matches!(place.item, Item::Open(_)) {
                let is_joint = |unit: &(Item, _)| matches!(unit.0, Item::Mark(b':' | b'/' | b'@'));
                let is_open = |unit: &(Item, _)| matches!(unit.0, Item::Open(_));
                let before = units.len().checked_sub(2).and_then(|n| units.get(n));
                if units.last().is_some_and(is_joint) && before.is_some_and(is_open) {
                    units.pop();
                }
                if let Some(last) = units.last_mut().filter(|unit| is_open(unit)) {
                    last.1.end = place.symbols().end;
                    continue;
                }
            }
            units.push((place.item, place.symbols()));
        }
        units
    }

    /// Equal for rows that have the same constants and marks, and open places where the other
    /// has; with `runs_as_one`, however many open places are in a row.
    pub(crate) fn key(&self, runs_as_one: bool) -> u64 {
        let mut key = Vec::with_capacity(self.places.len() * 5);
        if runs_as_one {
            self.units(true).into_iter().for_each(|(item, _)| key_of(item, &mut key));
        } else {
            self.items().for_each(|item| key_of(item, &mut key));
        }
        hash_of(&key)
    }

    fn push(&mut self, item: Item, n: u16) {
        self.places.push(Place { item, start: n, end: n + 1 });
    }

    fn add_word(&mut self, id: WordId, text: &[u8], n: u16, words: &Words) {
        if text.iter().all(|&b| b == b'.') {
            return self.push(Item::Minor, n);
        }
        let may_switch = self.places.last().is_some_and(|place| {
            matches!(place.item, Item::Mark(b'(' | b'[' | b':') | Item::Open(None))
        });
        if vocabulary::is_value_word(text) || (may_switch && vocabulary::is_switch(text)) {
            return self.add_value(None, n);
        }
        let n_places = self.places.len();
        if vocabulary::is_unit(text)
            && let Some(last) = self.places.last_mut()
            && last.item == Item::Open(None)
            && self.n_measured != n_places
        {
            last.end = n + 1;
            self.n_measured = n_places;
            return;
        }
        if vocabulary::is_vocabulary(text) {
            self.push(Item::Constant(id), n);
        } else {
            self.add_open(Some(id), n, words);
        }
    }

    fn add_value(&mut self, word: Option<WordId>, n: u16) {
        let is_next = |place: &Place| place.end == n;
        if let Some(last) = self.places.last_mut()
            && last.item == Item::Assigned
            && is_next(last)
        {
            last.end = n + 1;
            return;
        }
        self.join_or_push(word, n, |mark| matches!(mark, b',' | b';' | b'|' | b':'));
    }

    fn add_open(&mut self, word: Option<WordId>, n: u16, words: &Words) {
        let is_listed = self.places.iter().rev().nth(1).is_some_and(|place| match place.item {
            Item::Open(Some(id)) => !words.text_of(id).is_empty(),
            Item::Open(None) => true,
            Item::Constant(_) | Item::Mark(_) | Item::Assigned | Item::Minor => false,
        });
        if is_listed && self.places.last().is_some_and(|last| last.item == Item::Mark(b',')) {
            return self.join_or_push(None, n, |mark| mark == b',');
        }
        self.push(Item::Open(word), n);
    }

    /// Adds an open place, or makes the one before longer when only list marks are between.
    fn join_or_push(&mut self, word: Option<WordId>, n: u16, is_list: impl Fn(u8) -> bool) {
        let marks = self.places.iter().rev().take_while(|place| match place.item {
            Item::Mark(byte) => is_list(byte),
            Item::Constant(_) | Item::Assigned | Item::Open(_) | Item::Minor => false,
        });
        let marks = marks.count();
        let before = self.places.len().checked_sub(marks + 1);
        let Some(before) = before.and_then(|before| self.places.get(before)) else {
            return self.push(Item::Open(word), n);
        };
        let joins = match before.item {
            Item::Open(None) => true,
            Item::Open(Some(_)) => {
                self.places.last().is_some_and(|place| place.item == Item::Mark(b','))
            }
            Item::Constant(_) | Item::Mark(_) | Item::Assigned | Item::Minor => false,
        };
        if !joins || marks > 1 {
            return self.push(Item::Open(word), n);
        }
        self.places.truncate(self.places.len() - marks);
        if let Some(before) = self.places.last_mut() {
            before.item = Item::Open(None);
            before.end = n + 1;
            self.n_measured = 0;
        }
    }

    fn add_mark(&mut self, byte: u8, n: u16, words: &Words) {
        if byte == b'=' {
            return self.push(Item::Assigned, n);
        }
        if byte == b')' && self.ends_with_size_again(words) {
            let start = self.places.len() - 2;
            for place in self.places.iter_mut().skip(start) {
                place.item = Item::Minor;
            }
            return self.push(Item::Minor, n);
        }
        self.push(Item::Mark(byte), n);
    }

    /// Whether the last places are a number, perhaps its unit, and `(` with a number and a unit.
    fn ends_with_size_again(&self, words: &Words) -> bool {
        let [.., before, open, inner] = self.places.as_slice() else { return false };
        let follows_number = match before.item {
            Item::Open(None) => true,
            Item::Constant(id) => matches!(words.text_of(id), b"bytes" | b"byte" | b"seconds"),
            Item::Mark(_) | Item::Assigned | Item::Open(Some(_)) | Item::Minor => false,
        };
        follows_number
            && open.item == Item::Mark(b'(')
            && inner.item == Item::Open(None)
            && self.n_measured == self.places.len()
    }
}

/// The bytes by which an item is compared.
fn key_of(item: Item, key: &mut Vec<u8>) {
    match item {
        Item::Constant(id) => {
            key.push(1);
            key.extend_from_slice(&id.get().to_le_bytes());
        }
        Item::Mark(byte) => key.extend_from_slice(&[2, byte]),
        Item::Assigned => key.push(3),
        Item::Open(_) => key.push(4),
        Item::Minor => {}
    }
}
