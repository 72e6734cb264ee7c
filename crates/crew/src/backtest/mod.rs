//! Backtest: what was recorded, through the judge, the engine and the gate on a virtual clock.
//!
//! The recorded samples and the alerts of other systems come in the order of their times; the
//! rules are those of the settings that are tried.  Nothing is executed and nobody is told: a step
//! that the gate admits counts as done at once, its proof is what the recorded samples say after
//! it, and every message arrives.  So a backtest says what would have been seen, when, and what
//! would have been tried; whether a remedy that was not tried then would have helped, nobody can
//! know.
//!
//! **Invariant:** the same records and settings give the same outcome.

mod beside;
mod outcome;
pub mod records;

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_act::gate::Gate;
use nightcrew_detect::judge::Judge;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::work::Part;
use nightcrew_model::alert::{Alert, IncomingAlert, Source};
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::plan::{StepOutcome, StepStatus};
use nightcrew_model::sample::Sample;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

pub use outcome::{Case, Ending, Noticed, Outcome, Remedy, Tried};

use crate::core::{detection, rules};
use crate::heal::gate_of;

/// The longest time between two moments at which the engine is told the time.
pub const TICK: Millis = Millis::from_secs(10);

/// How often one moment is looked at again while work is left.
const ROUNDS_PER_MOMENT_MAX: u32 = 10_000;

/// Something that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// A look at a metric.
    Sample(Sample),
    /// What another system told.
    Alerts {
        /// Which kind of system.
        source: Source,
        /// Its alerts.
        alerts: Vec<IncomingAlert>,
    },
}

/// A backtest under way.
pub struct Backtest {
    rules: Settings,
    gate: Gate,
    judge: Judge,
    state: State,
    now: Timestamp,
    outcome: Outcome,
    /// Alerts that fire, and where in [`Outcome::noticed`] each stands.
    firing: BTreeMap<Fingerprint, usize>,
    /// Where in [`Outcome::cases`] each incident stands.
    cases: BTreeMap<IncidentId, usize>,
}

impl Backtest {
    /// A backtest of these settings that begins at a moment, with nothing known.
    #[must_use]
    pub fn new(settings: &nightcrew_config::settings::Settings, begins: Timestamp) -> Self {
        let mut rules = rules(settings);
        // Nobody plays the heartbeat of another system.
        rules.watchdogs.clear();
        let mut backtest = Self {
            rules,
            gate: gate_of(settings),
            judge: Judge::new(detection(settings)),
            state: State::default(),
            now: begins,
            outcome: Outcome::new(begins),
            firing: BTreeMap::new(),
            cases: BTreeMap::new(),
        };
        backtest.happens(Event::Started);
        backtest
    }

    /// Lets time pass until a moment and takes what was recorded then.  What is older than the
    /// last moment counts as of that moment.
    pub fn take(&mut self, at: Timestamp, recorded: Recorded) {
        self.pass(at);
        match recorded {
            Recorded::Sample(sample) => {
                self.outcome.n_samples += 1;
                let findings = self.judge.observe(&sample);
                self.happens(Event::Observed { sample });
                for finding in findings {
                    self.happens(Event::Found { finding });
                }
            }
            Recorded::Alerts { source, alerts } => {
                self.outcome.n_alerts += alerts.len() as u64;
                self.happens(Event::AlertsReceived { source, alerts });
            }
        }
    }

    /// Lets time pass until the end and gives what came of it.
    #[must_use]
    pub fn end(mut self, at: Timestamp) -> Outcome {
        self.pass(at);
        self.outcome.ends = self.now;
        self.outcome
    }

    /// Lets time pass, stopping at every moment at which something is due.
    fn pass(&mut self, until: Timestamp) {
        while self.now < until {
            let due = self.state.next_due().into_iter().chain(self.state.next_escalation()).min();
            let tick = TICK.after(self.now);
            let next = due.filter(|due| *due > self.now).map_or(tick, |due| due.min(tick));
            if next > until {
                break;
            }
            self.now = next;
            self.tick();
        }
        self.now = self.now.max(until);
    }

    /// Tells the time, until nothing is due at this moment.
    fn tick(&mut self) {
        for finding in self.judge.tick(self.now) {
            self.happens(Event::Found { finding });
        }
        for _ in 0..ROUNDS_PER_MOMENT_MAX {
            self.happens(Event::Tick);
            if self.state.next_due().is_none_or(|due| due > self.now) {
                return;
            }
        }
    }

    /// Lets the engine decide, and plays the world: the gate, the steps, the channels.
    fn happens(&mut self, event: Event) {
        let mut waiting = vec![event];
        while let Some(event) = waiting.pop() {
            let decisions = nightcrew_engine::step(&mut self.state, &self.rules, self.now, event);
            for decision in &decisions {
                waiting.extend(self.follow(decision));
            }
            if waiting.is_empty() {
                waiting.extend(self.judged());
            }
        }
    }

    /// What the gate says of the next thing that waits for it.
    fn judged(&mut self) -> Option<Event> {
        if let Some(due) = self.state.plans_due().into_iter().next() {
            let verdicts = due.parts().map(|(_, _, action)| self.gate.judge(action)).collect();
            return Some(Event::PlanJudged { attempt: due.attempt, verdicts });
        }
        let due = self.state.due().into_iter().next()?;
        let verdict = match &due.permit {
            Some(_) => self.gate.admit_approved(&due.action, self.now).verdict,
            None => self.gate.admit(&due.action, self.now).verdict,
        };
        let (attempt, step) = (due.attempt, due.index);
        Some(match due.part {
            Part::Do => Event::StepJudged { attempt, step, verdict },
            Part::Undo => Event::UndoJudged { attempt, step, verdict },
        })
    }

    /// Notes a decision; what the world answers to it.
    fn follow(&mut self, decision: &Decision) -> Option<Event> {
        match &decision.fact {
            Fact::AlertFired { alert } => self.fired(alert),
            Fact::AlertChanged { alert } => {
                if let Some(noticed) = self.noticed(alert.fingerprint) {
                    noticed.severity = noticed.severity.max(alert.severity);
                }
            }
            Fact::AlertResolved { fingerprint, .. } => {
                let now = self.now;
                if let Some(noticed) = self.noticed(*fingerprint) {
                    noticed.until = Some(now);
                }
                self.firing.remove(fingerprint);
            }
            Fact::IncidentOpened { incident, key, severity, trigger, .. } => {
                let why = self.noticed(*trigger).map(|noticed| noticed.why.clone());
                let why = why.filter(|why| !why.is_empty());
                let why = why.unwrap_or_else(|| decision.reason.to_string());
                self.opened(*incident, key, *severity, why);
            }
            Fact::IncidentReopened { incident, .. } => self.go_on(*incident),
            Fact::AttemptPlanned { attempt, plan } => {
                let steps = plan.steps.iter().map(|step| step.action.to_string()).collect();
                let remedy = Remedy {
                    at: self.now,
                    playbook: plan.playbook.clone(),
                    steps,
                    tried: Tried::UnderWay,
                };
                if let Some(case) = self.case(attempt.incident) {
                    case.remedies.push(remedy);
                }
            }
            Fact::StepStarted { attempt, step, .. } => {
                let outcome = StepOutcome {
                    status: StepStatus::Succeeded,
                    output: String::new(),
                    took: Millis(0),
                    results: BTreeMap::new(),
                };
                return Some(Event::StepFinished { attempt: *attempt, step: *step, outcome });
            }
            Fact::AttemptSucceeded { attempt } => self.tried(attempt.incident, Tried::Proven),
            Fact::AttemptFailed { attempt } | Fact::AttemptInterrupted { attempt } => {
                let why = decision.reason.to_string();
                self.tried(attempt.incident, Tried::NotProven { why });
            }
            Fact::IncidentResolved { incident, verified } => {
                let ending = Ending::Resolved { at: self.now, verified: *verified };
                self.ended(*incident, ending);
            }
            Fact::IncidentEscalated { incident } => {
                let at = self.now;
                if let Some(case) = self.case(*incident) {
                    case.handed_over.get_or_insert(at);
                }
            }
            Fact::NotificationQueued { notification, channel, kind, .. } => {
                *self.outcome.messages.entry((channel.clone(), *kind)).or_default() += 1;
                let delivery = Delivery::Delivered { receipt: None };
                return Some(Event::Delivered { notification: *notification, delivery });
            }
            _ => {}
        }
        None
    }

    fn fired(&mut self, alert: &Alert) {
        let chart = alert.chart.as_ref();
        let noticed = Noticed {
            at: self.now,
            target: alert.target.clone(),
            symptom: alert.symptom.clone(),
            severity: alert.severity,
            source: alert.source,
            method: chart.map(|chart| chart.method),
            why: alert.annotations.get("summary").unwrap_or_default().to_owned(),
            until: None,
        };
        self.firing.insert(alert.fingerprint, self.outcome.noticed.len());
        self.outcome.noticed.push(noticed);
    }

    fn noticed(&mut self, alert: Fingerprint) -> Option<&mut Noticed> {
        let place = *self.firing.get(&alert)?;
        self.outcome.noticed.get_mut(place)
    }

    fn opened(&mut self, incident: IncidentId, key: &IncidentKey, severity: Severity, why: String) {
        self.cases.insert(incident, self.outcome.cases.len());
        self.outcome.cases.push(Case {
            at: self.now,
            target: key.target.clone(),
            symptom: key.symptom.clone(),
            severity,
            why,
            remedies: Vec::new(),
            handed_over: None,
            ending: Ending::Open,
            was: None,
        });
    }

    /// An incident that is back is open again.
    fn go_on(&mut self, incident: IncidentId) {
        self.ended(incident, Ending::Open);
    }

    fn ended(&mut self, incident: IncidentId, ending: Ending) {
        if let Some(case) = self.case(incident) {
            case.ending = ending;
        }
    }

    fn tried(&mut self, incident: IncidentId, tried: Tried) {
        if let Some(remedy) = self.case(incident).and_then(|case| case.remedies.last_mut()) {
            remedy.tried = tried;
        }
    }

    fn case(&mut self, incident: IncidentId) -> Option<&mut Case> {
        let place = *self.cases.get(&incident)?;
        self.outcome.cases.get_mut(place)
    }
}
