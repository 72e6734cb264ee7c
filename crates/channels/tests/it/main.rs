//! How the channels behave against fakes of their services.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod approval;
mod discord;
mod email;
mod every;
mod fixture;
mod github;
mod pager;
mod slack;
mod telegram;
mod ticket;
mod ticket_answers;
mod ticket_fixture;
mod ticket_issues;
mod ticket_keeper;
mod ticket_text;
mod webhook;
