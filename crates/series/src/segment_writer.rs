//! Writing a segment: under another name until all of it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use nightcrew_model::labels::Labels;

use crate::bytes::checksum;
use crate::chunk::{ChunkRef, Chunked};
use crate::column::Effort;
use crate::config::THIN_WINDOW;
use crate::error::StoreError;
use crate::folder::{Folder, create, remove};
use crate::limit::{BLOCK_BYTES_FULL, BLOCK_SERIES_MAX, CHUNK_SAMPLES_MAX};
use crate::sample::{Moment, Resolution};
use crate::segment::{Segment, Span};
use crate::segment_index::{Block, BlockRef, FOOT_MARK, HEAD, Meta, VERSION};
use crate::wal::place;

/// How much is gathered before it is written, in bytes.
const WRITE_BYTES: usize = 1 << 20;

/// A segment being written.
pub(crate) struct SegmentWriter<'f> {
    folder: &'f Folder,
    number: u64,
    part: PathBuf,
    file: File,
    buffer: Vec<u8>,
    offset: u64,
    meta: Meta,
    days: BTreeSet<i64>,
    block: Block,
    /// Where the chunks of the block start.
    block_chunks: u64,
    /// Blocks that are done: their bytes, and where their chunks start.
    blocks: Vec<(Vec<u8>, u64)>,
    spans: Vec<Span>,
    chunks: Vec<ChunkRef>,
    done: bool,
}

/// Where the rows of a new segment come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// From memory: the segment is the newest source of all its days.
    Seal,
    /// From other segments: the newest source of each day, and whom it replaces.
    Segments {
        /// The newest source of each day.
        days: BTreeMap<i64, u64>,
        /// The segments that it takes the place of.
        replaces: Vec<u64>,
    },
}

impl<'f> SegmentWriter<'f> {
    /// Begins a segment.
    pub(crate) fn begin(
        folder: &'f Folder,
        number: u64,
        resolution: Resolution,
        effort: Effort,
    ) -> Result<Self, StoreError> {
        let part = folder.part(number);
        let file = create(&part)?;
        let (first, last) = (Moment(i64::MAX), Moment(i64::MIN));
        let (days, replaces, blocks) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self {
            folder,
            number,
            part,
            file,
            buffer: HEAD.to_vec(),
            offset: HEAD.len() as u64,
            meta: Meta { resolution, effort, first, last, rows: 0, days, replaces, blocks },
            days: BTreeSet::new(),
            block: Block::default(),
            block_chunks: HEAD.len() as u64,
            blocks: Vec::new(),
            spans: Vec::new(),
            chunks: Vec::new(),
            done: false,
        })
    }

    /// Adds a series with its rows, which are in the order of time.
    pub(crate) fn series<T: Chunked>(
        &mut self,
        id: u32,
        labels: &Labels,
        rows: &[T],
    ) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let start = self.chunks.len();
        let mut columns = Vec::new();
        // Pieces of the same size pack better than a large one and a small rest.
        let pieces = rows.len().div_ceil(CHUNK_SAMPLES_MAX);
        for piece in rows.chunks(rows.len().div_ceil(pieces)) {
            columns.clear();
            T::encode(piece, self.meta.effort, &mut columns)?;
            self.chunk(piece, &columns)?;
        }
        let chunks = self.chunks.get(start..).unwrap_or_default();
        self.block.add(labels, chunks);
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.spans.push(Span { id, start: index(start), end: index(self.chunks.len()) });
        if self.block.count() >= BLOCK_SERIES_MAX || self.block.bytes() >= BLOCK_BYTES_FULL {
            self.end_block();
        }
        Ok(())
    }

    fn chunk<T: Chunked>(&mut self, rows: &[T], columns: &[u8]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let (first, last) = (first.at(), last.at());
        let sum = checksum(place(self.number, self.offset), columns);
        let size = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let (bytes, offset) = (size(columns.len() + 4), self.offset);
        self.chunks.push(ChunkRef { offset, bytes, rows: size(rows.len()), first, last });
        self.put(&sum.to_le_bytes())?;
        self.put(columns)?;
        self.meta.first = self.meta.first.min(first);
        self.meta.last = self.meta.last.max(last);
        self.meta.rows += rows.len() as u64;
        let mut rest = rows;
        while let Some(row) = rest.first() {
            let day = row.at().floor(THIN_WINDOW);
            self.days.insert(day.0);
            let next = day.plus(THIN_WINDOW);
            rest = rest.get(rest.partition_point(|row| row.at() < next)..).unwrap_or_default();
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.buffer.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
        if self.buffer.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let written = self.file.write_all(&self.buffer);
        written.map_err(|error| StoreError::io(&self.part, error))?;
        self.buffer.clear();
        Ok(())
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        if block.count() > 0 {
            self.blocks.push((block.encode(), self.block_chunks));
        }
        self.block_chunks = self.offset;
    }

    /// Ends the segment and makes it durable.  Without rows there is none.
    pub(crate) fn finish(mut self, origin: Origin) -> Result<Option<Segment>, StoreError> {
        self.end_block();
        if self.meta.rows == 0 {
            return Ok(None);
        }
        (self.meta.days, self.meta.replaces) = match origin {
            Origin::Seal => (self.days.iter().map(|day| (*day, self.number)).collect(), Vec::new()),
            Origin::Segments { days, replaces } => (days, replaces),
        };
        for (block, chunks) in std::mem::take(&mut self.blocks) {
            let offset = self.offset;
            let bytes = u32::try_from(block.len()).unwrap_or(u32::MAX);
            let sum = checksum(place(self.number, offset), &block);
            self.meta.blocks.push(BlockRef { offset, bytes, checksum: sum, chunks });
            self.put(&block)?;
        }
        let (at, meta) = (self.offset, self.meta.encode());
        let mut foot = at.to_le_bytes().to_vec();
        foot.extend_from_slice(&u32::try_from(meta.len()).unwrap_or(u32::MAX).to_le_bytes());
        foot.extend_from_slice(&checksum(place(self.number, at), &meta).to_le_bytes());
        foot.extend_from_slice(&VERSION.to_le_bytes());
        let sum = checksum(place(self.number, at + meta.len() as u64), &foot);
        foot.extend_from_slice(&sum.to_le_bytes());
        foot.extend_from_slice(&FOOT_MARK);
        self.put(&meta)?;
        self.put(&foot)?;
        self.write()?;
        self.file.sync_all().map_err(|error| StoreError::io(&self.part, error))?;
        let path = self.folder.segment(self.number);
        fs::rename(&self.part, &path).map_err(|error| StoreError::io(&path, error))?;
        self.done = true;
        self.folder.sync()?;
        self.spans.sort_unstable_by_key(|span| span.id);
        let file = self.file.try_clone().map_err(|error| StoreError::io(&path, error))?;
        let spans = std::mem::take(&mut self.spans);
        let chunks = std::mem::take(&mut self.chunks);
        let meta = self.meta.clone();
        Ok(Some(Segment::written(path, file, self.number, self.offset, meta, (spans, chunks))))
    }
}

impl Drop for SegmentWriter<'_> {
    /// What was not finished is of no use.  Where it cannot be removed, the next start does it.
    fn drop(&mut self) {
        if !self.done {
            drop(remove(&self.part));
        }
    }
}
