//! How the gate and the executors behave, from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops where it is, also in what it calls"
)]

mod checking;
mod containers;
mod corpus;
mod grammars;
mod judging;
mod machine;
mod remembering;
mod restarting;
mod rotating;
mod running;
mod samples;
mod sandbox;
mod sandbox_real;
mod stage;
mod supervising;
mod sweeping;
mod telling;
