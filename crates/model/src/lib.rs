//! The nouns of Nightcrew: ids, units, labels, alerts, incidents, plans, events and decisions.
//!
//! Every room speaks these types and no room is known here: `model` does no I/O, reads no clock
//! and holds no policy.  What is stored in the journal derives `serde`; the wire formats of other
//! systems live at the edges.
//!
//! **Invariant:** the three life cycles ([`alert::AlertState`], [`incident::IncidentState`],
//! [`attempt::AttemptState`]) change only through their `apply`, which refuses what is not in
//! their transition table.

#![warn(clippy::wildcard_enum_match_arm)]

mod action;
pub mod alert;
pub mod approval;
pub mod argv;
pub mod attempt;
mod binding;
pub mod catalogue;
pub mod chart;
pub mod condition;
pub mod decision;
pub mod escalation;
pub mod event;
pub mod expression;
mod fact_stream;
mod fact_words;
pub mod id;
pub mod incident;
mod intern;
pub mod interval;
pub mod labels;
pub mod lock;
pub mod matcher;
pub mod mute;
mod notification;
pub mod oncall;
mod outcome;
pub mod plan;
mod reason;
pub mod route;
pub mod sample;
pub mod severity;
pub mod silence;
pub mod telemetry;
pub mod ticket;
pub mod unit;
pub mod verdict;
