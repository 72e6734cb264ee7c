//! The core: the one loop that decides.
//!
//! A round takes everything that waits, lets the engine decide, and sends the decisions on their way
//! to the disk; while some are on their way the next round's work gathers, so that the disk's pace
//! sets the size of a batch.  Only when they are durable are commands answered and is work published.
//!
//! When the journal cannot be written, the state in memory has run ahead of the truth: it is
//! thrown away, commands are refused, and once a small write succeeds again the state is folded
//! anew.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use nightcrew_config::settings::Service;
use nightcrew_detect::judge::Judge;
use nightcrew_detect::judge::rules::Rules;
use nightcrew_engine::settings::{AllClear, Listener, Settings};
use nightcrew_engine::state::State;
use nightcrew_journal::entry::Position;
use nightcrew_journal::journal::Journal;
use nightcrew_model::decision::Decision;
use nightcrew_model::event::Event;
use nightcrew_model::sample::Sample;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::commit::{Answer, Line, Round, publish};
use crate::handle::{Command, Handle, Kept, Look, Refusal, Release, Seen, Work};

/// How often the engine is told that time has passed, where nothing is due sooner.
pub const TICK: Millis = Millis(1_000);

/// The shortest time between two such words, however much is due.
pub const TICK_MIN: Millis = Millis(20);

/// How often the state is stored, so that a start need not fold the whole log.
pub const SNAPSHOT: Millis = Millis::from_secs(300);

/// A state with fewer new decisions is not stored again.
pub const SNAPSHOT_DECISIONS_MIN: u64 = 1_000;

/// After so many decisions the state is stored in the next quiet moment.
pub const SNAPSHOT_DECISIONS_SOON: u64 = 20_000;

/// A state with more alerts is stored in a quiet moment, or at a stop: copying it holds the core up.
pub const SNAPSHOT_ALERTS_MAX: usize = 10_000;

/// A moment is quiet when nobody asked for anything for so long.
pub const QUIET: Millis = Millis::from_secs(2);

/// How often a small write is tried while the journal cannot be written.
pub const PROBE: Millis = Millis(1_000);

/// How often the judge hears who calls whom.
pub const CALLS: Millis = Millis::from_secs(60);

/// How long the judge waits for what was stored before the crew began.
pub const PAST_MAX: Millis = Millis::from_secs(30);

/// How many commands one round takes.
pub const COMMANDS_PER_ROUND_MAX: usize = 512;

/// How many collectors' looks one round takes.
pub const LOOKS_PER_ROUND_MAX: usize = 64;

/// What waits for the core.  It outlives the task, so that nothing is lost when the task falls.
pub(crate) struct Inbox {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) looks: mpsc::Receiver<Vec<Sample>>,
}

/// Whether the judge knows what was stored before the crew began.
#[derive(Clone, Copy, Debug)]
enum Past {
    /// It is being read.  Until then samples are compared with limits only: one that is judged
    /// before the past would make the past late.
    Awaited { until: Instant },
    /// It does, or there is none.
    Known,
}

pub(crate) struct Core {
    handle: Handle,
    inbox: OwnedMutexGuard<Inbox>,
    rules: Settings,
    state: State,
    judge: Judge,
    past: Past,
    /// When the judge hears next who calls whom.
    next_calls: Instant,
    /// When the engine was last told that time has passed.
    last_tick: Instant,
    first: bool,
    next_probe: Instant,
    next_snapshot: Instant,
    /// When somebody last asked for something.
    last_command: Instant,
    /// Who is told that the state is stored for the next start.
    last_word: Option<oneshot::Sender<()>>,
    storing: JoinSet<Result<(), String>>,
    line: Line,
}

/// The engine's part of the settings.
#[must_use]
pub fn rules(settings: &nightcrew_config::settings::Settings) -> Settings {
    let listener = |channel: &nightcrew_config::settings::Channel| Listener {
        channel: channel.name.clone(),
        notify: channel.notify.clone(),
        send_resolved: channel.send_resolved,
        fallback: channel.fallback.as_ref().map(|fallback| fallback.channel.clone()),
    };
    let triage = settings.triage.clone();
    let healing = &settings.healing;
    let services = || settings.services.values();
    let named = |service: &Service| service.name.clone();
    Settings {
        playbooks: settings.playbooks.clone(),
        mode: settings.mode,
        cooldown: healing.cooldown,
        dedup_window: healing.dedup_window,
        relapse_window: healing.relapse_window,
        resolve_timeout: healing.resolve_timeout,
        verify_needed: healing.verify_needed,
        verify_interval: healing.verify_interval,
        verify_deadline: healing.verify_deadline,
        autonomy: healing.autonomy,
        autonomy_of: services().filter_map(|it| Some((named(it), it.autonomy?))).collect(),
        ask_from: healing.ask_from,
        approval_timeout: healing.approval_timeout,
        run_limit: healing.run_limit,
        playbook_breaker: healing.playbook_breaker,
        groups: services().filter_map(|it| Some((named(it), it.group.clone()?))).collect(),
        group_down_max_percent: healing.group_down_max_percent,
        units: services().filter_map(|it| Some((named(it), it.unit.clone()?))).collect(),
        tickets_kept: settings
            .trackers
            .iter()
            .map(|tracker| tracker.reopen_window)
            .max()
            .unwrap_or(Millis(0)),
        channels: settings.channels.iter().map(listener).collect(),
        dedup_fields: triage.dedup_fields,
        routing: triage.routing,
        mute_windows: triage.mute_windows,
        policies: triage.policies,
        schedules: triage.schedules,
        people: triage.people,
        dependencies: triage.dependencies,
        flap: triage.flap,
        storm: triage.storm,
        watchdogs: triage.watchdogs,
        all_clear: triage.all_clear.map(|word| AllClear {
            at: word.at,
            zone: word.zone,
            channels: word.channels,
        }),
    }
}

/// The judge's part of the settings.
#[must_use]
pub fn detection(settings: &nightcrew_config::settings::Settings) -> Rules {
    Rules {
        thresholds: settings.thresholds.clone(),
        detection: settings.detection.clone(),
        slos: settings.slos.clone(),
        needs: settings.triage.dependencies.needs.clone(),
    }
}

impl Core {
    /// A core whose state is what the journal says.
    pub(crate) async fn new(
        handle: Handle,
        inbox: Arc<tokio::sync::Mutex<Inbox>>,
    ) -> Result<Self, String> {
        let inbox = inbox.lock_owned().await;
        let (state, n_folded) = fold(&handle).await?;
        let core = Self {
            rules: rules(&handle.settings()),
            judge: Judge::new(detection(&handle.settings())),
            next_calls: Instant::now(),
            past: match handle.0.recording.is_past_told() {
                true => Past::Known,
                false => Past::Awaited { until: Instant::now() + PAST_MAX.duration() },
            },
            // Before the first tick comes the word that the crew begins: it gives every source
            // its time again.
            last_tick: Instant::now(),
            first: true,
            next_probe: Instant::now(),
            next_snapshot: Instant::now() + SNAPSHOT.duration(),
            last_command: Instant::now(),
            last_word: None,
            storing: JoinSet::new(),
            line: Line::new(handle.clone(), n_folded),
            handle,
            inbox,
            state,
        };
        publish(&core.handle, core.wants());
        Ok(core)
    }

    async fn work(&mut self) -> Result<(), String> {
        // The first round is at once, so that readiness does not wait for it.
        if std::mem::take(&mut self.first) {
            return Ok(());
        }
        let mut looks = Vec::new();
        let mut commands = Vec::new();
        let wake = self.wake();
        let inbox = &mut *self.inbox;
        tokio::select! {
            biased;
            Some(look) = inbox.looks.recv() => looks.push(look),
            Some(command) = inbox.commands.recv() => commands.push(command),
            () = sleep_until(wake) => {}
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
            self.last_tick = Instant::now();
            return Ok(());
        }
        if !commands.is_empty() {
            self.last_command = Instant::now();
        }
        let mut round = Round::default();
        for look in looks {
            let decisions = self.see(look, now);
            round.push(decisions, None);
        }
        for command in commands {
            let (decisions, answer) = self.obey(command, now);
            round.push(decisions, answer);
        }
        if Instant::now() >= wake {
            self.last_tick = Instant::now();
            self.learn_calls();
            let missed = self.judge.tick(now).into_iter();
            let events = missed.map(|finding| Event::Found { finding });
            let ticked = self.decide(events.chain([Event::Tick]).collect(), now);
            round.push(ticked, None);
        }
        let work = round.has_decisions().then(|| self.wants());
        self.line.send(round, work).await;
        if let Some(answer) = self.last_word.take() {
            self.store_last().await;
            // Whoever stops the crew waits no longer than it wants to.
            let _ = answer.send(());
        }
        self.snapshot().await;
        Ok(())
    }

    /// Lets the judge know who calls whom, as traces taught it.
    fn learn_calls(&mut self) {
        if Instant::now() >= self.next_calls {
            self.next_calls = Instant::now() + CALLS.duration();
            let learned = self.handle.learned_calls().into_iter();
            self.judge.know_calls(learned.map(|learned| learned.edge));
        }
    }

    /// When the engine is to be told that time has passed.
    fn wake(&self) -> Instant {
        let (state, last) = (&self.state, self.last_tick);
        let due = state.next_due().into_iter().chain(state.next_escalation()).min();
        let tick = last + TICK.duration();
        due.map_or(tick, |due| {
            let now = self.handle.clock().now();
            let wait = Millis::between(now, due.max(now));
            // What is far away comes with a tick; an instant that far may not exist.
            let due = Instant::now() + wait.min(TICK).duration();
            due.max(last + TICK_MIN.duration()).min(tick)
        })
    }

    /// What follows from samples.
    fn see(&mut self, samples: Vec<Sample>, now: Timestamp) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for sample in samples {
            let findings = match self.past {
                Past::Awaited { until } if Instant::now() < until => self.judge.compare(&sample),
                Past::Awaited { .. } | Past::Known => self.judge.observe(&sample),
            };
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

    /// Does what a command asks: what is decided, and who hears of it once that is durable.
    fn obey(&mut self, command: Command, now: Timestamp) -> (Vec<Decision>, Option<Answer>) {
        match command {
            Command::Decide { events, answer } => {
                (self.decide(events, now), Some(Answer::Decided(answer)))
            }
            Command::Take { source, alerts, answer } => {
                let received = Event::AlertsReceived { source, alerts };
                (self.decide(vec![received], now), Some(Answer::Stored(answer)))
            }
            Command::Store { answer } => {
                self.last_word = Some(answer);
                (Vec::new(), None)
            }
            Command::Learn { past, kept, answer } => {
                past.iter().for_each(|sample| match kept {
                    Kept::Source => self.judge.learn(sample),
                    Kept::Crew => self.judge.remember(sample),
                });
                // Whoever asked may have gone.
                let _ = answer.send(());
                (Vec::new(), None)
            }
            Command::Learned => {
                self.past = Past::Known;
                (Vec::new(), None)
            }
            Command::View(look) => (Vec::new(), self.show(look, now).map(Answer::Seen)),
            Command::Reload { settings, answer } => {
                let decisions = self.reload(settings, now);
                let release: Release = Box::new(move |result| drop(answer.send(result)));
                (decisions, Some(Answer::Seen(release)))
            }
        }
    }

    /// Shows the state.  Whoever looks may panic and must not take the core along.
    fn show(&self, look: Look, now: Timestamp) -> Option<Release> {
        let seen = Seen { state: &self.state, rules: &self.rules, judge: &self.judge, now };
        std::panic::catch_unwind(AssertUnwindSafe(|| look(Ok(seen)))).unwrap_or_else(|_| {
            tracing::error!("a look at the state panicked");
            None
        })
    }

    fn decide(&mut self, events: Vec<Event>, now: Timestamp) -> Vec<Decision> {
        let decided = |event| nightcrew_engine::step(&mut self.state, &self.rules, now, event);
        events.into_iter().flat_map(decided).collect()
    }

    /// Whether the journal can be written again; the state is then what the journal says.
    async fn recovered(&mut self) -> bool {
        if Instant::now() < self.next_probe {
            return false;
        }
        self.next_probe = Instant::now() + PROBE.duration();
        // What is on its way is refused first.
        self.line.empty().await;
        if self.handle.journal().probe_write().await.is_err() {
            return false;
        }
        let Ok((mut state, _)) = fold(&self.handle).await else { return false };
        state.remember(self.state.latest());
        self.state = state;
        self.line.begin_again();
        self.handle.0.storage.send_replace(None);
        tracing::warn!("the journal can be written again");
        publish(&self.handle, self.wants());
        true
    }

    /// Stores the state now and then.  It is no fact: without it, a start folds the log.
    async fn snapshot(&mut self) {
        while let Some(stored) = self.storing.try_join_next() {
            if let Ok(Err(error)) = stored {
                tracing::warn!("the state could not be stored: {error}");
            }
        }
        let now = Instant::now();
        let n_decisions = self.line.count();
        let is_quiet = now >= self.last_command + QUIET.duration();
        let is_small = self.state.n_alerts() <= SNAPSHOT_ALERTS_MAX;
        let is_due = now >= self.next_snapshot && n_decisions >= SNAPSHOT_DECISIONS_MIN
            || is_quiet && n_decisions >= SNAPSHOT_DECISIONS_SOON;
        if !is_due || !(is_small || is_quiet) || !self.storing.is_empty() {
            return;
        }
        self.next_snapshot = now + SNAPSHOT.duration();
        let Some(position) = self.line.settled().await else { return };
        let (journal, state) = (self.handle.journal().clone(), self.state.clone());
        self.storing.spawn(store(journal, position, state));
    }

    /// Stores the state before a stop, whatever its size.
    async fn store_last(&mut self) {
        if self.line.count() < SNAPSHOT_DECISIONS_MIN {
            return;
        }
        // One that is under way is older.
        self.storing.abort_all();
        let Some(position) = self.line.settled().await else { return };
        let stored = store(self.handle.journal().clone(), position, self.state.clone()).await;
        if let Err(error) = stored {
            tracing::warn!("the state could not be stored: {error}");
        }
    }

    /// Goes by other settings from now on.
    fn reload(
        &mut self,
        settings: Arc<nightcrew_config::settings::Settings>,
        now: Timestamp,
    ) -> Vec<Decision> {
        // What is known by rules that stay as they were is kept; other levels come anew.
        self.judge.go_by(detection(&settings));
        self.rules = rules(&settings);
        self.handle.0.settings.send_replace(settings);
        self.decide(vec![Event::Tick], now)
    }

    fn refuse(&mut self, commands: Vec<Command>) {
        let why = self.handle.storage_trouble().unwrap_or_default();
        for command in commands {
            self.handle.0.counters.storage_refusals.fetch_add(1, Ordering::Relaxed);
            let refusal = Refusal::Storage(why.clone());
            match command {
                Command::Decide { answer, .. } => drop(answer.send(Err(refusal))),
                Command::Take { answer, .. } => drop(answer.send(Err(refusal))),
                Command::Store { answer } => drop(answer.send(())),
                Command::Learned => self.past = Past::Known,
                // The past is worth no second try.
                Command::Learn { answer, .. } => drop(answer.send(())),
                Command::View(look) => drop(look(Err(refusal))),
                Command::Reload { answer, .. } => drop(answer.send(Err(refusal))),
            }
        }
    }

    /// What the state asks for.
    fn wants(&self) -> Work {
        let recent = self.state.recent_actions().to_vec();
        Work {
            plans: self.state.plans_due(),
            due: self.state.due(),
            wanted: self.state.wanted(),
            recent,
        }
    }
}

impl Task for Core {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.work())
    }
}

/// Stores a state that was decided up to a position.
async fn store(journal: Journal, position: Position, state: State) -> Result<(), String> {
    let encoded = tokio::task::spawn_blocking(move || serde_json::to_vec(&state)).await;
    let bytes = encoded.map_err(|error| chain(&error))?.map_err(|error| chain(&error))?;
    journal.save_snapshot(position, bytes).await.map_err(|error| chain(&error))
}

/// The state that the journal says: the last one that was stored, and what came after it.
/// Gives how many decisions came after it.
async fn fold(handle: &Handle) -> Result<(State, u64), String> {
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
    let (state, last) = folded.map_err(|error| chain(&error))?;
    Ok((state, last.0.saturating_sub(after.0)))
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
