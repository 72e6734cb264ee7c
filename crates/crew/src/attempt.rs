//! One try at one message, from its text to what came of it.

use std::sync::Arc;

use nightcrew_channels::channel::deliver;
use nightcrew_channels::console::Console;
use nightcrew_channels::message::Sending;
use nightcrew_channels::retry;
use nightcrew_config::settings::Channel;
use nightcrew_journal::row::OutboxRow;
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::id::{ChannelName, NotificationId};
use nightcrew_model::unit::Millis;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::compose::Composer;
use crate::core::chain;
use crate::handle::{Handle, Refusal};
use crate::lane::End;

/// How long a try may take; each channel bounds its own requests, and some make several.
pub const TRY_MAX: Millis = Millis::from_secs(60);

/// How long after the beginning of a try that was cut off another may begin.
pub const LEASE: Millis = Millis::from_secs(120);

/// The note of a try whose end is not known; what is known may follow.
pub(crate) const UNKNOWN_END: &str = "a try was begun and its end is not known";

/// How long is waited before an outcome that could not be stored is stored again.
const STORE_AGAIN: Millis = Millis(1_000);

/// One message that has room in its lane.
pub(crate) struct Attempt {
    pub(crate) handle: Handle,
    pub(crate) console: Console,
    pub(crate) composer: Arc<Mutex<Composer>>,
    /// Its channel; none: the settings no longer have it.
    pub(crate) channel: Option<Channel>,
    pub(crate) row: OutboxRow,
}

/// What became of a try.
pub(crate) struct Tried {
    pub(crate) channel: ChannelName,
    pub(crate) notification: NotificationId,
    pub(crate) end: End,
}

impl Attempt {
    /// Makes the try, and stores what came of it.
    pub(crate) async fn make(self) -> Tried {
        // Held until the outcome is stored: a stop of the crew waits for it.
        let _sending = self.handle.0.sending.read().await;
        let end = match self.send().await {
            Ok(end) => end,
            Err(why) => {
                let (id, channel) = (self.row.notification, &self.row.channel);
                tracing::warn!(notification.id = %id, "{id} for {channel} has to wait: {why}");
                self.untried(why).await
            }
        };
        let Self { row, .. } = &self;
        Tried { channel: row.channel.clone(), notification: row.notification, end }
    }

    /// Stores that nothing could be tried; for ever is not waited for it.
    async fn untried(&self, why: String) -> End {
        let tries = self.row.attempts + 1;
        match retry::limited(Delivery::Retry { after: None, error: why }, tries) {
            Delivery::Permanent { error } => {
                self.settle(Delivery::Permanent { error: error.clone() }).await;
                End::Never { error }
            }
            Delivery::Retry { error, .. } => {
                self.later(tries, None, &self.noted(error)).await;
                End::NotTried
            }
            Delivery::Delivered { .. } => End::NotTried,
        }
    }

    /// Whether a try before this one may have arrived.
    fn unknown(&self) -> bool {
        self.row.last_error.as_deref().is_some_and(|note| note.starts_with(UNKNOWN_END))
    }

    /// A note that keeps in mind whether a try may have arrived: every later one may be a repeat.
    fn noted(&self, error: String) -> String {
        if self.unknown() || retry::end_unknown(&error) {
            format!("{UNKNOWN_END}: {error}")
        } else {
            error
        }
    }

    /// An error says why nothing could be tried.
    async fn send(&self) -> Result<End, String> {
        let Some(channel) = &self.channel else {
            let error = "the channel is no longer configured".to_owned();
            self.settle(Delivery::Permanent { error: error.clone() }).await;
            return Ok(End::Never { error });
        };
        let (handle, row, tries) = (&self.handle, &self.row, self.row.attempts + 1);
        let now = handle.clock().now();
        let mut message = self.composer.lock().await.compose(handle, row, now).await?;
        // A newer message may have taken its place since it was read.
        let id = row.notification;
        let stands = handle.view(move |state, _, _| state.message(id).is_some()).await;
        if !stands.map_err(|refusal| refusal.to_string())? {
            return Err("the core does not know it any more".to_owned());
        }
        message.sending = if self.unknown() { Sending::PossibleRepeat } else { Sending::First };
        // The intent before the effect.
        let noted =
            handle.journal().outbox_retry(row.notification, tries, LEASE.after(now), UNKNOWN_END);
        noted.await.map_err(|error| chain(&error))?;
        let trying = deliver(channel, &message, &handle.0.http, &self.console);
        let delivery = timeout(TRY_MAX.duration(), trying).await.unwrap_or_else(|_| {
            Delivery::Retry { after: None, error: format!("no answer within {TRY_MAX}") }
        });
        Ok(self.note(channel, retry::limited(delivery, tries), tries).await)
    }

    /// Stores what came of a try.
    async fn note(&self, channel: &Channel, delivery: Delivery, tries: u32) -> End {
        match delivery {
            Delivery::Delivered { .. } => {
                self.settle(delivery).await;
                End::Sent
            }
            Delivery::Permanent { error } => {
                self.settle(Delivery::Permanent { error: error.clone() }).await;
                End::Never { error }
            }
            Delivery::Retry { after, error } => {
                let (id, name) = (self.row.notification, &channel.name);
                tracing::warn!(
                    notification.id = %id,
                    "{id} could not be delivered to {name}: {error}",
                );
                if channel.fallback.as_ref().is_some_and(|fallback| tries >= fallback.after) {
                    self.tell(Event::DeliveryStuck { notification: id }).await;
                }
                self.later(tries, after, &self.noted(error.clone())).await;
                End::Later { asked: after, error }
            }
        }
    }

    async fn settle(&self, delivery: Delivery) {
        self.tell(Event::Delivered { notification: self.row.notification, delivery }).await;
    }

    /// Tells the core what is in the world already: it must not be lost while the journal cannot
    /// be written.
    async fn tell(&self, event: Event) {
        loop {
            match self.handle.submit(vec![event.clone()]).await {
                Ok(_) | Err(Refusal::Stopping) => return,
                Err(refusal) => {
                    let id = self.row.notification;
                    tracing::warn!(notification.id = %id, "the outcome of {id} waits: {refusal}");
                    sleep(STORE_AGAIN.duration()).await;
                }
            }
        }
    }

    /// Notes when the next try is due.  Where that cannot be stored, the lease stands.
    async fn later(&self, tries: u32, asked: Option<Millis>, note: &str) {
        let now = self.handle.clock().now();
        let id = self.row.notification;
        let next_at = retry::pause(tries.max(1), asked, id.0).after(now);
        if let Err(error) = self.handle.journal().outbox_retry(id, tries, next_at, note).await {
            tracing::warn!(notification.id = %id, "the next try of {id} is not noted: {error}");
        }
    }
}
