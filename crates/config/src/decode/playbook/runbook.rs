//! `patterns`: the runbooks of the second source document, as playbooks.
//!
//! A runbook waits for what its incident is called, not for a metric: its `symptoms`, its own name,
//! and for names that are well known the crew's own words.  Its steps are verbs; a verb that means
//! nothing here, and has no `command`, is told and left out, so that nobody believes it was done.
//! `severity` says how bad such an incident is and keeps nothing from being done.

use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::expression::Expression;
use nightcrew_model::id::PlaybookName;
use nightcrew_model::plan::{Playbook, RunLimit, Step, Trigger, Verify};
use nightcrew_model::unit::Millis;
use nightcrew_model::{catalogue, sample::Status};

use crate::decode::Context;
use crate::decode::expression::{Scope, expression, parse};
use crate::decode::later::Criteria;
use crate::decode::playbook::verb::{self, Meaning};
use crate::decode::playbook::{Ground, STEPS_MAX, Written, symptoms, verify};
use crate::fields::{self, Fields};
use crate::problem::Place;
use crate::tree::At;

/// A name that many give to the same trouble, and what the crew itself calls and measures.
struct Known {
    names: &'static [&'static str],
    symptoms: &'static [&'static str],
    /// What is looked for, where no threshold speaks of the metric.
    watched: Option<(&'static str, Operator, f64)>,
}

const KNOWN: [Known; 9] = [
    Known {
        names: &["high_error_rate", "error_rate_high", "error_spike"],
        // Not the names of metrics: a source that fails to give one tells of it by its name.
        symptoms: &["error_rate_high", "error_lines"],
        // The limit of the second source document: 5 %.
        watched: Some((catalogue::ERROR_RATIO, Operator::Greater, 0.05)),
    },
    Known {
        names: &["high_latency", "latency_high", "slow_response"],
        symptoms: &["latency_high", "slow_responses"],
        watched: Some((catalogue::LATENCY_P99_MS, Operator::Greater, 3_000.0)),
    },
    Known {
        names: &["oom_kill", "oom_killed", "out_of_memory"],
        symptoms: &["out_of_memory", "container_restarting"],
        watched: None,
    },
    Known {
        names: &["memory_leak", "high_memory"],
        symptoms: &["process_memory_high", "memory_high"],
        watched: None,
    },
    Known {
        names: &["connection_pool_exhausted", "connection_pool_exhaustion", "too_many_connections"],
        symptoms: &["connection_pool_exhausted"],
        watched: None,
    },
    Known { names: &["disk_full", "disk_space_low"], symptoms: &["disk_space_low"], watched: None },
    Known { names: &["service_down", "process_down"], symptoms: &["process_down"], watched: None },
    Known {
        names: &["unresponsive", "service_unresponsive", "health_check_failed"],
        symptoms: &["service_unresponsive"],
        watched: None,
    },
    Known { names: &["high_cpu", "cpu_high"], symptoms: &["cpu_high"], watched: None },
];

/// What runbooks are read with.
#[derive(Debug)]
pub(crate) struct Shelf<'a> {
    pub(crate) ground: Ground<'a>,
    /// `verification.success_criteria`.
    pub(crate) criteria: Criteria,
    /// What shows that a service is alive, by what is looked at here.
    pub(crate) alive: Expression,
}

/// A runbook as a playbook, and what has to be watched for it.
#[derive(Debug)]
pub(crate) struct Runbook {
    pub(crate) written: Written,
    pub(crate) watched: Option<Condition>,
}

/// That a service answers its checks, or, where none has any, that its process lives.
pub(crate) fn alive(has_checks: bool) -> Expression {
    let (metric, status) = if has_checks {
        (catalogue::HEALTH_STATUS, Status::Passing)
    } else {
        (catalogue::PROCESS_STATUS, Status::Running)
    };
    let operand = Operand::Status(status);
    Expression::Metric(Condition { metric: metric.into(), operator: Operator::Equal, operand })
}

/// Reads `patterns`, or an object that holds it.
pub(crate) fn runbooks(at: &At<'_>, shelf: &Shelf<'_>, cx: &mut Context<'_>) -> Vec<Runbook> {
    let inner = at.get("patterns");
    let at = inner.as_ref().unwrap_or(at);
    fields::named(at, "an object of runbooks", &mut cx.report)
        .into_iter()
        .filter(|(name, _)| *name != "$schema")
        .filter_map(|(name, at)| runbook(name, &at, shelf, cx))
        .collect()
}

fn runbook(name: &str, at: &At<'_>, shelf: &Shelf<'_>, cx: &mut Context<'_>) -> Option<Runbook> {
    let mut fields = Fields::open(at, "an object with `symptoms` and `actions`", &mut cx.report)?;
    let place = Place::new(at.key_span, at.path.clone());
    let known = KNOWN.iter().find(|known| known.names.contains(&name));
    let symptoms_at = fields.take("symptoms");
    let mut symptoms = symptoms_at.and_then(|at| symptoms(&at, cx)).unwrap_or_default();
    fields.take("description");
    fields.text("severity", &mut cx.report);
    let escalate_at = fields.take("escalate_if");
    let actions_at = fields.take("actions");
    fields.finish(&mut cx.report);
    let Some(actions_at) = actions_at else {
        cx.report
            .error(place, "the runbook has no `actions`")
            .hint("actions: [{ step: 1, action: \"restart_service\" }]");
        return None;
    };
    let (escalate_if, limit) =
        escalate_at.map_or((None, None), |at| escalate_if(&at, shelf.ground.healing.run_limit, cx));
    let read = actions(&actions_at, &symptoms, shelf, cx);
    if read.steps.is_empty() {
        cx.report
            .warning(place, "nothing of this runbook can be done, so it is left out")
            .hint("use `check_logs`, `restart_service`, …, or give a `command`");
        return None;
    }
    for more in known.iter().flat_map(|known| known.symptoms).chain([&name]) {
        if !symptoms.iter().any(|symptom| symptom == more) {
            symptoms.push((*more).to_owned());
        }
    }
    let watched = known.and_then(|known| known.watched);
    let watched = watched.map(|(metric, operator, limit)| {
        let operand = Operand::Number(limit);
        Condition { metric: metric.into(), operator, operand }
    });
    let verify = proof(&read, watched.as_ref(), shelf);
    let (steps, places): (Vec<Step>, Vec<Place>) = read.steps.into_iter().unzip();
    let retries = vec![None; steps.len()];
    let trigger = Trigger { condition: None, symptoms, severity: None };
    let name = PlaybookName::from(name);
    let blank = Playbook::new(name, Expression::All { all: Vec::new() }, steps);
    let playbook = Playbook { trigger, verify: Some(verify), escalate_if, limit, ..blank };
    let written = Written {
        playbook,
        place,
        steps: places,
        retries,
        parameters: Vec::new(),
        verify: read.verify_place,
    };
    Some(Runbook { written, watched })
}

/// What the list of actions says.
#[derive(Debug, Default)]
struct Read {
    steps: Vec<(Step, Place)>,
    verify_place: Option<Place>,
    /// How long is waited before the first look.
    wait: Option<Millis>,
    /// How long it has to stay good.
    lasting: Option<Millis>,
}

/// Reads the actions in the order of their `step`.
fn actions(at: &At<'_>, symptoms: &[String], shelf: &Shelf<'_>, cx: &mut Context<'_>) -> Read {
    let mut items = fields::items(at, &mut cx.report);
    if items.len() > STEPS_MAX {
        let found = items.len();
        cx.report.error(at, format!("a runbook has at most {STEPS_MAX} actions, found {found}"));
        return Read::default();
    }
    // A sort that keeps the order of writing where no number is given, or the same one twice.
    let number = |at: &At<'_>| at.get("step").and_then(|at| fields::as_number(&at));
    items.sort_by(|a, b| {
        let (a, b) = (number(a), number(b));
        a.zip(b).map_or(std::cmp::Ordering::Equal, |(a, b)| a.total_cmp(&b))
    });
    let mut read = Read::default();
    for item in &items {
        match verb::action(item, symptoms, &shelf.ground, cx) {
            Some(Meaning::Step(step)) => {
                if step.when.is_some() && !verb::looks_at_resources(&read.steps) {
                    let look = verb::resources_step();
                    read.steps.push((look, Place::from(item)));
                }
                read.steps.push((*step, Place::from(item)));
            }
            Some(Meaning::Verify { wait, lasting }) => {
                read.verify_place = Some(Place::from(item));
                read.wait = read.wait.max(wait);
                read.lasting = read.lasting.max(lasting);
            }
            None => {}
        }
    }
    read
}

/// The proof: the criteria of the operator, or else that what is watched is below its limit, or
/// else that the service is alive.
fn proof(read: &Read, watched: Option<&Condition>, shelf: &Shelf<'_>) -> Verify {
    let mut all = shelf.criteria.conditions();
    if all.is_empty() {
        all.extend(watched.map(|watched| Expression::Metric(watched.negated())));
    }
    if all.is_empty() {
        all.push(shelf.alive.clone());
    }
    let condition = match <[Expression; 1]>::try_from(all) {
        Ok([one]) => one,
        Err(all) => Expression::All { all },
    };
    let mut verify = verify::usual(condition, shelf.ground.healing);
    if let Some(lasting) = read.lasting {
        // So many looks as the time holds, and one more at its end.
        let looks = lasting.0.div_ceil(verify.interval.0.max(1)).saturating_add(1);
        let looks = u32::try_from(looks).unwrap_or(u32::MAX);
        verify.needed = verify.needed.max(looks);
    }
    verify.wait_after = read.wait.or(shelf.criteria.wait).unwrap_or(Millis(0));
    // The waiting, the good looks, and as long again in reserve.
    let looks = verify.interval.0.saturating_mul(u64::from(verify.needed));
    let span = verify.wait_after.0.saturating_add(looks.saturating_mul(2));
    let usual = verify.wait_after.0.saturating_add(shelf.ground.healing.verify_deadline.0);
    verify.deadline = Millis(span.max(usual));
    verify
}

/// `escalate_if`: an expression, or how often it comes back (`2회 이상 반복`, `repeats 3 times`).
fn escalate_if(
    at: &At<'_>,
    usual: RunLimit,
    cx: &mut Context<'_>,
) -> (Option<Expression>, Option<RunLimit>) {
    let text = at.node.text().unwrap_or_default();
    if at.node.text().is_none() || parse::parse(text).is_ok() {
        return (expression(at, Scope::default(), cx), None);
    }
    match repeats(text) {
        // The run before it comes back so often is the last one.
        Some(times) => (None, Some(RunLimit { times: times.saturating_sub(1).max(1), ..usual })),
        None => {
            cx.report
                .warning(at, "this is not understood, so nothing is handed over because of it")
                .hint("write an expression such as `error_ratio > 0.5`, or \"repeats 2 times\"");
            (None, None)
        }
    }
}

/// The number in a text that speaks of repetition.
fn repeats(text: &str) -> Option<u32> {
    const WORDS: [&str; 7] = ["회", "번", "반복", "times", "repeat", "again", "recur"];
    let lower = text.to_lowercase();
    let speaks = WORDS.iter().any(|word| lower.contains(word));
    let digits: String = lower
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok().filter(|times| speaks && (1..=1_000).contains(times))
}

#[cfg(test)]
mod tests;
