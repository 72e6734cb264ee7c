//! How the channels behave against fakes of their services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod discord;
mod fake_discord;
mod fixture;
mod webhook;
