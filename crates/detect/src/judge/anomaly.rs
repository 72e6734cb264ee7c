//! When what the score calls unusual becomes a finding: when it is strong for a few samples, or
//! lasts for three cells, and the series never moved so far before.
//!
//! The score ([`crate::anomaly`]) surprises itself some thirty times in a week of noise; nobody
//! believes a crew that tells of each.  So a suspicion must be confirmed by the series' own
//! record: how far did it ever depart from its level of the last hour?  What comes by the hour or
//! by the day is in the record after its first time.
//!
//! **Invariant:** nothing is found before a day is remembered.

use jiff::Timestamp;
use nightcrew_model::unit::Unit;

use super::cells::{Cells, DAY_CELLS, HOUR_CELLS};
use crate::anomaly::THRESHOLD;
use crate::quantile::{median, sorted};

/// A score from here on is a suspicion: the threshold, or what is left of it while the score is
/// held down after an alarm.
const SUSPICIOUS: f64 = THRESHOLD / 2.0;

/// For how many cells a suspicion lasts.
const SUSPICION_CELLS: u8 = 3;

/// How many cells a departure lasts.
pub(super) const LASTING_CELLS: u64 = 3;

/// How many times the record of such departures it must be: three cells of noise are seldom on
/// one side, so their record is small …
const LASTING_TIMES: f32 = 2.5;

/// … or how many times the record of departures of one cell.
const CELL_TIMES: f32 = 1.3;

/// How many times the record a departure of three samples must be.
const STRONG_TIMES: f32 = 3.0;

/// A record is compared with once it is so many cells old, so that a slow beginning does not make
/// the rest usual.
const LAG: usize = 3;

/// What is left of a record after a cell: half of it after four weeks.
const FADE: f32 = 0.999_914;

/// Back inside this share of the departure, it is over …
const OVER_SHARE: f64 = 0.5;

/// … after so many cells.
const OVER_CELLS: u8 = 2;

/// A level that stays so long is the usual one from then on.
const SETTLED_CELLS: usize = DAY_CELLS;

/// A departure from the usual level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Departure {
    /// The usual level.
    pub(super) base: f64,
    /// How far it went, negative downwards.
    pub(super) size: f64,
    /// The farthest that it had gone before.
    pub(super) record: f64,
    /// Since when.
    pub(super) since: Timestamp,
    /// Whether it was found by a few samples.
    pub(super) strong: bool,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    Began(Departure),
    /// It is back, or its level is the usual one by now.
    Over,
}

/// The farthest departures, of which the newest do not count yet.
#[derive(Clone, Copy, Debug, Default)]
struct Record {
    settled: f32,
    newest: [f32; LAG],
}

impl Record {
    fn note(&mut self, size: f32) {
        if let Some(now) = self.newest.last_mut() {
            *now = now.max(size);
        }
    }

    fn close_cell(&mut self) {
        let [oldest, ..] = self.newest;
        self.settled = (self.settled * FADE).max(oldest);
        self.newest.rotate_left(1);
        if let Some(now) = self.newest.last_mut() {
            *now = 0.0;
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Open {
    departure: Departure,
    calm_cells: u8,
    n_cells: usize,
}

/// The departures of one series.
#[derive(Clone, Debug, Default)]
pub(super) struct Departures {
    /// The level of the last hour, without the newest cells.
    base: Option<f64>,
    of_rows: Record,
    of_cells: Record,
    of_lasting: Record,
    /// The departures of the last samples.
    rows: [f32; 3],
    suspicion: u8,
    open: Option<Open>,
}

impl Departures {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a sample and its score.
    pub(super) fn row(
        &mut self,
        at: Timestamp,
        value: f64,
        score: f64,
        (unit, cells): (Unit, &Cells),
    ) -> Option<Change> {
        if score >= SUSPICIOUS {
            self.suspicion = SUSPICION_CELLS;
        }
        let base = self.base?;
        self.rows.rotate_left(1);
        if let Some(newest) = self.rows.last_mut() {
            *newest = (value - base) as f32;
        }
        let [one, two, three] = self.rows;
        let size = together(together(one, two), three);
        self.of_rows.note(size.abs());
        let found = self.confirm(size, STRONG_TIMES * self.of_rows.settled, (unit, cells));
        found.then(|| {
            self.begin(Departure {
                base,
                size: f64::from(size),
                record: f64::from(self.of_rows.settled),
                since: at,
                strong: true,
            })
        })
    }

    /// Takes a cell that was closed.
    pub(super) fn cell(&mut self, at: Timestamp, unit: Unit, cells: &Cells) -> Option<Change> {
        self.suspicion = self.suspicion.saturating_sub(1);
        let usual = sorted(cells.newest(LASTING_CELLS as usize, HOUR_CELLS));
        self.base = if usual.len() >= HOUR_CELLS / 2 { median(&usual) } else { None };
        let ended = self.is_over(cells);
        let (mut size, mut base_now) = (0.0, 0.0);
        if let (Some(base), Some(last), Some(second), Some(third)) =
            (self.base, cells.back(0), cells.back(1), cells.back(2))
        {
            let newer = together((last - base) as f32, (second - base) as f32);
            size = together(newer, (third - base) as f32);
            base_now = base;
        }
        let single = cells.back(0).map_or(0.0, |last| (last - base_now) as f32);
        self.of_cells.note(if self.base.is_some() { single.abs() } else { 0.0 });
        self.of_lasting.note(size.abs());
        let (of_cells, of_lasting) = (self.of_cells.settled, self.of_lasting.settled);
        let record =
            if LASTING_TIMES * of_lasting < CELL_TIMES * of_cells { of_lasting } else { of_cells };
        let least = (LASTING_TIMES * of_lasting).min(CELL_TIMES * of_cells);
        let found = self.confirm(size, least, (unit, cells));
        for record in [&mut self.of_rows, &mut self.of_cells, &mut self.of_lasting] {
            record.close_cell();
        }
        if ended {
            return Some(Change::Over);
        }
        found.then(|| {
            self.begin(Departure {
                base: base_now,
                size: f64::from(size),
                record: f64::from(record),
                since: at
                    .checked_sub(cells.width().duration() * LASTING_CELLS as u32)
                    .unwrap_or(at),
                strong: false,
            })
        })
    }

    fn confirm(&self, size: f32, least: f32, (unit, cells): (Unit, &Cells)) -> bool {
        let base = self.base.unwrap_or(0.0);
        self.open.is_none()
            && self.suspicion > 0
            && size.abs() > least
            && f64::from(size.abs()) >= floor(unit, base)
            && cells.is_warm()
    }

    fn begin(&mut self, departure: Departure) -> Change {
        self.open = Some(Open { departure, calm_cells: 0, n_cells: 0 });
        Change::Began(departure)
    }

    fn is_over(&mut self, cells: &Cells) -> bool {
        let Some(open) = &mut self.open else { return false };
        open.n_cells += 1;
        let left = cells.back(0).map(|now| (now - open.departure.base) / open.departure.size);
        match left {
            Some(left) if left < OVER_SHARE => open.calm_cells += 1,
            Some(_) => open.calm_cells = 0,
            None => {}
        }
        let over = open.calm_cells >= OVER_CELLS || open.n_cells >= SETTLED_CELLS;
        if over {
            self.open = None;
        }
        over
    }
}

/// The nearer one of two departures to the same side; 0 where they go to different sides.
fn together(one: f32, other: f32) -> f32 {
    if one * other <= 0.0 {
        0.0
    } else if one.abs() < other.abs() {
        one
    } else {
        other
    }
}

/// What is too little to matter, however unusual: a share of the level, or a few of the unit.
fn floor(unit: Unit, level: f64) -> f64 {
    let least = match unit {
        Unit::Percent => 3.0,
        Unit::Ratio => 0.01,
        Unit::Milliseconds => 10.0,
        Unit::Megabytes => 1.0,
        Unit::Bytes => 1e6,
        Unit::BytesPerSecond => 1e4,
        Unit::Days => 1.0,
        Unit::PerMinute => 3.0,
        Unit::Count => 0.0,
    };
    (0.1 * level.abs()).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn departures_to_different_sides_are_none() {
        assert_eq!(together(3.0, -5.0).to_bits(), 0.0_f32.to_bits());
        assert_eq!(together(-3.0, -5.0).to_bits(), (-3.0_f32).to_bits());
    }

    #[test]
    fn a_record_counts_once_it_is_old() {
        let mut record = Record::default();
        record.note(5.0);
        for n in 0..LAG {
            assert_eq!(record.settled.to_bits(), 0.0_f32.to_bits(), "{n}");
            record.close_cell();
        }
        assert!(record.settled > 4.9);
    }
}
