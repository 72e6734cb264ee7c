//! Behaviour of the detectors over whole series and logs, made up and real.

#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

mod accuracy;
mod anomaly;
mod judge;
mod judge_rules;
mod log_corpus;
mod log_templates;
mod logs_day;
mod logs_made;
mod logs_real;
mod logs_values;
mod microservices;
mod quiet;
mod ranking;
