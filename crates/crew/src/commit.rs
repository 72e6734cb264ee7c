//! The way from decisions to the disk: a line of batches.
//!
//! A few batches may be on their way at a time, so that the core decides the next round while the
//! disk takes the last one.  They become durable in their order.  Each says where the log has to
//! end for it: when one is not written, those behind it are not either, and whoever waits for them
//! is refused.
//!
//! **Invariant:** an answer is given, and work is published, after everything that was decided
//! before is durable.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nightcrew_journal::entry::Position;
use nightcrew_journal::error::AppendError;
use nightcrew_journal::limit::BATCH_DECISIONS_MAX;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::id::IncidentId;
use tokio::sync::{Notify, oneshot};

use crate::core::chain;
use crate::handle::{Handle, Refusal, Release, Work};

/// How many batches are on their way at a time; the next one gathers meanwhile.
pub const BATCHES_UNDER_WAY_MAX: usize = 4;

/// Whom a commit answers.
pub(crate) enum Answer {
    /// Somebody who brought events and wants to know what was decided.
    Decided(oneshot::Sender<Result<Vec<Decision>, Refusal>>),
    /// Somebody who wants to know that it is durable.
    Stored(oneshot::Sender<Result<(), Refusal>>),
    /// Somebody who looked at the state.
    Seen(Release),
}

impl Answer {
    fn wait_for(self, decisions: &[Decision]) -> Waiting {
        match self {
            Self::Decided(asked) => Waiting::Decided(decisions.to_owned(), asked),
            Self::Stored(asked) => Waiting::Stored(asked),
            Self::Seen(release) => Waiting::Seen(release),
        }
    }
}

/// Somebody who waits for a batch.
enum Waiting {
    Decided(Vec<Decision>, oneshot::Sender<Result<Vec<Decision>, Refusal>>),
    Stored(oneshot::Sender<Result<(), Refusal>>),
    Seen(Release),
}

impl Waiting {
    fn into_answer(self) -> Answer {
        match self {
            Self::Decided(_, asked) => Answer::Decided(asked),
            Self::Stored(asked) => Answer::Stored(asked),
            Self::Seen(release) => Answer::Seen(release),
        }
    }

    /// Whoever asked may have gone; what was decided stands all the same.
    fn give(self, handle: &Handle, outcome: &Result<(), String>) {
        let outcome = outcome.clone().map_err(|why| {
            handle.0.counters.storage_refusals.fetch_add(1, Ordering::Relaxed);
            Refusal::Storage(why)
        });
        match self {
            Self::Decided(decisions, asked) => drop(asked.send(outcome.map(|()| decisions))),
            Self::Stored(asked) => drop(asked.send(outcome)),
            Self::Seen(release) => release(outcome),
        }
    }
}

/// What one command decided, and whom that answers.
struct Part {
    decisions: Vec<Decision>,
    answer: Option<Answer>,
}

/// What one round decided.  The decisions of one command stay together.
#[derive(Default)]
pub(crate) struct Round(VecDeque<Part>);

impl Round {
    pub(crate) fn push(&mut self, decisions: Vec<Decision>, answer: Option<Answer>) {
        if !decisions.is_empty() || answer.is_some() {
            self.0.push_back(Part { decisions, answer });
        }
    }

    /// Whether anything was decided.
    pub(crate) fn has_decisions(&self) -> bool {
        self.0.iter().any(|part| !part.decisions.is_empty())
    }

    /// The next parts that fit into one batch.
    fn next(&mut self) -> Option<Vec<Part>> {
        let (mut parts, mut n_decisions) = (Vec::new(), 0);
        while let Some(part) = self.0.front() {
            n_decisions += part.decisions.len();
            if n_decisions > BATCH_DECISIONS_MAX && !parts.is_empty() {
                break;
            }
            parts.extend(self.0.pop_front());
        }
        (!parts.is_empty()).then_some(parts)
    }
}

/// A batch on its way.
enum Progress {
    UnderWay(Vec<Waiting>),
    Over(Result<(), String>),
}

/// What the line and its batches share.
#[derive(Default)]
struct Traffic {
    n_under_way: AtomicUsize,
    /// Told when a batch is over.
    over: Notify,
}

/// The line.
pub(crate) struct Line {
    handle: Handle,
    /// Where the log ends when everything on its way is written.
    end: Position,
    last: Arc<Mutex<Progress>>,
    traffic: Arc<Traffic>,
    /// How many decisions were handed over since it was last settled.
    n_decisions: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// A line behind the end of the log, in which so many decisions are not in a stored state.
    pub(crate) fn new(handle: Handle, n_decisions: u64) -> Self {
        let end = handle.journal().last_position();
        let last = Arc::new(Mutex::new(Progress::Over(Ok(()))));
        Self { handle, end, last, traffic: Arc::default(), n_decisions }
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn empty(&self) {
        self.fewer_than(1).await;
    }

    /// Waits until nothing is on its way and gives the position up to which the log is what was
    /// decided, counting decisions anew; none when the journal cannot be written.
    pub(crate) async fn settled(&mut self) -> Option<Position> {
        self.empty().await;
        if self.handle.storage_trouble().is_some() {
            return None;
        }
        self.n_decisions = 0;
        Some(self.end)
    }

    async fn fewer_than(&self, n: usize) {
        loop {
            let over = self.traffic.over.notified();
            if self.traffic.n_under_way.load(Ordering::Acquire) < n {
                return;
            }
            over.await;
        }
    }

    /// How many decisions were handed over since the line was last settled.
    pub(crate) fn count(&self) -> u64 {
        self.n_decisions
    }

    /// Sends what a round decided on its way.  `work` is what follows from all of it.
    pub(crate) async fn send(&mut self, mut round: Round, mut work: Option<Work>) {
        while let Some(mut parts) = round.next() {
            if parts.iter().all(|part| part.decisions.is_empty()) {
                self.attach(parts);
                continue;
            }
            self.fewer_than(BATCHES_UNDER_WAY_MAX).await;
            loop {
                let is_last = round.0.is_empty();
                let follows = if is_last { work.take() } else { None };
                let Err((unsent, unpublished)) = self.send_batch(parts, follows) else { break };
                // Each command fits by itself; together they are too many bytes.
                parts = unsent;
                work = work.or(unpublished);
                let rest = parts.split_off(parts.len().div_ceil(2));
                rest.into_iter().rev().for_each(|part| round.0.push_front(part));
            }
        }
    }

    /// Sends one batch; gives it back when it is too large and can be split.
    fn send_batch(
        &mut self,
        parts: Vec<Part>,
        work: Option<Work>,
    ) -> Result<(), (Vec<Part>, Option<Work>)> {
        let mut lengths = Vec::with_capacity(parts.len());
        let (mut decisions, mut waiting) = (Vec::new(), Vec::new());
        for Part { decisions: more, answer } in parts {
            lengths.push(more.len());
            waiting.push(answer.map(|answer| answer.wait_for(&more)));
            decisions.extend(more);
        }
        let n_decisions = decisions.len() as u64;
        let batch = Arc::new(Mutex::new(Progress::UnderWay(Vec::new())));
        let over = Over {
            handle: self.handle.clone(),
            traffic: Arc::clone(&self.traffic),
            batch: Arc::clone(&batch),
            news: News::of(&decisions),
            n_decisions,
            work: work.clone(),
        };
        self.traffic.n_under_way.fetch_add(1, Ordering::AcqRel);
        let done = move |outcome: Result<_, AppendError>| {
            over.tell(&outcome.map(drop).map_err(|error| chain(&error)));
        };
        match self.handle.journal().append_at(self.end, decisions, done) {
            Ok(()) => {
                self.end = Position(self.end.0 + n_decisions);
                self.n_decisions += n_decisions;
                self.last = batch;
            }
            Err(refused) => {
                self.traffic.end();
                if refused.error == AppendError::TooLarge && lengths.len() > 1 {
                    let parts = apart(refused.decisions, lengths, waiting);
                    return Err((parts, work));
                }
                // The state has it and the log will not: as when it cannot be written.
                let why = chain(&refused.error);
                fail(&self.handle, &why);
                *lock(&batch) = Progress::Over(Err(why));
                self.last = batch;
            }
        }
        waiting.into_iter().flatten().for_each(|waiting| self.wait(waiting));
        Ok(())
    }

    /// Has what decided nothing answered after everything before it.
    fn attach(&self, parts: Vec<Part>) {
        for part in parts {
            if let Some(answer) = part.answer {
                self.wait(answer.wait_for(&[]));
            }
        }
    }

    /// Waits for the last batch.
    fn wait(&self, waiting: Waiting) {
        let mut last = lock(&self.last);
        match &mut *last {
            Progress::UnderWay(others) => others.push(waiting),
            Progress::Over(outcome) => {
                let outcome = outcome.clone();
                drop(last);
                waiting.give(&self.handle, &outcome);
            }
        }
    }

    /// Begins anew behind the end of the log; nothing is on its way.
    pub(crate) fn begin_again(&mut self) {
        self.end = self.handle.journal().last_position();
        self.last = Arc::new(Mutex::new(Progress::Over(Ok(()))));
    }
}

/// The parts of a batch that was given back.
fn apart(
    decisions: Vec<Decision>,
    lengths: Vec<usize>,
    waiting: Vec<Option<Waiting>>,
) -> Vec<Part> {
    let mut decisions = decisions.into_iter();
    let parts = lengths.into_iter().zip(waiting).map(|(length, waiting)| Part {
        decisions: decisions.by_ref().take(length).collect(),
        answer: waiting.map(Waiting::into_answer),
    });
    parts.collect()
}

/// What is to be done when a batch is over.
struct Over {
    handle: Handle,
    traffic: Arc<Traffic>,
    batch: Arc<Mutex<Progress>>,
    news: News,
    n_decisions: u64,
    work: Option<Work>,
}

impl Over {
    fn tell(self, outcome: &Result<(), String>) {
        if let Err(why) = outcome {
            fail(&self.handle, why);
        }
        let before = std::mem::replace(&mut *lock(&self.batch), Progress::Over(outcome.clone()));
        if let Progress::UnderWay(waiting) = before {
            waiting.into_iter().for_each(|waiting| waiting.give(&self.handle, outcome));
        }
        if outcome.is_ok() {
            let counters = &self.handle.0.counters;
            counters.decisions.fetch_add(self.n_decisions, Ordering::Relaxed);
            counters.commits.fetch_add(1, Ordering::Relaxed);
            self.news.tell(&self.handle);
            if let Some(work) = self.work {
                publish(&self.handle, work);
            }
        }
        self.traffic.end();
    }
}

impl Traffic {
    fn end(&self) {
        self.n_under_way.fetch_sub(1, Ordering::AcqRel);
        self.over.notify_one();
    }
}

/// Notes that the journal cannot be written; the first reason stands.
fn fail(handle: &Handle, why: &str) {
    handle.0.storage.send_if_modified(|trouble| {
        let is_first = trouble.is_none();
        if is_first {
            tracing::error!("the journal cannot be written: {why}");
            *trouble = Some(why.to_owned());
        }
        is_first
    });
}

/// Shows what the engine's state asks for.
pub(crate) fn publish(handle: &Handle, work: Work) {
    handle.0.work.send_if_modified(|published| {
        let changed = *published != work;
        if changed {
            *published = work;
        }
        changed
    });
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
                    | Fact::NotificationSuperseded { .. }
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
            lock(&handle.0.changed).extend(self.incidents);
            handle.0.incident_changed.notify_one();
        }
    }
}
