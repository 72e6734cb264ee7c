//! The series store: an embedded, compressed, crash-safe home for samples.
//!
//! A series is a metric name with labels; a sample is a number at a millisecond.
//! [`store::Store`] appends batches, keeps what is new in memory and in a write-ahead file, seals it
//! into immutable segment files, merges small segments into large ones, thins old samples out and
//! drops what is past its time.  Everything blocks; the caller gives the time with every call.
//!
//! **Invariant:** what was acknowledged by [`store::Store::sync`] is found again after any crash,
//! to the last bit.  Every stretch of every file carries a checksum that is verified when it is
//! read, so damage is reported with its file and offset, and what is beside it stays readable.
//!
//! The store decides nothing: it has no clock, no thread and no opinion about what a number means.
//!
//! # Files
//!
//! | file in the folder | what it is |
//! |---|---|
//! | `000000000007.wal` | samples that are not in a segment yet, as checksummed frames |
//! | `000000000006.seg` | a segment: many series over one window of time, never changed |
//! | `*.part` | a segment that was being written at a crash; removed at the next start |
//! | `series.lock` | held while a process has the store open |
//!
//! # Labels
//!
//! Every segment holds the labels of its own series, so that the folder needs no other file.  In
//! memory the labels and their postings exist once for all segments: a selector is looked up once,
//! not once in each file.

pub mod answer;
pub mod config;
pub mod error;
pub mod export;
pub mod key;
pub mod limit;
pub mod maintain;
pub mod query;
pub mod rate;
pub mod sample;
pub mod selector;
pub mod stats;
pub mod store;
pub mod view;

mod bytes;
mod chunk;
mod column;
mod downsample;
mod folder;
mod head;
mod index;
mod merge;
mod replay;
mod retention;
mod seal;
mod segment;
mod segment_index;
mod segment_writer;
mod shelf;
mod wal;
