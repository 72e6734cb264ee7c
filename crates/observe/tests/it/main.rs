//! What the collectors see of real processes, servers, certificates and file systems.

#![expect(clippy::unwrap_used, reason = "a test whose setting cannot be made fails")]
#![expect(clippy::print_stderr, reason = "a test that cannot run on this machine says so")]

mod certificates;
mod checks;
mod commands;
mod disks;
mod engines;
mod fixture;
mod follow;
mod pages;
mod processes;
mod searches;
mod signoz;
mod sources;
