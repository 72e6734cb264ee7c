//! The verbs of runbooks, and what they mean here.

use std::time::Duration;

use nightcrew_model::expression::{Expression, ResultCondition};
use nightcrew_model::plan::{Action, OnFailure, ResultKey, ResultValue, Step};
use nightcrew_model::unit::Millis;
use nightcrew_model::{condition::Operator, id::ServiceName};

use crate::decode::playbook::{Ground, action as typed};
use crate::decode::{Context, command};
use crate::fields::{self, Fields};
use crate::nearest::nearest;
use crate::problem::Place;
use crate::tree::At;

/// How far back logs are looked at.
const LOGS_WITHIN: Millis = Millis::from_secs(600);

/// By how much a memory limit is raised, in percent.
const MEMORY_RAISE_PERCENT: u16 = 25;

/// The longest wait or proof.
const DAY: Millis = Millis::from_secs(86_400);

/// The name of the step that looks at the machine.
const RESOURCES: &str = "resources";

/// The verbs that mean something here.
const VERBS: [&str; 19] = [
    "check_logs",
    "find_logs_pattern",
    "check_dependencies",
    "check_resources",
    "collect_memory",
    "collect_memory_profile",
    "increase_memory_limit",
    "raise_memory_limit",
    "restart_service",
    "restart_container",
    "restart_process",
    "restart_if_needed",
    "reload_service",
    "reload_config",
    "wait",
    "verify",
    "verify_health",
    "verify_metrics",
    "verify_stability",
];

/// What an action of a runbook is.
#[derive(Debug)]
pub(super) enum Meaning {
    /// A step of the playbook.
    Step(Box<Step>),
    /// A part of the proof.
    Verify { wait: Option<Millis>, lasting: Option<Millis> },
}

/// Reads one action; none where nothing can be done, which is told.
pub(super) fn action(
    at: &At<'_>,
    symptoms: &[String],
    ground: &Ground<'_>,
    cx: &mut Context<'_>,
) -> Option<Meaning> {
    let mut fields = Fields::open(at, "an object with `action`", &mut cx.report)?;
    fields.take("step");
    let verb_at = fields.take("action");
    let verb = fields.text("action", &mut cx.report);
    let description = fields.text("description", &mut cx.report).map(str::to_owned);
    let command = fields.take("command");
    let pattern_at = fields.take("pattern");
    let wait = fields.duration("wait", Millis(0)..=DAY, &mut cx.report);
    let lasting = fields.take("duration").and_then(|at| lasting(&at, cx));
    let lasting = lasting.or(fields.duration("duration", Millis(1)..=DAY, &mut cx.report));
    fields.finish(&mut cx.report);
    let Some(verb) = verb else {
        if verb_at.is_none() {
            cx.report.error(at, "nothing says the `action`").hint("action: \"restart_service\"");
        }
        return None;
    };
    if verb.starts_with("verify") || (verb.starts_with("monitor") && command.is_none()) {
        return Some(Meaning::Verify { wait, lasting });
    }
    let pattern = match pattern_at {
        Some(at) => {
            let text = fields::text(&at, &mut cx.report)?;
            Some(crate::decode::service::regex(text, &at, cx)?)
        }
        None => None,
    };
    let action = match command {
        Some(at) => Action::Run { argv: command::parse(&at, cx)? },
        None => match meaning(verb, pattern, symptoms, wait.or(lasting)) {
            Some(action) => action,
            None => {
                unknown(verb, &verb_at.as_ref().map_or_else(|| at.into(), Place::from), cx);
                return None;
            }
        },
    };
    let mut step = made(verb, action, description, ground);
    if verb == "restart_if_needed" {
        step.when = Some(pressed());
    }
    Some(Meaning::Step(Box::new(step)))
}

fn made(verb: &str, action: Action, description: Option<String>, ground: &Ground<'_>) -> Step {
    let timeout = typed::timeout(&action, ground);
    let description = description.unwrap_or_else(|| action.to_string());
    let only_looks = matches!(
        action,
        Action::CheckLogs { .. }
            | Action::CheckDependencies { .. }
            | Action::CheckResources { .. }
            | Action::CollectMemory { .. }
    );
    let name = match verb {
        "check_logs" | "find_logs_pattern" => Some("logs"),
        "check_dependencies" => Some("dependencies"),
        "check_resources" => Some(RESOURCES),
        _ => None,
    };
    Step {
        name: name.filter(|_| only_looks).map(Into::into),
        // What could not be looked at keeps nothing from being repaired.
        on_failure: if only_looks { OnFailure::Continue } else { OnFailure::Stop },
        ..Step::new(action, description, timeout)
    }
}

fn meaning(
    verb: &str,
    pattern: Option<String>,
    symptoms: &[String],
    wait: Option<Millis>,
) -> Option<Action> {
    let service = ServiceName::from("{service}");
    Some(match verb {
        "check_logs" => Action::CheckLogs { service, pattern, within: LOGS_WITHIN },
        "find_logs_pattern" => {
            let words: Vec<String> = symptoms.iter().map(|text| regex::escape(text)).collect();
            let any = (!words.is_empty()).then(|| format!("(?i){}", words.join("|")));
            Action::CheckLogs { service, pattern: pattern.or(any), within: LOGS_WITHIN }
        }
        "check_dependencies" => Action::CheckDependencies { service },
        "check_resources" => Action::CheckResources { service },
        "collect_memory" | "collect_memory_profile" => Action::CollectMemory { service },
        "increase_memory_limit" | "raise_memory_limit" => {
            Action::RaiseMemoryLimit { service, by_percent: MEMORY_RAISE_PERCENT }
        }
        "restart_service" | "restart_container" | "restart_if_needed" => {
            Action::RestartService { service }
        }
        "restart_process" => Action::RestartProcess { service },
        "reload_service" | "reload_config" => Action::ReloadService { service },
        "wait" => Action::Wait { duration: wait? },
        _ => return None,
    })
}

fn unknown(verb: &str, place: &Place, cx: &mut Context<'_>) {
    if verb == "wait" {
        cx.report.error(place.clone(), "nothing says how long").hint("add `wait_seconds: 30`");
        return;
    }
    let found = cx.report.warning(
        place.clone(),
        "this version cannot do this, so the runbook goes on without the step",
    );
    match nearest(verb, VERBS) {
        Some(near) => found.hint(format!("did you mean `{near}`? or give a `command`")),
        None => found.hint("give a `command`, or leave the step out"),
    }
}

/// That the machine or the process was found under pressure.
fn pressed() -> Expression {
    Expression::Result(ResultCondition {
        step: RESOURCES.into(),
        key: ResultKey::from("pressed"),
        operator: Operator::Equal,
        value: ResultValue::Flag(true),
    })
}

/// A look at the machine that the runbook did not ask for itself.
pub(super) fn resources_step() -> Step {
    let action = Action::CheckResources { service: "{service}".into() };
    let description = action.to_string();
    Step {
        name: Some(RESOURCES.into()),
        on_failure: OnFailure::Continue,
        ..Step::new(action, description, typed::ACTION_TIMEOUT)
    }
}

/// Whether the machine was looked at.
pub(super) fn looks_at_resources(steps: &[(Step, Place)]) -> bool {
    let mut names = steps.iter().filter_map(|(step, _)| step.name.as_ref());
    names.any(|name| name.as_str() == RESOURCES)
}

/// `"5m"`, as the second source document writes how long it has to stay good.
fn lasting(at: &At<'_>, cx: &mut Context<'_>) -> Option<Millis> {
    let text = fields::text(at, &mut cx.report)?;
    let text = text.trim();
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).unwrap_or(("", ""));
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        _ => None,
    };
    let span = seconds
        .zip(digits.parse::<u64>().ok())
        .map(|(seconds, number)| Duration::from_secs(number.saturating_mul(seconds)))
        .map(|span| Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
        .filter(|span| (Millis(1)..=DAY).contains(span));
    if span.is_none() {
        cx.report.expected(at, "a time such as \"5m\", \"30s\" or \"1h\", 24 h at most");
    }
    span
}
