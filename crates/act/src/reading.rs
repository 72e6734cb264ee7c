//! Reading one file of a grammar.
//!
//! ```json5
//! {
//!   program: "docker",
//!   forms: [
//!     {
//!       rule: "docker.logs",
//!       class: "observe",
//!       words: "logs",
//!       flags: { "-t": "bare", "--tail": { either: { number: [1, 10000] } } },
//!       needs: ["--tail"],
//!       operands: { kind: { container: "logs" } },
//!       sandbox: { unix_sockets: true },
//!     },
//!   ],
//! }
//! ```
//!
//! `words` is one text, split at spaces, or a list of such texts of which each is a way to write
//! the same.  A flag is `"bare"`, or has a value: the `next` word, `joined` by an equals sign, or
//! `either`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nightcrew_config::document::{Object, Problems, Spot};
use nightcrew_config::settings::ContainerVerb;
use nightcrew_model::verdict::RiskClass;

use crate::grammar::{
    Flag, FlagValue, FlagsStand, Form, Hold, Network, Operand, Operands, Program, SandboxProfile,
    Signals, Sockets,
};
use crate::library::{no_form, no_program};

/// The kinds that are written as one word.
const PLAIN_KINDS: &[(&str, Operand)] = &[
    ("moment", Operand::Moment),
    ("properties", Operand::Properties),
    ("name", Operand::Name),
    ("loopback", Operand::Loopback),
    ("unit", Operand::Unit),
    ("any_unit", Operand::AnyUnit),
    ("compose_file", Operand::ComposeFile),
    ("formula", Operand::Formula),
    ("launchd_target", Operand::LaunchdTarget),
    ("deployment", Operand::Deployment),
    ("deployment_name", Operand::DeploymentName),
    ("any_deployment", Operand::AnyDeployment),
    ("clean_file", Operand::CleanFile),
    ("logrotate_config", Operand::LogrotateConfig),
    ("path", Operand::Path),
];

const CLASSES: [(&str, RiskClass); 4] = [
    ("observe", RiskClass::Observe),
    ("reversible", RiskClass::Reversible),
    ("disruptive", RiskClass::Disruptive),
    ("destructive", RiskClass::Destructive),
];

const VERBS: [(&str, ContainerVerb); 5] = [
    ("logs", ContainerVerb::Logs),
    ("restart", ContainerVerb::Restart),
    ("start", ContainerVerb::Start),
    ("stop", ContainerVerb::Stop),
    ("update", ContainerVerb::Update),
];

/// The largest number that a grammar can name.
const NUMBER_MAX: u32 = u32::MAX;

/// The largest number of operands of one command line.
const OPERANDS_MAX: u32 = 1_000;

/// Reads a whole file.
pub(crate) fn program(mut object: Object<'_>, problems: &mut Problems) -> Option<Program> {
    let spot = object.spot();
    let name = object.text("program", problems);
    let flags_stand = stand(object.take("flags_stand"), problems).unwrap_or_default();
    let forms = object.take("forms");
    object.finish(problems);
    let Some(name) = name else {
        problems.error(&spot, "`program` is missing", "name the program that is described");
        return None;
    };
    if let Some(why) = no_program(name) {
        problems.error(&spot, why, "describe a program that does one thing by itself");
        return None;
    }
    let mut all: Vec<Form> = Vec::new();
    let mut rules = BTreeSet::new();
    for at in forms.map(|forms| forms.items(problems)).unwrap_or_default() {
        let forms = forms_of(name, flags_stand, &at, problems);
        if let Some(form) = forms.first()
            && !rules.insert(form.rule.clone())
        {
            let hint = "give each form a rule of its own";
            problems.error(&at, format!("the rule {} is given twice", form.rule), hint);
        }
        all.extend(forms);
    }
    if all.is_empty() {
        problems.error(&spot, "`forms` is empty", "say what may be asked of the program");
    }
    problems.is_empty().then(|| Program { name: name.to_owned(), forms: all })
}

/// The forms of one entry: one for each way to write its words.
fn forms_of(
    program: &str,
    flags_stand: FlagsStand,
    at: &Spot<'_>,
    problems: &mut Problems,
) -> Vec<Form> {
    let Some(mut object) = at.object("a form", problems) else {
        return Vec::new();
    };
    let rule = object.text("rule", problems).unwrap_or_default().to_owned();
    if rule.strip_prefix(program).and_then(|rest| rest.strip_prefix('.')).is_none_or(str::is_empty)
    {
        let hint = format!("write \"{program}.PURPOSE\"");
        problems.error(at, "`rule` does not begin with its program", hint);
    }
    let class = object.take("class");
    let class = class.and_then(|class| among(&class, &CLASSES, problems));
    if class.is_none() {
        let hint = "observe, reversible, disruptive or destructive";
        problems.error(at, "`class` says what the form can cost, and is missing", hint);
    }
    let ways = ways(object.take("words"), problems);
    let flags = object.take("flags").map(|at| flags(&at, problems)).unwrap_or_default();
    let flags_stand = stand(object.take("flags_stand"), problems).unwrap_or(flags_stand);
    let needs = object.take("needs").map(|at| needs(&at, &flags, problems)).unwrap_or_default();
    let operands = object.take("operands").and_then(|at| operands(&at, problems));
    let approval = object.text("approval", problems).map(str::to_owned);
    let sandbox = object.take("sandbox").map(|at| sandbox(&at, problems)).unwrap_or_default();
    object.finish(problems);
    let form = Form {
        rule,
        class: class.unwrap_or(RiskClass::Destructive),
        words: Vec::new(),
        flags,
        flags_stand,
        needs,
        operands: operands.unwrap_or_else(Operands::none),
        approval,
        sandbox,
    };
    let forms: Vec<Form> = ways.into_iter().map(|words| Form { words, ..form.clone() }).collect();
    if let Some(why) = forms.iter().find_map(|form| no_form(program, form)) {
        problems.error(at, why, "leave it out");
    }
    forms
}

fn ways(at: Option<Spot<'_>>, problems: &mut Problems) -> Vec<Vec<String>> {
    let split = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match at {
        None => vec![Vec::new()],
        Some(at) => match at.text() {
            Some(text) => vec![split(text)],
            None => at.texts(problems).into_iter().map(|(_, text)| split(text)).collect(),
        },
    }
}

fn stand(at: Option<Spot<'_>>, problems: &mut Problems) -> Option<FlagsStand> {
    let places = [
        ("after", FlagsStand::After),
        ("before", FlagsStand::Before),
        ("anywhere", FlagsStand::Anywhere),
    ];
    among(&at?, &places, problems)
}

fn flags(at: &Spot<'_>, problems: &mut Problems) -> Vec<Flag> {
    let mut flags = Vec::new();
    for (name, at) in at.named("flags with what belongs to them", problems) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=');
        let rest = name.trim_start_matches('-');
        if rest.is_empty() || rest.len() == name.len() || !name.chars().all(plain) {
            let message = format!("`{name}` is not a flag: it begins with no dash");
            problems.error(&at, message, "what has no dash belongs into words or operands");
        }
        let Some(value) = flag_value(&at, problems) else {
            continue;
        };
        if matches!(value, FlagValue::NextOrJoined(_) | FlagValue::Joined(_))
            && !name.starts_with("--")
        {
            problems.error(&at, format!("`{name}` is short, so no value is joined"), "use next");
        }
        flags.push(Flag { name: name.to_owned(), value });
    }
    flags
}

fn flag_value(at: &Spot<'_>, problems: &mut Problems) -> Option<FlagValue> {
    if at.text() == Some("bare") {
        return Some(FlagValue::None);
    }
    let mut object = at.object("\"bare\", or one of next, joined and either", problems)?;
    let next = object.take("next");
    let joined = object.take("joined");
    let either = object.take("either");
    object.finish(problems);
    match (next, joined, either) {
        (Some(at), None, None) => operand(&at, problems).map(FlagValue::Next),
        (None, Some(at), None) => operand(&at, problems).map(FlagValue::Joined),
        (None, None, Some(at)) => operand(&at, problems).map(FlagValue::NextOrJoined),
        (None | Some(_), None | Some(_), None | Some(_)) => {
            problems.error(at, "a flag has one value", "give one of next, joined and either");
            None
        }
    }
}

fn needs(at: &Spot<'_>, flags: &[Flag], problems: &mut Problems) -> Vec<String> {
    let mut needs = Vec::new();
    for (at, text) in at.texts(problems) {
        if !flags.iter().any(|flag| flag.name == text) {
            problems.error(&at, format!("`{text}` is not among the flags"), "add it to flags");
        }
        needs.push(text.to_owned());
    }
    needs
}

fn operands(at: &Spot<'_>, problems: &mut Problems) -> Option<Operands> {
    let mut object = at.object("operands", problems)?;
    let kind = object.take("kind").and_then(|at| operand(&at, problems));
    let mut count = |key: &str, problems: &mut Problems| {
        let at = object.take(key)?;
        at.integer(0..=OPERANDS_MAX, problems).and_then(|count| usize::try_from(count).ok())
    };
    let min = count("min", problems);
    let max = count("max", problems);
    object.finish(problems);
    let (min, max) = (min.unwrap_or(1), max.unwrap_or(1));
    if kind.is_none() || min > max {
        problems.error(at, "operands have a kind, and min is not above max", "see policy/*.json5");
    }
    Some(Operands { kind: kind?, min, max })
}

/// The kind of a value.
fn operand(at: &Spot<'_>, problems: &mut Problems) -> Option<Operand> {
    if at.text().is_some() {
        return among(at, PLAIN_KINDS, problems);
    }
    let mut object = at.object("the kind of a value", problems)?;
    let one_of = object.take("one_of");
    let number = object.take("number");
    let days = object.take("days");
    let mebibytes = object.take("mebibytes");
    let seconds = object.take("seconds");
    let container = object.take("container");
    let compose = object.take("compose_service");
    object.finish(problems);
    let least = |at: &Spot<'_>, problems: &mut Problems| {
        at.integer(1..=NUMBER_MAX, problems).map(u64::from)
    };
    if let Some(at) = one_of {
        let words = at.texts(problems).into_iter().map(|(_, text)| text.to_owned()).collect();
        Some(Operand::OneOf(words))
    } else if let Some(at) = number {
        range(&at, problems).map(|(min, max)| Operand::Number { min, max })
    } else if let Some(at) = seconds {
        range(&at, problems).map(|(min, max)| Operand::Seconds { min, max })
    } else if let Some(at) = days {
        least(&at, problems).map(|min| Operand::Days { min })
    } else if let Some(at) = mebibytes {
        least(&at, problems).map(|min| Operand::Mebibytes { min })
    } else if let Some(at) = container {
        among(&at, &VERBS, problems).map(Operand::Container)
    } else if let Some(at) = compose {
        among(&at, &VERBS, problems).map(Operand::ComposeService)
    } else {
        problems.error(at, "no known kind of value", "see policy/*.json5");
        None
    }
}

fn range(at: &Spot<'_>, problems: &mut Problems) -> Option<(u64, u64)> {
    let ends: Vec<u64> = at
        .items(problems)
        .iter()
        .filter_map(|at| at.integer(0..=NUMBER_MAX, problems).map(u64::from))
        .collect();
    match ends.as_slice() {
        [min, max] if min <= max => Some((*min, *max)),
        _ => {
            problems.error(at, "a range is [smallest, largest]", "such as [1, 100]");
            None
        }
    }
}

fn sandbox(at: &Spot<'_>, problems: &mut Problems) -> SandboxProfile {
    let Some(mut object) = at.object("what the program may do", problems) else {
        return SandboxProfile::default();
    };
    let mut writes = Vec::new();
    for (at, text) in object.take("writes").map(|at| at.texts(problems)).unwrap_or_default() {
        let path = Path::new(text);
        let plain = text.split('/').all(|part| part != "." && part != "..");
        if !path.is_absolute() || !plain || path.parent().is_none() {
            let hint = "an absolute path below `/`, without `.` and `..`";
            problems.error(&at, format!("`{text}` cannot be granted"), hint);
        }
        writes.push(PathBuf::from(text));
    }
    let network = object.boolean("network", problems).unwrap_or(false);
    let unix_sockets = object.boolean("unix_sockets", problems).unwrap_or(false);
    let signals = object.boolean("signals", problems).unwrap_or(false);
    let free = object.boolean("free", problems).unwrap_or(false);
    object.finish(problems);
    SandboxProfile {
        writes,
        network: if network { Network::Open } else { Network::None },
        unix_sockets: if unix_sockets { Sockets::Open } else { Sockets::None },
        signals: if signals { Signals::Any } else { Signals::Own },
        hold: if free { Hold::Free } else { Hold::Held },
    }
}

/// What a word of a table stands for.
fn among<T: Clone>(at: &Spot<'_>, table: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let text = at.text().unwrap_or_default();
    let found = table.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let known: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        problems.error(
            at,
            format!("`{text}` is not known here"),
            format!("known are {}", known.join(", ")),
        );
    }
    found.map(|(_, value)| value.clone())
}
