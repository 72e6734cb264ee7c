//! How many questions a source is asked in a minute.

use nightcrew_model::unit::Millis;
use tokio::time::{Instant, sleep_until};

/// A bucket of questions that fills evenly: a minute's worth at most.
#[derive(Debug)]
pub(crate) struct Budget {
    /// How long one question takes to come back.
    each: Millis,
    /// When the bucket is full again.
    full_at: Instant,
    per_minute: u32,
}

impl Budget {
    pub(crate) fn new(per_minute: u32) -> Self {
        let per_minute = per_minute.max(1);
        let each = Millis((60_000 / u64::from(per_minute)).max(1));
        Self { each, full_at: Instant::now(), per_minute }
    }

    /// Waits until so many questions may be asked, and takes them.  What is more than a minute's
    /// worth waits for a full bucket.
    pub(crate) async fn wait(&mut self, questions: usize) {
        let wanted = u32::try_from(questions).unwrap_or(u32::MAX).min(self.per_minute);
        let room = self.each.duration() * (self.per_minute - wanted);
        // So much of the bucket may be missing at most.
        if let Some(ready) = self.full_at.checked_sub(room) {
            sleep_until(ready).await;
        }
        self.full_at = self.full_at.max(Instant::now()) + self.each.duration() * wanted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_goes_through_in_a_minute_after_a_burst() {
        let mut budget = Budget::new(30);
        let began = Instant::now();
        for _ in 0..30 {
            budget.wait(1).await;
        }
        assert!(began.elapsed() < Millis(10).duration(), "a full bucket lets a minute's worth go");
        for _ in 0..30 {
            budget.wait(1).await;
        }
        let passed = began.elapsed();
        assert!(passed >= Millis::from_secs(59).duration(), "{passed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_of_more_questions_than_the_limit_still_comes() {
        let mut budget = Budget::new(2);
        let began = Instant::now();
        budget.wait(50).await;
        budget.wait(50).await;
        assert!(began.elapsed() >= Millis::from_secs(59).duration());
        assert!(began.elapsed() <= Millis::from_secs(61).duration());
    }
}
