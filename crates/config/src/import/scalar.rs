//! Scalars of YAML as Go reads them: what is meant as a text is taken as it is written.

use std::ops::RangeInclusive;

use nightcrew_model::unit::Millis;

use crate::decode::Context;
use crate::fields::{self, Fields};
use crate::import::duration;
use crate::tree::{At, Value};

/// The text that stands here: a number or a truth value as it is written; none for nothing.
pub(crate) fn text(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    match &at.node.value {
        Value::Text(text) => Some(text.text.clone()),
        Value::Number(_) | Value::Bool(_) => cx.files.written(at.node.span).map(str::to_owned),
        Value::Null => None,
        Value::Array(_) | Value::Object(_) | Value::Told => {
            cx.report.expected(at, "a text");
            None
        }
    }
}

/// The text of a key, if it has one that is not empty.
pub(crate) fn text_of<'a>(
    fields: &mut Fields<'a>,
    key: &str,
    cx: &mut Context<'_>,
) -> Option<(At<'a>, String)> {
    let at = fields.take(key)?;
    let text = text(&at, cx)?;
    (!text.is_empty()).then_some((at, text))
}

/// The text of a key, or of the file that `<key>_file` names.
pub(crate) fn secret_of<'a>(
    fields: &mut Fields<'a>,
    key: &str,
    cx: &mut Context<'_>,
) -> Option<(At<'a>, String)> {
    let own = text_of(fields, key, cx);
    let file = text_of(fields, &format!("{key}_file"), cx);
    match (own, file) {
        (Some(_), Some((at, _))) => {
            cx.report.error(&at, format!("`{key}` and `{key}_file` both say it")).hint("keep one");
            None
        }
        (None, Some((at, path))) => {
            let text = cx.read_beside(&path, &at)?;
            let text = text.trim().to_owned();
            if text.is_empty() {
                cx.report.error(&at, "the file holds nothing");
                return None;
            }
            cx.report.conceal(&format!("{key}_file"), &text);
            Some((at, text))
        }
        (own, None) => own,
    }
}

/// A truth value, in the words of YAML 1.1 too.
pub(crate) fn boolean(fields: &mut Fields<'_>, key: &str, cx: &mut Context<'_>) -> Option<bool> {
    let at = fields.take(key)?;
    match &at.node.value {
        Value::Bool(value) => Some(*value),
        Value::Text(text) => match text.text.to_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                cx.report.expected(&at, "true or false");
                None
            }
        },
        Value::Null => None,
        _ => {
            cx.report.expected(&at, "true or false");
            None
        }
    }
}

/// A duration in a range.
pub(crate) fn duration(
    fields: &mut Fields<'_>,
    key: &str,
    range: RangeInclusive<Millis>,
    cx: &mut Context<'_>,
) -> Option<Millis> {
    let (at, text) = text_of(fields, key, cx)?;
    let Some(found) = duration::parse(&text) else {
        cx.report.expected(&at, "a duration").hint("such as 30s, 5m, 4h, 1h30m or 1d");
        return None;
    };
    if !range.contains(&found) {
        let (low, high) = (range.start(), range.end());
        cx.report.error(&at, format!("expected from {low} to {high}, found {text}"));
        return None;
    }
    Some(found)
}

/// The elements of a list, of which each is a text.  Nothing is an empty list.
pub(crate) fn texts<'a>(at: &At<'a>, cx: &mut Context<'_>) -> Vec<(At<'a>, String)> {
    items(at, cx).into_iter().filter_map(|at| text(&at, cx).map(|text| (at, text))).collect()
}

/// The elements of a list.  Nothing is an empty list.
pub(crate) fn items<'a>(at: &At<'a>, cx: &mut Context<'_>) -> Vec<At<'a>> {
    match at.node.value {
        Value::Null => Vec::new(),
        _ => fields::items(at, &mut cx.report),
    }
}
