//! Members of the crew.

use jiff::Timestamp;
use nightcrew_crew::oversee::Agent;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::Status;
use serde::Serialize;

/// An agent, in short.
#[derive(Serialize)]
pub(crate) struct AgentView {
    pub(crate) name: String,
    pub(crate) state: String,
    /// The age of its oldest heartbeat; none while one of its tasks has not made its first round.
    pub(crate) heartbeat_age_ms: Option<u64>,
    pub(crate) last_error: Option<String>,
}

impl From<Agent> for AgentView {
    fn from(agent: Agent) -> Self {
        Self {
            name: agent.name.to_string(),
            state: agent.state.to_string(),
            heartbeat_age_ms: agent.heartbeat_age.map(|age| age.0),
            last_error: agent.last_error,
        }
    }
}

/// An agent with its tasks.
#[derive(Serialize)]
pub(crate) struct AgentDetail {
    #[serde(flatten)]
    agent: AgentView,
    tasks: Vec<TaskView>,
}

/// A task of an agent.
#[derive(Serialize)]
struct TaskView {
    name: String,
    state: String,
    heartbeat_age_ms: Option<u64>,
    round_max_ms: u64,
    rounds: u64,
    errors: u64,
    falls: u32,
    last_error: Option<String>,
}

impl AgentDetail {
    /// An agent with those of these tasks that are its own.
    pub(crate) fn of(agent: AgentView, tasks: &[Status], now: Timestamp) -> Self {
        let own = tasks.iter().filter(|task| task.agent.as_str() == agent.name);
        let tasks = own.map(|task| TaskView::of(task, now)).collect();
        Self { agent, tasks }
    }
}

impl TaskView {
    fn of(task: &Status, now: Timestamp) -> Self {
        Self {
            name: task.name.clone(),
            state: task.state.to_string(),
            heartbeat_age_ms: task.beat.map(|beat| Millis::between(beat, now).0),
            round_max_ms: task.round_max.0,
            rounds: task.n_rounds,
            errors: task.n_errors,
            falls: task.n_falls,
            last_error: task.last_error.clone(),
        }
    }
}
