//! Rules about text that several services have.

use serde_json::Value;

use super::desk::Received;

/// How many characters a text has; none has none.
pub(crate) fn chars(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.chars().count())
}

pub(crate) fn at_most(what: &str, is: usize, max: usize) -> Result<(), String> {
    if is <= max { Ok(()) } else { Err(format!("{what} has {is} characters, at most {max}")) }
}

/// A text that must be there.
pub(crate) fn required<'a>(body: &'a Value, name: &str) -> Result<&'a str, String> {
    body[name]
        .as_str()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("`{name}` is missing"))
}

/// Whether the body says that it is JSON, and is.
pub(crate) fn json(received: &Received) -> Result<(), String> {
    let kind = received.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(format!("the content type is `{kind}`"));
    }
    if !received.body.is_object() {
        return Err("the body is no JSON object".to_owned());
    }
    Ok(())
}

/// Whether text acts on a terminal or turns the direction of reading.
pub(crate) fn calm(text: &str) -> Result<(), String> {
    let acts = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    match text.chars().find(|c| acts(*c)) {
        Some(c) => Err(format!("the text holds {c:?}")),
        None => Ok(()),
    }
}
