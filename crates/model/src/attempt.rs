//! Attempts: one run of one plan against one incident.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::Illegal;
use crate::id::StepIndex;

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "step")]
pub enum AttemptState {
    /// The gate has not looked at the whole plan yet.
    Planned,
    /// A person is asked whether it may run.  It holds no place meanwhile.
    Awaiting,
    /// The step is next; it has not begun.
    Ready(StepIndex),
    /// The step has begun; its end is not known.
    Running(StepIndex),
    /// Every step is done; fresh samples decide.
    Verifying,
    /// It did not heal, and this step is taken back next.
    Undo(StepIndex),
    /// This step is being taken back; the end of that is not known.
    Undoing(StepIndex),
    /// Fresh samples prove it healed.
    Succeeded,
    /// A step failed or was refused, or verification did not succeed in time.
    Failed,
    /// It was cut off and its effect could not be proven.
    Interrupted,
    /// A person did not want it to run.
    Denied,
    /// Nobody answered in time whether it may run.
    Expired,
}

/// What can happen to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptEvent {
    /// The gate looked at the whole plan: it may run.
    Cleared,
    /// A person is asked.
    ApprovalRequested,
    /// A person, or a standing approval, lets it run.
    Approved,
    /// A person does not want it to run.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The step is not done, because its condition is not certainly true.
    StepSkipped(StepIndex),
    /// The step failed and is tried again.
    StepAgain(StepIndex),
    /// What was done is taken back, from this step on.
    RollbackStarted(StepIndex),
    /// The step is being taken back.
    UndoStarted(StepIndex),
    /// It is taken back, or could not be: the one before it is next.
    UndoDone(StepIndex),
    /// The gate admitted the step and it begins.
    StepStarted(StepIndex),
    /// The step ended well.
    StepDone(StepIndex),
    /// The last step is done (or, after a crash, the effect of a cut-off step is to be proven).
    VerificationStarted,
    /// Fresh samples prove it healed.
    Verified,
    /// A step was refused or failed, or the deadline passed.
    Failed,
    /// A crash cut a step off, and its effect could not be proven.
    CutOff,
}

impl AttemptState {
    /// The next state.
    ///
    /// # Errors
    /// When the life cycle has no such transition.
    pub fn apply(self, event: AttemptEvent) -> Result<Self, Illegal> {
        use AttemptEvent as E;
        let next = match (self, event) {
            (Self::Planned, E::Cleared) | (Self::Awaiting, E::Approved) => {
                Self::Ready(StepIndex(0))
            }
            (Self::Planned, E::ApprovalRequested) => Self::Awaiting,
            (Self::Awaiting, E::Denied) => Self::Denied,
            (Self::Awaiting, E::Expired) => Self::Expired,
            // Journals of 0.1 know no judgement of whole plans.
            (Self::Planned, E::StepStarted(StepIndex(0))) => Self::Running(StepIndex(0)),
            (Self::Ready(next), E::StepStarted(step)) if next == step => Self::Running(step),
            (Self::Ready(next), E::StepSkipped(step)) if next == step => Self::Ready(step.next()),
            // An idempotent step that a crash cut off begins again.
            (Self::Running(current), E::StepStarted(step)) if current == step => {
                Self::Running(step)
            }
            (Self::Running(current), E::StepDone(step)) if current == step => {
                Self::Ready(step.next())
            }
            (Self::Running(current), E::StepAgain(step)) if current == step => Self::Ready(step),
            // Verification begins again after a restart: time in which nobody looked proves nothing.
            (
                Self::Planned | Self::Ready(_) | Self::Running(_) | Self::Verifying,
                E::VerificationStarted,
            ) => Self::Verifying,
            (Self::Verifying, E::Verified) => Self::Succeeded,
            (Self::Ready(_) | Self::Running(_) | Self::Verifying, E::RollbackStarted(from)) => {
                Self::Undo(from)
            }
            (Self::Undo(next), E::UndoStarted(step)) if step <= next => Self::Undoing(step),
            (Self::Undoing(current), E::UndoStarted(step)) if current == step => {
                Self::Undoing(step)
            }
            (Self::Undoing(current), E::UndoDone(step)) if current == step => before(step),
            // The gate did not admit it: it never began.
            (Self::Undo(next), E::UndoDone(step)) if step <= next => before(step),
            (
                Self::Planned
                | Self::Awaiting
                | Self::Ready(_)
                | Self::Running(_)
                | Self::Verifying
                | Self::Undo(_)
                | Self::Undoing(_),
                E::Failed,
            ) => Self::Failed,
            (Self::Running(_) | Self::Verifying | Self::Undoing(_), E::CutOff) => Self::Interrupted,
            (_, _) => return Err(Illegal { state: self.as_str(), event: event.as_str() }),
        };
        Ok(next)
    }

    /// Whether it is still under way.
    #[must_use]
    pub fn is_active(self) -> bool {
        match self {
            Self::Planned
            | Self::Awaiting
            | Self::Ready(_)
            | Self::Running(_)
            | Self::Verifying
            | Self::Undo(_)
            | Self::Undoing(_) => true,
            Self::Succeeded | Self::Failed | Self::Interrupted | Self::Denied | Self::Expired => {
                false
            }
        }
    }

    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Awaiting => "awaiting approval",
            Self::Ready(_) => "ready",
            Self::Running(_) => "running",
            Self::Verifying => "verifying",
            Self::Undo(_) | Self::Undoing(_) => "rolling back",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Denied => "denied",
            Self::Expired => "expired",
        }
    }
}

/// Which step is taken back after this one.
fn before(step: StepIndex) -> AttemptState {
    match step.0.checked_sub(1) {
        Some(before) => AttemptState::Undo(StepIndex(before)),
        None => AttemptState::Failed,
    }
}

impl fmt::Display for AttemptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl AttemptEvent {
    fn as_str(self) -> &'static str {
        match self {
            Self::Cleared => "clearance",
            Self::ApprovalRequested => "a request for approval",
            Self::Approved => "approval",
            Self::Denied => "denial",
            Self::Expired => "the end of the time for approval",
            Self::StepSkipped(_) => "skipping that step",
            Self::StepAgain(_) => "another try of that step",
            Self::RollbackStarted(_) => "the start of taking back",
            Self::UndoStarted(_) => "the start of taking that step back",
            Self::UndoDone(_) => "the end of taking that step back",
            Self::StepStarted(_) => "the start of that step",
            Self::StepDone(_) => "the end of that step",
            Self::VerificationStarted => "the start of verification",
            Self::Verified => "verification",
            Self::Failed => "failure",
            Self::CutOff => "interruption",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events() -> impl Strategy<Value = AttemptEvent> {
        let step = || (0..3u16).prop_map(StepIndex);
        prop_oneof![
            4 => step().prop_map(AttemptEvent::StepStarted),
            4 => step().prop_map(AttemptEvent::StepDone),
            1 => step().prop_map(AttemptEvent::StepSkipped),
            1 => step().prop_map(AttemptEvent::StepAgain),
            1 => step().prop_map(AttemptEvent::RollbackStarted),
            1 => step().prop_map(AttemptEvent::UndoStarted),
            1 => step().prop_map(AttemptEvent::UndoDone),
            3 => prop::sample::select(vec![
                AttemptEvent::Cleared,
                AttemptEvent::ApprovalRequested,
                AttemptEvent::Approved,
                AttemptEvent::Denied,
                AttemptEvent::Expired,
                AttemptEvent::VerificationStarted,
                AttemptEvent::Verified,
                AttemptEvent::Failed,
                AttemptEvent::CutOff,
            ]),
        ]
    }

    proptest! {
        #[test]
        fn steps_begin_in_order_and_the_end_is_final(events in prop::collection::vec(events(), 0..80)) {
            let mut state = AttemptState::Planned;
            let (mut done, mut asked, mut allowed, mut undo) = (0, false, false, None);
            for event in events {
                let Ok(next) = state.apply(event) else { continue };
                prop_assert!(state.is_active(), "{event:?} after the end");
                match event {
                    AttemptEvent::StepStarted(step) | AttemptEvent::StepSkipped(step) => {
                        prop_assert_eq!(step.0, done, "a step was skipped or repeated after its end");
                        prop_assert!(!asked || allowed, "a step began without the approval");
                        prop_assert!(undo.is_none(), "a step began after taking back");
                    }
                    AttemptEvent::ApprovalRequested => asked = true,
                    AttemptEvent::Approved => allowed = true,
                    AttemptEvent::UndoStarted(step) => {
                        prop_assert!(undo.is_some_and(|from| step <= from), "taken back twice");
                    }
                    AttemptEvent::RollbackStarted(from) => undo = Some(from),
                    AttemptEvent::UndoDone(step) => {
                        undo = step.0.checked_sub(1).map(StepIndex);
                    }
                    AttemptEvent::Cleared
                    | AttemptEvent::Denied
                    | AttemptEvent::Expired
                    | AttemptEvent::StepAgain(_)
                    | AttemptEvent::StepDone(_)
                    | AttemptEvent::VerificationStarted
                    | AttemptEvent::Verified
                    | AttemptEvent::Failed
                    | AttemptEvent::CutOff => {}
                }
                if matches!(event, AttemptEvent::StepDone(_) | AttemptEvent::StepSkipped(_)) {
                    done += 1;
                }
                if next == AttemptState::Succeeded {
                    prop_assert_eq!(state, AttemptState::Verifying);
                }
                state = next;
            }
        }
    }
}
