//! One alert as Prometheus, Alertmanager and their relatives tell it.
//!
//! This is the hot path: it is read straight from the text, without a value in between.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::labels::Labels;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::alert_builder::fitting;
use crate::limit::{ANNOTATIONS_BYTES_MAX, LABELS_BYTES_MAX, LABELS_MAX};
use crate::moment;

/// One alert as it is told.  Members that nobody knows are left out; of two with the same name the
/// later counts.
#[derive(Debug, Default)]
pub(crate) struct Told {
    labels: Labels,
    annotations: Labels,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    generator_url: String,
    status: Option<String>,
}

impl Told {
    /// The alert of a POST to an Alertmanager, if it can be one.
    pub(crate) fn posted(self) -> Result<IncomingAlert, String> {
        if let (Some(starts_at), Some(ends_at)) = (self.starts_at, self.ends_at)
            && ends_at < starts_at
        {
            return Err("start time must be before end time".to_owned());
        }
        self.checked()
    }

    /// The alert of a webhook, if it can be one.  Its own status counts: a group fires while one
    /// of its alerts does.
    pub(crate) fn hooked(mut self, now: Timestamp) -> Result<IncomingAlert, String> {
        // A sender whose clock is ahead must not begin something after its end.
        self.starts_at = self.starts_at.map(|start| start.min(now));
        match self.status.as_deref() {
            // What fires has no end, or one that is still to come.
            Some("firing") => self.ends_at = self.ends_at.filter(|end| *end > now),
            Some("resolved") => self.ends_at = Some(self.ends_at.map_or(now, |end| end.min(now))),
            Some(other) => return Err(format!("status: {other:?} is neither firing nor resolved")),
            None => return Err("status: missing; expected firing or resolved".to_owned()),
        }
        if let (Some(starts_at), Some(ends_at)) = (self.starts_at, self.ends_at)
            && ends_at < starts_at
        {
            self.starts_at = None;
        }
        self.checked()
    }

    fn checked(self) -> Result<IncomingAlert, String> {
        if self.labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        let bytes = length(&self.labels);
        if bytes > LABELS_BYTES_MAX {
            return Err(format!("labels: {bytes} bytes, at most {LABELS_BYTES_MAX}"));
        }
        let mut generator_url = self.generator_url;
        if generator_url.len() > ANNOTATIONS_BYTES_MAX {
            // Half a link leads nowhere.
            generator_url.clear();
        }
        let mut annotations = self.annotations;
        if length(&annotations) + generator_url.len() > ANNOTATIONS_BYTES_MAX {
            annotations = fitting(annotations, generator_url.len());
        }
        Ok(IncomingAlert {
            labels: self.labels,
            annotations,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            generator_url,
        })
    }
}

fn length(pairs: &Labels) -> usize {
    pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Told;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an alert, an object with labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Told, A::Error> {
                let mut told = Told::default();
                while let Some(Text(name)) = map.next_key()? {
                    match name.as_ref() {
                        "labels" => told.labels = member(&mut map, "labels", |Pairs(it)| Ok(it))?,
                        "annotations" => {
                            told.annotations = member(&mut map, "annotations", |Pairs(it)| Ok(it))?;
                        }
                        "startsAt" => told.starts_at = member(&mut map, "startsAt", moment_of)?,
                        "endsAt" => told.ends_at = member(&mut map, "endsAt", moment_of)?,
                        "generatorURL" => {
                            let url = |MaybeText(it)| Ok(it.unwrap_or_default().into_owned());
                            told.generator_url = member(&mut map, "generatorURL", url)?;
                        }
                        "status" => told.status = member(&mut map, "status", status_of)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(told)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A status is a text; Alertmanager's API has an object there when it tells of alerts itself.
fn status_of(AnyText(text): AnyText<'_>) -> Result<Option<String>, String> {
    Ok(text.map(Cow::into_owned))
}

fn moment_of(MaybeText(text): MaybeText<'_>) -> Result<Option<Timestamp>, String> {
    text.map_or(Ok(None), |text| moment::rfc3339(&text))
}

/// Reads one member, and puts its name before whatever is wrong with it.
fn member<'de, A: MapAccess<'de>, T: Deserialize<'de>, R>(
    map: &mut A,
    name: &str,
    read: impl FnOnce(T) -> Result<R, String>,
) -> Result<R, A::Error> {
    let value = map.next_value().map_err(|error| A::Error::custom(format!("{name}: {error}")))?;
    read(value).map_err(|why| A::Error::custom(format!("{name}: {why}")))
}

/// A text, not copied where it need not be.
struct Text<'a>(Cow<'a, str>);

/// A text or nothing.
struct MaybeText<'a>(Option<Cow<'a, str>>);

/// A text, or whatever else, which counts as nothing.
struct AnyText<'a>(Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for MaybeText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Maybe;
        impl<'de> Visitor<'de> for Maybe {
            type Value = Option<Cow<'de, str>>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, it: D) -> Result<Self::Value, D::Error> {
                it.deserialize_str(TextVisitor).map(Some)
            }
        }
        deserializer.deserialize_option(Maybe).map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for AnyText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        let text: Option<MaybeText<'_>> = serde_json::from_str(raw.get()).ok();
        Ok(Self(text.and_then(|MaybeText(text)| text)))
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Label pairs.  A later pair of the same name replaces an earlier one (vmalert sends `alertname`
/// twice), an empty value is no label, and so is `null`.
struct Pairs(Labels);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of label names and values")
            }

            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs(Labels::default()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut labels = Labels::default();
                let mut n_pairs = 0;
                while let Some(Text(name)) = map.next_key()? {
                    n_pairs += 1;
                    if n_pairs > LABELS_MAX {
                        return Err(A::Error::custom(format!("more than {LABELS_MAX} of them")));
                    }
                    if name.is_empty() {
                        return Err(A::Error::custom("a name is empty"));
                    }
                    let value = map.next_value::<MaybeText<'_>>();
                    let MaybeText(value) =
                        value.map_err(|error| A::Error::custom(format!("{name}: {error}")))?;
                    labels.set(&name, value.as_deref().unwrap_or_default());
                }
                Ok(Pairs(labels))
            }
        }
        deserializer.deserialize_any(Map)
    }
}
