//! Playbooks that could not do what they say: the gate would refuse them, nobody would look for
//! their condition, or their proof proves nothing.

use nightcrew_model::catalogue;
use nightcrew_model::condition::Condition;
use nightcrew_model::expression::Expression;
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{Action, Playbook, SERVICE_PLACEHOLDERS, Step, Trigger};
use nightcrew_model::unit::Millis;

use crate::decode::cover;
use crate::decode::playbook::Written;
use crate::lint::{folder, limit, step};
use crate::nearest::suggestion;
use crate::problem::{Place, Report};
use crate::settings::{Service, Settings};

/// Judges the operator's playbooks.
pub(crate) fn check(playbooks: &[Written], settings: &Settings, report: &mut Report) {
    for (n, written) in playbooks.iter().enumerate() {
        same_again(written, playbooks.get(..n).unwrap_or_default(), report);
        let trigger = &written.playbook.trigger;
        for condition in trigger.condition.iter().flat_map(cover::sufficient) {
            self::condition(&condition, written, settings, report);
        }
        for (step, place) in written.playbook.steps.iter().zip(&written.steps) {
            action(step, place, settings, report);
            fixed_service(written, step, place, settings, report);
        }
        step::check(written, settings, report);
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

fn condition(condition: &Condition, written: &Written, settings: &Settings, report: &mut Report) {
    let place = || Place::new(written.place.span, format!("{}.condition", written.place.key));
    limit::plausible(condition, place(), report);
    let services = || settings.services.values();
    let can_restart = Service::can_restart;
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
    let is_known = rules.peek().is_some() && written.playbook.trigger.symptoms.is_empty();
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
        Action::CleanFiles { root, .. } if !is_cleaned(root, settings) => {
            let roots = settings.policy.clean_roots.iter();
            let roots: Vec<String> = roots.map(|root| root.display().to_string()).collect();
            report
                .error(place.clone(), format!("the gate would refuse to clean {}", root.display()))
                .hint(format!("it lies in none of `policy.clean_roots`: {}", roots.join(", ")));
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
        _ => {}
    }
}

/// Whether a folder may be cleaned; a path that is a parameter is judged when it is known.
fn is_cleaned(root: &std::path::Path, settings: &Settings) -> bool {
    let is_parameter = root.to_string_lossy().starts_with('{');
    is_parameter || folder::is_below(root, &settings.policy.clean_roots)
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
    let comparisons = written.playbook.trigger.comparisons();
    let has_metric = |known: &&Service| {
        comparisons.iter().any(|condition| match condition.metric.as_str() {
            catalogue::PROCESS_STATUS | catalogue::PROCESS_CPU | catalogue::PROCESS_MEMORY_MB => {
                known.process.is_some()
            }
            catalogue::HEALTH_STATUS | catalogue::API_LATENCY_MS => !known.checks.is_empty(),
            _ => false,
        })
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

/// After a remedy that failed, the next one for the same trouble is tried: doing the same again
/// is none.
fn same_again(written: &Written, before: &[Written], report: &mut Report) {
    let own = &written.playbook;
    let same = before.iter().map(|before| &before.playbook).find(|before| {
        let actions = |playbook: &Playbook| {
            playbook.steps.iter().map(|step| step.action.clone()).collect::<Vec<_>>()
        };
        before.trigger == own.trigger && actions(before) == actions(own)
    });
    if let Some(same) = same {
        report
            .warning(
                written.place.clone(),
                format!("{} is done about the same already, in the same way", same.name),
            )
            .hint("leave one of the two out, or let the second do something else");
    }
}

fn verify(written: &Written, report: &mut Report) {
    let trigger = &written.playbook.trigger;
    let (Some(verify), Some(place)) = (&written.playbook.verify, &written.verify) else {
        if trigger.condition.is_none() && written.playbook.verify.is_none() {
            report
                .error(written.place.clone(), "nothing proves that the repair helped")
                .hint("add `verify`, such as \"health_status == 'passing'\"");
        }
        return;
    };
    for proof in Trigger::seen(verify.condition.clone()).comparisons() {
        limit::plausible(proof, place.clone(), report);
    }
    if let Expression::All { all } = &verify.condition
        && all.is_empty()
    {
        report
            .warning(place.clone(), "this always holds, so it does not prove a repair")
            .hint("name what has to be seen, such as \"health_status == 'passing'\"");
    }
    let proof = &verify.condition;
    for condition in trigger.condition.iter().flat_map(cover::sufficient) {
        if proof.metrics().contains(&condition.metric) && !excludes(proof, &condition) {
            report
                .warning(
                    place.clone(),
                    format!(
                        "`{proof}` can hold while `{condition}` still holds, so it does not prove \
                         a repair"
                    ),
                )
                .hint(format!("verify `{}` or stricter", condition.negated()));
        }
    }
}

/// Whether a proof can never hold while the condition does.
fn excludes(proof: &Expression, condition: &Condition) -> bool {
    match proof {
        Expression::Metric(proof) => {
            proof.metric == condition.metric && !cover::overlap(proof, condition)
        }
        Expression::Result(_) => false,
        Expression::All { all } => all.iter().any(|part| excludes(part, condition)),
        Expression::Any { any } => any.iter().all(|part| excludes(part, condition)),
        Expression::Not { not } => match not.as_ref() {
            Expression::Not { not } => excludes(not, condition),
            inner => excludes(&inner.negated(), condition),
        },
    }
}
