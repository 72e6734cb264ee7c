//! The shapes that were seen, counted, in bounded memory.
//!
//! **Invariant:** never more than [`Limits::shapes`] shapes are kept; when there would be more,
//! the rarest go, and how many went is known.

use crate::log::group;
use crate::log::intern::{HashKeyed, WordId, Words};
use crate::log::row::{Said, Symbol};
use crate::log::scan;
use crate::log::shape::{self, PieceKind, Pieces, ShapeId};
use crate::log::template::Templates;

/// How much a miner may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of shapes; about 400 bytes each.
    pub shapes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { shapes: 100_000 }
    }
}

/// The longest text of a value that is remembered in case that it is a constant, in bytes.
const CONSTANT_BYTES_MAX: usize = 48;

/// The longest text of a word that is remembered whole, in bytes.
const WORD_BYTES_MAX: usize = 256;

/// How many lines of a shape are compared value by value; beyond that, each time that the count
/// is a power of two.
const COMPARED_MAX: u64 = 32;

/// What is remembered of a shape.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) id: ShapeId,
    pub(crate) symbols: Box<[Symbol]>,
    /// Which of the first 64 values were seen to vary.
    pub(crate) varied: u64,
    pub(crate) n_lines: u64,
}

/// Learns from messages, one after the other.
#[derive(Debug)]
pub struct Miner {
    limits: Limits,
    known: HashKeyed<usize>,
    shapes: Vec<Shape>,
    words: Words,
    n_evicted: u64,
    pieces: Pieces,
}

impl Miner {
    /// A miner that has seen nothing yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: Limits { shapes: limits.shapes.max(2) },
            known: HashKeyed::default(),
            shapes: Vec::new(),
            words: Words::default(),
            n_evicted: 0,
            pieces: Pieces::default(),
        }
    }

    /// Learns from a message.
    pub fn learn(&mut self, message: &[u8]) -> ShapeId {
        let id = shape::shape_of(message);
        self.learn_shaped(id, message);
        id
    }

    /// Learns from a message whose shape ([`shape::shape_of`]) is known already.
    pub fn learn_shaped(&mut self, id: ShapeId, message: &[u8]) {
        let Some(&n) = self.known.get(&id.0) else { return self.learn_new(id, message) };
        let Some(shape) = self.shapes.get_mut(n) else { return };
        shape.n_lines += 1;
        if shape.n_lines <= COMPARED_MAX || shape.n_lines.is_power_of_two() {
            self.compare(n, message);
        }
    }

    /// How many shapes were forgotten because there were too many.
    #[must_use]
    pub fn n_evicted(&self) -> u64 {
        self.n_evicted
    }

    /// How many shapes are remembered.
    #[must_use]
    pub fn n_shapes(&self) -> usize {
        self.shapes.len()
    }

    /// How many messages of a shape were learned; 0 when it was forgotten.
    #[must_use]
    pub fn n_lines(&self, shape: ShapeId) -> u64 {
        let n = self.known.get(&shape.0);
        n.and_then(|n| self.shapes.get(*n)).map_or(0, |shape| shape.n_lines)
    }

    /// The templates, by everything that was learned so far.
    #[must_use]
    pub fn templates(&self) -> Templates {
        group::templates(&self.shapes, &self.words)
    }

    fn learn_new(&mut self, id: ShapeId, message: &[u8]) {
        if self.shapes.len() >= self.limits.shapes {
            self.evict();
        }
        self.pieces.0.clear();
        scan::scan(message, &mut self.pieces);
        let mut symbols = Vec::with_capacity(self.pieces.0.len());
        for piece in &self.pieces.0 {
            let text = message.get(piece.range.clone()).unwrap_or_default();
            symbols.push(Symbol::new(match piece.kind {
                PieceKind::Word => {
                    Said::Word(self.words.id(text.get(..WORD_BYTES_MAX).unwrap_or(text)))
                }
                PieceKind::Value => Said::Value(constant(text, &mut self.words)),
                PieceKind::Mark => Said::Mark(text.first().copied().unwrap_or(b' ')),
                PieceKind::Space => Said::Space,
            }));
        }
        while symbols.last().is_some_and(|symbol| symbol.said() == Said::Space) {
            symbols.pop();
        }
        self.known.insert(id.0, self.shapes.len());
        self.shapes.push(Shape { id, symbols: symbols.into(), varied: 0, n_lines: 1 });
    }

    /// Notes which values differ from those of the first line.
    fn compare(&mut self, n: usize, message: &[u8]) {
        let Some(shape) = self.shapes.get_mut(n) else { return };
        let firsts = shape.symbols.iter().filter_map(|symbol| match symbol.said() {
            Said::Value(id) => Some(id),
            Said::Word(_) | Said::Mark(_) | Said::Space => None,
        });
        if firsts.clone().all(|first| first.is_none()) {
            return;
        }
        self.pieces.0.clear();
        scan::scan(message, &mut self.pieces);
        let values = self.pieces.0.iter().filter(|piece| piece.kind == PieceKind::Value);
        let mut varied = shape.varied;
        for (nth, (first, piece)) in firsts.zip(values).enumerate().take(64) {
            let text = message.get(piece.range.clone()).unwrap_or_default();
            if first.is_none_or(|first| self.words.text_of(first) != text) {
                varied |= 1 << nth;
            }
        }
        shape.varied = varied;
    }

    /// Forgets the rarer half of the shapes, the oldest first, and the words that only they had.
    fn evict(&mut self) {
        let mut order: Vec<usize> = (0..self.shapes.len()).collect();
        let lines = |&n: &usize| self.shapes.get(n).map_or(0, |shape| shape.n_lines);
        order.sort_by_key(|n| std::cmp::Reverse((lines(n), *n)));
        order.truncate(self.limits.shapes / 2);
        order.sort_unstable();
        let mut words = Words::default();
        let mut kept = Vec::with_capacity(order.len());
        let mut old: Vec<Option<Shape>> =
            std::mem::take(&mut self.shapes).into_iter().map(Some).collect();
        self.n_evicted += old.len().saturating_sub(order.len()) as u64;
        self.known.clear();
        for n in order {
            let Some(mut shape) = old.get_mut(n).and_then(Option::take) else { continue };
            for symbol in &mut shape.symbols {
                let mut moved = |id: WordId| words.id(self.words.text_of(id));
                *symbol = Symbol::new(match symbol.said() {
                    Said::Word(id) => Said::Word(moved(id)),
                    Said::Value(id) => Said::Value(id.map(moved)),
                    Said::Mark(byte) => Said::Mark(byte),
                    Said::Space => Said::Space,
                });
            }
            self.known.insert(shape.id.0, kept.len());
            kept.push(shape);
        }
        self.shapes = kept;
        self.words = words;
    }
}

/// The text of a value that may be a constant: a word with one or two digits behind it, such as
/// `ssh2`, or a name with dots and no digit.
fn constant(text: &[u8], words: &mut Words) -> Option<WordId> {
    if text.len() > CONSTANT_BYTES_MAX || !text.first()?.is_ascii_alphabetic() {
        return None;
    }
    let letters = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let rest = text.get(letters..)?;
    let is_numbered = letters > 0 && rest.len() <= 2 && rest.iter().all(u8::is_ascii_digit);
    let is_dotted = rest.first() == Some(&b'.')
        && text.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b'$' | b'_'));
    (is_numbered || is_dotted).then(|| words.id(text))
}
