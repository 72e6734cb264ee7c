//! A JSON POST to any URL.

use std::collections::BTreeMap;

use crate::decode::Context;
use crate::decode::channel::{http, url};
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::{ChannelKind, Secret, WebhookBody};
use crate::tree::{At, Value};

/// The longest template, in bytes.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 65_536;

/// Reads `type: "webhook"`.
pub(crate) fn webhook(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let headers_at = fields.take("headers");
    let headers = headers_at.map_or_else(BTreeMap::new, |at| headers(&at, cx));
    let body = body(fields, cx);
    let (at, url) = url(fields, cx)?;
    http(&at, url, "\"https://alerts.example.org/hook\"", cx)?;
    Some(ChannelKind::Webhook { url: Secret::new(url), headers, body: body? })
}

/// What is posted: `body`, or `template_file`.
fn body(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<WebhookBody> {
    let body_at = fields.take("body");
    let file_at = fields.take("template_file");
    let Some(at) = body_at else {
        return match file_at {
            Some(at) => template_file(&at, cx),
            None => Some(WebhookBody::Nightcrew),
        };
    };
    if let Some(file) = &file_at {
        cx.report
            .error(file, "`body` and `template_file` both say what is posted")
            .hint("keep one of the two");
        return None;
    }
    if let Value::Object(_) = at.node.value {
        let mut fields = Fields::open(&at, "an object", &mut cx.report)?;
        let template_at = fields.take("template");
        let template = fields.text("template", &mut cx.report).map(str::to_owned);
        let file_at = fields.take("template_file");
        fields.finish(&mut cx.report);
        return match (template_at, file_at) {
            (Some(at), None) => template_of(template?, &at, cx),
            (None, Some(file)) => template_file(&file, cx),
            _ => {
                cx.report.error(&at, "expected either `template` or `template_file`");
                None
            }
        };
    }
    let word = fields::text(&at, &mut cx.report)?;
    match word {
        "nightcrew" => Some(WebhookBody::Nightcrew),
        "alertmanager" => Some(WebhookBody::Alertmanager),
        _ => {
            let hint = suggestion(word, ["nightcrew", "alertmanager"]);
            cx.report
                .expected(&at, "\"nightcrew\", \"alertmanager\" or { template: \"…\" }")
                .hint(hint);
            None
        }
    }
}

fn template_file(at: &At<'_>, cx: &mut Context<'_>) -> Option<WebhookBody> {
    let written = fields::text(at, &mut cx.report)?;
    let text = cx.read_beside(written, at)?;
    template_of(text, at, cx)
}

fn template_of(template: String, at: &At<'_>, cx: &mut Context<'_>) -> Option<WebhookBody> {
    if template.len() > TEMPLATE_BYTES_MAX {
        cx.report.error(
            at,
            format!("the template has {} bytes; at most {TEMPLATE_BYTES_MAX}", template.len()),
        );
        return None;
    }
    Some(WebhookBody::Template(template))
}

fn headers(at: &At<'_>, cx: &mut Context<'_>) -> BTreeMap<String, Secret> {
    let mut headers = BTreeMap::new();
    for (name, at) in fields::named(at, "an object of headers", &mut cx.report) {
        // RFC 9110 section 5.6.2: a name is a token.
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            let place = Place::new(at.key_span, at.path.clone());
            cx.report.error(place, "expected the name of an HTTP header");
            continue;
        }
        let Some(value) = fields::text(&at, &mut cx.report) else {
            continue;
        };
        if !value.chars().all(|c| matches!(c, ' '..='~' | '\t')) {
            cx.report
                .error(&at, "expected the value of an HTTP header: printable ASCII on one line");
            continue;
        }
        headers.insert(name.to_owned(), Secret::new(value));
    }
    headers
}
