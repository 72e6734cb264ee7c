//! Decisions to append: small ones, a whole incident, and one of every kind.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_journal::batch::{Append, Batch, Expected};
use nightcrew_journal::entry::Entry;
use nightcrew_journal::journal::Journal;
use nightcrew_model::alert::{Alert, Source};
use nightcrew_model::approval::PlanHash;
use nightcrew_model::argv::Argv;
use nightcrew_model::condition::{Condition, Operand, Operator, Truth};
use nightcrew_model::decision::{AgentState, Decision, Fact, NotificationKind, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, NotificationId, StepIndex, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::plan::{Action, Mode, Plan, Step, StepOutcome, StepStatus, Verify};
use nightcrew_model::sample::{Observation, Reading, Sample, Status, Unknown};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::TicketNews;
use nightcrew_model::unit::{Millis, Quantity, Unit};
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};

/// The moment `second` seconds into the story.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

pub(crate) fn decision(second: i64, fact: Fact, reason: Reason) -> Decision {
    Decision { at: at(second), fact, reason }
}

/// A small decision whose text can be recognised.
pub(crate) fn note(text: &str) -> Decision {
    let fact = Fact::AgentChanged { agent: "오토힐".into(), state: AgentState::Healthy };
    let detail = text.to_owned();
    decision(0, fact, Reason::Supervision { detail })
}

/// What [`note`] said.
pub(crate) fn noted(decision: &Decision) -> &str {
    match &decision.reason {
        Reason::Supervision { detail } => detail,
        other => panic!("not a note: {other:?}"),
    }
}

/// One note for one stream.
pub(crate) fn one(stream: &str, expected: Expected, text: &str) -> Batch {
    Batch(vec![Append { stream: stream.to_owned(), expected, decisions: vec![note(text)] }])
}

/// The whole log.
pub(crate) async fn whole(journal: &Journal) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.last().map_or_else(Default::default, |e| e.position);
        let page = journal.read(after, 1_000).await.unwrap();
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

pub(crate) fn labels(n: u64) -> Labels {
    [
        ("service", "결제".to_owned()),
        ("alertname", "디스크 부족".to_owned()),
        ("instance", format!("node-{n}")),
    ]
    .into_iter()
    .collect()
}

pub(crate) fn alert(n: u64) -> Alert {
    let labels = labels(n);
    let (target, symptom) = nightcrew_model::alert::identify(&labels);
    Alert {
        fingerprint: labels.fingerprint(),
        annotations: [("summary", "디스크가 거의 찼습니다 💾")].into_iter().collect(),
        labels,
        severity: Severity::Critical,
        source: Source::Detector,
        starts_at: at(0),
        ends_at: None,
        updated_at: at(0),
        generator_url: "http://127.0.0.1:9090/graph?g0.expr=up".to_owned(),
        target,
        symptom,
        evidence: Some(disk(93.123_456_789_012_34)),
        chart: None,
    }
}

pub(crate) fn disk(percent: f64) -> Sample {
    let quantity = Quantity::new(percent, Unit::Percent).unwrap();
    Sample {
        target: Target::part("host".into(), "/var"),
        metric: "disk_usage".into(),
        at: at(1),
        observation: Observation::Read(Reading::Quantity(quantity)),
        detail: Some("93 % of 10 GB".to_owned()),
    }
}

fn absent() -> Sample {
    Sample {
        target: Target::service("결제".into()),
        metric: "process_status".into(),
        at: at(2),
        observation: Observation::Unknown(Unknown::TimedOut(Millis(5_000))),
        detail: None,
    }
}

pub(crate) fn plan() -> Plan {
    let step = |action| Step::new(action, "오래된 로그를 지운다", Millis::from_secs(30));
    let condition =
        |operator, operand| Condition { metric: "disk_usage".into(), operator, operand };
    Plan {
        playbook: "disk_cleanup".into(),
        target: Target::part("host".into(), "/var"),
        steps: vec![
            step(Action::CleanFiles {
                root: "/var/log".into(),
                name: Some("*.log.*".to_owned()),
                older_than: Millis::from_secs(86_400),
            }),
            step(Action::RestartProcess { service: "결제".into() }),
            step(Action::RestartService { service: "결제".into() }),
            step(Action::Run {
                argv: Argv::parse("journalctl --vacuum-size=100M '*.log' /tmp/*.tmp").unwrap(),
            }),
        ],
        verify: Verify {
            condition: condition(Operator::LessOrEqual, Operand::Number(90.1)).into(),
            needed: 3,
            interval: Millis::from_secs(5),
            wait_after: Millis(500),
            deadline: Millis::from_secs(120),
        },
        mode: Mode::Live,
    }
}

pub(crate) fn outcome(status: StepStatus) -> StepOutcome {
    let output = "3 files removed\n삭제됨".to_owned();
    StepOutcome { status, output, took: Millis(1_234), results: BTreeMap::new() }
}

pub(crate) fn verdict(ruling: Ruling) -> Verdict {
    Verdict {
        verdict: ruling,
        class: RiskClass::Destructive,
        argv: vec!["find".to_owned(), "/var/log".to_owned()],
        reason: "`/var/log` is an allowed root".to_owned(),
        rule: "find.delete".to_owned(),
    }
}

pub(crate) fn attempt(incident: IncidentId) -> AttemptId {
    AttemptId { incident, number: 1 }
}

pub(crate) fn fired(n: u64) -> Decision {
    let alert = Box::new(alert(n));
    decision(0, Fact::AlertFired { alert }, rule_met())
}

pub(crate) fn resolved_alert(n: u64) -> Decision {
    let fact = Fact::AlertResolved { fingerprint: labels(n).fingerprint(), ends_at: at(60) };
    decision(60, fact, Reason::NotRepeated)
}

fn rule_met() -> Reason {
    Reason::RuleMet {
        rule: "disk_usage >= 90 % in 3 of 3 samples".to_owned(),
        seen: "93.12 %".to_owned(),
    }
}

pub(crate) fn opened(n: u64) -> Decision {
    let alert = alert(n);
    let fact = Fact::IncidentOpened {
        incident: IncidentId(n),
        key: IncidentKey { target: alert.target, symptom: alert.symptom },
        severity: Severity::Critical,
        trigger: alert.fingerprint,
        initial: vec![disk(0.1), absent()],
    };
    decision(1, fact, Reason::NewKey)
}

pub(crate) fn escalated(n: u64) -> Decision {
    let incident = IncidentId(n);
    decision(9, Fact::IncidentEscalated { incident }, Reason::NoPlaybook)
}

pub(crate) fn ended(n: u64, verified: bool) -> Decision {
    let fact = Fact::IncidentResolved { incident: IncidentId(n), verified };
    decision(20, fact, Reason::Verified { samples: 3 })
}

pub(crate) fn reopened(n: u64) -> Decision {
    let fact =
        Fact::IncidentReopened { incident: IncidentId(n), trigger: labels(n + 100).fingerprint() };
    decision(30, fact, Reason::SameKey)
}

pub(crate) fn planned(n: u64) -> Decision {
    let fact = Fact::AttemptPlanned { attempt: attempt(IncidentId(n)), plan: Box::new(plan()) };
    let reason = Reason::ConditionHolds {
        condition: "disk_usage > 90".to_owned(),
        seen: "93.12 %".to_owned(),
    };
    decision(2, fact, reason)
}

pub(crate) fn verifying(n: u64) -> Decision {
    let fact = Fact::VerificationStarted {
        attempt: attempt(IncidentId(n)),
        not_before: at(5),
        deadline: at(125),
    };
    decision(5, fact, Reason::StepsDone)
}

pub(crate) fn closed(n: u64) -> Decision {
    let incident = IncidentId(n);
    decision(4_000, Fact::IncidentClosed { incident }, Reason::WindowPassed)
}

pub(crate) fn queued(notification: u64, incident: u64, channel: &str) -> Decision {
    let fact = Fact::NotificationQueued {
        notification: NotificationId(notification),
        subject: IncidentId(incident).into(),
        channel: channel.into(),
        kind: NotificationKind::Escalated,
        mentions: Vec::new(),
    };
    let second = i64::try_from(notification).unwrap();
    decision(second, fact, Reason::ChannelListens)
}

pub(crate) fn delivered(notification: u64, incident: u64, channel: &str) -> Decision {
    let fact = Fact::NotificationDelivered {
        notification: NotificationId(notification),
        subject: IncidentId(incident).into(),
        channel: channel.into(),
        receipt: None,
    };
    decision(11, fact, Reason::ReceiverAccepted)
}

pub(crate) fn refused(notification: u64, incident: u64, channel: &str) -> Decision {
    let fact = Fact::NotificationFailed {
        notification: NotificationId(notification),
        subject: IncidentId(incident).into(),
        channel: channel.into(),
    };
    let error = "HTTP 404: 알 수 없는 웹훅".to_owned();
    decision(12, fact, Reason::ReceiverRefused { error })
}

/// A plan that waits for a person.
pub(crate) fn asked(n: u64) -> Decision {
    let fact = Fact::ApprovalRequested {
        attempt: attempt(IncidentId(n)),
        hash: PlanHash::of(&plan()),
        verdicts: vec![verdict(Ruling::Approval)],
        expires_at: at(302),
    };
    decision(2, fact, Reason::NeedsApproval { class: RiskClass::Destructive })
}

/// A person does not want the plan to run.
pub(crate) fn denied(n: u64) -> Decision {
    let fact = Fact::ApprovalDenied { attempt: attempt(IncidentId(n)) };
    decision(8, fact, Reason::Asked { by: "민지".into() })
}

/// The ticket of an incident.
pub(crate) fn ticket(n: u64) -> Decision {
    let news = TicketNews::Opened { key: "OPS-7".into(), url: None };
    let incident = IncidentId(n);
    let fact = Fact::TicketTold { incident, tracker: "지라".into(), news };
    decision(10, fact, Reason::Tracker { detail: "the tracker has it".to_owned() })
}

/// One incident from its first alert to its end, with messages.
pub(crate) fn story(n: u64) -> Vec<Decision> {
    let notification = 2 * n;
    vec![
        fired(n),
        opened(n),
        queued(notification, n, "discord"),
        planned(n),
        verifying(n),
        ended(n, true),
        delivered(notification, n, "discord"),
        queued(notification + 1, n, "웹훅"),
        resolved_alert(n),
    ]
}

/// One decision of each kind of fact, and of each kind of reason.
#[expect(clippy::too_many_lines, reason = "a table with a line for each kind")]
pub(crate) fn every_kind() -> Vec<Decision> {
    let incident = IncidentId(42);
    let attempt = attempt(incident);
    let step = StepIndex(1);
    let mut alert = alert(7);
    alert.ends_at = Some(at(300));
    alert.evidence = None;
    let changed = Fact::AlertChanged { alert: Box::new(alert) };
    let source = Source::Alertmanager;
    let joined =
        Fact::AlertJoined { incident, alert: Fingerprint(u64::MAX), severity: Severity::Warning };
    let held = |reason| {
        let playbook = "disk_cleanup".into();
        decision(3, Fact::RemedyHeld { incident, playbook }, reason)
    };
    let started = |ruling, reason| {
        let verdict = verdict(ruling);
        let fact = Fact::StepStarted { attempt, step, verdict };
        decision(3, fact, reason)
    };
    let finished = |status, reason| {
        let outcome = outcome(status);
        let fact = Fact::StepFinished { attempt, step, outcome };
        decision(4, fact, reason)
    };
    let sampled = |sample, good| {
        let fact = Fact::VerificationSampled { attempt, sample, good, in_a_row: 2 };
        decision(6, fact, Reason::FreshSample)
    };
    let stopped =
        Sample { observation: Observation::Read(Reading::Status(Status::Stopped)), ..absent() };
    let failed = |reason| decision(7, Fact::AttemptFailed { attempt }, reason);
    let seen = || "12.3 %".to_owned();
    let rule = || "disk_usage >= 90 %".to_owned();
    let mut all = vec![
        fired(7),
        decision(2, changed, Reason::Reported { source }),
        resolved_alert(7),
        decision(61, resolved_alert(8).fact, Reason::RuleCleared { rule: rule(), seen: seen() }),
        opened(42),
        decision(2, joined, Reason::SameKey),
        reopened(42),
        planned(42),
        held(Reason::Cooldown { playbook: "disk_cleanup".into(), until: at(600) }),
        held(Reason::TargetBusy { attempt }),
        held(Reason::DryRun),
        started(Ruling::Admitted, Reason::GateAdmitted),
        started(Ruling::Admitted, Reason::RestartedIdempotent),
        finished(StepStatus::Succeeded, Reason::StepEnded),
        finished(StepStatus::Exited { code: Some(-1) }, Reason::StepEnded),
        finished(StepStatus::Exited { code: None }, Reason::StepEnded),
        finished(StepStatus::TimedOut, Reason::StepEnded),
        finished(StepStatus::Failed, Reason::StepEnded),
        finished(StepStatus::Refused, Reason::StepEnded),
        finished(StepStatus::Shown, Reason::DryRun),
        verifying(42),
        sampled(disk(1e-7), Truth::True),
        sampled(stopped, Truth::False),
        sampled(absent(), Truth::Unknown),
        decision(8, Fact::AttemptSucceeded { attempt }, Reason::Verified { samples: 3 }),
        failed(Reason::GateRefused { step, reason: "`/` is not an allowed root".to_owned() }),
        failed(Reason::StepFailed { step, status: "failed with exit code 1".to_owned() }),
        failed(Reason::NotVerified { best: 2, needed: 3, waited: Millis::from_secs(120) }),
        decision(8, Fact::AttemptInterrupted { attempt }, Reason::CutOffEffectUnproven { step }),
        ended(42, true),
        decision(21, ended(42, false).fact, Reason::AlertsEnded),
        escalated(42),
        decision(10, escalated(42).fact, Reason::RemedyFailed { attempt }),
        closed(42),
        queued(1, 42, "discord"),
        delivered(1, 42, "discord"),
        refused(1, 42, "웹훅"),
        note("심장 박동이 돌아왔다"),
        decision(5, verifying(42).fact, Reason::AlreadyGood),
        decision(5, verifying(42).fact, Reason::VerificationCutOff),
        decision(30, reopened(42).fact, Reason::StillReported),
    ];
    all.extend(crate::later::later_kinds());
    all.extend(crate::repair::repair_kinds());
    all
}
