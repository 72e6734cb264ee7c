//! The crew as a whole: real processes, a real journal, receivers in this process.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod groups;
mod heal;
mod lock_files;
mod outbox;
mod receiver;
mod settings_again;
mod stage;
mod stage_virtual;
mod storage;
mod tell;
mod time;
mod watch;
