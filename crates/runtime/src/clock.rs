//! The one clock.

use jiff::Timestamp;
use tokio::time::Instant;

/// Where wall-clock time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The operating system.
    System,
    /// A moment that moves with tokio's clock, so that a test which pauses tokio's clock pauses
    /// this one too.
    Virtual {
        /// The wall-clock time at `start`.
        epoch: Timestamp,
        /// When that was.
        start: Instant,
    },
}

impl Clock {
    /// A clock that shows `epoch` now and moves with tokio's clock.
    #[must_use]
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self::Virtual { epoch, start: Instant::now() }
    }

    /// The time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Virtual { epoch, start } => {
                epoch.checked_add(start.elapsed()).unwrap_or(Timestamp::MAX)
            }
        }
    }
}
