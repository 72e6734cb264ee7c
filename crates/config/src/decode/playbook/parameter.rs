//! `parameters`: what a playbook takes from the incident, each of a narrow kind.

use std::collections::BTreeMap;
use std::path::{Component, PathBuf};

use nightcrew_model::id::ParameterName;
use nightcrew_model::plan::{Parameter, ParameterKind, SERVICE_PLACEHOLDERS};

use crate::decode::Context;
use crate::decode::playbook::step::is_plain;
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::tree::At;

/// The largest number of parameters of one playbook.
pub(crate) const PARAMETERS_MAX: usize = 16;

/// The kinds, as they are written.
const KINDS: [&str; 4] = ["number", "name", "one_of", "path"];

/// Reads the parameters of one playbook, with their places in the order of their names.
pub(super) fn parameters(
    at: &At<'_>,
    cx: &mut Context<'_>,
) -> (BTreeMap<ParameterName, Parameter>, Vec<Place>) {
    let named = fields::named(at, "an object of parameters", &mut cx.report);
    if named.len() > PARAMETERS_MAX {
        let found = named.len();
        let message = format!("a playbook has at most {PARAMETERS_MAX} parameters, found {found}");
        cx.report.error(at, message);
        return Default::default();
    }
    let mut found = BTreeMap::new();
    for (name, at) in named {
        let place = Place::new(at.key_span, at.path.clone());
        if !is_plain(name) {
            cx.report
                .error(place, "expected the name of a parameter")
                .hint("letters, digits, `_` and `-`, the first one a letter, 64 at most");
            continue;
        }
        let written = format!("{{{name}}}");
        if SERVICE_PLACEHOLDERS.contains(&written.as_str()) {
            cx.report
                .error(place, format!("{written} stands for the service of the incident"))
                .hint("give the parameter another name");
            continue;
        }
        if let Some(parameter) = parameter(&at, cx) {
            found.insert(ParameterName::from(name), (parameter, place));
        }
    }
    let places = found.values().map(|(_, place)| place.clone()).collect();
    (found.into_iter().map(|(name, (parameter, _))| (name, parameter)).collect(), places)
}

fn parameter(at: &At<'_>, cx: &mut Context<'_>) -> Option<Parameter> {
    let mut fields = Fields::open(at, "an object with `type`", &mut cx.report)?;
    let kind_at = fields.take("type");
    let word = fields.text("type", &mut cx.report);
    let label = fields.text("label", &mut cx.report).map(str::to_owned);
    let default_at = fields.take("default");
    let kind = match word {
        Some("number") => number(&mut fields, cx),
        Some("name") => Some(ParameterKind::Name),
        Some("one_of") => one_of(&mut fields, cx),
        Some("path") => path(&mut fields, cx),
        Some(other) => {
            if let Some(at) = &kind_at {
                cx.report.expected(at, "the type of a parameter").hint(suggestion(other, KINDS));
            }
            return None;
        }
        None => {
            if kind_at.is_none() {
                cx.report
                    .error(at, "the parameter has no `type`")
                    .hint(format!("known are {}", KINDS.join(", ")));
            }
            return None;
        }
    };
    fields.finish(&mut cx.report);
    let kind = kind?;
    let default = default_at.as_ref().and_then(|at| default(at, cx));
    if let (Some(at), Some(text)) = (&default_at, &default)
        && !kind.admits(text)
    {
        cx.report
            .error(at, "the default is not of the parameter's own kind")
            .hint("no default may be outside of what the parameter admits");
        return None;
    }
    if label.is_none() && default_at.is_none() {
        cx.report
            .error(at, "nothing says what the parameter is")
            .hint("add `label` (the label of an alert that says it) or `default`");
        return None;
    }
    Some(Parameter { kind, label, default })
}

/// A default, as a text; numbers need no quotes.
fn default(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    match fields::as_number(at) {
        Some(number) => Some(number.to_string()),
        None => fields::text(at, &mut cx.report).map(str::to_owned),
    }
}

fn number(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ParameterKind> {
    let all = 0..=u32::MAX;
    let min = fields.integer("min", all.clone(), &mut cx.report);
    let max = fields.integer("max", all, &mut cx.report);
    if !fields.has("max") {
        cx.report
            .error(fields.at(), "nothing says how large the number may be")
            .hint("add `max`; `min` is 0 where nothing is said");
    }
    let (min, max) = (u64::from(min.unwrap_or(0)), u64::from(max?));
    if min > max {
        cx.report.error(fields.at(), format!("no number is at least {min} and at most {max}"));
        return None;
    }
    Some(ParameterKind::Number { min, max })
}

fn one_of(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ParameterKind> {
    let Some(at) = fields.take("values") else {
        cx.report
            .error(fields.at(), "nothing says which values the parameter may have")
            .hint("values: [\"blue\", \"green\"]");
        return None;
    };
    let texts = fields::texts(&at, &mut cx.report);
    let values: Vec<String> = texts.iter().map(|(_, text)| (*text).to_owned()).collect();
    let kind = ParameterKind::OneOf { values };
    let mut is_good = !texts.is_empty();
    for (at, text) in texts {
        if !kind.admits(text) {
            is_good = false;
            cx.report
                .error(&at, "a value of a parameter is one word that begins with no dash")
                .hint("such as \"blue\"");
        }
    }
    if !is_good && matches!(&kind, ParameterKind::OneOf { values } if values.is_empty()) {
        cx.report.error(&at, "expected values, found none");
    }
    is_good.then_some(kind)
}

fn path(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ParameterKind> {
    let Some(at) = fields.take("below") else {
        cx.report
            .error(fields.at(), "nothing says below which folder the path lies")
            .hint("below: \"/var/log/shop\"");
        return None;
    };
    let below = PathBuf::from(fields::text(&at, &mut cx.report)?);
    let climbs = below.components().any(|part| matches!(part, Component::ParentDir));
    if !below.is_absolute() || climbs || below.parent().is_none() {
        cx.report
            .error(&at, "expected the absolute path of a folder, without `..`")
            .hint("such as \"/var/log/shop\"");
        return None;
    }
    Some(ParameterKind::Path { below })
}
