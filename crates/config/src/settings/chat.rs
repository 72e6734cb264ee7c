//! Services of chats whose buttons are believed.

use serde::Serialize;

use super::Secret;

/// How each service proves that a pressed button is really its own; a service that is not named
/// has no door.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Chat {
    /// The signing secret of a Slack app; its interactivity URL ends in `/chat/slack`.
    pub slack: Option<Secret>,
    /// The public key of a Discord application; its interactions URL ends in `/chat/discord`.
    pub discord: Option<[u8; 32]>,
    /// The `secret_token` with which the webhook of a Telegram bot was set; its URL ends in
    /// `/chat/telegram`.
    pub telegram: Option<Secret>,
}
