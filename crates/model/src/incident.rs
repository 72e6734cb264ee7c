//! Incidents: what we care about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::Illegal;
use crate::id::{Symptom, Target};

/// Two alerts with the same key inside the window are one incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentKey {
    /// What it is about.
    pub target: Target,
    /// What is wrong with it.
    pub symptom: Symptom,
}

impl fmt::Display for IncidentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.target, self.symptom)
    }
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Known; nothing is being done about it at the moment.
    Open,
    /// A playbook is at work.
    Resolving,
    /// The playbook is done; fresh samples decide.
    Verifying,
    /// It is over.  It reopens when it relapses inside the window.
    Resolved,
    /// It is with a person.
    Escalated,
    /// It is over for good.
    Closed,
}

/// What can happen to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IncidentEvent {
    /// A playbook was planned.
    RemedyPlanned,
    /// Every step of the playbook is done.
    StepsDone,
    /// The playbook did not heal it: the next one has its turn, or a person.
    RemedyEnded,
    /// Fresh samples prove it healed.
    Verified,
    /// It ended without us, or its source says that it ended.
    Recovered,
    /// It goes to a person.
    HandedOver,
    /// It is back.
    Relapsed,
    /// The window in which it could reopen has passed.
    WindowPassed,
}

impl IncidentState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Open,
        Self::Resolving,
        Self::Verifying,
        Self::Resolved,
        Self::Escalated,
        Self::Closed,
    ];

    /// The next state.
    ///
    /// # Errors
    /// When the life cycle has no such transition.
    pub fn apply(self, event: IncidentEvent) -> Result<Self, Illegal> {
        use IncidentEvent as E;
        match (self, event) {
            // A person has it because no playbook applied and now one does, or the next playbook
            // follows one that failed.
            (
                Self::Open | Self::Escalated | Self::Resolving | Self::Verifying,
                E::RemedyPlanned,
            ) => Ok(Self::Resolving),
            (Self::Resolving | Self::Verifying, E::RemedyEnded) => Ok(Self::Open),
            (Self::Resolving, E::StepsDone) => Ok(Self::Verifying),
            (Self::Verifying, E::Verified)
            | (Self::Open | Self::Resolving | Self::Escalated, E::Recovered) => Ok(Self::Resolved),
            (Self::Open | Self::Resolving | Self::Verifying, E::HandedOver) => Ok(Self::Escalated),
            (Self::Resolved, E::Relapsed) => Ok(Self::Open),
            (Self::Resolved, E::WindowPassed) => Ok(Self::Closed),
            (
                Self::Open
                | Self::Resolving
                | Self::Verifying
                | Self::Resolved
                | Self::Escalated
                | Self::Closed,
                E::RemedyPlanned
                | E::StepsDone
                | E::RemedyEnded
                | E::Verified
                | E::Recovered
                | E::HandedOver
                | E::Relapsed
                | E::WindowPassed,
            ) => Err(Illegal { state: self.as_str(), event: event.as_str() }),
        }
    }

    /// Whether somebody or something still has to do with it.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Open | Self::Resolving | Self::Verifying | Self::Escalated => true,
            Self::Resolved | Self::Closed => false,
        }
    }

    /// The state in a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolving => "resolving",
            Self::Verifying => "verifying",
            Self::Resolved => "resolved",
            Self::Escalated => "escalated",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for IncidentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl IncidentEvent {
    /// Every event.
    pub const ALL: [Self; 8] = [
        Self::RemedyPlanned,
        Self::StepsDone,
        Self::RemedyEnded,
        Self::Verified,
        Self::Recovered,
        Self::HandedOver,
        Self::Relapsed,
        Self::WindowPassed,
    ];

    /// The event in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemedyPlanned => "a planned remedy",
            Self::StepsDone => "the end of the steps",
            Self::RemedyEnded => "a failed remedy",
            Self::Verified => "verification",
            Self::Recovered => "recovery",
            Self::HandedOver => "escalation",
            Self::Relapsed => "a relapse",
            Self::WindowPassed => "the end of the window",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn resolved_only_by_verification_or_recovery(events in prop::collection::vec(prop::sample::select(IncidentEvent::ALL.to_vec()), 0..60)) {
            let mut state = IncidentState::Open;
            for event in events {
                let Ok(next) = state.apply(event) else { continue };
                if next == IncidentState::Resolved {
                    prop_assert!(matches!(event, IncidentEvent::Verified | IncidentEvent::Recovered));
                }
                if event == IncidentEvent::Verified {
                    prop_assert_eq!(state, IncidentState::Verifying, "verified without verifying");
                }
                prop_assert_ne!(state, IncidentState::Closed, "something happened after the end");
                state = next;
            }
        }
    }

    #[test]
    fn the_transition_table() {
        let mut table = String::new();
        for state in IncidentState::ALL {
            for event in IncidentEvent::ALL {
                if let Ok(next) = state.apply(event) {
                    writeln!(table, "{state:<10} + {:<22} -> {next}", event.as_str()).unwrap();
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        open       + a planned remedy       -> resolving
        open       + recovery               -> resolved
        open       + escalation             -> escalated
        resolving  + a planned remedy       -> resolving
        resolving  + the end of the steps   -> verifying
        resolving  + a failed remedy        -> open
        resolving  + recovery               -> resolved
        resolving  + escalation             -> escalated
        verifying  + a planned remedy       -> resolving
        verifying  + a failed remedy        -> open
        verifying  + verification           -> resolved
        verifying  + escalation             -> escalated
        resolved   + a relapse              -> open
        resolved   + the end of the window  -> closed
        escalated  + a planned remedy       -> resolving
        escalated  + recovery               -> resolved
        ");
    }
}
