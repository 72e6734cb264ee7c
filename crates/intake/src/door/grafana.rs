//! Grafana: the webhook of its unified alerting, which is Alertmanager's with more beside, and that
//! of its alerting before version 9.
//!
//! `DatasourceNoData` and `DatasourceError` are alerts of their own with their own labels; they
//! end nothing.

use nightcrew_model::alert::IncomingAlert;
use serde_json::Value;

use super::alertmanager::from_members;
use crate::alert_builder::{Builder, fitting};
use crate::change::News;
use crate::field::Field;
use crate::json::{self, Members};
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};

/// What Grafana says beside, and the annotation under which it is kept.
const BESIDE: [(&str, &str); 7] = [
    ("dashboardURL", "grafana_dashboard_url"),
    ("imageURL", "grafana_image_url"),
    ("panelURL", "grafana_panel_url"),
    ("ruleUID", "grafana_rule_uid"),
    ("silenceURL", "grafana_silence_url"),
    ("valueString", "grafana_value"),
    ("values", "grafana_values"),
];

/// Reads a webhook.
///
/// # Errors
/// When the body is neither of the two shapes.
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let text = json::text(body)?;
    let members: Members<'_> = json::read(text)?;
    if !members.contains_key("alerts") && members.contains_key("ruleId") {
        return legacy(&json::read(text)?, context);
    }
    from_members(&members, context.now, with_beside)
}

fn with_beside(mut alert: IncomingAlert, raw: &str) -> IncomingAlert {
    let Ok(members) = serde_json::from_str::<Members<'_>>(raw) else { return alert };
    for (name, annotation) in BESIDE {
        let value: Option<Value> =
            members.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok());
        let text = match value {
            Some(Value::String(text)) => text,
            Some(values @ Value::Object(_)) => values.to_string(),
            _ => continue,
        };
        alert.annotations.set(annotation, &text);
    }
    alert.annotations = fitting(alert.annotations, alert.generator_url.len());
    alert
}

fn legacy(body: &Value, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let body = Field::body(body);
    let mut rule =
        Builder::new(context.door, "grafana-rule", &body.at("ruleId").needed("the id of a rule")?);
    rule.id("grafana_org", body.at("orgId").label()?.as_deref().unwrap_or("*"));
    let tags = body.at("tags");
    rule.label("service", tags.at("service").label()?.as_deref());
    rule.severity(tags.at("severity").label()?.as_deref());
    rule.annotate("summary", body.at("title").text().as_deref());
    rule.annotate("rule", body.at("ruleName").text().as_deref());
    rule.annotate("description", body.at("message").text().as_deref());
    rule.annotate("grafana_image_url", body.at("imageUrl").text().as_deref());
    rule.url(body.at("ruleUrl").text());
    rule.raw(body.value());
    let mut parsed = Parsed::default();
    let state = body.at("state").needed("alerting, ok, no_data, paused or pending")?;
    match state.as_str() {
        "alerting" => parsed.changes.push(rule.fires()),
        "no_data" => parsed.changes.push(rule.no_data()),
        "ok" => parsed.changes.push(rule.changed(News::Ends { at: None })),
        "paused" | "pending" => parsed.note(&format!("state: {state} changes nothing")),
        _ => {
            let expected = "expected alerting, ok, no_data, paused or pending";
            return Err(body.at("state").wrong(format!("{state:?} is not known; {expected}")));
        }
    }
    Ok(parsed)
}
