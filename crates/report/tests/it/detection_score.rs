//! How well the crew saw, from what became of its incidents.

use nightcrew_model::alert::Source;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::severity::Severity;
use nightcrew_report::detection_score::{DetectionScore, WINDOW, Watching};

use crate::chronicle::{at, healed};

/// The decisions with every alert from another source, or of another severity.
fn alerts(mut decisions: Vec<Decision>, source: Source, severity: Severity) -> Vec<Decision> {
    for decision in &mut decisions {
        if let Fact::AlertFired { alert } = &mut decision.fact {
            alert.source = source;
            alert.severity = severity;
            alert.starts_at = at(-400);
        }
    }
    decisions
}

fn score(decisions: &[Decision]) -> DetectionScore {
    let mut watching = Watching::default();
    decisions.iter().for_each(|decision| watching.apply(decision));
    watching.score(at(3_600_000))
}

fn ours() -> Vec<Decision> {
    alerts(healed(), Source::Detector, Severity::Critical)
}

#[test]
fn an_incident_that_was_healed_was_worth_it() {
    let score = score(&ours());
    assert_eq!((score.own, score.told, score.ended, score.untouched), (1, 0, 1, 0));
    assert_eq!((score.accuracy, score.completeness), (Some(1.0), Some(1.0)));
    assert_eq!(score.methods["threshold"].incidents, 1);
    let latency = score.latency_median_ms.unwrap();
    assert!(latency >= 400, "{latency}");
    assert_eq!(score.latency_p95_ms, Some(latency));
}

#[test]
fn one_that_went_away_by_itself_was_a_false_alarm() {
    let mut decisions = ours();
    let touches = |fact: &Fact| {
        matches!(fact, Fact::AttemptPlanned { .. } | Fact::IncidentAcknowledged { .. })
    };
    decisions.retain(|decision| !touches(&decision.fact));
    let score = score(&decisions);
    assert_eq!((score.ended, score.untouched, score.accuracy), (1, 1, Some(0.0)));
    assert_eq!(score.methods["threshold"].untouched, 1);
}

#[test]
fn one_that_a_person_ended_was_none() {
    let mut decisions = ours();
    decisions.retain(|decision| !matches!(decision.fact, Fact::AttemptPlanned { .. }));
    for decision in &mut decisions {
        if matches!(decision.fact, Fact::IncidentResolved { .. }) {
            decision.reason = Reason::Asked { by: "kim".into() };
        }
    }
    let score = score(&decisions);
    assert_eq!((score.ended, score.untouched, score.accuracy), (1, 0, Some(1.0)));
}

#[test]
fn one_that_others_told_of_first_is_not_ours() {
    let score = score(&alerts(healed(), Source::Alertmanager, Severity::Critical));
    assert_eq!((score.own, score.told), (0, 1));
    assert_eq!((score.accuracy, score.completeness), (None, Some(0.0)));
    assert_eq!(score.latency_median_ms, None);
}

#[test]
fn what_only_informs_is_counted_by_itself() {
    let mut decisions = alerts(healed(), Source::Detector, Severity::Info);
    decisions.retain(|decision| matches!(decision.fact, Fact::AlertFired { .. }));
    let score = score(&decisions);
    assert_eq!((score.own, score.methods["threshold"].informed), (0, 1));
}

#[test]
fn what_is_long_ago_counts_no_more_and_what_goes_on_is_not_judged() {
    let mut watching = Watching::default();
    let mut decisions = ours();
    decisions.retain(|decision| !matches!(decision.fact, Fact::IncidentResolved { .. }));
    decisions.iter().for_each(|decision| watching.apply(decision));
    let now = watching.score(at(3_600_000));
    assert_eq!((now.own, now.ended, now.accuracy), (1, 0, None));
    let later = watching.score(WINDOW.after(at(3_600_000)));
    assert_eq!((later.own, later.completeness), (0, None));
}

#[test]
fn nothing_seen_is_no_score() {
    assert_eq!(score(&[]), DetectionScore::default());
}
