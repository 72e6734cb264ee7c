//! What a rehearsal says: each step, what ran, the proof, and whether that is enough.

use std::path::PathBuf;

use nightcrew_model::plan::{Step, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{Ruling, Verdict};
use serde::Serialize;

use crate::output;
use crate::playbooks::rehearsal::adapt::{Adapted, Proof};
use crate::playbooks::rehearsal::follow::{Course, End, Seen};
use crate::playbooks::rehearsal::trouble::Trouble;

/// One step: as it is, as it was rehearsed, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepReport {
    /// What the playbook does.
    action: String,
    /// What the operator's gate says of it.
    gate: Verdict,
    /// What it says of what takes it back.
    gate_of_rollback: Option<Verdict>,
    /// What ran here instead; null: it was only shown.
    here: Option<String>,
    #[serde(flatten)]
    came: Came,
}

/// What came of a step.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "course")]
enum Came {
    /// It has no throw-away object.
    Shown,
    NotReached,
    Skipped {
        why: String,
    },
    Ran {
        succeeded: bool,
        status: String,
        output: String,
        took_ms: u64,
    },
}

/// Whose idea of success was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ProofOf {
    /// The playbook's own.
    Playbook,
    /// Only whether the throw-away service is well.
    StandIn,
}

/// What came of a rehearsal.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    playbook: String,
    service: String,
    /// What was broken.
    broken: String,
    /// What an alert said, where one did.
    told: Option<String>,
    steps: Vec<StepReport>,
    /// Whether the command itself approved the plan.
    approved: bool,
    /// What had to be seen.
    proof: String,
    proof_of: ProofOf,
    good_looks_in_a_row: u32,
    /// Whether the playbook's own proof says so.
    healed: bool,
    took_ms: u64,
    /// What is not as it would be in earnest.
    notes: Vec<String>,
    /// Files that nothing should have removed, and that are gone.
    lost: Vec<PathBuf>,
    pub(super) ok: bool,
    why: String,
}

/// What a rehearsal began with.
pub(super) struct Begun<'a> {
    pub(super) service: String,
    pub(super) trouble: &'a Trouble,
    /// As they would be in earnest.
    pub(super) steps: &'a [Step],
    /// Of each step, and of what takes it back.
    pub(super) verdicts: Vec<(Verdict, Option<Verdict>)>,
    pub(super) adapted: &'a Adapted,
    pub(super) notes: Vec<String>,
    pub(super) shown_is_fine: bool,
}

/// What it came to.
pub(super) struct Ended {
    /// None: nothing ran.
    pub(super) seen: Option<Seen>,
    pub(super) took: Millis,
    pub(super) lost: Vec<PathBuf>,
}

impl Report {
    pub(super) fn of(begun: Begun<'_>, ended: Ended) -> Self {
        let Begun { adapted, steps, verdicts, .. } = &begun;
        let steps = steps.iter().zip(verdicts).enumerate().map(|(n, (step, (gate, undo)))| {
            let here = adapted.origin.iter().position(|origin| *origin == n);
            let course = here.and_then(|here| ended.seen.as_ref()?.courses.get(here));
            StepReport {
                action: step.action.to_string(),
                gate: gate.clone(),
                gate_of_rollback: undo.clone(),
                here: here
                    .and_then(|here| Some(adapted.playbook.steps.get(here)?.action.to_string())),
                came: match (here, course) {
                    (None, _) => Came::Shown,
                    (Some(_), None | Some(Course::NotReached)) => Came::NotReached,
                    (Some(_), Some(Course::Skipped { why })) => Came::Skipped { why: why.clone() },
                    (Some(_), Some(Course::Ran(outcome))) => Came::Ran {
                        succeeded: outcome.status.is_success()
                            && outcome.status != StepStatus::Shown,
                        status: outcome.status.to_string(),
                        output: outcome.output.clone(),
                        took_ms: outcome.took.0,
                    },
                },
            }
        });
        let steps: Vec<StepReport> = steps.collect();
        let end = ended.seen.as_ref().and_then(|seen| seen.end.clone());
        let healed = end == Some(End::Proven) && adapted.proof == Proof::Own;
        let (ok, why) = judged(&begun, &steps, end, &ended.lost);
        let condition = adapted.playbook.verify.as_ref().map(|verify| verify.condition.to_string());
        Self {
            playbook: adapted.playbook.name.to_string(),
            broken: begun.trouble.broken.to_string(),
            told: begun.trouble.told.as_ref().map(ToString::to_string),
            steps,
            approved: ended.seen.as_ref().is_some_and(|seen| seen.approved),
            proof: condition.unwrap_or_default(),
            proof_of: match adapted.proof {
                Proof::Own => ProofOf::Playbook,
                Proof::StandIn { .. } => ProofOf::StandIn,
            },
            good_looks_in_a_row: ended.seen.as_ref().map_or(0, |seen| seen.in_a_row),
            healed,
            took_ms: ended.took.0,
            notes: adapted.notes.iter().cloned().chain(begun.notes).collect(),
            lost: ended.lost,
            ok,
            why,
            service: begun.service,
        }
    }

    /// Prints what came of it; what led there was printed as it happened.
    pub(super) fn print(&self) {
        for (n, step) in self.steps.iter().enumerate() {
            let StepReport { action, gate, gate_of_rollback, here, came } = step;
            output::line(&format!("{}. {}", n + 1, output::plain(action)));
            output::line(&format!(
                "   gate: {} ({}): {}",
                gate.verdict,
                gate.class,
                output::plain(&gate.reason)
            ));
            if let Some(undo) = gate_of_rollback {
                let reason = output::plain(&undo.reason);
                output::line(&format!(
                    "   taken back: {} ({}): {reason}",
                    undo.verdict, undo.class
                ));
            }
            if let Some(here) = here.as_ref().filter(|here| *here != action) {
                output::line(&format!("   here: {}", output::plain(here)));
            }
            output::line(&format!("   {}", output::plain(&came.to_string())));
        }
        if self.approved {
            output::line("approval: this command approved the plan; in earnest a person is asked");
        }
        if self.steps.iter().any(|step| step.here.is_some()) {
            let looks = match self.good_looks_in_a_row {
                1 => "1 good look".to_owned(),
                n => format!("{n} good looks in a row"),
            };
            let own = match self.proof_of {
                ProofOf::Playbook => "",
                ProofOf::StandIn => ", which is not the playbook's own proof",
            };
            output::line(&format!("proof: {}: {looks}{own}", self.proof));
        }
        self.notes.iter().for_each(|note| output::line(&format!("note: {}", output::plain(note))));
        for lost in &self.lost {
            output::line(&format!("LOST: {}", lost.display()));
        }
        let style = if self.ok { output::GREEN } else { output::RED };
        output::line(&output::coloured(style, &output::plain(&self.why)));
    }
}

impl std::fmt::Display for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shown => f.write_str("only shown: there is nothing to throw away for this"),
            Self::NotReached => f.write_str("not reached"),
            Self::Skipped { why } => write!(f, "skipped: {why}"),
            Self::Ran { status, output, took_ms, .. } => {
                write!(f, "{status} in {}: {output}", Millis(*took_ms))
            }
        }
    }
}

/// Whether it is enough, and why.
fn judged(
    begun: &Begun<'_>,
    steps: &[StepReport],
    end: Option<End>,
    lost: &[PathBuf],
) -> (bool, String) {
    let numbers = |wanted: fn(&StepReport) -> bool| -> Vec<String> {
        let wanted = steps.iter().enumerate().filter(|(_, step)| wanted(step));
        wanted.map(|(n, _)| (n + 1).to_string()).collect()
    };
    let refused = numbers(|step| {
        let mut verdicts = [Some(&step.gate), step.gate_of_rollback.as_ref()].into_iter().flatten();
        verdicts.any(|verdict| verdict.verdict == Ruling::Refused)
    });
    let shown = numbers(|step| matches!(step.came, Came::Shown));
    let failed = numbers(|step| matches!(step.came, Came::Ran { succeeded: false, .. }));
    let only_shown = || format!("only shown, not run: step {}", shown.join(", "));
    if !lost.is_empty() {
        return (false, "files are gone that no step was to remove".to_owned());
    }
    if !refused.is_empty() {
        let which = refused.join(", ");
        let why = format!("the gate refuses step {which}: in earnest nothing of it would begin");
        return (false, why);
    }
    match (end, &begun.adapted.proof) {
        (None, _) => (begun.shown_is_fine, format!("nothing ran ({})", only_shown())),
        (Some(End::Proven), Proof::Own) if shown.is_empty() => {
            (true, "healed and proven".to_owned())
        }
        (Some(End::Proven), Proof::Own) => (true, format!("healed and proven; {}", only_shown())),
        (Some(End::Ran), Proof::Own) => (false, "not proven".to_owned()),
        (Some(End::Proven | End::Ran), Proof::StandIn { own }) => {
            let own = own.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
            let why = format!(
                "ran to its end, not proven: on a throw-away service what it calls success ({own}) \
                 cannot be told from what was so before"
            );
            (begun.shown_is_fine, why)
        }
        (Some(End::Not { why }), _) if shown.is_empty() => (false, format!("not healed: {why}")),
        (Some(End::Not { why }), _) => {
            let is_fine = begun.shown_is_fine && failed.is_empty();
            (is_fine, format!("not healed: {why} ({})", only_shown()))
        }
    }
}
