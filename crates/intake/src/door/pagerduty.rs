//! `PagerDuty`, webhook subscriptions version 3: one event in each request.
//!
//! Source: <https://developer.pagerduty.com/docs/webhooks/v3-overview/>.

use crate::alert_builder::Builder;
use crate::change::News;
use crate::field::Field;
use crate::json;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};

/// Reads an event.
///
/// # Errors
/// When the body holds none, or an incident without an id.
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let body = json::value(body)?;
    let event = Field::body(&body).at("event");
    let event_type = event.at("event_type").needed("a type such as incident.triggered")?;
    let data = event.at("data");
    let at = event.at("occurred_at").moment(context.now);
    let by = event.at("agent").at("summary").text();
    let mut parsed = Parsed::default();
    match event_type.as_str() {
        "incident.triggered" => parsed.changes.push(incident(&data, context)?.fires()),
        "incident.reopened" => {
            let mut incident = incident(&data, context)?;
            incident.starts_at(at);
            parsed.changes.push(incident.fires());
        }
        "incident.acknowledged" => {
            // It is still wrong, and its beginning may have been missed.
            let incident = incident(&data, context)?;
            let acknowledged = incident.changed(News::Acknowledged { by });
            parsed.changes.extend([incident.fires(), acknowledged]);
        }
        "incident.unacknowledged" => {
            let incident = incident(&data, context)?;
            let given_back = incident.changed(News::Unacknowledged { by });
            parsed.changes.extend([incident.fires(), given_back]);
        }
        "incident.resolved" => {
            parsed.changes.push(incident(&data, context)?.changed(News::Ends { at }));
        }
        other => parsed.note(&format!("event.event_type: {other} changes nothing")),
    }
    Ok(parsed)
}

fn incident(data: &Field<'_>, context: &Context<'_>) -> Result<Builder, Unparsable> {
    let id = data.at("id").needed("the id of an incident")?;
    let mut incident = Builder::new(context.door, "pagerduty-incident", &id);
    let service = data.at("service");
    incident.label("service", service.at("summary").label()?.as_deref());
    let priority = data.at("priority");
    let word = priority.at("summary").label()?.or(data.at("urgency").label()?);
    incident.severity(word.as_deref());
    incident.annotate("summary", data.at("title").text().as_deref());
    incident.annotate("number", data.at("number").text().as_deref());
    incident.annotate("pagerduty_service", service.at("id").text().as_deref());
    incident.annotate("pagerduty_urgency", data.at("urgency").text().as_deref());
    incident.raw(data.value());
    incident.starts_at(data.at("created_at").moment(context.now));
    incident.url(data.at("html_url").text());
    Ok(incident)
}
