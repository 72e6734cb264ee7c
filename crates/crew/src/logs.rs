//! `logs-analyzer`: follows the log files, and says what they tell: findings become levels of the
//! core as they come, errors a rate, and every ten minutes the report of the day is written.

pub mod insights;
mod journal;
mod judge;
mod memory;
mod name;
mod pace;
mod stream;
mod tell;
mod told;
mod worker;

use futures_util::FutureExt as _;
use nightcrew_config::settings::{self, Settings};
use nightcrew_model::telemetry::LogLine;
use nightcrew_model::unit::Millis;
use nightcrew_observe::follow::wake::{LOOK_AGAIN, Moved, Wake};
use nightcrew_observe::follow::{ENTRY_WAIT, Rest};
use nightcrew_runtime::driver::{Boxed, Task};

use crate::core::chain;
use crate::handle::Handle;
use crate::logs::journal::Journal;
use crate::logs::worker::{Done, News, Worker};

/// Follows the logs.
pub(crate) struct LogsTask {
    handle: Handle,
    wake: Wake,
    /// None: it is not to be followed.
    journal: Option<Journal>,
    /// None: a round was cut off while it was at work.
    worker: Option<Box<Worker>>,
    rest: Rest,
    /// Lines that services sent, not yet worked on.
    told: Vec<LogLine>,
    first: bool,
}

impl LogsTask {
    /// A task for the logs, where any is to be followed.
    pub(crate) fn new(handle: Handle) -> Result<Option<Self>, String> {
        let settings = handle.settings();
        if !is_wanted(&settings) {
            return Ok(None);
        }
        let worker = Worker::new(&settings, handle.clock().now()).map_err(|error| chain(&error))?;
        Ok(Some(Self {
            handle,
            wake: Wake::new(),
            journal: (settings.logs.journal == settings::Journal::Followed).then(Journal::new),
            worker: Some(Box::new(worker)),
            rest: Rest::More,
            told: Vec::new(),
            first: true,
        }))
    }

    async fn follow(&mut self) -> Result<(), String> {
        // The first round is at once, so that readiness does not wait for it.
        if std::mem::take(&mut self.first) {
            return Ok(());
        }
        let moved = self.moved().await;
        // What came while nobody waited.
        let waiting = self.handle.log_lines().now_or_never();
        self.told.extend(waiting.into_iter().flatten());
        let Some(mut worker) = self.worker.take() else {
            return Err("its work was cut off; it begins again where it was stored".to_owned());
        };
        let journal = self.journal.as_mut().map(|journal| journal.take(worker.cursor()));
        let trouble = self.journal.as_ref().and_then(Journal::trouble).map(str::to_owned);
        let news = News {
            moved,
            journal: journal.unwrap_or_default(),
            journal_trouble: trouble,
            told: std::mem::take(&mut self.told),
        };
        let now = self.handle.clock().now();
        let work = tokio::task::spawn_blocking(move || {
            let done = worker.work(now, &news);
            (worker, done)
        });
        let Ok((worker, done)) = work.await else {
            // Without its worker the task is made anew by its next panic; better at once.
            panic!("the analysis of logs panicked");
        };
        let worker = self.worker.insert(worker);
        let Done { rest, samples, levels, folders, mut errors } = done;
        errors.extend(self.journal.as_mut().and_then(Journal::news));
        self.rest = rest.unwrap_or(Rest::Nothing);
        self.wake.watch(&folders);
        if !samples.is_empty() {
            self.handle.look(samples).await;
        }
        if !levels.is_empty()
            && let Err(refusal) = self.handle.submit(levels).await
        {
            worker.not_heard();
            return Err(refusal.to_string());
        }
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
    }

    /// Waits until something moves in a file, or in the journal.
    async fn moved(&mut self) -> Moved {
        let Self { handle, wake, journal, rest, told, .. } = self;
        let longest = match rest {
            Rest::More => return Moved::Content,
            Rest::Held => Millis(ENTRY_WAIT.0 / 2),
            Rest::Nothing => LOOK_AGAIN,
        };
        let heard = async {
            match journal {
                Some(journal) => journal.heard().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            moved = wake.wait(longest) => moved,
            () = heard => Moved::Content,
            lines = handle.log_lines() => {
                told.extend(lines);
                Moved::Content
            }
        }
    }
}

/// Whether there are logs to follow.
pub(crate) fn is_wanted(settings: &Settings) -> bool {
    settings.logs.is_wanted()
}

impl Task for LogsTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.follow())
    }
}
