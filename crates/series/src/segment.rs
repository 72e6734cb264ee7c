//! A segment: an immutable file of many series over a stretch of time, read by position.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nightcrew_model::labels::Labels;

use crate::bytes::checksum;
use crate::chunk::{ChunkRef, Chunked};
use crate::error::{Damage, StoreError};
use crate::limit::{DAMAGE_MAX, META_BYTES_MAX};
use crate::sample::{Moment, Resolution};
use crate::segment_index::{FOOT_BYTES, FOOT_MARK, HEAD, Meta, VERSION, read_block};
use crate::wal::place;

/// Which chunks belong to a series.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) id: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: File,
    number: u64,
    bytes: u64,
    meta: Meta,
    /// In the order of ids.
    spans: Vec<Span>,
    chunks: Vec<ChunkRef>,
    /// Part of it could not be read: it is left as it is, for whoever can repair it.
    damaged: AtomicBool,
}

impl Segment {
    /// A segment that was just written.
    pub(crate) fn written(
        path: PathBuf,
        file: File,
        number: u64,
        bytes: u64,
        meta: Meta,
        (spans, chunks): (Vec<Span>, Vec<ChunkRef>),
    ) -> Self {
        Self { path, file, number, bytes, meta, spans, chunks, damaged: AtomicBool::new(false) }
    }

    /// Opens a segment.  `name` gives the id of a series.  Where only blocks are damaged the rest
    /// of the segment is open.
    pub(crate) fn open(
        path: PathBuf,
        number: u64,
        damage: &mut Vec<Damage>,
        mut name: impl FnMut(&Labels) -> Option<u32>,
    ) -> Result<Option<Self>, StoreError> {
        let failed = |error| StoreError::io(&path, error);
        let file = File::open(&path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let meta = match read_meta(&file, number, bytes) {
            Ok(meta) => meta,
            Err(Unreadable::Io(error)) => return Err(failed(error)),
            Err(Unreadable::Bad { offset, what }) => {
                damage.push(Damage::new(&path, offset, what));
                return Ok(None);
            }
        };
        let (mut spans, mut chunks): (Vec<Span>, Vec<ChunkRef>) = (Vec::new(), Vec::new());
        let mut damaged = false;
        for block in &meta.blocks {
            let mut body = vec![0; block.bytes as usize];
            let read = file.read_exact_at(&mut body, block.offset).is_ok()
                && checksum(place(number, block.offset), &body) == block.checksum;
            let mut take = |labels: &Labels, refs: Vec<ChunkRef>| {
                let Some(id) = name(labels) else { return };
                let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                let start = index(chunks.len());
                chunks.extend(refs);
                spans.push(Span { id, start, end: index(chunks.len()) });
            };
            if !read || read_block(&body, block.chunks, &mut take).is_err() {
                damaged = true;
                let what = "a block of the index is not what was written; its series are lost here";
                damage.push(Damage::new(&path, block.offset, what));
            }
        }
        spans.sort_unstable_by_key(|span| span.id);
        let damaged = AtomicBool::new(damaged);
        Ok(Some(Self { path, file, number, bytes, meta, spans, chunks, damaged }))
    }

    /// Its number: of two segments the one written later has the larger one.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its size, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it is.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// How fine its times are.
    pub(crate) fn resolution(&self) -> Resolution {
        self.meta.resolution
    }

    /// Whether it may hold something in the range that ends before `until`.
    pub(crate) fn touches(&self, from: Moment, until: Moment) -> bool {
        self.meta.first < until && self.meta.last >= from
    }

    /// Whether part of it could not be read.
    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// The ids of its series, in order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.spans.iter().map(|span| span.id)
    }

    /// Whether it has the series.
    pub(crate) fn has(&self, id: u32) -> bool {
        self.spans.binary_search_by_key(&id, |span| span.id).is_ok()
    }

    /// The chunks of a series.
    pub(crate) fn chunks(&self, id: u32) -> &[ChunkRef] {
        let found = self.spans.binary_search_by_key(&id, |span| span.id).ok();
        let span = found.and_then(|at| self.spans.get(at));
        let chunks = span.and_then(|span| self.chunks.get(span.start as usize..span.end as usize));
        chunks.unwrap_or_default()
    }

    /// Puts the rows of a series from all chunks that touch the range behind what was gathered.
    /// Rows outside of the range may be among them.  A chunk that cannot be read is left out.
    pub(crate) fn gather<T: Chunked>(
        &self,
        id: u32,
        (from, until): (Moment, Moment),
        into: &mut Vec<T>,
        damage: &mut Vec<Damage>,
    ) {
        for chunk in self.chunks(id).iter().filter(|chunk| chunk.touches(from, until)) {
            let kept = into.len();
            if let Err(what) = self.read(chunk, into) {
                into.truncate(kept);
                self.damaged.store(true, Ordering::Relaxed);
                if damage.len() < DAMAGE_MAX {
                    damage.push(Damage::new(&self.path, chunk.offset, what));
                }
            }
        }
    }

    fn read<T: Chunked>(&self, chunk: &ChunkRef, into: &mut Vec<T>) -> Result<(), String> {
        let mut bytes = vec![0; chunk.bytes as usize];
        let read = self.file.read_exact_at(&mut bytes, chunk.offset);
        read.map_err(|error| format!("a chunk cannot be read: {error}"))?;
        let Some((sum, columns)) = bytes.split_first_chunk() else {
            return Err("a chunk is too short".to_owned());
        };
        if checksum(place(self.number, chunk.offset), columns) != u32::from_le_bytes(*sum) {
            return Err("the checksum of a chunk does not match".to_owned());
        }
        let decoded = T::decode(columns, chunk.rows as usize, into);
        decoded.map_err(|_| "a chunk does not unpack".to_owned())
    }
}

/// Why the end of a segment cannot be read.
enum Unreadable {
    Io(std::io::Error),
    Bad { offset: u64, what: String },
}

fn read_meta(file: &File, number: u64, len: u64) -> Result<Meta, Unreadable> {
    let bad = |offset, what: &str| Unreadable::Bad { offset, what: what.to_owned() };
    let Some(foot_at) = len.checked_sub(FOOT_BYTES as u64).filter(|at| *at >= HEAD.len() as u64)
    else {
        return Err(bad(0, "the file is too short for a segment"));
    };
    let mut foot = [0; FOOT_BYTES];
    file.read_exact_at(&mut foot, foot_at).map_err(Unreadable::Io)?;
    let torn = || bad(foot_at, "the end of the segment is not what was written");
    let field = |at: usize| -> Option<u64> {
        foot.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes).map(u64::from)
    };
    let fields = (field(0), field(4), field(8), field(12), field(16), field(20));
    let (Some(low), Some(high), Some(size), Some(sum), Some(version), Some(foot_sum)) = fields
    else {
        return Err(torn());
    };
    let covered = foot.get(..20).unwrap_or_default();
    if !foot.ends_with(&FOOT_MARK)
        || u64::from(checksum(place(number, foot_at), covered)) != foot_sum
    {
        return Err(torn());
    }
    if version != u64::from(VERSION) {
        let what = format!("layout {version}, and this version reads {VERSION}; use the other one");
        return Err(Unreadable::Bad { offset: foot_at, what });
    }
    let at = high << 32 | low;
    if at.saturating_add(size) != foot_at || size > META_BYTES_MAX as u64 {
        return Err(torn());
    }
    let mut meta = vec![0; usize::try_from(size).unwrap_or(0)];
    file.read_exact_at(&mut meta, at).map_err(Unreadable::Io)?;
    let wrong = || bad(at, "the description of the segment is not what was written");
    if u64::from(checksum(place(number, at), &meta)) != sum {
        return Err(wrong());
    }
    Meta::decode(&meta).map_err(|_| wrong())
}
