//! Discord, Slack, Telegram.

use crate::decode::Context;
use crate::decode::channel::{api_url, http, required, url};
use crate::decode::interval::written;
use crate::fields::Fields;
use crate::settings::{ChannelKind, Secret};
use crate::web;

/// The hosts of Discord.
const DISCORD_HOSTS: [&str; 4] =
    ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];

/// The base of Slack's Web API.
pub(crate) const SLACK_API: &str = "https://slack.com/api";

/// The base of Telegram's bot API.
pub(crate) const TELEGRAM_API: &str = "https://api.telegram.org";

/// Reads `type: "discord"`.
pub(crate) fn discord(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    const FORM: &str = "it looks like https://discord.com/api/webhooks/ID/TOKEN; for anything else \
                        use the type webhook";
    let (at, url) = url(fields, cx)?;
    let parsed = match web::http_url(url) {
        Ok(parsed) => parsed,
        Err(why) => {
            cx.report
                .error(&at, format!("expected the URL of a Discord webhook, but {why}"))
                .hint(FORM);
            return None;
        }
    };
    let why = if !parsed.is_https {
        Some("it is not https, and its token would be readable on the way")
    } else if !DISCORD_HOSTS.contains(&parsed.host.as_str()) {
        Some("its host is not Discord's")
    } else if !is_webhook_path(&parsed.path) {
        Some("its path is not that of a webhook")
    } else {
        None
    };
    if let Some(why) = why {
        cx.report
            .warning(&at, format!("this is not the URL of a Discord webhook: {why}"))
            .hint(FORM);
    }
    Some(ChannelKind::Discord { webhook_url: Secret::new(url) })
}

/// `/api/webhooks/{id}/{token}`, with an optional version behind `api`.
fn is_webhook_path(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or(path);
    let mut parts = path.trim_matches('/').split('/').peekable();
    if parts.next() != Some("api") {
        return false;
    }
    parts.next_if(|part| {
        part.strip_prefix('v').is_some_and(|version| version.parse::<u8>().is_ok())
    });
    let rest: Vec<&str> = parts.collect();
    match &rest[..] {
        ["webhooks", id, token] => {
            let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            is_id && !token.is_empty()
        }
        _ => false,
    }
}

/// Reads `type: "slack"`: an incoming webhook, or the Web API.
pub(crate) fn slack(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    let token_at = fields.take("token");
    let Some(token_at) = token_at else {
        if let Some(at) = fields.take("channel") {
            cx.report
                .error(&at, "an incoming webhook has its own conversation")
                .hint("leave `channel` out, or add `token` and write through Slack's API");
        }
        fields.take_unlisted("api_url");
        let (at, url) = url(fields, cx)?;
        http(&at, url, "\"https://hooks.slack.com/services/T…/B…/…\"", cx)?;
        return Some(ChannelKind::SlackWebhook { webhook_url: Secret::new(url) });
    };
    for key in ["webhook_url", "url"] {
        if let Some(at) = fields.take(key) {
            cx.report
                .error(&at, format!("`token` and `{key}` are two ways to the same"))
                .hint("keep one of the two; messages can only be edited through `token`");
        }
    }
    let token = fields.text("token", &mut cx.report)?;
    if !token.starts_with("xox") && !token_at.node.text().is_some_and(crate::secret::is_stand_in) {
        cx.report
            .warning(&token_at, "this is not the token of a Slack bot")
            .hint("a bot's token begins with xoxb-");
    }
    let channel = required(fields, "channel", "such as \"C0123456789\" or \"#oncall\"", cx)?;
    let api_url = api_url(fields, "api_url", SLACK_API, cx)?;
    Some(ChannelKind::SlackApi {
        token: Secret::new(token),
        channel: channel.1.to_owned(),
        api_url,
    })
}

/// Reads `type: "telegram"`.
pub(crate) fn telegram(fields: &mut Fields<'_>, cx: &mut Context<'_>) -> Option<ChannelKind> {
    /// Numbers beyond it are not exact.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let token = required(fields, "token", "the token that @BotFather gave, from .env", cx);
    let chat = match fields.take("chat_id") {
        Some(at) => {
            let chat = written(&at, cx).filter(|text| is_chat(text));
            if chat.is_none() {
                cx.report
                    .expected(&at, "the id of a chat")
                    .hint("such as \"-1001234567890\", or \"@channelname\"");
            }
            chat
        }
        None => {
            cx.report
                .error(fields.at(), "the channel has no `chat_id`")
                .hint("such as \"-1001234567890\"");
            None
        }
    };
    let thread_at = fields.take("thread_id");
    let thread = fields.number("thread_id", &mut cx.report);
    let is_id = |number: &f64| number.fract() == 0.0 && (1.0..=EXACT_MAX).contains(number);
    if let (Some(at), Some(_)) = (&thread_at, thread.filter(|number| !is_id(number))) {
        cx.report.expected(at, "the id of a topic: a whole number above 0");
        return None;
    }
    let api_url = api_url(fields, "api_url", TELEGRAM_API, cx)?;
    let (at, token) = token?;
    let is_token = token.split_once(':').is_some_and(|(id, key)| {
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) && !key.is_empty()
    });
    if !is_token {
        cx.report
            .warning(&at, "this is not the token of a Telegram bot")
            .hint("it looks like 123456:ABC-DEF…");
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
    let thread_id = thread.map(|number| number as i64);
    Some(ChannelKind::Telegram { token: Secret::new(token), chat_id: chat?, thread_id, api_url })
}

/// `@name`, or a number that is below zero for groups.
pub(crate) fn is_chat(text: &str) -> bool {
    match text.strip_prefix('@') {
        Some(name) => {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        }
        None => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
    }
}
