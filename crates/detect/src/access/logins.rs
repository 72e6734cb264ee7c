//! Logins over SSH: one address that guesses, many that guess a little, and the guess that was
//! right.
//!
//! An address is told for itself from more failures on than one connection allows
//! (`MaxAuthTries` is 6): a person who mistypes through a whole connection is not an attack.
//! Addresses with one exhausted connection each are one finding together.

use jiff::Timestamp;

use crate::access::auth::AuthEvent;
use crate::access::crowd::Crowd;
use crate::access::table::{Few, Table};
use crate::signs::finding::{Episodes, Note, Subject};
use crate::signs::kind::Kind;
use crate::signs::line::Line;

/// How many addresses are remembered.
pub const GUESSERS_MAX: usize = 20_000;

/// How many failures within [`WINDOW_SECONDS`] make an address an attacker.
pub const FAILURES_MIN: u64 = 7;

/// The window of an address's failures, in seconds.
pub const WINDOW_SECONDS: i64 = 600;

/// How many failures within a day make a slow address an attacker, if it never logged in.
pub const FAILURES_PER_DAY_MIN: u64 = 20;

/// How many failures make an address part of the crowd.
pub const CROWD_FAILURES_MIN: u64 = 6;

/// How many addresses make a crowd.
pub const CROWD_MIN: usize = 3;

/// How long after the last failure a login is still suspect, in seconds.
pub const BREACH_SECONDS: i64 = 3_600;

const DAY_SECONDS: i64 = 86_400;

/// What is remembered about an address.
#[derive(Debug, Default)]
struct Guesser {
    window: Tries,
    day: Tries,
    users: Few,
    last_failure: i64,
    has_logged_in: bool,
}

/// What was tried since a moment, as the several lines about one try count it.
#[derive(Debug, Default)]
struct Tries {
    start: i64,
    n_failed: u64,
    n_unknown: u64,
    n_left: u64,
    n_pam: u64,
}

impl Tries {
    fn roll(&mut self, second: i64, seconds: i64) {
        if second - self.start > seconds || second < self.start - seconds {
            *self = Self { start: second, ..Self::default() };
        }
    }

    fn add(&mut self, event: &AuthEvent<'_>) {
        match event {
            AuthEvent::Failed { n_times, .. } => self.n_failed += n_times,
            AuthEvent::Unknown { .. } => self.n_unknown += 1,
            AuthEvent::Left { .. } => self.n_left += 1,
            AuthEvent::Pam { n_times, .. } => self.n_pam += n_times,
            AuthEvent::Accepted { .. }
            | AuthEvent::SudoRefused { .. }
            | AuthEvent::NoSudoer { .. }
            | AuthEvent::SuRefused { .. }
            | AuthEvent::BecameRoot { .. }
            | AuthEvent::Joined { .. }
            | AuthEvent::RootAccount { .. } => {}
        }
    }

    /// One try writes several lines: the largest count of one sort is how many tries there were.
    fn n(&self) -> u64 {
        self.n_failed.max(self.n_unknown).max(self.n_left).max(self.n_pam)
    }
}

/// What a line changes.
enum Outcome {
    Nothing,
    Alone { n_lines: u64, since: i64 },
    Crowd { n_lines: u64 },
}

/// Everything about logins.
#[derive(Debug)]
pub(crate) struct Logins {
    guessers: Table<Guesser>,
    crowd: Crowd,
}

impl Logins {
    pub(crate) fn new() -> Self {
        Self { guessers: Table::new(GUESSERS_MAX), crowd: Crowd::default() }
    }

    /// A failure of any sort, or a login.
    pub(crate) fn observe(&mut self, event: &AuthEvent<'_>, line: &Line<'_>, into: &mut Episodes) {
        match event {
            AuthEvent::Failed { user, address, .. }
            | AuthEvent::Unknown { user, address }
            | AuthEvent::Left { user, address }
            | AuthEvent::Pam { user, address, .. } => {
                self.failure(event, user, address, line, into);
            }
            AuthEvent::Accepted { user, address } => self.login(user, address, line, into),
            AuthEvent::SudoRefused { .. }
            | AuthEvent::NoSudoer { .. }
            | AuthEvent::SuRefused { .. }
            | AuthEvent::BecameRoot { .. }
            | AuthEvent::Joined { .. }
            | AuthEvent::RootAccount { .. } => {}
        }
    }

    fn failure(
        &mut self,
        event: &AuthEvent<'_>,
        user: &[u8],
        address: &[u8],
        line: &Line<'_>,
        into: &mut Episodes,
    ) {
        let second = line.time.as_second();
        let is_open = into.is_open(Kind::SshBruteForce, address, line.time);
        let outcome = self.guessers.update(address, |guesser| {
            guesser.window.roll(second, WINDOW_SECONDS);
            guesser.day.roll(second, DAY_SECONDS);
            let before = guesser.window.n();
            guesser.window.add(event);
            guesser.day.add(event);
            guesser.users.add(user);
            guesser.last_failure = second;
            let n_tries = guesser.window.n();
            let is_slow = guesser.day.n() >= FAILURES_PER_DAY_MIN && !guesser.has_logged_in;
            if is_open {
                Outcome::Alone { n_lines: n_tries - before, since: second }
            } else if n_tries >= FAILURES_MIN {
                Outcome::Alone { n_lines: n_tries, since: guesser.window.start }
            } else if is_slow {
                Outcome::Alone { n_lines: guesser.day.n(), since: guesser.day.start }
            } else if n_tries >= CROWD_FAILURES_MIN && !guesser.has_logged_in {
                Outcome::Crowd { n_lines: n_tries }
            } else {
                Outcome::Nothing
            }
        });
        match outcome {
            Outcome::Nothing => {}
            Outcome::Alone { n_lines, since } => {
                self.crowd.leave(address);
                into.part(Kind::SshBruteForceSpread, b"", address);
                let mut note = note(Kind::SshBruteForce, address, n_lines, line);
                note.since = Timestamp::from_second(since).unwrap_or(line.time);
                into.note(&note).name(user);
            }
            Outcome::Crowd { n_lines } => {
                let kind = Kind::SshBruteForceSpread;
                let is_few = self.crowd.len() + 1 < CROWD_MIN;
                let is_new = self.crowd.join(second, address);
                if !is_new || is_few && !into.is_open(kind, b"", line.time) {
                    return;
                }
                let mut note = note(kind, b"", n_lines, line);
                note.make = |_| Subject::Everything;
                let finding = into.note(&note);
                for member in self.crowd.members() {
                    finding.name(member);
                }
            }
        }
    }

    fn login(&mut self, user: &[u8], address: &[u8], line: &Line<'_>, into: &mut Episodes) {
        let second = line.time.as_second();
        let last_failure = self.guessers.update(address, |guesser| {
            guesser.has_logged_in = true;
            guesser.last_failure
        });
        let is_fresh = (0..=BREACH_SECONDS).contains(&(second - last_failure));
        if is_fresh && into.is_open(Kind::SshBruteForce, address, line.time) {
            into.note(&note(Kind::BreachSuspected, address, 1, line)).name(user);
        }
    }
}

fn note<'a>(kind: Kind, address: &'a [u8], n_lines: u64, line: &'a Line<'_>) -> Note<'a> {
    Note {
        family: kind,
        kind,
        severity: kind.severity(),
        key: address,
        subject: address,
        make: Subject::Address,
        since: line.time,
        at: line.time,
        n_lines,
        line: line.raw,
    }
}
