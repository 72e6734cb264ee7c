//! Decisions of repairs: approvals, conditions of steps, retries, taking back, tickets, for the
//! fixture of the format.

use std::collections::BTreeMap;

use nightcrew_model::approval::{Autonomy, PlanHash, Shape, ShapeWord, StandingApproval};
use nightcrew_model::argv::Argv;
use nightcrew_model::condition::{Condition, Operand, Operator, Truth};
use nightcrew_model::decision::{Decision, Fact, NotificationKind, Reason};
use nightcrew_model::expression::{Expression, ResultCondition};
use nightcrew_model::id::{AttemptId, IncidentId, NotificationId, StepIndex, StepName};
use nightcrew_model::plan::{
    Action, Ask, Method, Mode, OnFailure, Plan, ResultValue, Retry, Step, StepOutcome, StepStatus,
};
use nightcrew_model::ticket::{Stage, TicketNews};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};

use crate::sample::{asked, at, attempt, decision, outcome, plan, verdict};

const INCIDENT: IncidentId = IncidentId(42);

fn ours() -> AttemptId {
    attempt(INCIDENT)
}

pub(crate) fn repair_kinds() -> Vec<Decision> {
    let mut all = plans();
    all.extend(approvals());
    all.extend(steps());
    all.extend(remedies());
    all.extend(tickets());
    all
}

fn disk(operator: Operator, limit: f64) -> Expression {
    let (metric, operand) = ("disk_usage".into(), Operand::Number(limit));
    Expression::Metric(Condition { metric, operator, operand })
}

fn found(key: &str, operator: Operator, value: ResultValue) -> Expression {
    let step = StepName::from("logs");
    Expression::Result(ResultCondition { step, key: key.into(), operator, value })
}

/// A plan with everything that a plan can hold.
fn rich(mode: Mode) -> Plan {
    let action = |action| Step::new(action, "살펴본다", Millis::from_secs(30));
    let service = || "결제".into();
    let mut looks = action(Action::CheckLogs {
        service: service(),
        pattern: Some("error|오류".to_owned()),
        within: Millis::from_secs(300),
    });
    looks.name = Some("logs".into());
    let mut reload = action(Action::ReloadService { service: service() });
    reload.when = Some(Expression::Any {
        any: vec![
            found("matches", Operator::Greater, ResultValue::Number(10.0)),
            found("top_line", Operator::Equal, ResultValue::Text("연결 거부".to_owned())),
            Expression::Not {
                not: Box::new(found("truncated", Operator::Equal, ResultValue::Flag(false))),
            },
        ],
    });
    reload.retry = Retry { times: 2, pause: Millis::from_secs(5) };
    reload.idempotent = Some(true);
    reload.on_failure = OnFailure::Continue;
    let mut raise = action(Action::RaiseMemoryLimit { service: service(), by_percent: 25 });
    raise.on_failure = OnFailure::RollBack;
    raise.rollback = Some(Action::RestartService { service: service() });
    raise.ask = Ask::Always;
    let url = "http://127.0.0.1:8080/admin/reset-pool".to_owned();
    let steps = vec![
        looks,
        reload,
        raise,
        action(Action::CheckDependencies { service: service() }),
        action(Action::CheckResources { service: service() }),
        action(Action::CollectMemory { service: service() }),
        action(Action::Request { method: Method::Post, url }),
        action(Action::RotateLog { path: "/var/log/결제.log".into() }),
        action(Action::Wait { duration: Millis::from_secs(10) }),
        action(Action::Run { argv: Argv::literal(["nginx", "-t"]) }),
    ];
    let mut plan = Plan { steps, mode, ..plan() };
    plan.verify.condition = Expression::All {
        all: vec![disk(Operator::Less, 85.0), disk(Operator::GreaterOrEqual, 0.0)],
    };
    plan
}

fn plans() -> Vec<Decision> {
    let planned = |mode, reason| {
        let fact = Fact::AttemptPlanned { attempt: ours(), plan: Box::new(rich(mode)) };
        decision(2, fact, reason)
    };
    let playbook = "disk_cleanup";
    vec![
        planned(Mode::Live, Reason::NextRemedy { after: playbook.into() }),
        planned(Mode::DryRun, Reason::DryRun),
        planned(Mode::Shadow, Reason::Shadow),
        planned(Mode::Suggest, Reason::Autonomy { level: Autonomy::Suggest }),
    ]
}

fn approvals() -> Vec<Decision> {
    let (attempt, hash) = (ours(), PlanHash::of(&plan()));
    let by = || "민지".into();
    let asked_by = || Reason::Asked { by: by() };
    let standing = StandingApproval {
        name: "밤-재시작".into(),
        playbook: "disk_cleanup".into(),
        service: Some("결제".into()),
        shapes: vec![Shape(vec![
            ShapeWord::Literal { word: "systemctl".to_owned() },
            ShapeWord::Literal { word: "restart".to_owned() },
            ShapeWord::Service,
            ShapeWord::Number,
            ShapeWord::Path { below: "/var/log".into() },
        ])],
        class_max: RiskClass::Disruptive,
        by: by(),
        reason: "야간 배포".to_owned(),
        until: at(7_200),
    };
    let verdicts = vec![verdict(Ruling::Admitted)];
    let cleared =
        |reason| decision(2, Fact::PlanCleared { attempt, verdicts: verdicts.clone() }, reason);
    let given = |reason| decision(100, Fact::ApprovalGiven { attempt, hash }, reason);
    let ended = Fact::StandingApprovalEnded { approval: standing.name.clone() };
    let wanted = Fact::NotificationQueued {
        notification: NotificationId(6),
        subject: INCIDENT.into(),
        channel: "slack".into(),
        kind: NotificationKind::ApprovalWanted,
        mentions: vec![by()],
    };
    vec![
        cleared(Reason::GateAdmitted),
        cleared(Reason::StandingApproval { approval: standing.name.clone() }),
        asked(42),
        decision(3, wanted, Reason::ChannelListens),
        given(asked_by()),
        given(Reason::StandingApproval { approval: standing.name.clone() }),
        decision(101, Fact::ApprovalDenied { attempt }, asked_by()),
        decision(
            302,
            Fact::ApprovalExpired { attempt },
            Reason::NotApproved { waited: Millis::from_secs(300) },
        ),
        decision(
            103,
            Fact::AttemptFailed { attempt },
            Reason::PlanChanged { detail: "단계 2는 이제 다른 명령이다".to_owned() },
        ),
        decision(1, Fact::StandingApprovalSet { approval: Box::new(standing) }, asked_by()),
        decision(9_000, ended, asked_by()),
    ]
}

fn steps() -> Vec<Decision> {
    let (attempt, step) = (ours(), StepIndex(1));
    let condition = "logs.matches > 10";
    let skipped = |truth| {
        let reason = Reason::WhenNotMet { condition: condition.to_owned(), truth };
        decision(3, Fact::StepSkipped { attempt, step }, reason)
    };
    let finished =
        |outcome, reason| decision(4, Fact::StepFinished { attempt, step, outcome }, reason);
    let results = BTreeMap::from([
        ("matches".into(), ResultValue::Number(17.0)),
        ("top_line".into(), ResultValue::Text("연결 거부".to_owned())),
        ("truncated".into(), ResultValue::Flag(false)),
    ]);
    let looked = StepOutcome { results, ..outcome(StepStatus::Succeeded) };
    let failed = || Reason::StepFailed { step, status: "timed out".to_owned() };
    let undo = Fact::UndoStarted { attempt, step, verdict: verdict(Ruling::Admitted) };
    let undone = Fact::UndoFinished { attempt, step, outcome: outcome(StepStatus::Succeeded) };
    vec![
        skipped(Truth::False),
        skipped(Truth::Unknown),
        finished(looked, Reason::StepEnded),
        finished(outcome(StepStatus::TimedOut), Reason::Retried { attempt: 2, of: 3 }),
        finished(outcome(StepStatus::Failed), Reason::Continued),
        decision(5, Fact::RollbackStarted { attempt, from: step }, failed()),
        decision(6, undo, Reason::GateAdmitted),
        decision(7, undone, Reason::StepEnded),
    ]
}

fn remedies() -> Vec<Decision> {
    let incident = INCIDENT;
    let playbook = || "disk_cleanup".into();
    let held = |reason| decision(8, Fact::RemedyHeld { incident, playbook: playbook() }, reason);
    let escalated = |reason| decision(9, Fact::IncidentEscalated { incident }, reason);
    vec![
        held(Reason::RunLimit { playbook: playbook(), times: 3, window: Millis::from_secs(3_600) }),
        held(Reason::BreakerOpen { playbook: playbook(), until: at(600) }),
        held(Reason::BlastRadius { down: 2, allowed: 1 }),
        held(Reason::BadParameter { detail: "`port` is no number".to_owned() }),
        escalated(Reason::EscalateIf { condition: "disk_usage > 98".to_owned() }),
        escalated(Reason::Relapsed { playbook: playbook() }),
        escalated(Reason::RemediesExhausted { tried: 2 }),
    ]
}

fn tickets() -> Vec<Decision> {
    let told = |news| {
        let fact = Fact::TicketTold { incident: INCIDENT, tracker: "지라".into(), news };
        decision(90, fact, Reason::Tracker { detail: "the tracker has it".to_owned() })
    };
    let opened = |url: Option<&str>| {
        told(TicketNews::Opened { key: "OPS-7".into(), url: url.map(str::to_owned) })
    };
    let mut all = vec![
        told(TicketNews::Intended),
        opened(Some("https://jira.example/browse/OPS-7")),
        opened(None),
        told(TicketNews::Refused { error: "HTTP 400: 필드가 없다".to_owned() }),
    ];
    all.extend(Stage::ALL.map(|stage| told(TicketNews::Moved { stage })));
    all
}
