//! The engine as a whole.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod crash;
mod heal;
mod intake;
mod timeline;
