//! Abnormal access, from log lines: guessed passwords, scanners, attacks in requests, privileges.
//!
//! **Invariant:** memory is bounded by the limits of the modules below, whatever the lines say;
//! text from a line is never more than quoted.

pub mod attack;
mod auth;
mod command;
pub mod crowd;
pub mod decode;
pub mod logins;
pub mod privilege;
pub mod probe;
pub mod reach;
mod script;
pub mod signin;
mod sql;
pub mod sql_words;
mod table;
pub mod web;

use jiff::Timestamp;

use crate::access::auth::AuthEvent;
use crate::access::logins::Logins;
use crate::access::privilege::Privileges;
use crate::access::signin::SignIns;
use crate::access::web::Web;
use crate::signs::finding::{Episodes, Finding};
use crate::signs::line::{self, Body, Line};

/// Watches the lines of one log for abnormal access.
#[derive(Debug)]
pub struct Watcher {
    web: Web,
    sign_ins: SignIns,
    logins: Logins,
    privileges: Privileges,
    episodes: Episodes,
}

impl Default for Watcher {
    fn default() -> Self {
        Self::new()
    }
}

impl Watcher {
    /// A watcher that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            web: Web::new(),
            sign_ins: SignIns::new(),
            logins: Logins::new(),
            privileges: Privileges::new(),
            episodes: Episodes::default(),
        }
    }

    /// Reads and judges one line.  `reference` is a time not before the line was written, as for
    /// [`line::parse`].
    pub fn line(&mut self, line: &[u8], reference: Timestamp) {
        self.observe(&line::parse(line, reference));
    }

    /// Judges a line that was read already.
    pub fn observe(&mut self, line: &Line<'_>) {
        match &line.body {
            Body::Request(request) => {
                self.web.observe(request, line, &mut self.episodes);
                self.sign_ins.observe(request, line, &mut self.episodes);
            }
            Body::Message(message) => {
                let Some(event) = auth::read(message) else { return };
                match event {
                    AuthEvent::Failed { .. }
                    | AuthEvent::Unknown { .. }
                    | AuthEvent::Left { .. }
                    | AuthEvent::Pam { .. }
                    | AuthEvent::Accepted { .. } => {
                        self.logins.observe(&event, line, &mut self.episodes);
                    }
                    AuthEvent::SudoRefused { .. }
                    | AuthEvent::NoSudoer { .. }
                    | AuthEvent::SuRefused { .. }
                    | AuthEvent::BecameRoot { .. }
                    | AuthEvent::Joined { .. }
                    | AuthEvent::RootAccount { .. } => {
                        self.privileges.observe(&event, line, &mut self.episodes);
                    }
                }
            }
        }
    }

    /// The open findings and those closed since the last call, in the order of opening.
    pub fn findings(&mut self, now: Timestamp) -> Vec<Finding> {
        self.episodes.report(now)
    }

    /// How many closed findings were dropped because nobody fetched them in time.
    #[must_use]
    pub fn n_dropped(&self) -> u64 {
        self.episodes.n_dropped()
    }
}
