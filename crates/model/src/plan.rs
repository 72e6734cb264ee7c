//! Playbooks (what may be done) and plans (what will be done).

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::action::{Action, Method};
pub use crate::binding::{Bindings, NotRendered, Parameter, ParameterKind, SERVICE_PLACEHOLDERS};
use crate::condition::Condition;
use crate::expression::Expression;
use crate::id::{ParameterName, PlaybookName, ServiceName, StepName, Target};
pub use crate::outcome::{ResultKey, ResultValue, StepOutcome, StepStatus};
use crate::severity::Severity;
use crate::unit::Millis;

/// What an operator allows to be done about a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Playbook {
    /// Its name.
    pub name: PlaybookName,
    /// When it applies.
    pub trigger: Trigger,
    /// What may differ from incident to incident, beside the service.
    pub parameters: BTreeMap<ParameterName, Parameter>,
    /// What it does, in order; texts may still hold placeholders.
    pub steps: Vec<Step>,
    /// How its success is proven; none: the condition no longer holds.
    pub verify: Option<Verify>,
    /// How long it rests after a run against the same target; none: the crew's default.
    pub cooldown: Option<Millis>,
    /// When a person gets it at once, whatever else holds.
    pub escalate_if: Option<Expression>,
    /// How often it may run against one target; none: the crew's default.
    pub limit: Option<RunLimit>,
    /// Whether it runs, or only shows what it would have done.
    pub stage: Stage,
}

impl Playbook {
    /// A playbook that runs when a condition holds, and whose success is that it no longer does.
    #[must_use]
    pub fn new(name: PlaybookName, condition: impl Into<Expression>, steps: Vec<Step>) -> Self {
        Self {
            name,
            trigger: Trigger::seen(condition),
            parameters: BTreeMap::new(),
            steps,
            verify: None,
            cooldown: None,
            escalate_if: None,
            limit: None,
            stage: Stage::Live,
        }
    }
}

/// When a playbook applies: everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// What must be seen.
    pub condition: Option<Expression>,
    /// What must be wrong, one of these: the symptom of the incident, or a part of what its alert
    /// says, in any case.  Empty: anything.
    pub symptoms: Vec<String>,
    /// How bad it must be at least.
    pub severity: Option<Severity>,
}

impl Trigger {
    /// A condition, and nothing else.
    #[must_use]
    pub fn seen(condition: impl Into<Expression>) -> Self {
        Self { condition: Some(condition.into()), ..Self::default() }
    }

    /// The comparisons of metrics in its condition.
    #[must_use]
    pub fn comparisons(&self) -> Vec<&Condition> {
        let mut found = Vec::new();
        if let Some(condition) = &self.condition {
            condition.each(&mut |leaf| {
                if let Expression::Metric(condition) = leaf {
                    found.push(condition);
                }
            });
        }
        found
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symptoms = (!self.symptoms.is_empty()).then(|| self.symptoms.join(" | "));
        let severity = self.severity.map(|severity| format!("{severity} or worse"));
        let condition = self.condition.as_ref().map(ToString::to_string);
        let parts: Vec<String> = [condition, symptoms, severity].into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("never") } else { f.write_str(&parts.join(", ")) }
    }
}

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunLimit {
    /// So often …
    pub times: u32,
    /// … in this time.
    pub window: Millis,
}

/// How far a playbook is trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It runs.
    #[default]
    Live,
    /// It decides, plans and records, and what it would have done is compared with what people do.
    Shadow,
}

/// One step of a playbook or a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What it is for, in the operator's words.
    pub description: String,
    /// How long it may take.
    pub timeout: Millis,
    /// By what later steps speak of what it found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<StepName>,
    /// When it is done; none: always.  What is not certainly true skips it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Expression>,
    /// How often it is tried again when it fails.
    #[serde(default, skip_serializing_if = "Retry::is_none")]
    pub retry: Retry,
    /// Whether doing it twice is the same as doing it once, in the operator's word; none: by the
    /// kind of action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// What happens when it fails for good.
    #[serde(default, skip_serializing_if = "OnFailure::is_stop")]
    pub on_failure: OnFailure,
    /// What takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Action>,
    /// Whether a person is asked whatever the autonomy of the service.
    #[serde(default, skip_serializing_if = "Ask::is_by_class")]
    pub ask: Ask,
}

impl Step {
    /// A step that is done once, and ends the attempt when it fails.
    #[must_use]
    pub fn new(action: Action, description: impl Into<String>, timeout: Millis) -> Self {
        Self {
            action,
            description: description.into(),
            timeout,
            name: None,
            when: None,
            retry: Retry::default(),
            idempotent: None,
            on_failure: OnFailure::default(),
            rollback: None,
            ask: Ask::default(),
        }
    }

    /// Whether doing it twice is the same as doing it once.  Only such a step is begun again after
    /// a crash cut it off.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.idempotent.unwrap_or_else(|| self.action.is_idempotent())
    }

    /// The step with everything put in.
    ///
    /// # Errors
    /// When a word would become an option.
    pub fn render(&self, bindings: &Bindings) -> Result<Self, NotRendered> {
        let rollback = self.rollback.as_ref().map(|action| action.render(bindings)).transpose()?;
        Ok(Self { action: self.action.render(bindings)?, rollback, ..self.clone() })
    }
}

/// How often a step that failed is tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// So often, beside the first try.
    pub times: u32,
    /// After this pause each.
    pub pause: Millis,
}

impl Retry {
    fn is_none(&self) -> bool {
        self.times == 0
    }
}

/// What happens when a step fails for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The attempt has failed.
    #[default]
    Stop,
    /// The next step follows.
    Continue,
    /// The steps before it are taken back, the last one first; then the attempt has failed.
    RollBack,
}

impl OnFailure {
    fn is_stop(&self) -> bool {
        *self == Self::Stop
    }
}

/// When a person is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// As the autonomy of the service and the risk class say.
    #[default]
    ByClass,
    /// Always.
    Always,
}

impl Ask {
    fn is_by_class(&self) -> bool {
        *self == Self::ByClass
    }
}

/// How success is proven: `needed` looks in a row, each taken after the last step ended, each
/// good, before the deadline.  Where the condition asks for several metrics, a look is a fresh
/// sample of each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// What has to hold.
    pub condition: Expression,
    /// How many good samples in a row; at least 1.
    pub needed: u32,
    /// How often to look.
    pub interval: Millis,
    /// How long to wait before the first look.
    pub wait_after: Millis,
    /// How long after the last step success must be proven.
    pub deadline: Millis,
}

/// What will be done: no choice is left in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The playbook it was made from.
    pub playbook: PlaybookName,
    /// What it is done to.
    pub target: Target,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// How its success is proven.
    pub verify: Verify,
    /// Whether it only shows what it would do.
    pub mode: Mode,
}

impl Plan {
    /// The services that its steps, or what takes them back, act on by name.
    pub fn services_acted_on(&self) -> impl Iterator<Item = &ServiceName> {
        let actions =
            self.steps.iter().flat_map(|step| [&step.action].into_iter().chain(&step.rollback));
        actions.filter_map(Action::service_acted_on)
    }
}

/// Whether a plan may touch the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It runs.
    Live,
    /// It is judged and recorded, and nothing is executed.
    DryRun,
    /// As a dry run, because the playbook is not trusted yet; what people do instead is compared.
    Shadow,
    /// As a dry run, because the service's autonomy is to suggest: a person gets the plan.
    Suggest,
}

impl Mode {
    /// Whether it is a try at healing.  What is only shown moves no incident.
    #[must_use]
    pub fn is_meant(self) -> bool {
        match self {
            Self::Live | Self::DryRun => true,
            Self::Shadow | Self::Suggest => false,
        }
    }

    /// Whether it touches the world.
    #[must_use]
    pub fn is_live(self) -> bool {
        match self {
            Self::Live => true,
            Self::DryRun | Self::Shadow | Self::Suggest => false,
        }
    }
}
