//! Playbooks that could not do what they say: the gate would refuse them, nobody would look for
//! their condition, or their proof proves nothing.

use nightcrew_model::catalogue;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{Action, SERVICE_PLACEHOLDERS, Step};
use nightcrew_model::unit::Millis;

use crate::decode::cover;
use crate::decode::playbook::Written;
use crate::lint::{folder, limit};
use crate::nearest::suggestion;
use crate::problem::{Place, Report};
use crate::settings::{Service, Settings};

/// Judges the operator's playbooks.
pub(crate) fn check(playbooks: &[Written], settings: &Settings, report: &mut Report) {
    for written in playbooks {
        condition(written, settings, report);
        for (step, place) in written.playbook.steps.iter().zip(&written.steps) {
            action(step, place, settings, report);
            fixed_service(written, step, place, settings, report);
        }
        verify(written, report);
        if written.playbook.cooldown == Some(Millis(0)) {
            no_rest(written.place.clone(), report);
        }
    }
}

/// Tells of a playbook that may run again at once.
pub(crate) fn no_rest(place: impl Into<Place>, report: &mut Report) {
    report
        .warning(place, "without a rest between two runs, a repair that fails is repeated at once")
        .hint("the default is `cooldown_seconds: 300`");
}

fn condition(written: &Written, settings: &Settings, report: &mut Report) {
    let condition = &written.playbook.condition;
    let place = || Place::new(written.place.span, format!("{}.condition", written.place.key));
    limit::plausible(condition, place(), report);
    let services = || settings.services.values();
    let can_restart = |service: &Service| service.start.is_some() || service.unit.is_some();
    match condition.metric.as_str() {
        catalogue::PROCESS_STATUS if !services().any(can_restart) => {
            report
                .warning(
                    place(),
                    "no service has a `start` or a `unit`, so no stopped process can be brought back",
                )
                .hint("declare the service: services: { web: { unit: \"nginx.service\", … } }");
        }
        catalogue::HEALTH_STATUS if services().all(|service| service.checks.is_empty()) => {
            report
                .warning(place(), "no service has `checks`, so the condition never holds")
                .hint("declare the service: services: { web: { checks: [ … ] } }");
        }
        _ => {}
    }
    let mut rules =
        settings.thresholds.iter().filter(|rule| rule.metric == condition.metric).peekable();
    let is_known = rules.peek().is_some();
    let is_found =
        rules.clone().any(|rule| cover::limits(rule).any(|limit| cover::implies(condition, limit)));
    if is_known && !is_found {
        let limits: Vec<String> =
            rules.flat_map(cover::limits).map(|limit| format!("`{limit}`")).collect();
        report
            .warning(
                place(),
                format!(
                    "the condition holds earlier than the threshold: it is looked at only when {} \
                     holds",
                    limits.join(" or ")
                ),
            )
            .hint("lower the threshold, or raise the condition to it");
    }
}

fn is_placeholder(text: &str) -> bool {
    SERVICE_PLACEHOLDERS.contains(&text)
}

fn action(step: &Step, place: &Place, settings: &Settings, report: &mut Report) {
    match &step.action {
        Action::CleanFiles { root, .. } => {
            if !folder::is_below(root, &settings.policy.clean_roots) {
                let roots: Vec<String> = settings
                    .policy
                    .clean_roots
                    .iter()
                    .map(|root| root.display().to_string())
                    .collect();
                report
                    .error(
                        place.clone(),
                        format!("the gate would refuse to clean {}", root.display()),
                    )
                    .hint(format!("it lies in none of `policy.clean_roots`: {}", roots.join(", ")));
            }
        }
        Action::RestartProcess { service } => restart(service, true, place, settings, report),
        Action::RestartService { service } => restart(service, false, place, settings, report),
        Action::Run { argv } => {
            let program = argv.program();
            if SERVICE_PLACEHOLDERS.iter().any(|name| program.contains(name)) {
                report
                    .error(place.clone(), "the name of a service cannot be the program")
                    .hint("name the program, and give the service as an argument");
            }
        }
    }
}

/// A playbook about the state of a service that always restarts the same one, whichever it was.
fn fixed_service(
    written: &Written,
    step: &Step,
    place: &Place,
    settings: &Settings,
    report: &mut Report,
) {
    let (Action::RestartProcess { service } | Action::RestartService { service }) = &step.action
    else {
        return;
    };
    let has_metric = |known: &&Service| match written.playbook.condition.metric.as_str() {
        catalogue::PROCESS_STATUS | catalogue::PROCESS_CPU | catalogue::PROCESS_MEMORY_MB => {
            known.process.is_some()
        }
        catalogue::HEALTH_STATUS | catalogue::API_LATENCY_MS => !known.checks.is_empty(),
        _ => false,
    };
    let concerned = settings.services.values().filter(has_metric).count();
    if concerned > 1 && !is_placeholder(service.as_str()) {
        report
            .warning(
                place.clone(),
                format!(
                    "{service} is restarted, whichever of {concerned} services the incident is \
                     about"
                ),
            )
            .hint("write `service: \"{service}\"` for the service of the incident");
    }
}

fn restart(
    service: &ServiceName,
    by_process: bool,
    place: &Place,
    settings: &Settings,
    report: &mut Report,
) {
    if is_placeholder(service.as_str()) {
        if !settings.services.values().any(|known| known.restart_allowed) {
            report
                .warning(place.clone(), "no service may be restarted, so this does nothing")
                .hint("declare the service with a `start` or a `unit`");
        }
        return;
    }
    let Some(known) = settings.services.get(service) else {
        let names = settings.services.keys().map(|name| name.as_str());
        let hint = suggestion(service.as_str(), names);
        report.error(place.clone(), "the playbook names a service that is not declared").hint(hint);
        return;
    };
    if !known.restart_allowed {
        report
            .error(place.clone(), format!("{service} may not be restarted"))
            .hint("declare its `start` or `unit`, or `restart_allowed: true` beside one of them");
    } else if by_process && known.start.is_none() {
        report
            .error(
                place.clone(),
                format!("{service} has no `start`, so its process cannot be started again"),
            )
            .hint("use `restart_service`, which restarts its unit");
    }
}

fn verify(written: &Written, report: &mut Report) {
    let (Some(verify), Some(place)) = (&written.playbook.verify, &written.verify) else {
        return;
    };
    limit::plausible(&verify.condition, place.clone(), report);
    let condition = &written.playbook.condition;
    if verify.condition.metric == condition.metric && cover::overlap(&verify.condition, condition) {
        report
            .warning(
                place.clone(),
                format!(
                    "`{}` can hold while `{condition}` still holds, so it does not prove a repair",
                    verify.condition
                ),
            )
            .hint(format!("verify `{}` or stricter", condition.negated()));
    }
}
