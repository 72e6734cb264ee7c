//! Pure parsers of what other systems post, and the checks of who they are.
//!
//! A door gets a [`request::Request`]: [`auth::verify`] says whether it comes from whom it says,
//! [`parse::parse`] says what it tells.  Nothing here reads a clock, a file or a socket; `now` is
//! passed in, and what has to be fetched (the certificate of Amazon SNS) is asked for.
//!
//! **Invariant:** nothing that was sent is dropped in silence.  Every element of a body is an
//! alert, a change of one, a note that says why it tells nothing, or a
//! [`parsed::Rejected`] with the reason; a body that cannot be read at all is
//! [`parsed::Unparsable`].  Bad input never panics.
//!
//! Two kinds of doors exist.  Prometheus, Alertmanager, Grafana and `SigNoz` send the whole label
//! set each time, so that the end of an alert has the same fingerprint as its beginning: their
//! alerts are [`parsed::Parsed::alerts`].  The others have an id for what is wrong, and send less
//! (Opsgenie's close is only an id) or other things (a severity that rose) at its end: theirs are
//! [`change::Change`]s of whatever fires under that id, and [`change::settle`] turns them into
//! alerts once it is known what fires.

#![warn(clippy::wildcard_enum_match_arm)]

pub mod auth;
pub mod change;
pub mod door;
pub mod limit;
pub mod otlp;
pub mod parse;
pub mod parsed;
pub mod request;

mod alert_builder;
mod field;
mod json;
mod moment;
mod wording;
