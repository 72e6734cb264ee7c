//! Answers of a site and durations of programs: the share of server errors and of slow ones,
//! against what was normal, as a whole and by route.
//!
//! One cause is one finding: while a share is up, it is told once, about the route that most of
//! the rise comes from, or about everything.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::signs::change::Share;
use crate::signs::finding::{Episodes, Finding, Note, Shift, ShiftUnit, Subject};
use crate::signs::kind::Kind;
use crate::signs::request::Request;
use crate::signs::sketch::Sketch;

/// How long a window is at least, in seconds.
pub const WINDOW_SECONDS: i64 = 300;

/// How long a window is at most, in seconds, while too little is in it.
pub const WINDOW_SECONDS_MAX: i64 = 1_800;

/// How many answers a window should hold.
pub const WINDOW_ANSWERS: f64 = 100.0;

/// How many routes are told apart; those that come later count for the whole only.
pub const ROUTES_MAX: usize = 128;

/// How many answers it takes to know what is normal.
pub const NORMAL_ANSWERS_MIN: f64 = 200.0;

/// The smallest rise of a share that is told.
pub const RISE_MIN: f64 = 0.02;

/// The share of errors that is told where nothing is known of before.
pub const ERRORS_WITHOUT_NORMAL_MIN: f64 = 0.25;

/// The smallest slowing that is told, in seconds.
pub const SLOWER_SECONDS_MIN: f64 = 0.05;

/// Which part of the rise a route must explain to be named.
const ROUTE_PART_MIN: f64 = 0.6;

/// How much of what was normal stays after a window: half of it is gone after about three hours.
const NORMAL_STAYS: f32 = 0.98;

/// After how many windows in a row a new level is the normal one.
const NEW_NORMAL_WINDOWS: u32 = 24;

/// Which route that is longer than this is cut, in bytes.
const ROUTE_BYTES_MAX: usize = 64;

/// One series: now, and what was normal.
#[derive(Debug, Default)]
struct Series {
    answers: Share,
    slow: Sketch,
    normal_answers: Share,
    normal_slow: Sketch,
}

/// Two lines that show the window, at most.
#[derive(Debug, Default)]
struct Shown {
    lines: Vec<(Timestamp, Box<[u8]>)>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// How many lines of a window are kept to be quoted.
const SHOWN_MAX: usize = 3;

impl Shown {
    fn add(&mut self, at: Timestamp, line: &[u8]) {
        self.first = self.first.or(Some(at));
        self.last = self.last.max(Some(at));
        if self.lines.len() < SHOWN_MAX {
            self.lines.push((at, Box::from(line)));
        }
    }
}

/// Everything about answers.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    start: Option<i64>,
    all: Series,
    routes: HashMap<Box<[u8]>, Series>,
    errors_shown: Shown,
    slow_shown: Shown,
    n_windows_up: u32,
    slow_limit: f64,
}

impl Traffic {
    /// Counts an answer.
    pub(crate) fn request(
        &mut self,
        request: &Request<'_>,
        at: Timestamp,
        line: &[u8],
        into: &mut Episodes,
    ) {
        self.roll(at, into);
        let is_error = request.status >= 500;
        let seconds = request.upstream_seconds.or(request.seconds);
        let mut name = [0; ROUTE_BYTES_MAX];
        let n = route(request.target, &mut name);
        self.count(name.get(..n).unwrap_or_default(), Some(is_error), seconds);
        if is_error {
            self.errors_shown.add(at, line);
        }
        if seconds.is_some_and(|seconds| seconds > self.slow_limit) {
            self.slow_shown.add(at, line);
        }
    }

    /// Counts a duration that a program told.
    pub(crate) fn duration(
        &mut self,
        program: &[u8],
        seconds: f64,
        at: Timestamp,
        line: &[u8],
        into: &mut Episodes,
    ) {
        self.roll(at, into);
        let program = program.get(..ROUTE_BYTES_MAX).unwrap_or(program);
        self.count(program, None, Some(seconds));
        if seconds > self.slow_limit {
            self.slow_shown.add(at, line);
        }
    }

    /// Ends the window if it is over at that time.
    pub(crate) fn roll(&mut self, at: Timestamp, into: &mut Episodes) {
        let second = at.as_second();
        let Some(start) = self.start else {
            self.start = Some(second);
            return;
        };
        let age = second - start;
        let is_full = self.all.answers.of.max(self.all.slow.n()) >= WINDOW_ANSWERS;
        if age >= WINDOW_SECONDS_MAX || age >= WINDOW_SECONDS && is_full {
            self.judge(at, into);
            self.start = Some(second);
        }
    }

    fn count(&mut self, route: &[u8], is_error: Option<bool>, seconds: Option<f64>) {
        self.all.count(is_error, seconds);
        if let Some(series) = self.routes.get_mut(route) {
            series.count(is_error, seconds);
        } else if self.routes.len() < ROUTES_MAX {
            let mut series = Series::default();
            series.count(is_error, seconds);
            self.routes.insert(Box::from(route), series);
        }
    }

    fn judge(&mut self, at: Timestamp, into: &mut Episodes) {
        let errors = self.errors_up();
        let slow = self.slow_up();
        for (kind, up, shown) in [
            (Kind::ErrorRatio, &errors, &self.errors_shown),
            (Kind::SlowResponses, &slow, &self.slow_shown),
        ] {
            if let Some(up) = up {
                tell(kind, up, shown, at, into);
            }
        }
        let is_up = errors.is_some() || slow.is_some();
        self.n_windows_up = if is_up { self.n_windows_up + 1 } else { 0 };
        // What is up is not learnt as normal, unless it stays.
        let stays = !is_up || self.n_windows_up >= NEW_NORMAL_WINDOWS;
        self.all.close(stays);
        for series in self.routes.values_mut() {
            series.close(stays);
        }
        self.slow_limit = self.all.normal_slow.quantile(0.95);
        self.errors_shown = Shown::default();
        self.slow_shown = Shown::default();
    }

    fn errors_up(&self) -> Option<Up> {
        let mut up =
            self.routes.iter().filter_map(|(name, series)| Some((&**name, series.errors()?)));
        let whole = self.all.errors();
        let worst = up.by_ref().max_by(|(_, a), (_, b)| a.rise.total_cmp(&b.rise));
        choose(whole, worst)
    }

    fn slow_up(&self) -> Option<Up> {
        let mut up =
            self.routes.iter().filter_map(|(name, series)| Some((&**name, series.slowing()?)));
        let whole = self.all.slowing();
        let worst = up.by_ref().max_by(|(_, a), (_, b)| a.rise.total_cmp(&b.rise));
        choose(whole, worst)
    }
}

/// A share that is up.
#[derive(Clone, Debug)]
struct Up {
    route: Box<[u8]>,
    /// How many more than normal.
    rise: f64,
    n_lines: f64,
    shift: Shift,
}

/// The whole, or the route that explains it.
fn choose(whole: Option<Up>, worst: Option<(&[u8], Up)>) -> Option<Up> {
    match (whole, worst) {
        (Some(whole), Some((name, route))) if route.rise >= ROUTE_PART_MIN * whole.rise => {
            Some(Up { route: Box::from(name), ..route })
        }
        (Some(whole), _) => Some(whole),
        (None, Some((name, route))) => Some(Up { route: Box::from(name), ..route }),
        (None, None) => None,
    }
}

fn tell(kind: Kind, up: &Up, shown: &Shown, at: Timestamp, into: &mut Episodes) {
    let mut note = Note {
        family: kind,
        kind,
        severity: kind.severity(),
        key: b"",
        subject: &up.route,
        make: |name| match name.as_bytes().first() {
            None => Subject::Everything,
            Some(b'/') => Subject::Route(name),
            Some(_) => Subject::Program(name),
        },
        since: shown.first.unwrap_or(at),
        at: shown.last.unwrap_or(at),
        n_lines: n_lines(up.n_lines),
        line: b"",
    };
    widen(into.note(&note), up.shift, &up.route);
    note.n_lines = 0;
    for (line_at, line) in &shown.lines {
        (note.at, note.line) = (*line_at, line);
        into.note(&note);
    }
}

/// Keeps the worst of the windows of a finding.
fn widen(finding: &mut Finding, shift: Shift, route: &[u8]) {
    if finding.shift.is_none_or(|known| known.now < shift.now) {
        finding.shift = Some(shift);
    }
    finding.name(route);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that was an integer"
)]
fn n_lines(count: f64) -> u64 {
    count.round() as u64
}

impl Series {
    fn count(&mut self, is_error: Option<bool>, seconds: Option<f64>) {
        if let Some(is_error) = is_error {
            self.answers.of += 1.0;
            self.answers.part += f64::from(u8::from(is_error));
        }
        if let Some(seconds) = seconds {
            self.slow.add(seconds);
        }
    }

    /// The share of errors, if it is up.
    fn errors(&self) -> Option<Up> {
        let (now, normal) = (self.answers, self.normal_answers);
        let is_up = if normal.of >= NORMAL_ANSWERS_MIN {
            now.is_above(normal, RISE_MIN)
        } else {
            now.part >= WINDOW_ANSWERS / 4.0 && now.ratio() >= ERRORS_WITHOUT_NORMAL_MIN
        };
        let shift = Shift { before: normal.ratio(), now: now.ratio(), unit: ShiftUnit::Ratio };
        let rise = now.part - normal.ratio() * now.of;
        is_up.then(|| Up { route: Box::default(), rise, n_lines: now.part, shift })
    }

    /// The share of answers that are twice as slow as nearly all were, if it is up.
    fn slowing(&self) -> Option<Up> {
        if self.normal_slow.n() < NORMAL_ANSWERS_MIN {
            return None;
        }
        let before = self.normal_slow.quantile(0.95);
        let limit = (2.0 * before).max(before + SLOWER_SECONDS_MIN);
        let now = Share { part: self.slow.n_over(limit), of: self.slow.n() };
        let normal = Share { part: self.normal_slow.n_over(limit), of: self.normal_slow.n() };
        let is_up = now.ratio() >= 0.05 && now.is_above(normal, RISE_MIN);
        let shift = Shift { before, now: self.slow.quantile(0.95), unit: ShiftUnit::Seconds };
        let rise = now.part - normal.ratio() * now.of;
        is_up.then(|| Up { route: Box::default(), rise, n_lines: now.part, shift })
    }

    fn close(&mut self, is_normal: bool) {
        if is_normal && self.answers.of.max(self.slow.n()) > 0.0 {
            let stays = f64::from(NORMAL_STAYS);
            self.normal_answers = Share {
                part: self.normal_answers.part * stays + self.answers.part,
                of: self.normal_answers.of * stays + self.answers.of,
            };
            self.normal_slow.fade_and_add(NORMAL_STAYS, &self.slow);
        }
        self.answers = Share::default();
        self.slow.clear();
    }
}

/// The first two parts of a path, with numbers and files as `*`; how many bytes it has.
fn route(target: &[u8], into: &mut [u8; ROUTE_BYTES_MAX]) -> usize {
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let mut slots = into.iter_mut();
    let mut push = |byte: u8| {
        if let Some(slot) = slots.next() {
            *slot = byte;
        }
    };
    let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    if parts.peek().is_none() {
        push(b'/');
    }
    for part in parts.take(2) {
        push(b'/');
        // `v1` is a name, `17` and `a.css` are things.
        let is_version = part.len() == 2 && part.first() == Some(&b'v');
        let is_odd = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        if part.iter().any(is_odd) && !is_version {
            push(b'*');
        } else {
            part.iter().for_each(|byte| push(*byte));
        }
    }
    ROUTE_BYTES_MAX - slots.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(target: &str) -> String {
        let mut name = [0; ROUTE_BYTES_MAX];
        let n = route(target.as_bytes(), &mut name);
        String::from_utf8_lossy(&name[..n]).into_owned()
    }

    #[test]
    fn a_route_is_short_and_without_numbers() {
        assert_eq!(named("/api/orders/17?x=/a/b"), "/api/orders");
        assert_eq!(named("/v1/users"), "/v1/users");
        assert_eq!(
            (named("/item/99"), named("/a/b.css"), named("/")),
            ("/item/*".into(), "/a/*".into(), "/".into())
        );
        assert_eq!(named(&format!("/{}", "a".repeat(500))).len(), ROUTE_BYTES_MAX);
    }

    #[test]
    fn routes_are_bounded() {
        let mut traffic = Traffic::default();
        for n in 0..ROUTES_MAX as u64 + 50 {
            traffic.count(&n.to_le_bytes(), Some(false), Some(0.1));
        }
        assert_eq!(traffic.routes.len(), ROUTES_MAX);
    }
}
