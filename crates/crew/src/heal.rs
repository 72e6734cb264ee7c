//! `autoheal`: lets the gate judge each step that is due, and executes what it admits.
//!
//! The order is the law: the judgement goes to the core, which makes the start of the step
//! durable; only then is it executed; then its outcome is made durable.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nightcrew_act::executor::Executor;
use nightcrew_act::gate::{Facts, Gate, Judgement};
use nightcrew_config::settings::Settings;
use nightcrew_engine::work::Due;
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{AttemptId, StepIndex};
use nightcrew_model::plan::Mode;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::handle::{Handle, Refusal, Work};

/// How often a heartbeat comes when nothing is due, and how long a refused report waits.
const IDLE: Millis = Millis(1_000);

type Key = (AttemptId, StepIndex);

pub(crate) struct Heal {
    handle: Handle,
    gate: Arc<Gate>,
    work: watch::Receiver<Work>,
    under_way: FuturesUnordered<Boxed<'static, Key>>,
    taken: HashSet<Key>,
    first: bool,
}

impl Heal {
    /// Begins by telling the core, which takes up what was cut off: by a crash of the crew, or by
    /// a fall of this task.
    pub(crate) async fn new(handle: Handle) -> Result<Self, String> {
        let gate = gate_of(&handle.settings());
        handle.submit(vec![Event::Started]).await.map_err(|refusal| refusal.to_string())?;
        // The core has folded the journal now: the gate's limit survives a restart.
        for (at, class) in &handle.0.work.borrow().recent {
            gate.remember(*class, *at);
        }
        Ok(Self {
            gate: Arc::new(gate),
            work: handle.0.work.subscribe(),
            handle,
            under_way: FuturesUnordered::new(),
            taken: HashSet::new(),
            first: true,
        })
    }

    async fn heal(&mut self) -> Result<(), String> {
        let due = self.work.borrow_and_update().due.clone();
        for due in due {
            let key = (due.attempt, due.index);
            if self.taken.insert(key) {
                let work = carry_out(self.handle.clone(), self.gate.clone(), due);
                self.under_way.push(Box::pin(async move {
                    work.await;
                    key
                }));
            }
        }
        if std::mem::take(&mut self.first) {
            // The first round is at once.
            return Ok(());
        }
        tokio::select! {
            Some(key) = self.under_way.next() => {
                self.taken.remove(&key);
            }
            // The core is gone only when the crew stops.
            _ = self.work.changed() => {}
            () = sleep(IDLE.duration()) => {}
        }
        Ok(())
    }
}

impl Task for Heal {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.heal())
    }
}

/// The gate of a configuration.
#[must_use]
pub fn gate_of(settings: &Settings) -> Gate {
    let mut facts = Facts::new(settings.data_dir.clone());
    facts.spared.push(settings.workspace_dir.clone());
    Gate::new(&settings.policy, &settings.services, facts)
}

/// Judges a step, and executes it once its start is durable.
async fn carry_out(handle: Handle, gate: Arc<Gate>, due: Due) {
    // Held until the outcome is durable: a stop of the crew waits for it.
    let _acting = handle.0.acting.read().await;
    let now = handle.clock().now();
    let action = due.step.action.clone();
    let judged = tokio::task::spawn_blocking(move || gate.admit(&action, now)).await;
    let Ok(Judgement { verdict, admitted }) = judged else {
        tracing::error!(attempt.id = %due.attempt, "judging a step of {} panicked", due.attempt);
        return sleep(IDLE.duration()).await;
    };
    let (attempt, step) = (due.attempt, due.index);
    let decisions = match handle.submit(vec![Event::StepJudged { attempt, step, verdict }]).await {
        Ok(decisions) => decisions,
        // The step is still due: the next round judges it anew.
        Err(refusal) => {
            tracing::warn!(attempt.id = %attempt, "step {step} of {attempt} has to wait: {refusal}");
            return sleep(IDLE.duration()).await;
        }
    };
    let started = decisions.iter().any(|decision| {
        matches!(&decision.fact, Fact::StepStarted { attempt: a, step: s, .. } if (*a, *s) == (attempt, step))
    });
    let (true, Some(admitted)) = (started, admitted) else { return };
    let executor = match due.mode {
        Mode::Live => Executor::Live,
        Mode::DryRun => Executor::DryRun,
    };
    let outcome = executor.execute(admitted, due.step.timeout, handle.clock()).await;
    let event = Event::StepFinished { attempt, step, outcome };
    // The effect is in the world: its outcome must not be lost.
    loop {
        match handle.submit(vec![event.clone()]).await {
            Ok(_) | Err(Refusal::Stopping) => return,
            Err(refusal) => {
                tracing::warn!(attempt.id = %attempt, "the outcome of {attempt} waits: {refusal}");
                sleep(IDLE.duration()).await;
            }
        }
    }
}
