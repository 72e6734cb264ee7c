//! `autoheal`: lets the gate judge whole plans, then each step that is due, and executes what it
//! admits.
//!
//! The order is the law: the judgement goes to the core, which makes the start of the step
//! durable; only then is it executed; then its outcome is made durable.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nightcrew_act::executor::Executor;
use nightcrew_act::gate::{Facts, Gate, Judgement};
use nightcrew_act::sandbox::Launcher;
use nightcrew_act::surroundings::{Sight, Surroundings};
use nightcrew_config::settings::Settings;
use nightcrew_engine::work::{Due, Part, PlanDue};
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{AttemptId, StepIndex};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::handle::{Handle, Refusal, Work};

/// How often a heartbeat comes when nothing is due, and how long a refused report waits.
const IDLE: Millis = Millis(1_000);

/// What is under way: a judgement of a whole plan, or a part of a step.
type Key = (AttemptId, Option<(Part, StepIndex)>);

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
        let (plans, due) = {
            let work = self.work.borrow_and_update();
            (work.plans.clone(), work.due.clone())
        };
        for plan in plans {
            let key = (plan.attempt, None);
            if self.taken.insert(key) {
                let work = judge(self.handle.clone(), self.gate.clone(), plan);
                self.under_way.push(Box::pin(async move {
                    work.await;
                    key
                }));
            }
        }
        for due in due {
            let key = (due.attempt, Some((due.part, due.index)));
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
    facts.actions_per_hour = settings.healing.actions_per_hour;
    facts.launcher = Launcher::myself();
    Gate::new(&settings.policy, &settings.services, facts)
}

/// Judges a whole plan, before anything of it begins.
async fn judge(handle: Handle, gate: Arc<Gate>, due: PlanDue) {
    let attempt = due.attempt;
    let judged = tokio::task::spawn_blocking(move || {
        due.parts().map(|(_, _, action)| gate.judge(action)).collect()
    });
    let Ok(verdicts) = judged.await else {
        tracing::error!(attempt.id = %attempt, "judging the plan of {attempt} panicked");
        return sleep(IDLE.duration()).await;
    };
    // Where it is refused, the plan is still due: the next round judges it anew.
    if let Err(refusal) = handle.submit(vec![Event::PlanJudged { attempt, verdicts }]).await {
        tracing::warn!(attempt.id = %attempt, "the plan of {attempt} has to wait: {refusal}");
        sleep(IDLE.duration()).await;
    }
}

/// Judges a part of a step, and executes it once its start is durable.
async fn carry_out(handle: Handle, gate: Arc<Gate>, due: Due) {
    // Held until the outcome is durable: a stop of the crew waits for it.
    let _acting = handle.0.acting.read().await;
    let now = handle.clock().now();
    let Due { attempt, index: step, part, action, permit, .. } = due;
    let judging = Arc::clone(&gate);
    let judged = tokio::task::spawn_blocking(move || match permit {
        Some(_) => judging.admit_approved(&action, now),
        None => judging.admit(&action, now),
    });
    let Ok(Judgement { verdict, admitted }) = judged.await else {
        tracing::error!(attempt.id = %attempt, "judging a step of {attempt} panicked");
        return sleep(IDLE.duration()).await;
    };
    let class = verdict.class;
    let event = match part {
        Part::Do => Event::StepJudged { attempt, step, verdict },
        Part::Undo => Event::UndoJudged { attempt, step, verdict },
    };
    let decisions = match handle.submit(vec![event]).await {
        Ok(decisions) => decisions,
        // The step is still due: the next round judges it anew.
        Err(refusal) => {
            gate.give_back(class, now);
            tracing::warn!(attempt.id = %attempt, "step {step} of {attempt} has to wait: {refusal}");
            return sleep(IDLE.duration()).await;
        }
    };
    let Some(admitted) = admitted else { return };
    if !decisions.iter().any(|decision| begins(&decision.fact, attempt, part, step)) {
        // It was skipped, or something else was decided.
        gate.give_back(class, now);
        return;
    }
    let executor = if due.mode.is_live() { Executor::Live } else { Executor::DryRun };
    let around = Surroundings {
        clock: handle.clock().clone(),
        http: handle.http().clone(),
        sight: sight(&handle),
    };
    let outcome = executor.execute(admitted, due.step.timeout, &around).await;
    let event = match part {
        Part::Do => Event::StepFinished { attempt, step, outcome },
        Part::Undo => Event::UndoFinished { attempt, step, outcome },
    };
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

/// Whether a fact is the beginning of a part of a step.
fn begins(fact: &Fact, attempt: AttemptId, part: Part, step: StepIndex) -> bool {
    match (fact, part) {
        (Fact::StepStarted { attempt: a, step: s, .. }, Part::Do)
        | (Fact::UndoStarted { attempt: a, step: s, .. }, Part::Undo) => {
            (*a, *s) == (attempt, step)
        }
        _ => false,
    }
}

/// What was seen last, for steps that only look.
fn sight(handle: &Handle) -> Sight {
    let needs = handle.settings().triage.dependencies.needs.clone();
    Sight { samples: handle.latest(), needs }
}
