//! The engine as a whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod approval;
mod audit;
mod boundaries;
mod cascade;
mod context;
mod crash;
mod escalation;
mod flapping;
mod groups;
mod heal;
mod heal_chaos;
mod inhibition;
mod intake;
mod locks;
mod people;
mod people_chaos;
mod remedies;
mod routed;
mod routed_chaos;
mod silences;
mod steps;
mod storms;
mod tickets;
mod timeline;
mod watchdog;
mod why;
