//! All living series: their labels, and the postings that find them.
//!
//! Ids are given in order and never twice, so every list of postings is sorted by itself.

use std::collections::{BTreeSet, HashMap};

use nightcrew_model::labels::Labels;
use nightcrew_model::matcher::{MatchOp, Matcher, Matchers};

use crate::error::Refusal;
use crate::key::Key;
use crate::sample::SeriesId;

/// A living series.
#[derive(Debug)]
struct Entry {
    labels: Labels,
    /// Whether somebody asked for it since the last `forget`: it may be about to get samples.
    asked: bool,
}

type Postings = HashMap<Box<str>, HashMap<Box<str>, Vec<u32>>>;

/// The table of series.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By id; `None` once it was forgotten.
    entries: Vec<Option<Entry>>,
    /// Fingerprint and id: several series may share a fingerprint.
    prints: BTreeSet<(u64, u32)>,
    postings: Postings,
    living: usize,
}

impl Index {
    /// The id of a series, made if there is none.
    pub(crate) fn series(&mut self, key: &Key, max: usize) -> Result<SeriesId, Refusal> {
        self.insert(key.labels(), max)
    }

    fn insert(&mut self, labels: &Labels, max: usize) -> Result<SeriesId, Refusal> {
        let print = labels.fingerprint().0;
        for (_, id) in self.prints.range((print, 0)..=(print, u32::MAX)) {
            if let Some(Some(entry)) = self.entries.get_mut(*id as usize)
                && entry.labels == *labels
            {
                entry.asked = true;
                return Ok(SeriesId(*id));
            }
        }
        let full = Refusal::TooManySeries { limit: max };
        let Ok(id) = u32::try_from(self.entries.len()) else { return Err(full) };
        if self.living >= max {
            return Err(full);
        }
        for (name, value) in labels.iter() {
            if !self.postings.contains_key(name) {
                self.postings.insert(name.into(), HashMap::new());
            }
            let Some(values) = self.postings.get_mut(name) else { continue };
            match values.get_mut(value) {
                Some(ids) => ids.push(id),
                None => drop(values.insert(value.into(), vec![id])),
            }
        }
        self.prints.insert((print, id));
        self.entries.push(Some(Entry { labels: labels.clone(), asked: true }));
        self.living += 1;
        Ok(SeriesId(id))
    }

    /// The id of a series that is read from a file: it was within the limit when it was written.
    pub(crate) fn restore(&mut self, labels: &Labels) -> Option<SeriesId> {
        self.insert(labels, usize::MAX).ok()
    }

    /// The labels of a series that lives.
    pub(crate) fn labels(&self, id: u32) -> Option<&Labels> {
        self.entries.get(id as usize)?.as_ref().map(|entry| &entry.labels)
    }

    /// How many live.
    pub(crate) fn living(&self) -> usize {
        self.living
    }

    /// The ids of all series that the matchers hold for, in order.
    pub(crate) fn select(&self, matchers: &Matchers) -> Vec<u32> {
        let narrowest = matchers
            .iter()
            .filter(|matcher| !matcher.holds_for(""))
            .filter(|matcher| matcher.op() == MatchOp::Equal)
            .map(|matcher| self.equal(matcher))
            .min_by_key(|ids| ids.len());
        let candidates = match narrowest {
            Some(ids) => ids.to_vec(),
            None => match matchers.iter().find(|matcher| !matcher.holds_for("")) {
                Some(matcher) => self.matching(matcher),
                None => (0..).take(self.entries.len()).collect(),
            },
        };
        let holds = |id: &u32| self.labels(*id).is_some_and(|labels| matchers.hold(labels));
        candidates.into_iter().filter(holds).collect()
    }

    fn equal(&self, matcher: &Matcher) -> &[u32] {
        let values = self.postings.get(matcher.name());
        values.and_then(|values| values.get(matcher.value())).map_or(&[], Vec::as_slice)
    }

    fn matching(&self, matcher: &Matcher) -> Vec<u32> {
        let values = self.postings.get(matcher.name()).into_iter().flatten();
        let lists = values.filter(|(value, _)| matcher.holds_for(value));
        let mut ids: Vec<u32> = lists.flat_map(|(_, ids)| ids).copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Forgets the series that have no samples and that nobody asked for lately; gives their ids.
    pub(crate) fn forget(&mut self, has_samples: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut forgotten = Vec::new();
        for (entry, id) in self.entries.iter_mut().zip(0..) {
            if let Some(living) = entry
                && !std::mem::take(&mut living.asked)
                && !has_samples(id)
            {
                self.prints.remove(&(living.labels.fingerprint().0, id));
                *entry = None;
                self.living -= 1;
                forgotten.push(id);
            }
        }
        if !forgotten.is_empty() {
            self.postings.retain(|_, values| {
                values.retain(|_, ids| {
                    ids.retain(|id| forgotten.binary_search(id).is_err());
                    !ids.is_empty()
                });
                !values.is_empty()
            });
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(metric: &str, host: &str) -> Key {
        Key::new(metric, [("host", host)].into_iter().collect()).unwrap()
    }

    fn filled() -> Index {
        let mut index = Index::default();
        for metric in ["cpu", "memory"] {
            for host in ["a", "b", "c"] {
                index.series(&key(metric, host), 10).unwrap();
            }
        }
        index.series(&Key::new("cpu", Labels::default()).unwrap(), 10).unwrap();
        index
    }

    #[test]
    fn every_kind_of_matcher_selects() {
        let index = filled();
        for (matchers, ids) in [
            ("{__name__=\"cpu\"}", vec![0, 1, 2, 6]),
            ("{__name__=\"cpu\",host=\"b\"}", vec![1]),
            ("{__name__=\"cpu\",host!=\"b\"}", vec![0, 2, 6]),
            ("{host=~\"a|c\"}", vec![0, 2, 3, 5]),
            ("{host!~\"a|c\"}", vec![1, 4, 6]),
            ("{host=\"\"}", vec![6]),
            ("{host=~\".+\",__name__=~\"mem.*\"}", vec![3, 4, 5]),
            ("{}", vec![0, 1, 2, 3, 4, 5, 6]),
            ("{host=\"x\"}", vec![]),
            ("{absent=\"x\"}", vec![]),
        ] {
            assert_eq!(index.select(&Matchers::parse(matchers).unwrap()), ids, "{matchers}");
        }
    }

    #[test]
    fn the_limit_of_series_is_kept_and_the_known_ones_pass_it() {
        let mut index = filled();
        assert_eq!(index.series(&key("new", "a"), 7), Err(Refusal::TooManySeries { limit: 7 }));
        assert_eq!(index.series(&key("cpu", "b"), 7), Ok(SeriesId(1)));
        assert_eq!(index.living(), 7);
    }

    #[test]
    fn series_without_samples_are_forgotten_unless_asked_for() {
        let mut index = filled();
        assert!(index.forget(|_| true).is_empty());
        index.series(&key("cpu", "b"), 10).unwrap();
        assert_eq!(index.forget(|id| id < 1), [2, 3, 4, 5, 6]);
        assert_eq!(index.living(), 2);
        assert_eq!(index.select(&Matchers::default()), [0, 1]);
        assert!(index.select(&Matchers::parse("__name__=memory").unwrap()).is_empty());
        // It comes back under a new id.
        assert_eq!(index.series(&key("cpu", "c"), 10), Ok(SeriesId(7)));
    }
}
