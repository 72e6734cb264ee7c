//! Everything that looks: the host, the processes of services, HTTP and TCP checks, and the
//! systems that are asked for numbers.
//!
//! **Invariant:** no data is not good news.  What could not be read, or makes no sense, is
//! `Unknown` with a reason; it is never zero, never the last value again, never healthy.  Each
//! collector has its own timeout and its own breaker, so that one that hangs harms no other.
//!
//! This room decides nothing and changes nothing: what a sample means is for `detect` and `engine`.

pub mod breaker;
pub mod cgroup;
pub mod check;
pub mod follow;
pub mod host;
pub mod process;
pub mod sampling;
pub mod service_checks;
pub mod source;

mod collector;
#[cfg(target_os = "linux")]
mod pidfd;
#[cfg(not(target_os = "linux"))]
#[path = "pidfd_elsewhere.rs"]
mod pidfd;
