//! `reporter`, second task: keeps the files under the workspace folder.  They are views of the
//! journal and can be written again at any time.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use jiff::Timestamp;
use nightcrew_journal::entry::Entry;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::limit::ENTRIES_MAX;
use nightcrew_journal::row::Which;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::id::IncidentId;
use nightcrew_model::incident::IncidentState;
use nightcrew_model::unit::Millis;
use nightcrew_report::fold::incident_record;
use nightcrew_report::record::Record;
use nightcrew_report::workspace::{
    Heartbeat, remove_metrics_before, write_heartbeat, write_incident, write_metrics,
};
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::time::{Instant, sleep_until};

use crate::core::chain;
use crate::handle::Handle;
use crate::oversee::agents;
use crate::post_mortem::PostMortems;

/// How often the samples are exported.
const EXPORT: Millis = Millis::from_secs(300);

/// How often the heartbeats are exported.
const HEARTBEATS: Millis = Millis::from_secs(10);

/// When the samples are exported for the first time.
const FIRST_EXPORT: Millis = Millis::from_secs(2);

/// How many times as long as records took to write they then rest.
const PAUSE_PER_WORK: u32 = 10;

/// Changes of one incident within this time are written once.
const SETTLE: Millis = Millis(250);

/// The largest number of decisions that a record is made from.
const DECISIONS_MAX: usize = 10_000;

/// The largest number of alerts whose own decisions are in a record.
const ALERTS_MAX: usize = 20;

pub(crate) struct Records {
    handle: Handle,
    /// When records may be written again.
    next_write: Instant,
    /// Whether a change waits for more of its kind.
    settling: bool,
    next_export: Instant,
    next_heartbeats: Instant,
    post_mortems: PostMortems,
}

impl Records {
    /// Begins with the records of every incident that is open: a crash may have come before they
    /// were written.
    pub(crate) async fn new(handle: Handle) -> Result<Self, String> {
        let open = handle.journal().incidents(Which::Open, None, 1_000).await;
        let open = open.map_err(|error| chain(&error))?;
        let changed = &handle.0.changed;
        changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(open.iter().map(|row| row.id));
        let post_mortems = PostMortems::new(&handle).await?;
        let now = Instant::now();
        Ok(Self {
            handle,
            post_mortems,
            next_write: now,
            settling: false,
            // The first look at everything takes a moment.
            next_export: now + FIRST_EXPORT.duration(),
            next_heartbeats: now,
        })
    }

    async fn write_due(&mut self) -> Result<(), String> {
        let changed = || self.handle.0.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut until = self.next_export.min(self.next_heartbeats);
        if !changed().is_empty() || self.post_mortems.is_due() {
            until = until.min(self.next_write);
        }
        tokio::select! {
            () = self.handle.0.incident_changed.notified() => {
                if !std::mem::replace(&mut self.settling, true) {
                    self.next_write = self.next_write.max(Instant::now() + SETTLE.duration());
                }
                return Ok(());
            }
            () = sleep_until(until) => {}
        }
        if Instant::now() >= self.next_write {
            self.settling = false;
            let began = Instant::now();
            if let Err(error) = self.write_records().await {
                // What was not written is still due; the pause comes first.
                self.next_write = Instant::now() + HEARTBEATS.duration();
                return Err(error);
            }
            // Long records of a busy time must not take the disk from the journal.
            self.next_write = Instant::now() + began.elapsed() * PAUSE_PER_WORK;
        }
        if Instant::now() >= self.next_export {
            self.next_export = Instant::now() + EXPORT.duration();
            export(&self.handle).await?;
        }
        if Instant::now() >= self.next_heartbeats {
            self.next_heartbeats = Instant::now() + HEARTBEATS.duration();
            self.write_heartbeats().await?;
        }
        Ok(())
    }

    async fn write_records(&mut self) -> Result<(), String> {
        let mut closed = Vec::new();
        let written = write_each(&self.handle, |id| closed.push(id)).await;
        self.post_mortems.add(closed);
        written?;
        self.post_mortems.write(&self.handle).await
    }

    async fn write_heartbeats(&self) -> Result<(), String> {
        let now = self.handle.clock().now();
        let workspace = self.handle.settings().workspace_dir.clone();
        let agents = agents(self.handle.board(), now);
        blocking(move || {
            for agent in agents {
                let heartbeat = Heartbeat {
                    agent: agent.name,
                    state: agent.state,
                    at: now,
                    detail: agent.last_error.unwrap_or_default(),
                };
                write_heartbeat(&workspace, &heartbeat)?;
            }
            Ok(())
        })
        .await
    }
}

impl Task for Records {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(self.write_due())
    }
}

/// What the journal says of an incident; none where it has no such incident.
pub(crate) async fn load(handle: &Handle, id: IncidentId) -> Result<Option<Record>, String> {
    Ok(incident_record(id, &decisions(handle, id).await?))
}

/// Every decision about an incident and about its first alerts, oldest first.
pub(crate) async fn decisions(handle: &Handle, id: IncidentId) -> Result<Vec<Decision>, String> {
    let journal = handle.journal();
    let mut entries = stream(journal, &format!("incident/{id}")).await?;
    let alerts: BTreeSet<_> = entries
        .iter()
        .filter_map(|entry| match &entry.decision.fact {
            Fact::IncidentOpened { trigger, .. } | Fact::IncidentReopened { trigger, .. } => {
                Some(*trigger)
            }
            Fact::AlertJoined { alert, .. } => Some(*alert),
            _ => None,
        })
        .take(ALERTS_MAX)
        .collect();
    for fingerprint in alerts {
        entries.extend(stream(journal, &format!("alert/{fingerprint}")).await?);
    }
    entries.sort_by_key(|entry| entry.position);
    Ok(entries.into_iter().map(|entry| entry.decision).collect())
}

/// The entries of a stream, oldest first, up to [`DECISIONS_MAX`].
pub(crate) async fn stream(journal: &Journal, name: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    while entries.len() < DECISIONS_MAX {
        let after = entries.last().map_or(0, |entry| entry.version);
        let page = journal.read_stream(name, after, ENTRIES_MAX).await;
        let page = page.map_err(|error| chain(&error))?;
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    Ok(entries)
}

/// Writes the record of every incident that changed; after a failure the rest is still due.
pub(crate) async fn write_changed(handle: &Handle) -> Result<(), String> {
    // The post-mortem of what closed now is written by the next start.
    write_each(handle, drop).await
}

/// The same, and says which of them are closed.
async fn write_each(handle: &Handle, mut closed: impl FnMut(IncidentId)) -> Result<(), String> {
    let changed = || handle.0.changed.lock().unwrap_or_else(PoisonError::into_inner);
    let mut due = std::mem::take(&mut *changed());
    while let Some(incident) = due.first().copied() {
        match write(handle, incident).await {
            Ok(Some(IncidentState::Closed)) => closed(incident),
            Ok(_) => {}
            Err(error) => {
                changed().extend(due);
                return Err(error);
            }
        }
        due.pop_first();
    }
    Ok(())
}

/// Writes the record of an incident, and says where the incident stands; none: there is none.
pub(crate) async fn write(
    handle: &Handle,
    id: IncidentId,
) -> Result<Option<IncidentState>, String> {
    let Some(record) = load(handle, id).await? else { return Ok(None) };
    let (workspace, state) = (handle.settings().workspace_dir.clone(), record.state);
    blocking(move || write_incident(&workspace, &record).map(drop)).await?;
    Ok(Some(state))
}

/// Writes the latest sample of every metric, and removes the files that are past their time.
pub(crate) async fn export(handle: &Handle) -> Result<(), String> {
    let (settings, now) = (handle.settings(), handle.clock().now());
    let workspace = settings.workspace_dir.clone();
    let samples = handle.latest();
    if samples.is_empty() {
        return Ok(());
    }
    let age = settings.retention.metrics.exports.duration();
    let before = now.checked_sub(age).unwrap_or(Timestamp::MIN);
    blocking(move || {
        // First what is past its time: on a full disk it makes room.
        remove_metrics_before(&workspace, before)?;
        write_metrics(&workspace, now, &samples).map(drop)
    })
    .await
}

pub(crate) async fn blocking(
    write: impl FnOnce() -> std::io::Result<()> + Send + 'static,
) -> Result<(), String> {
    match tokio::task::spawn_blocking(write).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err("writing a file panicked".to_owned()),
    }
}
