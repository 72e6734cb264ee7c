//! Telling people: one module per service.
//!
//! A channel takes one message, makes one try and says what came of it: delivered, later, or
//! never ([`nightcrew_model::event::Delivery`]).  The outbox of the journal decides when there is
//! a next try, by the pure rules of [`retry`] and [`rate`].
//!
//! **Invariant:** a channel never sleeps, never loops and never shows a secret.  Text from outside
//! is cleaned and bounded once, before any channel sees it ([`message`]), and escaped by each
//! channel for its own form.  Nobody is called by name except by the mentions that the operator
//! configured.
//!
//! Adding a channel:
//! 1. an arm in `nightcrew_config::settings::ChannelKind`;
//! 2. a module here with `deliver(…) -> Delivery`, whose documentation names the limits and the
//!    answers of the service;
//! 3. an arm in [`channel::deliver`] and in [`rate::default_rate`];
//! 4. a fake of the service in `crates/testkit`, which refuses what the service would refuse.

mod alertmanager;
pub mod approval;
pub mod channel;
pub mod console;
mod discord;
mod email;
mod github;
mod github_text;
pub mod group;
pub mod message;
mod opsgenie;
mod pagerduty;
pub mod rate;
mod receiver;
pub mod retry;
mod sign;
mod slack;
mod slack_api;
pub mod subject_key;
mod telegram;
pub mod template;
mod text;
pub mod ticket;
mod webhook;
