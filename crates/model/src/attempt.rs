//! Attempts: one run of one plan against one incident.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::Illegal;
use crate::id::StepIndex;

/// Where an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "step")]
pub enum AttemptState {
    /// The step is next; it has not begun.
    Ready(StepIndex),
    /// The step has begun; its end is not known.
    Running(StepIndex),
    /// Every step is done; fresh samples decide.
    Verifying,
    /// Fresh samples prove it healed.
    Succeeded,
    /// A step failed or was refused, or verification did not succeed in time.
    Failed,
    /// It was cut off and its effect could not be proven.
    Interrupted,
}

/// What can happen to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptEvent {
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
        match (self, event) {
            (Self::Ready(next), E::StepStarted(step)) if next == step => Ok(Self::Running(step)),
            // An idempotent step that a crash cut off begins again.
            (Self::Running(current), E::StepStarted(step)) if current == step => {
                Ok(Self::Running(step))
            }
            (Self::Running(current), E::StepDone(step)) if current == step => {
                Ok(Self::Ready(step.next()))
            }
            // Verification begins again after a restart: time in which nobody looked proves nothing.
            (Self::Ready(_) | Self::Running(_) | Self::Verifying, E::VerificationStarted) => {
                Ok(Self::Verifying)
            }
            (Self::Verifying, E::Verified) => Ok(Self::Succeeded),
            (Self::Ready(_) | Self::Running(_) | Self::Verifying, E::Failed) => Ok(Self::Failed),
            (Self::Running(_) | Self::Verifying, E::CutOff) => Ok(Self::Interrupted),
            (
                Self::Ready(_)
                | Self::Running(_)
                | Self::Verifying
                | Self::Succeeded
                | Self::Failed
                | Self::Interrupted,
                E::StepStarted(_)
                | E::StepDone(_)
                | E::VerificationStarted
                | E::Verified
                | E::Failed
                | E::CutOff,
            ) => Err(Illegal { state: self.as_str(), event: event.as_str() }),
        }
    }

    /// Whether it is still under way.
    #[must_use]
    pub fn is_active(self) -> bool {
        match self {
            Self::Ready(_) | Self::Running(_) | Self::Verifying => true,
            Self::Succeeded | Self::Failed | Self::Interrupted => false,
        }
    }

    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready(_) => "ready",
            Self::Running(_) => "running",
            Self::Verifying => "verifying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
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
        prop_oneof![
            (0..3u16).prop_map(|step| AttemptEvent::StepStarted(StepIndex(step))),
            (0..3u16).prop_map(|step| AttemptEvent::StepDone(StepIndex(step))),
            Just(AttemptEvent::VerificationStarted),
            Just(AttemptEvent::Verified),
            Just(AttemptEvent::Failed),
            Just(AttemptEvent::CutOff),
        ]
    }

    proptest! {
        #[test]
        fn steps_begin_in_order_and_the_end_is_final(events in prop::collection::vec(events(), 0..60)) {
            let mut state = AttemptState::Ready(StepIndex(0));
            let mut done = 0;
            for event in events {
                let Ok(next) = state.apply(event) else { continue };
                prop_assert!(state.is_active(), "{event:?} after the end");
                if let AttemptEvent::StepStarted(step) = event {
                    prop_assert_eq!(step.0, done, "a step was skipped or repeated after its end");
                }
                if let AttemptEvent::StepDone(_) = event {
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
