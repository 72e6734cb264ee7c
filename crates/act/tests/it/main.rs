//! How the gate and the executors behave, from outside.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on stops where it is, also in what it calls"
)]

mod checking;
mod corpus;
mod judging;
mod machine;
mod restarting;
mod running;
mod sweeping;
