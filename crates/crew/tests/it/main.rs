//! The crew as a whole: real processes, a real journal, receivers in this process.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod backtest;
mod command_checks;
mod groups;
mod heal;
mod judgement;
mod lock_files;
mod outbox;
mod post_mortem;
mod receiver;
mod recording;
mod settings_again;
mod sources;
mod stage;
mod stage_virtual;
mod storage;
mod tell;
mod ticket_resolver;
mod tickets;
mod time;
mod watch;
