//! What a journal holds on the disk, read without any code of the crew: `SQLite` and JSON only.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Context as _;
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use serde_json::Value;

/// A journal that nobody writes to any more.
pub(crate) struct Journal(Connection);

/// What the log says of alerts and incidents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Story {
    /// The label `id` of every alert that began.
    pub(crate) ids: HashSet<u64>,
    /// How often an alert began while it was firing, or an incident opened while one with the same
    /// key was open.
    pub(crate) duplicates: u64,
}

/// As much of a decision as [`Story`] needs.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
enum Fact {
    AlertFired {
        alert: Alert,
    },
    AlertResolved {
        fingerprint: String,
    },
    IncidentOpened {
        incident: u64,
        key: Value,
    },
    IncidentClosed {
        incident: u64,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Alert {
    fingerprint: String,
    labels: HashMap<String, String>,
}

impl Journal {
    /// Opens the journal in the data folder of `folder`.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("data/journal.db");
        let conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        conn.map(Self).with_context(|| format!("opening {}", path.display()))
    }

    /// How many distinct alerts are stored.
    pub(crate) fn n_alerts(&self) -> anyhow::Result<u64> {
        let count = self.0.query_row("SELECT count(*) FROM alerts", [], |row| row.get::<_, i64>(0));
        Ok(count.context("counting alerts")?.unsigned_abs())
    }

    /// Reads the whole log.
    pub(crate) fn story(&self) -> anyhow::Result<Story> {
        let mut select = self.0.prepare("SELECT payload FROM entries ORDER BY position")?;
        let mut rows = select.query([])?;
        let mut reading = Reading::default();
        while let Some(row) = rows.next().context("reading the log")? {
            let payload = row.get_ref(0)?.as_str().context("reading an entry")?;
            let fact = serde_json::from_str(payload);
            reading.follow(fact.with_context(|| format!("reading {payload}"))?);
        }
        Ok(reading.story)
    }
}

#[derive(Default)]
struct Reading {
    story: Story,
    firing: HashSet<String>,
    /// The keys of incidents that are not closed, as JSON.
    open: HashSet<String>,
    keys: HashMap<u64, String>,
}

impl Reading {
    fn follow(&mut self, fact: Fact) {
        match fact {
            Fact::AlertFired { alert } => {
                let id = alert.labels.get("id").and_then(|id| id.parse::<u64>().ok());
                self.story.ids.extend(id);
                self.story.duplicates += u64::from(!self.firing.insert(alert.fingerprint));
            }
            Fact::AlertResolved { fingerprint } => {
                self.firing.remove(&fingerprint);
            }
            Fact::IncidentOpened { incident, key } => {
                let key = key.to_string();
                self.story.duplicates += u64::from(!self.open.insert(key.clone()));
                self.story.duplicates += u64::from(self.keys.insert(incident, key).is_some());
            }
            Fact::IncidentClosed { incident } => {
                if let Some(key) = self.keys.get(&incident) {
                    self.open.remove(key);
                }
            }
            Fact::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(facts: &[Value]) -> Story {
        let mut reading = Reading::default();
        for fact in facts {
            reading.follow(serde_json::from_str(&fact.to_string()).unwrap());
        }
        reading.story
    }

    #[test]
    fn what_happens_twice_is_counted() {
        let fired = json!({ "at": "now", "fact": "alert_fired", "reason": {}, "alert": {
            "fingerprint": "a", "labels": { "id": "7", "서비스": "결제" }, "more": 1 } });
        let ended = json!({ "fact": "alert_resolved", "fingerprint": "a", "ends_at": "now" });
        let opened = |id: u64| json!({ "fact": "incident_opened", "incident": id, "key": { "symptom": "느림" } });
        let closed = json!({ "fact": "incident_closed", "incident": 1 });
        let other = json!({ "fact": "step_started", "attempt": 1 });
        let story =
            read(&[fired.clone(), opened(1), ended, fired.clone(), closed, opened(2), other]);
        assert_eq!(story, Story { ids: HashSet::from([7]), duplicates: 0 });
        assert_eq!(read(&[fired.clone(), fired]).duplicates, 1);
        assert_eq!(read(&[opened(1), opened(2)]).duplicates, 1);
    }
}
