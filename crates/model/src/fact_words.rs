//! Facts in words: the one way in which a timeline says what was decided.

use std::fmt;

use crate::condition::Truth;
use crate::decision::Fact;

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlertFired { alert } => {
                write!(f, "alert fired: {} {} ({})", alert.target, alert.symptom, alert.severity)
            }
            Self::AlertChanged { alert } => {
                write!(f, "alert changed: {} {} ({})", alert.target, alert.symptom, alert.severity)
            }
            Self::AlertResolved { fingerprint, .. } => write!(f, "alert {fingerprint} resolved"),
            Self::IncidentOpened { incident, key, severity, .. } => {
                write!(f, "{incident} opened: {key} ({severity})")
            }
            Self::AlertJoined { incident, alert, severity } => {
                write!(f, "{incident}: alert {alert} joined ({severity})")
            }
            Self::IncidentReopened { incident, .. } => write!(f, "{incident} reopened"),
            Self::AttemptPlanned { attempt, plan } => {
                write!(f, "{attempt} planned: {}, steps: {}", plan.playbook, plan.steps.len())
            }
            Self::RemedyHeld { incident, playbook } => write!(f, "{incident}: {playbook} held"),
            Self::StepStarted { attempt, step, verdict } => {
                write!(f, "{attempt} step {step} started: {}", verdict.argv.join(" "))
            }
            Self::StepFinished { attempt, step, outcome } => {
                write!(f, "{attempt} step {step} {} in {}", outcome.status, outcome.took)
            }
            Self::VerificationStarted { attempt, .. } => write!(f, "{attempt} verifying"),
            Self::VerificationSampled { attempt, sample, good, in_a_row } => {
                let word = match good {
                    Truth::True => "good",
                    Truth::False => "bad",
                    Truth::Unknown => "unknown",
                };
                let (metric, seen) = (&sample.metric, &sample.observation);
                write!(f, "{attempt} sample {word}: {metric} {seen}, in a row: {in_a_row}")
            }
            Self::AttemptSucceeded { attempt } => write!(f, "{attempt} succeeded"),
            Self::AttemptFailed { attempt } => write!(f, "{attempt} failed"),
            Self::AttemptInterrupted { attempt } => write!(f, "{attempt} interrupted"),
            Self::IncidentResolved { incident, verified } => {
                write!(f, "{incident} resolved{}", if *verified { ", verified" } else { "" })
            }
            Self::IncidentEscalated { incident } => write!(f, "{incident} escalated to a person"),
            Self::IncidentClosed { incident } => write!(f, "{incident} closed"),
            Self::NotificationQueued { notification, incident, channel, kind } => {
                write!(f, "{incident}: {notification} queued for {channel}: {kind}")
            }
            Self::NotificationDelivered { notification, incident, channel } => {
                write!(f, "{incident}: {notification} delivered to {channel}")
            }
            Self::NotificationFailed { notification, incident, channel } => {
                write!(f, "{incident}: {notification} not deliverable to {channel}")
            }
            Self::AgentChanged { agent, state } => write!(f, "agent {agent} is {state}"),
        }
    }
}

impl Fact {
    /// The member of the crew whose work it belongs to.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        match self {
            Self::AlertFired { .. }
            | Self::AlertChanged { .. }
            | Self::AlertResolved { .. }
            | Self::IncidentOpened { .. }
            | Self::AlertJoined { .. }
            | Self::IncidentReopened { .. }
            | Self::IncidentResolved { .. }
            | Self::IncidentEscalated { .. }
            | Self::IncidentClosed { .. } => "alert-handler",
            Self::AttemptPlanned { .. }
            | Self::RemedyHeld { .. }
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::VerificationStarted { .. }
            | Self::VerificationSampled { .. }
            | Self::AttemptSucceeded { .. }
            | Self::AttemptFailed { .. }
            | Self::AttemptInterrupted { .. } => "autoheal",
            Self::NotificationQueued { .. }
            | Self::NotificationDelivered { .. }
            | Self::NotificationFailed { .. } => "reporter",
            Self::AgentChanged { .. } => "orchestrator",
        }
    }
}
