//! How many lines of a sort there are: error lines as a share of all, and time-outs, retries,
//! connection failures and slow queries as counts, against the windows before.

use jiff::Timestamp;

use crate::signs::change::{Share, is_count_above};
use crate::signs::finding::{Episodes, Note, Shift, ShiftUnit, Subject};
use crate::signs::kind::Kind;
use crate::signs::line::Line;

/// The window, in seconds.
pub const WINDOW_SECONDS: i64 = 300;

/// How many windows it takes to know what is normal.
pub const NORMAL_WINDOWS_MIN: u32 = 6;

/// How many lines of a sort are told where nothing is known of before.
pub const WITHOUT_NORMAL_MIN: f64 = 100.0;

/// How many empty windows in a row are counted; a longer gap is a log that did not run.
pub const EMPTY_WINDOWS_MAX: i64 = 12;

/// The smallest rise of the share of error lines that is told.
pub const RISE_MIN: f64 = 0.05;

/// Which part of a window goes into what is normal.
const NEW_PART: f64 = 0.05;

const KINDS: [Kind; 4] =
    [Kind::Timeouts, Kind::Retries, Kind::ConnectionFailures, Kind::SlowQueries];

/// One sort of lines.
#[derive(Debug, Default)]
struct Sort {
    count: f64,
    mean: f64,
    first: Option<(Timestamp, Box<[u8]>)>,
    last: Option<Timestamp>,
}

impl Sort {
    fn add(&mut self, line: &Line<'_>) {
        self.count += 1.0;
        self.last = self.last.max(Some(line.time));
        if self.first.is_none() {
            self.first = Some((line.time, Box::from(line.raw)));
        }
    }
}

/// Every sort.
#[derive(Debug, Default)]
pub(crate) struct Volume {
    slot: Option<i64>,
    n_windows: u32,
    sorts: [Sort; KINDS.len()],
    errors: Sort,
    lines: Share,
    normal: Share,
}

impl Volume {
    /// Counts a line.
    pub(crate) fn line(
        &mut self,
        line: &Line<'_>,
        rate: Option<Kind>,
        is_error: bool,
        into: &mut Episodes,
    ) {
        self.roll(line.time, into);
        self.lines.of += 1.0;
        if is_error {
            self.lines.part += 1.0;
            self.errors.add(line);
        }
        let sort = KINDS.iter().zip(&mut self.sorts).find(|(kind, _)| Some(**kind) == rate);
        if let Some((_, sort)) = sort {
            sort.add(line);
        }
    }

    /// Ends the window if it is over at that time.
    pub(crate) fn roll(&mut self, at: Timestamp, into: &mut Episodes) {
        let slot = at.as_second().div_euclid(WINDOW_SECONDS);
        let Some(known) = self.slot else {
            self.slot = Some(slot);
            return;
        };
        if slot <= known {
            return;
        }
        self.slot = Some(slot);
        self.judge(into);
        for _ in 1..(slot - known).min(EMPTY_WINDOWS_MAX) {
            self.judge(into);
        }
    }

    fn judge(&mut self, into: &mut Episodes) {
        let is_known = self.n_windows >= NORMAL_WINDOWS_MIN;
        self.n_windows = self.n_windows.saturating_add(1);
        for (kind, sort) in KINDS.iter().zip(&mut self.sorts) {
            let is_up = if is_known {
                is_count_above(sort.count, sort.mean)
            } else {
                sort.count >= WITHOUT_NORMAL_MIN
            };
            let unit = ShiftUnit::LinesPerWindow;
            let shift = Shift { before: sort.mean, now: sort.count, unit };
            if is_up {
                tell(*kind, sort, shift, into);
            }
            // A burst is learnt slowly: it is no reason not to tell the next one.
            let learnt = if is_up { sort.mean * 3.0 + 1.0 } else { sort.count };
            let part = if is_known { NEW_PART } else { 1.0 / f64::from(self.n_windows) };
            sort.mean += part * (learnt.min(sort.count) - sort.mean);
            *sort = Sort { mean: sort.mean, ..Sort::default() };
        }
        let is_up = is_known && self.lines.is_above(self.normal, RISE_MIN);
        if is_up {
            let (before, now) = (self.normal.ratio(), self.lines.ratio());
            tell(
                Kind::ErrorLines,
                &self.errors,
                Shift { before, now, unit: ShiftUnit::Ratio },
                into,
            );
        }
        let weight = if is_up { NEW_PART } else { 1.0 };
        self.normal = Share {
            part: self.normal.part * (1.0 - NEW_PART) + weight * self.lines.part,
            of: self.normal.of * (1.0 - NEW_PART) + weight * self.lines.of,
        };
        self.lines = Share::default();
        self.errors = Sort::default();
    }
}

fn tell(kind: Kind, sort: &Sort, shift: Shift, into: &mut Episodes) {
    let Some((first, line)) = &sort.first else { return };
    let finding = into.note(&Note {
        family: kind,
        kind,
        severity: kind.severity(),
        key: b"",
        subject: b"",
        make: |_| Subject::Everything,
        since: *first,
        at: sort.last.unwrap_or(*first),
        n_lines: n_lines(sort.count),
        line,
    });
    if finding.shift.is_none_or(|known| known.now < shift.now) {
        finding.shift = Some(shift);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count that was an integer"
)]
fn n_lines(count: f64) -> u64 {
    count.round() as u64
}
