//! Decisions of incidents, written down as the engine makes them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use nightcrew_model::alert::{Alert, Source};
use nightcrew_model::condition::{Condition, Operand, Operator, Truth};
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, NotificationId, StepIndex, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::plan::{Action, Mode, Plan, Step, StepOutcome, StepStatus, Verify};
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Quantity, Unit};
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

pub(crate) const INCIDENT: IncidentId = IncidentId(42);

pub(crate) const ATTEMPT: AttemptId = AttemptId { incident: INCIDENT, number: 1 };

/// The moment so many milliseconds after 3 o'clock.
pub(crate) fn at(ms: i64) -> Timestamp {
    let three: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
    three + SignedDuration::from_millis(ms)
}

pub(crate) fn decided(ms: i64, fact: Fact, reason: Reason) -> Decision {
    Decision { at: at(ms), fact, reason }
}

pub(crate) fn process(service: &str, ms: i64, status: Status) -> Sample {
    Sample {
        target: Target::service(service.into()),
        metric: "process_status".into(),
        at: at(ms),
        observation: Observation::Read(Reading::Status(status)),
        detail: (status == Status::Stopped).then(|| "pid 4711 killed by signal 9".into()),
    }
}

pub(crate) fn percent(target: &Target, ms: i64, value: f64) -> Sample {
    Sample {
        target: target.clone(),
        metric: "disk_usage".into(),
        at: at(ms),
        observation: Observation::Read(Reading::Quantity(
            Quantity::new(value, Unit::Percent).unwrap(),
        )),
        detail: None,
    }
}

pub(crate) fn alert(target: Target, symptom: &str, annotations: Labels) -> Box<Alert> {
    let labels: Labels =
        [("alertname", symptom), ("service", target.service.as_str())].into_iter().collect();
    Box::new(Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations,
        severity: Severity::Critical,
        source: Source::Detector,
        starts_at: at(0),
        ends_at: None,
        updated_at: at(0),
        generator_url: String::new(),
        target,
        symptom: symptom.into(),
        evidence: None,
        chart: None,
    })
}

pub(crate) fn opened(ms: i64, alert: &Alert, initial: Vec<Sample>) -> Decision {
    decided(
        ms,
        Fact::IncidentOpened {
            incident: INCIDENT,
            key: IncidentKey { target: alert.target.clone(), symptom: alert.symptom.clone() },
            severity: alert.severity,
            trigger: alert.fingerprint,
            initial,
        },
        Reason::NewKey,
    )
}

pub(crate) fn verify(metric: &str, operator: Operator, operand: Operand) -> Verify {
    Verify {
        condition: Condition { metric: metric.into(), operator, operand }.into(),
        needed: 2,
        interval: Millis::from_secs(1),
        wait_after: Millis(0),
        deadline: Millis::from_secs(60),
    }
}

pub(crate) fn step(action: Action, description: &str) -> Step {
    Step::new(action, description, Millis::from_secs(30))
}

pub(crate) fn planned(
    ms: i64,
    playbook: &str,
    target: &Target,
    steps: Vec<Step>,
    verify: Verify,
) -> Decision {
    let condition = verify.condition.negated().to_string();
    decided(
        ms,
        Fact::AttemptPlanned {
            attempt: ATTEMPT,
            plan: Box::new(Plan {
                playbook: playbook.into(),
                target: target.clone(),
                steps,
                verify,
                mode: Mode::Live,
            }),
        },
        Reason::ConditionHolds { condition, seen: "as it is".into() },
    )
}

pub(crate) fn started(ms: i64, index: u16, argv: &[&str], class: RiskClass) -> Decision {
    decided(
        ms,
        Fact::StepStarted {
            attempt: ATTEMPT,
            step: StepIndex(index),
            verdict: Verdict {
                verdict: Ruling::Admitted,
                class,
                argv: argv.iter().map(|word| (*word).to_owned()).collect(),
                reason: "declared by the operator".into(),
                rule: "service.restart".into(),
            },
        },
        Reason::GateAdmitted,
    )
}

pub(crate) fn outcome(status: StepStatus, output: &str) -> StepOutcome {
    StepOutcome { status, output: output.into(), took: Millis(420), results: BTreeMap::new() }
}

pub(crate) fn finished(ms: i64, index: u16, status: StepStatus, output: &str) -> Decision {
    decided(
        ms,
        Fact::StepFinished {
            attempt: ATTEMPT,
            step: StepIndex(index),
            outcome: outcome(status, output),
        },
        Reason::StepEnded,
    )
}

pub(crate) fn verifying(ms: i64) -> Decision {
    decided(
        ms,
        Fact::VerificationStarted {
            attempt: ATTEMPT,
            not_before: at(ms),
            deadline: at(ms + 60_000),
        },
        Reason::StepsDone,
    )
}

pub(crate) fn sampled(ms: i64, sample: Sample, good: Truth, in_a_row: u32) -> Decision {
    decided(
        ms,
        Fact::VerificationSampled { attempt: ATTEMPT, sample, good, in_a_row },
        Reason::FreshSample,
    )
}

pub(crate) fn queued(ms: i64, notification: u64, kind: NotificationKind) -> Decision {
    decided(
        ms,
        Fact::NotificationQueued {
            notification: NotificationId(notification),
            subject: INCIDENT.into(),
            channel: "discord".into(),
            kind,
            mentions: Vec::new(),
        },
        Reason::ChannelListens,
    )
}

pub(crate) fn fired(ms: i64, alert: &Alert, rule: &str, seen: &str) -> Decision {
    decided(
        ms,
        Fact::AlertFired { alert: Box::new(alert.clone()) },
        Reason::RuleMet { rule: rule.into(), seen: seen.into() },
    )
}

pub(crate) fn ended(ms: i64, fingerprint: Fingerprint) -> Decision {
    decided(
        ms,
        Fact::AlertResolved { fingerprint, ends_at: at(ms) },
        Reason::RuleCleared {
            rule: "process_status == 'stopped' in 1 of 1 samples".into(),
            seen: "running".into(),
        },
    )
}

/// A process that died, was started again and proven to live.
pub(crate) fn healed() -> Vec<Decision> {
    let target = Target::service("결제-api".into());
    let mut about = Labels::default();
    about.set("summary", "the process of 결제-api does not live");
    let alert = alert(target.clone(), "process_down", about);
    let restart = Action::RestartProcess { service: target.service.clone() };
    let running = verify("process_status", Operator::Equal, Operand::Status(Status::Running));
    let proven = Reason::Verified { samples: 2 };
    let seen = |ms| process("결제-api", ms, Status::Running);
    vec![
        fired(350, &alert, "process_status == 'stopped' in 1 of 1 samples", "stopped"),
        opened(350, &alert, vec![process("결제-api", 340, Status::Stopped)]),
        planned(
            350,
            "process_down",
            &target,
            vec![step(restart, "Restart the stopped process")],
            running,
        ),
        started(360, 0, &["/srv/pay/bin/api", "--port", "8443"], RiskClass::Disruptive),
        finished(780, 0, StepStatus::Succeeded, "started, pid 4712\n"),
        verifying(780),
        sampled(1_790, seen(1_780), Truth::True, 1),
        sampled(2_790, seen(2_780), Truth::True, 2),
        decided(2_790, Fact::AttemptSucceeded { attempt: ATTEMPT }, proven.clone()),
        decided(2_790, Fact::IncidentResolved { incident: INCIDENT, verified: true }, proven),
        queued(2_790, 7, NotificationKind::Resolved),
        ended(2_800, alert.fingerprint),
        decided(
            3_100,
            Fact::NotificationDelivered {
                notification: NotificationId(7),
                subject: INCIDENT.into(),
                channel: "discord".into(),
                receipt: None,
            },
            Reason::ReceiverAccepted,
        ),
    ]
}

/// Everything in it that comes from outside tries to be something else.
pub(crate) const HOSTILE_OUTPUT: &str = "정리 중…\r\n```\n## 가짜 제목\n<script>alert(1)</script>\n\
    \u{1b}[2J\u{1b}[31mrm: cannot remove\n````\n- **Status**: ✅ Success\n\u{202e}끝";

/// A full disk that could not be emptied, told by hostile sources.
pub(crate) fn escalated() -> Vec<Decision> {
    let target = Target::part("host".into(), "/var`\n# 가짜");
    let mut about = Labels::default();
    about.set("summary", "`code` <img src=x> **굵게**\n# heading");
    let alert = alert(target.clone(), "disk_space_low", about);
    let clean = Action::CleanFiles {
        root: "/var/log".into(),
        name: Some("*.log.*".into()),
        older_than: Millis::from_secs(30 * 86_400),
    };
    let prune = Action::Run {
        argv: nightcrew_model::argv::Argv::literal(["docker", "system", "prune", "`-f`"]),
    };
    let steps =
        vec![step(clean, "Remove old logs\n## Verification"), step(prune, "Prune <b>images</b>")];
    let below = verify("disk_usage", Operator::Less, Operand::Number(85.0));
    let failed = Reason::StepFailed {
        step: StepIndex(0),
        status: StepStatus::Exited { code: Some(1) }.to_string(),
    };
    vec![
        fired(1_000, &alert, "disk_usage >= 90 in 3 of 3 samples", "97.2 % `rm`"),
        opened(1_000, &alert, vec![percent(&target, 900, 97.2)]),
        planned(1_000, "disk_space_low", &target, steps, below),
        started(1_010, 0, &[], RiskClass::Destructive),
        finished(1_430, 0, StepStatus::Exited { code: Some(1) }, HOSTILE_OUTPUT),
        decided(1_430, Fact::AttemptFailed { attempt: ATTEMPT }, failed),
        decided(
            1_430,
            Fact::IncidentEscalated { incident: INCIDENT },
            Reason::RemedyFailed { attempt: ATTEMPT },
        ),
        queued(1_430, 8, NotificationKind::Escalated),
        decided(
            1_900,
            Fact::NotificationFailed {
                notification: NotificationId(8),
                subject: INCIDENT.into(),
                channel: "discord".into(),
            },
            Reason::ReceiverRefused {
                error: "Discord answered HTTP 404: `Unknown Webhook`".into(),
            },
        ),
    ]
}
