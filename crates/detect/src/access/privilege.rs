//! Privileges: sudo and su that refuse, a user who becomes root for the first time, a new
//! administrator, a second root.

use crate::access::auth::AuthEvent;
use crate::access::table::Table;
use crate::signs::finding::{Episodes, Note, Subject};
use crate::signs::kind::Kind;
use crate::signs::line::Line;

/// How many users are remembered.
pub const USERS_MAX: usize = 2_000;

/// How many refusals within [`WINDOW_SECONDS`] are told; sudo itself asks three times.
pub const REFUSALS_MIN: u64 = 3;

/// The window of a user's refusals, in seconds.
pub const WINDOW_SECONDS: i64 = 600;

/// Groups whose members may become root.
const GROUPS: &[&[u8]] =
    &[b"sudo", b"wheel", b"root", b"admin", b"docker", b"lxd", b"disk", b"shadow", b"libvirt"];

/// What is remembered about a user.
#[derive(Debug, Default)]
struct Known {
    start: i64,
    n_refused: u64,
    was_root: bool,
}

/// Everything about privileges.
#[derive(Debug)]
pub(crate) struct Privileges {
    users: Table<Known>,
}

impl Privileges {
    pub(crate) fn new() -> Self {
        Self { users: Table::new(USERS_MAX) }
    }

    pub(crate) fn observe(&mut self, event: &AuthEvent<'_>, line: &Line<'_>, into: &mut Episodes) {
        match *event {
            AuthEvent::SudoRefused { user, n_times } => {
                self.refused(Kind::SudoRefused, user, n_times, line, into);
            }
            AuthEvent::SuRefused { user } => self.refused(Kind::SuRefused, user, 1, line, into),
            AuthEvent::NoSudoer { user } => {
                into.note(&note(Kind::SudoRefused, user, 1, line));
            }
            AuthEvent::BecameRoot { user } if user != b"root" => {
                let (was_root, n_refused) = self.users.update(user, |known| {
                    let is_late = line.time.as_second() - known.start > WINDOW_SECONDS;
                    let n_refused = if is_late { 0 } else { known.n_refused };
                    (std::mem::replace(&mut known.was_root, true), n_refused)
                });
                if n_refused >= REFUSALS_MIN {
                    into.note(&note(Kind::BreachSuspected, user, 1, line));
                } else if !was_root {
                    into.note(&note(Kind::RootGained, user, 1, line));
                }
            }
            AuthEvent::Joined { user, group } if GROUPS.contains(&group) => {
                into.note(&note(Kind::AdministratorAdded, user, 1, line)).name(group);
            }
            AuthEvent::RootAccount { user } => {
                into.note(&note(Kind::RootAccountAdded, user, 1, line));
            }
            AuthEvent::BecameRoot { .. }
            | AuthEvent::Joined { .. }
            | AuthEvent::Failed { .. }
            | AuthEvent::Unknown { .. }
            | AuthEvent::Left { .. }
            | AuthEvent::Pam { .. }
            | AuthEvent::Accepted { .. } => {}
        }
    }

    fn refused(
        &mut self,
        kind: Kind,
        user: &[u8],
        n_times: u64,
        line: &Line<'_>,
        into: &mut Episodes,
    ) {
        let second = line.time.as_second();
        let n_refused = self.users.update(user, |known| {
            if second - known.start > WINDOW_SECONDS {
                (known.start, known.n_refused) = (second, 0);
            }
            known.n_refused += n_times;
            known.n_refused
        });
        if n_refused >= REFUSALS_MIN {
            let is_open = into.is_open(kind, user, line.time);
            let n_lines = if is_open { n_times } else { n_refused };
            into.note(&note(kind, user, n_lines, line));
        }
    }
}

fn note<'a>(kind: Kind, user: &'a [u8], n_lines: u64, line: &'a Line<'_>) -> Note<'a> {
    Note {
        family: kind,
        kind,
        severity: kind.severity(),
        key: user,
        subject: user,
        make: Subject::User,
        since: line.time,
        at: line.time,
        n_lines,
        line: line.raw,
    }
}
