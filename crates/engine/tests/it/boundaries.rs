//! A crash at every boundary of a playbook with five steps: no step with an effect runs twice, and
//! every incident ends resolved or with a person.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_engine::settings::Settings;
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_engine::work::{Due, Part};
use nightcrew_model::approval::Autonomy;
use nightcrew_model::argv::Argv;
use nightcrew_model::condition::{Operand, Operator};
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::event::Event;
use nightcrew_model::expression::{Expression, ResultCondition};
use nightcrew_model::id::{AttemptId, StepIndex, Target};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::{
    Action, OnFailure, Playbook, ResultValue, Step, StepOutcome, StepStatus, Verify,
};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::Ruling;

use crate::timeline::{Judge, condition, planned, settings};

fn run(line: &str) -> Action {
    Action::Run { argv: Argv::parse(line).unwrap() }
}

fn is(status: Status) -> Expression {
    condition("process_status", Operator::Equal, Operand::Status(status)).into()
}

/// Look, clean, set, restart if the look says so, reload.
pub(crate) fn five_steps() -> Settings {
    let look = Action::CheckLogs { service: "{service}".into(), pattern: None, within: Millis(1) };
    let clean =
        Action::CleanFiles { root: "/data".into(), name: None, older_than: Millis::from_secs(60) };
    let many = Expression::Result(ResultCondition {
        step: "logs".into(),
        key: "matches".into(),
        operator: Operator::Greater,
        value: ResultValue::Number(10.0),
    });
    let steps = vec![
        Step { name: Some("logs".into()), ..planned(look) },
        planned(clean),
        Step { rollback: Some(run("unset")), ..planned(run("set")) },
        Step {
            when: Some(many),
            ..planned(Action::RestartProcess { service: "{service}".into() })
        },
        Step { on_failure: OnFailure::RollBack, ..planned(run("reload")) },
    ];
    let verify = Verify {
        condition: is(Status::Running),
        needed: 3,
        interval: Millis::from_secs(1),
        wait_after: Millis(0),
        deadline: Millis::from_secs(20),
    };
    let playbook = Playbook {
        verify: Some(verify),
        ..Playbook::new("process_down".into(), is(Status::Stopped), steps)
    };
    Settings { playbooks: vec![playbook], ..settings() }
}

/// How the world takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum World {
    /// The restart heals.
    Heals,
    /// Nothing heals.
    Stays,
    /// The last step fails.
    Fails,
}

/// What becomes of the decisions of the moment of the crash.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Commit {
    /// They are durable.
    Kept,
    /// They are not.
    Lost,
}

/// The process was killed.
struct Killed;

struct Shell {
    settings: Settings,
    state: State,
    log: Vec<Decision>,
    now: Timestamp,
    world: World,
    up: bool,
    effects: BTreeMap<(AttemptId, StepIndex, Part), (Action, u32)>,
    n_events: usize,
    /// At which events it is killed.
    crashes: Vec<(usize, Commit)>,
}

impl Shell {
    fn submit(&mut self, event: Event) -> Result<Vec<Decision>, Killed> {
        let decisions = step(&mut self.state, &self.settings, self.now, event);
        let n = self.n_events;
        self.n_events += 1;
        let killed = self.crashes.iter().find(|(at, _)| *at == n).map(|(_, commit)| *commit);
        if killed != Some(Commit::Lost) {
            self.log.extend(decisions.iter().cloned());
        }
        if killed.is_some() { Err(Killed) } else { Ok(decisions) }
    }

    fn look(&mut self) -> Result<(), Killed> {
        let target = Target::service("web".into());
        let status = if self.up { Status::Running } else { Status::Stopped };
        let sample = Sample {
            target: target.clone(),
            metric: "process_status".into(),
            at: self.now,
            observation: Observation::Read(Reading::Status(status)),
            detail: None,
        };
        let level = if self.up { Level::Clear } else { Level::Firing(Severity::Critical) };
        self.submit(Event::Observed { sample: sample.clone() })?;
        let (symptom, rule) = ("process_down".into(), String::new());
        let finding = Finding { target, symptom, level, sample, rule, chart: None };
        self.submit(Event::Found { finding })?;
        self.submit(Event::Tick).map(drop)
    }

    fn work(&mut self) -> Result<(), Killed> {
        let judge = Judge { ruling: Ruling::Admitted, reason: "" };
        for plan in self.state.plans_due() {
            self.submit(judge.plan(&plan))?;
        }
        let asked = self.state.awaiting().filter_map(|it| Some((it.id, it.request.as_ref()?.hash)));
        for (attempt, hash) in asked.collect::<Vec<_>>() {
            self.submit(Event::PlanApproved { attempt, hash, by: "kim".into() })?;
        }
        for due in self.state.due() {
            let decisions = self.submit(judge.due(&due))?;
            let started = decisions.iter().any(|decision| {
                matches!(&decision.fact, Fact::StepStarted { .. } | Fact::UndoStarted { .. })
            });
            if started {
                let end = self.execute(&due);
                self.submit(end)?;
            }
        }
        Ok(())
    }

    fn execute(&mut self, due: &Due) -> Event {
        let (attempt, step) = (due.attempt, due.index);
        let effect = self.effects.entry((attempt, step, due.part));
        effect.or_insert((due.action.clone(), 0)).1 += 1;
        let fails = self.world == World::Fails && due.action.to_string() == "reload";
        let status =
            if fails { StepStatus::Exited { code: Some(1) } } else { StepStatus::Succeeded };
        self.up |=
            self.world == World::Heals && matches!(due.action, Action::RestartProcess { .. });
        let results = match due.action {
            Action::CheckLogs { .. } => [("matches".into(), ResultValue::Number(12.0))].into(),
            _ => BTreeMap::new(),
        };
        let outcome = StepOutcome { status, output: String::new(), took: Millis(1), results };
        match due.part {
            Part::Do => Event::StepFinished { attempt, step, outcome },
            Part::Undo => Event::UndoFinished { attempt, step, outcome },
        }
    }

    /// Whether nobody has anything to do any more.
    fn is_settled(&self) -> bool {
        let mut incidents = self.state.incidents().peekable();
        incidents.peek().is_some()
            && incidents.all(|(_, incident)| {
                let over =
                    matches!(incident.state, IncidentState::Resolved | IncidentState::Escalated);
                over && incident.attempt.as_ref().is_none_or(|it| !it.state.is_active())
            })
    }

    fn round(&mut self) -> Result<(), Killed> {
        self.now = Millis::from_secs(1).after(self.now);
        self.look()?;
        self.work()
    }

    /// Until it is settled; a crash folds the log and begins again.
    fn run(&mut self) {
        let mut killed = false;
        for _ in 0..400 {
            if killed {
                self.state = State::default();
                self.log.iter().for_each(|decision| self.state.apply(decision));
                killed = self.submit(Event::Started).is_err();
            } else {
                killed = self.round().is_err();
            }
            if !killed && self.is_settled() {
                return;
            }
        }
        panic!("not settled, crashes {:?} in {:?}", self.crashes, self.world);
    }
}

fn run_through(world: World, crashes: Vec<(usize, Commit)>) -> Shell {
    run_under(Autonomy::Auto, world, crashes)
}

fn run_under(autonomy: Autonomy, world: World, crashes: Vec<(usize, Commit)>) -> Shell {
    let mut shell = Shell {
        settings: Settings { autonomy, ..five_steps() },
        state: State::default(),
        log: Vec::new(),
        now: Timestamp::UNIX_EPOCH,
        world,
        up: false,
        effects: BTreeMap::new(),
        n_events: 0,
        crashes,
    };
    shell.run();
    for ((attempt, step, part), (action, n)) in &shell.effects {
        assert!(
            *n == 1 || action.is_idempotent(),
            "{attempt} step {step} {part:?} ran {n} times, crashes {:?} in {world:?}",
            shell.crashes
        );
    }
    shell
}

fn ended(shell: &Shell) -> (IncidentState, usize) {
    let (_, incident) = shell.state.incidents().next().unwrap();
    (incident.state, shell.effects.len())
}

#[test]
fn without_a_crash_it_heals_or_is_taken_back() {
    assert_eq!(ended(&run_through(World::Heals, Vec::new())), (IncidentState::Resolved, 5));
    assert_eq!(ended(&run_through(World::Stays, Vec::new())), (IncidentState::Escalated, 6));
    assert_eq!(ended(&run_through(World::Fails, Vec::new())), (IncidentState::Escalated, 6));
}

#[test]
fn killed_at_every_boundary_nothing_is_done_twice_and_nothing_is_left() {
    let mut n_runs = 0;
    for world in [World::Heals, World::Stays, World::Fails] {
        let n_events = run_through(world, Vec::new()).n_events;
        for at in 0..n_events {
            for commit in [Commit::Kept, Commit::Lost] {
                run_through(world, vec![(at, commit)]);
                n_runs += 1;
            }
        }
    }
    assert!(n_runs >= 200, "{n_runs} runs");
}

#[test]
fn killed_at_every_boundary_of_a_plan_that_is_asked_about() {
    for world in [World::Heals, World::Stays, World::Fails] {
        let whole = run_under(Autonomy::Approve, world, Vec::new());
        assert!(whole.log.iter().any(|it| matches!(it.fact, Fact::ApprovalGiven { .. })));
        for at in 0..whole.n_events {
            for commit in [Commit::Kept, Commit::Lost] {
                run_under(Autonomy::Approve, world, vec![(at, commit)]);
            }
        }
    }
}

#[test]
fn killed_twice_nothing_is_done_twice_either() {
    for world in [World::Heals, World::Stays, World::Fails] {
        let n_events = run_through(world, Vec::new()).n_events;
        for at in (0..n_events).step_by(3) {
            for later in [1, 2, 4, 7] {
                let (kept, lost) = (Commit::Kept, Commit::Lost);
                run_through(world, vec![(at, kept), (at + later, lost)]);
                run_through(world, vec![(at, lost), (at + later, kept)]);
            }
        }
    }
}
