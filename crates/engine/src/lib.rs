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

mod acknowledge;
pub mod approval;
mod attempt;
mod attempt_state;
pub mod audit;
mod blast;
pub mod breaker;
pub mod cascade;
mod clearance;
mod climb;
mod context;
pub mod daily;
pub mod escalation;
pub mod flap;
pub mod flush;
mod group;
mod hold;
pub mod incident;
mod inhibit;
mod intake;
mod known;
pub mod lock;
mod mute;
pub mod oncall;
mod pairs;
mod proof;
pub mod remedy;
mod render;
pub mod settings;
pub mod silence;
pub mod state;
pub mod storm;
pub mod tell;
pub mod ticket;
mod timer;
pub mod told;
mod trigger;
mod undo;
pub mod watchdog;
pub mod why;
pub mod work;

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::event::Event;
use nightcrew_model::id::IncidentId;

use crate::settings::Settings;
use crate::state::State;
use crate::tell::Outgoing;

/// Decides what follows from an event, and folds it into the state.
#[must_use = "a decision that is not made durable is lost"]
pub fn step(state: &mut State, settings: &Settings, now: Timestamp, event: Event) -> Vec<Decision> {
    let mut step = Step {
        state,
        settings,
        now,
        decisions: Vec::new(),
        telling: BTreeSet::new(),
        outgoing: Vec::new(),
    };
    step.ready_groups(matches!(event, Event::Tick));
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
        Event::PlanJudged { attempt, verdicts } => step.plan_judged(attempt, verdicts),
        Event::PlanApproved { attempt, hash, by } => step.plan_approved(attempt, hash, by),
        Event::PlanDenied { attempt, by } => step.plan_denied(attempt, by),
        Event::StandingApprovalAsked { approval } => step.standing_asked(*approval),
        Event::StandingApprovalEndAsked { approval, by } => step.standing_end_asked(approval, by),
        Event::UndoJudged { attempt, step: index, verdict } => {
            step.undo_judged(attempt, index, verdict);
        }
        Event::UndoFinished { attempt, step: index, outcome } => {
            step.undo_finished(attempt, index, outcome);
        }
        Event::TicketTold { incident, tracker, news } => step.ticket_told(incident, tracker, news),
        Event::Delivered { notification, delivery } => step.delivered(notification, delivery),
        Event::DeliveryStuck { notification } => step.fall_back(notification),
        Event::Acknowledged { incident, by } => step.acknowledged(incident, by),
        Event::Unacknowledged { incident, by } => step.unacknowledged(incident, by),
        Event::ResolveAsked { incident, by } => step.resolve_asked(incident, by),
        Event::EscalateAsked { incident, by } => step.escalate_asked(incident, by),
        Event::LockAsked { lock } => step.lock_asked(*lock),
        Event::LockEndAsked { lock, fence, by } => step.lock_end_asked(lock, fence, by),
        Event::OverrideAsked { schedule, replacement, by } => {
            step.override_asked(schedule, replacement, by);
        }
        Event::TestAsked { channel, by } => step.test_asked(channel, by),
        Event::SilenceAsked { silence, fresh } => step.silence_asked(*silence, fresh),
        Event::SilenceEndAsked { silence, by } => step.silence_end_asked(&silence, by),
        Event::AgentChanged { agent, state, detail } => {
            step.decide(Fact::AgentChanged { agent, state }, Reason::Supervision { detail });
        }
    }
    step.settle();
    step.flush_groups();
    step.decisions
}

/// A step that has made so many decisions leaves what can wait to the next one, so that they fit
/// into one commit.
pub const STEP_DECISIONS_FULL: usize = 500;

/// One call of [`step`]: what is known, what is allowed, the time, and what was decided so far.
struct Step<'a> {
    state: &'a mut State,
    settings: &'a Settings,
    now: Timestamp,
    decisions: Vec<Decision>,
    /// The incidents that were handed over in this step: who hears of them is decided at its end.
    telling: BTreeSet<IncidentId>,
    /// The messages that the storm control has not seen.
    outgoing: Vec<Outgoing>,
}

impl Step<'_> {
    /// Makes a decision: it is folded at once, so that what follows builds on it.
    fn decide(&mut self, fact: Fact, reason: Reason) {
        let decision = Decision { at: self.now, fact, reason };
        self.state.apply(&decision);
        self.decisions.push(decision);
    }

    /// Whether what can wait is left to the next step.
    fn is_full(&self) -> bool {
        self.decisions.len() >= STEP_DECISIONS_FULL
    }
}
