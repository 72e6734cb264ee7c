//! Timelines: text in, decisions out.
//!
//! A line is a time (`MM:SS` or `MM:SS.mmm`) and what happens then:
//!
//! ```text
//! 00:00 web process_status stopped      a collector looked (numbers, states, `unknown`)
//! 00:00 web informs cpu_unusual         a detector concludes; also `warns` and `clears`
//! 00:00 gate admits                     the gate judges every step that is due
//! 00:01 gate refuses symlink in path
//! 00:01 gate asks                       a person has to say so first
//! 00:01 approve kim                     also `approve another kim` (another plan), `deny kim`
//! 00:02 step ok                         the running step, or what takes it back, ends; also
//! 00:02 step exits 3
//! 00:02 step ok matches=12              with what it found
//! 00:03 prometheus fires alertname=Down service=web severity=page
//! 00:04 prometheus fires alertname=Down service=web @00:01     since another time
//! 00:04 prometheus resolves alertname=Down service=web severity=page
//! 00:05 silence s1 00:05 20:00 {service="web"}     made, or changed where it is known
//! 00:05 unsilence s1
//! 00:05 crash                           the state is folded anew from the decisions
//! 00:06 tick                            time passes
//! 00:06 ticks 30:00                     time passes in steps of ten seconds
//! 00:06 ask …                           a person asks for something: see `people.rs`
//! 00:07 delivered N-1
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use nightcrew_detect::threshold::{Detector, Threshold};
use nightcrew_engine::settings::{Listener, Settings};
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_engine::work::{Due, Part, PlanDue};
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::approval::Autonomy;
use nightcrew_model::argv::Argv;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::catalogue;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::decision::{Decision, NotificationKind};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{AttemptId, NotificationId, Target};
use nightcrew_model::matcher::Matchers;
use nightcrew_model::mute::Dependencies;
use nightcrew_model::plan::{
    Action, Mode, Playbook, ResultValue, RunLimit, Step, StepOutcome, StepStatus, Verify,
};
use nightcrew_model::sample::{Finding, Level, Observation, Reading, Sample, Status, Unknown};
use nightcrew_model::severity::Severity;
use nightcrew_model::silence::Silence;
use nightcrew_model::unit::{Millis, Quantity, Unit};
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

/// A small crew: `web` is restarted when its process stops or it does not answer, disks over 90 %
/// are cleaned; one channel listens.
pub(crate) fn settings() -> Settings {
    let restart = |name: &str, metric: &str, bad: Status, good: Status| Playbook {
        verify: Some(Verify {
            condition: condition(metric, Operator::Equal, Operand::Status(good)).into(),
            needed: 2,
            interval: Millis::from_secs(1),
            wait_after: Millis(0),
            deadline: Millis::from_secs(30),
        }),
        ..Playbook::new(
            name.into(),
            condition(metric, Operator::Equal, Operand::Status(bad)),
            vec![planned(Action::RestartProcess { service: "{service_name}".into() })],
        )
    };
    let clean = Playbook::new(
        "disk_space_low".into(),
        condition("disk_usage", Operator::Greater, Operand::Number(90.0)),
        vec![
            planned(Action::CleanFiles {
                root: "/data".into(),
                name: None,
                older_than: Millis::from_secs(86_400),
            }),
            planned(Action::Run { argv: Argv::parse("docker system prune -f").unwrap() }),
        ],
    );
    Settings {
        playbooks: vec![
            restart("process_down", "process_status", Status::Stopped, Status::Running),
            restart("service_unresponsive", "health_status", Status::Failing, Status::Passing),
            clean,
        ],
        mode: Mode::Live,
        cooldown: Millis::from_secs(300),
        autonomy: Autonomy::Auto,
        autonomy_of: BTreeMap::new(),
        ask_from: None,
        approval_timeout: Millis::from_secs(300),
        run_limit: RunLimit { times: 3, window: Millis::from_secs(3_600) },
        playbook_breaker: RunLimit { times: 5, window: Millis::from_secs(3_600) },
        groups: BTreeMap::new(),
        group_down_max_percent: 34,
        units: BTreeMap::new(),
        tickets_kept: Millis::from_secs(86_400),
        dedup_window: Millis::from_secs(3_600),
        relapse_window: Millis::from_secs(3_600),
        resolve_timeout: Millis::from_secs(300),
        verify_needed: 2,
        verify_interval: Millis::from_secs(1),
        verify_deadline: Millis::from_secs(60),
        channels: vec![Listener {
            channel: "discord".into(),
            notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
            send_resolved: true,
            fallback: None,
        }],
        dedup_fields: vec!["service".to_owned(), "symptom_type".to_owned()],
        routing: None,
        mute_windows: Vec::new(),
        policies: Vec::new(),
        schedules: BTreeMap::new(),
        people: BTreeMap::new(),
        dependencies: Dependencies::default(),
        flap: None,
        storm: None,
        watchdogs: Vec::new(),
        all_clear: None,
    }
}

pub(crate) fn planned(action: Action) -> Step {
    Step::new(action, String::new(), Millis::from_secs(60))
}

pub(crate) fn condition(metric: &str, operator: Operator, operand: Operand) -> Condition {
    Condition { metric: metric.into(), operator, operand }
}

fn thresholds() -> Vec<Threshold> {
    let rule = |metric: &str, warning: Option<Operand>, critical: Operand, needed: u32| {
        let operator = match critical {
            Operand::Number(_) => Operator::GreaterOrEqual,
            Operand::Status(_) => Operator::Equal,
        };
        Threshold {
            metric: metric.into(),
            service: None,
            symptom: catalogue::symptom_of(&metric.into()),
            warning: warning.map(|operand| condition(metric, operator, operand)),
            critical: Some(condition(metric, operator, critical)),
            needed,
            of: needed,
            hysteresis: 0.0,
            lasting: Millis(0),
            min_requests: None,
        }
    };
    vec![
        rule("process_status", None, Operand::Status(Status::Stopped), 1),
        rule("health_status", None, Operand::Status(Status::Failing), 2),
        rule("disk_usage", Some(Operand::Number(75.0)), Operand::Number(90.0), 1),
    ]
}

/// Runs a timeline and prints its decisions.
pub(crate) fn run(timeline: &str) -> String {
    run_with(&settings(), timeline)
}

/// Runs a timeline with other settings and prints its decisions.
pub(crate) fn run_with(settings: &Settings, timeline: &str) -> String {
    let mut world = World::new(settings);
    world.play(timeline);
    world.print()
}

/// When time passes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Wakes {
    /// At a `tick` of the timeline.
    WhenTold,
    /// Also whenever the state says that something is due, as the crew does it.
    WhenDue,
}

/// Runs a timeline: the state that comes of it, and its decisions.
pub(crate) fn decide(settings: &Settings, timeline: &str, wakes: Wakes) -> (State, Vec<Decision>) {
    let mut world = World { wakes, ..World::new(settings) };
    world.play(timeline);
    (world.state, world.decisions)
}

/// A time as timelines write it.
pub(crate) fn clock(at: Timestamp) -> String {
    let ms = at.as_millisecond();
    let (minutes, seconds) = (ms / 60_000, ms % 60_000 / 1_000);
    format!("{minutes:02}:{seconds:02}")
}

pub(crate) fn moment(text: &str) -> Timestamp {
    let (minutes, seconds) = text.split_once(':').expect("MM:SS");
    let seconds: f64 = seconds.parse().expect("seconds");
    let minutes: i64 = minutes.parse().expect("minutes");
    #[expect(clippy::cast_possible_truncation, reason = "a test's milliseconds")]
    let ms = (seconds * 1_000.0) as i64;
    Timestamp::from_millisecond(minutes * 60_000 + ms).unwrap()
}

pub(crate) struct World<'a> {
    settings: &'a Settings,
    state: State,
    detector: Detector,
    decisions: Vec<Decision>,
    wakes: Wakes,
}

impl<'a> World<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            state: State::default(),
            detector: Detector::new(thresholds()),
            decisions: Vec::new(),
            wakes: Wakes::WhenTold,
        }
    }

    /// The same world under other settings.
    pub(crate) fn reload(self, settings: &'a Settings) -> Self {
        Self { settings, ..self }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    pub(crate) fn play(&mut self, timeline: &str) {
        for line in timeline.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (time, what) = line.split_once(' ').expect("a time and an event");
            let at = moment(time);
            while self.wakes == Wakes::WhenDue
                && let Some(due) = self.state.next_due().filter(|due| *due < at)
            {
                self.step(due, Event::Tick);
                assert_ne!(self.state.next_due(), Some(due), "it was due and stays due");
            }
            self.happens(at, what);
        }
    }

    pub(crate) fn print(&self) -> String {
        let mut printed = String::new();
        for decision in &self.decisions {
            let at = clock(decision.at);
            writeln!(printed, "{at} {} ({})", decision.fact, decision.reason).unwrap();
        }
        printed
    }

    pub(crate) fn step(&mut self, now: Timestamp, event: Event) {
        let ticks = event == Event::Tick;
        let decisions = step(&mut self.state, self.settings, now, event);
        if ticks {
            assert_eq!(self.state.audit(self.settings, now), [], "after {}", self.print());
        }
        // What is stored must be what was decided.
        for decision in &decisions {
            let json = serde_json::to_string(decision).unwrap();
            assert_eq!(&serde_json::from_str::<Decision>(&json).unwrap(), decision, "{json}");
        }
        self.decisions.extend(decisions);
    }

    fn happens(&mut self, now: Timestamp, what: &str) {
        let words: Vec<&str> = what.split_whitespace().collect();
        match words.as_slice() {
            ["tick"] => self.step(now, Event::Tick),
            ["ticks", until] => self.ticks(now, moment(until)),
            ["ask", asked @ ..] => {
                for event in crate::people::asked(now, asked) {
                    self.step(now, event);
                }
            }
            ["crash"] => self.crash(now),
            ["gate", "admits"] => self.gate(now, Ruling::Admitted, "allowed"),
            ["gate", "asks"] => self.gate(now, Ruling::Approval, "a person has to say so"),
            ["gate", "refuses", why @ ..] => self.gate(now, Ruling::Refused, &why.join(" ")),
            ["step", "ok", found @ ..] => self.step_ends(now, StepStatus::Succeeded, found),
            ["step", "shown"] => self.step_ends(now, StepStatus::Shown, &[]),
            ["step", "exits", code] => {
                self.step_ends(now, StepStatus::Exited { code: code.parse().ok() }, &[]);
            }
            ["approve" | "deny", ..] => {
                for event in crate::approval::said(&self.state, &words) {
                    self.step(now, event);
                }
            }
            ["delivered", id] => {
                let id = id.trim_start_matches("N-").parse().map(NotificationId).unwrap();
                let delivery = Delivery::Delivered { receipt: None };
                self.step(now, Event::Delivered { notification: id, delivery });
            }
            ["silence", id, starts, ends, matchers @ ..] => {
                let silence = Silence {
                    id: (*id).into(),
                    matchers: Matchers::parse(&matchers.join(" ")).unwrap(),
                    starts_at: moment(starts),
                    ends_at: moment(ends),
                    updated_at: Timestamp::UNIX_EPOCH,
                    created_by: "kim".into(),
                    comment: "점검".to_owned(),
                    repeats: Vec::new(),
                };
                let known = self.state.silence(&silence.id).is_some();
                let fresh = if known { format!("{id}'").into() } else { silence.id.clone() };
                self.step(now, Event::SilenceAsked { silence: Box::new(silence), fresh });
            }
            ["unsilence", id] => {
                let (silence, by) = ((*id).into(), "lee".into());
                self.step(now, Event::SilenceEndAsked { silence, by });
            }
            [source, verb @ ("fires" | "resolves"), labels @ ..] => {
                self.alert(now, source, verb, labels);
            }
            [target, verb @ ("informs" | "warns" | "clears"), symptom] => {
                let level = match *verb {
                    "informs" => Level::Firing(Severity::Info),
                    "warns" => Level::Firing(Severity::Warning),
                    _ => Level::Clear,
                };
                self.concludes(now, target, level, symptom);
            }
            [target, metric, value] => self.looks(now, target, metric, value),
            _ => panic!("no event: {what}"),
        }
    }

    /// A tick every ten seconds, and one at the end.
    fn ticks(&mut self, from: Timestamp, until: Timestamp) {
        let mut now = from;
        while now < until {
            self.step(now, Event::Tick);
            now = Millis::from_secs(10).after(now);
        }
        self.step(until, Event::Tick);
    }

    fn concludes(&mut self, at: Timestamp, target: &str, level: Level, symptom: &str) {
        let observation = Observation::Unknown(Unknown::BreakerOpen);
        let target = Target::service(target.into());
        let sample =
            Sample { target: target.clone(), metric: "m".into(), at, observation, detail: None };
        let rule = format!("{symptom} by its own");
        let symptom = symptom.into();
        let finding = Finding { target, symptom, level, sample, rule, chart: None };
        self.step(at, Event::Found { finding });
    }

    fn looks(&mut self, at: Timestamp, target: &str, metric: &str, value: &str) {
        let target = match target.split_once(':') {
            None => Target::service(target.into()),
            Some((service, part)) => Target::part(service.into(), part),
        };
        let observation = if let Ok(status) = value.parse::<Status>() {
            Observation::Read(Reading::Status(status))
        } else if let Ok(number) = value.parse() {
            let percent = Quantity::new(number, Unit::Percent).unwrap();
            Observation::Read(Reading::Quantity(percent))
        } else {
            Observation::Unknown(Unknown::BreakerOpen)
        };
        let sample = Sample { target, metric: metric.into(), at, observation, detail: None };
        let findings = self.detector.observe(&sample);
        self.step(at, Event::Observed { sample });
        for finding in findings {
            self.step(at, Event::Found { finding });
        }
    }

    fn alert(&mut self, now: Timestamp, source: &str, verb: &str, labels: &[&str]) {
        let source = match source {
            "prometheus" => Source::AlertsApi,
            "alertmanager" => Source::Alertmanager,
            other => panic!("no source: {other}"),
        };
        let since = labels.iter().find_map(|label| label.strip_prefix('@')).map_or(now, moment);
        let labels = labels.iter().filter(|label| !label.starts_with('@'));
        let alert = IncomingAlert {
            labels: labels.map(|label| label.split_once('=').expect("name=value")).collect(),
            annotations: Default::default(),
            starts_at: (verb == "fires").then_some(since),
            ends_at: (verb == "resolves").then_some(now),
            generator_url: String::new(),
        };
        self.step(now, Event::AlertsReceived { source, alerts: vec![alert] });
    }

    fn gate(&mut self, now: Timestamp, ruling: Ruling, reason: &str) {
        let judge = Judge { ruling, reason };
        let plans = self.state.plans_due();
        let n_plans = plans.len();
        for plan in plans {
            self.step(now, judge.plan(&plan));
        }
        let due = self.state.due();
        assert!(n_plans > 0 || !due.is_empty(), "nothing is due");
        for due in due {
            self.step(now, judge.due(&due));
        }
    }

    fn step_ends(&mut self, now: Timestamp, status: StepStatus, found: &[&str]) {
        let running = self.state.incidents().find_map(|(_, incident)| {
            let attempt = incident.attempt.as_ref()?;
            ends_of(attempt.id, attempt.state)
        });
        let results = found.iter().map(|found| {
            let (key, number) = found.split_once('=').expect("key=number");
            (key.into(), ResultValue::Number(number.parse().expect("a number")))
        });
        let results = results.collect();
        let end = running.expect("a running step");
        let outcome = StepOutcome { status, output: String::new(), took: Millis(150), results };
        self.step(now, end(outcome));
    }

    fn crash(&mut self, now: Timestamp) {
        self.state = State::default();
        for decision in &self.decisions {
            self.state.apply(decision);
        }
        self.detector = Detector::new(thresholds());
        self.step(now, Event::Started);
    }
}

/// A gate that says the same of everything.
pub(crate) struct Judge<'a> {
    pub(crate) ruling: Ruling,
    pub(crate) reason: &'a str,
}

impl Judge<'_> {
    fn verdict(&self, action: &Action) -> Verdict {
        let looks = matches!(
            action,
            Action::CheckLogs { .. } | Action::CheckResources { .. } | Action::Wait { .. }
        );
        Verdict {
            verdict: self.ruling,
            class: if looks { RiskClass::Observe } else { RiskClass::Disruptive },
            argv: action.to_string().split(' ').map(str::to_owned).collect(),
            reason: self.reason.to_owned(),
            rule: "test".to_owned(),
        }
    }

    /// What it says of a whole plan.
    pub(crate) fn plan(&self, due: &PlanDue) -> Event {
        let verdicts = due.parts().map(|(_, _, action)| self.verdict(action)).collect();
        Event::PlanJudged { attempt: due.attempt, verdicts }
    }

    /// What it says of one action.
    pub(crate) fn due(&self, due: &Due) -> Event {
        let (attempt, step, verdict) = (due.attempt, due.index, self.verdict(&due.action));
        match due.part {
            Part::Do => Event::StepJudged { attempt, step, verdict },
            Part::Undo => Event::UndoJudged { attempt, step, verdict },
        }
    }
}

/// How what is at work in an attempt ends; none: nothing is.
pub(crate) fn ends_of(
    attempt: AttemptId,
    state: AttemptState,
) -> Option<impl Fn(StepOutcome) -> Event> {
    let (step, part) = match state {
        AttemptState::Running(step) => (step, Part::Do),
        AttemptState::Undoing(step) => (step, Part::Undo),
        _ => return None,
    };
    Some(move |outcome| match part {
        Part::Do => Event::StepFinished { attempt, step, outcome },
        Part::Undo => Event::UndoFinished { attempt, step, outcome },
    })
}
