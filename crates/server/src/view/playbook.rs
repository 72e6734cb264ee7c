//! Playbooks: what the operator allows, with the crew's defaults filled in.

use nightcrew_config::settings::Healing;
use nightcrew_model::plan::Playbook;
use serde::Serialize;

/// A playbook.
#[derive(Serialize)]
pub(crate) struct PlaybookView {
    name: String,
    condition: String,
    steps: Vec<StepView>,
    verify: VerifyView,
    cooldown_ms: u64,
}

#[derive(Serialize)]
struct StepView {
    action: String,
    description: String,
    timeout_ms: u64,
    idempotent: bool,
}

#[derive(Serialize)]
struct VerifyView {
    condition: String,
    needed: u32,
    interval_ms: u64,
    wait_after_ms: u64,
    deadline_ms: u64,
}

impl PlaybookView {
    pub(crate) fn of(playbook: &Playbook, healing: &Healing) -> Self {
        let steps = playbook.steps.iter().map(|step| StepView {
            action: step.action.to_string(),
            description: step.description.clone(),
            timeout_ms: step.timeout.0,
            idempotent: step.is_idempotent(),
        });
        let verify = match &playbook.verify {
            Some(verify) => VerifyView {
                condition: verify.condition.to_string(),
                needed: verify.needed,
                interval_ms: verify.interval.0,
                wait_after_ms: verify.wait_after.0,
                deadline_ms: verify.deadline.0,
            },
            None => VerifyView {
                condition: playbook.trigger.condition.as_ref().map_or_else(
                    || "its alerts have ended".to_owned(),
                    |condition| condition.negated().to_string(),
                ),
                needed: healing.verify_needed,
                interval_ms: healing.verify_interval.0,
                wait_after_ms: 0,
                deadline_ms: healing.verify_deadline.0,
            },
        };
        Self {
            name: playbook.name.to_string(),
            condition: playbook.trigger.to_string(),
            steps: steps.collect(),
            verify,
            cooldown_ms: playbook.cooldown.unwrap_or(healing.cooldown).0,
        }
    }
}
