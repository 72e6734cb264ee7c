//! Payloads of the corpus, mutated: never a panic, and nothing is dropped in silence.

use nightcrew_intake::change::{Key, News, settle};
use nightcrew_intake::limit::{ALERTS_MAX, ANNOTATIONS_BYTES_MAX, LABELS_BYTES_MAX};
use nightcrew_intake::parsed::{Parsed, Unparsable};
use nightcrew_model::alert::{IncomingAlert, Source};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::payload::{self, Payload, now};

/// What is done to a payload.
#[derive(Clone, Debug)]
enum Mutation {
    /// A member or element goes away.
    Remove(Index),
    /// A value becomes another one.
    Replace(Index, Value),
    /// A text becomes huge.
    Swell(Index, usize),
    /// A number becomes a text, or a text a number.
    Retype(Index),
    /// A value is wrapped in arrays, so deep.
    Bury(Index, usize),
    /// Every leaf becomes `null`.
    NullEverywhere,
    /// A member comes twice, in the text.
    Duplicate(Index),
    /// The text ends early.
    Truncate(Index),
    /// A byte becomes another.
    Spoil(Index, u8),
    /// Bytes that are no UTF-8.
    Insert(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let other = prop_oneof![
        Just(Value::Null),
        Just(json!("")),
        Just(json!(" ")),
        Just(json!("결제")),
        Just(json!(-1)),
        Just(json!(u64::MAX)),
        Just(json!(1e300)),
        Just(json!(true)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([null])),
        Just(json!("0001-01-01T00:00:00Z")),
        Just(json!("9999-12-31T23:59:59Z")),
    ];
    prop_oneof![
        4 => any::<Index>().prop_map(Mutation::Remove),
        4 => (any::<Index>(), other).prop_map(|(at, value)| Mutation::Replace(at, value)),
        1 => (any::<Index>(), 1_usize..100_000).prop_map(|(at, n)| Mutation::Swell(at, n)),
        3 => any::<Index>().prop_map(Mutation::Retype),
        1 => (any::<Index>(), prop_oneof![Just(1_usize), Just(127), Just(1_000)]).prop_map(|(at, n)| Mutation::Bury(at, n)),
        1 => Just(Mutation::NullEverywhere),
        2 => any::<Index>().prop_map(Mutation::Duplicate),
        1 => any::<Index>().prop_map(Mutation::Truncate),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Spoil(at, byte)),
        1 => any::<Index>().prop_map(Mutation::Insert),
    ]
}

/// The JSON pointers of every value.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        found.push(path.to_owned());
        match value {
            Value::Array(array) => {
                for (n, value) in array.iter().enumerate() {
                    walk(value, &format!("{path}/{n}"), found);
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(value, &format!("{path}/{name}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

fn null_everywhere(value: &mut Value) {
    match value {
        Value::Array(array) => array.iter_mut().for_each(null_everywhere),
        Value::Object(members) => members.values_mut().for_each(null_everywhere),
        leaf => *leaf = Value::Null,
    }
}

fn remove(body: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    match body.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(array)) => {
            array.remove(name.parse().unwrap());
        }
        _ => {}
    }
}

fn mutate(body: &[u8], mutation: &Mutation) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    let all = pointers(&value);
    let chosen = |at: &Index| all[at.index(all.len())].clone();
    match mutation {
        Mutation::Remove(at) => remove(&mut value, &chosen(at)),
        Mutation::Replace(at, other) => *value.pointer_mut(&chosen(at)).unwrap() = other.clone(),
        Mutation::Swell(at, n) => {
            *value.pointer_mut(&chosen(at)).unwrap() = json!("가나".repeat(*n));
        }
        Mutation::Retype(at) => {
            let value = value.pointer_mut(&chosen(at)).unwrap();
            *value = match &*value {
                Value::String(text) => json!(text.len()),
                other => json!(other.to_string()),
            };
        }
        Mutation::Bury(at, depth) => {
            let buried = format!("{}1{}", "[".repeat(*depth), "]".repeat(*depth));
            *value.pointer_mut(&chosen(at)).unwrap() = json!("@buried@");
            return value.to_string().replace("\"@buried@\"", &buried).into_bytes();
        }
        Mutation::NullEverywhere => null_everywhere(&mut value),
        Mutation::Duplicate(at) => {
            let text = value.to_string();
            let colons: Vec<_> = text.match_indices("\":").map(|(at, _)| at).collect();
            if let Some(colon) = (!colons.is_empty()).then(|| colons[at.index(colons.len())]) {
                let (before, after) = text.split_at(colon + 1);
                let (head, _) = before.trim_end_matches('"').rsplit_once('"').unwrap();
                let name = before.strip_prefix(head).unwrap();
                return format!("{head}{name}:7,{name}{after}").into_bytes();
            }
        }
        Mutation::Truncate(at) => {
            let mut text = value.to_string().into_bytes();
            text.truncate(at.index(text.len()));
            return text;
        }
        Mutation::Spoil(at, byte) => {
            let mut text = value.to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = *byte;
            return text;
        }
        Mutation::Insert(at) => {
            let mut text = value.to_string().into_bytes();
            let at = at.index(text.len());
            text.splice(at..at, [0xff, 0xc0]);
            return text;
        }
    }
    value.to_string().into_bytes()
}

/// How many alerts a body of this door holds, where its elements count one by one.
fn n_elements(source: Source, body: &[u8]) -> Option<usize> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match source {
        Source::AlertsApi => Some(body.as_array()?.len()),
        Source::Alertmanager | Source::Grafana | Source::Signoz => {
            Some(body.get("alerts")?.as_array()?.len())
        }
        Source::Generic => Some(body.get("events")?.as_array()?.len()),
        _ => None,
    }
}

fn assert_sound(alert: &IncomingAlert) {
    let bytes = |labels: &nightcrew_model::labels::Labels| -> usize {
        labels.iter().map(|(name, value)| name.len() + value.len()).sum()
    };
    assert!(!alert.labels.is_empty());
    assert!(alert.labels.iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
    assert!(bytes(&alert.labels) <= LABELS_BYTES_MAX);
    assert!(bytes(&alert.annotations) + alert.generator_url.len() <= ANNOTATIONS_BYTES_MAX);
}

fn assert_accounted(payload: &Payload, result: Result<Parsed, Unparsable>) {
    match result {
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && said.chars().count() < 800, "{said}");
            if let Unparsable::Field { path, .. } = &error {
                assert!(!path.is_empty());
            }
        }
        Ok(parsed) => {
            assert!(parsed.n_elements() <= ALERTS_MAX);
            if let Some(expected) = n_elements(payload.source, &payload.body) {
                assert_eq!(parsed.n_elements(), expected, "an element was dropped in silence");
            } else if serde_json::from_slice::<Value>(&payload.body).is_ok() {
                let accounted = parsed.n_elements() > 0
                    || !parsed.notes.is_empty()
                    || parsed.handshake.is_some();
                assert!(accounted, "empty and fine: {}", String::from_utf8_lossy(&payload.body));
            }
            parsed.alerts.iter().for_each(assert_sound);
            for change in &parsed.changes {
                let (Key::Within(key) | Key::Exactly(key)) = &change.key;
                assert!(key.len() >= 2, "a key needs more than its door");
                if let News::Fires(alert) | News::NoData(alert) = &change.news {
                    assert_sound(alert);
                    let all = key.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
                    assert!(all, "an alert must be found again by its key");
                    assert!(alert.starts_at.is_none_or(|start| start <= now()));
                }
            }
            settle(payload.source, parsed.changes, &[], now()).alerts.iter().for_each(assert_sound);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_mutated_payload_is_accounted_for(which: Index, mutations in prop::collection::vec(mutation(), 1..4)) {
        let payloads = all();
        let mut payload = payloads[which.index(payloads.len())].clone();
        for mutation in &mutations {
            payload.body = mutate(&payload.body, mutation);
        }
        let result = payload.parsed();
        assert_accounted(&payload, result);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_mutated_message_of_sns_keeps_its_signature(which: Index, mutation in mutation()) {
        let signed: Vec<_> = all()
            .into_iter()
            .filter(|payload| payload.source == Source::Cloudwatch && payload.name.starts_with("sns_"))
            .collect();
        let payload = &signed[which.index(signed.len())];
        let body = mutate(&payload.body, &mutation);
        if crate::sns::verified(&body).is_ok() {
            let read = |body: &[u8]| {
                let mut message: Value = serde_json::from_slice(body).unwrap();
                // What is not signed may be anything, and is not read either.
                let signed = ["Type", "Message", "MessageId", "Timestamp", "TopicArn"];
                message.as_object_mut().unwrap().retain(|name, value| {
                    signed.contains(&name.as_str()) || name == "Subject" && !value.is_null()
                });
                message
            };
            prop_assert_eq!(read(&body), read(&payload.body));
        }
    }

    #[test]
    fn no_request_makes_a_check_panic(
        source in prop::sample::select(payload::DOORS.to_vec()),
        name in "(authorization|x-api-key|x-hub-signature-256|x-pagerduty-signature|sentry-hook-signature|x-grafana-alerting-signature)",
        value in prop::collection::vec(any::<u8>(), 0..80),
        text in "(Bearer |Basic |GenieKey |v1=|sha256=)?[0-9a-zA-Z=:, ]{0,70}",
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        crate::proof::assert_nobody_gets_in(source, &name, &value, &body);
        crate::proof::assert_nobody_gets_in(source, &name, text.as_bytes(), &body);
    }
}

#[test]
fn every_field_may_be_missing_or_null_or_of_another_type() {
    for payload in all() {
        let Ok(value) = serde_json::from_slice::<Value>(&payload.body) else { continue };
        for pointer in pointers(&value) {
            for other in [
                None,
                Some(json!(null)),
                Some(json!(7)),
                Some(json!("x")),
                Some(json!({})),
                Some(json!([[]])),
            ] {
                let mut value = value.clone();
                match other {
                    None => remove(&mut value, &pointer),
                    Some(other) => *value.pointer_mut(&pointer).unwrap() = other,
                }
                let payload = Payload { body: value.to_string().into_bytes(), ..payload.clone() };
                let result = payload.parsed();
                assert_accounted(&payload, result);
            }
        }
    }
}

#[test]
fn every_cut_is_refused() {
    for payload in all() {
        let end = payload.body.trim_ascii_end().len();
        for at in (0..end).step_by(7) {
            let cut = Payload { body: payload.body[..at].to_vec(), ..payload.clone() };
            let result = cut.parsed();
            // An action of Opsgenie needs no body.
            assert!(result.is_err() || at == 0, "{} {}: {at}", payload.source, payload.name);
        }
    }
}

fn all() -> Vec<Payload> {
    thread_local! {
        static ALL: Vec<Payload> = payload::all();
    }
    ALL.with(Clone::clone)
}
