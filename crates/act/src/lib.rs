//! The one gate and the executors: the only room that changes the machine.
//!
//! The way of an action is `Action` → [`gate::Gate::admit`] → [`gate::Admitted`] →
//! [`executor::Executor::execute`] → `StepOutcome`.  The gate reads every command line by a grammar
//! of its program ([`library`]); what the grammar does not know is refused with the reason.
//!
//! **Invariant:** nothing runs that the gate did not admit, because only the gate can make an
//! `Admitted` and an executor takes nothing else.  What is admitted is checked against the file
//! system again at the moment of use, through descriptors that no symbolic link can bend.
//!
//! Deliberately not here: cooldowns, locks between attempts and approvals (the engine's), and any
//! judgement of whether an action is wise.

mod capture;
mod cgroup;
pub mod check_logs;
mod commands;
mod compose;
mod container;
mod done;
pub mod environment;
pub mod executor;
pub mod files;
mod find;
pub mod gate;
pub mod grammar;
mod inventory;
pub mod library;
mod line;
pub mod lint;
pub mod listen;
mod matching;
pub mod memory;
pub mod pattern;
pub mod programs;
mod question;
pub mod rate;
mod reading;
mod reload;
pub mod request;
mod restart;
pub mod roots;
mod rotate;
mod ruling;
mod run;
pub mod sandbox;
mod signal;
mod spawn;
mod stop;
mod supervise;
pub mod surroundings;
pub mod sweep;
mod text;
mod values;
mod work;
mod writers;
