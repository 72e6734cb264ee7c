//! The way in: what the server, the command line and the agents ask of the crew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use jiff::Timestamp;
use nightcrew_config::settings::Settings;
use nightcrew_detect::judge::Judge;
use nightcrew_engine::settings::Settings as Rules;
use nightcrew_engine::state::State;
use nightcrew_engine::work::{Due, PlanDue, Wanted};
use nightcrew_journal::journal::Journal;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::decision::Decision;
use nightcrew_model::event::Event;
use nightcrew_model::id::{ChannelName, IncidentId, MetricName, SourceName, Target};
use nightcrew_model::sample::{Observation, Sample};
use nightcrew_model::verdict::RiskClass;
use nightcrew_observe::source;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::driver::Board;
use nightcrew_runtime::http::Http;
use tokio::sync::{Notify, RwLock, mpsc, oneshot, watch};

use crate::audit::Audit;
use crate::insight::Scores;
use crate::lane::LaneStats;
use crate::recording::Recording;
use crate::reload::{LastReload, Reloader};
use crate::telemetry::Telemetry;

/// How many commands may wait; a further one is told to come back later.
pub const COMMANDS_WAITING_MAX: usize = 4_096;

/// How many looks may wait; a collector that finds no room waits itself.
pub const LOOKS_WAITING_MAX: usize = 256;

/// How many alerts make up one command.  What a command decides is stored together or not at all,
/// so it has to fit into a batch of the journal.
pub const ALERTS_PER_COMMAND_MAX: usize = 10;

/// How many samples of the past make up one command: the core does nothing else meanwhile.
pub const LEARNED_PER_COMMAND_MAX: usize = 1_000;

/// How many bytes of labels and annotations make up one command, or one alert: their decisions have
/// to fit into a batch, escaped as JSON and with names that they repeat.
pub const COMMAND_BYTES_MAX: usize = 128 << 10;

/// How many commands of one request wait at a time.
pub const COMMANDS_PER_TURN_MAX: usize = 512;

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

/// Who kept samples of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The system that they come from: they end where the looks begin.
    Source,
    /// The crew, before it ended.
    Crew,
}

/// What the core is asked, and where the answer goes.
pub(crate) enum Command {
    /// To decide what follows from events.
    Decide {
        /// The events.
        events: Vec<Event>,
        /// Where what was decided goes once it is durable.
        answer: oneshot::Sender<Result<Vec<Decision>, Refusal>>,
    },
    /// To take alerts.
    Take {
        /// Through which door they came.
        source: Source,
        /// The alerts.
        alerts: Vec<IncomingAlert>,
        /// Where it is said that they are durable.
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
    /// To store its state for the next start.
    Store {
        /// Where it is said that it did, or could not.
        answer: oneshot::Sender<()>,
    },
    /// To let the detectors learn what was before the first look, oldest first.
    Learn {
        /// The samples.
        past: Vec<Sample>,
        /// Who kept them.
        kept: Kept,
        /// Where it is said that they are learned: looks do not wait for commands.
        answer: oneshot::Sender<()>,
    },
    /// To judge from now on: the past is learned, or there is none.
    Learned,
    /// To show its state.
    View(Look),
    /// To go by other settings from now on.
    Reload {
        /// All of them, with what cannot change while the crew runs as it was.
        settings: Arc<Settings>,
        /// Where it is said that they hold.
        answer: oneshot::Sender<Result<(), Refusal>>,
    },
}

/// The core's state as of one moment, for a [`Look`].
pub(crate) struct Seen<'a> {
    pub(crate) state: &'a State,
    pub(crate) rules: &'a Rules,
    pub(crate) judge: &'a Judge,
    pub(crate) now: Timestamp,
}

/// Looks at the state, or is told why it cannot.  What it gives back is called once everything
/// that it saw is durable, or is not going to be.
pub(crate) type Look = Box<dyn FnOnce(Result<Seen<'_>, Refusal>) -> Option<Release> + Send>;

/// Gives out what a [`Look`] saw.
pub(crate) type Release = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

/// What the engine's state asks for, as of the last commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Work {
    pub(crate) plans: Vec<PlanDue>,
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
    /// Log lines that services told of.
    pub log_lines: AtomicU64,
    /// Calls of the external heartbeat that were heard.
    pub heartbeats_sent: AtomicU64,
    /// Calls of the external heartbeat that were not.
    pub heartbeats_failed: AtomicU64,
}

/// A handle on a running crew; cheap to clone.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) settings: watch::Sender<Arc<Settings>>,
    pub(crate) clock: Clock,
    pub(crate) http: Http,
    pub(crate) journal: Journal,
    pub(crate) board: Board,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) looks: mpsc::Sender<Vec<Sample>>,
    pub(crate) work: watch::Sender<Work>,
    pub(crate) latest: Mutex<HashMap<(Target, MetricName), Sample>>,
    /// What services tell of themselves.
    pub(crate) telemetry: Telemetry,
    pub(crate) storage: watch::Sender<Option<String>>,
    /// The incidents that changed since their records were last written.
    pub(crate) changed: Mutex<BTreeSet<IncidentId>>,
    /// Told when there is a changed incident.
    pub(crate) incident_changed: Notify,
    /// Told when there is a message to send.
    pub(crate) message_queued: Notify,
    /// Read-locked by every action under way; a stop takes the write lock and so waits for them.
    pub(crate) acting: RwLock<()>,
    /// The same for every try at telling people.
    pub(crate) sending: RwLock<()>,
    pub(crate) counters: Counters,
    /// How telling people goes, by channel.
    pub(crate) lanes: Mutex<BTreeMap<ChannelName, LaneStats>>,
    /// How things stood at the last look of the audit.
    pub(crate) audit: Mutex<Option<Audit>>,
    /// How well the crew saw.
    pub(crate) insight: Mutex<Option<Scores>>,
    /// Where settings come from when somebody asks for a reload.
    pub(crate) reloader: Mutex<Option<Reloader>>,
    /// Held by the reload under way.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pub(crate) last_reload: Mutex<Option<LastReload>>,
    /// How asking each source goes.
    pub(crate) sources: Mutex<BTreeMap<SourceName, source::State>>,
    /// What is kept of what was measured.
    pub(crate) recording: Recording,
}

impl Handle {
    /// Hands events to the core.  When it returns, what was decided is durable.
    ///
    /// # Errors
    /// When nothing of it could be taken.
    pub async fn submit(&self, events: Vec<Event>) -> Result<Vec<Decision>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Decide { events, answer })?;
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Shows the engine's state, its settings and the time to `look`, inside the core and between
    /// its rounds: the core waits meanwhile, so it has to be quick.  Everything that was answered
    /// before is there, and everything that is there is durable when this returns.
    ///
    /// # Errors
    /// When nobody can be asked: the state is not known while the journal cannot be written.
    pub async fn view<R: Send + 'static>(
        &self,
        look: impl FnOnce(&State, &Rules, Timestamp) -> R + Send + 'static,
    ) -> Result<R, Refusal> {
        let (answer, answered) = oneshot::channel();
        let look: Look = Box::new(move |seen| match seen {
            Ok(seen) => {
                let found = look(seen.state, seen.rules, seen.now);
                Some(Box::new(move |durable: Result<(), Refusal>| {
                    // Whoever asked may have gone.
                    let _ = answer.send(durable.map(|()| found));
                }))
            }
            Err(refusal) => {
                let _ = answer.send(Err(refusal));
                None
            }
        });
        self.ask(Command::View(look))?;
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }

    pub(crate) fn ask(&self, command: Command) -> Result<(), Refusal> {
        self.0.commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.0.counters.overloads.fetch_add(1, Ordering::Relaxed);
                Refusal::Overloaded
            }
            mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
        })
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
        let mut commands = commands(alerts).into_iter().peekable();
        let mut trouble = Ok(());
        while commands.peek().is_some() {
            // Handed over together, so that few commits take them; in turns, so that one request
            // does not fill the whole queue.
            let turn = commands.by_ref().take(COMMANDS_PER_TURN_MAX);
            let turn: Vec<_> = turn.map(|alerts| self.take(source, alerts)).collect();
            for result in join_all(turn).await {
                trouble = trouble.and(result);
            }
            trouble.clone()?;
        }
        self.0.counters.alerts_received.fetch_add(n_alerts, Ordering::Relaxed);
        Ok(())
    }

    /// Has the state stored, so that the next start need not fold the whole log.
    pub(crate) async fn store_state(&self) {
        let (answer, stored) = oneshot::channel();
        if self.ask(Command::Store { answer }).is_ok() {
            // Without an answer it is not stored, and the log has it all the same.
            let _ = stored.await;
        }
    }

    async fn take(&self, source: Source, alerts: Vec<IncomingAlert>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Command::Take { source, alerts, answer })?;
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }

    /// Hands samples to the core, waiting for room.
    pub async fn look(&self, samples: Vec<Sample>) {
        for sample in &samples {
            let counter = match sample.observation {
                Observation::Read(_) => &self.0.counters.samples_read,
                Observation::Unknown(_) => &self.0.counters.samples_unknown,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        self.0.recording.offer(&samples);
        // The core is gone only when the crew stops.
        let _ = self.0.looks.send(samples).await;
    }

    /// Lets the detectors learn what was before the first look, oldest first.  It is no alarm: what
    /// they conclude counts with the next sample.
    ///
    /// # Errors
    /// When too much is waiting; what was handed over before is learned.
    pub(crate) async fn learn(&self, past: Vec<Sample>, kept: Kept) -> Result<(), Refusal> {
        let mut past = past.into_iter().peekable();
        while past.peek().is_some() {
            let part = past.by_ref().take(LEARNED_PER_COMMAND_MAX).collect();
            let (answer, learned) = oneshot::channel();
            self.ask(Command::Learn { past: part, kept, answer })?;
            // Without an answer nobody learns any longer.
            let _ = learned.await;
        }
        Ok(())
    }

    /// Says that the past is learned, or that there is none.  When too much is waiting nobody
    /// hears it, and the core goes on after [`crate::core::PAST_MAX`].
    pub(crate) fn learned(&self) {
        let _ = self.ask(Command::Learned);
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The settings as they are now; [`Handle::reload`] changes them.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.0.settings.borrow().clone()
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The HTTP client.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.0.http
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

    /// How telling people goes, by channel.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneStats> {
        let lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.values().cloned().collect()
    }

    /// How asking each source goes, of those that were asked already.
    #[must_use]
    pub fn sources(&self) -> Vec<source::State> {
        let sources = self.0.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.values().cloned().collect()
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

/// The alerts in their order, in parts that are one command each.
fn commands(alerts: Vec<IncomingAlert>) -> Vec<Vec<IncomingAlert>> {
    let mut commands: Vec<Vec<IncomingAlert>> = Vec::new();
    let mut bytes = 0;
    for alert in alerts {
        let more = length(&alert);
        match commands.last_mut() {
            Some(last)
                if last.len() < ALERTS_PER_COMMAND_MAX && bytes + more <= COMMAND_BYTES_MAX =>
            {
                last.push(alert);
                bytes += more;
            }
            _ => {
                commands.push(vec![alert]);
                bytes = more;
            }
        }
    }
    commands
}

fn length(alert: &IncomingAlert) -> usize {
    let pairs = alert.labels.iter().chain(alert.annotations.iter());
    pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>() + alert.generator_url.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alerts(n: usize, bytes: usize) -> Vec<IncomingAlert> {
        let alert = |n: usize| IncomingAlert {
            labels: [("n", n.to_string())].into_iter().collect(),
            annotations: [("요약", "x".repeat(bytes))].into_iter().collect(),
            starts_at: None,
            ends_at: None,
            generator_url: String::new(),
        };
        (0..n).map(alert).collect()
    }

    #[test]
    fn commands_are_bounded_in_number_and_length_and_keep_the_order() {
        let counts = |n, bytes| commands(alerts(n, bytes)).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(counts(0, 0), Vec::<usize>::new());
        assert_eq!(counts(25, 1), [10, 10, 5]);
        assert_eq!(counts(5, 60 << 10), [2, 2, 1]);
        assert_eq!(counts(2, COMMAND_BYTES_MAX), [1, 1]);
        let flat: Vec<_> = commands(alerts(9, 40 << 10)).into_iter().flatten().collect();
        assert_eq!(flat, alerts(9, 40 << 10));
    }
}
