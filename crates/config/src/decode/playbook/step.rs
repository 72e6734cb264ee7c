//! The steps of playbooks: an action, and when, how often and how far it is done.

use nightcrew_model::id::StepName;
use nightcrew_model::plan::{Action, Ask, OnFailure, Retry, Step};
use nightcrew_model::unit::Millis;

use crate::decode::expression::{Scope, expression};
use crate::decode::playbook::action::{self, ACTION_TIMEOUT};
use crate::decode::playbook::{Ground, STEPS_MAX};
use crate::decode::{Context, command};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::{At, Value};

/// How often a step may be tried again.
const RETRY_TIMES_MAX: u32 = 10;

/// How long is paused before a step is tried again, where nothing is said.
const RETRY_PAUSE: Millis = Millis::from_secs(5);

/// How long may be paused before a step is tried again.
const RETRY_PAUSE_MAX: Millis = Millis::from_secs(3_600);

/// The longest name of a step or a parameter, in characters.
pub(super) const NAME_CHARS_MAX: usize = 64;

/// The steps of one playbook while they are read.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) steps: Vec<Step>,
    /// Where each one is written.
    pub(super) places: Vec<Place>,
    /// Where the `retry` of each one is written, if it is.
    pub(super) retries: Vec<Option<Place>>,
}

/// Reads the list of steps.
pub(super) fn steps(at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Steps {
    let items = fields::items(at, &mut cx.report);
    if matches!(at.node.value, Value::Array(_)) && items.is_empty() {
        cx.report
            .error(at, "the playbook does nothing: its list of actions is empty")
            .hint("add an action, or remove the playbook");
    }
    if items.len() > STEPS_MAX {
        let found = items.len();
        let message = format!("a playbook has at most {STEPS_MAX} actions, found {found}");
        cx.report.error(at, message);
        return Steps::default();
    }
    let named = items.iter().filter_map(|item| item.get("name"));
    let names: Vec<StepName> = named
        .filter_map(|at| at.node.text())
        .filter(|name| is_plain(name))
        .map(StepName::from)
        .collect();
    let mut found = Steps::default();
    let mut before = Vec::new();
    for item in &items {
        let retry = item.get("retry").as_ref().map(Place::from);
        let scope = Scope { before: Some(&before), names: &names };
        let Some(step) = step(item, scope, ground, cx) else { continue };
        if let Some(name) = &step.name {
            if before.iter().any(|(known, _): &(StepName, Action)| known == name) {
                cx.report
                    .error(item, format!("two steps are named `{name}`"))
                    .hint("give each step a name of its own");
            }
            before.push((name.clone(), step.action.clone()));
        }
        found.steps.push(step);
        found.places.push(Place::from(item));
        found.retries.push(retry);
    }
    found
}

fn step(at: &At<'_>, scope: Scope<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Option<Step> {
    if at.node.text().is_some() {
        let action = Action::Run { argv: command::parse(at, cx)? };
        let description = action.to_string();
        return Some(Step::new(action, description, ACTION_TIMEOUT.min(ground.action_timeout_max)));
    }
    let mut fields = Fields::open(at, "a command or an action", &mut cx.report)?;
    let description = fields.text("description", &mut cx.report);
    let name = name(&mut fields, cx);
    let when = fields.take("when").map(|at| expression(&at, scope, cx));
    let longest = ground.action_timeout_max;
    let timeout = fields.duration("timeout", Millis(100)..=longest, &mut cx.report);
    let retry = fields.take("retry").map(|at| retry(&at, cx));
    let idempotent = fields.boolean("idempotent", &mut cx.report);
    let on_failure = on_failure(&mut fields, cx);
    let rollback = fields.take("rollback").and_then(|at| action::rollback(&at, ground, cx));
    let approval = fields.boolean("requires_approval", &mut cx.report);
    let action = action::action(&mut fields, ground, cx);
    if action::is_known(at) {
        // Without a type, every key of every action would be unknown.
        fields.finish(&mut cx.report);
    }
    let action = action?;
    let timeout = timeout.unwrap_or_else(|| action::timeout(&action, ground));
    let description = description.map_or_else(|| action.to_string(), str::to_owned);
    Some(Step {
        name,
        // A condition that could not be read is told; the step is not done without it.
        when: match when {
            None => None,
            Some(read) => Some(read?),
        },
        retry: retry.flatten().unwrap_or_default(),
        idempotent,
        on_failure: on_failure.unwrap_or_default(),
        rollback,
        ask: if approval == Some(true) { Ask::Always } else { Ask::ByClass },
        ..Step::new(action, description, timeout)
    })
}

fn name(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<StepName> {
    let at = fields.take("name")?;
    // The name of `clean_files` is a pattern of files, and such a step finds nothing to speak of.
    let kind = fields.at().get("type");
    if kind.is_some_and(|kind| kind.node.text() == Some("clean_files")) {
        return None;
    }
    let text = fields::text(&at, &mut cx.report)?;
    if !is_plain(text) {
        cx.report
            .error(&at, "expected a name by which later steps can speak of this one")
            .hint("letters, digits, `_` and `-`, the first one a letter, 64 at most");
        return None;
    }
    Some(StepName::from(text))
}

/// Whether a text can name a step or a parameter.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && text.chars().count() <= NAME_CHARS_MAX
}

/// `{ times: 2, pause_seconds: 10 }`, or a bare number of times.
fn retry(at: &At<'_>, cx: &mut Context<'_>) -> Option<Retry> {
    if let Value::Number(_) = at.node.value {
        let times = fields::integer(at, 0..=RETRY_TIMES_MAX, &mut cx.report)?;
        return Some(Retry { times, pause: RETRY_PAUSE });
    }
    let mut fields = Fields::open(at, "an object with `times`", &mut cx.report)?;
    let times = fields.integer("times", 0..=RETRY_TIMES_MAX, &mut cx.report);
    let pause = fields.duration("pause", Millis(0)..=RETRY_PAUSE_MAX, &mut cx.report);
    if !fields.has("times") {
        cx.report
            .error(at, "nothing says how often it is tried again")
            .hint("such as { times: 2, pause_seconds: 10 }");
    }
    fields.finish(&mut cx.report);
    Some(Retry { times: times?, pause: pause.unwrap_or(RETRY_PAUSE) })
}

fn on_failure(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<OnFailure> {
    const WORDS: [(&str, OnFailure); 3] = [
        ("stop", OnFailure::Stop),
        ("continue", OnFailure::Continue),
        ("rollback", OnFailure::RollBack),
    ];
    let at = fields.take("on_failure")?;
    let word = fields::text(&at, &mut cx.report)?;
    let found = WORDS.iter().find(|(known, _)| *known == word);
    if found.is_none() {
        let hint = suggestion(word, WORDS.map(|(known, _)| known));
        cx.report.expected(&at, "what happens when the step fails").hint(hint);
    }
    found.map(|(_, found)| *found)
}
