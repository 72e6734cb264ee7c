//! One try at telling one message through one configured channel.

use nightcrew_config::settings::{Channel, ChannelKind};
use nightcrew_model::event::Delivery;
use nightcrew_runtime::http::Http;

use crate::console::Console;
use crate::message::Message;
use crate::{discord, webhook};

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
        ChannelKind::Webhook { url, headers } => {
            webhook::deliver(url, headers, &message, http).await
        }
        ChannelKind::Discord { webhook_url } => discord::deliver(webhook_url, &message, http).await,
    }
}
