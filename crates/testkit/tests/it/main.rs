//! That the fakes refuse what the services refuse, and hold what they hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod modes;
mod rules;
