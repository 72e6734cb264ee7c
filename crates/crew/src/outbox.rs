//! `reporter`, first task: tells people what the outbox holds.
//!
//! A try is noted before it begins, so that a message whose sending was cut off by a crash is sent
//! again, under the same key, and says that it may be a repeat.  The journal gives at most one
//! message of each subject and channel at a time, oldest first, so their order holds.  Each
//! channel has a lane of its own (module `lane`).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use nightcrew_channels::console::Console;
use nightcrew_config::settings::{Channel, Settings};
use nightcrew_journal::entry::Position;
use nightcrew_journal::limit::{ENTRIES_MAX, ROWS_MAX};
use nightcrew_journal::row::OutboxRow;
use nightcrew_model::decision::Fact;
use nightcrew_model::event::Event;
use nightcrew_model::id::{ChannelName, NotificationId};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::attempt::{Attempt, LEASE, Tried, UNKNOWN_END};
use crate::compose::Composer;
use crate::core::chain;
use crate::handle::Handle;
use crate::lane::{End, Lane, WaitsFor};

/// How often the outbox is looked at when nothing is appended.
const LOOK: Millis = Millis(1_000);

/// How many entries of the log are read at the start for what was sent lately.
const RECENT_MAX: u64 = ENTRIES_MAX as u64;

/// How many messages of a channel are at hand.
const READY_MAX: usize = 32;

/// How many messages of a channel that takes nothing are given to its fallback in one look.
const STUCK_PER_LOOK_MAX: usize = 100;

/// How many messages that were given to a fallback are remembered.
const STUCK_MAX: usize = 10_000;

pub(crate) struct Outbox {
    handle: Handle,
    console: Console,
    composer: Arc<Mutex<Composer>>,
    lanes: BTreeMap<ChannelName, Lane>,
    under_way: FuturesUnordered<Boxed<'static, Tried>>,
    taken: HashSet<NotificationId>,
    /// The messages that are due and wait for room, by channel; no list is empty.
    ready: BTreeMap<ChannelName, VecDeque<OutboxRow>>,
    /// The messages of which the core was told that they are stuck.
    stuck: HashSet<NotificationId>,
    first: bool,
}

impl Outbox {
    /// Begins with what was sent lately, so that a restart does not lift a channel's limit.
    pub(crate) async fn new(handle: Handle, console: Console) -> Result<Self, String> {
        let mut outbox = Self {
            composer: Arc::new(Mutex::new(Composer::new())),
            lanes: BTreeMap::new(),
            under_way: FuturesUnordered::new(),
            taken: HashSet::new(),
            ready: BTreeMap::new(),
            stuck: HashSet::new(),
            first: true,
            handle,
            console,
        };
        outbox.configure(&outbox.handle.settings());
        let journal = outbox.handle.journal().clone();
        let head = journal.last_position();
        let recent = journal.read(Position(head.0.saturating_sub(RECENT_MAX)), ENTRIES_MAX).await;
        for entry in recent.map_err(|error| chain(&error))? {
            if let Fact::NotificationDelivered { channel, .. } = &entry.decision.fact
                && let Some(lane) = outbox.lanes.get_mut(channel)
            {
                lane.remember(entry.decision.at);
            }
        }
        outbox.release_cut_off().await?;
        outbox.publish();
        Ok(outbox)
    }

    /// Whoever began a try that has no end yet is gone: nobody waits for the rest of its lease.
    async fn release_cut_off(&mut self) -> Result<(), String> {
        let (journal, now) = (self.handle.journal(), self.handle.clock().now());
        let soon = journal.outbox_due_each(LEASE.after(now), ROWS_MAX, BTreeSet::new()).await;
        for row in soon.map_err(|error| chain(&error))? {
            if row.last_error.as_deref() == Some(UNKNOWN_END) {
                let again = journal.outbox_retry(row.notification, row.attempts, now, UNKNOWN_END);
                again.await.map_err(|error| chain(&error))?;
            }
        }
        Ok(())
    }

    fn configure(&mut self, settings: &Settings) {
        let now = self.handle.clock().now();
        for channel in &settings.channels {
            self.lane(&channel.name, now).configure(channel);
        }
    }

    fn lane(&mut self, channel: &ChannelName, now: Timestamp) -> &mut Lane {
        let make = || Lane::new(channel.clone(), now);
        self.lanes.entry(channel.clone()).or_insert_with(make)
    }

    async fn work(&mut self) -> Result<(), String> {
        let begun = self.begin_due().await;
        self.publish();
        if std::mem::take(&mut self.first) {
            // The first round is at once.
            return begun;
        }
        let pause = self.pause();
        tokio::select! {
            Some(tried) = self.under_way.next() => self.ended(tried),
            () = self.handle.0.message_queued.notified(), if begun.is_ok() => {}
            () = sleep(pause.duration()) => {}
        }
        begun
    }

    /// How long there is nothing to do unless something happens.
    fn pause(&self) -> Millis {
        let now = self.handle.clock().now();
        let waits = self.lanes.values().filter_map(|lane| lane.stats().waits);
        let next = waits.map(|wait| Millis::between(now, wait.until.max(now))).min();
        next.map_or(LOOK, |next| next.min(LOOK)).max(Millis(1))
    }

    /// Begins every message that is due and finds room.
    async fn begin_due(&mut self) -> Result<(), String> {
        let settings = self.handle.settings();
        self.configure(&settings);
        let now = self.handle.clock().now();
        self.begin_ready(&settings, now);
        // Only a lane with room and nothing at hand asks the journal.
        let sated: BTreeSet<ChannelName> = self
            .lanes
            .iter_mut()
            .filter_map(|(channel, lane)| {
                let sated = lane.room(now) == 0 || self.ready.contains_key(channel);
                sated.then(|| channel.clone())
            })
            .collect();
        let due = self.handle.journal().outbox_due_each(now, READY_MAX, sated).await;
        for row in due.map_err(|error| chain(&error))? {
            if !self.taken.contains(&row.notification) {
                self.ready.entry(row.channel.clone()).or_default().push_back(row);
            }
        }
        self.begin_ready(&settings, now);
        self.give_to_fallbacks(&settings, now).await
    }

    /// Begins what is at hand and finds room.
    fn begin_ready(&mut self, settings: &Settings, now: Timestamp) {
        let mut ready = std::mem::take(&mut self.ready);
        for (channel, rows) in &mut ready {
            while !rows.is_empty() && self.lane(channel, now).take(now) {
                if let Some(row) = rows.pop_front() {
                    self.begin(row, settings);
                }
            }
        }
        ready.retain(|_, rows| !rows.is_empty());
        self.ready = ready;
    }

    fn begin(&mut self, row: OutboxRow, settings: &Settings) {
        self.taken.insert(row.notification);
        let attempt = Attempt {
            channel: settings.channels.iter().find(|known| known.name == row.channel).cloned(),
            handle: self.handle.clone(),
            console: self.console.clone(),
            composer: self.composer.clone(),
            row,
        };
        self.under_way.push(Box::pin(attempt.make()));
    }

    fn ended(&mut self, tried: Tried) {
        let now = self.handle.clock().now();
        self.taken.remove(&tried.notification);
        if !matches!(tried.end, End::Later { .. }) {
            self.stuck.remove(&tried.notification);
        }
        self.lane(&tried.channel, now).end(tried.end, now);
        self.publish();
    }

    /// While a receiver wants to be left alone, its messages are not tried; where it failed so
    /// often that people have to hear through another channel, they do not have to be.
    async fn give_to_fallbacks(
        &mut self,
        settings: &Settings,
        now: Timestamp,
    ) -> Result<(), String> {
        let shut = |lane: &Lane| {
            let asked = lane.stats().waits.map(|wait| wait.because);
            asked == Some(WaitsFor::Receiver)
        };
        let names: BTreeSet<ChannelName> = self.lanes.keys().cloned().collect();
        let channels: Vec<Channel> = settings.channels.clone();
        for channel in channels {
            let Some(fallback) = &channel.fallback else { continue };
            let Some(lane) = self.lanes.get(&channel.name).filter(|lane| shut(lane)) else {
                continue;
            };
            if lane.stats().failed_in_a_row < fallback.after {
                continue;
            }
            let mut others = names.clone();
            others.remove(&channel.name);
            let journal = self.handle.journal();
            let due = journal.outbox_due_each(now, STUCK_PER_LOOK_MAX, others).await;
            let due = due.map_err(|error| chain(&error))?.into_iter();
            let mine = due.filter(|row| row.channel == channel.name);
            let told = mine.filter(|row| !self.stuck.contains(&row.notification));
            let stuck: Vec<NotificationId> = told.map(|row| row.notification).collect();
            if stuck.is_empty() {
                continue;
            }
            let event = |notification: &NotificationId| Event::DeliveryStuck {
                notification: *notification,
            };
            let events = stuck.iter().map(event).collect();
            self.handle.submit(events).await.map_err(|refusal| refusal.to_string())?;
            if self.stuck.len() >= STUCK_MAX {
                // The core knows of each of them, and does nothing twice.
                self.stuck.clear();
            }
            self.stuck.extend(stuck);
        }
        Ok(())
    }

    fn publish(&self) {
        let stats = self.lanes.iter().map(|(name, lane)| (name.clone(), lane.stats().clone()));
        let mut lanes = self.handle.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        *lanes = stats.collect();
    }
}

impl Task for Outbox {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.work())
    }
}
