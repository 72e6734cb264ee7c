//! Playbooks (what may be done), plans (what will be done) and outcomes (what was done).

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::argv::{Argv, Word};
use crate::condition::Condition;
use crate::id::{PlaybookName, ServiceName, Target};
use crate::unit::Millis;

/// What an operator allows to be done about a condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Playbook {
    /// Its name.
    pub name: PlaybookName,
    /// When it applies.
    pub condition: Condition,
    /// What it does, in order; service names may still be the placeholder.
    pub steps: Vec<Step>,
    /// How its success is proven; none: the condition no longer holds.
    pub verify: Option<Verify>,
    /// How long it rests after a run against the same target; none: the crew's default.
    pub cooldown: Option<Millis>,
}

/// The placeholders that stand for the service of the incident, as the source documents write
/// them.
pub const SERVICE_PLACEHOLDERS: [&str; 6] = [
    "{service_name}",
    "{process_name}",
    "{service}",
    "${SERVICE_NAME}",
    "${PROCESS_NAME}",
    "${SERVICE}",
];

/// One step of a playbook or a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// What it is for, in the operator's words.
    pub description: String,
    /// How long it may take.
    pub timeout: Millis,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Action {
    /// Removes regular files below `root` that have not changed for `older_than`.
    CleanFiles {
        /// The folder; it must lie in an allowed root.
        root: PathBuf,
        /// Only files whose name matches this glob; none: every file.
        name: Option<String>,
        /// Only files not modified for this long.
        older_than: Millis,
    },
    /// Ends the process of a service, if it lives, and starts it as its `start` says.
    RestartProcess {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Restarts a service through whatever supervises it.
    RestartService {
        /// The service, or a placeholder.
        service: ServiceName,
    },
    /// Starts a program without a shell.
    Run {
        /// The program and its arguments.
        argv: Argv,
    },
}

impl Action {
    /// Whether doing it twice is the same as doing it once.  Only such an action is started again
    /// after a crash cut it off.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        match self {
            Self::CleanFiles { .. } => true,
            Self::RestartProcess { .. } | Self::RestartService { .. } | Self::Run { .. } => false,
        }
    }

    /// The action with the placeholder replaced by the service's name.  The name replaces text
    /// inside words: it can never add a word, and never the program.
    #[must_use]
    pub fn for_service(&self, service: &ServiceName) -> Self {
        let fill = |text: &str| {
            SERVICE_PLACEHOLDERS.iter().fold(text.to_owned(), |text, placeholder| {
                text.replace(placeholder, service.as_str())
            })
        };
        let name = |named: &ServiceName| ServiceName::from(fill(named.as_str()));
        match self {
            Self::CleanFiles { .. } => self.clone(),
            Self::RestartProcess { service } => Self::RestartProcess { service: name(service) },
            Self::RestartService { service } => Self::RestartService { service: name(service) },
            Self::Run { argv } => {
                let words = argv.0.iter().enumerate().map(|(n, word)| match word {
                    _ if n == 0 => word.clone(),
                    Word::Literal(text) => Word::Literal(fill(text)),
                    Word::Glob(text) => Word::Glob(text.clone()),
                });
                Self::Run { argv: Argv(words.collect()) }
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CleanFiles { root, name, older_than } => {
                write!(f, "clean_files {}", root.display())?;
                if let Some(name) = name {
                    write!(f, " named '{name}'")?;
                }
                write!(f, " older than {older_than}")
            }
            Self::RestartProcess { service } => write!(f, "restart_process {service}"),
            Self::RestartService { service } => write!(f, "restart_service {service}"),
            Self::Run { argv } => argv.fmt(f),
        }
    }
}

/// How success is proven: `needed` samples in a row, each taken after the last step ended, each
/// good, before the deadline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// What has to hold.
    pub condition: Condition,
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

/// Whether a plan may touch the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It runs.
    Live,
    /// It is judged and recorded, and nothing is executed.
    DryRun,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// How.
    pub status: StepStatus,
    /// What it printed, or what it did, cut to a limit.
    pub output: String,
    /// How long it took.
    pub took: Millis,
}

/// Whether a step did what it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum StepStatus {
    /// It did.
    Succeeded,
    /// Its program ended with this exit code, or with a signal (none).
    Exited {
        /// The exit code; none after a signal.
        code: Option<i32>,
    },
    /// It did not end in time and was killed.
    TimedOut,
    /// It could not begin or go on.
    Failed,
    /// The gate did not admit it.
    Refused,
    /// It was not executed, because the plan is a dry run.
    Shown,
}

impl StepStatus {
    /// Whether the next step may follow.
    #[must_use]
    pub fn is_success(&self) -> bool {
        match self {
            Self::Succeeded | Self::Shown => true,
            Self::Exited { .. } | Self::TimedOut | Self::Failed | Self::Refused => false,
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::Exited { code: Some(code) } => write!(f, "failed with exit code {code}"),
            Self::Exited { code: None } => f.write_str("ended by a signal"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Failed => f.write_str("failed"),
            Self::Refused => f.write_str("refused"),
            Self::Shown => f.write_str("shown, not executed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_service_name_can_change_the_program_or_the_count_of_words(name in "\\PC{0,40}") {
            let action = Action::Run { argv: Argv::parse("systemctl restart '{service_name}'").unwrap() };
            let Action::Run { argv } = action.for_service(&name.clone().into()) else { unreachable!() };
            prop_assert_eq!(argv.0.len(), 3);
            prop_assert_eq!(argv.program(), "systemctl");
            prop_assert_eq!(argv.0[1].as_str(), "restart");
        }
    }
}
