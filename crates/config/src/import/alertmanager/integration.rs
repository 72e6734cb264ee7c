//! The integrations of receivers: what each needs to become a channel.

use std::collections::BTreeMap;

use crate::decode::Context;
use crate::decode::channel::chat::{SLACK_API, TELEGRAM_API, is_chat};
use crate::decode::channel::mail::{is_address, plain_password};
use crate::decode::channel::ticket::{OPSGENIE_API, PAGERDUTY_URL};
use crate::fields::Fields;
use crate::import::alertmanager::global::Global;
use crate::import::alertmanager::{cannot, left_out};
use crate::import::scalar;
use crate::problem::Place;
use crate::settings::{ChannelKind, Secret, SmtpTls, WebhookBody};
use crate::tree::At;
use crate::web;

const CONTENT: &str = "the wording of messages is Nightcrew's own";
const CONTENT_INSTEAD: &str = "for a wording of your own, use a webhook with a `template`";
const HTTP: &str = "settings of the HTTP client are not carried over";
const HTTP_INSTEAD: &str = "let the crew reach it directly, and the machine trust its certificate";

/// The end of Slack's URL to which Alertmanager posts with a bot's token.
const POST_MESSAGE: &str = "/chat.postMessage";

fn url_is_good(place: impl Into<Place>, url: &str, cx: &mut Context<'_>) -> Option<()> {
    match web::http_url(url) {
        Ok(_) => Some(()),
        Err(why) => {
            cx.report.error(place, format!("expected an HTTP URL, but {why}"));
            None
        }
    }
}

/// Tells of a key that neither the receiver nor `global` has.
fn missing(fields: &Fields<'_>, key: &str, hint: &str, cx: &mut Context<'_>) {
    cx.report.error(fields.at(), format!("nothing says the `{key}`")).hint(hint);
}

/// `http_config` of a kind that needs nothing of it.
fn no_http(fields: &mut Fields<'_>, cx: &mut Context<'_>) {
    left_out(fields, &["http_config"], HTTP, HTTP_INSTEAD, cx);
}

/// What `http_config` authorizes with, as the value of the header; the rest of it is listed.
fn authorization(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<(String, String)> {
    let at = fields.take("http_config")?;
    let mut inner = Fields::open(&at, "an object", &mut cx.report)?;
    let mut found = scalar::secret_of(&mut inner, "bearer_token", cx)
        .map(|(_, token)| ("Bearer".to_owned(), token));
    if let Some(at) = inner.take("authorization")
        && let Some(mut fields) = Fields::open(&at, "an object", &mut cx.report)
    {
        let kind = scalar::text_of(&mut fields, "type", cx).map(|(_, text)| text);
        let secret = scalar::secret_of(&mut fields, "credentials", cx);
        fields.finish(&mut cx.report);
        let kind = kind.unwrap_or_else(|| "Bearer".to_owned());
        found = secret.map(|(_, secret)| (kind, secret)).or(found);
    }
    left_out(
        &mut inner,
        &["basic_auth"],
        "a user and a password are not carried over",
        "write them into the URL: https://USER:PASSWORD@HOST/",
        cx,
    );
    let rest = [
        "oauth2",
        "tls_config",
        "proxy_url",
        "no_proxy",
        "proxy_from_environment",
        "proxy_connect_header",
        "enable_http2",
        "follow_redirects",
        "http_headers",
    ];
    left_out(&mut inner, &rest, HTTP, HTTP_INSTEAD, cx);
    inner.finish_with(&mut cx.report, |_| crate::problem::Severity::Warning);
    found
}

/// `webhook_configs`.
pub(super) fn webhook(
    fields: &mut Fields<'_>,
    _: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let url = scalar::secret_of(fields, "url", cx);
    let mut headers = BTreeMap::new();
    if let Some((kind, secret)) = authorization(fields, cx) {
        headers.insert("Authorization".to_owned(), Secret::new(format!("{kind} {secret}")));
    }
    left_out(fields, &["payload"], CONTENT, CONTENT_INSTEAD, cx);
    let limits = ["max_alerts", "timeout"];
    left_out(fields, &limits, "the limits of a message are Nightcrew's own", "leave it out", cx);
    let Some((at, url)) = url else {
        if !fields.has("url") && !fields.has("url_file") {
            missing(fields, "url", "such as http://127.0.0.1:5001/", cx);
        }
        return None;
    };
    url_is_good(&at, &url, cx)?;
    Some(ChannelKind::Webhook { url: Secret::new(url), headers, body: WebhookBody::Alertmanager })
}

/// `discord_configs`.
pub(super) fn discord(
    fields: &mut Fields<'_>,
    _: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let url = scalar::secret_of(fields, "webhook_url", cx);
    let content = ["title", "message", "content", "username", "avatar_url"];
    left_out(fields, &content, CONTENT, CONTENT_INSTEAD, cx);
    no_http(fields, cx);
    let Some((at, url)) = url else {
        if !fields.has("webhook_url") && !fields.has("webhook_url_file") {
            missing(fields, "webhook_url", "the URL of the webhook", cx);
        }
        return None;
    };
    url_is_good(&at, &url, cx)?;
    Some(ChannelKind::Discord { webhook_url: Secret::new(url) })
}

/// `slack_configs`: an incoming webhook, or the Web API where a bot's token is given.
pub(super) fn slack(
    fields: &mut Fields<'_>,
    global: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let url = scalar::secret_of(fields, "api_url", cx).map(|(at, url)| (Place::from(&at), url));
    let own_token = scalar::secret_of(fields, "app_token", cx).map(|(_, token)| token);
    let app_url = scalar::text_of(fields, "app_url", cx).map(|(_, url)| url);
    let channel = scalar::text_of(fields, "channel", cx);
    let bearer = authorization(fields, cx);
    let content = [
        "actions",
        "blocks",
        "callback_id",
        "color",
        "fallback",
        "fields",
        "footer",
        "icon_emoji",
        "icon_url",
        "image_url",
        "link_names",
        "message_text",
        "mrkdwn_in",
        "pretext",
        "short_fields",
        "text",
        "thumb_url",
        "title",
        "title_link",
        "username",
    ];
    left_out(fields, &content, CONTENT, CONTENT_INSTEAD, cx);
    let limits = ["timeout", "update_message"];
    left_out(fields, &limits, "this is Nightcrew's own decision", "leave it out", cx);
    let url = match (url, own_token.as_ref()) {
        (Some(url), _) => Some(url),
        (None, Some(_)) => None,
        (None, None) => global.slack_url.clone(),
    };
    let token = own_token.or_else(|| global.slack_token.clone().filter(|_| url.is_none()));
    let through_api = match (&url, token, bearer) {
        (None, Some(token), _) => {
            let base = app_url.or_else(|| global.slack_app_url.clone());
            let base = base.unwrap_or_else(|| SLACK_API.to_owned());
            Some((token, base))
        }
        (Some((_, url)), _, Some((_, token))) if url.ends_with(POST_MESSAGE) => {
            Some((token, url.clone()))
        }
        _ => None,
    };
    if let Some((token, base)) = through_api {
        let base = base.trim_end_matches(POST_MESSAGE).trim_end_matches('/').to_owned();
        url_is_good(fields.at(), &base, cx)?;
        let Some((_, channel)) = channel else {
            missing(fields, "channel", "such as \"#oncall\"", cx);
            return None;
        };
        return Some(ChannelKind::SlackApi { token: Secret::new(token), channel, api_url: base });
    }
    let Some((place, url)) = url else {
        missing(fields, "api_url", "or `slack_api_url` in `global`", cx);
        return None;
    };
    if let Some((at, _)) = channel {
        let why = "an incoming webhook has its own conversation, so `channel` chooses nothing";
        cannot(&at, why, "make one webhook for each conversation, or use a bot's token", cx);
    }
    url_is_good(place, &url, cx)?;
    Some(ChannelKind::SlackWebhook { webhook_url: Secret::new(url) })
}

/// `telegram_configs`.
pub(super) fn telegram(
    fields: &mut Fields<'_>,
    global: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let token = scalar::secret_of(fields, "bot_token", cx).map(|(_, token)| token);
    let token = token.or_else(|| global.telegram_token.clone());
    let chat = scalar::secret_of(fields, "chat_id", cx);
    let thread = scalar::text_of(fields, "message_thread_id", cx);
    let api_url = scalar::text_of(fields, "api_url", cx).map(|(_, url)| url);
    let content = ["message", "parse_mode", "disable_notifications"];
    left_out(fields, &content, CONTENT, CONTENT_INSTEAD, cx);
    no_http(fields, cx);
    if token.is_none() {
        missing(fields, "bot_token", "the token that @BotFather gave", cx);
    }
    let Some((chat_at, chat_id)) = chat else {
        missing(fields, "chat_id", "such as -1001234567890", cx);
        return None;
    };
    if !is_chat(&chat_id) {
        cx.report.expected(&chat_at, "the id of a chat").hint("such as -1001234567890");
        return None;
    }
    let thread_id = match thread {
        Some((at, text)) => match text.parse::<i64>() {
            Ok(thread) => Some(thread).filter(|thread| *thread != 0),
            Err(_) => {
                cx.report.expected(&at, "the id of a topic: a whole number");
                return None;
            }
        },
        None => None,
    };
    let api_url = api_url.or_else(|| global.telegram_url.clone());
    let api_url = api_url.unwrap_or_else(|| TELEGRAM_API.to_owned());
    url_is_good(fields.at(), &api_url, cx)?;
    let api_url = api_url.trim_end_matches('/').to_owned();
    Some(ChannelKind::Telegram { token: Secret::new(token?), chat_id, thread_id, api_url })
}

/// `pagerduty_configs`: those of the Events API v2.
pub(super) fn pagerduty(
    fields: &mut Fields<'_>,
    global: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let key = scalar::secret_of(fields, "routing_key", cx);
    let service_at = fields.take("service_key").or_else(|| fields.take("service_key_file"));
    let url = scalar::text_of(fields, "url", cx);
    let content = [
        "class",
        "client",
        "client_url",
        "component",
        "description",
        "details",
        "group",
        "images",
        "links",
        "severity",
        "source",
    ];
    left_out(fields, &content, CONTENT, CONTENT_INSTEAD, cx);
    left_out(fields, &["timeout"], "this is Nightcrew's own decision", "leave it out", cx);
    no_http(fields, cx);
    match (&key, &service_at) {
        (Some(_), None) => {}
        (Some(_), Some(at)) => {
            cx.report
                .error(at, "`routing_key` and `service_key` are two ways to the same")
                .hint("keep `routing_key`");
            return None;
        }
        (None, Some(at)) => {
            let why =
                "a service key is of PagerDuty's Events API v1; the receiver exists without it";
            cannot(
                at,
                why,
                "add an integration of the Events API v2 and write its `routing_key`",
                cx,
            );
            return None;
        }
        (None, None) => {
            if !fields.has("routing_key") && !fields.has("routing_key_file") {
                missing(fields, "routing_key", "the integration key of the service", cx);
            }
            return None;
        }
    }
    let url = url.map(|(_, url)| url).or_else(|| global.pagerduty_url.clone());
    let url = url.unwrap_or_else(|| PAGERDUTY_URL.to_owned());
    url_is_good(fields.at(), &url, cx)?;
    Some(ChannelKind::Pagerduty { routing_key: Secret::new(key?.1), url })
}

/// `opsgenie_configs`.
pub(super) fn opsgenie(
    fields: &mut Fields<'_>,
    global: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let key = scalar::secret_of(fields, "api_key", cx).map(|(_, key)| key);
    let key = key.or_else(|| global.opsgenie_key.clone());
    let url = scalar::text_of(fields, "api_url", cx).map(|(_, url)| url);
    let url = url.or_else(|| global.opsgenie_url.clone());
    let mut responders = Vec::new();
    if let Some(at) = fields.take("responders") {
        responders = scalar::items(&at, cx).iter().filter_map(|at| responder(at, cx)).collect();
    }
    let tags = scalar::text_of(fields, "tags", cx).map(|(_, tags)| tags).unwrap_or_default();
    let content =
        ["actions", "description", "details", "entity", "message", "note", "priority", "source"];
    left_out(fields, &content, CONTENT, CONTENT_INSTEAD, cx);
    left_out(fields, &["update_alerts"], "this is Nightcrew's own decision", "leave it out", cx);
    no_http(fields, cx);
    let Some(key) = key else {
        missing(fields, "api_key", "or `opsgenie_api_key` in `global`", cx);
        return None;
    };
    let url = url.unwrap_or_else(|| OPSGENIE_API.to_owned());
    url_is_good(fields.at(), &url, cx)?;
    Some(ChannelKind::Opsgenie {
        api_key: Secret::new(key),
        api_url: url.trim_end_matches('/').to_owned(),
        responders,
        tags: tags
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// Somebody who is responsible: `team:NAME` or `user:NAME`; those that are known by an id only
/// are listed.
fn responder(at: &At<'_>, cx: &mut Context<'_>) -> Option<String> {
    let mut fields = Fields::open(at, "an object with `type`", &mut cx.report)?;
    let kind = scalar::text_of(&mut fields, "type", cx);
    let name = scalar::text_of(&mut fields, "name", cx);
    let user = scalar::text_of(&mut fields, "username", cx);
    let id = scalar::text_of(&mut fields, "id", cx);
    fields.finish(&mut cx.report);
    let Some((kind_at, kind)) = kind else {
        cx.report
            .error(at, "the responder has no `type`")
            .hint("team, user, escalation or schedule");
        return None;
    };
    if !["team", "user", "escalation", "schedule"].contains(&kind.as_str()) {
        cannot(&kind_at, "responders of this type are not carried over", "name one team each", cx);
        return None;
    }
    match name.or(user) {
        Some((_, name)) => Some(format!("{kind}:{name}")),
        None => {
            let at = id.map_or_else(|| at.clone(), |(at, _)| at);
            cannot(&at, "a responder is known by its name here", "write its `name`", cx);
            None
        }
    }
}

/// `email_configs`.
pub(super) fn email(
    fields: &mut Fields<'_>,
    global: &Global,
    cx: &mut Context<'_>,
) -> Option<ChannelKind> {
    let placed = |(at, text): (At<'_>, String)| (Place::from(&at), text);
    let to = scalar::text_of(fields, "to", cx);
    let from = scalar::text_of(fields, "from", cx).map(placed).or_else(|| global.from.clone());
    let smarthost = scalar::text_of(fields, "smarthost", cx).map(placed);
    let smarthost = smarthost.or_else(|| global.smarthost.clone());
    let username = scalar::text_of(fields, "auth_username", cx).map(|(_, text)| text);
    let username = username.or_else(|| global.username.clone());
    let password = scalar::secret_of(fields, "auth_password", cx).map(|(_, text)| text);
    let password = password.or_else(|| global.password.clone());
    let require_tls = scalar::boolean(fields, "require_tls", cx).or(global.require_tls);
    left_out(fields, &["headers", "html", "text", "threading"], CONTENT, CONTENT_INSTEAD, cx);
    let why = "settings of TLS are not carried over";
    left_out(fields, &["tls_config"], why, "let the machine trust the certificate", cx);
    left_out(
        fields,
        &["hello", "auth_identity", "auth_secret", "auth_secret_file", "force_implicit_tls"],
        "mail is sent with a user and a password, and the name of this machine",
        "use `auth_username` and `auth_password`",
        cx,
    );
    let Some((place, smarthost)) = smarthost else {
        missing(fields, "smarthost", "or `smtp_smarthost` in `global`", cx);
        return None;
    };
    let Some((from_place, from)) = from else {
        missing(fields, "from", "or `smtp_from` in `global`", cx);
        return None;
    };
    let Some((to_at, to)) = to else {
        missing(fields, "to", "whom the mail is for", cx);
        return None;
    };
    let (host, port) = match web::address(&smarthost) {
        Ok(address) => address,
        Err(why) => {
            cx.report
                .error(place, format!("expected the host and port of a mail server, but {why}"));
            return None;
        }
    };
    if !is_address(&from) {
        cx.report.error(from_place, "expected a mail address");
        return None;
    }
    let to: Vec<String> = to.split(',').map(|to| to.trim().to_owned()).collect();
    if !to.iter().all(|to| is_address(to)) {
        cx.report.expected(&to_at, "mail addresses, a comma between them");
        return None;
    }
    let tls = match (port, require_tls.unwrap_or(true)) {
        (465, _) => SmtpTls::Tls,
        (_, true) => SmtpTls::Starttls,
        (_, false) => SmtpTls::None,
    };
    if tls == SmtpTls::None && password.is_some() {
        plain_password(&host, place, cx);
    }
    // A user without a password is no login, as in Alertmanager.
    let username = username.filter(|_| password.is_some());
    let password = password.filter(|_| username.is_some()).map(Secret::new);
    Some(ChannelKind::Email { smarthost, tls, username, password, from, to })
}
