//! What happened to things which have an id, and what that means for the alerts that fire.
//!
//! A sender with ids may say more at the beginning than at the end, and a severity may rise
//! between.  So an end is the end of *whatever fires under the id*, and while something fires its
//! labels stay as they are, unless it becomes worse: then an alert with the higher severity takes
//! its place.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use nightcrew_model::alert::{Alert, IncomingAlert, Source};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::severity::Severity;

/// The label that may differ between alerts of the same [`Key::Exactly`].
pub(crate) const SEVERITY: &str = "severity";

/// By which labels the alerts of a thing are found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// These labels are ids, unique at their door: whatever else an alert carries, it is about
    /// this thing.  A kind of thing always has the same names here, or the ids of one would be
    /// found within those of another.
    Within(Labels),
    /// These labels, and beside them at most a severity: for doors whose labels an operator chose.
    Exactly(Labels),
}

/// One thing, and what happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// What.
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// It is wrong.
    Fires(Box<IncomingAlert>),
    /// Its source sees nothing of it.  What fires goes on firing; where nothing fires, this does.
    NoData(Box<IncomingAlert>),
    /// It is over.
    Ends {
        /// Since when; none: since now.
        at: Option<Timestamp>,
    },
    /// A person takes care.
    Acknowledged {
        /// Who, where the sender says.
        by: Option<String>,
    },
    /// Nobody takes care any more.
    Unacknowledged {
        /// Who says so, where the sender says.
        by: Option<String>,
    },
}

/// What a person did to an alert elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// Who, where the sender says.
    pub by: Option<String>,
    /// What.
    pub what: Care,
}

/// Whether somebody takes care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Somebody does.
    Acknowledged,
    /// Nobody does any more.
    GivenBack,
}

/// Changes, turned into what the engine understands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// The alerts to take, in order and together.
    pub alerts: Vec<IncomingAlert>,
    /// What people did, to be told after the alerts.
    pub taken: Vec<Taken>,
    /// The things that ended or were acknowledged while nothing fired under their id: there is
    /// nothing to store about them.
    pub unknown: Vec<Key>,
}

/// What fires under a key.
struct Held {
    labels: Labels,
    annotations: Labels,
    generator_url: String,
}

impl Held {
    fn severity(&self) -> Severity {
        severity(&self.labels)
    }

    fn ended(self, at: Timestamp) -> IncomingAlert {
        IncomingAlert {
            labels: self.labels,
            annotations: self.annotations,
            starts_at: None,
            ends_at: Some(at),
            generator_url: self.generator_url,
        }
    }
}

/// Which labels of an alert make its key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Within(Vec<String>),
    Exactly,
}

impl Shape {
    fn of(key: &Key) -> Self {
        match key {
            Key::Within(labels) => {
                Self::Within(labels.iter().map(|(name, _)| name.to_owned()).collect())
            }
            Key::Exactly(_) => Self::Exactly,
        }
    }

    /// The key of this shape that an alert with these labels has.
    fn key(&self, labels: &Labels) -> Option<Key> {
        match self {
            Self::Within(names) => {
                let pairs = names.iter().map(|name| Some((name, labels.get(name)?)));
                pairs.collect::<Option<Labels>>().map(Key::Within)
            }
            Self::Exactly => {
                let mut labels = labels.clone();
                labels.set(SEVERITY, "");
                Some(Key::Exactly(labels))
            }
        }
    }
}

/// Turns changes into alerts.  `firing` are the alerts that fire now; those of other sources are
/// passed over.
#[must_use]
pub fn settle<'a>(
    source: Source,
    changes: Vec<Change>,
    firing: impl IntoIterator<Item = &'a Alert>,
    now: Timestamp,
) -> Settled {
    let shapes: BTreeSet<_> = changes.iter().map(|change| Shape::of(&change.key)).collect();
    let mut held: HashMap<Key, Vec<Held>> =
        changes.iter().map(|change| (change.key.clone(), Vec::new())).collect();
    for alert in firing.into_iter().filter(|alert| alert.source == source) {
        for key in shapes.iter().filter_map(|shape| shape.key(&alert.labels)) {
            if let Entry::Occupied(mut found) = held.entry(key) {
                found.get_mut().push(Held {
                    labels: alert.labels.clone(),
                    annotations: alert.annotations.clone(),
                    generator_url: alert.generator_url.clone(),
                });
            }
        }
    }
    let mut settled = Settled::default();
    for Change { key, news } in changes {
        let under = held.entry(key.clone()).or_default();
        match news {
            News::Fires(alert) => fire(*alert, under, &mut settled.alerts, now),
            News::NoData(alert) => {
                if under.is_empty() {
                    fire(*alert, under, &mut settled.alerts, now);
                }
            }
            News::Ends { .. } | News::Acknowledged { .. } | News::Unacknowledged { .. }
                if under.is_empty() =>
            {
                settled.unknown.push(key);
            }
            News::Ends { at } => {
                let at = at.unwrap_or(now).min(now);
                settled.alerts.extend(under.drain(..).map(|held| held.ended(at)));
            }
            News::Acknowledged { by } => {
                take(under, by.as_deref(), Care::Acknowledged, &mut settled);
            }
            News::Unacknowledged { by } => {
                take(under, by.as_deref(), Care::GivenBack, &mut settled);
            }
        }
    }
    settled
}

fn fire(
    mut alert: IncomingAlert,
    under: &mut Vec<Held>,
    alerts: &mut Vec<IncomingAlert>,
    now: Timestamp,
) {
    let worst = under.iter().max_by_key(|held| held.severity());
    match worst {
        Some(worst) if worst.severity() >= severity(&alert.labels) => {
            alert.labels = worst.labels.clone();
            alerts.push(alert);
        }
        _ => {
            let fires = Held {
                labels: alert.labels.clone(),
                annotations: alert.annotations.clone(),
                generator_url: alert.generator_url.clone(),
            };
            alerts.push(alert);
            // After what takes their place, so that at no moment nothing fires.
            alerts.extend(under.drain(..).map(|held| held.ended(now)));
            under.push(fires);
        }
    }
}

fn take(under: &[Held], by: Option<&str>, what: Care, settled: &mut Settled) {
    settled.taken.extend(under.iter().map(|held| Taken {
        fingerprint: held.labels.fingerprint(),
        by: by.map(str::to_owned),
        what,
    }));
}

/// As the engine reads it.
fn severity(labels: &Labels) -> Severity {
    labels.get(SEVERITY).map_or(Severity::Warning, Severity::from_label)
}
