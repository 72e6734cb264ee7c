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

use crate::done::Done;
use crate::gate::Admitted;
use crate::restart::Restart;
use crate::run;
use crate::surroundings::Surroundings;
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
    pub async fn execute(
        &self,
        admitted: Admitted,
        timeout: Millis,
        around: &Surroundings,
    ) -> StepOutcome {
        let began = Instant::now();
        let done = match self {
            Self::DryRun => Done::new(
                StepStatus::Shown,
                format!("would run: {}", Argv::literal(admitted.verdict().argv.clone())),
            ),
            Self::Live => {
                let limit = timeout.min(admitted.timeout_max()).duration();
                carry_out(admitted.into_work(), limit, around).await
            }
        };
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        StepOutcome {
            status: done.status,
            output: done.output,
            took: Millis(took),
            results: done.results,
        }
    }
}

async fn carry_out(work: Work, limit: Duration, around: &Surroundings) -> Done {
    let now = around.clock.now();
    match work {
        Work::Sweep(sweep) => clean(sweep, limit, &around.clock).await.into(),
        Work::Restart(restart, environment) => {
            let restart = Restart { stop_timeout: restart.stop_timeout.min(limit), ..*restart };
            blocking(move || restart.run(&environment).into()).await
        }
        Work::Run(program) => start(&program, limit).await.into(),
        Work::Container(container, task) => container.carry_out(&task, &around.http, limit).await,
        Work::Compose(service, patience) => service.restart(patience, &around.http, limit).await,
        Work::Tell(telling) => blocking(move || telling.carry_out()).await,
        Work::Request(call) => call.send(&around.http, limit).await,
        Work::Rotate(rotation) => blocking(move || rotation.carry_out(now, limit)).await,
        Work::Logs(count) => blocking(move || count.carry_out(now, limit)).await,
        Work::Question(service, question) => question.answer(&service, &around.sight, now),
        Work::Memory(whose) => whose.collect(&around.http).await,
        Work::Raise(raise) => raise.carry_out(&around.http, limit).await,
        Work::Wait(duration) => {
            tokio::time::sleep(duration.min(limit)).await;
            if duration > limit {
                return Done::new(
                    StepStatus::TimedOut,
                    "the step's time was shorter than its wait",
                );
            }
            Done::succeeded("waited")
        }
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
    let sweep = move || of_sweep(&sweep.run(now, FILES_MAX, &flag)).into();
    let mut work = std::pin::pin!(blocking(sweep));
    tokio::select! {
        done = &mut work => return (done.status, done.output),
        () = tokio::time::sleep(limit) => {}
    }
    stop.0.store(true, Ordering::Relaxed);
    (StepStatus::TimedOut, work.await.output)
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

async fn blocking(work: impl FnOnce() -> Done + Send + 'static) -> Done {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Done::failed(format!("the step broke off: {error}")))
}
