//! Decisions that contradict each other are shown and change nothing.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::{AttemptId, StepIndex};
use nightcrew_model::incident::IncidentState;
use nightcrew_report::fold::incident_record;
use nightcrew_report::markdown::markdown;
use nightcrew_report::record::Progress;
use nightcrew_report::story::{LINE_CHARS_MAX, STORY_LINES_MAX, story};
use proptest::prelude::*;

use crate::chronicle::{INCIDENT, decided, escalated, healed};

#[test]
fn what_cannot_happen_is_told_and_not_applied() {
    let mut decisions = healed();
    let after_the_end = [
        Fact::IncidentEscalated { incident: INCIDENT },
        Fact::AttemptFailed { attempt: AttemptId { incident: INCIDENT, number: 9 } },
        Fact::NotificationDelivered {
            notification: nightcrew_model::id::NotificationId(99),
            subject: INCIDENT.into(),
            channel: "discord".into(),
            receipt: None,
        },
        decisions[1].fact.clone(),
        decisions[2].fact.clone(),
        decisions[6].fact.clone(),
        decisions[12].fact.clone(),
    ];
    for fact in after_the_end {
        decisions.push(decided(10_000, fact, Reason::StepEnded));
    }
    let record = incident_record(INCIDENT, &decisions).unwrap();
    assert_eq!(record.state, IncidentState::Resolved);
    assert_eq!(record.escalation, None);
    let told: Vec<&str> =
        record.timeline.iter().filter_map(|e| e.contradiction.as_deref()).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    escalation cannot happen to what is resolved
    INC-42/9 was never planned
    N-99 was never queued
    it was opened before
    INC-42/1 was planned before
    INC-42/1 was not being verified
    what came of N-7 was known already
    ");
    assert!(
        markdown(&record).contains("⚠️ not applied, escalation cannot happen to what is resolved")
    );
}

#[test]
fn a_step_beyond_the_plan_is_not_applied() {
    let mut decisions: Vec<Decision> = healed().into_iter().take(5).collect();
    let Fact::StepStarted { verdict, attempt, .. } = decisions[3].fact.clone() else {
        unreachable!()
    };
    let beyond = StepIndex(1);
    decisions.push(decided(
        900,
        Fact::StepStarted { attempt, step: beyond, verdict },
        Reason::GateAdmitted,
    ));
    let record = incident_record(INCIDENT, &decisions).unwrap();
    let last = record.timeline.last().unwrap();
    assert_eq!(last.contradiction.as_deref(), Some("INC-42/1 has no step 2"));
    assert_eq!(record.attempts[0].state, AttemptState::Ready(beyond));
}

proptest! {
    #[test]
    fn any_order_of_decisions_is_told_in_full(
        picks in prop::collection::vec((any::<bool>(), 0usize..13), 0..60),
    ) {
        let logs = [healed(), escalated()];
        let decisions: Vec<Decision> = picks
            .iter()
            .map(|(which, n)| {
                let log = &logs[usize::from(*which)];
                log[n % log.len()].clone()
            })
            .collect();
        let own = |d: &&Decision| d.fact.incident() == Some(INCIDENT);
        let opens = |d: &Decision| matches!(d.fact, Fact::IncidentOpened { .. });
        let Some(record) = incident_record(INCIDENT, &decisions) else {
            prop_assert!(!decisions.iter().any(opens));
            return Ok(());
        };
        let n_own = decisions.iter().skip_while(|d| !opens(d)).filter(own).count();
        prop_assert!(record.timeline.len() >= n_own, "a decision is missing");
        prop_assert_eq!(record.resolved.is_some(), record.state == IncidentState::Resolved);
        prop_assert_eq!(record.repair_ms.is_some(), record.resolved.is_some());
        for attempt in &record.attempts {
            prop_assert_eq!(attempt.end.is_none(), attempt.state.is_active());
            if let AttemptState::Running(step) = attempt.state {
                let progress = &attempt.steps[usize::from(step.0)].progress;
                prop_assert_ne!(progress, &Progress::NotBegun);
            }
        }
        let mut before = None;
        for known in 1..=decisions.len() {
            let mut after = incident_record(INCIDENT, &decisions[..known]);
            let timeline = after.as_mut().map(|record| std::mem::take(&mut record.timeline));
            let last = timeline.as_ref().and_then(|timeline| timeline.last());
            let own = decisions[known - 1].fact.incident().is_some();
            if own && last.is_some_and(|last| last.contradiction.is_some()) {
                prop_assert_eq!(&after, &before, "what was not applied changed something");
            }
            before = after;
        }
        let lines = story(&record);
        prop_assert!(lines.len() <= STORY_LINES_MAX);
        prop_assert!(lines.iter().all(|line| line.chars().count() <= LINE_CHARS_MAX));
        prop_assert!(markdown(&record).starts_with("# Incident INC-42\n"));
    }
}
