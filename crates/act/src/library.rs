//! Every grammar that the gate knows, found by program.
//!
//! The shipped ones are files of `policy/`, part of the binary; an operator's files (`policy.files`)
//! add programs and forms.  They are read once, when the gate is made.  A file with a problem is
//! left out as a whole, and the gate tells of it: half a grammar would admit what nobody meant.
//!
//! `find` has an expression language instead of flags; it is read by a module of its own.
//!
//! **Invariant:** no file adds a program, a sub-command or a flag that starts another program
//! ([`crate::programs::is_wrapper`], [`STARTERS`], [`STARTING_FLAGS`]).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nightcrew_config::document::{self, Object, Problems};
use nightcrew_config::problem::Problem;
use nightcrew_model::argv::Word;

use crate::grammar::{FlagsStand, Form, Program};
use crate::programs::is_wrapper;
use crate::reading;

/// The shipped files, by name.
const SHIPPED: [(&str, &str); 18] = [
    ("policy/brew.json5", include_str!("../../../policy/brew.json5")),
    ("policy/certbot.json5", include_str!("../../../policy/certbot.json5")),
    ("policy/df.json5", include_str!("../../../policy/df.json5")),
    ("policy/docker.json5", include_str!("../../../policy/docker.json5")),
    ("policy/free.json5", include_str!("../../../policy/free.json5")),
    ("policy/gzip.json5", include_str!("../../../policy/gzip.json5")),
    ("policy/journalctl.json5", include_str!("../../../policy/journalctl.json5")),
    ("policy/kubectl.json5", include_str!("../../../policy/kubectl.json5")),
    ("policy/launchctl.json5", include_str!("../../../policy/launchctl.json5")),
    ("policy/logrotate.json5", include_str!("../../../policy/logrotate.json5")),
    ("policy/nginx.json5", include_str!("../../../policy/nginx.json5")),
    ("policy/npm.json5", include_str!("../../../policy/npm.json5")),
    ("policy/openclaw.json5", include_str!("../../../policy/openclaw.json5")),
    ("policy/ps.json5", include_str!("../../../policy/ps.json5")),
    ("policy/redis-cli.json5", include_str!("../../../policy/redis-cli.json5")),
    ("policy/systemctl.json5", include_str!("../../../policy/systemctl.json5")),
    ("policy/uptime.json5", include_str!("../../../policy/uptime.json5")),
    ("policy/yarn.json5", include_str!("../../../policy/yarn.json5")),
];

/// The largest number of files of an operator.
pub const FILES_MAX: usize = 64;

/// The largest number of forms of one program.
pub const FORMS_MAX: usize = 4_096;

/// Sub-commands of known programs that start what their arguments name.
const STARTERS: [(&str, &[&str]); 13] = [
    ("docker", &["exec", "run", "create", "build", "buildx", "cp", "commit", "import", "load"]),
    ("docker", &["plugin", "context", "config", "attach", "compose exec", "compose run"]),
    ("podman", &["exec", "run", "create", "build", "cp", "machine", "unshare"]),
    ("kubectl", &["exec", "run", "debug", "cp", "attach", "edit", "apply", "create", "replace"]),
    ("kubectl", &["config", "plugin", "proxy", "patch", "kustomize"]),
    ("systemctl", &["edit", "link", "set-environment", "import-environment", "enable"]),
    ("npm", &["exec", "x", "run", "run-script", "start", "test", "install", "i", "ci", "init"]),
    ("npm", &["config", "set", "explore", "rebuild", "update"]),
    ("yarn", &["run", "exec", "dlx", "node", "create", "add", "install", "config"]),
    ("brew", &["sh", "ruby", "irb", "install", "tap", "edit", "bundle"]),
    ("redis-cli", &["EVAL", "EVALSHA", "FCALL", "SCRIPT", "MODULE", "CONFIG", "SLAVEOF"]),
    ("redis-cli", &["REPLICAOF", "DEBUG", "SHUTDOWN", "MIGRATE", "ACL"]),
    ("launchctl", &["submit", "load", "bootstrap", "setenv", "config", "debug", "asuser"]),
];

/// Flags that start another program, or read code or a configuration that names one.
const STARTING_FLAGS: [&str; 24] = [
    "-exec",
    "-execdir",
    "-ok",
    "-okdir",
    "-fprint",
    "-fprintf",
    "-fls",
    "--exec",
    "--eval",
    "--rsh",
    "--shell",
    "--command",
    "--to-command",
    "--checkpoint-action",
    "--use-compress-program",
    "--compress-program",
    "--deploy-hook",
    "--pre-hook",
    "--post-hook",
    "--renew-hook",
    "--manual-auth-hook",
    "--node-options",
    "--script-shell",
    "--kubeconfig",
];

/// The grammars by program.
#[derive(Clone, Debug, Default)]
pub struct Library {
    programs: BTreeMap<String, Known>,
}

/// The grammar of one program, with its forms by the words with which they begin.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) program: Program,
    /// Which forms begin with exactly these words.
    by_words: HashMap<String, Vec<usize>>,
    /// Which forms whose flags may stand before it have this first word.
    by_first: HashMap<String, Vec<usize>>,
    /// The largest number of words with which a form begins.
    words_max: usize,
}

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let mut library = Library::default();
    for (name, text) in SHIPPED {
        // A test reads every one of them; what could not be read would be refused.
        if let Ok(program) = document::read(Path::new(name), text, reading::program) {
            let _ = library.add(program);
        }
    }
    library
});

impl Library {
    /// The shipped grammars.
    #[must_use]
    pub fn shipped() -> Self {
        LIBRARY.clone()
    }

    /// The shipped grammars and those of an operator's files, with everything that is wrong with
    /// the files.
    #[must_use]
    pub fn with_files(files: &[PathBuf]) -> (Self, Vec<Problem>) {
        let mut library = Self::shipped();
        let mut problems = Vec::new();
        for path in files.iter().take(FILES_MAX) {
            let read = document::read_file(path, |object: Object<'_>, noted: &mut Problems| {
                let spot = object.spot();
                let program = reading::program(object, noted)?;
                match library.joined(&program) {
                    Ok(joined) if noted.is_empty() => Some(joined),
                    Ok(_) => None,
                    Err(why) => {
                        noted.error(&spot, why, "give the form another rule, or leave it out");
                        None
                    }
                }
            });
            match read {
                Ok(joined) => {
                    library.programs.insert(joined.program.name.clone(), joined);
                }
                Err(found) => problems.extend(found),
            }
        }
        (library, problems)
    }

    fn add(&mut self, program: Program) -> Result<(), String> {
        let joined = self.joined(&program)?;
        self.programs.insert(program.name, joined);
        Ok(())
    }

    /// What is known of a program with more forms of it.
    fn joined(&self, more: &Program) -> Result<Known, String> {
        let mut program = more.clone();
        if let Some(known) = self.programs.get(&more.name) {
            let known = &known.program;
            if let Some(twice) =
                more.forms.iter().find(|form| known.forms.iter().any(|old| old.rule == form.rule))
            {
                return Err(format!("the rule {} is known already", twice.rule));
            }
            program.forms.splice(0..0, known.forms.iter().cloned());
        }
        if program.forms.len() > FORMS_MAX {
            return Err(format!("{} has more than {FORMS_MAX} forms", program.name));
        }
        Ok(Known::new(program))
    }

    /// What is known of a program.
    pub(crate) fn program(&self, name: &str) -> Option<&Known> {
        self.programs.get(name)
    }

    /// The programs that are known beside `find`.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.programs.keys().map(String::as_str)
    }

    /// Every form, for lists.
    pub fn forms(&self) -> impl Iterator<Item = (&str, &Form)> {
        self.programs.values().flat_map(|known| {
            known.program.forms.iter().map(|form| (known.program.name.as_str(), form))
        })
    }
}

impl Known {
    fn new(program: Program) -> Self {
        let mut by_words: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_first: HashMap<String, Vec<usize>> = HashMap::new();
        let mut words_max = 0;
        for (at, form) in program.forms.iter().enumerate() {
            match form.words.first() {
                Some(first) if form.flags_stand != FlagsStand::After => {
                    by_first.entry(first.clone()).or_default().push(at);
                }
                Some(_) | None => {
                    words_max = words_max.max(form.words.len());
                    by_words.entry(form.words.join(" ")).or_default().push(at);
                }
            }
        }
        Self { program, by_words, by_first, words_max }
    }

    /// The forms whose words can be those of the line, in the order of the file.
    pub(crate) fn candidates(&self, words: &[Word]) -> Vec<&Form> {
        let mut begin = String::new();
        let mut found: Vec<usize> = self.by_words.get(&begin).cloned().unwrap_or_default();
        for (at, word) in words.iter().skip(1).enumerate() {
            found.extend(self.by_first.get(word.as_str()).into_iter().flatten());
            if at < self.words_max {
                if at > 0 {
                    begin.push(' ');
                }
                begin.push_str(word.as_str());
                found.extend(self.by_words.get(&begin).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found.iter().filter_map(|at| self.program.forms.get(*at)).collect()
    }
}

/// Why a program may not have a grammar; none: it may.
pub(crate) fn no_program(name: &str) -> Option<String> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if !begins || !name.bytes().all(plain) {
        return Some(format!("`{name}` is not the bare name of a program"));
    }
    if is_wrapper(name) {
        return Some(format!("{name} starts another program or runs code from its arguments"));
    }
    (name == "find").then(|| "find has a reader of its own".to_owned())
}

/// Why a form may not exist; none: it may.
pub(crate) fn no_form(program: &str, form: &Form) -> Option<String> {
    let begin = form.words.join(" ");
    let starters =
        STARTERS.iter().filter(|(name, _)| *name == program).flat_map(|(_, words)| *words);
    for starter in starters {
        let whole = begin.split_ascii_whitespace().zip(starter.split_ascii_whitespace());
        let same = whole.filter(|(a, b)| a.eq_ignore_ascii_case(b)).count();
        if same == starter.split_ascii_whitespace().count() {
            return Some(format!("`{program} {starter}` starts what its arguments name"));
        }
    }
    let flag = form.flags.iter().find(|flag| STARTING_FLAGS.contains(&flag.name.as_str()));
    flag.map(|flag| format!("`{}` starts another program", flag.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_read_and_holds_the_program_of_its_name() {
        for (name, text) in SHIPPED {
            let program = document::read(Path::new(name), text, reading::program);
            let program = program.unwrap_or_else(|problems| panic!("{problems:#?}"));
            assert_eq!(format!("policy/{}.json5", program.name), name);
            assert!(Library::shipped().program(&program.name).is_some());
        }
    }

    #[test]
    fn every_file_of_the_folder_is_shipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("policy/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        names.sort();
        assert_eq!(names, SHIPPED.map(|(name, _)| name.to_owned()));
    }
}
