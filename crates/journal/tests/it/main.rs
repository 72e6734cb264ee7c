//! The behaviour of the journal, from outside.

#![expect(clippy::unwrap_used, reason = "what cannot be had in a test ends the test")]
#![expect(clippy::print_stdout, reason = "a test that cannot run here says so")]

mod append;
mod crash;
mod damage;
mod dead_letter;
mod format;
mod front;
mod full_disk;
mod lanes;
mod later;
mod layout;
mod open;
mod outbox;
mod property;
mod repair;
mod sample;
mod snapshot;
mod table;
mod tail;
