//! The actions of playbooks: a command line, or `{ type: …, … }`.

use std::path::{Component, Path, PathBuf};

use nightcrew_model::argv::Argv;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{Action, Method};
use nightcrew_model::unit::Millis;

use crate::decode::playbook::Ground;
use crate::decode::{Context, command, service};
use crate::fields::{self, Fields};
use crate::nearest::nearest;
use crate::problem::Place;
use crate::tree::At;
use crate::web;

/// How long an action may take, where nothing is said.
pub(super) const ACTION_TIMEOUT: Millis = Millis::from_secs(60);

/// How long a restart may take beyond the time that the process gets to end.
const RESTART_GRACE: Millis = Millis::from_secs(30);

/// How far back logs are looked at, where nothing is said.
const LOGS_WITHIN: Millis = Millis::from_secs(600);

/// How far back logs may be looked at.
const LOGS_WITHIN_MAX: Millis = Millis::from_secs(7 * 86_400);

/// By how much a memory limit is raised, where nothing is said, in percent.
const MEMORY_RAISE_PERCENT: u16 = 25;

/// By how much a memory limit may be raised at once, in percent.
const MEMORY_RAISE_PERCENT_MAX: u32 = 100;

/// The longest wait of a step.
const WAIT_MAX: Millis = Millis::from_secs(3_600);

/// The types of actions, as they are written; beside them `shell` and `service_restart` are
/// known from the second source document.
pub(crate) const TYPES: [&str; 13] = [
    "clean_files",
    "restart_process",
    "restart_service",
    "run",
    "reload_service",
    "request",
    "rotate_log",
    "check_logs",
    "check_dependencies",
    "check_resources",
    "collect_memory",
    "raise_memory_limit",
    "wait",
];

/// How long an action may take, where nothing is said.
pub(super) fn timeout(action: &Action, ground: &Ground<'_>) -> Millis {
    let usual = match action {
        Action::RestartProcess { .. } | Action::RestartService { .. } => {
            restart_timeout(ground.stop_timeout)
        }
        Action::Wait { duration } => Millis(duration.0.saturating_add(RESTART_GRACE.0)),
        _ => ACTION_TIMEOUT,
    };
    usual.min(ground.action_timeout_max)
}

/// How long a restart may take, where nothing is said.
pub(crate) fn restart_timeout(stop_timeout: Millis) -> Millis {
    ACTION_TIMEOUT.max(Millis(stop_timeout.0.saturating_add(RESTART_GRACE.0)))
}

/// Whether an object says which action it is.
pub(super) fn is_known(at: &At<'_>) -> bool {
    let word = at.get("type");
    let word = word.as_ref().and_then(|at| at.node.text());
    word.is_some_and(|word| TYPES.contains(&word) || matches!(word, "shell" | "service_restart"))
}

/// Reads the action that takes another one back.
pub(super) fn rollback(at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Option<Action> {
    if at.node.text().is_some() {
        return command::parse(at, cx).map(|argv| Action::Run { argv });
    }
    let mut fields = Fields::open(at, "a command or an action", &mut cx.report)?;
    let action = action(&mut fields, ground, cx);
    if is_known(at) {
        fields.finish(&mut cx.report);
    }
    action
}

/// Reads the keys of one action from an object that may hold further ones.
pub(super) fn action(
    fields: &mut Fields<'_>,
    ground: &Ground<'_>,
    cx: &mut Context<'_>,
) -> Option<Action> {
    let place = Place::from(fields.at());
    let kind_at = fields.take("type");
    let kind = fields.text("type", &mut cx.report);
    let known = || format!("known are {}", TYPES.join(", "));
    let Some(kind) = kind else {
        if kind_at.is_none() {
            cx.report.error(place, "the action has no `type`").hint(known());
        }
        return None;
    };
    Some(match kind {
        "clean_files" => return clean_files(fields, cx),
        "request" => return request(fields, cx),
        "rotate_log" => return rotate_log(fields, cx),
        "check_logs" => return check_logs(fields, cx),
        "raise_memory_limit" => return raise_memory_limit(fields, cx),
        "wait" => return wait(fields, ground, cx),
        "run" | "shell" => Action::Run { argv: run(fields, cx)? },
        "restart_process" => Action::RestartProcess { service: target(fields, cx)? },
        "restart_service" | "service_restart" => {
            Action::RestartService { service: target(fields, cx)? }
        }
        "reload_service" => Action::ReloadService { service: target(fields, cx)? },
        "check_dependencies" => Action::CheckDependencies { service: target(fields, cx)? },
        "check_resources" => Action::CheckResources { service: target(fields, cx)? },
        "collect_memory" => Action::CollectMemory { service: target(fields, cx)? },
        _ => {
            let near = nearest(kind, TYPES);
            let hint = near.map_or_else(known, |near| format!("did you mean `{near}`?"));
            if let Some(at) = kind_at {
                cx.report.expected(&at, "the type of an action").hint(hint);
            }
            return None;
        }
    })
}

fn clean_files(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Action> {
    let place = Place::from(fields.at());
    let root = path(fields, "root", cx);
    let name_at = fields.take("name");
    let name = fields.text("name", &mut cx.report);
    let range = Millis::from_secs(1)..=Millis::from_secs(3_650 * 86_400);
    let older_than = fields.duration("older_than", range, &mut cx.report);
    if older_than.is_none() && !fields.has_duration("older_than") {
        cx.report
            .error(place, "`clean_files` does not say how old a file must be")
            .hint("add `older_than_days`");
    }
    if let (Some(name), Some(at)) = (name, &name_at) {
        let is_one_name = !name.contains('/');
        if !is_one_name || globset::Glob::new(name).is_err() {
            cx.report
                .error(at, "expected a pattern for the name of a file")
                .hint("such as \"*.log.*\", without a folder");
            return None;
        }
    }
    let older_than = older_than?;
    Some(Action::CleanFiles { root: root?, name: name.map(str::to_owned), older_than })
}

/// An absolute path that has to be there; it may hold placeholders.
fn path(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Option<PathBuf> {
    let Some(at) = fields.take(key) else {
        cx.report
            .error(fields.at(), format!("the action has no `{key}`"))
            .hint(format!("{key}: \"/var/log\""));
        return None;
    };
    let text = fields::text(&at, &mut cx.report)?;
    let path = Path::new(text);
    let climbs = path.components().any(|part| matches!(part, Component::ParentDir));
    // A parameter of the kind `path` may stand for the whole of it.
    let is_whole = text.starts_with('{') && text.ends_with('}');
    if (!path.is_absolute() && !is_whole) || climbs || text.contains('\0') {
        cx.report.error(&at, "expected an absolute path without `..`").hint("such as \"/var/log\"");
        return None;
    }
    Some(path.to_owned())
}

/// The service of an action; without one, that of the incident.
fn target(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ServiceName> {
    if fields.take("service").is_none() {
        return Some(ServiceName::from("{service}"));
    }
    let service = fields.text("service", &mut cx.report)?;
    Some(ServiceName::from(service))
}

fn run(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Argv> {
    let place = Place::from(fields.at());
    match (fields.take("command"), fields.take("argv")) {
        (Some(at), None) => command::parse(&at, cx),
        (None, Some(at)) => {
            let words = fields::texts(&at, &mut cx.report);
            if words.is_empty() {
                cx.report
                    .error(&at, "expected a program and its arguments")
                    .hint("argv: [\"/usr/bin/program\", \"--flag\"]");
                return None;
            }
            Some(Argv::literal(words.into_iter().map(|(_, word)| word)))
        }
        (None, None) | (Some(_), Some(_)) => {
            cx.report
                .error(place, "expected either `command` or `argv`")
                .hint("argv: [\"/usr/bin/program\", \"--flag\"]");
            None
        }
    }
}

fn request(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Action> {
    const METHODS: [(&str, Method); 4] = [
        ("GET", Method::Get),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
    ];
    fields.take("url");
    let method = match fields.take("method") {
        None => Some(Method::Post),
        Some(at) => {
            let text = fields::text(&at, &mut cx.report)?;
            let found = METHODS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            if found.is_none() {
                cx.report.expected(&at, "one of GET, POST, PUT and DELETE");
            }
            found.map(|(_, method)| *method)
        }
    };
    let Some(at) = fields.take("url") else {
        cx.report
            .error(fields.at(), "the request has no `url`")
            .hint("one of the service's `http_actions`");
        return None;
    };
    let url = fields::text(&at, &mut cx.report)?;
    if let Err(why) = web::http_url(url) {
        cx.report
            .error(&at, format!("expected an HTTP URL, but {why}"))
            .hint("one of the service's `http_actions`");
        return None;
    }
    Some(Action::Request { method: method?, url: url.to_owned() })
}

fn rotate_log(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Action> {
    Some(Action::RotateLog { path: path(fields, "path", cx)? })
}

fn check_logs(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Action> {
    let service = target(fields, cx);
    let range = Millis::from_secs(1)..=LOGS_WITHIN_MAX;
    let within = fields.duration("within", range, &mut cx.report);
    let pattern = match fields.take("pattern") {
        None => None,
        Some(at) => {
            let text = fields::text(&at, &mut cx.report)?;
            Some(service::regex(text, &at, cx)?)
        }
    };
    Some(Action::CheckLogs { service: service?, pattern, within: within.unwrap_or(LOGS_WITHIN) })
}

fn raise_memory_limit(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Action> {
    let service = target(fields, cx);
    let by = fields.integer("by_percent", 1..=MEMORY_RAISE_PERCENT_MAX, &mut cx.report);
    let by_percent = match by {
        Some(by) => u16::try_from(by).ok()?,
        None if fields.has("by_percent") => return None,
        None => MEMORY_RAISE_PERCENT,
    };
    Some(Action::RaiseMemoryLimit { service: service?, by_percent })
}

fn wait(fields: &mut Fields<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Option<Action> {
    let place = Place::from(fields.at());
    let longest = WAIT_MAX.min(ground.action_timeout_max);
    let duration = fields.duration("duration", Millis(1)..=longest, &mut cx.report);
    if duration.is_none() && !fields.has_duration("duration") {
        cx.report
            .error(place, "nothing says how long is waited")
            .hint("add `duration_seconds: 30`");
    }
    Some(Action::Wait { duration: duration? })
}
