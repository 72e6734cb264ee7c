//! The core: the one loop that decides.
//!
//! A round takes everything that waits, lets the engine decide, and makes all of it durable in one
//! commit; while that commit is under way the next round's work gathers, so that the disk's pace
//! sets the size of a batch.  Only then are commands answered and is work published.
//!
//! When the journal cannot be written, the state in memory has run ahead of the truth: it is
//! thrown away, commands are refused, and once a small write succeeds again the state is folded
//! anew.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use nightcrew_detect::threshold::Detector;
use nightcrew_engine::settings::{Listener, Settings};
use nightcrew_engine::state::State;
use nightcrew_journal::batch::Batch;
use nightcrew_journal::entry::Position;
use nightcrew_journal::error::AppendError;
use nightcrew_journal::limit::BATCH_DECISIONS_MAX;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::Event;
use nightcrew_model::id::IncidentId;
use nightcrew_model::sample::Sample;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::handle::{Command, Handle, Refusal, Work};

/// How often the engine is told that time has passed.
pub const TICK: Millis = Millis(1_000);

/// How often the state is stored, so that a start need not fold the whole log.
pub const SNAPSHOT: Millis = Millis::from_secs(300);

/// A state with fewer new decisions is not stored again.
pub const SNAPSHOT_DECISIONS_MIN: u64 = 1_000;

/// A state with more alerts is not stored: writing it would hold the core up.
pub const SNAPSHOT_ALERTS_MAX: usize = 10_000;

/// How often a small write is tried while the journal cannot be written.
pub const PROBE: Millis = Millis(1_000);

/// How many commands one round takes.
pub const COMMANDS_PER_ROUND_MAX: usize = 512;

/// How many collectors' looks one round takes.
pub const LOOKS_PER_ROUND_MAX: usize = 64;

/// What waits for the core.  It outlives the task, so that nothing is lost when the task falls.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) looks: mpsc::Receiver<Vec<Sample>>,
}

type Answer = oneshot::Sender<Result<Vec<Decision>, Refusal>>;

pub(crate) struct Core {
    handle: Handle,
    inbox: OwnedMutexGuard<Inbox>,
    rules: Settings,
    state: State,
    detector: Detector,
    next_tick: Instant,
    next_probe: Instant,
    next_snapshot: Instant,
    n_since_snapshot: u64,
}

/// The engine's part of the settings.
#[must_use]
pub fn rules(settings: &nightcrew_config::settings::Settings) -> Settings {
    let listener = |channel: &nightcrew_config::settings::Channel| Listener {
        channel: channel.name.clone(),
        notify: channel.notify.clone(),
    };
    let healing = &settings.healing;
    Settings {
        playbooks: settings.playbooks.clone(),
        mode: settings.mode,
        cooldown: healing.cooldown,
        dedup_window: healing.dedup_window,
        resolve_timeout: healing.resolve_timeout,
        verify_needed: healing.verify_needed,
        verify_interval: healing.verify_interval,
        verify_deadline: healing.verify_deadline,
        channels: settings.channels.iter().map(listener).collect(),
    }
}

impl Core {
    /// A core whose state is what the journal says.
    pub(crate) async fn new(
        handle: Handle,
        inbox: Arc<tokio::sync::Mutex<Inbox>>,
    ) -> Result<Self, String> {
        let inbox = inbox.lock_owned().await;
        let state = fold(&handle).await?;
        let core = Self {
            rules: rules(handle.settings()),
            detector: Detector::new(handle.settings().thresholds.clone()),
            // The first round is at once.
            next_tick: Instant::now(),
            next_probe: Instant::now(),
            next_snapshot: Instant::now() + SNAPSHOT.duration(),
            n_since_snapshot: 0,
            handle,
            inbox,
            state,
        };
        core.publish();
        Ok(core)
    }

    async fn work(&mut self) -> Result<(), String> {
        let mut looks = Vec::new();
        let mut commands = Vec::new();
        let inbox = &mut *self.inbox;
        tokio::select! {
            biased;
            Some(look) = inbox.looks.recv() => looks.push(look),
            Some(command) = inbox.commands.recv() => commands.push(command),
            () = sleep_until(self.next_tick) => {}
        }
        while looks.len() < LOOKS_PER_ROUND_MAX
            && let Ok(look) = inbox.looks.try_recv()
        {
            looks.push(look);
        }
        while commands.len() < COMMANDS_PER_ROUND_MAX
            && let Ok(command) = inbox.commands.try_recv()
        {
            commands.push(command);
        }
        let now = self.handle.clock().now();
        if self.handle.storage_trouble().is_some() && !self.recovered().await {
            // Samples of this time are let go: the next look repeats the level.
            self.refuse(commands);
            self.next_tick = Instant::now() + TICK.duration();
            return Ok(());
        }
        let mut pending = Pending::default();
        for look in looks {
            let decisions = self.see(look, now);
            pending.push(decisions, None);
        }
        for command in commands {
            let decisions = self.decide(command.events, now);
            pending.push(decisions, Some(command.answer));
        }
        if Instant::now() >= self.next_tick {
            self.next_tick = Instant::now() + TICK.duration();
            let ticked = self.decide(vec![Event::Tick], now);
            pending.push(ticked, None);
        }
        self.commit(pending).await?;
        self.snapshot().await
    }

    /// What follows from samples.
    fn see(&mut self, samples: Vec<Sample>, now: Timestamp) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for sample in samples {
            let findings = self.detector.observe(&sample);
            {
                let latest = &self.handle.0.latest;
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                latest.insert((sample.target.clone(), sample.metric.clone()), sample.clone());
            }
            let found = findings.into_iter().map(|finding| Event::Found { finding });
            let events = std::iter::once(Event::Observed { sample }).chain(found).collect();
            decisions.extend(self.decide(events, now));
        }
        decisions
    }

    fn decide(&mut self, events: Vec<Event>, now: Timestamp) -> Vec<Decision> {
        let decided = |event| nightcrew_engine::step(&mut self.state, &self.rules, now, event);
        events.into_iter().flat_map(decided).collect()
    }

    /// Makes decisions durable, then answers, then publishes the work that follows.
    async fn commit(&mut self, pending: Pending) -> Result<(), String> {
        let mut any = false;
        let mut trouble: Option<String> = None;
        let mut groups = VecDeque::from(pending.groups);
        while let Some(mut group) = groups.pop_front() {
            let decisions: Vec<Decision> =
                group.iter().flat_map(|(decisions, _)| decisions.iter().cloned()).collect();
            let n_decisions = decisions.len() as u64;
            if n_decisions > 0 && trouble.is_none() {
                any = true;
                let news = News::of(&decisions);
                match self.handle.journal().append(Batch::from(decisions)).await {
                    Ok(_) => {
                        news.tell(&self.handle);
                        let counters = &self.handle.0.counters;
                        counters.decisions.fetch_add(n_decisions, Ordering::Relaxed);
                        counters.commits.fetch_add(1, Ordering::Relaxed);
                        self.n_since_snapshot += n_decisions;
                    }
                    Err(AppendError::TooLarge) if group.len() > 1 => {
                        // Each command fits by itself; together they are too many bytes.
                        let rest = group.split_off(group.len() / 2);
                        groups.push_front(rest);
                        groups.push_front(group);
                        continue;
                    }
                    Err(error) => trouble = Some(chain(&error)),
                }
            }
            for (decisions, answer) in group {
                let Some(answer) = answer else { continue };
                let result = match &trouble {
                    None => Ok(decisions),
                    Some(why) => {
                        let counters = &self.handle.0.counters;
                        counters.storage_refusals.fetch_add(1, Ordering::Relaxed);
                        Err(Refusal::Storage(why.clone()))
                    }
                };
                // Whoever asked may have gone; what was decided stands all the same.
                let _ = answer.send(result);
            }
        }
        if let Some(why) = trouble {
            tracing::error!("the journal cannot be written: {why}");
            self.handle.0.storage.send_replace(Some(why.clone()));
            return Err(format!("the journal cannot be written: {why}"));
        }
        if any {
            self.publish();
        }
        Ok(())
    }

    /// Whether the journal can be written again; the state is then what the journal says.
    async fn recovered(&mut self) -> bool {
        if Instant::now() < self.next_probe {
            return false;
        }
        self.next_probe = Instant::now() + PROBE.duration();
        if self.handle.journal().probe_write().await.is_err() {
            return false;
        }
        let Ok(mut state) = fold(&self.handle).await else { return false };
        state.remember(self.state.latest());
        self.state = state;
        self.handle.0.storage.send_replace(None);
        tracing::warn!("the journal can be written again");
        self.publish();
        true
    }

    /// Stores the state now and then.  It is no fact: without it, a start folds the log.
    async fn snapshot(&mut self) -> Result<(), String> {
        if Instant::now() < self.next_snapshot {
            return Ok(());
        }
        self.next_snapshot = Instant::now() + SNAPSHOT.duration();
        if self.n_since_snapshot < SNAPSHOT_DECISIONS_MIN
            || self.state.alerts().count() > SNAPSHOT_ALERTS_MAX
        {
            return Ok(());
        }
        self.n_since_snapshot = 0;
        let bytes = serde_json::to_vec(&self.state).map_err(|error| chain(&error))?;
        let journal = self.handle.journal();
        // Nothing is appended meanwhile: only the core appends.
        let saved = journal.save_snapshot(journal.last_position(), bytes).await;
        saved.map_err(|error| chain(&error))
    }

    fn refuse(&self, commands: Vec<Command>) {
        let why = self.handle.storage_trouble().unwrap_or_default();
        for command in commands {
            self.handle.0.counters.storage_refusals.fetch_add(1, Ordering::Relaxed);
            let _ = command.answer.send(Err(Refusal::Storage(why.clone())));
        }
    }

    fn publish(&self) {
        let state = &self.state;
        let recent = state.recent_actions().to_vec();
        let work = Work { due: state.due(), wanted: state.wanted(), recent };
        self.handle.0.work.send_if_modified(|published| {
            let changed = *published != work;
            if changed {
                *published = work;
            }
            changed
        });
    }
}

impl Task for Core {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.work())
    }
}

/// What one round decided, in groups that each fit into one batch.  The decisions of one command
/// stay together.
#[derive(Default)]
struct Pending {
    groups: Vec<Vec<(Vec<Decision>, Option<Answer>)>>,
    n_in_last: usize,
}

impl Pending {
    fn push(&mut self, decisions: Vec<Decision>, answer: Option<Answer>) {
        if decisions.is_empty() && answer.is_none() {
            return;
        }
        let n_decisions = decisions.len();
        if self.groups.is_empty() || self.n_in_last + n_decisions > BATCH_DECISIONS_MAX {
            self.groups.push(Vec::new());
            self.n_in_last = 0;
        }
        self.n_in_last += n_decisions;
        if let Some(last) = self.groups.last_mut() {
            last.push((decisions, answer));
        }
    }
}

/// What a commit means for those who write and send.
struct News {
    incidents: BTreeSet<IncidentId>,
    message: bool,
}

impl News {
    fn of(decisions: &[Decision]) -> Self {
        let message = |decision: &Decision| {
            matches!(
                decision.fact,
                Fact::NotificationQueued { .. }
                    | Fact::NotificationDelivered { .. }
                    | Fact::NotificationFailed { .. }
            )
        };
        Self {
            incidents: decisions.iter().filter_map(|decision| decision.fact.incident()).collect(),
            message: decisions.iter().any(message),
        }
    }

    fn tell(self, handle: &Handle) {
        if self.message {
            handle.0.message_queued.notify_one();
        }
        if !self.incidents.is_empty() {
            let mut changed = handle.0.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.extend(self.incidents);
            drop(changed);
            handle.0.incident_changed.notify_one();
        }
    }
}

/// The state that the journal says: the last one that was stored, and what came after it.
async fn fold(handle: &Handle) -> Result<State, String> {
    let journal = handle.journal();
    let stored = journal.load_snapshot().await.map_err(|error| chain(&error))?;
    let (after, state) = match stored {
        None => (Position::START, State::default()),
        Some((position, bytes)) => match serde_json::from_slice(&bytes) {
            Ok(state) => (position, state),
            Err(error) => {
                tracing::warn!("a stored state of another version is left alone: {error}");
                (Position::START, State::default())
            }
        },
    };
    let folded = journal.fold(after, state, State::apply).await;
    folded.map(|(state, _)| state).map_err(|error| chain(&error))
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
