//! The way in: what the server, the command line and the agents ask of the crew.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use jiff::Timestamp;
use nightcrew_config::settings::Settings;
use nightcrew_engine::work::{Due, Wanted};
use nightcrew_journal::journal::Journal;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::decision::Decision;
use nightcrew_model::event::Event;
use nightcrew_model::id::{IncidentId, MetricName, Target};
use nightcrew_model::sample::{Observation, Sample};
use nightcrew_model::verdict::RiskClass;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::driver::Board;
use nightcrew_runtime::http::Http;
use tokio::sync::{Notify, RwLock, mpsc, oneshot, watch};

/// How many commands may wait; a further one is told to come back later.
pub const COMMANDS_WAITING_MAX: usize = 4_096;

/// How many looks may wait; a collector that finds no room waits itself.
pub const LOOKS_WAITING_MAX: usize = 256;

/// How many alerts make up one command.  What a command decides is stored together or not at all,
/// so it has to fit into a batch of the journal.
pub const ALERTS_PER_COMMAND_MAX: usize = 10;

/// How many commands of one request wait at a time.
pub const COMMANDS_PER_TURN_MAX: usize = 64;

/// Why something was not taken.  Nothing of it was stored, or what was stored is whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much is waiting.
    #[error("too many requests are waiting; send it again in a moment")]
    Overloaded,
    /// The journal cannot be written.
    #[error("the journal cannot be written: {0}; send it again when that is mended")]
    Storage(String),
    /// The crew is stopping.
    #[error("the crew is stopping")]
    Stopping,
}

/// Events for the core, and where the answer goes.
pub(crate) struct Command {
    pub(crate) events: Vec<Event>,
    pub(crate) answer: oneshot::Sender<Result<Vec<Decision>, Refusal>>,
}

/// What the engine's state asks for, as of the last commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Work {
    pub(crate) due: Vec<Due>,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) recent: Vec<(Timestamp, RiskClass)>,
}

/// Counters for `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Alerts that came in through any door.
    pub alerts_received: AtomicU64,
    /// Commands that were refused because too much was waiting.
    pub overloads: AtomicU64,
    /// Commands that were refused because the journal could not be written.
    pub storage_refusals: AtomicU64,
    /// Samples that were read.
    pub samples_read: AtomicU64,
    /// Looks that came back with nothing.
    pub samples_unknown: AtomicU64,
    /// Decisions that are durable.
    pub decisions: AtomicU64,
    /// Commits of the journal.
    pub commits: AtomicU64,
}

/// A handle on a running crew; cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) http: Http,
    pub(crate) journal: Journal,
    pub(crate) board: Board,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) looks: mpsc::Sender<Vec<Sample>>,
    pub(crate) work: watch::Sender<Work>,
    pub(crate) latest: Mutex<HashMap<(Target, MetricName), Sample>>,
    pub(crate) storage: watch::Sender<Option<String>>,
    /// The incidents that changed since their records were last written.
    pub(crate) changed: Mutex<BTreeSet<IncidentId>>,
    /// Told when there is a changed incident.
    pub(crate) incident_changed: Notify,
    /// Told when there is a message to send.
    pub(crate) message_queued: Notify,
    /// Read-locked by every action under way; a stop takes the write lock and so waits for them.
    pub(crate) acting: RwLock<()>,
    pub(crate) counters: Counters,
}

impl Handle {
    /// Hands events to the core.  When it returns, what was decided is durable.
    ///
    /// # Errors
    /// When nothing of it could be taken.
    pub async fn submit(&self, events: Vec<Event>) -> Result<Vec<Decision>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.0.commands.try_send(Command { events, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.0.counters.overloads.fetch_add(1, Ordering::Relaxed);
                Refusal::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
        })?;
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Takes alerts from a source.  When it returns, every one of them is durable.
    ///
    /// # Errors
    /// When some could not be taken; sending all of them again is safe.
    pub async fn take_alerts(
        &self,
        source: Source,
        alerts: Vec<IncomingAlert>,
    ) -> Result<(), Refusal> {
        let n_alerts = alerts.len() as u64;
        let mut alerts = alerts.into_iter().peekable();
        let mut trouble = Ok(());
        while alerts.peek().is_some() {
            // Handed over together, so that one commit takes them; in turns, so that one request
            // does not fill the whole queue.
            let turn: Vec<_> = (0..COMMANDS_PER_TURN_MAX)
                .map(|_| alerts.by_ref().take(ALERTS_PER_COMMAND_MAX).collect::<Vec<_>>())
                .filter(|alerts| !alerts.is_empty())
                .map(|alerts| self.submit(vec![Event::AlertsReceived { source, alerts }]))
                .collect();
            for result in join_all(turn).await {
                trouble = trouble.and(result.map(drop));
            }
            trouble.clone()?;
        }
        self.0.counters.alerts_received.fetch_add(n_alerts, Ordering::Relaxed);
        Ok(())
    }

    /// Hands samples to the core, waiting for room.
    pub(crate) async fn look(&self, samples: Vec<Sample>) {
        for sample in &samples {
            let counter = match sample.observation {
                Observation::Read(_) => &self.0.counters.samples_read,
                Observation::Unknown(_) => &self.0.counters.samples_unknown,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        // The core is gone only when the crew stops.
        let _ = self.0.looks.send(samples).await;
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How every task is.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.0.board
    }

    /// The counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Why the journal cannot be written; none while it can.
    #[must_use]
    pub fn storage_trouble(&self) -> Option<String> {
        self.0.storage.borrow().clone()
    }

    /// Whether every task has made its first round, none is down, and the journal can be written.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.board.is_ready() && self.storage_trouble().is_none()
    }

    /// The latest sample of every metric, by target and metric.
    #[must_use]
    pub fn latest(&self) -> Vec<Sample> {
        let latest = self.0.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples: Vec<Sample> = latest.values().cloned().collect();
        drop(latest);
        samples.sort_by(|a, b| (&a.target, &a.metric).cmp(&(&b.target, &b.metric)));
        samples
    }

    /// How many commands wait for the core.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        COMMANDS_WAITING_MAX - self.0.commands.capacity()
    }
}
