//! `ticket-resolver`: takes on the tickets that people labelled for it.
//!
//! A ticket is an alert as long as it is open: the way from there to a playbook, its proof and the
//! person who gets what could not be healed is the same as for every other alert.

use std::collections::BTreeMap;

use nightcrew_channels::message::Sending;
use nightcrew_channels::ticket::document::Document;
use nightcrew_channels::ticket::reading::{NotTaken, read};
use nightcrew_channels::ticket::{Client, LOOK_BACK_MAX, Undone};
use nightcrew_config::settings::{Resolver, Tracker};
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::id::TicketKey;
use nightcrew_model::ticket::Stage;
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::time::sleep;

use crate::handle::Handle;

/// How many looks may fail before an alert of a ticket ends by itself.
const LOOKS_MISSED_MAX: u64 = 5;

/// How often it is looked at least, while a ticket is taken on.
const TAKEN_INTERVAL: Millis = Millis::from_secs(60);

/// In how many tickets one look says why they are left to people; the others have their turn at
/// the next ones.
const SAID_PER_LOOK_MAX: usize = 20;

pub(crate) struct ResolverTask {
    handle: Handle,
    tracker: Tracker,
    resolver: Resolver,
    /// The tickets that are alerts now.
    taken: BTreeMap<TicketKey, IncomingAlert>,
    /// The tickets that are left to people, and the reason that was said in them.
    left: BTreeMap<TicketKey, NotTaken>,
    first: bool,
}

impl ResolverTask {
    /// None where the tracker's tickets of people are left to people.
    pub(crate) fn new(handle: Handle, tracker: Tracker) -> Option<Self> {
        let resolver = tracker.resolver.clone()?;
        Some(Self {
            handle,
            tracker,
            resolver,
            taken: BTreeMap::new(),
            left: BTreeMap::new(),
            first: true,
        })
    }

    async fn look(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.first) {
            let interval = self.resolver.interval;
            // That a ticket was closed has to be known before its incident counts as not over.
            let taken = if self.taken.is_empty() { interval } else { interval.min(TAKEN_INTERVAL) };
            sleep(taken.duration()).await;
        }
        let now = self.handle.clock().now();
        let since = now.checked_sub(LOOK_BACK_MAX.duration()).unwrap_or(now);
        let (handle, tracker) = (self.handle.clone(), self.tracker.clone());
        let client = Client::new(&tracker, handle.http());
        let open = client.search_open(&self.resolver.label, since, now).await;
        let open = open.map_err(|undone| format!("{}: {undone}", self.tracker.name))?;
        let settings = self.handle.settings();
        let until = Millis(self.resolver.interval.0 * LOOKS_MISSED_MAX).after(now);
        let mut taken = BTreeMap::new();
        let mut left = BTreeMap::new();
        for ticket in open.iter().filter(|ticket| ticket.stage != Stage::Done) {
            match read(ticket, settings.services.keys()) {
                Ok(asked) => {
                    let alert = asked.alert(ticket, &self.tracker.name, until);
                    taken.insert(ticket.key.clone(), alert);
                }
                // What the crew itself made is not asked of it.
                Err(NotTaken::Ours) => {}
                Err(why) => {
                    left.insert(ticket.key.clone(), why);
                }
            }
        }
        self.leave(&client, left).await;
        let gone = self.taken.iter().filter(|(key, _)| !taken.contains_key(*key));
        let ended = gone.map(|(_, alert)| IncomingAlert { ends_at: Some(now), ..alert.clone() });
        let alerts = taken.values().cloned().chain(ended).collect();
        self.handle
            .take_alerts(Source::AlertsApi, alerts)
            .await
            .map_err(|refusal| refusal.to_string())?;
        self.taken = taken;
        Ok(())
    }

    /// Says in tickets that are left to people why, once for each reason; what could not be said is
    /// said at the next look.
    async fn leave(&mut self, client: &Client<'_>, left: BTreeMap<TicketKey, NotTaken>) {
        self.left.retain(|key, _| left.contains_key(key));
        let known = |key: &TicketKey, why: &NotTaken| self.left.get(key) == Some(why);
        let news: Vec<_> = left.into_iter().filter(|(key, why)| !known(key, why)).collect();
        for (key, why) in news.into_iter().take(SAID_PER_LOOK_MAX) {
            tracing::info!("{key} is left to people: {why}");
            let text =
                Document::new().paragraph(&format!("The crew leaves this to people: {why}."));
            // A crew before this one may have said it already.
            match client.comment(&key, &text, Sending::PossibleRepeat).await {
                Ok(()) | Err(Undone::Gone { .. } | Undone::Permanent { .. }) => {
                    self.left.insert(key, why);
                }
                Err(undone) => tracing::warn!("{key} in {}: {undone}", self.tracker.name),
            }
        }
    }
}

impl Task for ResolverTask {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.look())
    }
}
