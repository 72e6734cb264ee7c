//! Records of incidents with approvals, conditions of steps, retries, taking back and tickets.

use nightcrew_model::attempt::AttemptState;
use nightcrew_model::decision::{Fact, NotificationKind, Reason};
use nightcrew_model::id::StepIndex;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::plan::{Mode, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_report::fold::incident_record;
use nightcrew_report::markdown::markdown;
use nightcrew_report::record::{Answer, Progress, Record};
use nightcrew_report::story::{story, title};

use crate::chronicle::{INCIDENT, at, decided, outcome};
use crate::remedies::{FIRST, plan_of_first, planned, taken_back_and_denied, waiting};

fn record(decisions: &[nightcrew_model::decision::Decision]) -> Record {
    incident_record(INCIDENT, decisions).unwrap()
}

#[test]
fn a_repair_that_was_taken_back_and_one_that_was_denied_are_told_whole() {
    let record = record(&taken_back_and_denied());
    let odd: Vec<_> = record.timeline.iter().filter(|e| e.contradiction.is_some()).collect();
    assert!(odd.is_empty(), "{odd:?}");
    insta::assert_snapshot!("taken_back_and_denied", markdown(&record));
    insta::assert_snapshot!("taken_back_and_denied_story", story(&record).join("\n"));
}

#[test]
fn the_states_are_those_of_the_life_cycle() {
    let record = record(&taken_back_and_denied());
    let states: Vec<AttemptState> = record.attempts.iter().map(|it| it.state).collect();
    assert_eq!(states, [AttemptState::Failed, AttemptState::Denied]);
    assert_eq!(record.state, IncidentState::Closed);
    assert_eq!(record.closed_at, Some(at(4_200_000)));
    let [first, second] = record.attempts.as_slice() else { panic!("{:?}", record.attempts) };
    assert!(matches!(first.steps[1].progress, Progress::Skipped { .. }));
    assert_eq!(first.steps[3].earlier.len(), 1);
    let undo = first.steps[2].undo.as_ref().unwrap();
    assert!(matches!(undo.progress, Progress::Ended { .. }));
    let answer = &second.approval.as_ref().unwrap().answer;
    assert!(matches!(answer, Answer::Denied { by: Some(by), .. } if by.as_str() == "철수"));
    assert_eq!(record.tickets.len(), 1);
}

#[test]
fn the_json_of_a_record_holds_the_approval_and_the_results() {
    let json = serde_json::to_value(record(&taken_back_and_denied())).unwrap();
    let first = &json["attempts"][0];
    assert_eq!(first["approval"]["answer"], "given");
    assert_eq!(first["approval"]["hash"], first["hash"]);
    assert_eq!(first["steps"][0]["outcome"]["results"]["matches"], 17.0);
    assert_eq!(first["steps"][1]["progress"], "skipped");
    assert_eq!(first["steps"][2]["undo"]["progress"], "ended");
    assert_eq!(first["rollback"]["from"], 2);
    assert_eq!(json["tickets"][0]["key"], "OPS-7");
}

#[test]
fn a_plan_that_waits_says_so_and_shows_what_would_run() {
    let record = record(&waiting());
    assert_eq!(record.state, IncidentState::Resolving);
    let page = markdown(&record);
    assert!(page.contains("- **Status**: ⏳ Nobody has answered yet"), "{page}");
    assert!(page.contains("- **Would run as**: `systemctl restart pay`"), "{page}");
    assert!(page.contains("⏳ Not begun: a person is asked"), "{page}");
    let title = title(&record, NotificationKind::ApprovalWanted);
    assert_eq!(title, "INC-42 waits for your approval: 결제-api high_error_rate");
}

#[test]
fn a_late_playbook_goes_on_while_a_person_has_the_incident() {
    let mut decisions = crate::chronicle::healed();
    let waited = Millis::from_secs(600);
    let late = Fact::IncidentEscalated { incident: INCIDENT };
    decisions.insert(4, decided(700, late, Reason::AutomaticTimeOver { waited }));
    let record = record(&decisions);
    let odd: Vec<_> = record.timeline.iter().filter(|e| e.contradiction.is_some()).collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert_eq!(record.attempts[0].state, AttemptState::Succeeded);
    assert_eq!(record.state, IncidentState::Resolved);
}

#[test]
fn nobody_answering_is_told_as_that() {
    let mut decisions = waiting();
    let waited = Millis::from_secs(300);
    let expired = Fact::ApprovalExpired { attempt: FIRST };
    decisions.push(decided(301_020, expired, Reason::NotApproved { waited }));
    let record = record(&decisions);
    assert_eq!(record.attempts[0].state, AttemptState::Expired);
    assert_eq!(record.attempts[0].end.as_ref().unwrap().at, at(301_020));
    let page = markdown(&record);
    assert!(page.contains("❌ Expired at"), "{page}");
    assert!(page.contains("nobody approved within 5 min"), "{page}");
}

#[test]
fn the_approval_of_another_plan_is_a_contradiction() {
    let mut decisions = waiting();
    let mut other = plan_of_first();
    other.steps.pop();
    let hash = nightcrew_model::approval::PlanHash::of(&other);
    let given = Fact::ApprovalGiven { attempt: FIRST, hash };
    decisions.push(decided(2_000, given, Reason::Asked { by: "민지".into() }));
    let record = record(&decisions);
    let why = record.timeline.last().unwrap().contradiction.as_deref().unwrap();
    assert!(why.contains("what was approved is not the plan of INC-42/1"), "{why}");
    assert_eq!(record.attempts[0].state, AttemptState::Awaiting);
}

#[test]
fn shadow_and_suggestion_are_not_called_dry_runs() {
    for (mode, word) in [(Mode::Shadow, "shadow"), (Mode::Suggest, "suggestion")] {
        let mut decisions = waiting();
        decisions.truncate(3);
        let mut plan = plan_of_first();
        plan.mode = mode;
        decisions.push(planned(1_000, FIRST, plan, Reason::Shadow));
        let shown = Fact::StepFinished {
            attempt: FIRST,
            step: StepIndex(0),
            outcome: outcome(StepStatus::Shown, ""),
        };
        decisions.push(decided(1_010, shown, Reason::Shadow));
        decisions.push(decided(1_010, Fact::AttemptFailed { attempt: FIRST }, Reason::Shadow));
        let record = record(&decisions);
        assert_eq!(record.state, IncidentState::Open, "what is only shown moves no incident");
        let page = markdown(&record);
        assert!(page.contains(&format!("Shown, not executed ({word})")), "{page}");
        assert!(!page.contains("dry run"), "{page}");
    }
}
