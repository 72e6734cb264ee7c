//! Datadog's webhook integration.  Its body is what the operator writes there: [`TEMPLATE`].
//!
//! A monitor over several groups tells of each by its scope, so the key is the monitor and the
//! scope.  Source: <https://docs.datadoghq.com/integrations/webhooks/>.

use crate::alert_builder::Builder;
use crate::change::News;
use crate::field::Field;
use crate::json;
use crate::limit::ID_BYTES_MAX;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};

/// What to write into the payload field of Datadog's webhook, with *Encode as form* off.
pub const TEMPLATE: &str = r#"{
  "id": "$ID",
  "alert_id": "$ALERT_ID",
  "cycle_key": "$ALERT_CYCLE_KEY",
  "transition": "$ALERT_TRANSITION",
  "scope": "$ALERT_SCOPE",
  "priority": "$ALERT_PRIORITY",
  "tags": "$TAGS",
  "link": "$LINK",
  "last_updated": "$LAST_UPDATED",
  "title": "$EVENT_TITLE",
  "message": "$EVENT_MSG",
  "metric": "$ALERT_METRIC",
  "hostname": "$HOSTNAME"
}"#;

/// What happened, in Datadog's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transition {
    Triggered,
    Warns,
    NoData,
    Recovered,
}

/// Reads an event.
///
/// # Errors
/// When the body does not come from [`TEMPLATE`].
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    const HINT: &str = "write Nightcrew's template into the payload of Datadog's webhook";
    let body = json::value(body)?;
    let body = Field::body(&body);
    let Some(monitor) = filled(&body.at("alert_id"))? else {
        return Err(body.at("alert_id").wrong(format!("missing; expected $ALERT_ID; {HINT}")));
    };
    let Some(word) = filled(&body.at("transition"))? else {
        return Err(body
            .at("transition")
            .wrong(format!("missing; expected $ALERT_TRANSITION; {HINT}")));
    };
    let transition = transition(&word).ok_or_else(|| {
        let expected =
            "Triggered, Re-Triggered, Renotify, Warn, Re-Warn, No Data, Re-No Data or Recovered";
        body.at("transition").wrong(format!("{word:?} is not known; expected {expected}"))
    })?;
    let mut alert = Builder::new(context.door, "datadog-monitor", &monitor);
    let scope = tags(&filled(&body.at("scope"))?.unwrap_or_default());
    // A monitor without groups has its own mark, so that it is not taken for one of its groups.
    let whole = if scope.is_empty() { "*".to_owned() } else { scope.join(",") };
    alert.id("datadog_scope", &whole);
    let listed = tags(&body.at("tags").text().unwrap_or_default());
    let service = scope.iter().chain(&listed).find_map(|tag| tag.strip_prefix("service:"));
    alert.label("service", service.filter(|name| name.len() <= ID_BYTES_MAX));
    let priority = filled(&body.at("priority"))?;
    match (transition, &priority) {
        // The priority that the operator gave the monitor.
        (Transition::Triggered, Some(priority)) => alert.severity(Some(priority)),
        // Without one it is as bad as it says.
        (Transition::Triggered, None) => alert.label("severity", Some("critical")),
        _ => alert.label("severity", Some("warning")),
    }
    for (annotation, name) in [
        ("summary", "title"),
        ("description", "message"),
        ("tags", "tags"),
        ("metric", "metric"),
        ("datadog_transition", "transition"),
        ("datadog_cycle", "cycle_key"),
        ("datadog_priority", "priority"),
    ] {
        alert.annotate(annotation, filled_text(&body.at(name)).as_deref());
    }
    let at = body.at("last_updated").moment(context.now);
    alert.starts_at(at);
    alert.url(filled_text(&body.at("link")));
    alert.raw(body.value());
    let change = match transition {
        Transition::Triggered | Transition::Warns => alert.fires(),
        Transition::NoData => alert.no_data(),
        Transition::Recovered => alert.changed(News::Ends { at }),
    };
    Ok(Parsed { changes: vec![change], ..Parsed::default() })
}

/// The tags of a list, sorted: their order says nothing.
fn tags(list: &str) -> Vec<String> {
    let mut tags: Vec<_> =
        list.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

/// What Datadog put in the place of a variable; none where it left the variable, or nothing.
fn filled(field: &Field<'_>) -> Result<Option<String>, Unparsable> {
    field.label().map(|found| found.filter(|text| is_filled(text)))
}

/// As [`filled`], for what becomes no label and may be long.
fn filled_text(field: &Field<'_>) -> Option<String> {
    field.text().filter(|text| is_filled(text))
}

fn is_filled(text: &str) -> bool {
    !text.starts_with('$') && text != "null"
}

fn transition(word: &str) -> Option<Transition> {
    Some(match word.to_ascii_lowercase().as_str() {
        "triggered" | "re-triggered" | "renotify" | "alert" => Transition::Triggered,
        "warn" | "re-warn" => Transition::Warns,
        "no data" | "re-no data" => Transition::NoData,
        "recovered" => Transition::Recovered,
        _ => return None,
    })
}
