//! The one gate: judging an action, and letting it pass.
//!
//! [`Gate::judge`] says what would be decided and changes nothing; [`Gate::admit`] decides, counts
//! against the hourly cap, and gives the [`Admitted`] that an executor needs.
//!
//! **Invariant:** an `Admitted` exists only for a verdict of [`Ruling::Admitted`] of this gate.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use nightcrew_config::settings::{GatePolicy, Probe, ProcessMatch, Service, Start};
use nightcrew_model::argv::{Argv, Word};
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::Action;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling, Verdict};
use nightcrew_runtime::process::Matcher;

use crate::environment::Environment;
use crate::files::{Files, Kind};
use crate::inventory::{Inventory, is_ourselves};
use crate::line::{no_grammar, program_name, read_line};
use crate::matching::{Ground, may_not_restart};
use crate::pattern::Pattern;
use crate::programs::{PROGRAMS, WRAPPERS};
use crate::rate::{ACTIONS_PER_HOUR_MAX, Window};
use crate::restart::Restart;
use crate::roots::{BadRoot, CleanRoots};
use crate::ruling::{Fit, Unfit};
use crate::sweep::{Filter, Sweep};
use crate::work::{Program, Work};
use crate::{find, matching, text};

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
        }
    }
}

/// The gate.
#[derive(Debug)]
pub struct Gate {
    inventory: Inventory,
    roots: CleanRoots,
    facts: Facts,
    timeout_max: Millis,
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
        facts: Facts,
    ) -> Self {
        Self {
            inventory: Inventory::new(services),
            roots: CleanRoots::new(&policy.clean_roots, &facts.files),
            facts,
            timeout_max: policy.action_timeout_max,
            window: Mutex::default(),
        }
    }

    /// The folders of the policy that cannot be clean roots, and why.
    #[must_use]
    pub fn unusable_roots(&self) -> &[(PathBuf, BadRoot)] {
        self.roots.unusable()
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
        let refused = |unfit: Unfit| Judgement { verdict: unfit.verdict(), admitted: None };
        let fit = match self.consider(action) {
            Ok(fit) => fit,
            Err(unfit) => return refused(unfit),
        };
        if let Err(until) = self.take_place(fit.class, now) {
            let reason = format!(
                "{ACTIONS_PER_HOUR_MAX} disruptive or destructive actions began within an hour; the \
                 next may begin at {until}"
            );
            let unfit = Unfit::refused("gate.rate-limit", reason);
            return refused(unfit.of_class(fit.class).of_words(fit.argv));
        }
        let verdict = fit.verdict();
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

    fn check(&self, argv: &[String]) -> Result<Fit, Unfit> {
        let refused = |reason: String| Unfit::refused("check.command", reason);
        let program = argv.first().ok_or_else(|| refused("the command is empty".to_owned()))?;
        let is_declared = self.services().flat_map(|service| &service.checks).any(
            |check| matches!(&check.probe, Probe::Command { argv: declared, .. } if declared == argv),
        );
        if !is_declared {
            return Err(refused("no check of a declared service has this command".to_owned()));
        }
        if argv.len() > WORDS_MAX {
            return Err(refused(format!("the command has more than {WORDS_MAX} words")));
        }
        for word in argv.iter().filter(|word| !word.is_empty()) {
            text::check(word).map_err(|why| refused(why.to_string()))?;
        }
        let name = program.rsplit('/').next().unwrap_or_default();
        if WRAPPERS.contains(&name) {
            return Err(refused(format!(
                "{name} starts another program; put the commands into an executable file, and \
                 name that file"
            )));
        }
        Ok(Fit {
            class: RiskClass::Observe,
            rule: "check.command",
            reason: "the operator declared it as a check".to_owned(),
            argv: argv.to_vec(),
            work: Work::Run(Program {
                argv: argv.to_vec(),
                starts: Vec::new(),
                files: Vec::new(),
                configs: Vec::new(),
                environment: self.facts.environment.clone(),
            }),
        })
    }

    /// Counts an action against the hourly cap that began before this gate was made: the verdict of
    /// a started step, as the journal has it.
    pub fn remember(&self, class: RiskClass, at: Timestamp) {
        if class >= RiskClass::Disruptive {
            self.window().remember(at);
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
            Action::RestartProcess { service } => {
                let service = self.declared("restart_process", service)?;
                match &service.start {
                    Some(start) => self.restart(service, start),
                    None => Err(Unfit::refused(
                        "restart_process",
                        format!(
                            "services.{}.start is not given, so nothing could start it",
                            service.name
                        ),
                    )
                    .of_class(RiskClass::Disruptive)),
                }
            }
            Action::RestartService { service } => {
                let service = self.declared("restart_service", service)?;
                match (&service.unit, &service.start) {
                    (Some(unit), _) => {
                        self.run(&Argv::literal(["systemctl", "restart", unit.as_str()]))
                    }
                    (None, Some(start)) => self.restart(service, start),
                    (None, None) => Err(Unfit::refused(
                        "restart_service",
                        format!(
                            "services.{0} has neither unit nor start; declare services.{0}.unit or \
                             services.{0}.start",
                            service.name
                        ),
                    )
                    .of_class(RiskClass::Disruptive)),
                }
            }
            Action::Run { argv } => self.run(argv),
        }
    }

    /// A declared service that may be restarted.
    fn declared(&self, rule: &'static str, name: &ServiceName) -> Result<&Service, Unfit> {
        let refused = |reason: String| Unfit::refused(rule, reason).of_class(RiskClass::Disruptive);
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
        if is_ourselves(name.as_str()) {
            return Err(refused(format!(
                "`{name}` is the crew itself, so only a person acts on it"
            )));
        }
        if !service.restart_allowed {
            return Err(refused(may_not_restart(service)));
        }
        Ok(service)
    }

    fn restart(&self, service: &Service, start: &Start) -> Result<Fit, Unfit> {
        let refused = |reason: String| {
            Unfit::refused("restart_process", reason).of_class(RiskClass::Disruptive)
        };
        let name = &service.name;
        let program = start.argv.first().map_or("", String::as_str);
        if program.is_empty() || (program.contains('/') && !program.starts_with('/')) {
            return Err(refused(format!(
                "services.{name}.start must begin with a program: a bare name or an absolute path"
            )));
        }
        let texts = start.argv.iter().chain(start.env.keys()).chain(start.env.values());
        if texts.into_iter().any(|text| text.contains('\0')) {
            return Err(refused(format!("services.{name}.start holds a NUL character")));
        }
        let child_file = self.facts.data_dir.join("run").join(format!("{name}.pid"));
        let log = self.facts.data_dir.join("logs").join(format!("{name}.log"));
        let matcher = matcher(service.process.as_ref(), &child_file)
            .map_err(|why| refused(format!("services.{name}.process.command_line: {why}")))?;
        Ok(Fit {
            class: RiskClass::Disruptive,
            rule: "restart_process",
            reason: format!(
                "stops {name} (found by {matcher}) if it runs, and starts it as declared"
            ),
            argv: start.argv.clone(),
            work: Work::Restart(
                Box::new(Restart {
                    service: name.clone(),
                    matcher,
                    start: start.clone(),
                    stop_timeout: service.stop_timeout.duration(),
                    child_file,
                    log: start.log.clone().unwrap_or(log),
                }),
                self.facts.environment.clone(),
            ),
        })
    }

    fn clean_files(&self, root: &Path, name: Option<&str>, age: Millis) -> Result<Fit, Unfit> {
        let written = root.display().to_string();
        let mut argv = vec!["clean_files".to_owned(), written.clone()];
        argv.extend(name.map(str::to_owned));
        let refused = |reason: String| Unfit::refused("clean_files", reason).of_words(argv.clone());
        for word in [Some(written.as_str()), name].into_iter().flatten() {
            text::check(word).map_err(|why| refused(why.to_string()))?;
        }
        let start = self.roots.check(&written, &self.facts.files);
        let start = start.map_err(|why| refused(why.to_string()))?;
        if start.entry.as_ref().is_some_and(|entry| entry.kind != Kind::Folder) {
            return Err(refused(format!("`{written}` is not a folder")));
        }
        let pattern = name.map(|name| Pattern::parse(name, false)).transpose();
        let pattern = pattern.map_err(|why| refused(why.to_string()))?;
        if age < CLEAN_AGE_MIN {
            return Err(refused(format!("older_than must be at least {CLEAN_AGE_MIN}")));
        }
        let filter = Filter { name: pattern, unmodified_for: Some(age), ..Filter::default() };
        Ok(Fit {
            class: RiskClass::Destructive,
            rule: "clean_files",
            reason: format!("removes regular files below {written} not modified for {age}"),
            work: Work::Sweep(self.sweep(vec![start], filter)),
            argv,
        })
    }

    fn sweep(&self, starts: Vec<crate::roots::CleanPath>, filter: Filter) -> Sweep {
        let mut spared = self.facts.spared.clone();
        spared.push(self.facts.data_dir.clone());
        Sweep { starts, filter, spared }
    }

    fn run(&self, argv: &Argv) -> Result<Fit, Unfit> {
        let words: Vec<String> = argv.0.iter().map(|word| word.as_str().to_owned()).collect();
        self.read(&argv.0).map_err(|unfit| match unfit.argv.is_empty() {
            true => unfit.of_words(words),
            false => unfit,
        })
    }

    fn read(&self, words: &[Word]) -> Result<Fit, Unfit> {
        let Some(first) = words.first() else {
            return Err(Unfit::refused("gate.not-argv", "the command is empty"));
        };
        if words.len() > WORDS_MAX {
            let reason = format!("the command has more than {WORDS_MAX} words");
            return Err(Unfit::refused("gate.text", reason));
        }
        for word in words {
            text::check(word.as_str())
                .map_err(|why| Unfit::refused("gate.text", why.to_string()))?;
        }
        let name = program_name(first)?;
        if name == "find" {
            return self.find(words);
        }
        let program = PROGRAMS
            .binary_search_by(|program| program.name.cmp(name))
            .ok()
            .and_then(|at| PROGRAMS.get(at));
        match program {
            Some(program) => self.by_grammar(program, words),
            None => Err(no_grammar(name)),
        }
    }

    fn by_grammar(
        &self,
        program: &'static crate::grammar::Program,
        words: &[Word],
    ) -> Result<Fit, Unfit> {
        let ground =
            Ground { inventory: &self.inventory, roots: &self.roots, files: &self.facts.files };
        let matched = matching::read(program, words, &ground).map_err(|mismatch| {
            let rule = mismatch.form.map_or("gate.no-form", |form| form.rule);
            let class = mismatch.form.map_or(RiskClass::Destructive, |form| form.class);
            Unfit::refused(rule, mismatch.reason).of_class(class)
        })?;
        let form = matched.form;
        if let Some(reason) = matched.approval {
            return Err(Unfit {
                ruling: Ruling::Approval,
                class: form.class,
                rule: form.rule,
                reason,
                argv: matched.argv,
            });
        }
        let mut folders = matched.files.iter().map(|file| file.real.parent());
        let first = folders.next();
        if first.is_some_and(|first| folders.any(|other| other != first)) {
            return Err(Unfit::refused(
                form.rule,
                "the files must lie in one folder; give one action for each folder",
            )
            .of_class(form.class));
        }
        Ok(Fit {
            class: form.class,
            rule: form.rule,
            reason: format!("the grammar of {} knows it", program.name),
            argv: matched.argv.clone(),
            work: Work::Run(Program {
                argv: matched.argv,
                starts: Vec::new(),
                files: matched.files,
                configs: matched.configs,
                environment: self.facts.environment.clone(),
            }),
        })
    }

    fn find(&self, words: &[Word]) -> Result<Fit, Unfit> {
        let found = find::read(words, &self.roots, &self.facts.files)
            .map_err(|not| Unfit::refused(not.rule, not.reason).of_class(not.class))?;
        Ok(match found.delete {
            Some(filter) => Fit {
                class: RiskClass::Destructive,
                rule: "find.delete",
                reason:
                    "removes old regular files below clean roots; carried out by the crew's own \
                         walk, which no symbolic link can lead elsewhere"
                        .to_owned(),
                argv: found.argv,
                work: Work::Sweep(self.sweep(found.starts, filter)),
            },
            None => Fit {
                class: RiskClass::Observe,
                rule: "find.print",
                reason: "only prints names below clean roots".to_owned(),
                argv: found.argv.clone(),
                work: Work::Run(Program {
                    argv: found.argv,
                    starts: found.starts,
                    files: Vec::new(),
                    configs: Vec::new(),
                    environment: self.facts.environment.clone(),
                }),
            },
        })
    }
}

/// How the process of a service is found; without a word from the operator, as the crew's child.
fn matcher(process: Option<&ProcessMatch>, child_file: &Path) -> Result<Matcher, regex::Error> {
    Ok(match process {
        Some(ProcessMatch::Name(name)) => Matcher::Name(name.clone()),
        Some(ProcessMatch::PidFile(path)) => Matcher::PidFile(path.clone()),
        Some(ProcessMatch::CommandLine(pattern)) => {
            Matcher::CommandLine(regex::Regex::new(pattern)?)
        }
        Some(ProcessMatch::Child) | None => Matcher::Child(child_file.to_owned()),
    })
}
