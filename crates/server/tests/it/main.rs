//! The server before a real crew on a temporary folder.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod alerts;
mod api;
mod browser_rules;
mod events;
mod hooks;
mod outpost;
mod socket;
mod tools;
