//! Requests: scanners, attacks in requests, guesses at a web login.
//!
//! Whatever one address does to a site is one finding, with the lines of each kind counted; guesses
//! at a login are a second one.

use nightcrew_model::severity::Severity;

use crate::access::attack::Judge;
use crate::access::crowd::Crowd;
use crate::access::probe;
use crate::access::table::{Few, Table};
use crate::signs::finding::{Episodes, Note, Subject};
use crate::signs::kind::Kind;
use crate::signs::line::Line;
use crate::signs::request::Request;
use crate::signs::scan::cut;

/// How many addresses are remembered.
pub const VISITORS_MAX: usize = 20_000;

/// The window of an address's requests, in seconds.
pub const WINDOW_SECONDS: i64 = 3_600;

/// How many different missing paths make a scanner, if they are at least half of what it asks.
pub const MISSING_MIN: usize = 20;

/// How much weight of well-known weak places makes a scanner: two that only scanners ask for.
pub const PROBES_MIN: u32 = 4;

/// How many requests with odd methods make a scanner.
pub const ODD_MIN: u32 = 3;

/// How many attack requests of one address are more than a slip.
pub const ATTACKS_MIN: u64 = 3;

/// How many addresses that ask for one weak place make a crowd.
pub const CROWD_MIN: usize = 10;

/// What is remembered about an address.
#[derive(Debug, Default)]
struct Visitor {
    start: i64,
    n_requests: u64,
    n_refused: u64,
    missing: Few,
    probes: Few,
    probe_weight: u32,
    n_odd: u32,
    is_tool: bool,
    n_attacks: u64,
    n_answered_badly: u64,
}

impl Visitor {
    fn roll(&mut self, second: i64) {
        if second - self.start > WINDOW_SECONDS || second < self.start - WINDOW_SECONDS {
            *self = Self { start: second, ..Self::default() };
        }
    }

    fn is_scanner(&self) -> bool {
        self.is_tool
            || self.probe_weight >= PROBES_MIN
            || self.n_odd >= ODD_MIN
            || self.missing.len() >= MISSING_MIN && self.n_refused * 2 >= self.n_requests
    }
}

/// What a request is for its address.
struct Seen {
    is_scanner: bool,
    is_first_probe: bool,
    n_refused: u64,
    n_attacks: u64,
    n_answered_badly: u64,
}

/// Everything about requests but logins.
#[derive(Debug)]
pub(crate) struct Web {
    judge: Judge,
    visitors: Table<Visitor>,
    crowd: Crowd,
}

impl Web {
    pub(crate) fn new() -> Self {
        Self {
            judge: Judge::default(),
            visitors: Table::new(VISITORS_MAX),
            crowd: Crowd::default(),
        }
    }

    pub(crate) fn observe(&mut self, request: &Request<'_>, line: &Line<'_>, into: &mut Episodes) {
        let attack = self.judge.request(request);
        let second = line.time.as_second();
        let seen = self.visitors.update(request.address, |visitor| {
            visitor.roll(second);
            visitor.see(request, attack.is_some())
        });
        if let Some(kind) = attack {
            let severity = if seen.n_answered_badly >= ATTACKS_MIN {
                Severity::Critical
            } else if seen.n_attacks >= ATTACKS_MIN || seen.is_scanner {
                Severity::Warning
            } else {
                Severity::Info
            };
            into.note(&note(kind, severity, request.address, 1, line)).name(path(request));
            return;
        }
        let is_telling = is_refused(request.status) || is_odd_method(request.method);
        if seen.is_scanner && (is_telling || probe::is_tool(request.agent)) {
            let is_open = into.is_open(Kind::Scanner, request.address, line.time);
            let n_lines = if is_open { 1 } else { seen.n_refused.max(1) };
            let note = note(Kind::Scanner, Severity::Warning, request.address, n_lines, line);
            into.note(&note).name(path(request));
            self.crowd.leave(request.address);
        } else if seen.is_first_probe && self.crowd.join(second, request.address) {
            self.tell_crowd(request, line, into);
        }
    }

    fn tell_crowd(&self, request: &Request<'_>, line: &Line<'_>, into: &mut Episodes) {
        if self.crowd.len() < CROWD_MIN {
            return;
        }
        let mut note = note(Kind::ProbeSpread, Severity::Info, b"", 1, line);
        (note.family, note.make) = (Kind::ProbeSpread, |_| Subject::Everything);
        let finding = into.note(&note);
        if finding.names.is_empty() {
            for member in self.crowd.members() {
                finding.name(member);
            }
        }
        finding.name(request.address);
    }
}

impl Visitor {
    fn see(&mut self, request: &Request<'_>, is_attack: bool) -> Seen {
        let mut is_first_probe = false;
        if self.n_requests == 0 {
            self.is_tool = probe::is_tool(request.agent);
        }
        self.n_requests += 1;
        if is_refused(request.status) {
            self.n_refused += 1;
            if self.missing.add(path(request)) {
                let weight = probe::probe_weight(path(request));
                if weight > 0 && self.probes.add(path(request)) {
                    self.probe_weight += weight;
                    is_first_probe = weight > 1 && self.probes.len() == 1;
                }
            }
        }
        if is_odd_method(request.method) {
            self.n_odd += 1;
        }
        if is_attack {
            self.n_attacks += 1;
            self.n_answered_badly += u64::from(request.status >= 500);
        }
        Seen {
            is_scanner: self.is_scanner(),
            is_first_probe,
            n_refused: self.n_refused,
            n_attacks: self.n_attacks,
            n_answered_badly: self.n_answered_badly,
        }
    }
}

/// The path of a request, without the query.
fn path<'a>(request: &Request<'a>) -> &'a [u8] {
    cut(request.target, b'?').map_or(request.target, |(path, _)| path)
}

/// Whether the answer says that there is nothing here for the client.
fn is_refused(status: u16) -> bool {
    matches!(status, 400 | 403 | 404 | 405 | 406 | 410 | 444 | 501)
}

/// Whether a method is one that no browser and no ordinary client sends, or no HTTP at all.
fn is_odd_method(method: &[u8]) -> bool {
    matches!(method, b"TRACE" | b"TRACK" | b"DEBUG" | b"CONNECT" | b"SEARCH" | b"MOVE")
        || method.first().is_some_and(|byte| !byte.is_ascii_uppercase())
}

fn note<'a>(
    kind: Kind,
    severity: Severity,
    address: &'a [u8],
    n_lines: u64,
    line: &'a Line<'_>,
) -> Note<'a> {
    Note {
        family: Kind::Scanner,
        kind,
        severity,
        key: address,
        subject: address,
        make: Subject::Address,
        since: line.time,
        at: line.time,
        n_lines,
        line: line.raw,
    }
}
