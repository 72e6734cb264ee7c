//! The end of a segment file: which series it holds, and where.
//!
//! ```text
//! file   = head, chunk*, block*, meta, foot
//! chunk  = checksum (4 bytes), columns
//! block  = up to 1,024 series: labels as numbers of texts, chunks one behind the other
//! meta   = what the segment is, and where its blocks are, with their checksums
//! foot   = where meta is and its checksum, version, checksum of the foot, mark (32 bytes)
//! ```
//!
//! A damaged block loses its series and no others; a damaged chunk loses itself.

use std::collections::{BTreeMap, HashMap};

use nightcrew_model::labels::Labels;

use crate::bytes::{Bytes, Malformed, put, put_signed, put_text};
use crate::chunk::ChunkRef;
use crate::column::Effort;
use crate::limit::{
    BLOCK_BYTES_MAX, BLOCK_SERIES_MAX, CHUNK_BYTES_MAX, LABEL_NAME_BYTES_MAX,
    LABEL_VALUE_BYTES_MAX, LABELS_MAX, META_BYTES_MAX,
};
use crate::sample::{Moment, Resolution};

/// What every segment starts with.
pub(crate) const HEAD: [u8; 8] = *b"NCseries";

/// What every segment ends with.
pub(crate) const FOOT_MARK: [u8; 8] = *b"NCsegend";

/// The size of the foot, in bytes.
pub(crate) const FOOT_BYTES: usize = 32;

/// The layout that this version writes and reads.
pub(crate) const VERSION: u32 = 1;

/// How much of the index one number may claim before it is read: more is not believed.
const ITEMS_MAX: usize = META_BYTES_MAX / 2;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    pub(crate) checksum: u32,
    /// Where the chunks of its series start.
    pub(crate) chunks: u64,
}

/// What a segment is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Meta {
    pub(crate) resolution: Resolution,
    pub(crate) effort: Effort,
    /// Its first moment.
    pub(crate) first: Moment,
    /// Its last moment.
    pub(crate) last: Moment,
    /// How many rows it has.
    pub(crate) rows: u64,
    /// The days that it has rows of, by their start, with the number of the newest sealed segment
    /// whose rows of that day are in it.
    pub(crate) days: BTreeMap<i64, u64>,
    /// The segments that it takes the place of.
    pub(crate) replaces: Vec<u64>,
    pub(crate) blocks: Vec<BlockRef>,
}

impl Meta {
    /// The number of the newest sealed segment whose rows are in it.
    pub(crate) fn newest_seal(&self) -> u64 {
        self.days.values().copied().max().unwrap_or(0)
    }

    /// The number of the oldest sealed segment whose rows are in it, as far as that is known.
    pub(crate) fn oldest_seal(&self) -> u64 {
        self.days.values().copied().min().unwrap_or(0)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![
            match self.resolution {
                Resolution::Raw => 0,
                Resolution::FiveMinutes => 1,
                Resolution::Hour => 2,
            },
            u8::from(self.effort == Effort::Thorough),
        ];
        put_signed(&mut out, self.first.0);
        put_signed(&mut out, self.last.0);
        put(&mut out, self.rows);
        put(&mut out, self.days.len() as u64);
        for (day, seal) in &self.days {
            put_signed(&mut out, *day);
            put(&mut out, *seal);
        }
        put(&mut out, self.replaces.len() as u64);
        self.replaces.iter().for_each(|number| put(&mut out, *number));
        put(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            put(&mut out, block.offset);
            put(&mut out, u64::from(block.bytes));
            put(&mut out, u64::from(block.checksum));
            put(&mut out, block.chunks);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes(bytes);
        let resolution = match bytes.byte()? {
            0 => Resolution::Raw,
            1 => Resolution::FiveMinutes,
            2 => Resolution::Hour,
            _ => return Err(Malformed),
        };
        let effort = if bytes.byte()? == 0 { Effort::Quick } else { Effort::Thorough };
        let (first, last) = (Moment(bytes.signed()?), Moment(bytes.signed()?));
        let rows = bytes.number()?;
        let mut days = BTreeMap::new();
        for _ in 0..bytes.count(ITEMS_MAX)? {
            days.insert(bytes.signed()?, bytes.number()?);
        }
        let mut replaces = Vec::new();
        for _ in 0..bytes.count(ITEMS_MAX)? {
            replaces.push(bytes.number()?);
        }
        let mut blocks = Vec::new();
        for _ in 0..bytes.count(ITEMS_MAX)? {
            blocks.push(BlockRef {
                offset: bytes.number()?,
                bytes: u32::try_from(bytes.count(BLOCK_BYTES_MAX)?).map_err(|_| Malformed)?,
                checksum: u32::try_from(bytes.number()?).map_err(|_| Malformed)?,
                chunks: bytes.number()?,
            });
        }
        Ok(Self { resolution, effort, first, last, rows, days, replaces, blocks })
    }
}

/// A block being written.
#[derive(Debug, Default)]
pub(crate) struct Block {
    numbers: HashMap<Box<str>, u64>,
    texts: Vec<u8>,
    series: Vec<u8>,
    count: usize,
}

impl Block {
    /// Adds a series and its chunks, which lie behind those of the series before.
    pub(crate) fn add(&mut self, labels: &Labels, chunks: &[ChunkRef]) {
        put(&mut self.series, labels.len() as u64);
        for (name, value) in labels.iter() {
            for text in [name, value] {
                let next = self.numbers.len() as u64;
                let number = match self.numbers.get(text) {
                    Some(number) => *number,
                    None => {
                        put_text(&mut self.texts, text);
                        self.numbers.insert(text.into(), next);
                        next
                    }
                };
                put(&mut self.series, number);
            }
        }
        put(&mut self.series, chunks.len() as u64);
        chunks.iter().for_each(|chunk| chunk.put(&mut self.series));
        self.count += 1;
    }

    /// How many series it has.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How large it is, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.texts.len() + self.series.len()
    }

    /// Ends it.
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes() + 16);
        put(&mut out, self.numbers.len() as u64);
        out.extend_from_slice(&self.texts);
        put(&mut out, self.count as u64);
        out.extend_from_slice(&self.series);
        out
    }
}

/// Reads a block whose chunks start at `chunks`; `each` gets every series.
pub(crate) fn read_block(
    bytes: &[u8],
    chunks: u64,
    mut each: impl FnMut(&Labels, Vec<ChunkRef>),
) -> Result<(), Malformed> {
    let mut bytes = Bytes(bytes);
    let mut texts = Vec::new();
    for _ in 0..bytes.count(BLOCK_SERIES_MAX * LABELS_MAX * 2)? {
        texts.push(bytes.text(LABEL_NAME_BYTES_MAX.max(LABEL_VALUE_BYTES_MAX))?);
    }
    let mut offset = chunks;
    for _ in 0..bytes.count(BLOCK_SERIES_MAX)? {
        let mut labels = Labels::default();
        for _ in 0..bytes.count(LABELS_MAX)? {
            let mut text = || texts.get(bytes.count(ITEMS_MAX)?).copied().ok_or(Malformed);
            let name = text()?;
            labels.set(name, text()?);
        }
        let mut refs = Vec::new();
        for _ in 0..bytes.count(ITEMS_MAX)? {
            let chunk = ChunkRef::read(&mut bytes, offset)?;
            if chunk.bytes as usize > CHUNK_BYTES_MAX {
                return Err(Malformed);
            }
            offset += u64::from(chunk.bytes);
            refs.push(chunk);
        }
        each(&labels, refs);
    }
    if bytes.is_empty() { Ok(()) } else { Err(Malformed) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn meta_and_blocks_read_back() {
        let meta = Meta {
            resolution: Resolution::Hour,
            effort: Effort::Thorough,
            first: Moment(5),
            last: Moment(9),
            rows: 3,
            days: BTreeMap::from([(0, 7), (86_400_000, 4)]),
            replaces: vec![1, 2],
            blocks: vec![BlockRef { offset: 9, bytes: 8, checksum: 7, chunks: 6 }],
        };
        assert_eq!(Meta::decode(&meta.encode()).unwrap(), meta);
        assert_eq!((meta.oldest_seal(), meta.newest_seal()), (4, 7));
        let mut block = Block::default();
        let mut written = Vec::new();
        let mut offset = 8;
        for n in 0..20_i64 {
            let labels: Labels = [("host", n.to_string())].into_iter().collect();
            let chunk =
                ChunkRef { offset, bytes: 30, rows: 4, first: Moment(n), last: Moment(n + 3) };
            offset += 30;
            block.add(&labels, &[chunk]);
            written.push((labels, vec![chunk]));
        }
        let mut read = Vec::new();
        read_block(&block.encode(), 8, |labels, chunks| read.push((labels.clone(), chunks)))
            .unwrap();
        assert_eq!(read, written);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Meta::decode(&bytes);
            let _ = read_block(&bytes, 0, |_, _| {});
        }
    }
}
