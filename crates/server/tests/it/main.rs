//! The server before a real crew on a temporary folder.
#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::print_stderr, reason = "a skipped test says so")]

mod alerts;
mod api;
mod browser_rules;
mod chat;
mod doors;
mod events;
mod findings;
mod groups;
mod hooks;
mod locks;
mod oncall;
mod otlp;
mod outpost;
mod series;
mod silences;
mod socket;
mod tools;
