//! The journal: one ordered, durable log of decisions, and the tables folded from it.
//!
//! [`journal::Journal`] appends batches of decisions to streams and returns when they are on disk.
//! A batch is durable in the front file first and moves into the database behind the answer.
//! Alerts, incidents and the outbox are plain tables, folded with the log; any of them can be
//! rebuilt from it.  All SQL of the product lives here.
//!
//! **Invariant:** what was acknowledged is in the log, in one order, with positions that have no
//! gap and with versions that have no gap inside each stream.  Every entry carries a checksum that
//! is verified at every read, so damage is reported and never folded.
//!
//! The journal decides nothing: a decision that cannot follow from what came before is kept in the
//! log, left out of the tables, and warned about.
//!
//! # Files
//!
//! | file in the data folder | what it is |
//! |---|---|
//! | `journal.db`, `-wal`, `-shm` | the log and its tables (`SQLite`, write-ahead log, `synchronous=FULL`) |
//! | `journal.front` | what is durable and not yet in the database, as checksummed frames |
//! | `journal.mark` | the last acknowledged position; a log that ends before it has lost entries |
//! | `journal.lock` | held while a process has the journal open; contains its process id |
//! | `journal.db.before-rebuild` | the file as it was before the last rebuild |
//!
//! # Another log below the same interface
//!
//! No type of `SQLite` appears in a public signature, so that several nodes can later share a log
//! in NATS `JetStream`:
//!
//! - A [`batch::Batch`] is one message, so it is atomic; the message says the position of its first
//!   decision and carries the checksums of all.
//! - Streams are an index inside the log, folded by each node: name to version.
//! - Expected versions are checked against that index, and the message is published with
//!   `Nats-Expected-Last-Sequence`: the index is current if and only if the publish succeeds, and
//!   otherwise the node catches up and checks again.  So positions have no gap there either.
//! - The tables are folded by each node on its own, with the same fold.
//! - Retry bookkeeping and snapshots are no facts; they live in key-value buckets.

pub mod batch;
pub mod dead_letter;
pub mod entry;
pub mod error;
pub mod history;
pub mod journal;
pub mod lanes;
pub mod limit;
pub mod rebuild;
pub mod row;
pub mod tail;

mod checksum;
mod chunk;
mod compare;
mod database;
mod fold;
mod folding;
mod frame;
mod front;
mod lock;
mod log;
mod mark;
mod open;
mod outbox;
mod queue;
mod reader;
mod schema;
mod snapshot;
mod table;
mod writer;
