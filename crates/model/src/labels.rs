//! Label sets and their fingerprint.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::intern::intern;

/// A set of name and value pairs, in the order of their names.  Empty values count as absent, as
/// in Prometheus, so they are never stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    /// A later pair of the same name replaces an earlier one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of label names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
                let mut labels = Labels(Vec::with_capacity(map.size_hint().unwrap_or(0).min(64)));
                while let Some((name, value)) = map.next_entry::<Text<'_>, Text<'_>>()? {
                    labels.set(&name.0, &value.0);
                }
                Ok(labels)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Text that is borrowed where it stands as it is.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

impl Labels {
    /// The value of a label, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
        Some(&self.0.get(found)?.1)
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        // Pairs often come in their order.
        if !value.is_empty() && self.0.last().is_none_or(|(last, _)| last.as_ref() < name) {
            self.0.push((intern(name), intern(value)));
            return;
        }
        match (self.0.binary_search_by(|(key, _)| key.as_ref().cmp(name)), value.is_empty()) {
            (Ok(at), true) => drop(self.0.remove(at)),
            (Ok(at), false) => self.0[at].1 = intern(value),
            (Err(_), true) => {}
            (Err(at), false) => self.0.insert(at, (intern(name), intern(value))),
        }
    }

    /// The pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// How many labels are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no label is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fingerprint that Prometheus and Alertmanager give the same set: FNV-1a 64 over each
    /// name and value in the order of names, each followed by the byte 255
    /// (`prometheus/common`, `model/signature.go`, `labelSetToFingerprint`).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint_of(|_| true)
    }

    /// The fingerprint of those labels whose name is wanted, without making a set of them.
    pub fn fingerprint_of(&self, wanted: impl Fn(&str) -> bool) -> Fingerprint {
        const SEPARATOR: u8 = 255;
        let mut hasher = fnv::FnvHasher::default();
        for (name, value) in self.0.iter().filter(|(name, _)| wanted(name)) {
            hasher.write(name.as_bytes());
            hasher.write_u8(SEPARATOR);
            hasher.write(value.as_bytes());
            hasher.write_u8(SEPARATOR);
        }
        Fingerprint(hasher.finish())
    }

    /// Those labels whose name is wanted; their text is shared, not copied.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| wanted(name)).cloned().collect())
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(pairs: BTreeMap<String, String>) -> Self {
        pairs.into_iter().collect()
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    /// A later pair of the same name replaces an earlier one.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::default();
        for (name, value) in pairs {
            labels.set(name.as_ref(), value.as_ref());
        }
        labels
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value:?}", if n == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

/// The identity of an alert: the hash of its labels, written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "Text<'_>")]
pub struct Fingerprint(pub u64);

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 16];
        for (n, place) in digits.iter_mut().rev().enumerate() {
            let digit = self.0 >> (4 * n) & 0xf;
            *place = b"0123456789abcdef"[digit as usize];
        }
        serializer.serialize_str(str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFingerprint(pub String);

impl fmt::Display for BadFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a fingerprint; expected 16 hexadecimal digits", self.0)
    }
}

impl std::error::Error for BadFingerprint {}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadFingerprint(text.to_owned());
        if text.len() != 16 || text.starts_with('+') {
            return Err(bad());
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| bad())
    }
}

impl TryFrom<Text<'_>> for Fingerprint {
    type Error = BadFingerprint;

    fn try_from(text: Text<'_>) -> Result<Self, Self::Error> {
        text.0.parse()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = BadFingerprint;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agrees_with_a_fingerprint_that_alertmanager_printed() {
        // From a webhook that Alertmanager 0.25 sent.
        let labels: Labels = [
            ("severity", "critical"),
            ("alertname", "InstanceDown"),
            ("instance", "127.0.0.1:29199"),
            ("job", "dead"),
            ("team", "sre"),
        ]
        .into_iter()
        .collect();
        assert_eq!(labels.fingerprint().to_string(), "ae798f6140c1fd61");
    }

    #[test]
    fn empty_values_are_absent() {
        let with: Labels = [("a", "1"), ("b", "")].into_iter().collect();
        let without: Labels = [("a", "1")].into_iter().collect();
        assert_eq!(with, without);
    }

    proptest! {
        #[test]
        fn the_order_of_pairs_does_not_matter(pairs in prop::collection::btree_map("[a-z]{1,4}", "\\PC{0,6}", 0..8)) {
            let forward: Labels = pairs.iter().collect();
            let backward: Labels = pairs.iter().rev().collect();
            prop_assert_eq!(forward.fingerprint(), backward.fingerprint());
            let json = serde_json::to_string(&forward).unwrap();
            prop_assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), forward);
        }

        #[test]
        fn fingerprints_read_back_what_they_print(bits: u64) {
            prop_assert_eq!(Fingerprint(bits).to_string().parse(), Ok(Fingerprint(bits)));
        }
    }
}
