//! Timelines: text in, decisions out.
//!
//! A line is a time (`MM:SS` or `MM:SS.mmm`) and what happens then:
//!
//! ```text
//! 00:00 web process_status stopped      a collector looked (numbers, states, `unknown`)
//! 00:00 gate admits                     the gate judges every step that is due
//! 00:01 gate refuses symlink in path
//! 00:02 step ok                         the running step ends; also `step exits 3`
//! 00:03 prometheus fires alertname=Down service=web severity=page
//! 00:04 prometheus resolves alertname=Down service=web severity=page
//! 00:05 crash                           the state is folded anew from the decisions
//! 00:06 tick                            time passes
//! 00:07 delivered N-1
//! ```

use std::fmt::Write as _;

use jiff::Timestamp;
use nightcrew_detect::threshold::{Detector, Threshold};
use nightcrew_engine::settings::{Listener, Settings};
use nightcrew_engine::state::State;
use nightcrew_engine::step;
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::argv::Argv;
use nightcrew_model::attempt::AttemptState;
use nightcrew_model::catalogue;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::decision::{Decision, NotificationKind};
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{NotificationId, Target};
use nightcrew_model::plan::{Action, Mode, Playbook, Step, StepOutcome, StepStatus, Verify};
use nightcrew_model::sample::{Observation, Reading, Sample, Status, Unknown};
use nightcrew_model::unit::{Millis, Quantity, Unit};
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

/// A small crew: `web` is restarted when its process stops or it does not answer, disks over 90 %
/// are cleaned; one channel listens.
pub(crate) fn settings() -> Settings {
    let restart = |name: &str, metric: &str, bad: Status, good: Status| Playbook {
        name: name.into(),
        condition: condition(metric, Operator::Equal, Operand::Status(bad)),
        steps: vec![planned(Action::RestartProcess { service: "{service_name}".into() })],
        verify: Some(Verify {
            condition: condition(metric, Operator::Equal, Operand::Status(good)),
            needed: 2,
            interval: Millis::from_secs(1),
            wait_after: Millis(0),
            deadline: Millis::from_secs(30),
        }),
        cooldown: None,
    };
    let clean = Playbook {
        name: "disk_space_low".into(),
        condition: condition("disk_usage", Operator::Greater, Operand::Number(90.0)),
        steps: vec![
            planned(Action::CleanFiles {
                root: "/data".into(),
                name: None,
                older_than: Millis::from_secs(86_400),
            }),
            planned(Action::Run { argv: Argv::parse("docker system prune -f").unwrap() }),
        ],
        verify: None,
        cooldown: None,
    };
    Settings {
        playbooks: vec![
            restart("process_down", "process_status", Status::Stopped, Status::Running),
            restart("service_unresponsive", "health_status", Status::Failing, Status::Passing),
            clean,
        ],
        mode: Mode::Live,
        cooldown: Millis::from_secs(300),
        dedup_window: Millis::from_secs(3_600),
        resolve_timeout: Millis::from_secs(300),
        verify_needed: 2,
        verify_interval: Millis::from_secs(1),
        verify_deadline: Millis::from_secs(60),
        channels: vec![Listener {
            channel: "discord".into(),
            notify: vec![NotificationKind::Escalated, NotificationKind::Resolved],
        }],
    }
}

fn planned(action: Action) -> Step {
    Step { action, description: String::new(), timeout: Millis::from_secs(60) }
}

fn condition(metric: &str, operator: Operator, operand: Operand) -> Condition {
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
    let mut world = World {
        settings,
        state: State::default(),
        detector: Detector::new(thresholds()),
        decisions: Vec::new(),
    };
    for line in timeline.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (time, what) = line.split_once(' ').expect("a time and an event");
        world.happens(moment(time), what);
    }
    let mut printed = String::new();
    for decision in &world.decisions {
        let ms = decision.at.as_millisecond();
        let (minutes, seconds) = (ms / 60_000, ms % 60_000 / 1_000);
        writeln!(printed, "{minutes:02}:{seconds:02} {} ({})", decision.fact, decision.reason)
            .unwrap();
    }
    printed
}

fn moment(text: &str) -> Timestamp {
    let (minutes, seconds) = text.split_once(':').expect("MM:SS");
    let seconds: f64 = seconds.parse().expect("seconds");
    let minutes: i64 = minutes.parse().expect("minutes");
    #[expect(clippy::cast_possible_truncation, reason = "a test's milliseconds")]
    let ms = (seconds * 1_000.0) as i64;
    Timestamp::from_millisecond(minutes * 60_000 + ms).unwrap()
}

struct World<'a> {
    settings: &'a Settings,
    state: State,
    detector: Detector,
    decisions: Vec<Decision>,
}

impl World<'_> {
    fn step(&mut self, now: Timestamp, event: Event) {
        let decisions = step(&mut self.state, self.settings, now, event);
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
            ["crash"] => self.crash(now),
            ["gate", "admits"] => self.gate(now, Ruling::Admitted, "allowed"),
            ["gate", "refuses", why @ ..] => self.gate(now, Ruling::Refused, &why.join(" ")),
            ["step", "ok"] => self.step_ends(now, StepStatus::Succeeded),
            ["step", "shown"] => self.step_ends(now, StepStatus::Shown),
            ["step", "exits", code] => {
                self.step_ends(now, StepStatus::Exited { code: code.parse().ok() });
            }
            ["delivered", id] => {
                let id = id.trim_start_matches("N-").parse().map(NotificationId).unwrap();
                let delivery = Delivery::Delivered;
                self.step(now, Event::Delivered { notification: id, delivery });
            }
            [source, verb @ ("fires" | "resolves"), labels @ ..] => {
                self.alert(now, source, verb, labels);
            }
            [target, metric, value] => self.looks(now, target, metric, value),
            _ => panic!("no event: {what}"),
        }
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
        let alert = IncomingAlert {
            labels: labels.iter().map(|label| label.split_once('=').expect("name=value")).collect(),
            annotations: Default::default(),
            starts_at: (verb == "fires").then_some(now),
            ends_at: (verb == "resolves").then_some(now),
            generator_url: String::new(),
        };
        self.step(now, Event::AlertsReceived { source, alerts: vec![alert] });
    }

    fn gate(&mut self, now: Timestamp, ruling: Ruling, reason: &str) {
        let due = self.state.due();
        assert!(!due.is_empty(), "nothing is due");
        for due in due {
            let verdict = Verdict {
                verdict: ruling,
                class: RiskClass::Disruptive,
                argv: vec![due.step.action.to_string()],
                reason: reason.to_owned(),
                rule: "test".to_owned(),
            };
            self.step(now, Event::StepJudged { attempt: due.attempt, step: due.index, verdict });
        }
    }

    fn step_ends(&mut self, now: Timestamp, status: StepStatus) {
        let running = self.state.incidents().find_map(|(_, incident)| {
            let attempt = incident.attempt.as_ref()?;
            match attempt.state {
                AttemptState::Running(step) => Some((attempt.id, step)),
                _ => None,
            }
        });
        let (attempt, step) = running.expect("a running step");
        let outcome = StepOutcome { status, output: String::new(), took: Millis(150) };
        self.step(now, Event::StepFinished { attempt, step, outcome });
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
