//! A receiver of webhooks that takes any JSON.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::desk::{Answer, Desk, Received, Ruling, Server, Service, over_http};

/// A receiver of webhooks.
#[derive(Clone, Debug, Default)]
pub struct Webhook {
    desk: Arc<Desk>,
    server: Option<Arc<Server>>,
}

over_http!(Webhook);

impl Service for Webhook {
    fn check(&self, received: &Received, bytes: &[u8]) -> Result<(), Ruling> {
        let kind = received.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/json") {
            let why = format!("the content type is `{kind}`");
            return Err(Ruling::refused(why, |why| Answer::new(415, why)));
        }
        if serde_json::from_slice::<serde_json::Value>(bytes).is_err() {
            return Err(Ruling::refused("no JSON", |why| Answer::new(400, why)));
        }
        Ok(())
    }

    fn take(&self, _: &Received) -> Ruling {
        Ruling::Taken(Answer::new(200, "ok"))
    }

    fn rate_limited(&self, after: Duration) -> Answer {
        Answer::new(429, "slow down").header("retry-after", after.as_secs())
    }

    fn error(&self, _: &Received) -> Answer {
        Answer::json(422, &json!({"error": "unknown_field"}))
    }
}
