//! `orchestrator`: watches the heartbeats of the others and says when one changes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::decision::AgentState;
use nightcrew_model::event::Event;
use nightcrew_model::id::AgentName;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Board, Boxed, Status, Task};

use crate::handle::Handle;

/// How often the heartbeats are looked at.
pub const OVERSEE: Millis = Millis(1_000);

/// How one agent is: the worst of its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// How it is.
    pub state: AgentState,
    /// The age of its oldest heartbeat; none while a task has not made its first round.
    pub heartbeat_age: Option<Millis>,
    /// What went wrong last in one of its tasks.
    pub last_error: Option<String>,
    /// How many tasks it has.
    pub n_tasks: usize,
}

/// How every agent is, by name.
#[must_use]
pub fn agents(board: &Board, now: Timestamp) -> Vec<Agent> {
    let mut agents: BTreeMap<AgentName, Agent> = BTreeMap::new();
    for status in board.statuses() {
        let state = state_of(&status, now);
        let age = status.beat.map(|beat| Millis::between(beat, now));
        let agent = agents.entry(status.agent.clone()).or_insert_with(|| Agent {
            name: status.agent.clone(),
            state,
            heartbeat_age: age,
            last_error: None,
            n_tasks: 0,
        });
        agent.n_tasks += 1;
        agent.heartbeat_age = match (agent.heartbeat_age, age) {
            (Some(oldest), Some(age)) => Some(oldest.max(age)),
            (None, _) | (_, None) => None,
        };
        if rank(state) > rank(agent.state) {
            agent.state = state;
        }
        if let Some(error) = status.last_error {
            agent.last_error = Some(format!("{}: {error}", status.name));
        }
    }
    agents.into_values().collect()
}

fn state_of(status: &Status, now: Timestamp) -> AgentState {
    let late = status.beat.is_some_and(|beat| {
        Millis::between(beat, now).0 > status.round_max.0.saturating_add(OVERSEE.0)
    });
    match status.state {
        AgentState::Healthy if late => AgentState::Late,
        other => other,
    }
}

fn rank(state: AgentState) -> u8 {
    match state {
        AgentState::Healthy => 0,
        AgentState::Starting => 1,
        AgentState::Late => 2,
        AgentState::Restarting => 3,
        AgentState::Failed => 4,
    }
}

pub(crate) struct Oversee {
    handle: Handle,
    known: BTreeMap<AgentName, AgentState>,
    first: bool,
}

impl Oversee {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, known: BTreeMap::new(), first: true }
    }

    async fn oversee(&mut self) -> Result<(), String> {
        // The first round is at once, so that readiness does not wait for it.
        if !std::mem::take(&mut self.first) {
            tokio::time::sleep(OVERSEE.duration()).await;
        }
        let mut events = Vec::new();
        for agent in agents(self.handle.board(), self.handle.clock().now()) {
            // A start is not news: every start of the crew has one.
            if agent.state == AgentState::Starting {
                continue;
            }
            let before = self.known.insert(agent.name.clone(), agent.state);
            let before = before.unwrap_or(AgentState::Healthy);
            if before != agent.state {
                let detail = match (&agent.last_error, agent.state) {
                    (_, AgentState::Healthy) | (None, _) => format!("it was {before}"),
                    (Some(error), _) => error.clone(),
                };
                events.push(Event::AgentChanged { agent: agent.name, state: agent.state, detail });
            }
        }
        if events.is_empty() {
            return Ok(());
        }
        self.handle.submit(events).await.map(drop).map_err(|refusal| refusal.to_string())
    }
}

impl Task for Oversee {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.oversee())
    }
}
