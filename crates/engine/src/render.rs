//! Rendering: a playbook, an incident and what its alert says become a plan in which no choice is
//! left.

use std::collections::BTreeMap;

use nightcrew_model::decision::Reason;
use nightcrew_model::expression::Expression;
use nightcrew_model::id::{IncidentId, ParameterName, Target};
use nightcrew_model::labels::Labels;
use nightcrew_model::plan::{Bindings, Mode, Parameter, Plan, Playbook, Step as PlanStep, Verify};
use nightcrew_model::unit::Millis;

use crate::Step;

impl Step<'_> {
    /// What a playbook does about an incident.
    ///
    /// # Errors
    /// Why it cannot be applied: a parameter that no label gives, or that is not of its kind.
    pub(crate) fn render(
        &self,
        playbook: &Playbook,
        id: IncidentId,
        target: &Target,
        mode: Mode,
    ) -> Result<Plan, Reason> {
        let labels = self.state.labels_of(id);
        let parameters = parameters_of(playbook, labels)?;
        let bindings = Bindings { service: target.service.clone(), parameters };
        let steps: Result<Vec<PlanStep>, _> =
            playbook.steps.iter().map(|step| step.render(&bindings)).collect();
        let not_rendered = |why| Reason::BadParameter {
            detail: format!("{playbook}: {why}", playbook = playbook.name),
        };
        Ok(Plan {
            playbook: playbook.name.clone(),
            target: target.clone(),
            steps: steps.map_err(not_rendered)?,
            verify: self.proof_of(playbook),
            mode,
        })
    }

    /// How the success of a playbook is proven.  One that neither says it nor has a condition can
    /// never be proven.
    fn proof_of(&self, playbook: &Playbook) -> Verify {
        let by_default = || Verify {
            condition: playbook
                .trigger
                .condition
                .as_ref()
                .map_or(Expression::Any { any: Vec::new() }, Expression::negated),
            needed: self.settings.verify_needed.max(1),
            interval: self.settings.verify_interval,
            wait_after: Millis(0),
            deadline: self.settings.verify_deadline,
        };
        playbook.verify.clone().unwrap_or_else(by_default)
    }
}

/// What the parameters of a playbook are, by the labels of an alert.
fn parameters_of(
    playbook: &Playbook,
    labels: Option<&Labels>,
) -> Result<BTreeMap<ParameterName, String>, Reason> {
    let value = |(name, parameter): (&ParameterName, &Parameter)| {
        let label = parameter.label.as_deref();
        let said = label.and_then(|label| labels?.get(label)).filter(|said| !said.is_empty());
        let wrong = |why: String| Reason::BadParameter {
            detail: format!("parameter {name} of {}: {why}", playbook.name),
        };
        match said.or(parameter.default.as_deref()) {
            None => Err(wrong(match label {
                Some(label) => format!("the alert has no label `{label}`"),
                None => "it has no value".to_owned(),
            })),
            Some(value) if parameter.kind.admits(value) => Ok((name.clone(), value.to_owned())),
            Some(value) => Err(wrong(format!("`{}` is not of its kind", cut(value)))),
        }
    };
    playbook.parameters.iter().map(value).collect()
}

/// How much of a bad value is shown, in characters.
const SHOWN_MAX: usize = 80;

/// A value from outside, safe to show.
fn cut(value: &str) -> String {
    value.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect()
}
