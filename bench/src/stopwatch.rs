//! Time, as a benchmark needs it: the only place here that reads a clock or sleeps.
//!
//! Nothing of this can be paused by a test: what is measured are other processes.

#![expect(clippy::disallowed_types, reason = "a benchmark measures other processes in real time")]

use std::time::{Duration, Instant};

use anyhow::bail;
use jiff::Timestamp;

/// A running measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// The elapsed time in milliseconds, with fractions.
    pub(crate) fn ms(self) -> f64 {
        ms(self.elapsed())
    }
}

/// A duration in milliseconds, with fractions.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The wall clock, which the crew stamps its decisions with too.
#[expect(clippy::disallowed_methods, reason = "compared with what another process read there")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "there is no runtime here whose worker could block")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Looks every `every` until there is something to see, `max` at most.
pub(crate) fn wait_for<T>(
    what: &str,
    max: Duration,
    every: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let began = Stopwatch::start();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if began.elapsed() >= max {
            bail!("{what}: not within {} s", max.as_secs());
        }
        pause(every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_what_is_seen_or_at_its_limit() {
        let (max, every) = (Duration::from_millis(20), Duration::from_millis(1));
        let mut looks = 0;
        let third = wait_for("three looks", Duration::from_secs(5), every, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(third.unwrap(), 3);
        let never = wait_for("a miracle", max, every, || Ok(None::<()>));
        assert!(never.unwrap_err().to_string().starts_with("a miracle: not within"));
    }
}
