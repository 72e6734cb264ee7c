//! The post-mortems of incidents that closed, beside their records.
//!
//! What stood around an incident is folded from a stretch of the log, once: what is new is added,
//! what is too old or too much goes.  It is read by the task that writes records, never by the core.
//!
//! **Invariant:** an incident that closed has its file.  A crash between the two is seen at the next
//! start, because the file is not there.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use nightcrew_journal::entry::Position;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::limit::ENTRIES_MAX;
use nightcrew_journal::row::Which;
use nightcrew_model::alert::Alert;
use nightcrew_model::decision::{Decision, Fact};
use nightcrew_model::id::{IncidentId, ServiceName};
use nightcrew_model::incident::IncidentState;
use nightcrew_model::labels::Labels;
use nightcrew_model::unit::Millis;
use nightcrew_report::post_mortem::post_mortem;
use nightcrew_report::surroundings::{BudgetUse, SAME_WINDOW, context};
use nightcrew_report::workspace::{post_mortem_file, write_post_mortem};

use crate::core::chain;
use crate::handle::Handle;
use crate::record;

/// How many entries of the log are read at most for the stretch: what a round has the time for.
const ENTRIES_READ_MAX: u64 = 500_000;

/// How many alerts of the stretch are remembered; the oldest go first.
const ALERTS_MAX: usize = 20_000;

/// How many of the other decisions of the stretch are remembered; the oldest go first.
const OTHERS_MAX: usize = 20_000;

/// How many of the latest incidents are looked at, at a start, for a file that is missing.
const LOOKED_AT_MAX: usize = 1_000;

/// How many post-mortems are written in one go.
const WRITTEN_MAX: usize = 50;

/// What is still to be written, and what it is written from.
#[derive(Default)]
pub(crate) struct PostMortems {
    due: BTreeSet<IncidentId>,
    stretch: Stretch,
}

/// The decisions of the last [`SAME_WINDOW`] that say something of their neighbours.
#[derive(Default)]
struct Stretch {
    /// Up to where the log was folded; none: not yet.
    at: Option<Position>,
    alerts: VecDeque<Decision>,
    others: VecDeque<Decision>,
}

impl PostMortems {
    /// Begins with the incidents that closed lately and have no file.
    pub(crate) async fn new(handle: &Handle) -> Result<Self, String> {
        let latest = handle.journal().incidents(Which::All, None, LOOKED_AT_MAX).await;
        let latest = latest.map_err(|error| chain(&error))?;
        let workspace = handle.settings().workspace_dir.clone();
        let closed = latest.into_iter().filter(|row| row.state == IncidentState::Closed);
        let ids =
            closed.map(|row| (row.id, workspace.join(post_mortem_file(row.id, row.opened_at))));
        let ids: Vec<_> = ids.collect();
        let missing = tokio::task::spawn_blocking(move || {
            let missing = ids.into_iter().filter(|(_, path)| !path.exists());
            missing.map(|(id, _)| id).collect()
        });
        let due = missing.await.map_err(|_| "looking for files panicked".to_owned())?;
        Ok(Self { due, stretch: Stretch::default() })
    }

    pub(crate) fn add(&mut self, closed: impl IntoIterator<Item = IncidentId>) {
        self.due.extend(closed);
    }

    pub(crate) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Writes some of what is due; what could not be written stays due.
    pub(crate) async fn write(&mut self, handle: &Handle) -> Result<(), String> {
        if self.due.is_empty() {
            return Ok(());
        }
        self.stretch.learn(handle).await?;
        for _ in 0..WRITTEN_MAX {
            let Some(id) = self.due.first().copied() else { break };
            self.write_one(handle, id).await?;
            self.due.pop_first();
        }
        Ok(())
    }

    async fn write_one(&self, handle: &Handle, id: IncidentId) -> Result<(), String> {
        let Some(record) = record::load(handle, id).await? else { return Ok(()) };
        let Stretch { alerts, others, .. } = &self.stretch;
        let mut around = context(&record, others.iter().chain(alerts));
        around.budget = budget(handle, &record.key.target.service).await;
        let workspace = handle.settings().workspace_dir.clone();
        record::blocking(move || {
            write_post_mortem(&workspace, &record, &post_mortem(&record, &around)).map(drop)
        })
        .await
    }
}

impl Stretch {
    /// Folds what is new in the log.
    async fn learn(&mut self, handle: &Handle) -> Result<(), String> {
        let now = handle.clock().now();
        let since = now.checked_sub(SAME_WINDOW.duration()).unwrap_or(Timestamp::MIN);
        let journal = handle.journal();
        // What cannot be folded is lost, and folded again the next time.
        let mut known = std::mem::take(self);
        let after = match known.at {
            Some(at) => at,
            None => before(journal, since).await?,
        };
        let folded = journal.fold(after, known, Self::take).await;
        let (folded, at) = folded.map_err(|error| chain(&error))?;
        known = folded;
        known.at = Some(at);
        known.alerts.retain(|decision| decision.at >= since);
        known.others.retain(|decision| decision.at >= since);
        *self = known;
        Ok(())
    }

    fn take(&mut self, decision: &Decision) {
        let (kept, most, fact) = match &decision.fact {
            Fact::AlertFired { alert } => {
                // Its name and its times are enough.
                let annotations = Labels::default();
                let alert = Box::new(Alert { annotations, chart: None, ..alert.as_ref().clone() });
                (&mut self.alerts, ALERTS_MAX, Fact::AlertFired { alert })
            }
            fact @ (Fact::IncidentOpened { .. }
            | Fact::LockTaken { .. }
            | Fact::SilenceSet { .. }
            | Fact::StandingApprovalSet { .. }) => (&mut self.others, OTHERS_MAX, fact.clone()),
            _ => return,
        };
        if kept.len() >= most {
            kept.pop_front();
        }
        kept.push_back(Decision { at: decision.at, fact, reason: decision.reason.clone() });
    }
}

/// A position before everything that was decided since a moment, and not far before it; at most
/// [`ENTRIES_READ_MAX`] before the end.
async fn before(journal: &Journal, since: Timestamp) -> Result<Position, String> {
    let mut high = journal.last_position().0;
    let mut low = high.saturating_sub(ENTRIES_READ_MAX);
    while high - low > ENTRIES_MAX as u64 {
        let middle = low + (high - low) / 2;
        let entry = journal.read(Position(middle), 1).await.map_err(|error| chain(&error))?;
        match entry.first() {
            Some(entry) if entry.decision.at < since => low = middle,
            _ => high = middle,
        }
    }
    Ok(Position(low))
}

/// What is left of the error budget of a service; none: it has none, or nobody knows.
async fn budget(handle: &Handle, service: &ServiceName) -> Option<BudgetUse> {
    let standing = handle.slos().await.ok()?;
    let of_service = standing.into_iter().filter(|slo| slo.service == *service);
    // The one that is hurt most.
    let known = of_service.filter_map(|slo| Some((slo.budget_left?, slo)));
    let (left, slo) = known.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let hours = u64::try_from(slo.hours).unwrap_or(u64::MAX);
    let window = Millis::from_secs(hours.saturating_mul(3_600));
    let objective = format!("{}: {} % in {window}", slo.name, slo.promised * 100.0);
    Some(BudgetUse { objective, used: None, left: Some(left) })
}
