//! What a person reads before a plan may run, and the two buttons below it.
//!
//! **Invariant:** the button that lets a plan run names the plan by its hash, so a plan that
//! changed after the message was sent is not the one that is approved.  A plan that is too long to
//! be shown whole says so in its place.

use jiff::Timestamp;
use nightcrew_model::approval::PlanHash;
use nightcrew_model::id::AttemptId;
use nightcrew_model::verdict::RiskClass;

use crate::message::{Action, ActionKind};
use crate::text::one_line;

/// The largest number of steps that a message shows.
pub const STEPS_SHOWN_MAX: usize = 20;

/// The longest step that a message shows, in characters.
pub const STEP_CHARS_MAX: usize = 200;

/// How many digits of the hash of a plan stand in a message and behind a button.
pub const HASH_DIGITS: usize = 12;

/// A plan that waits for a yes or a no.
#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalView {
    /// Which attempt would run.
    pub attempt: AttemptId,
    /// What of: this plan and no other.
    pub hash: PlanHash,
    /// The highest risk class of its steps, as the gate sees it.
    pub class: RiskClass,
    /// Its steps in order, in words, each with its class.
    pub steps: Vec<String>,
    /// Until when an answer counts.
    pub expires_at: Timestamp,
}

impl ApprovalView {
    /// The first digits of the hash, as people see it and buttons carry it.
    #[must_use]
    pub fn short_hash(&self) -> String {
        self.hash.to_string().chars().take(HASH_DIGITS).collect()
    }

    /// The yes and the no: `approve:INC-42/1:HASH12` and `deny:INC-42/1`.
    #[must_use]
    pub fn actions(&self) -> [Action; 2] {
        let (attempt, hash) = (self.attempt, self.short_hash());
        [
            Action {
                kind: ActionKind::Approve,
                command: format!("nightcrew approvals approve {attempt} {hash}"),
                button: Some(format!("approve:{attempt}:{hash}")),
            },
            Action {
                kind: ActionKind::Deny,
                command: format!("nightcrew approvals deny {attempt}"),
                button: Some(format!("deny:{attempt}")),
            },
        ]
    }

    /// Keeps the steps within what a message shows.
    pub(crate) fn bound(&mut self) {
        self.steps.truncate(STEPS_SHOWN_MAX);
        for step in &mut self.steps {
            *step = one_line(step, STEP_CHARS_MAX);
        }
    }

    /// What would be done, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { attempt, class, expires_at, .. } = self;
        let hash = self.short_hash();
        let mut lines = vec![format!(
            "Waits for approval until {expires_at:.0}: {attempt}, plan {hash}, {class}"
        )];
        let steps = self.steps.iter().take(STEPS_SHOWN_MAX).enumerate();
        lines.extend(steps.map(|(n, step)| {
            let cut = step.trim().chars().count() > STEP_CHARS_MAX;
            let note = if cut { " (cut: read it whole before you approve)" } else { "" };
            format!("{}. {}{note}", n + 1, one_line(step, STEP_CHARS_MAX))
        }));
        if self.steps.len() > STEPS_SHOWN_MAX {
            lines.push(format!(
                "… {} more steps are not shown: read the whole plan before you approve",
                self.steps.len() - STEPS_SHOWN_MAX
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_model::id::IncidentId;

    use super::*;
    use crate::message::BUTTON_BYTES_MAX;

    fn view(steps: usize) -> ApprovalView {
        ApprovalView {
            attempt: AttemptId { incident: IncidentId(42), number: 1 },
            hash: "a5".repeat(32).parse().unwrap(),
            class: RiskClass::Disruptive,
            steps: (0..steps).map(|n| format!("restart_service web-{n} (disruptive)")).collect(),
            expires_at: "2026-11-21T03:05:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn the_plan_is_shown_with_its_class_and_its_end() {
        insta::assert_snapshot!(view(2).lines().join("\n"), @r"
        Waits for approval until 2026-11-21T03:05:00Z: INC-42/1, plan a5a5a5a5a5a5, disruptive
        1. restart_service web-0 (disruptive)
        2. restart_service web-1 (disruptive)
        ");
    }

    #[test]
    fn a_plan_that_is_too_long_says_so() {
        let mut long = view(STEPS_SHOWN_MAX + 3);
        long.steps[0] = format!("{}\nrm", "가".repeat(STEP_CHARS_MAX));
        let lines = long.lines();
        assert_eq!(lines.len(), STEPS_SHOWN_MAX + 2);
        assert!(lines[1].ends_with("… (cut: read it whole before you approve)"));
        assert!(lines[STEPS_SHOWN_MAX + 1].starts_with("… 3 more steps"));
    }

    #[test]
    fn the_longest_button_fits_every_chat() {
        let mut view = view(1);
        view.attempt = AttemptId { incident: IncidentId(u64::MAX), number: u32::MAX };
        for action in view.actions() {
            let button = action.button.unwrap();
            assert!(button.len() <= BUTTON_BYTES_MAX, "{button}");
        }
    }
}
