//! The engine as a whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod audit;
mod cascade;
mod context;
mod crash;
mod escalation;
mod flapping;
mod groups;
mod heal;
mod inhibition;
mod intake;
mod locks;
mod people;
mod people_chaos;
mod routed;
mod routed_chaos;
mod silences;
mod storms;
mod timeline;
mod watchdog;
mod why;
