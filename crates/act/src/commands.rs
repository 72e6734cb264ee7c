//! Judging command lines: by the grammar of their program, `find` by its own reader, and the
//! removal of old files.

use std::path::Path;

use nightcrew_config::settings::Probe;
use nightcrew_model::argv::{Argv, Word};
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::RiskClass;

use crate::files::Kind;
use crate::gate::{CLEAN_AGE_MIN, Gate, WORDS_MAX};
use crate::grammar::SandboxProfile;
use crate::library::Known;
use crate::line::{no_grammar, program_name};
use crate::matching::Ground;
use crate::pattern::Pattern;
use crate::programs::is_wrapper;
use crate::ruling::{Fit, Unfit};
use crate::sweep::{Filter, Sweep};
use crate::work::{Program, Work};
use crate::{find, matching, text};

impl Gate {
    pub(crate) fn clean_files(
        &self,
        root: &Path,
        name: Option<&str>,
        age: Millis,
    ) -> Result<Fit, Unfit> {
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
            rule: "clean_files".into(),
            approval: None,
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

    pub(crate) fn run(&self, argv: &Argv) -> Result<Fit, Unfit> {
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
        match self.library.program(name) {
            Some(known) => self.by_grammar(known, words),
            None => Err(no_grammar(name, &self.library)),
        }
    }

    fn by_grammar(&self, known: &Known, words: &[Word]) -> Result<Fit, Unfit> {
        let ground =
            Ground { inventory: &self.inventory, roots: &self.roots, files: &self.facts.files };
        let matched = matching::read(known, words, &ground).map_err(|mismatch| {
            let rule = mismatch.form.map_or("gate.no-form", |form| form.rule.as_str());
            let class = mismatch.form.map_or(RiskClass::Destructive, |form| form.class);
            Unfit::refused(rule.to_owned(), mismatch.reason).of_class(class)
        })?;
        let form = matched.form;
        let mut folders = matched.files.iter().map(|file| file.real.parent());
        let first = folders.next();
        if first.is_some_and(|first| folders.any(|other| other != first)) {
            return Err(Unfit::refused(
                form.rule.clone(),
                "the files must lie in one folder; give one action for each folder",
            )
            .of_class(form.class));
        }
        Ok(Fit {
            class: form.class,
            rule: form.rule.clone().into(),
            reason: format!("the grammar of {} knows it", known.program.name),
            approval: matched.approval,
            argv: matched.argv.clone(),
            work: Work::Run(Program {
                argv: matched.argv,
                starts: Vec::new(),
                files: matched.files,
                configs: matched.configs,
                sandbox: form.sandbox.clone(),
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
                rule: "find.delete".into(),
                approval: None,
                reason:
                    "removes old regular files below clean roots; carried out by the crew's own \
                         walk, which no symbolic link can lead elsewhere"
                        .to_owned(),
                argv: found.argv,
                work: Work::Sweep(self.sweep(found.starts, filter)),
            },
            None => Fit {
                class: RiskClass::Observe,
                rule: "find.print".into(),
                approval: None,
                reason: "only prints names below clean roots".to_owned(),
                argv: found.argv.clone(),
                work: Work::Run(Program {
                    argv: found.argv,
                    starts: found.starts,
                    files: Vec::new(),
                    configs: Vec::new(),
                    sandbox: SandboxProfile::default(),
                    environment: self.facts.environment.clone(),
                }),
            },
        })
    }

    pub(crate) fn check(&self, argv: &[String]) -> Result<Fit, Unfit> {
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
        if is_wrapper(name) {
            return Err(refused(format!(
                "{name} starts another program; put the commands into an executable file, and \
                 name that file"
            )));
        }
        Ok(Fit {
            class: RiskClass::Observe,
            rule: "check.command".into(),
            approval: None,
            reason: "the operator declared it as a check".to_owned(),
            argv: argv.to_vec(),
            work: Work::Run(Program {
                argv: argv.to_vec(),
                starts: Vec::new(),
                files: Vec::new(),
                configs: Vec::new(),
                sandbox: self.facts.check_profile.clone(),
                environment: self.facts.environment.clone(),
            }),
        })
    }
}
