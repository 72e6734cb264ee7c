//! Doing what the gate admitted, or only showing it.
//!
//! [`Executor::DryRun`] goes the same way up to here and then has nothing to go on with: its arm
//! holds no code that could start a process or remove a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nightcrew_model::argv::Argv;
use nightcrew_model::plan::{StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use tokio::time::Instant;

use crate::gate::Admitted;
use crate::restart::Restart;
use crate::run;
use crate::sweep::{FILES_MAX, Report, Sweep};
use crate::work::{Program, Work};

/// Who carries out what was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// Does it.
    Live,
    /// Shows it.
    DryRun,
}

impl Executor {
    /// Carries out one admitted action, within `timeout` or the policy's limit, whichever is
    /// shorter.  A restart that has begun is finished even so, see `stop_timeout`.
    pub async fn execute(&self, admitted: Admitted, timeout: Millis, clock: &Clock) -> StepOutcome {
        let began = Instant::now();
        let (status, output) = match self {
            Self::DryRun => (
                StepStatus::Shown,
                format!("would run: {}", Argv::literal(admitted.verdict().argv.clone())),
            ),
            Self::Live => {
                let limit = timeout.min(admitted.timeout_max()).duration();
                match admitted.into_work() {
                    Work::Sweep(sweep) => clean(sweep, limit, clock).await,
                    Work::Restart(restart, environment) => {
                        let restart =
                            Restart { stop_timeout: restart.stop_timeout.min(limit), ..*restart };
                        blocking(move || restart.run(&environment)).await
                    }
                    Work::Run(program) => start(&program, limit).await,
                }
            }
        };
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        StepOutcome { status, output, took: Millis(took) }
    }
}

async fn start(program: &Program, limit: Duration) -> (StepStatus, String) {
    match program.prepare() {
        Ok(prepared) => run::run(prepared, limit).await,
        Err(why) => (StepStatus::Failed, why.to_string()),
    }
}

/// Tells a blocking sweep to end when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn clean(sweep: Sweep, limit: Duration, clock: &Clock) -> (StepStatus, String) {
    let now = clock.now();
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&stop.0);
    let mut work = std::pin::pin!(blocking(move || of_sweep(&sweep.run(now, FILES_MAX, &flag))));
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(limit) => {}
    }
    stop.0.store(true, Ordering::Relaxed);
    let (_, output) = work.await;
    (StepStatus::TimedOut, output)
}

/// A sweep failed when it could do nothing that it should have done.
fn of_sweep(report: &Report) -> (StepStatus, String) {
    let status = if report.errors > 0 && report.removed == 0 {
        StepStatus::Failed
    } else {
        StepStatus::Succeeded
    };
    (status, report.words())
}

async fn blocking(
    work: impl FnOnce() -> (StepStatus, String) + Send + 'static,
) -> (StepStatus, String) {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| (StepStatus::Failed, format!("the step broke off: {error}")))
}
