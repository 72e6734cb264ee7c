//! The real binary, from outside: as an operator starts it, as Prometheus talks to it, as a crash
//! and a bad file meet it.
//!
//! Everything happens in a throw-away folder; what a test started is gone when it ends.  Tests of
//! parts that are not installed here (nginx, redis, Prometheus) say so and pass.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts the real parts and waits for them on the real clock"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test says what it skipped")]

mod alertmanager;
mod amtool;
mod approvals;
mod backtest;
mod bad_alerts;
mod bad_config;
mod bad_journal;
mod cli;
mod crash;
mod crew;
mod demo;
mod differential;
mod full_disk;
mod gate;
mod heal;
mod judgement;
mod logs;
mod metrics;
mod operator;
mod otlp;
mod playbook_review;
mod playbook_test;
mod prometheus;
mod seeds;
mod soak;
mod sources;
mod stage;
mod supervised;
mod tickets;
mod wire;
