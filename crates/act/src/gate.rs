//! The one gate: judging an action, and letting it pass.
//!
//! [`Gate::judge`] says what would be decided and changes nothing; [`Gate::admit`] decides, counts
//! against the hourly cap, and gives the [`Admitted`] that an executor needs.
//!
//! **Invariant:** an `Admitted` exists only for a verdict of `Ruling::Admitted` of this gate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use nightcrew_config::problem::Problem;
use nightcrew_config::settings::{GatePolicy, Healing, ProcessMatch, Service};
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::Action;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Verdict};
use nightcrew_runtime::process::Matcher;

use crate::environment::Environment;
use crate::files::Files;
use crate::grammar::{Network, SandboxProfile, Sockets};
use crate::inventory::{Inventory, is_ourselves};
use crate::library::Library;
use crate::line::read_line;
use crate::question::Question;
use crate::rate::Window;
use crate::roots::{BadRoot, CleanRoots};
use crate::ruling::{Fit, Unfit};
use crate::sandbox::{Launcher, SCRATCH_FOLDER, Sandbox};
use crate::text;
use crate::work::Work;

/// The largest number of words of a command line, before expansion.
pub const WORDS_MAX: usize = 64;

/// The smallest age that `clean_files` may ask for: younger files are being written.
pub const CLEAN_AGE_MIN: Millis = Millis::from_secs(1);

/// The longest name of a service that files are named after, in bytes.
const SERVICE_FILE_NAME_BYTES_MAX: usize = 200;

/// What the gate has to know of this machine and this crew.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The data folder: child pid files lie in `run/`, logs in `logs/`, and no sweep enters it from
    /// above.
    pub data_dir: PathBuf,
    /// Other folders that no sweep enters, such as the workspace.
    pub spared: Vec<PathBuf>,
    /// What started programs find around them.
    pub environment: Environment,
    /// Where paths are looked at.
    pub files: Files,
    /// How many disruptive or destructive actions may begin in an hour.
    pub actions_per_hour: u32,
    /// Who confines started programs; none: nobody can.
    pub launcher: Option<Launcher>,
    /// What the programs of declared checks may do beside reading.
    pub check_profile: SandboxProfile,
}

impl Facts {
    /// The facts of this machine, with nothing but the data folder given.
    #[must_use]
    pub fn new(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            spared: Vec::new(),
            environment: Environment::default(),
            files: Files::Real,
            actions_per_hour: Healing::default().actions_per_hour,
            launcher: None,
            check_profile: SandboxProfile {
                network: Network::Open,
                unix_sockets: Sockets::Open,
                ..SandboxProfile::default()
            },
        }
    }
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    pub(crate) inventory: Inventory,
    pub(crate) roots: CleanRoots,
    pub(crate) library: Library,
    problems: Vec<Problem>,
    pub(crate) facts: Facts,
    pub(crate) docker_socket: PathBuf,
    pub(crate) timeout_max: Millis,
    window: Mutex<Window>,
}

/// What the gate decided about one action.
#[derive(Debug)]
pub struct Judgement {
    /// The decision, to be recorded before anything happens.
    pub verdict: Verdict,
    /// The key to an executor; none: the action may not run.
    pub admitted: Option<Admitted>,
}

/// An action that the gate let pass.  It can be carried out once.
#[derive(Debug)]
pub struct Admitted {
    verdict: Verdict,
    work: Work,
    timeout_max: Millis,
}

impl Admitted {
    /// The decision that let it pass.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What its program may do beside reading; none: it starts no program of the grammar.
    #[must_use]
    pub fn profile(&self) -> Option<&SandboxProfile> {
        match &self.work {
            Work::Run(program) => Some(&program.sandbox),
            Work::Sweep(_)
            | Work::Restart(..)
            | Work::Container(..)
            | Work::Compose(..)
            | Work::Tell(_)
            | Work::Request(_)
            | Work::Rotate(_)
            | Work::Logs(_)
            | Work::Question(..)
            | Work::Memory(_)
            | Work::Raise(_)
            | Work::Wait(_) => None,
        }
    }

    pub(crate) fn timeout_max(&self) -> Millis {
        self.timeout_max
    }

    pub(crate) fn into_work(self) -> Work {
        self.work
    }
}

impl Gate {
    /// A gate for the services that the operator has declared.
    #[must_use]
    pub fn new(
        policy: &GatePolicy,
        services: &BTreeMap<ServiceName, Service>,
        mut facts: Facts,
    ) -> Self {
        facts.environment.sandbox = Sandbox {
            policy: policy.sandbox,
            launcher: facts.launcher.clone(),
            scratch: facts.data_dir.join(SCRATCH_FOLDER),
        };
        let (library, problems) = Library::with_files(&policy.files);
        Self {
            inventory: Inventory::new(services),
            roots: CleanRoots::new(&policy.clean_roots, &facts.files),
            library,
            problems,
            docker_socket: policy.docker_socket.clone(),
            timeout_max: policy.action_timeout_max,
            window: Mutex::new(Window::new(facts.actions_per_hour)),
            facts,
        }
    }

    /// The folders of the policy that cannot be clean roots, and why.
    #[must_use]
    pub fn unusable_roots(&self) -> &[(PathBuf, BadRoot)] {
        self.roots.unusable()
    }

    /// What is wrong with the files of the policy that hold grammars; such a file is left out.
    #[must_use]
    pub fn unusable_grammars(&self) -> &[Problem] {
        &self.problems
    }

    /// What would be decided about an action, the hourly cap aside.
    #[must_use]
    pub fn judge(&self, action: &Action) -> Verdict {
        match self.consider(action) {
            Ok(fit) => fit.verdict(),
            Err(unfit) => unfit.verdict(),
        }
    }

    /// What would be decided about one line: a command line as a person types it, or a JSON array
    /// of words.
    #[must_use]
    pub fn judge_line(&self, line: &str) -> Verdict {
        match read_line(line) {
            Ok(argv) => self.judge(&Action::Run { argv }),
            Err(unfit) => unfit.verdict(),
        }
    }

    /// Decides about an action that is to begin at `now`.
    #[must_use]
    pub fn admit(&self, action: &Action, now: Timestamp) -> Judgement {
        match self.consider(action) {
            Ok(fit) if fit.approval.is_some() => {
                Judgement { verdict: fit.verdict(), admitted: None }
            }
            Ok(fit) => self.let_pass(fit, now),
            Err(unfit) => Judgement { verdict: unfit.verdict(), admitted: None },
        }
    }

    /// Decides about an action of a plan that a person has approved, which is to begin at `now`.
    /// What would need approval passes; what is refused stays refused.
    #[must_use]
    pub fn admit_approved(&self, action: &Action, now: Timestamp) -> Judgement {
        match self.consider(action) {
            Ok(fit) => self.let_pass(fit, now),
            Err(unfit) => Judgement { verdict: unfit.verdict(), admitted: None },
        }
    }

    fn let_pass(&self, fit: Fit, now: Timestamp) -> Judgement {
        if let Err(until) = self.take_place(fit.class, now) {
            let reason = format!(
                "{} disruptive or destructive actions began within an hour \
                 (healing.actions_per_hour); the next may begin at {until}",
                self.facts.actions_per_hour
            );
            let unfit = Unfit::refused("gate.rate-limit", reason);
            let unfit = unfit.of_class(fit.class).of_words(fit.argv);
            return Judgement { verdict: unfit.verdict(), admitted: None };
        }
        let verdict = fit.allowed();
        Judgement {
            verdict: verdict.clone(),
            admitted: Some(Admitted { verdict, work: fit.work, timeout_max: self.timeout_max }),
        }
    }

    /// Decides about the program of a check that the operator declared.  It runs word by word as it
    /// is declared, without a grammar: who writes the configuration knows what only looks.  A
    /// program that reads a command line of its own is refused all the same.
    #[must_use]
    pub fn admit_check(&self, argv: &[String]) -> Judgement {
        match self.check(argv) {
            Ok(fit) => Judgement {
                verdict: fit.verdict(),
                admitted: Some(Admitted {
                    verdict: fit.verdict(),
                    work: fit.work,
                    timeout_max: self.timeout_max,
                }),
            },
            Err(unfit) => Judgement {
                verdict: unfit.of_class(RiskClass::Observe).of_words(argv.to_vec()).verdict(),
                admitted: None,
            },
        }
    }

    /// Counts an action against the hourly cap that began before this gate was made: the verdict of
    /// a started step, as the journal has it.
    pub fn remember(&self, class: RiskClass, at: Timestamp) {
        if class >= RiskClass::Disruptive {
            self.window().remember(at);
        }
    }

    /// Gives the place of an action back that was admitted at `now` and did not begin.
    pub fn give_back(&self, class: RiskClass, now: Timestamp) {
        if class >= RiskClass::Disruptive {
            self.window().give_back(now);
        }
    }

    fn take_place(&self, class: RiskClass, now: Timestamp) -> Result<(), Timestamp> {
        if class < RiskClass::Disruptive {
            return Ok(());
        }
        self.window().take(now)
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &Service> {
        self.inventory.services()
    }

    fn consider(&self, action: &Action) -> Result<Fit, Unfit> {
        match action {
            Action::CleanFiles { root, name, older_than } => {
                self.clean_files(root, name.as_deref(), *older_than)
            }
            Action::RestartProcess { service } => self.restart_process(service),
            Action::RestartService { service } => self.restart_service(service),
            Action::Run { argv } => self.run(argv),
            Action::ReloadService { service } => self.reload_service(service),
            Action::Request { method, url } => self.request(*method, url),
            Action::RotateLog { path } => self.rotate_log(path),
            Action::CheckLogs { service, pattern, within } => {
                self.check_logs(service, pattern.as_deref(), *within)
            }
            Action::CheckDependencies { service } => {
                self.question("check_dependencies", service, Question::Dependencies)
            }
            Action::CheckResources { service } => {
                self.question("check_resources", service, Question::Resources)
            }
            Action::CollectMemory { service } => self.collect_memory(service),
            Action::RaiseMemoryLimit { service, by_percent } => {
                self.raise_memory_limit(service, *by_percent)
            }
            Action::Wait { duration } => self.wait(*duration),
        }
    }

    fn wait(&self, duration: Millis) -> Result<Fit, Unfit> {
        if duration >= self.timeout_max {
            let longest = self.timeout_max;
            let reason =
                format!("a wait must be shorter than policy.action_timeout_max, {longest}");
            return Err(Unfit::refused("wait", reason).of_class(RiskClass::Observe));
        }
        Ok(Fit {
            class: RiskClass::Observe,
            rule: "wait".into(),
            reason: "waits and does nothing".to_owned(),
            argv: vec!["wait".to_owned(), duration.to_string()],
            approval: None,
            work: Work::Wait(duration.duration()),
        })
    }

    /// A service that the operator has declared, whose name is fit to be shown and to name files.
    pub(crate) fn known(
        &self,
        rule: &'static str,
        class: RiskClass,
        name: &ServiceName,
    ) -> Result<&Service, Unfit> {
        let refused = |reason: String| Unfit::refused(rule, reason).of_class(class);
        text::check(name.as_str()).map_err(|why| refused(why.to_string()))?;
        let service = self.inventory.service(name.as_str()).ok_or_else(|| {
            refused(format!(
                "`{name}` is not a declared service; declare services.{name} with unit or start"
            ))
        })?;
        let names_a_file = name.as_str().len() <= SERVICE_FILE_NAME_BYTES_MAX
            && !name.as_str().contains('/')
            && !matches!(name.as_str(), "." | "..");
        if !names_a_file {
            return Err(refused(format!(
                "`{name}` cannot name a file: at most {SERVICE_FILE_NAME_BYTES_MAX} bytes, no `/`"
            )));
        }
        if class > RiskClass::Observe && is_ourselves(name.as_str()) {
            return Err(refused(format!(
                "`{name}` is the crew itself, so only a person acts on it"
            )));
        }
        Ok(service)
    }

    /// How the process of a service is found; without a word from the operator, as the crew's
    /// child.
    pub(crate) fn matcher(&self, service: &Service) -> Result<Matcher, String> {
        let child_file = self.child_file(service);
        Ok(match &service.process {
            Some(ProcessMatch::Name(name)) => Matcher::Name(name.clone()),
            Some(ProcessMatch::PidFile(path)) => Matcher::PidFile(path.clone()),
            Some(ProcessMatch::CommandLine(pattern)) => {
                let pattern = regex::Regex::new(pattern);
                let name = &service.name;
                Matcher::CommandLine(
                    pattern
                        .map_err(|why| format!("services.{name}.process.command_line: {why}"))?,
                )
            }
            Some(ProcessMatch::Child) | None => Matcher::Child(child_file),
        })
    }

    /// Where the number of the child of a service is kept.
    pub(crate) fn child_file(&self, service: &Service) -> PathBuf {
        self.facts.data_dir.join("run").join(format!("{}.pid", service.name))
    }
}
