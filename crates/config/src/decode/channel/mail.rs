//! Mail over SMTP.

use std::net::IpAddr;

use crate::decode::Context;
use crate::decode::channel::required;
use crate::fields::{self, Fields};
use crate::nearest::suggestion;
use crate::problem::Place;
use crate::settings::{ChannelKind, Secret, SmtpTls};
use crate::tree::{At, Value};
use crate::web;

/// The port on which TLS begins with the first byte (RFC 8314).
const PORT_TLS: u16 = 465;

/// The largest number of receivers of one mail.
const RECEIVERS_MAX: usize = 50;

/// Reads `type: "email"`.
pub(crate) fn email(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let smarthost = required(fields, "smarthost", "such as \"smtp.example.org:587\"", cx);
    let tls_at = fields.take("tls");
    let tls = fields.text("tls", &mut cx.report);
    let username = fields.text("username", &mut cx.report).map(str::to_owned);
    let password_at = fields.take("password");
    let password = fields.text("password", &mut cx.report);
    let from = required(fields, "from", "such as \"nightcrew@example.org\"", cx);
    let from = from.and_then(|(at, text)| address(text, &at, cx));
    let to = match fields.take("to") {
        Some(at) => receivers(&at, cx),
        None => {
            cx.report
                .error(fields.at(), "the channel has no `to`")
                .hint("add whom the mail is for");
            None
        }
    };
    let (host_at, smarthost) = smarthost?;
    let (host, port) = match web::address(smarthost) {
        Ok(address) => address,
        Err(why) => {
            cx.report
                .error(&host_at, format!("expected the host and port of a mail server, but {why}"))
                .hint("such as \"smtp.example.org:587\"");
            return None;
        }
    };
    let tls = match (&tls_at, tls) {
        (None, _) if port == PORT_TLS => SmtpTls::Tls,
        (None, _) => SmtpTls::Starttls,
        (Some(_), None) => return None,
        (Some(_), Some("none")) => SmtpTls::None,
        (Some(_), Some("starttls")) => SmtpTls::Starttls,
        (Some(_), Some("tls")) => SmtpTls::Tls,
        (Some(at), Some(other)) => {
            let hint = suggestion(other, ["starttls", "tls", "none"]);
            cx.report.expected(at, "how the connection is kept private").hint(hint);
            return None;
        }
    };
    if let Some(at) = password_at.as_ref().filter(|_| username.is_none()) {
        cx.report.error(at, "there is a password, but no `username`");
    }
    if let Some(at) = password_at.as_ref().filter(|_| tls == SmtpTls::None) {
        plain_password(&host, at, cx);
    }
    Some(ChannelKind::Email {
        smarthost: smarthost.to_owned(),
        tls,
        username,
        password: password.map(Secret::new),
        from: from?,
        to: to?,
    })
}

/// Tells of a password that would be readable on the way.
pub(crate) fn plain_password(host: &str, place: impl Into<Place>, cx: &mut Context<'_>) {
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !is_here {
        cx.report
            .warning(place, "the password goes over the network as plain text")
            .hint("write `tls: \"starttls\"` or `tls: \"tls\"`");
    }
}

/// One address or a list of them.
fn receivers(at: &At<'_>, cx: &mut Context<'_>) -> Option<Vec<String>> {
    let texts = match &at.node.value {
        Value::Text(_) => vec![(at.clone(), fields::text(at, &mut cx.report)?)],
        _ => fields::texts(at, &mut cx.report),
    };
    let found: Vec<String> = texts.iter().filter_map(|(at, text)| address(text, at, cx)).collect();
    if found.is_empty() || found.len() > RECEIVERS_MAX {
        cx.report.expected(at, &format!("1 to {RECEIVERS_MAX} addresses"));
        return None;
    }
    Some(found)
}

/// `someone@example.org`, or `Name <someone@example.org>`.
fn address(text: &str, at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    if is_address(text) {
        return Some(text.to_owned());
    }
    cx.report.expected(at, "a mail address").hint("such as \"Nightcrew <nightcrew@example.org>\"");
    None
}

/// Whether the text can be an address; the mail server knows whether it is one.
pub(crate) fn is_address(text: &str) -> bool {
    let bare = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((_, inner)) => inner,
        None => text,
    };
    let one_line = !text.chars().any(char::is_control);
    let parts = bare.rsplit_once('@');
    one_line
        && !bare.contains([' ', '<', '>', ','])
        && parts.is_some_and(|(local, host)| !local.is_empty() && !host.is_empty())
}
