//! The driver of tasks: the one place that spawns.
//!
//! A task belongs to a member of the crew and works in rounds.  Every round that ends is a
//! heartbeat.  A round that fails is counted and the task goes on; a round that panics, or takes
//! longer than it may, costs the task its state: it is made anew, after a pause that doubles.  A
//! task that falls too often in a row stays down.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use nightcrew_model::decision::AgentState;
use nightcrew_model::id::AgentName;
use nightcrew_model::unit::Millis;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;

/// The first pause before a fallen task is made anew.
pub const PAUSE_FIRST: Millis = Millis(500);
/// The longest pause before a fallen task is made anew.
pub const PAUSE_MAX: Millis = Millis::from_secs(30);
/// A task that falls this often without a whole round in between stays down.
pub const FALLS_IN_A_ROW_MAX: u32 = 8;

/// A future that is owned and can be sent.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Work in rounds.
pub trait Task: Send + 'static {
    /// Waits for something to do and does it, within the time that its [`Spec`] allows.  An error
    /// is shown and counted; the next round is the retry.
    fn round(&mut self) -> Boxed<'_, Result<(), String>>;
}

/// Makes a task, at the start and whenever it has fallen.
pub type Maker = Box<dyn FnMut() -> Boxed<'static, Result<Box<dyn Task>, String>> + Send>;

/// What the driver needs to know of a task.
pub struct Spec {
    /// Its name, unique.
    pub name: String,
    /// The member of the crew it belongs to.
    pub agent: AgentName,
    /// How long a round may take, waiting included; a longer one is a stall.
    pub round_max: Millis,
    /// How to make it.
    pub make: Maker,
}

/// How a task is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// The member of the crew it belongs to.
    pub agent: AgentName,
    /// How it is.
    pub state: AgentState,
    /// When its last round ended; none before the first.
    pub beat: Option<Timestamp>,
    /// How long a round may take.
    pub round_max: Millis,
    /// How many rounds it made.
    pub n_rounds: u64,
    /// How many rounds failed.
    pub n_errors: u64,
    /// How often it fell.
    pub n_falls: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// The statuses of every task, readable from anywhere.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Vec<Status>>>);

impl Board {
    /// How every task is, in the order in which they were added.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every task has made its first round and none is down.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !statuses.is_empty()
            && statuses
                .iter()
                .all(|status| status.n_rounds > 0 && status.state == AgentState::Healthy)
    }

    fn add(&self, status: Status) -> usize {
        let mut statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        statuses.push(status);
        statuses.len() - 1
    }

    fn update(&self, n: usize, change: impl FnOnce(&mut Status)) {
        let mut statuses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = statuses.get_mut(n) {
            change(status);
        }
    }
}

/// Runs tasks until it is stopped.
#[derive(Debug)]
pub struct Driver {
    clock: Clock,
    board: Board,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Driver {
    /// A driver without tasks.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (stop, _) = watch::channel(false);
        Self { clock, board: Board::default(), stop, tasks: JoinSet::new() }
    }

    /// The statuses of its tasks.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// Starts a task.
    pub fn start(&mut self, spec: Spec) {
        let n = self.board.add(Status {
            name: spec.name.clone(),
            agent: spec.agent.clone(),
            state: AgentState::Starting,
            beat: None,
            round_max: spec.round_max,
            n_rounds: 0,
            n_errors: 0,
            n_falls: 0,
            last_error: None,
        });
        let supervisor =
            Supervisor { n, board: self.board.clone(), clock: self.clock.clone(), spec };
        let mut stop = self.stop.subscribe();
        self.tasks.spawn(async move {
            // A stop ends the wait of a round, never what a round has handed to another thread.
            tokio::select! {
                () = supervisor.run() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }

    /// Stops every task and waits for them to be gone, at most `bound`.
    pub async fn stop(mut self, bound: Millis) {
        self.stop.send_replace(true);
        let all_gone = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(bound.duration(), all_gone).await.is_err() {
            tracing::warn!("some tasks did not end within {bound} and are cut off");
            self.tasks.abort_all();
        }
    }
}

struct Supervisor {
    n: usize,
    board: Board,
    clock: Clock,
    spec: Spec,
}

/// Why a task has to be made anew.
enum Fall {
    Panicked(String),
    Stalled,
    NotMade(String),
}

impl Supervisor {
    async fn run(mut self) {
        let mut falls_in_a_row = 0;
        loop {
            let rounds_before = self.n_rounds();
            let fall = self.live().await;
            falls_in_a_row = if self.n_rounds() > rounds_before { 1 } else { falls_in_a_row + 1 };
            let why = match fall {
                Fall::Panicked(message) => format!("panicked: {message}"),
                Fall::Stalled => {
                    format!("stalled: a round took longer than {}", self.spec.round_max)
                }
                Fall::NotMade(error) => format!("could not start: {error}"),
            };
            let down = falls_in_a_row >= FALLS_IN_A_ROW_MAX;
            let state = if down { AgentState::Failed } else { AgentState::Restarting };
            tracing::warn!(task.name = self.spec.name, "task {} {why}", self.spec.name);
            self.board.update(self.n, |status| {
                status.state = state;
                status.n_falls += 1;
                status.last_error = Some(why);
            });
            if down {
                tracing::error!(
                    "task {} fell {falls_in_a_row} times in a row and stays down",
                    self.spec.name
                );
                return;
            }
            let pause = PAUSE_FIRST.0.saturating_mul(1 << (falls_in_a_row - 1).min(16));
            tokio::time::sleep(Millis(pause.min(PAUSE_MAX.0)).duration()).await;
        }
    }

    /// Makes the task and lets it work until it falls.
    async fn live(&mut self) -> Fall {
        let round_max = self.spec.round_max.duration();
        let making = AssertUnwindSafe((self.spec.make)()).catch_unwind();
        let mut task = match tokio::time::timeout(round_max, making).await {
            Err(_) => return Fall::Stalled,
            Ok(Err(panic)) => return Fall::Panicked(words_of(panic.as_ref())),
            Ok(Ok(Err(error))) => return Fall::NotMade(error),
            Ok(Ok(Ok(task))) => task,
        };
        loop {
            let round = AssertUnwindSafe(task.round()).catch_unwind();
            let result = match tokio::time::timeout(round_max, round).await {
                Err(_) => return Fall::Stalled,
                Ok(Err(panic)) => return Fall::Panicked(words_of(panic.as_ref())),
                Ok(Ok(result)) => result,
            };
            let now = self.clock.now();
            self.board.update(self.n, |status| {
                status.state = AgentState::Healthy;
                status.beat = Some(now);
                status.n_rounds += 1;
                if let Err(error) = result {
                    status.n_errors += 1;
                    status.last_error = Some(error);
                }
            });
            // A round that never waits must not starve the others.
            tokio::task::yield_now().await;
        }
    }

    fn n_rounds(&self) -> u64 {
        self.board.statuses().get(self.n).map_or(0, |status| status.n_rounds)
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// What a round does.
    #[derive(Clone, Copy, Debug)]
    enum Does {
        Work,
        Fail,
        Panic,
        Hang,
    }

    struct Scripted(Arc<AtomicU32>, Vec<Does>);

    impl Task for Scripted {
        fn round(&mut self) -> Boxed<'_, Result<(), String>> {
            Box::pin(async {
                let n = self.0.fetch_add(1, Ordering::SeqCst) as usize;
                tokio::time::sleep(Millis(100).duration()).await;
                match self.1.get(n).copied().unwrap_or(Does::Work) {
                    Does::Work => Ok(()),
                    Does::Fail => Err("no luck".to_owned()),
                    Does::Panic => panic!("boom {n}"),
                    Does::Hang => std::future::pending().await,
                }
            })
        }
    }

    async fn drive(script: Vec<Does>, seconds: u64) -> Status {
        let rounds = Arc::new(AtomicU32::new(0));
        let mut driver = Driver::new(Clock::starting_at(Timestamp::UNIX_EPOCH));
        let board = driver.board();
        driver.start(Spec {
            name: "scripted".to_owned(),
            agent: "autoheal".into(),
            round_max: Millis::from_secs(5),
            make: Box::new(move || {
                let task: Box<dyn Task> = Box::new(Scripted(rounds.clone(), script.clone()));
                Box::pin(async { Ok(task) })
            }),
        });
        tokio::time::sleep(Millis::from_secs(seconds).duration()).await;
        let status = board.statuses().remove(0);
        driver.stop(Millis::from_secs(1)).await;
        status
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_that_fails_is_counted_and_the_task_goes_on() {
        let status = drive(vec![Does::Work, Does::Fail], 2).await;
        assert_eq!((status.state, status.n_errors, status.n_falls), (AgentState::Healthy, 1, 0));
        assert_eq!(status.last_error.as_deref(), Some("no luck"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_stalls_is_made_anew() {
        let status = drive(vec![Does::Work, Does::Panic, Does::Work, Does::Hang], 20).await;
        assert_eq!((status.state, status.n_falls), (AgentState::Healthy, 2));
        assert!(status.last_error.unwrap().starts_with("stalled"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_falls_too_often_stays_down() {
        let status = drive(vec![Does::Panic; 100], 300).await;
        assert_eq!((status.state, status.n_falls), (AgentState::Failed, FALLS_IN_A_ROW_MAX));
        assert_eq!(status.last_error.as_deref(), Some("panicked: boom 7"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_wait() {
        let before = tokio::time::Instant::now();
        drive(vec![Does::Hang], 1).await;
        assert!(before.elapsed() < Millis::from_secs(3).duration());
    }
}
