//! What the caller may choose.

use nightcrew_model::unit::Millis;

use crate::limit::{
    FUTURE_MAX, HEAD_SAMPLES_MAX, LATE_MAX, QUERY_SAMPLES_MAX, QUERY_SERIES_MAX, SERIES_MAX,
};
use crate::sample::Resolution;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// The settings of a store.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The largest number of living series.
    pub series_max: usize,
    /// With so many samples in memory they are sealed before the next batch is taken.
    pub head_samples_max: usize,
    /// How much older than the newest sample of its series a sample may be.
    pub late_max: Millis,
    /// How far ahead of the caller's clock a sample may be.
    pub future_max: Millis,
    /// How long samples are kept.
    pub raw_age_max: Millis,
    /// How long buckets of 5 minutes are kept.
    pub five_minutes_age_max: Millis,
    /// How long buckets of an hour are kept.
    pub hour_age_max: Millis,
    /// The largest size of all segments, in bytes.
    pub bytes_max: u64,
    /// The largest number of series in the answer to a query.
    pub query_series_max: usize,
    /// The largest number of samples that one query reads.
    pub query_samples_max: u64,
}

impl Default for Config {
    /// Samples for 32 days, buckets of 5 minutes for a year, of an hour for 5 years, 8 GiB.
    fn default() -> Self {
        Self {
            series_max: SERIES_MAX,
            head_samples_max: HEAD_SAMPLES_MAX,
            late_max: LATE_MAX,
            future_max: FUTURE_MAX,
            raw_age_max: Millis::from_secs(32 * DAY),
            five_minutes_age_max: Millis::from_secs(366 * DAY),
            hour_age_max: Millis::from_secs(5 * 366 * DAY),
            bytes_max: 8 << 30,
            query_series_max: QUERY_SERIES_MAX,
            query_samples_max: QUERY_SAMPLES_MAX,
        }
    }
}

/// The window of a sealed segment; also the first window that segments are merged in.
pub(crate) const SEAL_WINDOW: Millis = Millis::from_secs(2 * HOUR);

/// The window that is thinned out at once.
pub(crate) const THIN_WINDOW: Millis = Millis::from_secs(DAY);

impl Config {
    /// How long times of this resolution are kept.
    pub(crate) fn age_max(&self, resolution: Resolution) -> Millis {
        match resolution {
            Resolution::Raw => self.raw_age_max,
            Resolution::FiveMinutes => self.five_minutes_age_max,
            Resolution::Hour => self.hour_age_max,
        }
    }

    /// The windows that segments of a resolution are merged in, each a whole part of the next.
    ///
    /// A segment leaves as a whole, so a window is no larger than a quarter of the time for which
    /// its times are kept: by so much they may outlive it.
    pub(crate) fn windows(&self, resolution: Resolution) -> impl Iterator<Item = Millis> {
        const RAW: &[Millis] =
            &[SEAL_WINDOW, Millis::from_secs(DAY), Millis::from_secs(8 * DAY), DAYS_64];
        const DAYS_64: Millis = Millis::from_secs(64 * DAY);
        const THIN: &[Millis] = &[THIN_WINDOW, Millis::from_secs(8 * DAY), DAYS_64];
        let windows = if resolution == Resolution::Raw { RAW } else { THIN };
        let largest = self.age_max(resolution).0 / 4;
        windows.iter().enumerate().filter(move |(n, w)| *n == 0 || w.0 <= largest).map(|(_, w)| *w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_parts_of_each_other_and_of_the_age() {
        let config = Config::default();
        for resolution in Resolution::ALL {
            let windows: Vec<u64> = config.windows(resolution).map(|window| window.0).collect();
            assert!(windows.array_windows().all(|[one, next]| next % one == 0 && next > one));
        }
        assert_eq!(config.windows(Resolution::Raw).count(), 3);
        let short = Config { raw_age_max: Millis(1), ..config };
        assert_eq!(short.windows(Resolution::Raw).collect::<Vec<_>>(), [SEAL_WINDOW]);
    }
}
