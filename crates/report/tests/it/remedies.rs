//! Decisions of an incident with two remedies: one that a person approves and that is taken back,
//! one that is denied; then a person heals it.

use std::collections::BTreeMap;

use nightcrew_model::approval::PlanHash;
use nightcrew_model::condition::{Condition, Operand, Operator, Truth};
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::expression::{Expression, ResultCondition};
use nightcrew_model::id::{AttemptId, StepIndex, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::plan::{
    Action, Mode, OnFailure, Plan, ResultValue, Retry, Step, StepOutcome, StepStatus,
};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::{Stage, TicketNews};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

use crate::chronicle::{
    INCIDENT, alert, at, decided, ended, fired, opened, outcome, percent, step, verify,
};

pub(crate) const FIRST: AttemptId = AttemptId { incident: INCIDENT, number: 1 };

pub(crate) const SECOND: AttemptId = AttemptId { incident: INCIDENT, number: 2 };

pub(crate) fn target() -> Target {
    Target::service("결제-api".into())
}

pub(crate) fn plan(playbook: &str, mode: Mode, steps: Vec<Step>) -> Plan {
    let mut verify = verify("error_rate", Operator::Less, Operand::Number(1.0));
    let below = Condition {
        metric: "latency_ms".into(),
        operator: Operator::Less,
        operand: Operand::Number(500.0),
    };
    verify.condition = Expression::All { all: vec![verify.condition, below.into()] };
    Plan { playbook: playbook.into(), target: target(), steps, verify, mode }
}

pub(crate) fn plan_of_first() -> Plan {
    let service = || target().service;
    let mut looks = step(
        Action::CheckLogs {
            service: service(),
            pattern: Some("오류|error".into()),
            within: Millis::from_secs(300),
        },
        "Look for the errors",
    );
    looks.name = Some("logs".into());
    let mut reload = step(Action::ReloadService { service: service() }, "Reload");
    reload.when = Some(Expression::Result(ResultCondition {
        step: "logs".into(),
        key: "matches".into(),
        operator: Operator::Greater,
        value: ResultValue::Number(100.0),
    }));
    let mut raise =
        step(Action::RaiseMemoryLimit { service: service(), by_percent: 25 }, "Raise the limit");
    raise.rollback = Some(Action::RestartService { service: service() });
    let mut restart = step(Action::RestartService { service: service() }, "Restart");
    restart.retry = Retry { times: 1, pause: Millis::from_secs(5) };
    restart.on_failure = OnFailure::RollBack;
    plan("high_error_rate", Mode::Live, vec![looks, reload, raise, restart])
}

pub(crate) fn verdict(ruling: Ruling, class: RiskClass, argv: &[&str]) -> Verdict {
    Verdict {
        verdict: ruling,
        class,
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        reason: "restart_allowed of 결제-api".into(),
        rule: "service.restart".into(),
    }
}

pub(crate) fn planned(ms: i64, attempt: AttemptId, plan: Plan, reason: Reason) -> Decision {
    decided(ms, Fact::AttemptPlanned { attempt, plan: Box::new(plan) }, reason)
}

pub(crate) fn asked(ms: i64, attempt: AttemptId, plan: &Plan) -> Decision {
    let verdicts = plan.steps.iter().map(|_| {
        verdict(Ruling::Approval, RiskClass::Disruptive, &["systemctl", "restart", "pay"])
    });
    let fact = Fact::ApprovalRequested {
        attempt,
        hash: PlanHash::of(plan),
        verdicts: verdicts.collect(),
        expires_at: at(ms + 300_000),
    };
    decided(ms, fact, Reason::NeedsApproval { class: RiskClass::Disruptive })
}

pub(crate) fn by(person: &str) -> Reason {
    Reason::Asked { by: person.into() }
}

fn started(ms: i64, index: u16) -> Decision {
    let verdict = verdict(Ruling::Admitted, RiskClass::Disruptive, &["systemctl", "restart"]);
    let fact = Fact::StepStarted { attempt: FIRST, step: StepIndex(index), verdict };
    decided(ms, fact, Reason::GateAdmitted)
}

fn finished(ms: i64, index: u16, outcome: StepOutcome, reason: Reason) -> Decision {
    let fact = Fact::StepFinished { attempt: FIRST, step: StepIndex(index), outcome };
    decided(ms, fact, reason)
}

fn ticket(ms: i64, news: TicketNews) -> Decision {
    let fact = Fact::TicketTold { incident: INCIDENT, tracker: "jira".into(), news };
    decided(ms, fact, Reason::Tracker { detail: "the tracker has it".into() })
}

fn about() -> Box<nightcrew_model::alert::Alert> {
    alert(target(), "high_error_rate", Labels::default())
}

/// What comes before the first remedy begins.
fn beginning() -> Vec<Decision> {
    let (about, plan) = (about(), plan_of_first());
    let (hash, seen) = (PlanHash::of(&plan), "7 %".to_owned());
    let condition = Reason::ConditionHolds { condition: "error_rate > 5".into(), seen };
    vec![
        fired(1_000, &about, "error_rate > 5 in 3 of 3 samples", "7 %"),
        opened(1_000, &about, vec![percent(&target(), 900, 7.0)]),
        ticket(1_010, TicketNews::Intended),
        planned(1_000, FIRST, plan.clone(), condition),
        asked(1_020, FIRST, &plan),
        ticket(
            1_400,
            TicketNews::Opened {
                key: "OPS-7".into(),
                url: Some("https://jira.example/browse/OPS-7".into()),
            },
        ),
        decided(61_000, Fact::ApprovalGiven { attempt: FIRST, hash }, by("민지")),
    ]
}

/// The first remedy, which fails and is taken back.
fn first() -> Vec<Decision> {
    let results = BTreeMap::from([
        ("matches".into(), ResultValue::Number(17.0)),
        ("top_line".into(), ResultValue::Text("오류 | 연결 `거부`\n| x |".into())),
    ]);
    let looked = StepOutcome { results, ..outcome(StepStatus::Succeeded, "17 lines\n") };
    let restart_failed = || Reason::StepFailed { step: StepIndex(3), status: "timed out".into() };
    let undo = verdict(Ruling::Admitted, RiskClass::Disruptive, &["systemctl", "restart", "pay"]);
    vec![
        started(61_010, 0),
        finished(61_500, 0, looked, Reason::StepEnded),
        decided(
            61_500,
            Fact::StepSkipped { attempt: FIRST, step: StepIndex(1) },
            Reason::WhenNotMet { condition: "logs.matches > 100".into(), truth: Truth::False },
        ),
        started(61_510, 2),
        finished(61_600, 2, outcome(StepStatus::Succeeded, ""), Reason::StepEnded),
        started(61_610, 3),
        finished(
            91_610,
            3,
            outcome(StepStatus::TimedOut, "waiting…"),
            Reason::Retried { attempt: 2, of: 2 },
        ),
        started(96_610, 3),
        finished(126_610, 3, outcome(StepStatus::TimedOut, "waiting…"), Reason::StepEnded),
        decided(
            126_610,
            Fact::RollbackStarted { attempt: FIRST, from: StepIndex(2) },
            restart_failed(),
        ),
        decided(
            126_620,
            Fact::UndoStarted { attempt: FIRST, step: StepIndex(2), verdict: undo },
            Reason::GateAdmitted,
        ),
        decided(
            127_000,
            Fact::UndoFinished {
                attempt: FIRST,
                step: StepIndex(2),
                outcome: outcome(StepStatus::Succeeded, ""),
            },
            Reason::StepEnded,
        ),
        decided(127_000, Fact::AttemptFailed { attempt: FIRST }, restart_failed()),
    ]
}

/// The second remedy, which is denied, and what a person does then.
fn second() -> Vec<Decision> {
    let restart = step(Action::RestartService { service: target().service }, "Restart all");
    let plan = plan("restart_all", Mode::Live, vec![restart]);
    let next = Reason::NextRemedy { after: "high_error_rate".into() };
    let joined = Fact::AlertJoined {
        incident: INCIDENT,
        alert: about().fingerprint,
        severity: Severity::Critical,
    };
    vec![
        planned(127_010, SECOND, plan.clone(), next),
        asked(127_020, SECOND, &plan),
        decided(130_000, joined, Reason::SameKey),
        decided(200_000, Fact::ApprovalDenied { attempt: SECOND }, by("철수")),
        decided(
            200_000,
            Fact::IncidentEscalated { incident: INCIDENT },
            Reason::RemediesExhausted { tried: 2 },
        ),
        ticket(200_100, TicketNews::Moved { stage: Stage::Escalated }),
        decided(
            260_000,
            Fact::IncidentAcknowledged { incident: INCIDENT, by: "철수".into() },
            by("철수"),
        ),
        ended(600_000, about().fingerprint),
        decided(
            600_100,
            Fact::IncidentResolved { incident: INCIDENT, verified: false },
            by("철수"),
        ),
        ticket(600_400, TicketNews::Moved { stage: Stage::Done }),
        decided(4_200_000, Fact::IncidentClosed { incident: INCIDENT }, Reason::WindowPassed),
    ]
}

/// The whole incident.
pub(crate) fn taken_back_and_denied() -> Vec<Decision> {
    let mut all = beginning();
    all.extend(first());
    all.extend(second());
    all
}

/// The incident while a person is asked.
pub(crate) fn waiting() -> Vec<Decision> {
    let mut all = beginning();
    all.pop();
    all
}
