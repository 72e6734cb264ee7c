//! The parsers and the checks, from the outside.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod alerts;
mod corpus;
mod fuzz;
mod identity;
mod opsgenie;
mod otlp;
mod payload;
mod proof;
mod settling;
mod sns;
