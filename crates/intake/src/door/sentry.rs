//! Sentry's integration platform.  The header `Sentry-Hook-Resource` says what the body is about.
//!
//! An issue alert (`event_alert`) is never said to be over: it is about an issue, and ends when the
//! webhook for issues says that the issue is resolved.
//!
//! Source: <https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>.

use crate::alert_builder::Builder;
use crate::change::News;
use crate::field::Field;
use crate::json;
use crate::parse::Context;
use crate::parsed::{Parsed, Unparsable};
use crate::request::{Header, Request};

/// Reads a webhook.
///
/// # Errors
/// When the header is missing, or an issue or alert without an id.
pub fn parse(request: &Request<'_>, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    const HEADER: &str = "Sentry-Hook-Resource";
    let Header::Text(resource) = request.header(HEADER) else {
        return Err(Unparsable::field(HEADER, "this header says what the body is about; missing"));
    };
    let body = json::value(request.body)?;
    let body = Field::body(&body);
    match resource {
        "issue" => issue(&body, context),
        "event_alert" => event_alert(&body, context),
        "metric_alert" => metric_alert(&body, context),
        other => {
            let mut parsed = Parsed::default();
            parsed.note(&format!("{HEADER}: {other} tells of no alert"));
            Ok(parsed)
        }
    }
}

fn issue(body: &Field<'_>, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let action = body.at("action").needed("created, resolved, archived, assigned or unresolved")?;
    let issue = body.at("data").at("issue");
    let id = issue.at("id").needed("the id of an issue")?;
    let mut alert = Builder::new(context.door, "sentry-issue", &id);
    alert.label("service", issue.at("project").at("slug").label()?.as_deref());
    alert.severity(issue.at("level").label()?.as_deref());
    alert.annotate("summary", issue.at("title").text().as_deref());
    alert.annotate("culprit", issue.at("culprit").text().as_deref());
    alert.annotate("sentry_short_id", issue.at("shortId").text().as_deref());
    let links = [issue.at("web_url"), issue.at("permalink"), issue.at("url")];
    alert.url(links.iter().find_map(Field::text));
    alert.raw(issue.value());
    let by = body.at("actor").at("name").text();
    let mut parsed = Parsed::default();
    match action.as_str() {
        "created" | "unresolved" => {
            // The time of its last event: one that comes back does not begin when it first came.
            alert.starts_at(issue.at("lastSeen").moment(context.now));
            parsed.changes.push(alert.fires());
        }
        "resolved" => parsed.changes.push(alert.changed(News::Ends { at: None })),
        // Somebody looked at it and decided to leave it as it is; it is not over.
        "archived" | "ignored" => {
            parsed.changes.push(alert.changed(News::Acknowledged { by }));
        }
        other => parsed.note(&format!("action: {other} of an issue changes nothing")),
    }
    Ok(parsed)
}

fn event_alert(body: &Field<'_>, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let data = body.at("data");
    let event = data.at("event");
    let id = event.at("issue_id").needed("the id of the event's issue")?;
    let mut alert = Builder::new(context.door, "sentry-issue", &id);
    let links = [event.at("web_url"), event.at("issue_url"), event.at("url")];
    alert.label("service", project_in(event.at("url").text().as_deref()).as_deref());
    alert.severity(event.at("level").label()?.as_deref());
    alert.annotate("summary", event.at("title").text().as_deref());
    alert.annotate("culprit", event.at("culprit").text().as_deref());
    alert.annotate("rule", data.at("triggered_rule").text().as_deref());
    alert.starts_at(event.at("datetime").moment(context.now));
    alert.url(links.iter().find_map(Field::text));
    alert.raw(event.value());
    Ok(Parsed { changes: vec![alert.fires()], ..Parsed::default() })
}

fn metric_alert(body: &Field<'_>, context: &Context<'_>) -> Result<Parsed, Unparsable> {
    let data = body.at("data");
    let incident = data.at("metric_alert");
    let id = incident.at("id").needed("the id of a metric alert")?;
    let mut alert = Builder::new(context.door, "sentry-metric-alert", &id);
    let rule = incident.at("alert_rule");
    let projects = [incident.at("projects"), rule.at("projects")];
    let project = projects.iter().find_map(|field| {
        let only = field.value().as_array().is_some_and(|names| names.len() == 1);
        only.then(|| field.pointed("/0").label().ok()?)?
    });
    alert.label("service", project.as_deref());
    alert.annotate("summary", data.at("description_title").text().as_deref());
    alert.annotate("description", data.at("description_text").text().as_deref());
    alert.annotate("rule", rule.at("name").text().as_deref());
    alert.starts_at(incident.at("date_started").moment(context.now));
    alert.url(data.at("web_url").text());
    alert.raw(incident.value());
    let action = body.at("action").needed("critical, warning or resolved")?;
    let change = match action.as_str() {
        "resolved" => {
            let at = incident.at("date_closed").moment(context.now);
            alert.changed(News::Ends { at })
        }
        // Any other word is a level, and one that nobody foresaw is not hidden.
        level => {
            alert.severity(Some(level));
            alert.fires()
        }
    };
    Ok(Parsed { changes: vec![change], ..Parsed::default() })
}

/// The project in the URL of an event: `…/api/0/projects/ORGANISATION/PROJECT/events/…`.
fn project_in(url: Option<&str>) -> Option<String> {
    let (_, rest) = url?.split_once("/projects/")?;
    let project = rest.split('/').nth(1)?;
    let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    (!project.is_empty() && project.len() <= 100 && project.chars().all(plain))
        .then(|| project.to_owned())
}
