//! Every part of a record is bounded, and what is left out is counted.

use nightcrew_model::decision::{Decision, Fact, Reason};
use nightcrew_model::id::IncidentId;
use nightcrew_model::labels::Fingerprint;
use nightcrew_model::plan::{Action, ResultValue, StepStatus};
use nightcrew_model::severity::Severity;
use nightcrew_model::ticket::TicketNews;
use nightcrew_report::fold::incident_record;
use nightcrew_report::markdown::markdown;
use nightcrew_report::record::JOINED_MAX;
use nightcrew_report::story::{STORY_LINES_MAX, story};
use proptest::prelude::*;

use crate::chronicle::{INCIDENT, decided, escalated, finished, healed, percent, step};
use crate::remedies::taken_back_and_denied;

#[test]
fn long_lists_and_outputs_are_cut_in_the_middle() {
    let mut decisions = healed();
    let Fact::AlertFired { alert } = &mut decisions[0].fact else { unreachable!() };
    (0..60).for_each(|n| alert.annotations.set(&format!("주석{n}"), &"긴 값 ".repeat(500)));
    let Fact::IncidentOpened { initial, key, .. } = &mut decisions[1].fact else { unreachable!() };
    let target = key.target.clone();
    *initial = (0..80).map(|n| percent(&target, n, 1.0)).collect();
    initial[0].detail = Some("상세 ".repeat(10_000));
    let Fact::AttemptPlanned { plan, .. } = &mut decisions[2].fact else { unreachable!() };
    let restart = Action::RestartService { service: target.service.clone() };
    plan.steps = (0..70).map(|n| step(restart.clone(), &format!("단계 {n}"))).collect();
    decisions[4] = finished(780, 0, StepStatus::Succeeded, &"출력 🔥\n".repeat(100_000));
    for n in 0..500 {
        decisions.push(decided(
            10_000 + n,
            Fact::RemedyHeld {
                incident: INCIDENT,
                playbook: format!("playbook-{n}").as_str().into(),
            },
            Reason::NoPlaybook,
        ));
    }
    let record = incident_record(INCIDENT, &decisions).unwrap();
    let page = markdown(&record);
    for gap in [
        "30 left out",
        "20 left out",
        "characters left out",
        "113 left out",
        "480 left out",
        "and 21 more",
    ] {
        assert!(page.contains(gap), "{gap}");
    }
    assert!(page.contains("단계 69") && !page.contains("단계 30\n"));
    assert!(page.chars().count() < 120_000, "{}", page.chars().count());
    let lines = story(&record);
    assert_eq!(lines.len(), STORY_LINES_MAX);
    assert!(lines.iter().any(|line| line.contains("lines left out")));
    assert!(lines.last().unwrap().starts_with("Over since"));
}

#[test]
fn results_tries_relations_and_tickets_are_bounded() {
    let mut decisions = taken_back_and_denied();
    for decision in &mut decisions {
        if let Fact::StepFinished { outcome, .. } = &mut decision.fact {
            let result = |n: usize| (format!("r{n}").as_str().into(), ResultValue::Flag(true));
            outcome.results = (0..45).map(result).collect();
        }
    }
    let incident = INCIDENT;
    for n in 0..(JOINED_MAX as u64 + 5) {
        let severity = Severity::Info;
        let alert = Fingerprint(n);
        let joined = Fact::AlertJoined { incident, alert, severity };
        decisions.push(decided(5_000_000, joined, Reason::SameService));
        let effect = Fact::IncidentCorrelated { incident: IncidentId(1_000 + n), root: incident };
        let service = "결제-api".into();
        decisions.push(decided(5_000_000, effect, Reason::DependsOn { service }));
        let tracker = format!("t{n}").as_str().into();
        let told = Fact::TicketTold { incident, tracker, news: TicketNews::Intended };
        decisions.push(decided(5_000_000, told, Reason::Tracker { detail: String::new() }));
    }
    let record = incident_record(INCIDENT, &decisions).unwrap();
    assert_eq!((record.joined.len(), record.effects.len()), (JOINED_MAX, JOINED_MAX));
    let page = markdown(&record);
    for gap in ["… 5 left out …", "80 left out", "86 left out"] {
        assert!(page.contains(gap), "{gap}: {page}");
    }
}

/// The headings of a page that are not inside a code block, by the rules of `CommonMark`.
fn headings(page: &str) -> Vec<&str> {
    let mut fence = 0;
    let mut found = Vec::new();
    for line in page.split(['\n', '\r']) {
        let run = line.trim_start().chars().take_while(|c| *c == '`').count();
        let bare = line.trim().trim_start_matches('`').is_empty();
        if fence == 0 && run >= 3 {
            fence = run;
        } else if fence > 0 && run >= fence && bare {
            fence = 0;
        } else if fence == 0 && line.starts_with('#') {
            found.push(line);
        }
    }
    assert_eq!(fence, 0, "a block is not closed");
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_outside_text_adds_or_removes_a_heading(
        text in "(\n|\r|`{1,5}|#|~|<!--|<pre>|\\[|\\\\|\t| {4}|\\PC|가){0,40}",
    ) {
        let mut decisions: Vec<Decision> = escalated();
        let Fact::AlertFired { alert } = &mut decisions[0].fact else { unreachable!() };
        alert.labels.set("outside", &text);
        alert.annotations.set("outside", &text);
        alert.generator_url.clone_from(&text);
        decisions[0].reason = Reason::RuleMet { rule: text.clone(), seen: text.clone() };
        let Fact::IncidentOpened { key, initial, .. } = &mut decisions[1].fact else { unreachable!() };
        key.symptom = text.as_str().into();
        initial[0].detail = Some(text.clone());
        let Fact::AttemptPlanned { plan, .. } = &mut decisions[2].fact else { unreachable!() };
        plan.playbook = text.as_str().into();
        let Fact::StepStarted { verdict, .. } = &mut decisions[3].fact else { unreachable!() };
        verdict.argv = vec![text.clone()];
        verdict.rule.clone_from(&text);
        verdict.reason.clone_from(&text);
        let Fact::StepFinished { outcome, .. } = &mut decisions[4].fact else { unreachable!() };
        outcome.output = text;
        let page = markdown(&incident_record(INCIDENT, &decisions).unwrap());
        prop_assert_eq!(headings(&page), [
            "# Incident INC-42",
            "## Initial State",
            "## Actions Taken",
            "### Remove old logs \\#\\# Verification",
            "### Prune \\<b>images\\</b>",
            "## Verification",
            "## Escalation",
            "## Timeline",
        ]);
        prop_assert!(!page.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
    }
}
