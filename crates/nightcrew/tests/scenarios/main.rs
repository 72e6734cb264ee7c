//! Scenarios: each breaks a real thing of this machine, the real binary heals it by a playbook of
//! its configuration, and the test looks for itself whether it is healed.
//!
//! A scenario leaves its row below `target/scenarios/`; `make test-scenarios` runs them all and
//! prints the table.  What they break was made by them, below a throw-away folder, and is gone when
//! they end.  A scenario whose parts are not installed here says which one, in its row too.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test starts the real parts and waits for them on the real clock"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a test says what it skipped")]

#[expect(dead_code, reason = "the other tests of the binary use the rest")]
#[path = "../it/crew.rs"]
mod crew;
#[expect(dead_code, reason = "the other tests of the binary use the rest")]
#[path = "../it/stage.rs"]
mod stage;
#[expect(dead_code, reason = "the other tests of the binary use the rest")]
#[path = "../it/wire.rs"]
mod wire;

mod approval;
mod certificate;
mod containers;
mod counter;
mod crash_steps;
mod disk_space;
mod docker;
mod errors;
mod latency;
mod log_file;
mod memory;
mod mounts;
mod nginx;
mod pool;
mod private;
mod process_down;
mod scenario;
mod shop;
mod supervisors;
mod systemd;
