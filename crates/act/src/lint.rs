//! What the gate would say to the steps of playbooks, before any of them is needed.

use nightcrew_config::settings::Service;
use nightcrew_model::catalogue;
use nightcrew_model::id::{PlaybookName, ServiceName, StepIndex};
use nightcrew_model::plan::{Action, Playbook};
use nightcrew_model::verdict::{Ruling, Verdict};

use crate::gate::Gate;

/// A step that would not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The playbook.
    pub playbook: PlaybookName,
    /// The step.
    pub step: StepIndex,
    /// The service that was put in; none: the step names no placeholder.
    pub service: Option<ServiceName>,
    /// What the gate says.
    pub verdict: Verdict,
}

/// Judges every step of every playbook; a step with a placeholder is judged once for each service
/// that the playbook can be about.  Only what would not run is told of.
#[must_use]
pub fn lint(gate: &Gate, playbooks: &[Playbook]) -> Vec<Objection> {
    let mut objections = Vec::new();
    for playbook in playbooks {
        for (at, step) in playbook.steps.iter().enumerate() {
            let step_idx = StepIndex(u16::try_from(at).unwrap_or(u16::MAX));
            let mut object = |service: Option<&ServiceName>, action: &Action| {
                let verdict = gate.judge(action);
                if verdict.verdict != Ruling::Admitted {
                    objections.push(Objection {
                        playbook: playbook.name.clone(),
                        step: step_idx,
                        service: service.cloned(),
                        verdict,
                    });
                }
            };
            if !names_placeholder(&step.action) {
                object(None, &step.action);
                continue;
            }
            for service in gate.services().filter(|service| is_about(playbook, service)) {
                object(Some(&service.name), &step.action.for_service(&service.name));
            }
        }
    }
    objections
}

/// Whether putting a service in changes the action.
fn names_placeholder(action: &Action) -> bool {
    // A name that no operator can have written.
    action.for_service(&ServiceName::from("\0")) != *action
}

/// Whether an incident about the service can meet the playbook's condition and may be healed.
fn is_about(playbook: &Playbook, service: &Service) -> bool {
    let metric = playbook.condition.metric.as_str();
    let watched =
        if [catalogue::PROCESS_STATUS, catalogue::PROCESS_CPU, catalogue::PROCESS_MEMORY_MB]
            .contains(&metric)
        {
            service.process.is_some() || service.start.is_some()
        } else if [
            catalogue::HEALTH_STATUS,
            catalogue::API_LATENCY_MS,
            catalogue::SSL_EXPIRES_IN_DAYS,
        ]
        .contains(&metric)
        {
            !service.checks.is_empty()
        } else {
            true
        };
    watched && service.restart_allowed
}
