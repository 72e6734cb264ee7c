//! Detection: samples and log lines in, findings out.  Streaming, bounded memory.
//!
//! **Invariant:** no I/O and no clock; the time of a finding is the time of its sample.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod access;
pub mod anomaly;
pub mod baseline;
pub mod burn;
pub mod digest;
pub mod drift;
pub mod forecast;
pub mod judge;
pub mod log;
pub mod mask;
pub mod point;
pub mod quantile;
pub mod rank;
pub mod red;
pub mod requests;
pub mod signs;
pub mod threshold;
pub mod topology;
pub mod trend;
pub mod unit_sanity;
