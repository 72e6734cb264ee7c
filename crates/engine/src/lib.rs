//! The engine: every decision of the crew, as a value.
//!
//! [`step`] takes what happened and returns what is decided, each decision with its reason.  It is
//! a synchronous function over closed enums: the shell makes its decisions durable, carries out
//! what they intend and brings the outcome back as the next event.
//!
//! **Invariant:** no I/O, no clock (`now` is passed in) and no failure.  Folding the decisions
//! with [`state::State::apply`] gives the state back, so that a crash loses nothing that was
//! decided.

#![warn(clippy::wildcard_enum_match_arm)]

mod attempt;
mod intake;
mod pairs;
mod remedy;
pub mod settings;
pub mod state;
mod tell;
mod timer;
pub mod work;

use jiff::Timestamp;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::event::Event;

use crate::settings::Settings;
use crate::state::State;

/// Decides what follows from an event, and folds it into the state.
#[must_use = "a decision that is not made durable is lost"]
pub fn step(state: &mut State, settings: &Settings, now: Timestamp, event: Event) -> Vec<Decision> {
    let mut step = Step { state, settings, now, decisions: Vec::new() };
    match event {
        Event::Started => step.started(),
        Event::Tick => step.tick(),
        Event::AlertsReceived { source, alerts } => {
            for alert in alerts {
                step.alert_received(source, alert);
            }
        }
        Event::Observed { sample } => step.observed(&sample),
        Event::Found { finding } => step.found(finding),
        Event::StepJudged { attempt, step: index, verdict } => {
            step.step_judged(attempt, index, verdict);
        }
        Event::StepFinished { attempt, step: index, outcome } => {
            step.step_finished(attempt, index, outcome);
        }
        Event::Delivered { notification, delivery } => step.delivered(notification, delivery),
        Event::AgentChanged { agent, state, detail } => {
            step.decide(Fact::AgentChanged { agent, state }, Reason::Supervision { detail });
        }
    }
    step.decisions
}

/// One call of [`step`]: what is known, what is allowed, the time, and what was decided so far.
struct Step<'a> {
    state: &'a mut State,
    settings: &'a Settings,
    now: Timestamp,
    decisions: Vec<Decision>,
}

impl Step<'_> {
    /// Makes a decision: it is folded at once, so that what follows builds on it.
    fn decide(&mut self, fact: Fact, reason: Reason) {
        let decision = Decision { at: self.now, fact, reason };
        self.state.apply(&decision);
        self.decisions.push(decision);
    }
}
