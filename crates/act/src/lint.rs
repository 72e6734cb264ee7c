//! What the gate would say to the steps of playbooks, before any of them is needed.

use nightcrew_config::settings::Service;
use nightcrew_model::catalogue;
use nightcrew_model::id::{PlaybookName, ServiceName, StepIndex};
use nightcrew_model::plan::{Action, Bindings, Parameter, ParameterKind, Playbook};
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

/// Judges every step of every playbook and what takes it back; one that names the service is judged
/// once for each service that the playbook can be about, with the default of every parameter or
/// else something of its kind.  Only what would not run by itself is told of.
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
            for written in [Some(&step.action), step.rollback.as_ref()].into_iter().flatten() {
                if !names_service(written) {
                    let bindings = bindings(playbook, ServiceName::host());
                    if let Ok(action) = written.render(&bindings) {
                        object(None, &action);
                    }
                    continue;
                }
                for service in gate.services().filter(|service| is_about(playbook, service)) {
                    let bindings = bindings(playbook, service.name.clone());
                    if let Ok(action) = written.render(&bindings) {
                        object(Some(&service.name), &action);
                    }
                }
            }
        }
    }
    objections
}

/// Whether putting a service in changes the action.
fn names_service(action: &Action) -> bool {
    // A name that no operator can have written.
    action.render(&Bindings::of(ServiceName::from("\0"))).as_ref() != Ok(action)
}

/// A service, and for every parameter its default or else something of its kind.
#[must_use]
pub fn bindings(playbook: &Playbook, service: ServiceName) -> Bindings {
    let value = |parameter: &Parameter| match (&parameter.default, &parameter.kind) {
        (Some(default), _) => default.clone(),
        (None, ParameterKind::Number { min, .. }) => min.to_string(),
        (None, ParameterKind::Name) => "example".to_owned(),
        (None, ParameterKind::OneOf { values }) => values.first().cloned().unwrap_or_default(),
        (None, ParameterKind::Path { below }) => below.join("example").display().to_string(),
    };
    let parameters = playbook.parameters.iter();
    let parameters = parameters.map(|(name, parameter)| (name.clone(), value(parameter))).collect();
    Bindings { service, parameters }
}

/// Whether an incident about the service can meet the playbook's condition and may be healed.
#[must_use]
pub fn is_about(playbook: &Playbook, service: &Service) -> bool {
    let comparisons = playbook.trigger.comparisons();
    let watched = comparisons.iter().all(|condition| {
        let metric = condition.metric.as_str();
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
        }
    });
    watched && service.restart_allowed
}
