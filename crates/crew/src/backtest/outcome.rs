//! What a backtest comes to, beside what really was.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nightcrew_model::alert::Source;
use nightcrew_model::chart::Method;
use nightcrew_model::decision::NotificationKind;
use nightcrew_model::id::{ChannelName, PlaybookName, Symptom, Target};
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::Millis;
use serde::{Serialize, Serializer};

/// An incident that would have been counts as one that was when both began within this time.
pub(super) const SAME_WITHIN: Millis = Millis::from_secs(3_600);

/// What came of a backtest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// When the records begin.
    pub begins: Timestamp,
    /// When they end.
    pub ends: Timestamp,
    /// How many samples were judged.
    pub n_samples: u64,
    /// How many alerts of other systems were taken.
    pub n_alerts: u64,
    /// Every alert that would have fired, in order.
    pub noticed: Vec<Noticed>,
    /// Every incident that would have been opened, in order.
    pub cases: Vec<Case>,
    /// Incidents that were and would not have been.
    pub unseen: Vec<Unseen>,
    /// How many messages people would have got.
    #[serde(serialize_with = "as_rows")]
    pub messages: BTreeMap<(ChannelName, NotificationKind), u64>,
}

/// An alert that would have fired.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Noticed {
    /// When.
    pub at: Timestamp,
    /// About what.
    pub target: Target,
    /// What would have been wrong.
    pub symptom: Symptom,
    /// How bad at its worst.
    pub severity: Severity,
    /// Who noticed.
    pub source: Source,
    /// How our own detectors came to it; none: by a limit, or it was told by another system.
    pub method: Option<Method>,
    /// Why, in words.
    pub why: String,
    /// When it would have ended; none: not before the records did.
    pub until: Option<Timestamp>,
}

/// An incident that would have been opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Case {
    /// When.
    pub at: Timestamp,
    /// About what.
    pub target: Target,
    /// What would have been wrong.
    pub symptom: Symptom,
    /// How bad it was when it began.
    pub severity: Severity,
    /// Why, in words.
    pub why: String,
    /// What would have been tried, in order.
    pub remedies: Vec<Remedy>,
    /// When it would have gone to people; none: it would not.
    pub handed_over: Option<Timestamp>,
    /// How it would have ended.
    pub ending: Ending,
    /// When the incident that really was began; none: there was none.
    pub was: Option<Timestamp>,
}

/// A plan that would have been carried out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remedy {
    /// When.
    pub at: Timestamp,
    /// By which playbook.
    pub playbook: PlaybookName,
    /// Its steps, in words.
    pub steps: Vec<String>,
    /// What the recorded samples say of it.
    pub tried: Tried,
}

/// What the records say of a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "tried")]
pub enum Tried {
    /// The records end before they say anything.
    UnderWay,
    /// The samples after it are as they should be.
    Proven,
    /// They are not, or the gate did not admit it.
    NotProven {
        /// Why.
        why: String,
    },
}

/// How an incident would have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Ending {
    /// It would still be open at the end of the records.
    Open,
    /// It would be over.
    Resolved {
        /// Since when.
        at: Timestamp,
        /// Whether by a proof.
        verified: bool,
    },
}

/// An incident that really was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unseen {
    /// When it began.
    pub at: Timestamp,
    /// About what.
    pub target: Target,
    /// What was wrong.
    pub symptom: Symptom,
}

impl Outcome {
    pub(super) fn new(begins: Timestamp) -> Self {
        Self {
            begins,
            ends: begins,
            n_samples: 0,
            n_alerts: 0,
            noticed: Vec::new(),
            cases: Vec::new(),
            unseen: Vec::new(),
            messages: BTreeMap::new(),
        }
    }

    /// Compares with the incidents that really began in the time of the records.  Each of them
    /// stands for one case of the same target and symptom, the nearest in time.
    pub fn compare(&mut self, real: impl IntoIterator<Item = (Timestamp, IncidentKey)>) {
        for (at, key) in real {
            let apart = |case: &Case| Millis::between(case.at.min(at), case.at.max(at));
            let same = |case: &&mut Case| {
                case.was.is_none()
                    && (&case.target, &case.symptom) == (&key.target, &key.symptom)
                    && apart(case) <= SAME_WITHIN
            };
            match self.cases.iter_mut().filter(same).min_by_key(|case| apart(case)) {
                Some(case) => case.was = Some(at),
                None => {
                    self.unseen.push(Unseen { at, target: key.target, symptom: key.symptom });
                }
            }
        }
    }
}

fn as_rows<S: Serializer>(
    messages: &BTreeMap<(ChannelName, NotificationKind), u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Row<'r> {
        channel: &'r ChannelName,
        kind: NotificationKind,
        messages: u64,
    }
    let rows = messages.iter().map(|((channel, kind), messages)| Row {
        channel,
        kind: *kind,
        messages: *messages,
    });
    serializer.collect_seq(rows)
}
