//! How the channels behave against fakes of their services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod discord;
mod email;
mod every;
mod fixture;
mod github;
mod pager;
mod slack;
mod telegram;
mod webhook;
