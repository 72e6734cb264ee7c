//! `reporter`, first task: tells people what the outbox holds.
//!
//! A try is noted before it begins, so that a message whose sending was cut off by a crash is sent
//! again, under the same key, and says that it may be a repeat.  The journal gives at most one
//! message of each incident and channel at a time, oldest first, so their order holds.

use std::path::PathBuf;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use nightcrew_channels::channel::deliver;
use nightcrew_channels::console::Console;
use nightcrew_channels::message::{Message, Sending};
use nightcrew_channels::retry;
use nightcrew_journal::row::OutboxRow;
use nightcrew_model::event::{Delivery, Event};
use nightcrew_model::unit::Millis;
use nightcrew_report::record::Record;
use nightcrew_report::story;
use nightcrew_report::workspace::incident_path;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::time::sleep;

use crate::core::chain;
use crate::handle::Handle;
use crate::record;

/// How often the outbox is looked at when nothing is appended.
const LOOK: Millis = Millis(1_000);

/// How many messages are under way at a time.
const UNDER_WAY_MAX: usize = 8;

/// How long a try may take before another may begin.
const LEASE: Millis = Millis::from_secs(120);

/// The note of a try whose end is not known.
const UNDER_WAY: &str = "a try was begun and its end is not known";

pub(crate) struct Outbox {
    handle: Handle,
    console: Console,
    first: bool,
}

impl Outbox {
    pub(crate) fn new(handle: Handle, console: Console) -> Self {
        Self { handle, console, first: true }
    }

    async fn send_due(&mut self) -> Result<(), String> {
        let now = self.handle.clock().now();
        let due = self.handle.journal().outbox_due(now, UNDER_WAY_MAX).await;
        let due = due.map_err(|error| chain(&error))?;
        if due.is_empty() {
            // The first round is at once.
            if !std::mem::take(&mut self.first) {
                tokio::select! {
                    () = self.handle.0.message_queued.notified() => {}
                    () = sleep(LOOK.duration()) => {}
                }
            }
            return Ok(());
        }
        let mut sending: FuturesUnordered<_> =
            due.into_iter().map(|row| self.send(row, now)).collect();
        let mut trouble = Ok(());
        while let Some(sent) = sending.next().await {
            trouble = trouble.and(sent);
        }
        trouble
    }

    async fn send(&self, row: OutboxRow, now: Timestamp) -> Result<(), String> {
        let journal = self.handle.journal();
        let channels = &self.handle.settings().channels;
        let tries = row.attempts + 1;
        let delivery = match channels.iter().find(|channel| channel.name == row.channel) {
            None => Delivery::Permanent { error: "the channel is no longer configured".to_owned() },
            Some(channel) => {
                let message = self.message(&row).await?;
                // The intent before the effect.
                journal
                    .outbox_retry(row.notification, tries, LEASE.after(now), UNDER_WAY)
                    .await
                    .map_err(|error| chain(&error))?;
                let delivery = deliver(channel, &message, &self.handle.0.http, &self.console).await;
                retry::limited(delivery, tries)
            }
        };
        if let Delivery::Retry { after, error } = &delivery {
            let now = self.handle.clock().now();
            let next_at = retry::pause(tries, *after, row.notification.0).after(now);
            tracing::warn!(
                notification.id = %row.notification,
                "{} could not be delivered to {}: {error}", row.notification, row.channel,
            );
            let noted = journal.outbox_retry(row.notification, tries, next_at, error).await;
            return noted.map_err(|error| chain(&error));
        }
        let event = Event::Delivered { notification: row.notification, delivery };
        self.handle.submit(vec![event]).await.map(drop).map_err(|refusal| refusal.to_string())
    }

    async fn message(&self, row: &OutboxRow) -> Result<Message, String> {
        let record = record::load(&self.handle, row.incident).await?;
        let record = record.ok_or_else(|| format!("the journal has no {}", row.incident))?;
        let path = self.handle.settings().workspace_dir.join(incident_path(&record));
        Ok(compose(row, &record, path))
    }
}

fn compose(row: &OutboxRow, record: &Record, path: PathBuf) -> Message {
    let unknown_end = row.last_error.as_deref() == Some(UNDER_WAY);
    Message {
        notification: row.notification,
        kind: row.kind,
        incident: row.incident,
        key: record.key.clone(),
        severity: record.severity,
        at: row.queued_at,
        title: story::title(record, row.kind),
        summary: story::summary(record),
        story: story::story(record),
        record: Some(path),
        sending: if unknown_end { Sending::PossibleRepeat } else { Sending::First },
    }
}

impl Task for Outbox {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            let result = self.send_due().await;
            if result.is_err() {
                sleep(LOOK.duration()).await;
            }
            result
        })
    }
}
