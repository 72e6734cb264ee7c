//! One collector: blocking work with a timeout, a breaker, and never more than one thread.
//!
//! **Invariant:** while one look is stuck in the kernel (a dead NFS server, say), no second one is
//! begun; the collector answers `TimedOut` at once until the first comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use nightcrew_config::settings;
use nightcrew_model::sample::Unknown;
use nightcrew_model::unit::Millis;
use tokio::task::JoinHandle;

use crate::breaker::Breaker;

/// Tells a look that nobody waits for it any longer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs one kind of look.
#[derive(Debug)]
pub(crate) struct Collector<T> {
    timeout: Millis,
    breaker: Breaker,
    running: Option<JoinHandle<Result<T, Unknown>>>,
    /// Whether the time of what is running is over.
    late: bool,
}

impl<T: Send + 'static> Collector<T> {
    pub(crate) fn new(timeout: Millis, breaker: settings::Breaker) -> Self {
        Self { timeout, breaker: Breaker::new(breaker), running: None, late: false }
    }

    /// Whether an earlier look has not come back.
    pub(crate) fn is_stuck(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.is_finished())
    }

    /// Looks, unless an earlier look is stuck or the breaker is open.  The answer of a look that
    /// came back too late, or after its caller had gone, is thrown away: it is about an earlier
    /// moment.
    pub(crate) async fn look(
        &mut self,
        now: Timestamp,
        work: impl FnOnce(&Cancelled) -> Result<T, Unknown> + Send + 'static,
    ) -> Result<T, Unknown> {
        if self.late && self.is_stuck() {
            return Err(Unknown::TimedOut(self.timeout));
        }
        if !self.breaker.allow(now) {
            return Err(Unknown::BreakerOpen);
        }
        let answer = self.run(work).await;
        match answer {
            Ok(_) | Err(Unknown::Absent) => self.breaker.success(),
            Err(_) => self.breaker.failure(now),
        }
        answer
    }

    async fn run(
        &mut self,
        work: impl FnOnce(&Cancelled) -> Result<T, Unknown> + Send + 'static,
    ) -> Result<T, Unknown> {
        if let Some(earlier) = self.running.take() {
            self.wait(earlier).await?.ok();
        }
        let cancelled = Cancelled::default();
        let _cancel = CancelOnDrop(cancelled.clone());
        let handle = tokio::task::spawn_blocking(move || work(&cancelled));
        self.wait(handle).await?
    }

    /// Waits for a look, as long as one may take; the outer error says that it is late.
    async fn wait(
        &mut self,
        handle: JoinHandle<Result<T, Unknown>>,
    ) -> Result<Result<T, Unknown>, Unknown> {
        // Kept here while we wait, so that it is not forgotten when the caller is dropped.
        let handle = self.running.insert(handle);
        let Ok(joined) = tokio::time::timeout(self.timeout.duration(), handle).await else {
            self.late = true;
            return Err(Unknown::TimedOut(self.timeout));
        };
        self.running = None;
        self.late = false;
        let broken = |_| Err(Unknown::Failed("the collector broke off".into()));
        Ok(joined.unwrap_or_else(broken))
    }
}

/// Sets the sign when the caller goes on, or is dropped while it waits.
struct CancelOnDrop(Cancelled);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn collector(timeout_ms: u64) -> Collector<u32> {
        Collector::new(Millis(timeout_ms), settings::Breaker::default())
    }

    #[tokio::test]
    async fn a_stuck_look_is_not_doubled_and_its_late_answer_is_thrown_away() {
        let mut collector = collector(20);
        let (release, stuck) = mpsc::channel::<()>();
        let look = collector.look(at(0), move |_| {
            stuck.recv().ok();
            Ok(1)
        });
        assert_eq!(look.await, Err(Unknown::TimedOut(Millis(20))));
        for second in 1..10 {
            let second_look = collector.look(at(second), |_| unreachable!("a second thread"));
            assert_eq!(second_look.await, Err(Unknown::TimedOut(Millis(20))));
        }
        drop(release);
        while collector.is_stuck() {
            tokio::task::yield_now().await;
        }
        assert_eq!(collector.look(at(10), |_| Ok(2)).await, Ok(2));
    }

    #[tokio::test]
    async fn the_breaker_opens_after_three_failures_but_not_by_absence() {
        let mut collector = collector(5_000);
        for second in 0..5 {
            let absent = collector.look(at(second), |_| Err(Unknown::Absent)).await;
            assert_eq!(absent, Err(Unknown::Absent));
        }
        let failed = Unknown::Failed("입출력 오류".into());
        for second in 5..8 {
            let why = failed.clone();
            let answer = collector.look(at(second), move |_| Err(why)).await;
            assert_eq!(answer, Err(failed.clone()));
        }
        assert_eq!(collector.look(at(9), |_| Ok(1)).await, Err(Unknown::BreakerOpen));
        assert_eq!(collector.look(at(68), |_| Ok(1)).await, Ok(1));
    }

    #[tokio::test]
    async fn a_look_that_panics_is_a_failure_and_the_next_one_works() {
        let mut collector = collector(5_000);
        let broken = collector.look(at(0), |_| panic!("on purpose")).await;
        assert!(matches!(broken, Err(Unknown::Failed(_))));
        assert_eq!(collector.look(at(1), |_| Ok(7)).await, Ok(7));
    }

    #[tokio::test]
    async fn a_look_is_told_that_nobody_waits() {
        let mut collector = collector(20);
        let look = collector.look(at(0), |cancelled| {
            while !cancelled.is_set() {
                std::thread::yield_now();
            }
            Ok(1)
        });
        assert_eq!(look.await, Err(Unknown::TimedOut(Millis(20))));
        while collector.is_stuck() {
            tokio::task::yield_now().await;
        }
    }
}
