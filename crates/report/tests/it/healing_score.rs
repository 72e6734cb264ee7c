//! How well the crew heals, from what became of its attempts.

use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{AttemptId, IncidentId};
use nightcrew_model::plan::Mode;
use nightcrew_model::unit::Millis;
use nightcrew_report::healing_figures::{gauges, markdown};
use nightcrew_report::healing_score::{
    Healing, HealingScore, INCIDENTS_MAX, NAMED_MAX, Span, TIMES_MAX, WINDOW,
};

use crate::chronicle::{at, escalated, healed};
use crate::remedies::taken_back_and_denied;

/// The same decisions as another incident, so much later.
pub(crate) fn as_incident(
    mut decisions: Vec<Decision>,
    number: u64,
    later_ms: i64,
) -> Vec<Decision> {
    let id = IncidentId(number);
    for decision in &mut decisions {
        decision.at += jiff::SignedDuration::from_millis(later_ms);
        match &mut decision.fact {
            Fact::IncidentOpened { incident, .. }
            | Fact::IncidentReopened { incident, .. }
            | Fact::IncidentAcknowledged { incident, .. }
            | Fact::IncidentEscalated { incident }
            | Fact::IncidentResolved { incident, .. }
            | Fact::IncidentClosed { incident } => *incident = id,
            Fact::AttemptPlanned { attempt, .. }
            | Fact::PlanCleared { attempt, .. }
            | Fact::ApprovalRequested { attempt, .. }
            | Fact::ApprovalGiven { attempt, .. }
            | Fact::ApprovalDenied { attempt }
            | Fact::ApprovalExpired { attempt }
            | Fact::StepStarted { attempt, .. }
            | Fact::StepFinished { attempt, .. }
            | Fact::VerificationStarted { attempt, .. }
            | Fact::VerificationSampled { attempt, .. }
            | Fact::AttemptSucceeded { attempt }
            | Fact::AttemptFailed { attempt } => *attempt = AttemptId { incident: id, ..*attempt },
            _ => {}
        }
    }
    decisions
}

fn healing(decisions: &[Decision]) -> Healing {
    let mut healing = Healing::default();
    decisions.iter().for_each(|decision| healing.apply(decision));
    healing
}

fn score(decisions: &[Decision]) -> HealingScore {
    healing(decisions).score(at(3_600_000))
}

fn mixed() -> Vec<Decision> {
    let mut all = as_incident(healed(), 1, 0);
    all.extend(as_incident(healed(), 2, 10_000));
    all.extend(as_incident(escalated(), 3, 20_000));
    all.extend(as_incident(taken_back_and_denied(), 4, 30_000));
    all.extend(as_incident(healed(), 5, 40_000));
    all
}

#[test]
fn what_ran_counts_and_what_was_denied_does_not() {
    let score = score(&mixed());
    assert_eq!((score.incidents, score.runs, score.verified), (5, 5, 3));
    assert_eq!(score.success_rate, Some(0.6));
    let restart_all = score.playbooks["restart_all"];
    assert_eq!((restart_all.runs, restart_all.denied), (0, 1));
    assert_eq!(score.playbooks["process_down"].verified, 3);
    assert_eq!(score.repair, Span { count: 3, mean_ms: Some(2_440), p95_ms: Some(2_440) });
    assert_eq!(score.resolve.count, 4);
    assert_eq!(score.acknowledge.mean_ms, Some(259_000));
}

#[test]
fn what_comes_three_times_in_a_week_repeats() {
    let score = score(&mixed());
    assert_eq!(score.repeating.len(), 1);
    assert_eq!(score.repeating[0].times, 3);
    assert_eq!(score.repeating[0].incident, IncidentId(5));
    assert_eq!(score.frequent.len(), 3);
}

#[test]
fn the_page_and_the_gauges_say_the_same() {
    let score = score(&mixed());
    insta::assert_snapshot!("healing", markdown(&score));
    let lines: Vec<String> = gauges(&score).iter().map(|gauge| format!("{gauge:?}")).collect();
    insta::assert_snapshot!("healing_gauges", lines.join("\n"));
    let json = serde_json::to_value(&score).unwrap();
    assert_eq!(json["repeating"][0]["key"], "결제-api process_down");
}

#[test]
fn a_relapse_takes_the_success_back() {
    let mut decisions = healed();
    let Fact::AlertFired { alert } = decisions[0].fact.clone() else { unreachable!() };
    let incident = crate::chronicle::INCIDENT;
    let back = Fact::IncidentReopened { incident, trigger: alert.fingerprint };
    decisions.push(crate::chronicle::decided(60_000, back, Reason::SameKey));
    let score = score(&decisions);
    assert_eq!((score.runs, score.verified, score.success_rate), (1, 0, Some(0.0)));
    assert_eq!(score.playbooks["process_down"].relapsed, 1);
    assert_eq!((score.repair.count, score.resolve.count), (0, 0));
    assert_eq!(score.frequent[0].times, 2);
}

#[test]
fn what_was_only_shown_never_ran() {
    for (mode, shadow, shown) in [(Mode::Shadow, 1, 0), (Mode::DryRun, 0, 1), (Mode::Suggest, 0, 1)]
    {
        let mut decisions = healed();
        let Fact::AttemptPlanned { plan, .. } = &mut decisions[2].fact else { unreachable!() };
        plan.mode = mode;
        let score = score(&decisions);
        let of = score.playbooks["process_down"];
        assert_eq!((score.runs, of.shadow, of.shown), (0, shadow, shown));
        assert_eq!((score.success_rate, score.repair.count), (None, 0));
    }
}

#[test]
fn nothing_is_unknown_and_never_zero() {
    let score = score(&[]);
    assert_eq!(score, HealingScore::default());
    assert!(markdown(&score).contains("Success rate**: unknown"));
    assert!(gauges(&score)[0].values.is_empty());
}

#[test]
fn what_is_long_ago_counts_no_more() {
    let healing = healing(&mixed());
    let later = healing.score(WINDOW.after(at(3_600_000)));
    assert_eq!((later.incidents, later.runs, later.frequent.len()), (0, 0, 0));
}

#[test]
fn the_memory_is_bounded() {
    let template = healed();
    let mut many = Healing::default();
    for n in 0..(INCIDENTS_MAX as u64 + 5) {
        for decision in as_incident(template[1..2].to_vec(), n, 0) {
            many.apply(&decision);
        }
    }
    assert_eq!(many.score(at(1_000)).incidents, INCIDENTS_MAX as u64);

    let mut again = Healing::default();
    again.apply(&template[1]);
    for n in 0..(TIMES_MAX as i64 + 5) {
        let Fact::IncidentOpened { incident, trigger, .. } = template[1].fact else {
            unreachable!()
        };
        let back = Fact::IncidentReopened { incident, trigger };
        again.apply(&crate::chronicle::decided(1_000 + n, back, Reason::SameKey));
    }
    let score = again.score(at(10_000));
    assert_eq!(score.frequent[0].times, TIMES_MAX as u64);
    assert!(score.frequent.len() <= NAMED_MAX);
    assert!(Millis::between(score.frequent[0].last, at(10_000)) < WINDOW);
}
