//! Buttons below messages: a person in a chat takes care of an incident, or ends it.
//!
//! A service of chats tells of a pressed button over HTTP and proves who it is; then the change is
//! made durable, and only then answered.  A button carries `ack:INC-42` or `resolve:INC-42`.
//!
//! | path | proof |
//! |---|---|
//! | `/chat/slack` | HMAC-SHA256 over time and body |
//! | `/chat/discord` | Ed25519 over time and body |
//! | `/chat/telegram` | a secret in a header |

mod button;
pub(crate) mod discord;
mod proof;
pub(crate) mod slack;
pub(crate) mod telegram;
