//! The body of `POST /api/v2/alerts`: an array of alerts, as Alertmanager 0.25 and later take it
//! (`api/v2/openapi.yaml`, `postableAlerts`).

use std::fmt;

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::Offset;
use nightcrew_model::alert::IncomingAlert;
use nightcrew_model::labels::Labels;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::elements::{Elements, NotAlerts, Parsed, from_text};
use crate::limit::{LABEL_BYTES_MAX, LABELS_MAX};

/// Reads the alerts of a body.
pub(crate) fn parse(text: &str) -> Result<Parsed<IncomingAlert>, NotAlerts> {
    let elements: Elements<'_> = from_text(text)?;
    Parsed::of(&elements, |raw| {
        let told: Told = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        told.checked()
    })
}

/// One alert as it is told.  Members that nobody knows are left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    #[serde(default)]
    labels: Pairs,
    #[serde(default)]
    annotations: Pairs,
    starts_at: Option<String>,
    ends_at: Option<String>,
    #[serde(rename = "generatorURL")]
    generator_url: Option<String>,
    pub(crate) status: Option<String>,
}

impl Told {
    /// The alert, if it can be one.
    pub(crate) fn checked(self) -> Result<IncomingAlert, String> {
        if self.labels.0.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        let generator_url = self.generator_url.unwrap_or_default();
        within_bytes("labels", &self.labels.0, 0)?;
        within_bytes("annotations with the URL", &self.annotations.0, generator_url.len())?;
        let starts_at = moment("startsAt", self.starts_at.as_deref())?;
        let ends_at = moment("endsAt", self.ends_at.as_deref())?;
        if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at)
            && ends_at < starts_at
        {
            return Err("start time must be before end time".to_owned());
        }
        Ok(IncomingAlert {
            labels: self.labels.0,
            annotations: self.annotations.0,
            starts_at,
            ends_at,
            generator_url,
        })
    }
}

fn within_bytes(what: &str, pairs: &Labels, more: usize) -> Result<(), String> {
    let bytes = pairs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() + more;
    if bytes > LABEL_BYTES_MAX {
        return Err(format!("{what}: {bytes} bytes, at most {LABEL_BYTES_MAX}"));
    }
    Ok(())
}

/// The moment in an RFC 3339 text; none for no text and for Go's zero time.
fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let moment: Timestamp = text.parse().map_err(|_| {
        format!("{name}: {text:?} is not an RFC 3339 time such as 2026-11-21T03:00:00Z")
    })?;
    Ok((Some(moment) != go_zero_time()).then_some(moment))
}

/// `0001-01-01T00:00:00Z`, which is how Go writes "not set".
fn go_zero_time() -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date(1, 1, 1).at(0, 0, 0, 0)).ok()
}

/// Label pairs.  A later pair of the same name replaces an earlier one (vmalert sends `alertname`
/// twice), an empty value is no label, and so is `null`.
#[derive(Debug, Default)]
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
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut labels = Labels::default();
                let mut n_pairs = 0;
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    n_pairs += 1;
                    if n_pairs > LABELS_MAX {
                        return Err(A::Error::custom(format!("more than {LABELS_MAX} labels")));
                    }
                    if name.is_empty() {
                        return Err(A::Error::custom("a label name is empty"));
                    }
                    labels.set(&name, value.as_deref().unwrap_or_default());
                }
                Ok(Pairs(labels))
            }
        }
        deserializer.deserialize_any(Map)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn one(alert: &Value) -> Result<IncomingAlert, String> {
        let parsed = parse(&json!([alert]).to_string()).unwrap();
        let complaint = parsed.complaint();
        parsed.good.into_iter().next().ok_or_else(|| complaint.unwrap())
    }

    #[test]
    fn takes_what_vmalert_sends() {
        let text = include_str!("../../tests/payloads/vmalert_api_v2_alerts.json");
        let parsed = parse(text).unwrap();
        assert_eq!((parsed.good.len(), parsed.n_bad), (1, 0));
        assert_eq!(parsed.good[0].labels.get("alertname"), Some("A"));
        assert_eq!(parsed.good[0].labels.len(), 4);
        assert!(parsed.good[0].ends_at > parsed.good[0].starts_at);
    }

    #[test]
    fn the_last_of_two_equal_names_wins() {
        let parsed = parse(r#"[{"labels":{"서비스":"가","서비스":"나","x":""}}]"#).unwrap();
        assert_eq!(parsed.good[0].labels.to_string(), r#"{서비스="나"}"#);
    }

    #[test]
    fn the_zero_time_is_no_time() {
        for zero in [
            json!("0001-01-01T00:00:00Z"),
            json!("0001-01-01T00:00:00.000Z"),
            json!(""),
            json!(null),
        ] {
            let alert = json!({"labels": {"a": "1"}, "startsAt": zero, "endsAt": zero});
            let alert = one(&alert).unwrap();
            assert_eq!((alert.starts_at, alert.ends_at), (None, None));
        }
    }

    #[test]
    fn says_what_is_wrong_with_an_alert() {
        let wrong = [
            (json!({}), "at least one label pair required"),
            (json!({"labels": {"a": ""}}), "at least one label pair required"),
            (json!({"labels": {"": "1"}}), "a label name is empty"),
            (json!({"labels": {"a": 5}}), "invalid type: integer `5`, expected a string"),
            (json!(null), "invalid type: null"),
            (
                json!({"labels": {"a": "1"}, "startsAt": "어제"}),
                "startsAt: \"어제\" is not an RFC 3339",
            ),
            (
                json!({"labels": {"a": "1"}, "startsAt": "2026-11-21T03:00:00Z", "endsAt": "2026-11-21T02:00:00Z"}),
                "start time must be before end time",
            ),
        ];
        for (alert, why) in wrong {
            let complaint = one(&alert).unwrap_err();
            assert!(complaint.starts_with(&format!("alert 0: {why}")), "{complaint}");
        }
    }

    #[test]
    fn labels_have_a_limit_in_number_and_length() {
        let labels = |n: usize| -> serde_json::Map<String, Value> {
            (0..n).map(|n| (format!("l{n}"), json!("v"))).collect()
        };
        assert_eq!(one(&json!({"labels": labels(LABELS_MAX)})).unwrap().labels.len(), LABELS_MAX);
        let complaint = one(&json!({"labels": labels(10_000)})).unwrap_err();
        assert!(complaint.starts_with("alert 0: more than 512 labels"), "{complaint}");
        let long = |bytes: usize| json!({"labels": {"a": "x".repeat(bytes)}});
        assert!(one(&long(LABEL_BYTES_MAX - 1)).is_ok());
        assert_eq!(
            one(&long(LABEL_BYTES_MAX)).unwrap_err(),
            "alert 0: labels: 65537 bytes, at most 65536"
        );
        let url = json!({"labels": {"a": "1"}, "generatorURL": "x".repeat(LABEL_BYTES_MAX + 1)});
        assert!(one(&url).unwrap_err().contains("annotations with the URL"));
    }

    #[test]
    fn a_bad_one_does_not_lose_its_neighbours() {
        let text = r#"[{"labels":{"a":"1"}}, {"labels":[]}, {"labels":{"b":"한국어"}}, 7]"#;
        let parsed = parse(text).unwrap();
        assert_eq!((parsed.good.len(), parsed.n_bad), (2, 2));
        let complaint = parsed.complaint().unwrap();
        assert!(
            complaint.contains("alert 1: ") && complaint.contains("; alert 3: "),
            "{complaint}"
        );
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            Just(json!("2026-11-21T03:00:00Z")),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let name = prop_oneof!["labels", "annotations", "startsAt", "endsAt", "\\PC{0,6}"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name, inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\",:a-z0-9\\\\ 가]{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn every_element_is_either_taken_or_named(alerts in prop::collection::vec(json_value(), 0..8)) {
            let n_alerts = alerts.len();
            let parsed = parse(&Value::from(alerts).to_string()).unwrap();
            prop_assert_eq!(parsed.good.len() + parsed.n_bad, n_alerts);
            prop_assert_eq!(parsed.complaint().is_none(), parsed.good.len() == n_alerts);
            for alert in &parsed.good {
                prop_assert!(!alert.labels.is_empty());
                prop_assert!(alert.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
                if let (Some(start), Some(end)) = (alert.starts_at, alert.ends_at) {
                    prop_assert!(start <= end);
                }
            }
        }
    }
}
