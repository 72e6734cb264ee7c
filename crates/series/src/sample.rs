//! What is stored: samples, and the buckets that old samples are thinned out to.

use std::fmt;

use jiff::Timestamp;
use nightcrew_model::unit::Millis;

/// A moment in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// The earliest moment that a sample may have.
    pub const MIN: Self = Self(0);

    /// The latest moment that a sample may have, in the last days of the year 9999: the last second
    /// that is a date in every time zone.
    pub const MAX: Self = Self(253_402_207_200_000);

    /// The moment so much later; the latest one where there is none so late.
    #[must_use]
    pub fn plus(self, span: Millis) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }

    /// The moment so much earlier.
    #[must_use]
    pub fn minus(self, span: Millis) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0))
    }

    /// The start of the window of this width that the moment lies in, counted from 1970.
    #[must_use]
    pub fn floor(self, width: Millis) -> Self {
        let width = i64::try_from(width.0).unwrap_or(i64::MAX).max(1);
        Self(self.0.saturating_sub(self.0.rem_euclid(width)))
    }

    /// The moment as a timestamp, if it can be one.
    #[must_use]
    pub fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.0).ok()
    }
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(at.as_millisecond())
    }
}

impl fmt::Display for Moment {
    /// As RFC 3339 writes it, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.timestamp() {
            Some(at) => write!(f, "{at}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}

/// A number at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When it was read.
    pub at: Moment,
    /// What was read; finite once it is stored.
    pub value: f64,
}

impl Sample {
    /// A sample of its parts.
    #[must_use]
    pub fn new(at: i64, value: f64) -> Self {
        Self { at: Moment(at), value }
    }
}

/// Which series, for as long as the store is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub(crate) u32);

/// A sample and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Whose.
    pub series: SeriesId,
    /// The sample.
    pub sample: Sample,
}

/// How fine the stored times are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Every sample.
    Raw,
    /// Buckets of 5 minutes.
    FiveMinutes,
    /// Buckets of an hour.
    Hour,
}

impl Resolution {
    /// Every resolution, the finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::FiveMinutes, Self::Hour];

    /// The width of a bucket; of raw samples, the smallest distance.
    #[must_use]
    pub const fn width(self) -> Millis {
        match self {
            Self::Raw => Millis(1),
            Self::FiveMinutes => Millis::from_secs(300),
            Self::Hour => Millis::from_secs(3_600),
        }
    }
}

/// What is left of the samples of a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where the bucket starts; it ends before the start of the next.
    pub at: Moment,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The sum of the values; infinite where they are too large for it.
    pub sum: f64,
    /// How many samples there were.
    pub count: u64,
    /// The value of the last sample.
    pub last: f64,
}

impl Bucket {
    /// The mean of the values.
    #[must_use]
    pub fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53 in a bucket")]
        let count = self.count as f64;
        self.sum / count
    }
}

/// Something with a moment: what chunks are made of.
pub(crate) trait Timed: Copy {
    /// Its moment.
    fn at(&self) -> Moment;
}

impl Timed for Sample {
    fn at(&self) -> Moment {
        self.at
    }
}

impl Timed for Bucket {
    fn at(&self) -> Moment {
        self.at
    }
}

/// Brings what was gathered from several places into order.  Of several with the same moment the
/// one that was gathered last stays.
pub(crate) fn settle<T: Timed>(gathered: &mut Vec<T>) {
    if gathered.is_sorted_by(|one, other| one.at() < other.at()) {
        return;
    }
    gathered.sort_by_key(Timed::at);
    gathered.dedup_by(|later, kept| {
        let same = later.at() == kept.at();
        if same {
            *kept = *later;
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_at_one_moment_the_last_stays() {
        let mut samples = vec![
            Sample::new(2, 1.0),
            Sample::new(1, 2.0),
            Sample::new(2, 3.0),
            Sample::new(1, 4.0),
        ];
        settle(&mut samples);
        assert_eq!(samples, [Sample::new(1, 4.0), Sample::new(2, 3.0)]);
    }

    #[test]
    fn windows_start_where_they_should() {
        let hour = Millis::from_secs(3_600);
        assert_eq!(Moment(3_600_000).floor(hour), Moment(3_600_000));
        assert_eq!(Moment(3_599_999).floor(hour), Moment(0));
        assert_eq!(Moment(-1).floor(hour), Moment(-3_600_000));
        assert_eq!(Moment(i64::MIN).floor(hour).plus(Millis(u64::MAX)), Moment(i64::MAX));
        assert_eq!(Moment::MAX.timestamp().map(Moment::from), Some(Moment::MAX));
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00Z");
    }
}
