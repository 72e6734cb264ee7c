//! Guesses at a web login: one address with many failures, one with many user names, many
//! addresses together, and the guess that was right.

use crate::access::table::{Few, Table};
use crate::signs::finding::{Episodes, Note, Subject};
use crate::signs::kind::Kind;
use crate::signs::line::Line;
use crate::signs::request::Request;
use crate::signs::scan::{cut, float, has_folded};

/// How many addresses are remembered.
pub const CLIENTS_MAX: usize = 20_000;

/// The window of an address's and of everybody's logins, in seconds.
pub const WINDOW_SECONDS: i64 = 300;

/// How many failures within the window make an address an attacker.
pub const FAILURES_MIN: u64 = 10;

/// How many tries within the window do, where the server answers 200 to a wrong password.
pub const TRIES_MIN: u64 = 30;

/// How many user names make it credential stuffing.
pub const USERS_MIN: usize = 5;

/// Which part of an address's logins must fail: behind a proxy many people share one address.
pub const FAILED_RATIO_MIN: f64 = 0.6;

/// How many failures of everybody within the window are looked at.
pub const CROWD_FAILURES_MIN: u64 = 30;

/// From how many addresses they must come.
pub const CROWD_MIN: usize = 10;

/// How many times more failures than in an ordinary window.
pub const CROWD_RISE: f64 = 4.0;

/// Which part of a new window goes into the ordinary one.
const ORDINARY_PART: f64 = 0.1;

/// What is remembered about an address.
#[derive(Debug, Default)]
struct Client {
    start: i64,
    n_tries: u64,
    n_failed: u64,
    users: Few,
}

/// What everybody did within the window.
#[derive(Debug, Default)]
struct Everybody {
    start: i64,
    n_tries: u64,
    n_failed: u64,
    addresses: Few,
    ordinary: f64,
}

/// Everything about web logins.
#[derive(Debug)]
pub(crate) struct SignIns {
    clients: Table<Client>,
    everybody: Everybody,
}

/// How a login ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Failed,
    Passed,
    /// The status does not say: a form that is shown again answers 200.
    Open,
}

impl SignIns {
    pub(crate) fn new() -> Self {
        Self { clients: Table::new(CLIENTS_MAX), everybody: Everybody::default() }
    }

    pub(crate) fn observe(&mut self, request: &Request<'_>, line: &Line<'_>, into: &mut Episodes) {
        let Some(ending) = ending(request) else { return };
        let second = line.time.as_second();
        let address = request.address;
        let user = user(request);
        let (n_tries, n_failed, n_users) = self.clients.update(address, |client| {
            if (second - client.start).abs() > WINDOW_SECONDS {
                *client = Client { start: second, ..Client::default() };
            }
            client.n_tries += 1;
            client.n_failed += u64::from(ending == Ending::Failed);
            if !user.is_empty() {
                client.users.add(user);
            }
            (client.n_tries, client.n_failed, client.users.len())
        });
        let is_open = into.is_open(Kind::LoginBruteForce, address, line.time);
        if ending == Ending::Passed && is_open {
            into.note(&note(Kind::BreachSuspected, address, 1, line)).name(user);
            return;
        }
        let is_failing = n_failed >= FAILURES_MIN
            && float(n_failed) >= FAILED_RATIO_MIN * float(n_tries)
            || n_tries >= TRIES_MIN && ending == Ending::Open;
        if is_open && ending != Ending::Passed || is_failing {
            let kind =
                if n_users >= USERS_MIN { Kind::CredentialStuffing } else { Kind::LoginBruteForce };
            let n_lines = if is_open { 1 } else { n_failed.max(n_tries) };
            into.note(&note(kind, address, n_lines, line)).name(user);
            return;
        }
        self.everybody(ending, line, address, into);
    }

    fn everybody(&mut self, ending: Ending, line: &Line<'_>, address: &[u8], into: &mut Episodes) {
        let all = &mut self.everybody;
        let second = line.time.as_second();
        if (second - all.start).abs() > WINDOW_SECONDS {
            let failed = float(all.n_failed);
            let ordinary = all.ordinary + ORDINARY_PART * (failed - all.ordinary);
            *all = Everybody { start: second, ordinary, ..Everybody::default() };
        }
        all.n_tries += 1;
        if ending != Ending::Failed {
            return;
        }
        all.n_failed += 1;
        all.addresses.add(address);
        let is_crowd = all.n_failed >= CROWD_FAILURES_MIN
            && all.addresses.len() >= CROWD_MIN
            && float(all.n_failed) >= CROWD_RISE * all.ordinary
            && float(all.n_failed) >= FAILED_RATIO_MIN * float(all.n_tries);
        if is_crowd {
            let is_open = into.is_open(Kind::CredentialStuffing, b"", line.time);
            let n_lines = if is_open { 1 } else { all.n_failed };
            let mut note = note(Kind::CredentialStuffing, b"", n_lines, line);
            (note.family, note.make) = (Kind::CredentialStuffing, |_| Subject::Everything);
            into.note(&note).name(address);
        }
    }
}

/// How a request to a login ended; none: it is no login.
fn ending(request: &Request<'_>) -> Option<Ending> {
    let is_sent = matches!(request.method, b"POST" | b"PUT");
    let is_basic = !request.user.is_empty();
    if !(is_sent && is_login_path(request.target) || is_basic && request.status == 401) {
        return None;
    }
    Some(match request.status {
        401 | 403 | 422 | 423 | 429 => Ending::Failed,
        302 | 303 | 201 | 204 => Ending::Passed,
        200 if !is_page(request.target) => Ending::Passed,
        _ => Ending::Open,
    })
}

/// Whether a path leads to a page of a form, which is shown again with 200 when a login fails.
fn is_page(target: &[u8]) -> bool {
    let path = cut(target, b'?').map_or(target, |(path, _)| path);
    path.ends_with(b".php") || path.ends_with(b".aspx") || path.ends_with(b".jsp")
}

/// Whether a path is one that people log in at.
fn is_login_path(target: &[u8]) -> bool {
    const PARTS: &[&[u8]] = &[
        b"login",
        b"signin",
        b"sign-in",
        b"sign_in",
        b"logon",
        b"/auth",
        b"/token",
        b"/session",
        b"xmlrpc.php",
        b"password",
        b"/otp",
        b"/sso",
    ];
    let path = cut(target, b'?').map_or(target, |(path, _)| path);
    let path = path.get(..path.len().min(128)).unwrap_or(path);
    PARTS.iter().any(|part| has_folded(path, part))
}

/// The user that a login is for, where the log knows it.
fn user<'a>(request: &Request<'a>) -> &'a [u8] {
    if !request.user.is_empty() {
        return request.user;
    }
    let Some((_, query)) = cut(request.target, b'?') else { return b"" };
    let mut pairs = query.split(|byte| *byte == b'&').take(16).filter_map(|pair| cut(pair, b'='));
    pairs
        .find(|(name, _)| matches!(*name, b"user" | b"username" | b"login" | b"email" | b"log"))
        .map_or(b"", |(_, value)| value)
}

fn note<'a>(kind: Kind, address: &'a [u8], n_lines: u64, line: &'a Line<'_>) -> Note<'a> {
    let is_breach = kind == Kind::BreachSuspected;
    Note {
        family: if is_breach { kind } else { Kind::LoginBruteForce },
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
