//! Frames: what one flush puts into the front file, and how it is read back.
//!
//! A frame begins at a block and is whole or nothing: its checksum covers all of it, and its
//! sequence number, which rises by one from frame to frame for ever, tells it from whatever lay
//! in its place before.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `NCfr` |
//! | 4 | CRC-32 of everything behind it |
//! | 4 | length, without the padding to the end of the last block |
//! | 4 | form: of the frame and of the entries in it |
//! | 8 | sequence number |
//! | 8 | position of its first entry; without entries, of the next one |
//! | 8 | number of records |
//! | … | records: kind (1), length of the name (2), length of the content (4), name, content |
//!
//! Numbers are little-endian.

use crate::checksum::Crc32;
use crate::entry::Position;
use crate::error::{Damage, NewerEntry, Trouble};

/// What is written at once is a multiple of this and begins at one, so that the page cache can be
/// passed by.
pub(crate) const BLOCK_BYTES: usize = 4_096;

const MAGIC: [u8; 4] = *b"NCfr";
const HEADER_BYTES: usize = 40;
const RECORD_BYTES: usize = 7;

/// The form of frames, with entries as [`crate::entry::ENTRY_SCHEMA`] says.
const FORM: u32 = 1;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An entry: its stream, and its decision as JSON.
    Entry,
    /// A try to send a message, as JSON.
    Retry,
    /// A dead letter: what is known of it, as JSON, and its body.
    Letter,
    /// What came of replaying a dead letter, as JSON.
    Replay,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Entry, Self::Retry, Self::Letter, Self::Replay];

    const fn byte(self) -> u8 {
        match self {
            Self::Entry => 1,
            Self::Retry => 2,
            Self::Letter => 3,
            Self::Replay => 4,
        }
    }
}

/// Adds a record with the content that `write` writes, and gives the length of the content.  Names
/// and contents have bounds that fit their numbers.
pub(crate) fn put<E>(
    into: &mut Vec<u8>,
    kind: Kind,
    name: &[u8],
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<usize, E> {
    let start = into.len();
    into.push(kind.byte());
    into.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_le_bytes());
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(name);
    let content = into.len();
    write(into)?;
    let length = into.len() - content;
    let bytes = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = into.get_mut(start + 3..start + RECORD_BYTES) {
        place.copy_from_slice(&bytes);
    }
    Ok(length)
}

/// The names of records that stand one behind the other.
pub(crate) fn names(records: &[u8]) -> impl Iterator<Item = &str> {
    let mut records = Records { rest: records, n_left: u64::MAX, first: Position::START };
    std::iter::from_fn(move || records.next().ok().flatten().map(|record| record.name))
}

/// A frame in memory, at the address of a block.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    /// Where the frame begins.
    start: usize,
    /// How long it is without padding.
    length: usize,
    pub(crate) sequence: u64,
    pub(crate) first: Position,
    n_records: u64,
}

/// What is known of a frame before its content.
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) first: Position,
    pub(crate) n_records: u64,
}

/// Space for so many bytes at the address of a block: what is in front of it is filled.
fn aligned(capacity: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::with_capacity(capacity + BLOCK_BYTES);
    let start = bytes.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
    bytes.resize(start, 0);
    bytes
}

/// Zeros at the address of a block, behind as many bytes as the number says.
pub(crate) fn zeros(length: usize) -> (Vec<u8>, usize) {
    let mut bytes = aligned(length);
    let start = bytes.len();
    bytes.resize(start + length, 0);
    (bytes, start)
}

impl Frame {
    /// A frame of these records.
    pub(crate) fn of<'r>(head: &Head, records: impl Iterator<Item = &'r [u8]> + Clone) -> Self {
        let content: usize = records.clone().map(<[u8]>::len).sum();
        let length = HEADER_BYTES + content;
        let padded = length.next_multiple_of(BLOCK_BYTES);
        let mut bytes = aligned(padded);
        let start = bytes.len();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&FORM.to_le_bytes());
        for number in [head.sequence, head.first.0, head.n_records] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for record in records {
            bytes.extend_from_slice(record);
        }
        let mut frame = Self {
            bytes,
            start,
            length,
            sequence: head.sequence,
            first: head.first,
            n_records: head.n_records,
        };
        let sum = frame.checksum().to_le_bytes();
        if let Some(place) = frame.bytes.get_mut(start + 4..start + 8) {
            place.copy_from_slice(&sum);
        }
        frame.bytes.resize(start + padded, 0);
        frame
    }

    fn checksum(&self) -> u32 {
        Crc32::new().bytes(self.covered()).value()
    }

    /// What the checksum covers.
    fn covered(&self) -> &[u8] {
        self.bytes.get(self.start + 8..self.start + self.length).unwrap_or_default()
    }

    /// What goes to the disk.
    pub(crate) fn blocks(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// How long it is on the disk, in bytes.
    pub(crate) fn disk_bytes(&self) -> usize {
        self.length.next_multiple_of(BLOCK_BYTES)
    }

    /// Its records, in order.
    pub(crate) fn records(&self) -> Records<'_> {
        let content = self.covered().get(HEADER_BYTES - 8..).unwrap_or_default();
        Records { rest: content, n_left: self.n_records, first: self.first }
    }

    /// The length of the frame that may begin with these bytes; none: they cannot begin one.
    pub(crate) fn length_of(start: &[u8]) -> Option<usize> {
        let (magic, rest) = start.split_first_chunk::<4>()?;
        let length = rest.get(4..)?.first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        (*magic == MAGIC && length >= HEADER_BYTES).then_some(length)
    }

    /// The frame in these bytes, if it is whole.
    pub(crate) fn read(mut bytes: Vec<u8>) -> Result<Option<Self>, Trouble> {
        let Some(length) = Self::length_of(&bytes).filter(|length| *length <= bytes.len()) else {
            return Ok(None);
        };
        bytes.truncate(length);
        let [sum, form] = [4, 12].map(|at| word(&bytes, at));
        let [sequence, first, n_records] = [16, 24, 32].map(|at| number(&bytes, at));
        let first = Position(first);
        let frame = Self { bytes, start: 0, length, sequence, first, n_records };
        if frame.checksum() != sum {
            return Ok(None);
        }
        if form != FORM {
            let why = format!("frame form {form}");
            return Err(Trouble::Newer(NewerEntry { position: first, why }));
        }
        Ok(Some(frame))
    }
}

/// A number in a header; the header is there.
fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>);
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A short number in a header; the header is there.
fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// The records of a frame.
#[derive(Clone)]
pub(crate) struct Records<'f> {
    rest: &'f [u8],
    n_left: u64,
    first: Position,
}

/// One record.
pub(crate) struct Record<'f> {
    pub(crate) kind: Kind,
    pub(crate) name: &'f str,
    pub(crate) content: &'f [u8],
}

impl Records<'_> {
    fn damage(&self, what: &str) -> Trouble {
        Damage::log(format!("a frame of the front file {what}"), self.first).into()
    }
}

impl<'f> Records<'f> {
    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'f>>, Trouble> {
        if self.n_left == 0 {
            return Ok(None);
        }
        self.n_left -= 1;
        let Some((head, rest)) = self.rest.split_first_chunk::<RECORD_BYTES>() else {
            return Err(self.damage("ends too early"));
        };
        let [kind, n0, n1, c0, c1, c2, c3] = *head;
        let Some(kind) = Kind::ALL.into_iter().find(|known| known.byte() == kind) else {
            let why = format!("record kind {kind}");
            return Err(Trouble::Newer(NewerEntry { position: self.first, why }));
        };
        let name_bytes = usize::from(u16::from_le_bytes([n0, n1]));
        let content_bytes = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        let (Some((name, rest)), true) = (
            rest.split_at_checked(name_bytes),
            rest.len() >= name_bytes.saturating_add(content_bytes),
        ) else {
            return Err(self.damage("ends too early"));
        };
        let (content, rest) = rest.split_at(content_bytes);
        let name = str::from_utf8(name).map_err(|_| self.damage("has a name that is no text"))?;
        self.rest = rest;
        Ok(Some(Record { kind, name, content }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(records: &[(Kind, &str, Vec<u8>)], sequence: u64) -> Frame {
        let mut bytes = Vec::new();
        for (kind, name, content) in records {
            put(&mut bytes, *kind, name.as_bytes(), |bytes| {
                bytes.extend_from_slice(content);
                Ok::<(), ()>(())
            })
            .unwrap();
        }
        let n_records = records.len() as u64;
        let head = Head { sequence, first: Position(7), n_records };
        Frame::of(&head, std::iter::once(bytes.as_slice()))
    }

    #[test]
    fn a_frame_begins_at_a_block_and_fills_blocks() {
        for length in [0, 1, 4_000, 4_049, 4_050, 9_000] {
            let frame = frame(&[(Kind::Entry, "알림/1", vec![7; length])], 1);
            assert_eq!(frame.blocks().as_ptr().align_offset(BLOCK_BYTES), 0);
            assert_eq!(frame.blocks().len() % BLOCK_BYTES, 0);
            assert!(frame.blocks().len() < length + 2 * BLOCK_BYTES);
        }
    }

    #[test]
    fn a_newer_form_is_told_from_damage() {
        let old = frame(&[], 1);
        let mut bytes = old.blocks().to_owned();
        bytes[12] = 9;
        assert!(Frame::read(bytes.clone()).unwrap().is_none());
        let sum = Crc32::new().bytes(&bytes[8..HEADER_BYTES]).value();
        bytes[4..8].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(Frame::read(bytes.clone()), Err(Trouble::Newer(_))));
    }

    proptest! {
        #[test]
        fn frames_read_back_and_a_flipped_bit_is_no_frame(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
            sequence: u64,
            at: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let records: Vec<_> = contents
                .iter()
                .enumerate()
                .map(|(n, content)| (Kind::ALL[n % 4], "결제", content.clone()))
                .collect();
            let written = frame(&records, sequence);
            let read = Frame::read(written.blocks().to_owned()).unwrap().unwrap();
            prop_assert_eq!((read.sequence, read.first), (sequence, Position(7)));
            let mut seen = Vec::new();
            let mut walk = read.records();
            while let Some(record) = walk.next().unwrap() {
                seen.push((record.kind, record.name, record.content.to_owned()));
            }
            prop_assert_eq!(seen, records);
            let mut bytes = written.blocks().to_owned();
            bytes.truncate(written.length);
            let place = at.index(bytes.len());
            bytes[place] ^= 1 << bit;
            prop_assert!(Frame::read(bytes.clone()).unwrap().is_none());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            let _ = Frame::read(bytes.clone());
            bytes.splice(0..0, MAGIC);
            let _ = Frame::read(bytes.clone());
        }
    }
}
