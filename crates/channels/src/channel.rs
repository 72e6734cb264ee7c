//! One try at telling one message through one configured channel.

use nightcrew_config::settings::{Channel, ChannelKind};
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::Http;

use crate::console::Console;
use crate::email::Post;
use crate::github::Tracker;
use crate::message::Message;
use crate::opsgenie::Integration;
use crate::slack_api::Conversation;
use crate::telegram::Chat;
use crate::webhook::Webhook;
use crate::{discord, email, github, opsgenie, pagerduty, slack, slack_api, telegram, webhook};

/// Makes one try.  It ends by itself: each channel bounds its own requests.  Whether the channel
/// wants messages of this kind was decided before the message was queued.
///
/// No error text holds a URL, a token or a configured header.
pub async fn deliver(
    channel: &Channel,
    message: &Message,
    http: &Http,
    console: &Console,
) -> Delivery {
    let message = message.presentable();
    match &channel.kind {
        ChannelKind::Console => console.show(&message).await,
        ChannelKind::Webhook { url, headers, body } => {
            webhook::deliver(&Webhook { url, headers, body }, &message, http).await
        }
        ChannelKind::Discord { webhook_url } => discord::deliver(webhook_url, &message, http).await,
        ChannelKind::SlackWebhook { webhook_url } => {
            slack::deliver(webhook_url, &message, http).await
        }
        ChannelKind::SlackApi { token, channel, api_url } => {
            slack_api::deliver(&Conversation { token, channel, api_url }, &message, http).await
        }
        ChannelKind::Telegram { token, chat_id, thread_id, api_url } => {
            let chat = Chat { token, chat_id, thread_id: *thread_id, api_url };
            telegram::deliver(&chat, &message, http).await
        }
        ChannelKind::Pagerduty { routing_key, url } => {
            pagerduty::deliver(url, routing_key, &message, http).await
        }
        ChannelKind::Opsgenie { api_key, api_url, responders, tags } => {
            let integration = Integration { api_key, api_url, responders, tags };
            opsgenie::deliver(&integration, &message, http).await
        }
        ChannelKind::Github { repository, token, api_url, labels, assignees } => {
            let tracker = Tracker { repository, token, api_url, labels, assignees };
            github::deliver(&tracker, &message, http).await
        }
        ChannelKind::Email { smarthost, tls, username, password, from, to } => {
            let post = Post {
                smarthost,
                tls: *tls,
                username: username.as_deref(),
                password: password.as_ref(),
                from,
                to,
            };
            email::deliver(&post, &message).await
        }
    }
}
