//! The one gate and the executors: the only room that changes the machine.
//!
//! The way of an action is `Action` → [`gate::Gate::admit`] → [`gate::Admitted`] →
//! [`executor::Executor::execute`] → `StepOutcome`.  The gate reads every command line by a grammar
//! of its program ([`programs`]); what the grammar does not know is refused with the reason.
//!
//! **Invariant:** nothing runs that the gate did not admit, because only the gate can make an
//! `Admitted` and an executor takes nothing else.  What is admitted is checked against the file
//! system again at the moment of use, through descriptors that no symbolic link can bend.
//!
//! Deliberately not here: cooldowns, locks between attempts and approvals (the engine's), and any
//! judgement of whether an action is wise.

mod capture;
pub mod environment;
pub mod executor;
pub mod files;
mod find;
pub mod gate;
pub mod grammar;
mod inventory;
mod line;
pub mod lint;
pub mod listen;
mod matching;
pub mod pattern;
pub mod programs;
pub mod rate;
mod restart;
pub mod roots;
mod ruling;
mod run;
mod spawn;
mod stop;
pub mod sweep;
mod text;
mod values;
mod work;
