//! Time that moves only when a test says so, although the journal works on threads of its own.

use std::sync::mpsc;
use std::time::Duration;

use nightcrew_crew::handle::Handle;
use nightcrew_model::unit::Millis;

/// The longest step in which time moves.
const STEP: Millis = Millis(10_000);

/// The shortest step in which time moves.
const STEP_MIN: Millis = Millis(50);

/// How long the crew is left alone after a step, for its threads.
const SETTLE: Duration = Duration::from_millis(1);

/// While it lives, a paused clock does not move by itself.
pub(crate) struct Time {
    _held: mpsc::Sender<()>,
}

impl Time {
    pub(crate) fn held() -> Self {
        let (held, hold) = mpsc::channel::<()>();
        // A thread that works keeps the runtime from moving its clock.
        drop(tokio::task::spawn_blocking(move || hold.recv().is_ok()));
        Self { _held: held }
    }

    /// Lets time pass, in steps, each of which ends when nothing waits for the disk.
    pub(crate) async fn pass(&self, handle: &Handle, span: Millis) {
        let step = Millis((span.0 / 40).clamp(STEP_MIN.0, STEP.0));
        let mut left = span;
        while left > Millis(0) {
            let next = step.min(left);
            tokio::time::advance(next.duration()).await;
            self.settle(handle).await;
            left = Millis(left.0 - next.0);
        }
    }

    /// Lets time pass until something is so, `most` at the longest.
    pub(crate) async fn until<T>(
        &self,
        handle: &Handle,
        most: Millis,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let mut waited = Millis(0);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(waited < most, "not within {most}: {what}\n{:#?}", handle.board().statuses());
            let step = Millis((waited.0 / 40).clamp(STEP_MIN.0, STEP.0));
            self.pass(handle, step).await;
            waited = Millis(waited.0 + step.0);
        }
    }

    /// Waits, without moving the clock, until nothing waits for the disk.
    pub(crate) async fn settle(&self, handle: &Handle) {
        let mut quiet = 0;
        while quiet < 2 {
            #[expect(
                clippy::disallowed_methods,
                reason = "real time for the threads of the journal"
            )]
            let rest = tokio::task::spawn_blocking(|| std::thread::sleep(SETTLE));
            rest.await.unwrap();
            quiet = if handle.journal().write_stats().waiting == 0 { quiet + 1 } else { 0 };
        }
    }
}
