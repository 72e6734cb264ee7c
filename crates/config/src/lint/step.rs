//! Steps that could not do what they say: the gate would refuse them, a placeholder stands for
//! nothing, or trying again does harm.

use std::collections::BTreeSet;

use nightcrew_model::argv::Word;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{Action, OnFailure, SERVICE_PLACEHOLDERS, Step};

use crate::decode::playbook::Written;
use crate::nearest::suggestion;
use crate::problem::{Place, Report};
use crate::settings::{Service, Settings};

/// Judges the steps of one playbook, and the parameters that they use.
pub(crate) fn check(written: &Written, settings: &Settings, report: &mut Report) {
    let playbook = &written.playbook;
    let known: Vec<&str> = playbook.parameters.keys().map(|name| name.as_str()).collect();
    let mut used = BTreeSet::new();
    let mut can_undo = false;
    for (n, (step, place)) in playbook.steps.iter().zip(&written.steps).enumerate() {
        for action in std::iter::once(&step.action).chain(&step.rollback) {
            for name in placeholders(action) {
                if !known.contains(&name.as_str()) {
                    unknown_placeholder(&known, place, report);
                }
                used.insert(name);
            }
            granted(action, place, settings, report);
        }
        let retry = written.retries.get(n).and_then(Option::as_ref).unwrap_or(place);
        again(step, retry, report);
        undo(step, can_undo, place, report);
        can_undo |= step.rollback.is_some();
    }
    for (name, place) in known.iter().zip(&written.parameters) {
        if !used.contains(*name) {
            report
                .warning(place.clone(), "no step uses this parameter")
                .hint(format!("write {{{name}}} where it belongs, or leave the parameter out"));
        }
    }
}

fn unknown_placeholder(known: &[&str], place: &Place, report: &mut Report) {
    let mut names: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
    names.extend(SERVICE_PLACEHOLDERS.iter().map(|name| (*name).to_owned()));
    report
        .error(place.clone(), "a placeholder of this step stands for nothing")
        .hint(format!("known are {}; others are declared in `parameters`", names.join(", ")));
}

/// The names that stand in braces, without those of the service.
fn placeholders(action: &Action) -> Vec<String> {
    let in_service = |service: &ServiceName| in_text(service.as_str());
    match action {
        Action::CleanFiles { root: path, .. } | Action::RotateLog { path } => {
            in_text(&path.to_string_lossy())
        }
        Action::Run { argv } => {
            // The program is never filled in, and a glob neither.
            let words = argv.0.iter().skip(1);
            let literals = words.filter(|word| matches!(word, Word::Literal(_)));
            literals.flat_map(|word| in_text(word.as_str())).collect()
        }
        Action::Request { url, .. } => in_text(url),
        Action::RestartProcess { service }
        | Action::RestartService { service }
        | Action::ReloadService { service }
        | Action::CheckLogs { service, .. }
        | Action::CheckDependencies { service }
        | Action::CheckResources { service }
        | Action::CollectMemory { service }
        | Action::RaiseMemoryLimit { service, .. } => in_service(service),
        Action::Wait { .. } => Vec::new(),
    }
}

/// `{name}`, but neither `{}` nor the `{{…}}` of other programs' templates.
fn in_text(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        if let Some(template) = from.strip_prefix('{') {
            rest = template.split_once("}}").map_or("", |(_, rest)| rest);
            continue;
        }
        let name: String =
            from.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect();
        let is_closed = from.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('}'));
        let written = format!("{{{name}}}");
        let is_service = SERVICE_PLACEHOLDERS.contains(&written.as_str())
            || (before.ends_with('$')
                && SERVICE_PLACEHOLDERS.contains(&format!("${written}").as_str()));
        if is_closed && !name.is_empty() && !is_service {
            found.push(name);
        }
        rest = from;
    }
    found
}

fn is_placeholder(text: &str) -> bool {
    text.contains('{')
}

/// What the gate would refuse whatever the incident.
fn granted(action: &Action, place: &Place, settings: &Settings, report: &mut Report) {
    let services = || settings.services.values();
    match action {
        Action::Request { url, .. }
            if !is_placeholder(url)
                && !services().any(|service| service.http_actions.contains(url)) =>
        {
            report
                .error(place.clone(), "the gate would refuse this request")
                .hint("no service has this URL among its `http_actions`");
        }
        Action::RotateLog { path }
            if !is_placeholder(&path.to_string_lossy())
                && !services().any(|service| service.log_files.contains(path)) =>
        {
            report
                .error(place.clone(), "the gate would refuse to rotate this file")
                .hint("no service has it among its `log_files`");
        }
        Action::ReloadService { service } => {
            let what = "no service can be reloaded, so this does nothing";
            let hint = "give the service a `reload`: \"HUP\", \"unit\" or a command";
            needs(service, |known| known.reload.is_some(), (what, hint), place, settings, report);
        }
        Action::RaiseMemoryLimit { service, .. } => {
            let what = "no memory limit may be raised, so this does nothing";
            let hint = "give the service a `memory_limit_max_mb`";
            let may = |known: &Service| known.memory_limit_max_mb.is_some();
            needs(service, may, (what, hint), place, settings, report);
        }
        Action::CheckLogs { service, .. }
        | Action::CheckDependencies { service }
        | Action::CheckResources { service }
        | Action::CollectMemory { service } => {
            needs(service, |_| true, ("", ""), place, settings, report);
        }
        _ => {}
    }
}

/// Tells of a service that is not declared, or has not what the action needs.
fn needs(
    service: &ServiceName,
    has: impl Fn(&Service) -> bool,
    (what, hint): (&str, &str),
    place: &Place,
    settings: &Settings,
    report: &mut Report,
) {
    if is_placeholder(service.as_str()) {
        let mut all = settings.services.values();
        if !what.is_empty() && !all.any(has) {
            report.warning(place.clone(), what).hint(hint);
        }
        return;
    }
    match settings.services.get(service) {
        None => {
            let names = settings.services.keys().map(|name| name.as_str());
            let hint = suggestion(service.as_str(), names);
            report
                .error(place.clone(), "the playbook names a service that is not declared")
                .hint(hint);
        }
        Some(known) if !has(known) => {
            report
                .error(place.clone(), format!("the gate would refuse this for {service}"))
                .hint(hint);
        }
        Some(_) => {}
    }
}

/// A step that is tried again although doing it twice is not the same as doing it once.
fn again(step: &Step, place: &Place, report: &mut Report) {
    if step.retry.times > 0 && !step.is_idempotent() {
        report
            .warning(
                place.clone(),
                "what failed may have happened in part, and is done again: that may do harm",
            )
            .hint("add `idempotent: true` if doing it twice is the same as doing it once");
    }
}

fn undo(step: &Step, can_undo: bool, place: &Place, report: &mut Report) {
    let only_looks = matches!(
        step.action,
        Action::CheckLogs { .. }
            | Action::CheckDependencies { .. }
            | Action::CheckResources { .. }
            | Action::CollectMemory { .. }
            | Action::Wait { .. }
    );
    if only_looks && step.rollback.is_some() {
        report
            .warning(place.clone(), "this step only looks, so there is nothing to take back")
            .hint("leave out its `rollback`");
    }
    if step.on_failure == OnFailure::RollBack && !can_undo && step.rollback.is_none() {
        report
            .warning(place.clone(), "no step before this one has a `rollback`")
            .hint("add one to a step before it, or write `on_failure: \"stop\"`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_names_in_braces() {
        let cases: [(&str, &[&str]); 6] = [
            ("{days}", &["days"]),
            ("a{b}c{d-e}", &["b", "d-e"]),
            ("{}", &[]),
            ("{{.Names}} {{json}}", &[]),
            ("{service} ${SERVICE_NAME} {process_name}", &[]),
            ("{a {b} {", &["b"]),
        ];
        for (text, expected) in cases {
            assert_eq!(in_text(text), expected, "{text}");
        }
    }
}
