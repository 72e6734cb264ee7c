//! Detection: samples in, findings out.  Numeric, streaming, bounded memory.
//!
//! **Invariant:** no I/O and no clock; the time of a finding is the time of its sample.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod threshold;
