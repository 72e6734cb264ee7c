//! Any order of news keeps the rules of what fires under a key.

use std::collections::BTreeMap;

use nightcrew_intake::change::{Change, Key, News, settle};
use nightcrew_model::alert::{Alert, IncomingAlert, Source, identify};
use nightcrew_model::labels::{Fingerprint, Labels};
use nightcrew_model::severity::Severity;
use proptest::prelude::*;

use crate::payload::now;

#[derive(Clone, Copy, Debug)]
enum What {
    Fires(Severity),
    NoData,
    Ends,
    Acknowledged,
}

fn key(id: u8) -> Labels {
    [("door", "정문".to_owned()), ("id", id.to_string())].into_iter().collect()
}

fn incoming(id: u8, severity: Severity) -> IncomingAlert {
    let mut labels = key(id);
    labels.set("severity", &severity.to_string());
    IncomingAlert {
        labels,
        annotations: Labels::default(),
        starts_at: None,
        ends_at: None,
        generator_url: String::new(),
    }
}

fn held(incoming: &IncomingAlert) -> Alert {
    let (target, symptom) = identify(&incoming.labels);
    Alert {
        fingerprint: incoming.labels.fingerprint(),
        labels: incoming.labels.clone(),
        annotations: incoming.annotations.clone(),
        severity: Severity::from_label(incoming.labels.get("severity").unwrap()),
        source: Source::Generic,
        starts_at: now(),
        ends_at: None,
        updated_at: now(),
        generator_url: String::new(),
        target,
        symptom,
        evidence: None,
        chart: None,
    }
}

fn what() -> impl Strategy<Value = What> {
    let severity =
        prop::sample::select(vec![Severity::Info, Severity::Warning, Severity::Critical]);
    prop_oneof![
        4 => severity.prop_map(What::Fires),
        1 => Just(What::NoData),
        2 => Just(What::Ends),
        1 => Just(What::Acknowledged),
    ]
}

/// What fires under each id, by the rule and not by the code.
fn expected(model: &mut BTreeMap<u8, Severity>, id: u8, what: What) {
    match what {
        What::Fires(severity) => {
            let worst = model.get(&id).copied().map_or(severity, |held| held.max(severity));
            model.insert(id, worst);
        }
        What::NoData => {
            model.entry(id).or_insert(Severity::Warning);
        }
        What::Ends => {
            model.remove(&id);
        }
        What::Acknowledged => {}
    }
}

proptest! {
    #[test]
    fn one_alert_fires_for_each_thing_at_its_worst_until_it_ends(
        told in prop::collection::vec(prop::collection::vec((0_u8..3, what()), 1..4), 1..12),
        exactly: bool,
    ) {
        let mut firing: BTreeMap<Fingerprint, Alert> = BTreeMap::new();
        let mut model = BTreeMap::new();
        for batch in told {
            let mut n_unknown = 0;
            let changes = batch.iter().map(|(id, what)| {
                let news = match what {
                    What::Fires(severity) => News::Fires(Box::new(incoming(*id, *severity))),
                    What::NoData => News::NoData(Box::new(incoming(*id, Severity::Warning))),
                    What::Ends => News::Ends { at: None },
                    What::Acknowledged => News::Acknowledged { by: None },
                };
                let known = model.contains_key(id);
                n_unknown += usize::from(!known && matches!(what, What::Ends | What::Acknowledged));
                expected(&mut model, *id, *what);
                let key = if exactly { Key::Exactly(key(*id)) } else { Key::Within(key(*id)) };
                Change { key, news }
            });
            let changes: Vec<_> = changes.collect();
            let settled = settle(Source::Generic, changes, firing.values(), now());
            prop_assert_eq!(settled.unknown.len(), n_unknown);
            for alert in &settled.alerts {
                let fingerprint = alert.labels.fingerprint();
                if alert.ends_at.is_some() {
                    prop_assert!(firing.remove(&fingerprint).is_some(), "ended twice");
                } else {
                    firing.insert(fingerprint, held(alert));
                }
            }
            let fires: BTreeMap<u8, Severity> = firing
                .values()
                .map(|alert| (alert.labels.get("id").unwrap().parse().unwrap(), alert.severity))
                .collect();
            prop_assert_eq!(fires.len(), firing.len(), "two alerts for one thing");
            prop_assert_eq!(&fires, &model);
        }
    }
}
