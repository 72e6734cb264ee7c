//! Reading a command line by the grammar of its program.

use std::path::Path;

use nightcrew_config::settings::{ContainerVerb, Service};
use nightcrew_model::argv::Word;
use nightcrew_model::verdict::RiskClass;

use crate::files::{Files, Kind};
use crate::grammar::{FlagValue, FlagsStand, Form, Operand};
use crate::inventory::{
    Handle, Inventory, is_actionable, is_ourselves, is_protected, well_formed, whole_unit,
};
use crate::library::Known;
use crate::roots::{CleanPath, CleanRoots};
use crate::values::{
    among, deployment, described, digits, logrotate_config, moment, plain_path, properties,
    seconds, with_sign, within,
};

/// What a command line is read against.
pub(crate) struct Ground<'a> {
    pub(crate) inventory: &'a Inventory,
    pub(crate) roots: &'a CleanRoots,
    pub(crate) files: &'a Files,
}

/// A command line that its grammar knows.
#[derive(Debug)]
pub(crate) struct Matched<'g> {
    pub(crate) form: &'g Form,
    /// Every word after expansion, the program first.
    pub(crate) argv: Vec<String>,
    /// Why a person has to say so first; none: nobody has to.
    pub(crate) approval: Option<String>,
    /// The files it changes, in the place of their operands.
    pub(crate) files: Vec<CleanPath>,
    /// The configurations it reads, which only root may have written.
    pub(crate) configs: Vec<String>,
}

/// A command line that no form of its program knows.
#[derive(Debug)]
pub(crate) struct Mismatch<'g> {
    /// The word at which the closest form gave up.
    at: usize,
    /// The closest form; none: not even the sub-command is known.
    pub(crate) form: Option<&'g Form>,
    pub(crate) reason: String,
}

/// The largest number of sub-commands that a refusal lists.
const LISTED_MAX: usize = 24;

/// Reads the words of a command line, the program first.
pub(crate) fn read<'g>(
    known: &'g Known,
    words: &[Word],
    ground: &Ground<'_>,
) -> Result<Matched<'g>, Mismatch<'g>> {
    let mut closest: Option<Mismatch<'g>> = None;
    for form in known.candidates(words) {
        match Reader::new(form, words, ground).read() {
            Ok(matched) => return Ok(matched),
            Err(mismatch) => {
                let depth = |mismatch: &Mismatch<'_>| (mismatch.form.is_some(), mismatch.at);
                if closest.as_ref().is_none_or(|other| depth(&mismatch) > depth(other)) {
                    closest = Some(mismatch);
                }
            }
        }
    }
    match closest {
        Some(mismatch) if mismatch.form.is_some() => Err(mismatch),
        Some(_) | None => Err(unknown_subcommand(known, words)),
    }
}

fn unknown_subcommand<'g>(known: &Known, words: &[Word]) -> Mismatch<'g> {
    let forms = &known.program.forms;
    let mut listed: Vec<String> =
        forms.iter().take(LISTED_MAX).map(|form| form.words.join(" ")).collect();
    listed.dedup();
    if forms.len() > LISTED_MAX {
        listed.push(format!("and {} more", forms.len() - LISTED_MAX));
    }
    let asked: Vec<&str> = words.iter().skip(1).take(3).map(Word::as_str).collect();
    let asked = asked.join(" ");
    Mismatch {
        at: 0,
        form: None,
        reason: format!(
            "`{} {asked}` is not among what {0} may be asked: {}",
            known.program.name,
            listed.join(", ")
        ),
    }
}

struct Reader<'g, 'a> {
    words: &'a [Word],
    ground: &'a Ground<'a>,
    /// The next word to read.
    at: usize,
    flags_seen: Vec<&'g str>,
    operands: usize,
    matched: Matched<'g>,
}

impl<'g, 'a> Reader<'g, 'a> {
    fn new(form: &'g Form, words: &'a [Word], ground: &'a Ground<'a>) -> Self {
        Self {
            words,
            ground,
            at: 1,
            flags_seen: Vec::new(),
            operands: 0,
            matched: Matched {
                form,
                argv: words.first().map(|word| word.as_str().to_owned()).into_iter().collect(),
                approval: form.approval.clone(),
                files: Vec::new(),
                configs: Vec::new(),
            },
        }
    }

    fn read(mut self) -> Result<Matched<'g>, Mismatch<'g>> {
        let form = self.matched.form;
        let mut expected = form.words.iter();
        let mut wanted = expected.next();
        let mut is_this_form = form.words.is_empty();
        while let Some(word) = self.words.get(self.at) {
            let is_flag = word.as_str().starts_with('-');
            let result = match wanted {
                Some(fixed) if is_literally(word, fixed.as_str()) => {
                    wanted = expected.next();
                    // Between the words only flags of this very form can stand.
                    is_this_form = wanted.is_none() || form.flags_stand != FlagsStand::After;
                    self.take(word);
                    Ok(())
                }
                Some(_) if !is_flag || form.flags_stand == FlagsStand::After => {
                    return Err(self.elsewhere());
                }
                None if is_flag && form.flags_stand == FlagsStand::Before => {
                    let last = form.words.last().map_or("", String::as_str);
                    Err(format!(
                        "`{}`: the flags of {} stand before `{last}`",
                        word.as_str(),
                        form.rule
                    ))
                }
                Some(_) | None if is_flag => self.flag(word),
                Some(_) | None => self.operand(word),
            };
            if let Err(reason) = result {
                return Err(self.mismatch(reason, is_this_form));
            }
        }
        if wanted.is_some() {
            return Err(self.elsewhere());
        }
        match self.unfinished() {
            Some(reason) => Err(self.mismatch(reason, true)),
            None => Ok(self.matched),
        }
    }

    /// What is still missing at the end of the line.
    fn unfinished(&self) -> Option<String> {
        let form = self.matched.form;
        if !form.needs.is_empty()
            && !form.needs.iter().any(|needed| self.flags_seen.contains(&needed.as_str()))
        {
            return Some(format!("{} needs {}", form.rule, form.needs.join(" or ")));
        }
        if self.operands < form.operands.min {
            return Some(format!("{} needs {}", form.rule, described(&form.operands.kind)));
        }
        None
    }

    fn elsewhere(&self) -> Mismatch<'g> {
        Mismatch { at: self.at, form: None, reason: String::new() }
    }

    fn mismatch(&self, reason: String, is_this_form: bool) -> Mismatch<'g> {
        Mismatch { at: self.at, form: is_this_form.then_some(self.matched.form), reason }
    }

    fn take(&mut self, word: &Word) {
        self.matched.argv.push(word.as_str().to_owned());
        self.at += 1;
    }

    fn flag(&mut self, word: &Word) -> Result<(), String> {
        let form = self.matched.form;
        let Word::Literal(text) = word else {
            return Err(outside_quotes(word));
        };
        // An exact spelling comes first: `--watch=false` is a flag of its own.
        let exact = form.flags.iter().find(|flag| flag.name == *text);
        let (flag, joined) = match (exact, text.split_once('=')) {
            (Some(flag), _) => (flag, None),
            (None, Some((name, value))) => {
                let flag = form.flags.iter().find(|flag| flag.name == name);
                (flag.ok_or_else(|| self.unknown_flag(text))?, Some(value))
            }
            (None, None) => return Err(self.unknown_flag(text)),
        };
        if self.flags_seen.contains(&flag.name.as_str()) {
            return Err(format!("`{}` is given twice", flag.name));
        }
        self.flags_seen.push(&flag.name);
        match (&flag.value, joined) {
            (FlagValue::None, None) => self.take(word),
            (FlagValue::Joined(kind) | FlagValue::NextOrJoined(kind), Some(value)) => {
                self.check_value(kind, &flag.name, value)?;
                self.take(word);
            }
            (FlagValue::Next(kind) | FlagValue::NextOrJoined(kind), None) => {
                let value = match self.words.get(self.at + 1) {
                    Some(Word::Literal(value)) if !value.starts_with('-') => value,
                    Some(glob @ Word::Glob(_)) => return Err(outside_quotes(glob)),
                    Some(Word::Literal(_)) | None => {
                        return Err(format!("`{}` needs {}", flag.name, described(kind)));
                    }
                };
                self.check_value(kind, &flag.name, value)?;
                self.take(word);
                self.take(&Word::Literal(value.clone()));
            }
            (FlagValue::None, Some(_)) => return Err(format!("`{}` has no value", flag.name)),
            (FlagValue::Next(_), Some(_)) => {
                return Err(format!("the value of `{}` must be a word of its own", flag.name));
            }
            (FlagValue::Joined(_), None) => {
                return Err(format!("write `{}=…` with its value in one word", flag.name));
            }
        }
        Ok(())
    }

    fn unknown_flag(&self, text: &str) -> String {
        let flags = &self.matched.form.flags;
        let known: Vec<&str> = flags.iter().map(|flag| flag.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        format!(
            "`{text}` is not a flag that {} knows (known: {known}; flags are neither abbreviated nor \
             combined)",
            self.matched.form.rule
        )
    }

    fn check_value(&mut self, kind: &Operand, flag: &str, value: &str) -> Result<(), String> {
        self.accept(kind, value).map_err(|why| format!("`{flag}`: {why}"))
    }

    fn operand(&mut self, word: &Word) -> Result<(), String> {
        let form = self.matched.form;
        let operands = &form.operands;
        if operands.max == 0 {
            return Err(format!("`{}`: {} takes no operands", word.as_str(), form.rule));
        }
        match word {
            Word::Literal(text) => {
                self.accept(&operands.kind, text)?;
                self.matched.argv.push(text.clone());
                self.operands += 1;
            }
            Word::Glob(glob) if matches!(operands.kind, Operand::CleanFile) => {
                let paths = self.ground.roots.expand(glob, self.ground.files);
                let paths = paths.map_err(|why| why.to_string())?;
                let files = paths.into_iter().filter(is_file);
                let before = self.matched.files.len();
                self.matched.files.extend(files);
                let found = self.matched.files.get(before..).unwrap_or_default();
                if found.is_empty() {
                    return Err(format!("no regular file matches `{glob}`"));
                }
                let words = found.iter().map(|file| file.written.display().to_string());
                self.matched.argv.extend(words);
                self.operands += found.len();
            }
            Word::Glob(_) => return Err(outside_quotes(word)),
        }
        if self.operands > operands.max {
            return Err(format!("{} takes at most {} operands", form.rule, operands.max));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether a word is of a kind.  What only a person may allow is noted, not refused.
    fn accept(&mut self, kind: &Operand, text: &str) -> Result<(), String> {
        match kind {
            Operand::OneOf(words) => among(words, text),
            Operand::Number { min, max } => within(text, *min, *max),
            Operand::Days { min } => with_sign(text, &[('d', 1)], *min),
            Operand::Mebibytes { min } => with_sign(text, &[('M', 1), ('G', 1_024)], *min),
            Operand::Moment => moment(text),
            Operand::Properties => properties(text),
            Operand::Seconds { min, max } => seconds(text, *min, *max),
            Operand::Loopback => among(&["127.0.0.1", "::1", "localhost"], text),
            Operand::AnyUnit | Operand::Name => well_formed(text).map_err(|why| why.to_string()),
            Operand::AnyDeployment => deployment(text).map(|_| ()),
            Operand::Unit => self.unit(text),
            Operand::Container(verb) => self.container(Handle::Container, *verb, text),
            Operand::ComposeService(verb) => self.container(Handle::Compose, *verb, text),
            Operand::ComposeFile => self.compose_file(text),
            Operand::Formula => self.service(Handle::Formula, text),
            Operand::LaunchdTarget => self.launchd(text),
            Operand::Deployment => self.service(Handle::Name, deployment(text)?),
            Operand::DeploymentName => self.service(Handle::Name, text),
            Operand::CleanFile => self.clean_file(text),
            Operand::LogrotateConfig => {
                logrotate_config(text, self.ground.files)?;
                self.matched.configs.push(text.to_owned());
                Ok(())
            }
            Operand::Path => plain_path(text),
        }
    }

    fn unit(&mut self, text: &str) -> Result<(), String> {
        well_formed(text).map_err(|why| why.to_string())?;
        if is_protected(text) {
            return Err(format!(
                "`{text}` is protected: it keeps this machine reachable and alive, so only a person \
                 acts on it"
            ));
        }
        let unit = whole_unit(text);
        if !is_actionable(&unit) {
            return Err(format!("`{unit}` is neither a service nor a socket nor a timer"));
        }
        match self.ground.inventory.by_unit(&unit) {
            Some(service) => self.restartable(service),
            None => {
                self.matched.approval = Some(format!(
                    "`{unit}` is not the unit of a declared service; to allow it, declare one with \
                     unit: \"{unit}\""
                ));
                Ok(())
            }
        }
    }

    fn service(&mut self, handle: Handle, name: &str) -> Result<(), String> {
        well_formed(name).map_err(|why| why.to_string())?;
        self.named(handle, name)
    }

    fn named(&mut self, handle: Handle, name: &str) -> Result<(), String> {
        if is_ourselves(name) {
            return Err(format!("`{name}` is the crew itself, so only a person acts on it"));
        }
        match self.ground.inventory.by_handle(handle, name) {
            Some(service) => self.restartable(service),
            None => {
                self.matched.approval = Some(format!(
                    "`{name}` is not a declared service; to allow it, declare services.{name} with \
                     restart_allowed: true"
                ));
                Ok(())
            }
        }
    }

    /// A container or a service of Compose, by the grants of the service that it belongs to.
    fn container(&mut self, handle: Handle, verb: ContainerVerb, name: &str) -> Result<(), String> {
        well_formed(name).map_err(|why| why.to_string())?;
        match self.ground.inventory.by_handle(handle, name) {
            Some(service) => may_be_asked(service, verb)?,
            None if self.matched.form.class == RiskClass::Observe => return Ok(()),
            None => {}
        }
        if self.matched.form.class == RiskClass::Observe {
            return Ok(());
        }
        self.named(handle, name)
    }

    fn compose_file(&mut self, text: &str) -> Result<(), String> {
        plain_path(text)?;
        if self.ground.inventory.is_compose_file(Path::new(text)) {
            return Ok(());
        }
        Err(format!(
            "`{text}` is not the compose file of a declared service (services.NAME.supervisor)"
        ))
    }

    fn launchd(&mut self, text: &str) -> Result<(), String> {
        let plain = |part: &str| well_formed(part).is_ok();
        let parts: Vec<&str> = text.split('/').collect();
        let is_target = match parts.as_slice() {
            ["system", label] => plain(label),
            ["gui" | "user", user, label] => digits(user).is_some() && plain(label),
            _ => false,
        };
        if !is_target || parts.last().is_some_and(|label| label.starts_with("com.apple.")) {
            return Err(format!("`{text}` is not a job such as gui/501/com.example.web"));
        }
        self.named(Handle::Launchd, text)
    }

    fn restartable(&self, service: &Service) -> Result<(), String> {
        if self.matched.form.class < RiskClass::Disruptive || service.restart_allowed {
            return Ok(());
        }
        Err(may_not_restart(service))
    }

    fn clean_file(&mut self, text: &str) -> Result<(), String> {
        let path = self.ground.roots.check(text, self.ground.files);
        let path = path.map_err(|why| why.to_string())?;
        // What is not there yet may be there when it matters.
        if path.entry.is_some() && !is_file(&path) {
            return Err(format!("`{text}` is not a regular file"));
        }
        self.matched.files.push(path);
        Ok(())
    }
}

/// Whether something may be asked of the containers of a declared service.
pub(crate) fn may_be_asked(service: &Service, verb: ContainerVerb) -> Result<(), String> {
    if service.containers.permits(verb) {
        return Ok(());
    }
    let verb = match verb {
        ContainerVerb::Logs => "logs",
        ContainerVerb::Restart => "restart",
        ContainerVerb::Start => "start",
        ContainerVerb::Stop => "stop",
        ContainerVerb::Update => "update",
    };
    Err(format!(
        "services.{0}.containers does not permit `{verb}`; add it to services.{0}.containers.allowed",
        service.name
    ))
}

/// Why a declared service is left running.
pub(crate) fn may_not_restart(service: &Service) -> String {
    format!(
        "services.{0}.restart_allowed is false; set it to true to let playbooks restart {0}",
        service.name
    )
}

fn is_file(path: &CleanPath) -> bool {
    path.entry.as_ref().is_some_and(|entry| entry.kind == Kind::File)
}

fn is_literally(word: &Word, text: &str) -> bool {
    matches!(word, Word::Literal(literal) if literal == text)
}

fn outside_quotes(word: &Word) -> String {
    format!(
        "`{}` has `*`, `?` or `[` outside quotes where no path may stand; quote it if it is meant \
         literally",
        word.as_str()
    )
}
