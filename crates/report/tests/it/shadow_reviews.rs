//! Playbooks in shadow, compared with what people did.

use nightcrew_model::condition::Truth;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId, StepIndex};
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::plan::Mode;
use nightcrew_model::sample::Status;
use nightcrew_model::verdict::{RiskClass, Ruling};
use nightcrew_report::shadow_case::{Admission, Agreement, Became, ShadowRun};
use nightcrew_report::shadow_page::markdown;
use nightcrew_report::shadow_review::{
    DROP_RUNS_MIN, INCIDENTS_MAX, PROMOTE_RUNS_MIN, PlaybookReview, Proposal, RUNS_MAX, Reviewing,
    review,
};

use crate::chronicle::{ATTEMPT, INCIDENT, at, decided, ended, healed, process};
use crate::healing_score::as_incident;
use crate::remedies::{by, verdict};

const SECOND: AttemptId = AttemptId { incident: INCIDENT, number: 2 };

/// A process that died; a playbook in shadow would have started it again.
fn shadow(ruling: Ruling) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = healed().into_iter().take(3).collect();
    let Fact::AttemptPlanned { plan, .. } = &mut decisions[2].fact else { unreachable!() };
    plan.mode = Mode::Shadow;
    let verdicts = vec![verdict(ruling, RiskClass::Disruptive, &["systemctl", "restart"])];
    decisions.push(match ruling {
        Ruling::Refused => decided(
            360,
            Fact::AttemptFailed { attempt: ATTEMPT },
            Reason::GateRefused { step: StepIndex(0), reason: "no grant".into() },
        ),
        _ => decided(360, Fact::PlanCleared { attempt: ATTEMPT, verdicts }, Reason::Shadow),
    });
    if ruling != Ruling::Refused {
        decisions.push(decided(360, Fact::AttemptFailed { attempt: ATTEMPT }, Reason::Shadow));
    }
    decisions.push(decided(
        370,
        Fact::IncidentEscalated { incident: INCIDENT },
        Reason::NoPlaybook,
    ));
    decisions
}

fn fingerprint(decisions: &[Decision]) -> Fingerprint {
    let Fact::AlertFired { alert } = &decisions[0].fact else { unreachable!() };
    alert.fingerprint
}

/// A later look at the process, as an alert's change brings it.
fn looked(decisions: &[Decision], ms: i64, status: Status) -> Decision {
    let Fact::AlertFired { alert } = decisions[0].fact.clone() else { unreachable!() };
    let mut alert = alert;
    alert.evidence = Some(process("결제-api", ms, status));
    decided(ms, Fact::AlertChanged { alert }, Reason::FreshSample)
}

fn over(ms: i64, reason: Reason) -> Decision {
    decided(ms, Fact::IncidentResolved { incident: INCIDENT, verified: false }, reason)
}

/// A person started it again and said so.
fn by_a_person() -> Vec<Decision> {
    let mut decisions = shadow(Ruling::Admitted);
    let acknowledged = Fact::IncidentAcknowledged { incident: INCIDENT, by: "민지".into() };
    decisions.push(decided(60_000, acknowledged, by("민지")));
    decisions.push(looked(&decisions, 90_000, Status::Running));
    decisions.push(ended(90_000, fingerprint(&decisions)));
    decisions.push(over(90_010, Reason::AlertsEnded));
    decisions
}

fn closed(mut decisions: Vec<Decision>) -> Vec<Decision> {
    let close = Fact::IncidentClosed { incident: INCIDENT };
    decisions.push(decided(4_000_000, close, Reason::WindowPassed));
    decisions
}

fn only(decisions: &[Decision]) -> ShadowRun {
    let mut reviews = review(decisions);
    assert_eq!(reviews.len(), 1);
    let review = reviews.remove(0);
    assert_eq!((review.playbook.as_str(), review.runs.len()), ("process_down", 1));
    review.runs.into_iter().next().unwrap()
}

fn many(template: &[Decision], n: u32) -> Vec<Decision> {
    let of = |n: u32| as_incident(template.to_vec(), 100 + u64::from(n), i64::from(n) * 10_000_000);
    (0..n).flat_map(of).collect()
}

fn proposal(decisions: &[Decision]) -> PlaybookReview {
    review(decisions).remove(0)
}

#[test]
fn what_a_person_did_too_speaks_for_it() {
    let run = only(&by_a_person());
    assert_eq!(run.agreement().0, Agreement::For, "{run:?}");
    assert!(matches!(run.admission, Admission::Admitted { asks: false, .. }));
    assert_eq!(run.success_seen, Truth::True);
    assert_eq!(run.restarted_at, Some(at(90_000)));
    assert!(run.cleared);
    let Became::EndedByPerson { by, after } = run.became else { panic!("{run:?}") };
    assert_eq!((by.unwrap().as_str(), after.0), ("민지", 89_660));
    assert_eq!(only(&closed(by_a_person())).agreement().0, Agreement::For);
}

#[test]
fn what_the_gate_would_refuse_speaks_against_it() {
    let mut decisions = shadow(Ruling::Refused);
    assert_eq!(only(&decisions).agreement().0, Agreement::Against);
    decisions.push(over(90_000, by("민지")));
    let run = only(&decisions);
    assert_eq!(run.agreement().0, Agreement::Against);
    assert!(matches!(run.admission, Admission::Refused { .. }));
}

#[test]
fn what_went_away_by_itself_speaks_against_it_unless_the_process_runs_again() {
    let mut decisions = shadow(Ruling::Admitted);
    assert_eq!(only(&decisions).agreement().0, Agreement::Pending);
    let mut restarted = decisions.clone();
    decisions.push(over(90_000, Reason::NotRepeated));
    assert_eq!(only(&decisions).agreement().0, Agreement::Against);
    restarted.push(looked(&decisions, 80_000, Status::Running));
    restarted.push(over(90_000, Reason::AlertsEnded));
    assert_eq!(only(&restarted).agreement().0, Agreement::Unclear);
}

#[test]
fn looks_before_the_decision_prove_nothing() {
    let mut decisions = shadow(Ruling::Admitted);
    decisions.push(looked(&decisions, 100, Status::Running));
    decisions.push(over(90_000, by("민지")));
    let run = only(&decisions);
    assert_eq!((run.success_seen, run.agreement().0), (Truth::Unknown, Agreement::Unclear));
}

#[test]
fn an_end_without_success_speaks_against_it() {
    let mut decisions = shadow(Ruling::Admitted);
    decisions.push(looked(&decisions, 80_000, Status::Stopped));
    decisions.push(over(90_000, by("민지")));
    let run = only(&decisions);
    assert_eq!((run.success_seen, run.agreement().0), (Truth::False, Agreement::Against));
}

#[test]
fn another_playbook_that_did_the_same_speaks_for_it() {
    for (same, says) in [(true, Agreement::For), (false, Agreement::Unclear)] {
        let mut decisions = shadow(Ruling::Approval);
        let mut live = healed()[2..].to_vec();
        for decision in &mut live {
            decision.at += jiff::SignedDuration::from_secs(1);
            match &mut decision.fact {
                Fact::AttemptPlanned { attempt, plan } => {
                    *attempt = SECOND;
                    plan.playbook = "restart_now".into();
                    if !same {
                        plan.steps.clear();
                    }
                }
                Fact::StepStarted { attempt, .. }
                | Fact::StepFinished { attempt, .. }
                | Fact::VerificationStarted { attempt, .. }
                | Fact::AttemptSucceeded { attempt } => *attempt = SECOND,
                Fact::VerificationSampled { attempt, sample, .. } => {
                    *attempt = SECOND;
                    sample.at += jiff::SignedDuration::from_secs(1);
                }
                _ => {}
            }
        }
        decisions.extend(live);
        let run = only(&decisions);
        assert!(matches!(run.admission, Admission::Admitted { asks: true, .. }));
        assert!(matches!(run.became, Became::EndedByPlaybook { same: it, .. } if it == same));
        assert_eq!(run.agreement().0, says, "{run:?}");
    }
}

#[test]
fn what_came_back_tells_nothing() {
    let mut decisions = by_a_person();
    let trigger = fingerprint(&decisions);
    let back = Fact::IncidentReopened { incident: INCIDENT, trigger };
    decisions.push(decided(120_000, back, Reason::SameKey));
    let run = only(&decisions);
    assert_eq!((run.came_back, run.agreement().0), (true, Agreement::Unclear));
}

#[test]
fn enough_runs_without_one_against_are_proposed() {
    let promote_min = u32::try_from(PROMOTE_RUNS_MIN).unwrap();
    let good = closed(by_a_person());
    let few = proposal(&many(&good, promote_min - 1));
    assert_eq!((few.proposal, few.agreement), (Proposal::Keep, Some(1.0)));
    let enough = proposal(&many(&good, promote_min));
    assert_eq!((enough.proposal, enough.n_for), (Proposal::Promote, PROMOTE_RUNS_MIN));

    let bad = closed(shadow(Ruling::Refused));
    let mut mixed = many(&good, promote_min);
    mixed.extend(as_incident(bad.clone(), 900, 0));
    assert_eq!(proposal(&mixed).proposal, Proposal::Keep);
    let against = proposal(&many(&bad, u32::try_from(DROP_RUNS_MIN).unwrap()));
    assert_eq!((against.proposal, against.agreement), (Proposal::Drop, Some(0.0)));
}

#[test]
fn the_page_tells_each_run() {
    let mut decisions = many(&closed(by_a_person()), 5);
    decisions.extend(as_incident(shadow(Ruling::Refused), 900, 70_000_000));
    let reviews = review(&decisions);
    insta::assert_snapshot!("shadow", markdown(&reviews));
    let json = serde_json::to_value(&reviews).unwrap();
    assert_eq!(json[0]["proposal"], "keep");
    assert_eq!(json[0]["runs"][0]["became"]["became"], "ended_by_person");
    assert!(markdown(&[]).contains("None has decided anything in shadow."));
}

#[test]
fn the_memory_is_bounded() {
    let mut reviewing = Reviewing::default();
    let template = closed(by_a_person());
    for n in 0..(RUNS_MAX as u64 + 2) {
        let decisions = as_incident(template.clone(), n, 0);
        decisions.iter().for_each(|decision| reviewing.apply(decision));
    }
    assert_eq!(reviewing.reviews()[0].runs.len(), RUNS_MAX);

    // Beyond the limit the oldest incidents are no longer looked at: their runs stay as they were.
    let mut open = Reviewing::default();
    for n in 0..(INCIDENTS_MAX as u64 + 2) {
        for mut decision in as_incident(shadow(Ruling::Refused)[1..3].to_vec(), n, 0) {
            // Of services of their own, as many incidents are.
            if let Fact::IncidentOpened { key, .. } = &mut decision.fact {
                key.target.service = format!("s{n}").as_str().into();
            }
            open.apply(&decision);
        }
    }
    let over = as_incident(vec![over(5_000, by("민지"))], 0, 0);
    over.iter().for_each(|decision| open.apply(decision));
    let reviews = open.reviews();
    let first = &reviews[0].runs[0];
    assert_eq!((first.attempt.incident, &first.became), (IncidentId(0), &Became::Open));
}
