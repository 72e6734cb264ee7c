//! Silences: an operator says that nobody needs to hear of some alerts until an end.
//!
//! The rules are Alertmanager's (`silence/silence.go`): a silence is changed in place only where
//! that does not rewrite what it muted; otherwise the old one ends and another one begins.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use nightcrew_model::decision::{Fact, Reason};
use nightcrew_model::id::{PersonName, SilenceId};
use nightcrew_model::labels::Labels;
use nightcrew_model::matcher::{MatchOp, Matchers};
use nightcrew_model::silence::{Silence, SilenceState};
use nightcrew_model::unit::Millis;
use serde::{Deserialize, Serialize};

use crate::Step;
use crate::state::State;

/// The largest number of silences that are known; when all of them still count, a further one is
/// not taken.
pub const SILENCES_MAX: usize = 10_000;

/// How long a silence that is over is shown, as long as Alertmanager shows it.
pub const SILENCE_SHOWN_AFTER: Millis = Millis::from_secs(120 * 3_600);

/// The silences that people made; those of the configuration are in the settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Silence>", into = "Vec<Silence>")]
pub(crate) struct Silences {
    known: BTreeMap<SilenceId, Silence>,
    /// Those that want a value of a label, by label and value: an alert is compared with few,
    /// however many there are.
    by_label: HashMap<String, HashMap<String, Vec<SilenceId>>>,
    /// The others.
    rest: Vec<SilenceId>,
    /// When the next one is forgotten, if any is known.
    forget_at: Option<Timestamp>,
}

impl From<Vec<Silence>> for Silences {
    fn from(list: Vec<Silence>) -> Self {
        let mut silences = Self::default();
        for silence in list {
            silences.set(silence);
        }
        silences
    }
}

impl From<Silences> for Vec<Silence> {
    fn from(silences: Silences) -> Self {
        silences.known.into_values().collect()
    }
}

impl Silences {
    pub(crate) fn apply(&mut self, at: Timestamp, fact: &Fact) {
        if let Fact::SilenceSet { silence } = fact {
            if self.known.len() >= SILENCES_MAX && !self.known.contains_key(&silence.id) {
                self.forget_oldest(at);
            }
            self.set(silence.as_ref().clone());
        } else if let Fact::SilenceExpired { silence } = fact
            && let Some(mut ended) = self.remove(silence)
        {
            ended.starts_at = ended.starts_at.min(at);
            ended.ends_at = ended.ends_at.min(at);
            ended.updated_at = at;
            self.set(ended);
        }
    }

    /// The silences that keep people from hearing of an alert now, by id.
    pub(crate) fn muting(&self, labels: &Labels, now: Timestamp) -> Vec<&SilenceId> {
        if self.known.is_empty() {
            return Vec::new();
        }
        let wanted = labels.iter().filter_map(|(name, value)| self.by_label.get(name)?.get(value));
        let candidates = wanted.flatten().chain(&self.rest);
        let mut muting: Vec<&SilenceId> = candidates
            .filter(|id| self.known.get(*id).is_some_and(|silence| silence.mutes(labels, now)))
            .collect();
        muting.sort();
        muting
    }

    /// Forgets what has been over for long.
    pub(crate) fn forget_old(&mut self, now: Timestamp) {
        if self.forget_at.is_none_or(|at| at > now) {
            return;
        }
        let known = std::mem::take(self).known.into_values();
        for silence in known.filter(|silence| SILENCE_SHOWN_AFTER.after(silence.ends_at) > now) {
            self.set(silence);
        }
    }

    /// Forgets the one that has been over for longest.
    fn forget_oldest(&mut self, now: Timestamp) {
        let over = self.known.values().filter(|known| known.state(now) == SilenceState::Expired);
        let oldest = over.min_by_key(|known| known.ends_at).map(|known| known.id.clone());
        if let Some(oldest) = oldest {
            self.remove(&oldest);
        }
    }

    fn set(&mut self, silence: Silence) {
        self.remove(&silence.id);
        let id = silence.id.clone();
        match key_of(&silence.matchers) {
            Some((name, value)) => {
                let values = self.by_label.entry(name.to_owned()).or_default();
                values.entry(value.to_owned()).or_default().push(id.clone());
            }
            None => self.rest.push(id.clone()),
        }
        let forget_at = SILENCE_SHOWN_AFTER.after(silence.ends_at);
        self.forget_at = Some(self.forget_at.map_or(forget_at, |at| at.min(forget_at)));
        self.known.insert(id, silence);
    }

    fn remove(&mut self, id: &SilenceId) -> Option<Silence> {
        let silence = self.known.remove(id)?;
        let Some((name, value)) = key_of(&silence.matchers) else {
            self.rest.retain(|other| other != id);
            return Some(silence);
        };
        if let Some(values) = self.by_label.get_mut(name) {
            if let Some(ids) = values.get_mut(value) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.by_label.remove(name);
            }
        }
        Some(silence)
    }
}

/// A label and the value that it must have.
fn key_of(matchers: &Matchers) -> Option<(&str, &str)> {
    let equal = |op, value: &str| op == MatchOp::Equal && !value.is_empty();
    let found = matchers.iter().find(|matcher| equal(matcher.op(), matcher.value()))?;
    Some((found.name(), found.value()))
}

impl State {
    /// The silences that people made, over or not, by id.  Those of the configuration are
    /// [`crate::settings::Settings::mute_windows`].
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.known.values()
    }

    /// The silence of that id, over or not.
    #[must_use]
    pub fn silence(&self, id: &SilenceId) -> Option<&Silence> {
        self.silences.known.get(id)
    }

    /// Whether there is room for another silence ([`SILENCES_MAX`]).
    #[must_use]
    pub fn takes_silences(&self, now: Timestamp) -> bool {
        self.silences.known.len() < SILENCES_MAX
            || self.silences().any(|silence| silence.state(now) == SilenceState::Expired)
    }
}

impl Step<'_> {
    /// Makes or changes a silence.  An id that is not known and is not the fresh one, an end that
    /// has passed, or one more than there may be: nothing.
    pub(crate) fn silence_asked(&mut self, mut silence: Silence, fresh: SilenceId) {
        let known = self.state.silence(&silence.id);
        if known.is_none() && silence.id != fresh {
            return;
        }
        let by = silence.created_by.clone();
        let in_place = known.is_some_and(|known| can_become(known, &silence, self.now));
        if !in_place {
            silence.starts_at = silence.starts_at.max(self.now);
        }
        // In place, an active silence may also be made to end now.
        let over = silence.ends_at < self.now || silence.ends_at <= silence.starts_at;
        if over || known.is_none() && !self.state.takes_silences(self.now) {
            return;
        }
        if !in_place {
            let old = std::mem::replace(&mut silence.id, fresh);
            self.silence_end_asked(&old, by.clone());
        }
        silence.updated_at = self.now;
        self.decide(Fact::SilenceSet { silence: Box::new(silence) }, Reason::Asked { by });
    }

    /// Ends a silence before its time.
    pub(crate) fn silence_end_asked(&mut self, id: &SilenceId, by: PersonName) {
        let state = self.state.silence(id).map(|silence| silence.state(self.now));
        if matches!(state, Some(SilenceState::Pending | SilenceState::Active)) {
            self.decide(Fact::SilenceExpired { silence: id.clone() }, Reason::Asked { by });
        }
    }
}

/// Whether a silence can be changed in place (`silence.go`, `canUpdate`).
fn can_become(known: &Silence, wanted: &Silence, now: Timestamp) -> bool {
    known.matchers == wanted.matchers
        && match known.state(now) {
            SilenceState::Pending => wanted.starts_at >= now,
            SilenceState::Active => {
                known.starts_at == wanted.starts_at
                    && known.repeats == wanted.repeats
                    && wanted.ends_at >= now
            }
            SilenceState::Expired => false,
        }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn silence(n: usize, matchers: &str, starts: i64, ends: i64) -> Silence {
        Silence {
            id: format!("s{n}").into(),
            matchers: Matchers::parse(matchers).unwrap(),
            starts_at: Timestamp::from_second(starts).unwrap(),
            ends_at: Timestamp::from_second(ends).unwrap(),
            updated_at: Timestamp::UNIX_EPOCH,
            created_by: "kim".into(),
            comment: String::new(),
            repeats: Vec::new(),
        }
    }

    fn wants() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "a=\"1\"",
            "a=\"2\"",
            "a=\"\"",
            "a!=\"1\"",
            "a=~\"1|2\"",
            "{b=\"1\",a=\"2\"}",
            "b=\"결제\"",
        ])
        .prop_map(str::to_owned)
    }

    proptest! {
        /// The index finds what a look at every silence finds, whatever was set, changed, ended
        /// and forgotten before.
        #[test]
        fn the_index_finds_what_a_scan_finds(
            acts in prop::collection::vec((0..6usize, wants(), 0..50i64, 0..60i64, any::<bool>()), 0..40),
            a in prop::sample::select(vec!["", "1", "2"]),
            b in prop::sample::select(vec!["", "1", "결제"]),
            now in 0..60i64,
        ) {
            let mut silences = Silences::default();
            for (n, matchers, starts, ends, expire) in acts {
                let at = Timestamp::from_second(starts).unwrap();
                let fact = if expire {
                    Fact::SilenceExpired { silence: format!("s{n}").into() }
                } else {
                    Fact::SilenceSet { silence: Box::new(silence(n, &matchers, starts, ends)) }
                };
                silences.apply(at, &fact);
            }
            let labels: Labels = [("a", a), ("b", b)].into_iter().collect();
            let now = Timestamp::from_second(now).unwrap();
            let known = silences.known.values();
            let scan: Vec<&SilenceId> =
                known.filter(|known| known.mutes(&labels, now)).map(|known| &known.id).collect();
            prop_assert_eq!(silences.muting(&labels, now), scan);
            let stored = serde_json::to_string(&silences).unwrap();
            let read: Silences = serde_json::from_str(&stored).unwrap();
            prop_assert_eq!(read.muting(&labels, now), silences.muting(&labels, now));
            silences.forget_old(Timestamp::MAX);
            prop_assert_eq!(silences, Silences::default());
        }
    }

    #[test]
    fn what_is_over_makes_room() {
        let now = Timestamp::from_second(100).unwrap();
        let mut state = State::default();
        let mut set = |n: usize, ends: i64| {
            let silence = Box::new(silence(n, "a=\"1\"", 0, ends));
            state.silences.apply(now, &Fact::SilenceSet { silence });
            (state.silences.known.len(), state.takes_silences(now))
        };
        for n in 0..SILENCES_MAX - 1 {
            set(n, 1_000);
        }
        assert_eq!(set(SILENCES_MAX, 1_000), (SILENCES_MAX, false));
        assert_eq!(set(7, 50), (SILENCES_MAX, true));
        assert_eq!(set(SILENCES_MAX + 1, 1_000), (SILENCES_MAX, false));
        assert!(state.silence(&"s7".into()).is_none());
    }
}
