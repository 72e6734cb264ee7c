//! A chunk: a stretch of one series, as columns.
//!
//! Its number of rows stands in the index of the segment; the checksum stands in front of it.

use crate::bytes::{Bytes, Malformed, put, put_signed};
use crate::column::{Effort, put_values, put_wholes, values, wholes};
use crate::error::StoreError;
use crate::limit::CHUNK_SAMPLES_MAX;
use crate::sample::{Bucket, Moment, Sample, Timed};

/// What a chunk can hold.
pub(crate) trait Chunked: Timed {
    /// Writes the rows.
    fn encode(rows: &[Self], effort: Effort, out: &mut Vec<u8>) -> Result<(), StoreError>;

    /// Reads so many rows, and puts them behind the others.
    fn decode(bytes: &[u8], count: usize, into: &mut Vec<Self>) -> Result<(), Malformed>;
}

fn moments<T: Timed>(rows: &[T]) -> Vec<i64> {
    rows.iter().map(|row| row.at().0).collect()
}

fn checked(count: usize) -> Result<usize, Malformed> {
    if count <= CHUNK_SAMPLES_MAX { Ok(count) } else { Err(Malformed) }
}

impl Chunked for Sample {
    fn encode(rows: &[Self], effort: Effort, out: &mut Vec<u8>) -> Result<(), StoreError> {
        put_wholes(out, &moments(rows), effort)?;
        let column: Vec<f64> = rows.iter().map(|row| row.value).collect();
        put_values(out, &column, effort)
    }

    fn decode(bytes: &[u8], count: usize, into: &mut Vec<Self>) -> Result<(), Malformed> {
        let count = checked(count)?;
        let mut bytes = Bytes(bytes);
        let mut at = vec![0; count];
        let mut value = vec![0.0; count];
        wholes(&mut bytes, &mut at)?;
        values(&mut bytes, &mut value)?;
        into.extend(at.into_iter().zip(value).map(|(at, value)| Self { at: Moment(at), value }));
        Ok(())
    }
}

impl Chunked for Bucket {
    fn encode(rows: &[Self], effort: Effort, out: &mut Vec<u8>) -> Result<(), StoreError> {
        put_wholes(out, &moments(rows), effort)?;
        let counts: Vec<i64> = rows.iter().map(|row| row.count.cast_signed()).collect();
        put_wholes(out, &counts, effort)?;
        for of in [
            |row: &Self| row.min,
            |row: &Self| row.max,
            |row: &Self| row.sum,
            |row: &Self| row.last,
        ] {
            put_values(out, &rows.iter().map(of).collect::<Vec<f64>>(), effort)?;
        }
        Ok(())
    }

    fn decode(bytes: &[u8], count: usize, into: &mut Vec<Self>) -> Result<(), Malformed> {
        let count = checked(count)?;
        let mut bytes = Bytes(bytes);
        let mut at = vec![0; count];
        let mut counts = vec![0; count];
        wholes(&mut bytes, &mut at)?;
        wholes(&mut bytes, &mut counts)?;
        let mut read = || {
            let mut column = vec![0.0; count];
            values(&mut bytes, &mut column).map(|()| column)
        };
        let (min, max, sum, last) = (read()?, read()?, read()?, read()?);
        let rows = at.into_iter().zip(counts).zip(min).zip(max).zip(sum).zip(last);
        into.extend(rows.map(|(((((at, count), min), max), sum), last)| Self {
            at: Moment(at),
            min,
            max,
            sum,
            count: count.cast_unsigned(),
            last,
        }));
        Ok(())
    }
}

/// Where a chunk is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    /// Where it starts in the file.
    pub(crate) offset: u64,
    /// Its size, checksum included.
    pub(crate) bytes: u32,
    /// Its number of rows.
    pub(crate) rows: u32,
    /// Its first moment.
    pub(crate) first: Moment,
    /// Its last moment.
    pub(crate) last: Moment,
}

impl ChunkRef {
    /// Whether it may hold something in the range that ends before `until`.
    pub(crate) fn touches(&self, from: Moment, until: Moment) -> bool {
        self.first < until && self.last >= from
    }

    /// Writes it, but for its offset: chunks lie one behind the other.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put(out, u64::from(self.bytes));
        put(out, u64::from(self.rows));
        put_signed(out, self.first.0);
        put_signed(out, self.last.0.wrapping_sub(self.first.0));
    }

    /// Reads one that starts at this offset.
    pub(crate) fn read(bytes: &mut Bytes<'_>, offset: u64) -> Result<Self, Malformed> {
        let size = u32::try_from(bytes.number()?).map_err(|_| Malformed)?;
        let rows = u32::try_from(bytes.number()?).map_err(|_| Malformed)?;
        let first = bytes.signed()?;
        let last = first.checked_add(bytes.signed()?).ok_or(Malformed)?;
        if last < first {
            return Err(Malformed);
        }
        Ok(Self { offset, bytes: size, rows, first: Moment(first), last: Moment(last) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_read_back() {
        let buckets: Vec<Bucket> = (0..50)
            .map(|n| Bucket {
                at: Moment(n * 300_000),
                min: -1.5,
                max: n as f64,
                sum: 0.1 * n as f64,
                count: n.cast_unsigned(),
                last: 3.0,
            })
            .collect();
        let mut out = Vec::new();
        Bucket::encode(&buckets, Effort::Quick, &mut out).unwrap();
        let mut again = Vec::new();
        Bucket::decode(&out, buckets.len(), &mut again).unwrap();
        assert_eq!(buckets, again);
        assert!(Bucket::decode(&out, CHUNK_SAMPLES_MAX + 1, &mut again).is_err());
        assert!(Bucket::decode(&out[..out.len() - 1], buckets.len(), &mut again).is_err());
    }
}
