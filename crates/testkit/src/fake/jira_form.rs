//! What Jira refuses by its form: fields, documents, labels.

use serde_json::{Map, Value, json};

use super::desk::{Answer, Received};

/// The longest text of a field, in characters.
const TEXT_CHARS_MAX: usize = 32_767;

/// The longest summary or label, in characters.
const LINE_CHARS_MAX: usize = 255;

/// Errors by field, as Jira says them.
pub(super) type Errors = Map<String, Value>;

/// `{"errorMessages": [], "errors": {}}`.
pub(super) fn failed(status: u16, messages: &[&str], errors: &Errors) -> Answer {
    Answer::json(status, &json!({"errorMessages": messages, "errors": errors}))
}

/// What is wrong with the fields of a new issue; `cloud` wants documents.
pub(super) fn check_fields(fields: &Value, cloud: bool) -> Errors {
    let mut errors = Errors::new();
    let mut wrong = |field: &str, why: &str| errors.insert(field.to_owned(), json!(why));
    let summary = fields["summary"].as_str().unwrap_or_default();
    if summary.trim().is_empty() {
        wrong("summary", "You must specify a summary of the issue.");
    }
    if summary.contains(['\n', '\r']) {
        wrong("summary", "The summary is invalid because it contains newline characters.");
    }
    if summary.chars().count() > LINE_CHARS_MAX {
        wrong("summary", "Summary can't exceed 255 characters.");
    }
    if fields["issuetype"]["name"].as_str().is_none_or(str::is_empty) {
        wrong("issuetype", "Specify an issue type");
    }
    if let Err(why) = check_text(&fields["description"], cloud) {
        wrong("description", &why);
    }
    if let Err(why) = check_labels(fields["labels"].as_array().into_iter().flatten()) {
        wrong("labels", &why);
    }
    errors
}

/// Whether each is a label.
pub(super) fn check_labels<'a>(labels: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    for label in labels {
        let label = label.as_str().ok_or("a label is no text")?;
        if label.is_empty() || label.contains(char::is_whitespace) {
            return Err(format!("The label '{label}' contains spaces which is invalid."));
        }
        if label.chars().count() > LINE_CHARS_MAX {
            return Err(format!("The label '{label}' exceeds 255 characters."));
        }
    }
    Ok(())
}

/// A text with form: a document for Cloud, a text for Data Center.
pub(super) fn check_text(text: &Value, cloud: bool) -> Result<(), String> {
    if text.is_null() {
        return Ok(());
    }
    match (cloud, text) {
        (true, Value::Object(_)) => check_document(text)?,
        (true, _) => return Err("Operation value must be an Atlassian Document".to_owned()),
        (false, Value::String(_)) => {}
        (false, _) => return Err("Operation value must be a string".to_owned()),
    }
    let chars = match text {
        Value::String(text) => text.chars().count(),
        document => document.to_string().chars().count(),
    };
    if chars > TEXT_CHARS_MAX {
        let why =
            "The entered text is too long. It exceeds the allowed limit of 32,767 characters.";
        return Err(why.to_owned());
    }
    Ok(())
}

/// Whether a document is one of the Atlassian Document Format, of the nodes that carry nothing but
/// text: nothing that mentions, embeds or runs.
///
/// # Errors
/// What is wrong, and with which node.
pub fn check_document(document: &Value) -> Result<(), String> {
    if document["type"] != "doc" || document["version"] != 1 {
        return Err("INVALID_INPUT: no document of version 1".to_owned());
    }
    children(document, &["paragraph", "bulletList", "codeBlock"])
}

fn children(node: &Value, allowed: &[&str]) -> Result<(), String> {
    let kind = node["type"].as_str().unwrap_or_default();
    let list = node["content"].as_array().ok_or(format!("INVALID_INPUT: {kind} has no content"))?;
    if list.is_empty() && !matches!(kind, "doc" | "paragraph") {
        return Err(format!("INVALID_INPUT: {kind} is empty"));
    }
    list.iter().try_for_each(|child| match child["type"].as_str() {
        Some(kind) if allowed.contains(&kind) => check_node(child, kind),
        other => Err(format!("INVALID_INPUT: {other:?} inside {kind}")),
    })
}

fn check_node(node: &Value, kind: &str) -> Result<(), String> {
    match kind {
        "paragraph" => children(node, &["text"]),
        "bulletList" => children(node, &["listItem"]),
        "listItem" => children(node, &["paragraph"]),
        "codeBlock" => {
            let marked = node["content"].as_array().into_iter().flatten();
            if marked.into_iter().any(|text| !text["marks"].is_null()) {
                return Err("INVALID_INPUT: a code block has marks".to_owned());
            }
            children(node, &["text"])
        }
        "text" => check_leaf(node),
        other => Err(format!("INVALID_INPUT: unknown node {other}")),
    }
}

fn check_leaf(text: &Value) -> Result<(), String> {
    if text["text"].as_str().is_none_or(str::is_empty) {
        return Err("INVALID_INPUT: an empty text node".to_owned());
    }
    for mark in text["marks"].as_array().into_iter().flatten() {
        let href = mark["attrs"]["href"].as_str().unwrap_or_default();
        match mark["type"].as_str() {
            Some("strong") => {}
            Some("link") if href.starts_with("https://") || href.starts_with("http://") => {}
            other => return Err(format!("INVALID_INPUT: the mark {other:?}")),
        }
    }
    Ok(())
}

/// Whether a request says who asks, as Cloud (Basic) or Data Center (Bearer) wants it.
pub(super) fn is_authorised(received: &Received, expected: Option<&str>) -> bool {
    let said = received.header("authorization").unwrap_or_default();
    match expected {
        Some(expected) => said == expected,
        None => said.starts_with("Basic ") || said.starts_with("Bearer "),
    }
}
