//! `playbooks`: what may be done about a condition, in the shapes of both source documents and in
//! our own; `patterns`: the runbooks of the second one.

mod action;
pub(crate) mod parameter;
pub(crate) mod runbook;
mod step;
mod verb;
mod verify;

use nightcrew_model::id::PlaybookName;
use nightcrew_model::plan::{Playbook, RunLimit, Stage, Trigger};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::decode::expression::{Scope, expression};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::Healing;
use crate::tree::At;

pub(crate) use action::restart_timeout;

/// The largest number of steps of one playbook.
pub(crate) const STEPS_MAX: usize = 64;

/// The largest number of symptoms of one playbook.
const SYMPTOMS_MAX: usize = 64;

/// The longest rest, and the longest window of a limit.
const MONTH: Millis = Millis::from_secs(30 * 86_400);

/// What playbooks are read with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) healing: &'a Healing,
    /// The longest time that any service gets to end by itself.
    pub(crate) stop_timeout: Millis,
    pub(crate) action_timeout_max: Millis,
}

/// A playbook and where it is written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) playbook: Playbook,
    pub(crate) place: Place,
    /// Where each step is written.
    pub(crate) steps: Vec<Place>,
    /// Where the `retry` of each step is written, if it is.
    pub(crate) retries: Vec<Option<Place>>,
    /// Where each parameter is written.
    pub(crate) parameters: Vec<Place>,
    /// Where verification is written, if it is.
    pub(crate) verify: Option<Place>,
}

/// Reads `playbooks`, in the order of writing.
pub(crate) fn playbooks(at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Vec<Written> {
    fields::named(at, "an object of playbooks", &mut cx.report)
        .into_iter()
        .filter(|(name, _)| *name != "$schema")
        .filter_map(|(name, at)| playbook(name, &at, ground, cx))
        .collect()
}

fn playbook(name: &str, at: &At<'_>, ground: &Ground<'_>, cx: &mut Context<'_>) -> Option<Written> {
    let mut fields = Fields::open(at, "an object with `condition` and `actions`", &mut cx.report)?;
    let place = Place::new(at.key_span, at.path.clone());
    fields.take("description");
    let trigger = trigger(&mut fields, &place, cx);
    let escalate_at = fields.take("escalate_if");
    let escalate_if = escalate_at.map(|at| expression(&at, Scope::default(), cx));
    let found = fields.take("parameters").map(|at| parameter::parameters(&at, cx));
    let (parameters, parameter_places) = found.unwrap_or_default();
    let limit = fields.take("limit").and_then(|at| limit(&at, cx));
    let cooldown = fields.duration("cooldown", Millis(0)..=MONTH, &mut cx.report);
    let stage = stage(&mut fields, cx);
    let steps_at = steps_at(&mut fields, &place, cx);
    let verify_at = fields.take("verify");
    fields.finish(&mut cx.report);
    let found = steps_at.map_or_else(Default::default, |at| step::steps(&at, ground, cx));
    let verify_place = verify_at.as_ref().map(Place::from);
    let verify = verify_at.and_then(|at| verify::verify(&at, ground.healing, cx));
    // A condition that could not be read is told: without it the playbook would always apply.
    let trigger = trigger?;
    let escalate_if = match escalate_if {
        None => None,
        Some(read) => Some(read?),
    };
    Some(Written {
        playbook: Playbook {
            name: PlaybookName::from(name),
            trigger,
            parameters,
            steps: found.steps,
            verify,
            cooldown,
            escalate_if,
            limit,
            stage: stage.unwrap_or_default(),
        },
        place,
        steps: found.places,
        retries: found.retries,
        parameters: parameter_places,
        verify: verify_place,
    })
}

/// `condition`, `symptoms` and `severity`; none if something of it is wrong.
fn trigger(fields: &mut Fields<'_>, place: &Place, cx: &mut Context<'_>) -> Option<Trigger> {
    let condition = fields.take("condition").map(|at| expression(&at, Scope::default(), cx));
    let symptoms = fields.take("symptoms").map(|at| symptoms(&at, cx));
    let severity = fields.take("severity").map(|at| severity(&at, cx));
    if condition.is_none() && symptoms.is_none() {
        cx.report
            .error(place.clone(), "the playbook has no `condition` and no `symptoms`")
            .hint("{ condition: \"disk_usage > 90\", actions: [ … ] }");
        return None;
    }
    let condition = condition.map_or(Some(None), |read| read.map(Some));
    let severity = severity.map_or(Some(None), |read| read.map(Some));
    Some(Trigger {
        condition: condition?,
        symptoms: symptoms.map_or(Some(Vec::new()), |read| read)?,
        severity: severity?,
    })
}

/// What must be wrong; one of these.
fn symptoms(at: &At<'_>, cx: &mut Context<'_>) -> Option<Vec<String>> {
    let texts = fields::texts(at, &mut cx.report);
    if texts.is_empty() || texts.len() > SYMPTOMS_MAX {
        if at.node.text().is_none() {
            cx.report.error(at, format!("expected from 1 to {SYMPTOMS_MAX} symptoms"));
        }
        return None;
    }
    Some(texts.into_iter().map(|(_, text)| text.trim().to_owned()).collect())
}

/// How bad it must be at least, in our words or those of other systems.
fn severity(at: &At<'_>, cx: &mut Context<'_>) -> Option<Severity> {
    const KNOWN: [&str; 8] =
        ["info", "low", "warning", "medium", "moderate", "high", "critical", "emergency"];
    let word = fields::text(at, &mut cx.report)?;
    if !KNOWN.contains(&word) {
        cx.report
            .expected(at, "a severity")
            .hint(suggestion(word, ["info", "warning", "critical"]));
        return None;
    }
    Some(Severity::from_label(word))
}

/// `{ times: 3, window_hours: 1 }`.
pub(crate) fn limit(at: &At<'_>, cx: &mut Context<'_>) -> Option<RunLimit> {
    let mut fields = Fields::open(at, "an object with `times` and `window_hours`", &mut cx.report)?;
    let times = fields.integer("times", 1..=10_000, &mut cx.report);
    let window = fields.duration("window", Millis(1_000)..=MONTH, &mut cx.report);
    if !fields.has("times") || !fields.has_duration("window") {
        cx.report
            .error(at, "a limit is a number of times and a window")
            .hint("such as { times: 3, window_hours: 1 }");
    }
    fields.finish(&mut cx.report);
    Some(RunLimit { times: times?, window: window? })
}

fn stage(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<Stage> {
    let at = fields.take("stage")?;
    match fields::text(&at, &mut cx.report)? {
        "live" => Some(Stage::Live),
        "shadow" => Some(Stage::Shadow),
        other => {
            let hint = suggestion(other, ["live", "shadow"]);
            cx.report.expected(&at, "the stage of a playbook").hint(hint);
            None
        }
    }
}

/// The list of steps, under either of its names.
fn steps_at<'a>(fields: &mut Fields<'a>, place: &Place, cx: &mut Context<'_>) -> Option<At<'a>> {
    match (fields.take("actions"), fields.take("steps")) {
        (Some(_), Some(at)) => {
            cx.report
                .error(&at, "`actions` and `steps` both say what is done")
                .hint("keep one of the two");
            None
        }
        (None, None) => {
            cx.report
                .error(place.clone(), "the playbook has no `actions`")
                .hint("{ condition: \"disk_usage > 90\", actions: [ … ] }");
            None
        }
        (actions, steps) => actions.or(steps),
    }
}

#[cfg(test)]
mod tests;
