//! Post-mortems: what is learned, and that nothing is said which nothing supports.

use nightcrew_model::chart::{Chart, Method};
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{IncidentId, StepIndex, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::lock::{Blocked, Lock};
use nightcrew_model::unit::{Millis, Unit};
use nightcrew_model::verdict::{RiskClass, Ruling};
use nightcrew_report::fold::incident_record;
use nightcrew_report::follow_up::{DETECTION_LATE, FOLLOW_UPS_MAX, Rule, SAME_MIN, TAKEN_LATE};
use nightcrew_report::post_mortem::{PostMortem, Tie, Worked, post_mortem};
use nightcrew_report::post_mortem_page::markdown;
use nightcrew_report::record::Record;
use nightcrew_report::surroundings::{BudgetUse, Context, KEPT_MAX, context};
use nightcrew_report::workspace::{post_mortem_path, write_post_mortem};

use crate::chronicle::{ATTEMPT, INCIDENT, alert, at, decided, escalated, fired, healed, opened};
use crate::healing_score::as_incident;
use crate::remedies::{asked, by, plan_of_first, taken_back_and_denied, verdict, waiting};

fn record(decisions: &[Decision]) -> Record {
    incident_record(INCIDENT, decisions).unwrap()
}

fn learned(decisions: &[Decision]) -> PostMortem {
    let record = record(decisions);
    post_mortem(&record, &context(&record, decisions))
}

fn rules(of: &PostMortem) -> Vec<Rule> {
    of.follow_ups.iter().map(|it| it.rule).collect()
}

/// A chart says since when it was wrong.
fn since(decisions: &mut [Decision], ms: i64) {
    let Fact::AlertFired { alert } = &mut decisions[0].fact else { unreachable!() };
    alert.chart = Some(Box::new(Chart {
        method: Method::Threshold,
        unit: Unit::Percent,
        points: Vec::new(),
        ahead: Vec::new(),
        expected: None,
        limit: Some(5.0),
        since: Some(at(ms)),
    }));
}

/// What others did and suffered around it.
fn around() -> Vec<Decision> {
    let database = alert(Target::service("db".into()), "disk_space_low", Labels::default());
    let lock = Lock {
        name: "배포".into(),
        owner: "민지".into(),
        reason: "release 12".into(),
        services: vec!["결제-api".into()],
        blocks: vec![Blocked::Notify],
        since: at(-600_000),
        expected_release: None,
        expires_at: at(600_000),
        fence: nightcrew_model::id::Fence(1),
    };
    let other = Lock { name: "other".into(), services: vec!["web".into()], ..lock.clone() };
    let mut all = as_incident(taken_back_and_denied(), 40, -86_400_000);
    all.extend(as_incident(taken_back_and_denied(), 41, -43_200_000));
    all.push(decided(-600_000, Fact::LockTaken { lock: Box::new(lock) }, by("민지")));
    all.push(decided(-500_000, Fact::LockTaken { lock: Box::new(other) }, by("민지")));
    all.push(fired(-60_000, &database, "disk_usage >= 90", "97 %"));
    all
}

#[test]
fn a_whole_incident_with_what_was_around_it() {
    let mut own = taken_back_and_denied();
    since(&mut own, -400_000);
    let mut decisions = around();
    decisions.extend(own);
    let root = Fact::IncidentCorrelated { incident: INCIDENT, root: IncidentId(39) };
    decisions.push(decided(300_000, root, Reason::DependsOn { service: "db".into() }));
    let record = record(&decisions);
    let mut context = context(&record, &decisions);
    context.budget = Some(BudgetUse {
        objective: "결제-api: 99.9 % in 30 days".into(),
        used: Some(0.12),
        left: None,
    });
    let learned = post_mortem(&record, &context);
    insta::assert_snapshot!("post_mortem", markdown(&learned));
    assert_eq!(learned.times.detect_ms, Some(Millis(401_000)));
    assert!(learned.times.detect_ms > Some(DETECTION_LATE));
    assert_eq!(
        rules(&learned),
        [Rule::Repeated, Rule::DetectedLate, Rule::StepFailed, Rule::Denied]
    );
    assert_eq!(learned.follow_ups[0].evidence.len(), SAME_MIN);
    let ties: Vec<Tie> = learned.contributing.iter().map(|it| it.tie).collect();
    assert_eq!(ties, [Tie::Cause, Tie::NearInTime, Tie::Change, Tie::Change]);
    assert!(matches!(&learned.worked, Worked::Unproven { verified: false, .. }));
    let json = serde_json::to_value(&learned).unwrap();
    assert_eq!(json["follow_ups"][2]["evidence"][0], "INC-42/1 step 4");
}

#[test]
fn a_clean_repair_has_nothing_to_follow_up() {
    let learned = learned(&healed());
    insta::assert_snapshot!("post_mortem_of_a_repair", markdown(&learned));
    assert_eq!(learned.follow_ups, []);
    assert!(matches!(&learned.worked, Worked::Remedy { attempt, .. } if *attempt == ATTEMPT));
}

#[test]
fn the_time_to_detect_is_unknown_where_no_numbers_tell() {
    let learned = learned(&healed());
    assert_eq!((learned.times.wrong_since, learned.times.detect_ms), (None, None));
    assert!(markdown(&learned).contains("| wrong since | unknown | – |"));
    // A beginning after the end of the look is no beginning.
    let mut decisions = healed();
    since(&mut decisions, 10_000);
    assert_eq!(self::learned(&decisions).times.detect_ms, None);
}

#[test]
fn what_nobody_could_do_anything_about_wants_a_playbook() {
    let mut decisions: Vec<Decision> = healed().into_iter().take(2).collect();
    decisions.push(decided(
        400,
        Fact::IncidentEscalated { incident: INCIDENT },
        Reason::NoPlaybook,
    ));
    assert_eq!(rules(&learned(&decisions)), [Rule::NoPlaybook]);
    // It was nobody's for too long.
    let late = i64::try_from(TAKEN_LATE.0).unwrap() + 1_000;
    let over = Fact::IncidentResolved { incident: INCIDENT, verified: false };
    decisions.push(decided(late, over, Reason::AlertsEnded));
    assert_eq!(rules(&learned(&decisions)), [Rule::NoPlaybook, Rule::TakenLate]);
}

#[test]
fn nobody_answering_asks_for_people_or_more_autonomy() {
    let mut decisions = waiting();
    let waited = Millis::from_secs(300);
    let expired = Fact::ApprovalExpired { attempt: ATTEMPT };
    decisions.push(decided(301_020, expired, Reason::NotApproved { waited }));
    let learned = learned(&decisions);
    assert_eq!(rules(&learned), [Rule::Expired]);
    assert_eq!(learned.follow_ups[0].evidence[0].to_string(), "INC-42/1");
    assert!(learned.follow_ups[0].what.contains("nobody approved within 5 min"));
}

#[test]
fn a_relapse_wants_its_root_cause_and_names_what_did_not_hold() {
    let mut decisions = healed();
    let Fact::AlertFired { alert } = decisions[0].fact.clone() else { unreachable!() };
    let back = Fact::IncidentReopened { incident: INCIDENT, trigger: alert.fingerprint };
    decisions.push(decided(60_000, back, Reason::SameKey));
    let learned = learned(&decisions);
    assert_eq!(rules(&learned), [Rule::Relapsed]);
    let evidence: Vec<String> =
        learned.follow_ups[0].evidence.iter().map(ToString::to_string).collect();
    assert_eq!(evidence, ["INC-42", "INC-42/1"]);
    assert_eq!(learned.worked, Worked::Nothing);
}

#[test]
fn a_refusal_names_the_rule_of_the_gate() {
    let mut decisions = waiting();
    let Fact::ApprovalRequested { verdicts, .. } = &mut decisions[4].fact else { unreachable!() };
    verdicts[1] = verdict(Ruling::Refused, RiskClass::Destructive, &[]);
    let refused = Reason::GateRefused { step: StepIndex(1), reason: "no grant".into() };
    decisions.push(decided(2_000, Fact::AttemptFailed { attempt: ATTEMPT }, refused));
    let learned = learned(&decisions);
    assert_eq!(rules(&learned), [Rule::Refused]);
    let what = &learned.follow_ups[0].what;
    assert!(what.contains("by rule service.restart: no grant"), "{what}");
}

#[test]
fn a_proof_that_takes_most_of_its_time_is_noted() {
    let mut decisions = healed();
    for decision in decisions.iter_mut().skip(6) {
        decision.at += jiff::SignedDuration::from_secs(40);
    }
    assert_eq!(rules(&learned(&decisions)), [Rule::ProofLong]);
}

#[test]
fn what_people_did_not_hear_is_noted() {
    let found = rules(&learned(&escalated()));
    assert_eq!(found, [Rule::StepFailed, Rule::NotTold]);
}

#[test]
fn hostile_text_stays_text() {
    let page = markdown(&learned(&escalated()));
    let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings.len(), 9, "{headings:?}");
    assert!(!page.contains("<img") && !page.contains("<script"), "{page}");
}

#[test]
fn every_list_has_its_limit() {
    let mut decisions: Vec<Decision> = Vec::new();
    for n in 0..(KEPT_MAX as u64 + 5) {
        decisions.extend(as_incident(healed()[1..2].to_vec(), 100 + n, -1_000));
        let near = alert(Target::service(format!("s{n}").as_str().into()), "x", Labels::default());
        decisions.push(fired(10, &near, "x", "y"));
    }
    decisions.extend(healed());
    let record = record(&decisions);
    let context = context(&record, &decisions);
    assert_eq!((context.same.len(), context.near.len()), (KEPT_MAX, KEPT_MAX));

    let mut many = healed();
    for n in 0..(FOLLOW_UPS_MAX + 5) {
        let playbook = format!("p{n}").as_str().into();
        let held = Fact::RemedyHeld { incident: INCIDENT, playbook };
        many.push(decided(3_000, held, Reason::DryRun));
    }
    assert_eq!(learned(&many).follow_ups.len(), FOLLOW_UPS_MAX);
    assert_eq!(post_mortem(&record, &Context::default()).contributing, []);
}

#[test]
fn it_lies_beside_the_record_and_is_replaced_when_the_incident_closes_again() {
    let workspace = tempfile::tempdir().unwrap();
    let record = record(&healed());
    let path = post_mortem_path(&record);
    assert_eq!(path.to_str(), Some("incidents/2026-11-21-INC-42-post-mortem.md"));
    let whole = write_post_mortem(workspace.path(), &record, &learned(&healed())).unwrap();
    assert_eq!(whole, workspace.path().join(path));
    write_post_mortem(workspace.path(), &record, &learned(&taken_back_and_denied())).unwrap();
    let text = std::fs::read_to_string(whole).unwrap();
    assert!(text.starts_with("# Post-mortem of INC-42: 결제-api high_error_rate"), "{text}");
}

#[test]
fn an_unanswered_question_is_no_outcome() {
    let plan = plan_of_first();
    let mut decisions = waiting();
    assert!(matches!(&decisions[4], it if it.fact == asked(1_020, ATTEMPT, &plan).fact));
    assert_eq!(rules(&learned(&decisions)), []);
    decisions.truncate(2);
    let about = alert(Target::service("결제-api".into()), "high_error_rate", Labels::default());
    decisions[1] = opened(1_000, &about, Vec::new());
    assert_eq!(learned(&decisions).tried, []);
}
