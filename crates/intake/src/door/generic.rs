//! Any JSON, read by a mapping that the operator wrote.
//!
//! The mapped labels are the identity.  A severity is not: it may rise, and an end may not name
//! one.

use nightcrew_config::settings::Mapping;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::labels::Labels;
use nightcrew_model::severity::Severity;
use serde_json::Value;

use crate::alert_builder::fitting;
use crate::change::{Change, Key, News, SEVERITY};
use crate::field::Field;
use crate::json;
use crate::limit::{ALERTS_MAX, LABELS_BYTES_MAX, RAW_BYTES_MAX};
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};
use crate::wording::beginning;

/// Reads a body.
///
/// # Errors
/// When the door has no mapping, or the mapped list is none.
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let Some(mapping) = context.mapping else {
        return Err(Unparsable::NoMapping { door: context.door.to_owned() });
    };
    let body = json::value(body)?;
    let body = Field::body(&body);
    let list = mapping.alerts.as_deref().map(|pointer| body.pointed(pointer));
    let elements: Vec<_> = match &list {
        None => vec![body.clone()],
        Some(list) => match list.elements() {
            Some(elements) => elements.collect(),
            None if list.value().is_object() => vec![list.clone()],
            None => return Err(list.wrong("expected the list of alerts")),
        },
    };
    if elements.len() > ALERTS_MAX {
        return Err(Unparsable::TooMany { n: elements.len() });
    }
    let mut parsed = Parsed::default();
    for (index, element) in elements.iter().enumerate() {
        match change(element, mapping, context) {
            Ok(change) => parsed.changes.push(change),
            Err(why) if list.is_some() => parsed.reject(index, &why.to_string()),
            Err(why) => return Err(why),
        }
    }
    Ok(parsed)
}

fn change(
    element: &Field<'_>,
    mapping: &Mapping,
    context: &Context<'_>,
) -> Result<Change, Unparsable> {
    if !element.value().is_object() {
        return Err(element.wrong("expected an object"));
    }
    let mut labels = Labels::default();
    for (name, pointer) in mapping.labels.iter().filter(|(name, _)| *name != SEVERITY) {
        let field = element.pointed(pointer);
        match field.label()? {
            Some(value) => labels.set(name, &value),
            None if matches!(field.value(), Value::Array(_) | Value::Object(_)) => {
                return Err(field.wrong("expected a text or a number for a label"));
            }
            None => {}
        }
    }
    if labels.is_empty() {
        return Err(element.wrong("none of the mapped labels is there"));
    }
    labels.set("door", context.door);
    if labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > LABELS_BYTES_MAX
    {
        return Err(element.wrong(format!("labels of more than {LABELS_BYTES_MAX} bytes")));
    }
    let key = Key::Exactly(labels.clone());
    let status = mapping.status.as_deref().and_then(|pointer| element.pointed(pointer).text());
    let over = status.is_some_and(|status| {
        mapping.resolved.iter().any(|word| word.trim().eq_ignore_ascii_case(&status))
    });
    if over {
        return Ok(Change { key, news: News::Ends { at: None } });
    }
    let mut annotations = Labels::default();
    for (name, pointer) in &mapping.annotations {
        let field = element.pointed(pointer);
        let text = field.text().or_else(|| (!field.is_null()).then(|| field.value().to_string()));
        annotations.set(name, text.as_deref().unwrap_or_default());
    }
    let severity = mapping.severity.as_ref().or_else(|| mapping.labels.get(SEVERITY));
    if let Some(word) = severity.and_then(|pointer| element.pointed(pointer).text()) {
        labels.set(SEVERITY, &Severity::from_label(&word).to_string());
        annotations.set("severity_original", &word);
    }
    annotations.set("raw", beginning(&element.value().to_string(), RAW_BYTES_MAX));
    let generator_url = mapping.url.as_deref().and_then(|pointer| element.pointed(pointer).text());
    let generator_url = generator_url.filter(|url| url.len() <= RAW_BYTES_MAX).unwrap_or_default();
    let starts_at = mapping.starts_at.as_deref();
    let alert = IncomingAlert {
        labels,
        annotations: fitting(annotations, generator_url.len()),
        starts_at: starts_at.and_then(|pointer| element.pointed(pointer).moment(context.now)),
        ends_at: None,
        generator_url,
    };
    Ok(Change { key, news: News::Fires(Box::new(alert)) })
}
