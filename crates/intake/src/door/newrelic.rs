//! New Relic: the webhook of its workflows, which tells of issues, and the legacy one, which tells
//! of incidents.
//!
//! Sources: <https://docs.newrelic.com/docs/alerts/get-notified/message-templates/>,
//! <https://docs.newrelic.com/docs/alerts/new-relic-alerts/notifications/customize-your-webhook-payload/>.

use crate::alert_builder::Builder;
use crate::change::News;
use crate::field::Field;
use crate::json;
use crate::limit::ID_BYTES_MAX;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};

/// Reads an event.
///
/// # Errors
/// When the body names neither an issue nor an incident, or no state.
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let body = json::value(body)?;
    let body = Field::body(&body);
    let legacy = body.at("current_state");
    let named = ["issueId", "issue_id", "id"].map(|name| body.at(name));
    let issue = named.iter().find(|field| !field.is_null());
    match issue {
        Some(issue) if legacy.is_null() => {
            tell(&body, issue_of(&body, issue, context)?, &body.at("state"), context)
        }
        _ if !legacy.is_null() => {
            let id = body.at("incident_id");
            tell(&body, incident_of(&body, &id, context)?, &legacy, context)
        }
        _ => Err(body
            .at("issueId")
            .wrong("missing; expected the id of an issue, or incident_id with current_state")),
    }
}

fn tell(
    body: &Field<'_>,
    alert: Builder,
    state: &Field<'_>,
    context: &Context<'_>,
) -> Result<Parsed, Unparsable> {
    const STATES: &str = "CREATED, ACTIVATED, OPEN, ACKNOWLEDGED or CLOSED";
    let word = state.needed(STATES)?;
    let mut parsed = Parsed::default();
    match word.to_ascii_lowercase().as_str() {
        "created" | "activated" | "open" | "opened" => parsed.changes.push(alert.fires()),
        "acknowledged" => {
            let by = ["owner", "acknowledgedBy"].iter().find_map(|name| body.at(name).text());
            let acknowledged = alert.changed(News::Acknowledged { by });
            parsed.changes.extend([alert.fires(), acknowledged]);
        }
        "closed" | "deactivated" => {
            let at = ["closedAt", "updatedAt", "timestamp"];
            let at = at.iter().find_map(|name| body.at(name).moment(context.now));
            parsed.changes.push(alert.changed(News::Ends { at }));
        }
        "test" => parsed.note("a test notification"),
        _ => return Err(state.wrong(format!("{word:?} is not known; expected {STATES}"))),
    }
    Ok(parsed)
}

fn issue_of(
    body: &Field<'_>,
    id: &Field<'_>,
    context: &Context<'_>,
) -> Result<Builder, Unparsable> {
    let mut alert = Builder::new(context.door, "newrelic-issue", &id.needed("the id of an issue")?);
    alert.severity(body.at("priority").label()?.as_deref());
    alert.label("service", only(&names(&body.at("impactedEntities"))));
    for (annotation, name) in [
        ("conditions", "alertConditionNames"),
        ("entities", "impactedEntities"),
        ("policies", "alertPolicyNames"),
    ] {
        alert.annotate(annotation, Some(names(&body.at(name)).join(", ").as_str()));
    }
    alert.annotate("summary", body.at("title").text().as_deref());
    alert.annotate("trigger", body.at("trigger").text().as_deref());
    alert.starts_at(body.at("createdAt").moment(context.now));
    alert.url(body.at("issueUrl").text());
    alert.raw(body.value());
    Ok(alert)
}

fn incident_of(
    body: &Field<'_>,
    id: &Field<'_>,
    context: &Context<'_>,
) -> Result<Builder, Unparsable> {
    let id = id.needed("the id of an incident")?;
    let mut alert = Builder::new(context.door, "newrelic-incident", &id);
    alert.severity(body.at("severity").label()?.as_deref());
    alert.label("service", only(&names(&body.at("targets"))));
    for (annotation, name) in [
        ("summary", "condition_name"),
        ("description", "details"),
        ("policies", "policy_name"),
        ("runbook_url", "runbook_url"),
    ] {
        alert.annotate(annotation, body.at(name).text().as_deref());
    }
    alert.starts_at(body.at("timestamp").moment(context.now));
    alert.url(body.at("incident_url").text());
    alert.raw(body.value());
    Ok(alert)
}

/// The names in a list of texts or of objects with a name; a lone text is a list of one.
fn names(field: &Field<'_>) -> Vec<String> {
    let name = |element: Field<'_>| element.text().or_else(|| element.at("name").text());
    match field.elements() {
        Some(each) => each.filter_map(name).collect(),
        None => field.text().into_iter().collect(),
    }
}

/// The one name: of several, none names the service.
fn only(names: &[String]) -> Option<&str> {
    match names {
        [one] if one.len() <= ID_BYTES_MAX => Some(one),
        _ => None,
    }
}
