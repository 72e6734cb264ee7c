//! Uptime Kuma's webhook, with the content type `application/json`.
//!
//! Source: `server/notification-providers/webhook.js` of <https://github.com/louislam/uptime-kuma>.

use crate::alert_builder::Builder;
use crate::change::News;
use crate::field::Field;
use crate::json;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};

/// Reads a heartbeat.
///
/// # Errors
/// When it names no monitor, or its status is not one of Uptime Kuma's four.
pub fn parse(body: &[u8], context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let body = json::value(body)?;
    let body = Field::body(&body);
    let (heartbeat, monitor) = (body.at("heartbeat"), body.at("monitor"));
    let mut parsed = Parsed::default();
    if heartbeat.is_null() && monitor.is_null() && body.at("msg").text().is_some() {
        parsed.note("a test of the notification, without a monitor");
        return Ok(parsed);
    }
    let id = match monitor.at("id").label()? {
        Some(id) => id,
        None => heartbeat.at("monitorID").needed("the id of a monitor")?,
    };
    let mut alert = Builder::new(context.door, "uptime-monitor", &id);
    alert.label("service", service(&monitor)?.as_deref());
    let name = monitor.at("name").text().unwrap_or_default();
    alert.annotate("summary", body.at("msg").text().as_deref());
    alert.annotate("description", heartbeat.at("msg").text().as_deref());
    alert.annotate("monitor", Some(name.as_str()));
    alert.annotate("monitor_type", monitor.at("type").text().as_deref());
    alert.annotate("hostname", monitor.at("hostname").text().as_deref());
    let at = heartbeat.at("time").moment(context.now);
    alert.starts_at(at);
    alert.url(monitor.at("url").text().filter(|url| url.len() > "https://".len()));
    alert.raw(heartbeat.value());
    let status = heartbeat.at("status");
    match status.needed("0, 1, 2 or 3")?.as_str() {
        "0" => {
            alert.label("severity", Some("critical"));
            parsed.changes.push(alert.fires());
        }
        "1" => parsed.changes.push(alert.changed(News::Ends { at })),
        "2" => parsed.note(&format!("monitor {id} is pending; what fires goes on firing")),
        "3" => parsed.note(&format!("monitor {id} is in maintenance; what fires goes on firing")),
        other => {
            let expected = "expected 0 (down), 1 (up), 2 (pending) or 3 (maintenance)";
            return Err(status.wrong(format!("{other:?} is not known; {expected}")));
        }
    }
    Ok(parsed)
}

/// The service: a tag of that name, or else what the monitor is called.
fn service(monitor: &Field<'_>) -> Result<Option<String>, Unparsable> {
    let tags = monitor.at("tags");
    let tagged =
        tags.elements().into_iter().flatten().find(|tag| {
            tag.at("name").text().is_some_and(|name| name.eq_ignore_ascii_case("service"))
        });
    match tagged.map(|tag| tag.at("value").label()).transpose()?.flatten() {
        Some(service) => Ok(Some(service)),
        None => monitor.at("name").label(),
    }
}
