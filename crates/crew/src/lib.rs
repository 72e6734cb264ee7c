//! The crew: named agents, each driving a part of the way from a sample to a record.
//!
//! | agent | its tasks |
//! |---|---|
//! | `orchestrator` | watches the heartbeats of the others; the audit; calls an outside heartbeat |
//! | `metrics-collector` | looks at the host, at processes, at services; stores what was measured |
//! | `alert-handler` | the core: events in, decisions made durable, answers out; lock files |
//! | `logs-analyzer` | follows log files, where the configuration names any |
//! | `autoheal` | lets the gate judge what is due, and executes what it admits |
//! | `reporter` | delivers the outbox, writes records, metrics and heartbeats |
//!
//! **Invariant:** only the core holds the engine's state, and nothing acts on a decision before
//! the journal has it.

pub mod attempt;
pub mod audit;
pub mod backtest;
mod check_programs;
pub mod collect;
pub mod commit;
mod compose;
pub mod core;
pub mod crew;
pub mod handle;
pub mod heal;
pub mod heartbeat;
pub mod insight;
pub mod lane;
pub mod lock_file;
pub mod locks;
pub mod logs;
mod outbox;
pub mod oversee;
mod post_mortem;
mod record;
mod recorded;
mod recorder;
pub mod recording;
pub mod reload;
pub mod rule_test;
pub mod slo;
mod sources;
mod standing;
pub mod telemetry;
mod tickets;
