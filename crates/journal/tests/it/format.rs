//! Old logs stay readable for ever.

use std::collections::HashSet;
use std::mem::discriminant;

use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use nightcrew_model::decision::{Decision, Fact, Reason};

use crate::sample::{every_kind, whole};

/// The entries as version 1 writes them, one line each.  Lines are added and never changed.
const V1: &str = include_str!("../fixtures/journal-v1.jsonl");

/// How many kinds of fact there are.  Where [`count_facts`] no longer compiles there is one more.
const FACTS: usize = 52;

/// How many kinds of reason there are.  Where [`count_reasons`] no longer compiles there is one
/// more.
const REASONS: usize = 72;

fn v1() -> Vec<Decision> {
    V1.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn entries_of_version_1_mean_what_they_meant() {
    let (read, meant) = (v1(), every_kind());
    assert_eq!(read.len(), meant.len());
    for (n, (read, meant)) in read.iter().zip(&meant).enumerate() {
        assert_eq!(read, meant, "line {}", n + 1);
    }
}

#[test]
fn what_is_written_today_is_in_the_fixture() {
    let today = every_kind();
    let lines = today.iter().map(|decision| serde_json::to_string(decision).unwrap());
    let missing: Vec<String> = lines.filter(|line| V1.lines().all(|old| old != line)).collect();
    assert!(missing.is_empty(), "add these lines:\n{}", missing.join("\n"));
}

#[test]
fn the_fixture_has_every_kind_of_fact_and_reason() {
    assert_eq!(count_facts(&v1()), FACTS);
    assert_eq!(count_reasons(&v1()), REASONS);
}

fn count_facts(decisions: &[Decision]) -> usize {
    let facts = decisions.iter().map(|decision| match &decision.fact {
        fact @ (Fact::AlertFired { .. }
        | Fact::AlertChanged { .. }
        | Fact::AlertResolved { .. }
        | Fact::IncidentOpened { .. }
        | Fact::AlertJoined { .. }
        | Fact::IncidentReopened { .. }
        | Fact::AttemptPlanned { .. }
        | Fact::RemedyHeld { .. }
        | Fact::StepStarted { .. }
        | Fact::StepFinished { .. }
        | Fact::VerificationStarted { .. }
        | Fact::VerificationSampled { .. }
        | Fact::AttemptSucceeded { .. }
        | Fact::AttemptFailed { .. }
        | Fact::AttemptInterrupted { .. }
        | Fact::IncidentResolved { .. }
        | Fact::IncidentEscalated { .. }
        | Fact::IncidentClosed { .. }
        | Fact::IncidentAcknowledged { .. }
        | Fact::AcknowledgementEnded { .. }
        | Fact::IncidentCorrelated { .. }
        | Fact::EscalationStepped { .. }
        | Fact::EscalationHeld { .. }
        | Fact::FlapBegan { .. }
        | Fact::FlapEnded { .. }
        | Fact::StormBegan { .. }
        | Fact::StormEnded { .. }
        | Fact::SilenceSet { .. }
        | Fact::SilenceExpired { .. }
        | Fact::LockTaken { .. }
        | Fact::LockReleased { .. }
        | Fact::OverrideSet { .. }
        | Fact::GroupTold { .. }
        | Fact::GroupHeld { .. }
        | Fact::NotificationQueued { .. }
        | Fact::NotificationSuppressed { .. }
        | Fact::NotificationSuperseded { .. }
        | Fact::NotificationDelivered { .. }
        | Fact::NotificationFailed { .. }
        | Fact::PlanCleared { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::ApprovalGiven { .. }
        | Fact::ApprovalDenied { .. }
        | Fact::ApprovalExpired { .. }
        | Fact::StandingApprovalSet { .. }
        | Fact::StandingApprovalEnded { .. }
        | Fact::StepSkipped { .. }
        | Fact::RollbackStarted { .. }
        | Fact::UndoStarted { .. }
        | Fact::UndoFinished { .. }
        | Fact::TicketTold { .. }
        | Fact::AgentChanged { .. }) => discriminant(fact),
    });
    facts.collect::<HashSet<_>>().len()
}

#[expect(clippy::too_many_lines, reason = "a table with a line for each kind")]
fn count_reasons(decisions: &[Decision]) -> usize {
    let reasons = decisions.iter().map(|decision| match &decision.reason {
        reason @ (Reason::Reported { .. }
        | Reason::RuleMet { .. }
        | Reason::RuleCleared { .. }
        | Reason::NotRepeated
        | Reason::NewKey
        | Reason::SameKey
        | Reason::SameService
        | Reason::ConditionHolds { .. }
        | Reason::NoPlaybook
        | Reason::Cooldown { .. }
        | Reason::TargetBusy { .. }
        | Reason::DryRun
        | Reason::GateAdmitted
        | Reason::GateRefused { .. }
        | Reason::StepEnded
        | Reason::StepFailed { .. }
        | Reason::StepsDone
        | Reason::FreshSample
        | Reason::Verified { .. }
        | Reason::NotVerified { .. }
        | Reason::RestartedIdempotent
        | Reason::CutOffEffectUnproven { .. }
        | Reason::AlertsEnded
        | Reason::AlreadyGood
        | Reason::StillReported
        | Reason::VerificationCutOff
        | Reason::RemedyFailed { .. }
        | Reason::WindowPassed
        | Reason::ChannelListens
        | Reason::ReceiverAccepted
        | Reason::ReceiverRefused { .. }
        | Reason::Asked { .. }
        | Reason::Muted { .. }
        | Reason::Routed { .. }
        | Reason::RoutedMuted
        | Reason::EndsNotWanted
        | Reason::WasTold
        | Reason::StillFires
        | Reason::Policy { .. }
        | Reason::NotAcknowledged { .. }
        | Reason::AutomaticTimeOver { .. }
        | Reason::AcknowledgementOld { .. }
        | Reason::Fallback { .. }
        | Reason::Superseded { .. }
        | Reason::DependsOn { .. }
        | Reason::TooMany { .. }
        | Reason::Changes { .. }
        | Reason::Calm { .. }
        | Reason::Locked { .. }
        | Reason::WatchdogSilent { .. }
        | Reason::WatchdogHeard
        | Reason::Daily
        | Reason::KeptBack { .. }
        | Reason::Shadow
        | Reason::Autonomy { .. }
        | Reason::EscalateIf { .. }
        | Reason::NeedsApproval { .. }
        | Reason::StandingApproval { .. }
        | Reason::NotApproved { .. }
        | Reason::PlanChanged { .. }
        | Reason::WhenNotMet { .. }
        | Reason::Retried { .. }
        | Reason::Continued
        | Reason::NextRemedy { .. }
        | Reason::Relapsed { .. }
        | Reason::RemediesExhausted { .. }
        | Reason::RunLimit { .. }
        | Reason::BreakerOpen { .. }
        | Reason::BlastRadius { .. }
        | Reason::BadParameter { .. }
        | Reason::Tracker { .. }
        | Reason::Supervision { .. }) => discriminant(reason),
    });
    reasons.collect::<HashSet<_>>().len()
}

#[tokio::test]
async fn every_kind_goes_through_the_journal_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path()).unwrap();
    journal.append(v1().into()).await.unwrap();
    let read: Vec<Decision> =
        whole(&journal).await.into_iter().map(|entry| entry.decision).collect();
    assert_eq!(read, v1());
    journal.close().await.unwrap();
    verify(dir.path()).unwrap();
    rebuild(dir.path()).unwrap();
    verify(dir.path()).unwrap();
}
