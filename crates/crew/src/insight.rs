//! `reporter`, a further task: how well the crew saw and healed, folded from the journal once a
//! minute.

use std::sync::PoisonError;

use nightcrew_journal::entry::Position;
use nightcrew_model::decision::Decision;
use nightcrew_model::unit::Millis;
use nightcrew_report::detection_score::{DetectionScore, Watching};
use nightcrew_report::healing_score::{Healing, HealingScore};
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::time::sleep;

use crate::core::chain;
use crate::handle::Handle;

/// How often what is new in the journal is folded.
pub const FOLD: Millis = Millis::from_secs(60);

/// When it is folded for the first time: after what a start has to do.
const FIRST: Millis = Millis::from_secs(5);

/// What is folded.
#[derive(Default)]
struct Seen {
    watching: Watching,
    healing: Healing,
}

/// How well the crew does, as it was last looked at.
pub(crate) struct Scores {
    detection: DetectionScore,
    healing: HealingScore,
}

pub(crate) struct Insight {
    handle: Handle,
    seen: Seen,
    at: Position,
    round: u64,
}

impl Insight {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, seen: Seen::default(), at: Position::START, round: 0 }
    }

    async fn look(&mut self) -> Result<(), String> {
        self.round += 1;
        match self.round {
            // The first round is at once, so that readiness does not wait for it.
            1 => return Ok(()),
            2 => sleep(FIRST.duration()).await,
            _ => sleep(FOLD.duration()).await,
        }
        let (seen, after) = (std::mem::take(&mut self.seen), self.at);
        // What cannot be folded is lost, and folded from the beginning the next time.
        self.at = Position::START;
        let take = |seen: &mut Seen, decision: &Decision| {
            seen.watching.apply(decision);
            seen.healing.apply(decision);
        };
        let folded = self.handle.journal().fold(after, seen, take).await;
        (self.seen, self.at) = folded.map_err(|error| chain(&error))?;
        let now = self.handle.clock().now();
        let scores = Scores {
            detection: self.seen.watching.score(now),
            healing: self.seen.healing.score(now),
        };
        let held = &self.handle.0.insight;
        *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(scores);
        Ok(())
    }
}

impl Task for Insight {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.look())
    }
}

impl Handle {
    /// How well the crew saw in the last 30 days; none until that was looked at.
    #[must_use]
    pub fn detection_score(&self) -> Option<DetectionScore> {
        let held = self.0.insight.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|scores| scores.detection.clone())
    }

    /// How well the crew healed in the last 30 days; none until that was looked at.
    #[must_use]
    pub fn healing_score(&self) -> Option<HealingScore> {
        let held = self.0.insight.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().map(|scores| scores.healing.clone())
    }
}
