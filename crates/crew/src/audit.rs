//! `orchestrator`, second task: the dead man.  Every minute it looks whether everything that is
//! not over has somebody or something that goes on with it, and says so where others can see it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::PoisonError;

use jiff::Timestamp;
use nightcrew_engine::audit::Violation as Unattended;
use nightcrew_journal::row::OutboxRow;
use nightcrew_model::id::{ChannelName, NotificationId};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::driver::{Boxed, Task};
use tokio::time::{Instant, sleep_until, timeout};

use crate::core::chain;
use crate::handle::Handle;
use crate::lane::LaneStats;

/// How often is looked.
pub const AUDIT: Millis = Millis::from_secs(60);

/// When is looked for the first time: what a stop of the crew made late has caught up by then.
pub const FIRST_AUDIT: Millis = Millis::from_secs(10);

/// A result that is older says nothing any more.
pub const AUDIT_AGE_MAX: Millis = Millis::from_secs(180);

/// How long a message may be due without a try.
pub const OUTBOX_LATE_MAX: Millis = Millis::from_secs(120);

/// How long the core may need for an answer.
pub const ANSWER_MAX: Millis = Millis::from_secs(10);

/// How often the task gives its heartbeat.
const BEAT: Millis = Millis::from_secs(5);

/// How things stood at the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// When.
    pub at: Timestamp,
    /// What is not as it must be; empty: all is well.
    pub violations: Vec<Violation>,
}

/// Something that nobody goes on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// An incident, an alert or a timer.
    Unattended(Unattended),
    /// A message that is due and that nobody tries.
    OutboxStuck {
        /// The message.
        notification: NotificationId,
        /// Its channel.
        channel: ChannelName,
        /// Since when it waits for a try.
        since: Timestamp,
    },
    /// The outbox cannot be read.
    OutboxUnreadable(String),
    /// The journal cannot be written.
    JournalReadOnly(String),
    /// The core does not answer.
    CoreSilent(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unattended(violation) => write!(f, "{violation}"),
            Self::OutboxStuck { notification, channel, since } => write!(
                f,
                "{notification} for {channel} is due since {since:.0} and nobody tries it; restart \
                 the crew, and see `nightcrew agents`"
            ),
            Self::OutboxUnreadable(why) => {
                write!(f, "the outbox cannot be read: {why}; see `nightcrew doctor`")
            }
            Self::JournalReadOnly(why) => {
                write!(f, "the journal cannot be written: {why}; make room on its disk")
            }
            Self::CoreSilent(why) => {
                write!(f, "the core does not answer: {why}; restart the crew")
            }
        }
    }
}

impl Audit {
    /// Whether all was well, and that not too long ago.
    #[must_use]
    pub fn passes(&self, now: Timestamp) -> bool {
        self.violations.is_empty() && Millis::between(self.at, now) <= AUDIT_AGE_MAX
    }
}

impl Handle {
    /// How things stood at the last look; none before the first one.
    #[must_use]
    pub fn audit(&self) -> Option<Audit> {
        self.0.audit.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks now.
    pub async fn audit_now(&self) -> Audit {
        let mut violations = Vec::new();
        let seen = self.view(|state, rules, now| state.audit(rules, now));
        match timeout(ANSWER_MAX.duration(), seen).await {
            Ok(Ok(unattended)) => {
                violations.extend(unattended.into_iter().map(Violation::Unattended));
            }
            Ok(Err(refusal)) => violations.push(Violation::CoreSilent(refusal.to_string())),
            Err(_) => {
                violations.push(Violation::CoreSilent(format!("nothing within {ANSWER_MAX}")));
            }
        }
        if let Err(error) = self.journal().probe_write().await {
            violations.push(Violation::JournalReadOnly(chain(&error)));
        }
        let now = self.clock().now();
        // Of each channel the oldest that was due a while ago says enough.
        let due = self.journal().outbox_due_each(before(now, OUTBOX_LATE_MAX), 1, BTreeSet::new());
        match due.await {
            Ok(due) => {
                let lanes = self.lanes().into_iter().map(|lane| (lane.channel.clone(), lane));
                let lanes: BTreeMap<ChannelName, LaneStats> = lanes.collect();
                violations.extend(due.iter().filter_map(|row| stuck(row, &lanes, now)));
            }
            Err(error) => violations.push(Violation::OutboxUnreadable(chain(&error))),
        }
        let audit = Audit { at: now, violations };
        for violation in &audit.violations {
            tracing::error!("the audit fails: {violation}");
        }
        *self.0.audit.lock().unwrap_or_else(PoisonError::into_inner) = Some(audit.clone());
        audit
    }
}

fn before(now: Timestamp, span: Millis) -> Timestamp {
    now.checked_sub(span.duration()).unwrap_or(Timestamp::MIN)
}

/// Whether nobody tries a message that is due: its channel waits for nothing, and did nothing for
/// a while.
fn stuck(
    row: &OutboxRow,
    lanes: &BTreeMap<ChannelName, LaneStats>,
    now: Timestamp,
) -> Option<Violation> {
    let since = row.next_at.unwrap_or(row.queued_at);
    let late = |since: Timestamp| OUTBOX_LATE_MAX.after(since) <= now;
    let moves = lanes.get(&row.channel).is_some_and(|lane| {
        lane.waits.is_some_and(|wait| now < wait.until) || !late(lane.moved_at)
    });
    (late(since) && !moves).then(|| Violation::OutboxStuck {
        notification: row.notification,
        channel: row.channel.clone(),
        since,
    })
}

pub(crate) struct Auditor {
    handle: Handle,
    next: Instant,
    first: bool,
}

impl Auditor {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, next: Instant::now() + FIRST_AUDIT.duration(), first: true }
    }

    async fn look(&mut self) {
        // The first round is at once, so that readiness does not wait for it.
        if std::mem::take(&mut self.first) {
            return;
        }
        sleep_until(self.next.min(Instant::now() + BEAT.duration())).await;
        if Instant::now() >= self.next {
            self.next = Instant::now() + AUDIT.duration();
            self.handle.audit_now().await;
        }
    }
}

impl Task for Auditor {
    fn round(&mut self) -> Boxed<'_, Result<(), String>> {
        Box::pin(async {
            self.look().await;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use nightcrew_journal::row::OutboxState;
    use nightcrew_model::decision::NotificationKind;
    use nightcrew_model::id::IncidentId;

    use crate::lane::{Wait, WaitsFor};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_230_000 + seconds).unwrap()
    }

    fn row(next_at: Option<Timestamp>) -> OutboxRow {
        OutboxRow {
            notification: NotificationId(7),
            subject: IncidentId(1).into(),
            channel: "결제".into(),
            kind: NotificationKind::Escalated,
            queued_at: at(0),
            state: OutboxState::Pending,
            attempts: 0,
            next_at,
            last_error: None,
            mentions: Vec::new(),
            receipt: None,
        }
    }

    fn lane(moved_at: Timestamp, waits: Option<Wait>) -> BTreeMap<ChannelName, LaneStats> {
        let stats = LaneStats {
            channel: "결제".into(),
            sent: 0,
            retried: 0,
            failed: 0,
            failed_in_a_row: 0,
            under_way: 0,
            sent_at: None,
            last_error: None,
            waits,
            moved_at,
        };
        [("결제".into(), stats)].into()
    }

    #[test]
    fn a_message_that_nobody_tries_is_stuck() {
        let none = BTreeMap::new();
        assert_eq!(stuck(&row(None), &none, at(119)), None);
        let violation = stuck(&row(None), &none, at(120)).unwrap();
        assert!(violation.to_string().starts_with("N-7 for 결제 is due since"), "{violation}");
        assert_eq!(stuck(&row(Some(at(60))), &none, at(179)), None, "it is not due for so long");
        assert!(stuck(&row(Some(at(60))), &lane(at(60), None), at(180)).is_some());
    }

    #[test]
    fn a_channel_that_moves_or_waits_with_an_end_is_not_stuck() {
        assert_eq!(stuck(&row(None), &lane(at(500), None), at(600)), None);
        let wait = Wait { until: at(900), because: WaitsFor::Receiver };
        assert_eq!(stuck(&row(None), &lane(at(0), Some(wait)), at(899)), None);
        assert!(stuck(&row(None), &lane(at(0), Some(wait)), at(900)).is_some());
    }

    #[test]
    fn an_old_result_does_not_pass() {
        let audit = Audit { at: at(0), violations: Vec::new() };
        assert!(audit.passes(at(180)) && !audit.passes(at(181)));
        let failed = Violation::CoreSilent("x".to_owned());
        assert!(!Audit { violations: vec![failed], ..audit }.passes(at(0)));
    }
}
