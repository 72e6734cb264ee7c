//! The part of the work that threads can share: the lines of a block of text and their shapes.
//!
//! The text is cut at ends of lines ([`cut`]); each block is read by any thread ([`read`]); the
//! shapes are then learned in the order of the lines ([`learn`]), which is a look-up for each line
//! whose shape is known.  The result is the same for any number of threads.

use std::ops::Range;

use crate::log::header::Header;
use crate::log::miner::Miner;
use crate::log::shape::{self, ShapeId};

/// A usual size of a block, in bytes.
pub const BLOCK_BYTES: usize = 1 << 20;

/// A line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLine {
    /// Where its message stands in the block.
    pub message: Range<usize>,
    /// The shape of the message.
    pub shape: ShapeId,
}

/// Cuts a text into blocks of about `bytes`, at ends of lines.
pub fn cut(text: &[u8], bytes: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let wanted = rest.len().min(bytes.max(1));
        let end = line_end(rest, wanted - usize::from(wanted > 0));
        let (block, after) = rest.split_at_checked((end + 1).min(rest.len()))?;
        rest = after;
        (!block.is_empty()).then_some(block)
    })
}

/// The lines of a block, the last one without its end too; a line of nothing but space is a line.
#[must_use]
pub fn read(header: &Header, block: &[u8]) -> Vec<ReadLine> {
    let mut lines = Vec::with_capacity(block.len() / 64);
    let mut at = 0;
    while at < block.len() {
        let end = line_end(block, at);
        let line = block.get(at..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let message = header.split(line).message;
        let shape = shape::shape_of(line.get(message.clone()).unwrap_or_default());
        lines.push(ReadLine { message: at + message.start..at + message.end, shape });
        at = end + 1;
    }
    lines
}

/// Learns from the lines of a block.
pub fn learn(miner: &mut Miner, block: &[u8], lines: &[ReadLine]) {
    for line in lines {
        miner.learn_shaped(line.shape, block.get(line.message.clone()).unwrap_or_default());
    }
}

/// The place of the first end of a line from `at`, or the end of the text.  Eight bytes at a time:
/// a byte is the end of a line where the exclusive or with ends of lines is zero.
fn line_end(text: &[u8], at: usize) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    const ENDS: u64 = ONES * b'\n' as u64;
    let rest = text.get(at..).unwrap_or_default();
    let (chunks, tail) = rest.as_chunks::<8>();
    for (n, chunk) in chunks.iter().enumerate() {
        let zeroed = u64::from_le_bytes(*chunk) ^ ENDS;
        let found = zeroed.wrapping_sub(ONES) & !zeroed & HIGHS;
        if found != 0 {
            return at + n * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let start = at + chunks.len() * 8;
    start + tail.iter().position(|b| *b == b'\n').unwrap_or(tail.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::log::miner::Limits;

    fn templates(text: &[u8], bytes: usize) -> Vec<String> {
        let header = Header::recognise(text.split(|b| *b == b'\n'));
        let mut miner = Miner::new(Limits::default());
        for block in cut(text, bytes) {
            learn(&mut miner, block, &read(&header, block));
        }
        miner.templates().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_size_of_blocks_does_not_change_the_templates() {
        let text: String = (0..100)
            .map(|n| format!("2024-01-01 10:00:{:02} INFO it: user u{n} has {n} jobs\n", n % 60))
            .collect();
        for bytes in [0, 1, 100, BLOCK_BYTES] {
            assert_eq!(templates(text.as_bytes(), bytes), ["user <*> has <*> jobs"]);
        }
    }

    #[test]
    fn a_last_line_without_end_is_a_line() {
        assert_eq!(read(&Header::default(), b"a\r\n\nb").len(), 3);
        assert!(read(&Header::default(), b"").is_empty());
    }

    proptest! {
        #[test]
        fn blocks_are_the_text(text in "[ab\n]{0,200}", bytes in 0_usize..50) {
            let blocks: Vec<&[u8]> = cut(text.as_bytes(), bytes).collect();
            prop_assert_eq!(blocks.concat(), text.as_bytes());
            let lines: usize = blocks.iter().map(|b| read(&Header::default(), b).len()).sum();
            prop_assert_eq!(lines, text.lines().count());
        }
    }
}
