//! The few doors to the world that every room shares: the clock, the HTTP client, the driver of
//! tasks, named stop steps.
//!
//! **Invariant:** no other room reads the wall clock, opens an HTTP connection or spawns a task.

pub mod clock;
pub mod driver;
pub mod http;
pub mod process;
