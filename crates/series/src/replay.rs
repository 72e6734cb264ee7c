//! Reading a write-ahead file after a stop or a crash.
//!
//! A tail that is no whole frame was being written when the process ended and is cut off.  A bad
//! frame with whole frames behind it is damage: it is reported, and reading goes on behind it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use nightcrew_model::labels::Labels;

use crate::bytes::{Bytes, Malformed, checksum};
use crate::error::{Damage, StoreError};
use crate::folder::Access;
use crate::limit::{
    DAMAGE_MAX, FRAME_BYTES_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX,
    RESYNC_BYTES_MAX,
};
use crate::sample::{Moment, Sample};
use crate::wal::{FRAME_HEAD_BYTES, FRAME_MARK, KIND_ROWS, KIND_SERIES, place};

/// How much of a damaged file is searched at once, in bytes.
const SEARCH_BYTES: usize = 1 << 20;

/// What a write-ahead file held.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// How many rows it held.
    pub(crate) rows: u64,
    /// How much was cut off its end, in bytes.
    pub(crate) cut_bytes: u64,
    /// What is damaged.
    pub(crate) damage: Vec<Damage>,
}

/// Who takes what the file holds.
pub(crate) trait Replay {
    /// A series; gives what it is called here.
    fn series(&mut self, labels: &Labels) -> Option<u32>;
    /// A sample of a series.
    fn sample(&mut self, id: u32, sample: Sample);
}

struct Source<'p> {
    path: &'p Path,
    file: File,
    number: u64,
    len: u64,
}

impl Source<'_> {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.file.read_exact_at(into, offset).map_err(|error| StoreError::io(self.path, error))
    }

    /// The body of the frame at this place, if there is a whole one.
    fn frame(&self, offset: u64) -> Result<Option<Vec<u8>>, StoreError> {
        if offset + FRAME_HEAD_BYTES as u64 > self.len {
            return Ok(None);
        }
        let mut head = [0; FRAME_HEAD_BYTES];
        self.read(offset, &mut head)?;
        let [a, b, c, d, l0, l1, l2, l3, s0, s1, s2, s3] = head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let end = offset + FRAME_HEAD_BYTES as u64 + len as u64;
        if [a, b, c, d] != FRAME_MARK || len == 0 || len > FRAME_BYTES_MAX || end > self.len {
            return Ok(None);
        }
        let mut body = vec![0; len];
        self.read(offset + FRAME_HEAD_BYTES as u64, &mut body)?;
        let sum = u32::from_le_bytes([s0, s1, s2, s3]);
        Ok((checksum(place(self.number, offset), &body) == sum).then_some(body))
    }

    /// Where the next whole frame starts at or behind this place.
    fn search(&self, from: u64) -> Result<Option<u64>, StoreError> {
        let end = self.len.min(from.saturating_add(RESYNC_BYTES_MAX as u64));
        let mut block = from;
        while block < end {
            let len = usize::try_from(end - block).unwrap_or(SEARCH_BYTES).min(SEARCH_BYTES);
            let mut bytes = vec![0; len];
            self.read(block, &mut bytes)?;
            for (at, window) in (block..).zip(bytes.windows(FRAME_MARK.len())) {
                if window == FRAME_MARK && self.frame(at)?.is_some() {
                    return Ok(Some(at));
                }
            }
            // A mark may lie across two blocks.
            block += (len as u64).saturating_sub(FRAME_MARK.len() as u64 - 1).max(1);
        }
        Ok(None)
    }
}

/// Reads a file, from its first frame to its last, and cuts off a torn tail where it may.
pub(crate) fn replay(
    path: &Path,
    number: u64,
    access: Access,
    into: &mut impl Replay,
) -> Result<Replayed, StoreError> {
    let failed = |error| StoreError::io(path, error);
    let may_write = access == Access::Write;
    let file = OpenOptions::new().read(true).write(may_write).open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let source = Source { path, file, number, len };
    let mut replayed = Replayed::default();
    let mut names = HashMap::new();
    let mut offset = 0;
    while offset < len {
        if let Some(body) = source.frame(offset)? {
            let mut reading =
                Reading { names: &mut names, rows: &mut replayed.rows, lost: 0, into };
            let read = reading.body(&body);
            let lost = reading.lost;
            let what = match (read, lost) {
                (Err(Malformed), _) => Some("a frame cannot be read".to_owned()),
                (Ok(()), 0) => None,
                (Ok(()), lost) => Some(format!("{lost} rows belong to a series that is lost")),
            };
            if let Some(what) = what.filter(|_| replayed.damage.len() < DAMAGE_MAX) {
                replayed.damage.push(Damage::new(path, offset, what));
            }
            offset += (FRAME_HEAD_BYTES + body.len()) as u64;
        } else if let Some(next) = source.search(offset + 1)? {
            if replayed.damage.len() < DAMAGE_MAX {
                let what = format!("{} bytes are no whole frame", next - offset);
                replayed.damage.push(Damage::new(path, offset, what));
            }
            offset = next;
        } else {
            replayed.cut_bytes = len - offset;
            if may_write {
                source.file.set_len(offset).map_err(failed)?;
            }
            break;
        }
    }
    Ok(replayed)
}

struct Reading<'r, R> {
    /// What the file calls a series, and what it is called here.
    names: &'r mut HashMap<u32, u32>,
    rows: &'r mut u64,
    lost: u64,
    into: &'r mut R,
}

impl<R: Replay> Reading<'_, R> {
    fn body(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let mut bytes = Bytes(body);
        match bytes.byte()? {
            KIND_SERIES => self.series(&mut bytes),
            KIND_ROWS => self.samples(&mut bytes),
            _ => Err(Malformed),
        }
    }

    fn series(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            let name = u32::try_from(bytes.number()?).map_err(|_| Malformed)?;
            let mut labels = Labels::default();
            for _ in 0..bytes.count(LABELS_MAX)? {
                let label = bytes.text(LABEL_NAME_BYTES_MAX)?;
                labels.set(label, bytes.text(LABEL_VALUE_BYTES_MAX)?);
            }
            if let Some(id) = self.into.series(&labels) {
                self.names.insert(name, id);
            }
        }
        Ok(())
    }

    fn samples(&mut self, bytes: &mut Bytes<'_>) -> Result<(), Malformed> {
        let (mut name, mut at) = (0_i64, 0_i64);
        while !bytes.is_empty() {
            name = name.wrapping_add(bytes.signed()?);
            at = at.wrapping_add(bytes.signed()?);
            let value = f64::from_le_bytes(bytes.array()?);
            let id = u32::try_from(name).ok().and_then(|name| self.names.get(&name));
            match id {
                Some(id) => {
                    *self.rows += 1;
                    self.into.sample(*id, Sample { at: Moment(at), value });
                }
                None => self.lost += 1,
            }
        }
        Ok(())
    }
}
