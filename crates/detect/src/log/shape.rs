//! What is made of the pieces of a message: a list of them, or a number for its shape.

use std::ops::Range;

use crate::log::scan::{Sink, scan};

/// What a piece of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Word,
    Value,
    Mark,
    Space,
}

/// A piece of a message, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: PieceKind,
    pub(crate) range: Range<usize>,
}

/// The pieces of a message, in order.
#[derive(Debug, Default)]
pub(crate) struct Pieces(pub(crate) Vec<Piece>);

impl Sink for Pieces {
    fn word(&mut self, text: &[u8], at: usize) {
        self.0.push(Piece { kind: PieceKind::Word, range: at..at + text.len() });
    }
    fn value(&mut self, range: Range<usize>) {
        self.0.push(Piece { kind: PieceKind::Value, range });
    }
    fn mark(&mut self, _byte: u8, at: usize) {
        self.0.push(Piece { kind: PieceKind::Mark, range: at..at + 1 });
    }
    fn space(&mut self, at: usize) {
        self.0.push(Piece { kind: PieceKind::Space, range: at..at + 1 });
    }
    fn fold(&mut self) {
        while self.0.last().is_some_and(|piece| piece.kind != PieceKind::Value) {
            self.0.pop();
        }
    }
}

/// The number by which a shape is known: equal for messages that differ in values only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeId(pub(crate) u64);

/// The shape of a message; pure and without allocation, so that threads can share the work.
#[must_use]
pub fn shape_of(message: &[u8]) -> ShapeId {
    let mut hasher = ShapeHasher::default();
    scan(message, &mut hasher);
    ShapeId(mixed(hasher.hash))
}

#[derive(Default)]
struct ShapeHasher {
    hash: u64,
    after_value: u64,
}

const FACTOR: u64 = 0xf135_7aea_2e62_a9c5;

fn added(hash: u64, part: u64) -> u64 {
    (hash.rotate_left(23) ^ part).wrapping_mul(FACTOR)
}

fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

impl Sink for ShapeHasher {
    fn word(&mut self, text: &[u8], _at: usize) {
        let mut hash = added(self.hash, text.len() as u64 + 512);
        let (chunks, rest) = text.as_chunks::<8>();
        for chunk in chunks {
            hash = added(hash, u64::from_le_bytes(*chunk));
        }
        if !rest.is_empty() {
            let last = rest.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            hash = added(hash, last);
        }
        self.hash = hash;
    }
    fn value(&mut self, _range: Range<usize>) {
        self.hash = added(self.hash, 1);
        self.after_value = self.hash;
    }
    fn mark(&mut self, byte: u8, _at: usize) {
        self.hash = added(self.hash, u64::from(byte) + 256);
    }
    fn space(&mut self, _at: usize) {
        self.hash = added(self.hash, 2);
    }
    fn fold(&mut self) {
        self.hash = self.after_value;
    }
}
