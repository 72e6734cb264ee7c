//! The four acts: each breaks one thing and waits for its incident to end.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use nightcrew_crew::handle::Handle;
use nightcrew_journal::entry::Entry;
use nightcrew_model::catalogue;
use nightcrew_model::decision::Fact;
use nightcrew_model::id::{IncidentId, ServiceName};
use nightcrew_model::sample::{Observation, Reading, Status};
use nightcrew_model::unit::Millis;
use rustix::process::Signal;
use serde::Serialize;

use crate::demo::stage::{DISK_MB, LEDGER, SHOP, Stage};
use crate::output;

/// How long an act may take.
const ACT_MAX: Duration = Duration::from_secs(60);

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Resolved,
    Escalated,
}

/// What came of an act.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Played {
    pub(crate) id: IncidentName,
    pub(crate) service: String,
    pub(crate) symptom: String,
    pub(crate) state: Ending,
    pub(crate) verified: bool,
    /// From the moment of breaking to the alert.
    pub(crate) detected_ms: u64,
    /// From the moment of breaking to the proof; none when it was not healed.
    pub(crate) repaired_ms: Option<u64>,
    pub(crate) record: PathBuf,
    #[serde(skip)]
    expected: Ending,
}

/// An incident's id as people write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IncidentName(IncidentId);

impl Serialize for IncidentName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl std::fmt::Display for IncidentName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Played {
    /// Whether it ended as it should: what can be healed is healed and proven, the rest is with a
    /// person.
    pub(crate) fn is_as_it_should(&self) -> bool {
        self.state == self.expected && self.verified == (self.expected == Ending::Resolved)
    }
}

/// One act.
pub(crate) struct Act {
    pub(crate) title: &'static str,
    service: &'static str,
    symptom: &'static str,
    expected: Ending,
    break_it: fn(&Stage) -> anyhow::Result<()>,
}

/// The four acts, in order.
pub(crate) const ACTS: [Act; 4] = [
    Act {
        title: "(a) the shop is killed with SIGKILL",
        service: SHOP,
        symptom: "process_down",
        expected: Ending::Resolved,
        break_it: |stage| stage.signal(SHOP, Signal::KILL),
    },
    Act {
        title: "(b) the shop is hung with SIGSTOP: it lives, but does not answer",
        service: SHOP,
        symptom: "service_unresponsive",
        expected: Ending::Resolved,
        break_it: |stage| stage.signal(SHOP, Signal::STOP),
    },
    Act {
        title: "(c) the disk is filled past 90 % with old files",
        service: ServiceName::HOST,
        symptom: "disk_space_low",
        expected: Ending::Resolved,
        break_it: fill,
    },
    Act {
        title: "(d) the ledger loses its books: a restart cannot bring them back",
        service: LEDGER,
        symptom: "service_unresponsive",
        expected: Ending::Escalated,
        break_it: |stage| fs::remove_file(stage.ledger_needs()).context("removing the books"),
    },
];

/// Fills the disk to about 95 % with files that are ten days old.
fn fill(stage: &Stage) -> anyhow::Result<()> {
    const FILES: u64 = 19;
    let ten_days = Duration::from_secs(10 * 24 * 60 * 60);
    let old = std::time::SystemTime::from(nightcrew_runtime::clock::Clock::System.now()) - ten_days;
    let block = vec![b'.'; usize::try_from(DISK_MB * 1_024 * 1_024 / 20)?];
    for n in 0..FILES {
        let mut file = File::create(stage.disk_dir().join(format!("old-{n:02}.tmp")))?;
        file.write_all(&block).context("filling the disk")?;
        file.set_modified(old).context("making a file old")?;
    }
    Ok(())
}

/// Waits until every task made its round and both services and the disk are as they should be.
pub(crate) async fn wait_until_healthy(
    stage: &Stage,
    handle: &Handle,
    max: Millis,
) -> anyhow::Result<()> {
    let healthy = || {
        let latest = handle.latest();
        let is = |service: &str, metric: &str, wanted: Status| {
            latest.iter().any(|sample| {
                sample.target.service.as_str() == service
                    && sample.metric.as_str() == metric
                    && sample.observation == Observation::Read(Reading::Status(wanted))
            })
        };
        let services = stage.settings().services.keys().all(|service| {
            is(service.as_str(), catalogue::HEALTH_STATUS, Status::Passing)
                && is(service.as_str(), catalogue::PROCESS_STATUS, Status::Running)
        });
        let disk = latest.iter().any(|sample| sample.metric.as_str() == catalogue::DISK_USAGE);
        services && disk && handle.is_ready()
    };
    let wait = async {
        while !healthy() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(max.duration(), wait).await.is_err() {
        bail!("the stage was not healthy within {max}: {:?}", handle.board().statuses());
    }
    Ok(())
}

/// What was found out about the act's incident so far.
#[derive(Default)]
struct Seen {
    incident: Option<IncidentId>,
    detected: Option<Timestamp>,
    end: Option<(Ending, bool, Timestamp)>,
}

impl Act {
    /// Breaks the thing, and follows the journal until its incident has ended.
    pub(crate) async fn play(
        &self,
        stage: &Stage,
        handle: &Handle,
        say: &impl Fn(&str),
    ) -> anyhow::Result<Played> {
        let mut tail = handle.journal().subscribe(handle.journal().last_position());
        let broken = handle.clock().now();
        (self.break_it)(stage)?;
        let mut seen = Seen::default();
        let follow = async {
            while seen.end.is_none() {
                for entry in tail.next().await? {
                    self.follow(&mut seen, &entry, broken, say);
                }
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(ACT_MAX, follow).await {
            Ok(followed) => followed.context("following the journal")?,
            Err(_) => bail!("{}: no end within {} s", self.title, ACT_MAX.as_secs()),
        }
        let (Some(id), Some(detected), Some((state, verified, ended))) =
            (seen.incident, seen.detected, seen.end)
        else {
            bail!("{}: the incident ended without having begun", self.title);
        };
        let day = detected.strftime("%Y-%m-%d");
        let record = format!("incidents/{day}-{id}.md");
        Ok(Played {
            id: IncidentName(id),
            service: self.service.to_owned(),
            symptom: self.symptom.to_owned(),
            state,
            verified,
            detected_ms: Millis::between(broken, detected).0,
            repaired_ms: verified.then(|| Millis::between(broken, ended).0),
            record: stage.settings().workspace_dir.join(record),
            expected: self.expected,
        })
    }

    fn follow(&self, seen: &mut Seen, entry: &Entry, broken: Timestamp, say: &impl Fn(&str)) {
        let decision = &entry.decision;
        let is_mine = |id: IncidentId| seen.incident == Some(id);
        match &decision.fact {
            Fact::AlertFired { alert }
                if alert.target.service.as_str() == self.service
                    && alert.symptom.as_str() == self.symptom =>
            {
                seen.detected.get_or_insert(decision.at);
            }
            Fact::IncidentOpened { incident, key, .. }
                if key.target.service.as_str() == self.service
                    && key.symptom.as_str() == self.symptom =>
            {
                seen.incident.get_or_insert(*incident);
            }
            Fact::IncidentResolved { incident, verified } if is_mine(*incident) => {
                seen.end = Some((Ending::Resolved, *verified, decision.at));
            }
            Fact::IncidentEscalated { incident } if is_mine(*incident) => {
                seen.end = Some((Ending::Escalated, false, decision.at));
            }
            _ => {}
        }
        let Some(of) = decision.fact.incident() else { return };
        if seen.incident == Some(of) {
            let after = Millis::between(broken, decision.at).0;
            let text = output::plain(&format!("{} ({})", decision.fact, decision.reason));
            let time = output::coloured(output::DIM, &format!("{after:>6} ms"));
            say(&format!("  {time}  {text}"));
        }
    }
}
