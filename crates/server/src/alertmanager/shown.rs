//! An alert as clients of an Alertmanager read it (`gettableAlert`).

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::alert::Alert;
use nightcrew_model::id::ReceiverName;
use nightcrew_model::mute::MutedBy;
use nightcrew_model::unit::Millis;
use serde::Serialize;

use super::answer::Moment;
use crate::view::alert::pairs;

/// What sort of quiet an alert is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// By a silence.
    Silenced,
    /// By another alert.
    Inhibited,
    /// By anything else: a lock, a time, a storm.
    Muted,
}

impl Quiet {
    pub(crate) fn of(by: &MutedBy) -> Self {
        match by {
            MutedBy::Silence { .. } => Self::Silenced,
            MutedBy::Inhibition { .. } => Self::Inhibited,
            MutedBy::Interval { .. }
            | MutedBy::OutsideActive
            | MutedBy::Lock { .. }
            | MutedBy::Flapping { .. }
            | MutedBy::Cascade { .. }
            | MutedBy::BelowSeverity { .. }
            | MutedBy::Storm { .. } => Self::Muted,
        }
    }
}

/// An alert, as the interface has it.  The fields stand in the order in which Go writes them.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GettableAlert {
    annotations: BTreeMap<String, String>,
    ends_at: Moment,
    fingerprint: String,
    receivers: Vec<Receiver>,
    starts_at: Moment,
    status: AlertStatus,
    updated_at: Moment,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
    labels: BTreeMap<String, String>,
}

/// A receiver, as the interface has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Receiver {
    pub(crate) name: ReceiverName,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertStatus {
    inhibited_by: Vec<String>,
    /// Not in 0.25; later versions name what else keeps an alert quiet here.
    muted_by: Vec<String>,
    silenced_by: Vec<String>,
    state: &'static str,
}

impl AlertStatus {
    fn of(muted: Vec<MutedBy>) -> Self {
        let state = if muted.is_empty() { "active" } else { "suppressed" };
        let mut status =
            Self { inhibited_by: Vec::new(), muted_by: Vec::new(), silenced_by: Vec::new(), state };
        for by in muted {
            match by {
                MutedBy::Silence { silence } => status.silenced_by.push(silence.into()),
                MutedBy::Inhibition { source, .. } => status.inhibited_by.push(source.into()),
                MutedBy::Interval { interval } => status.muted_by.push(interval.into()),
                other => status.muted_by.push(other.to_string()),
            }
        }
        status
    }
}

/// A firing alert, what keeps it quiet and who hears of it, as taken from the engine's state.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) alert: Alert,
    pub(crate) muted: Vec<MutedBy>,
    pub(crate) receivers: Vec<ReceiverName>,
}

impl Seen {
    /// The form that clients read.  They require an end, so what has none ends when a source that
    /// falls silent would end it.
    pub(crate) fn shown(self, resolve_timeout: Millis, now: Timestamp) -> GettableAlert {
        let Self { alert, muted, receivers } = self;
        let ends_at = alert.ends_at.filter(|end| *end > now);
        GettableAlert {
            annotations: pairs(&alert.annotations),
            ends_at: Moment(ends_at.unwrap_or_else(|| resolve_timeout.after(now))),
            fingerprint: alert.fingerprint.to_string(),
            receivers: receivers.into_iter().map(|name| Receiver { name }).collect(),
            starts_at: Moment(alert.starts_at),
            status: AlertStatus::of(muted),
            updated_at: Moment(alert.updated_at),
            generator_url: alert.generator_url,
            labels: pairs(&alert.labels),
        }
    }
}
