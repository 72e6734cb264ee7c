//! How people are told.

use std::collections::BTreeMap;

use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::ChannelName;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use super::Secret;

/// One way to tell people.
#[derive(Clone, Debug, Serialize)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// What it is.
    pub kind: ChannelKind,
    /// Of what happens to incidents it is told.
    pub notify: Vec<NotificationKind>,
    /// Whether it is told that alerts of a group ended.
    pub send_resolved: bool,
    /// The channel that is told when this one cannot be reached.
    pub fallback: Option<Fallback>,
    /// How many messages it gets at most; none: as many as there are.
    pub rate: Option<Rate>,
}

/// Who is told when a channel cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fallback {
    /// The other channel.
    pub channel: ChannelName,
    /// After so many failed tries of one message.
    pub after: u32,
}

/// A limit over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// So many …
    pub messages: u32,
    /// … in this time.
    pub window: Millis,
}

/// What a channel is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// The standard output of `nightcrew up`.
    Console,
    /// A JSON POST to any URL.
    Webhook {
        /// Where.
        url: Secret,
        /// Extra headers.
        headers: BTreeMap<String, Secret>,
        /// What is posted.
        body: WebhookBody,
    },
    /// A Discord webhook.
    Discord {
        /// Its URL, which holds its token.
        webhook_url: Secret,
    },
    /// A Slack incoming webhook.
    SlackWebhook {
        /// Its URL, which holds its token.
        webhook_url: Secret,
    },
    /// Slack's Web API, whose messages can be edited.
    SlackApi {
        /// The bot's token (`xoxb-…`).
        token: Secret,
        /// The id or name of the conversation.
        channel: String,
        /// The base of the API, `https://slack.com/api` by default.
        api_url: String,
    },
    /// A Telegram bot.
    Telegram {
        /// Its token.
        token: Secret,
        /// The chat.
        chat_id: String,
        /// The topic in the chat.
        thread_id: Option<i64>,
        /// The base of the API, `https://api.telegram.org` by default.
        api_url: String,
    },
    /// `PagerDuty`, Events API v2.
    Pagerduty {
        /// The integration key.
        routing_key: Secret,
        /// The endpoint, `https://events.pagerduty.com/v2/enqueue` by default.
        url: String,
    },
    /// Opsgenie, or what speaks its alert API.
    Opsgenie {
        /// The key.
        api_key: Secret,
        /// The base of the API, `https://api.opsgenie.com` by default.
        api_url: String,
        /// Who is responsible: `team:NAME`, `user:NAME`, `escalation:NAME` or `schedule:NAME`.
        responders: Vec<String>,
        /// The tags of its alerts.
        tags: Vec<String>,
    },
    /// An issue at GitHub for each incident or group.
    Github {
        /// `owner/name`.
        repository: String,
        /// A token that may write issues.
        token: Secret,
        /// The base of the API, `https://api.github.com` by default.
        api_url: String,
        /// The labels of its issues.
        labels: Vec<String>,
        /// Who is assigned.
        assignees: Vec<String>,
    },
    /// Mail over SMTP.
    Email {
        /// `host:port` of the mail server.
        smarthost: String,
        /// How the connection is kept private.
        tls: SmtpTls,
        /// The user, where the server wants one.
        username: Option<String>,
        /// The user's password.
        password: Option<Secret>,
        /// From whom.
        from: String,
        /// To whom.
        to: Vec<String>,
    },
}

/// What a webhook posts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookBody {
    /// Our own schema, version 1.
    Nightcrew,
    /// Alertmanager's webhook, version 4.
    Alertmanager,
    /// A template (minijinja) that renders JSON.
    Template(String),
}

/// How a connection to a mail server is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// Not at all; for a server on this machine.
    None,
    /// `STARTTLS`, without which nothing is sent.
    Starttls,
    /// From the first byte on.
    Tls,
}
