//! A question over a range, and its answer in a number of points that somebody can look at.
//!
//! A short range is answered with the samples as they were taken, a long one with buckets.  What
//! is older than samples are kept comes from the thinned-out times, so that a question over a year
//! costs no more than one over a day.

use std::str::FromStr;

use nightcrew_model::matcher::Matchers;
use nightcrew_model::unit::Millis;

use crate::downsample::widen_to;
use crate::error::{Damage, QueryError};
use crate::limit::POINTS_MAX;
use crate::query::{Line, Selection};
use crate::sample::{Bucket, Moment, Resolution, Sample};
use crate::store::Store;

/// Up to this span the samples themselves are the answer, where nobody says.
pub const RAW_SPAN_MAX: Millis = Millis::from_secs(2 * 3_600);

/// About how many buckets a series gets, where nobody says.
pub const BUCKETS_WANTED: u64 = 500;

/// Widths that a reader can follow, in seconds.
const WIDTHS: [u64; 16] = [
    10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    604_800,
];

/// How far apart the points of an answer are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// As the range allows.
    #[default]
    Auto,
    /// Every sample.
    Raw,
    /// Buckets of this width, rounded up to whole 5 minutes or hours beyond them.
    Width(Millis),
}

/// The text is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no step; write auto, raw, or a span such as 30s, 5m or 1h")]
pub struct BadStep(String);

impl FromStr for Step {
    type Err = BadStep;

    fn from_str(text: &str) -> Result<Self, BadStep> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "raw" => Ok(Self::Raw),
            span => {
                let bad = || BadStep(span.chars().take(50).collect());
                let span: jiff::Span = span.parse().map_err(|_| bad())?;
                let days = jiff::SpanRelativeTo::days_are_24_hours();
                let ms = span.total((jiff::Unit::Millisecond, days)).map_err(|_| bad())?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a cast of a float saturates"
                )]
                let width = Millis(ms as u64);
                if width.0 == 0 { Err(bad()) } else { Ok(Self::Width(width)) }
            }
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which series.
    pub matchers: Matchers,
    /// Where the range starts.
    pub from: Moment,
    /// Where it ends; what is at this moment is not in it.
    pub until: Moment,
    /// How far apart the points are.
    pub step: Step,
}

/// The points of every series that has some.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Samples as they were taken.
    Samples(Vec<Line<Sample>>),
    /// Buckets of one width.
    Buckets {
        /// How wide each is.
        width: Millis,
        /// The series.
        lines: Vec<Line<Bucket>>,
    },
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where the range starts.
    pub from: Moment,
    /// Where it ends.
    pub until: Moment,
    /// The points.
    pub rows: Rows,
    /// What could not be read; what is beside it is in the answer.
    pub damage: Vec<Damage>,
}

impl Store {
    /// Answers a question.
    ///
    /// # Errors
    /// When the range is backwards, or the answer would be larger than one may be.
    pub fn answer(&self, now: Moment, question: &Question) -> Result<Answer, QueryError> {
        let Question { from, until, .. } = *question;
        let span = Millis(u64::try_from(until.0.saturating_sub(from.0)).unwrap_or(0));
        let wanted = Millis((span.0 / BUCKETS_WANTED).max(1));
        match question.step {
            Step::Raw => self.every(question),
            Step::Auto if span <= RAW_SPAN_MAX && self.raw_age() >= Millis(age(now, from)) => {
                match self.every(question) {
                    Err(QueryError::TooManyPoints { .. }) => self.thinned(now, question, wanted),
                    answer => answer,
                }
            }
            Step::Auto => self.thinned(now, question, wanted),
            Step::Width(width) => self.stepped(question, self.whole(now, from, width)),
        }
    }

    fn raw_age(&self) -> Millis {
        self.config.raw_age_max
    }

    fn every(&self, question: &Question) -> Result<Answer, QueryError> {
        let mut found = self.select(&selection(question))?;
        let lines = bounded(found.by_ref())?;
        let damage = found.damage().to_vec();
        let (from, until) = (question.from, question.until);
        Ok(Answer { from, until, rows: Rows::Samples(lines), damage })
    }

    /// Buckets of the smallest width that a reader can follow and that gives few enough of them.
    fn thinned(
        &self,
        now: Moment,
        question: &Question,
        wanted: Millis,
    ) -> Result<Answer, QueryError> {
        let mut widths = WIDTHS.into_iter().map(Millis::from_secs);
        let width = widths.find(|width| *width >= wanted).unwrap_or(wanted);
        self.stepped(question, self.whole(now, question.from, width))
    }

    /// The width as a whole number of buckets that are still kept.
    fn whole(&self, now: Moment, from: Moment, width: Millis) -> Millis {
        let age = Millis(age(now, from));
        let finest = match width.0 {
            _ if age > self.config.five_minutes_age_max => Resolution::Hour,
            _ if age > self.config.raw_age_max => Resolution::FiveMinutes,
            _ => Resolution::Raw,
        };
        let unit = finest.max(resolution(width)).width();
        Millis(width.0.div_ceil(unit.0).saturating_mul(unit.0))
    }

    fn stepped(&self, question: &Question, width: Millis) -> Result<Answer, QueryError> {
        let mut selection = selection(question);
        selection.from = selection.from.floor(width);
        let mut found = self.buckets(&selection, resolution(width))?;
        let wide = found
            .by_ref()
            .map(|line| Line { labels: line.labels, rows: widen_to(line.rows, width) });
        let lines = bounded(wide)?;
        let damage = found.damage().to_vec();
        let (from, until) = (selection.from, question.until);
        Ok(Answer { from, until, rows: Rows::Buckets { width, lines }, damage })
    }
}

/// The coarsest times of which a bucket of this width is made.
fn resolution(width: Millis) -> Resolution {
    let mut coarse = Resolution::ALL.into_iter().rev();
    coarse.find(|resolution| width >= resolution.width()).unwrap_or(Resolution::Raw)
}

/// How long ago a moment is, in milliseconds.
fn age(now: Moment, from: Moment) -> u64 {
    u64::try_from(now.0.saturating_sub(from.0)).unwrap_or(0)
}

fn selection(question: &Question) -> Selection {
    let Question { matchers, from, until, .. } = question.clone();
    Selection { matchers, from, until }
}

fn bounded<T>(lines: impl Iterator<Item = Line<T>>) -> Result<Vec<Line<T>>, QueryError> {
    let (mut points, mut kept) = (0, Vec::new());
    for line in lines {
        points += line.rows.len();
        if points > POINTS_MAX {
            return Err(QueryError::TooManyPoints { limit: POINTS_MAX });
        }
        kept.push(line);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_word_or_a_span() {
        assert_eq!("auto".parse(), Ok(Step::Auto));
        assert_eq!("raw".parse(), Ok(Step::Raw));
        assert_eq!("90s".parse(), Ok(Step::Width(Millis(90_000))));
        assert_eq!("1d".parse(), Ok(Step::Width(Millis(86_400_000))));
        for bad in ["", "0s", "-5m", "5", "soon"] {
            assert!(bad.parse::<Step>().unwrap_err().to_string().contains("30s"), "{bad}");
        }
    }

    #[test]
    fn widths_are_whole_buckets() {
        assert_eq!(resolution(Millis(299_999)), Resolution::Raw);
        assert_eq!(resolution(Millis(300_000)), Resolution::FiveMinutes);
        assert_eq!(resolution(Millis(7_200_000)), Resolution::Hour);
        assert_eq!(resolution(Millis(0)), Resolution::Raw);
    }
}
