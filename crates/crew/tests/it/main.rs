//! The crew as a whole: real processes, a real journal, receivers in this process.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod heal;
mod stage;
mod storage;
mod tell;
