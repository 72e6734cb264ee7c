//! Random histories: what holds for every one of them.

use std::collections::HashMap;

use nightcrew_journal::batch::{Append, Batch, Expected};
use nightcrew_journal::entry::Position;
use nightcrew_journal::error::AppendError;
use nightcrew_journal::journal::Journal;
use nightcrew_journal::rebuild::{rebuild, verify};
use nightcrew_journal::row::Which;
use nightcrew_model::decision::Decision;
use proptest::prelude::*;

use crate::sample::{
    asked, closed, delivered, denied, ended, escalated, fired, note, opened, planned, queued,
    refused, reopened, resolved_alert, verifying, whole,
};

#[derive(Clone, Debug)]
struct Part {
    stream: u8,
    expected: Expected,
    n_decisions: usize,
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let expected = prop_oneof![
        3 => Just(Expected::Any),
        1 => Just(Expected::New),
        3 => (0..6_u64).prop_map(Expected::Version),
    ];
    let part = (0..3_u8, expected, 1..4_usize).prop_map(|(stream, expected, n_decisions)| Part {
        stream,
        expected,
        n_decisions,
    });
    prop::collection::vec(part, 1..4)
}

/// What a batch must lead to, by a model of streams as counts.
fn model(counts: &mut HashMap<u8, u64>, parts: &[Part]) -> Result<u64, (u8, u64, u64)> {
    let mut after = counts.clone();
    for part in parts {
        let count = after.entry(part.stream).or_default();
        if let Some(expected) = part.expected.version()
            && expected != *count
        {
            return Err((part.stream, expected, *count));
        }
        *count += part.n_decisions as u64;
    }
    *counts = after;
    Ok(parts.iter().map(|part| part.n_decisions as u64).sum())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// A decision that may or may not fit what came before.
fn any_decision() -> impl Strategy<Value = Decision> {
    (0..16_u8, 1..4_u64, 1..6_u64).prop_map(|(kind, n, message)| match kind {
        0 => fired(n),
        1 => resolved_alert(n),
        2 => opened(n),
        3 => planned(n),
        4 => verifying(n),
        5 => ended(n, true),
        6 => ended(n, false),
        7 => escalated(n),
        8 => reopened(n),
        9 => closed(n),
        10 => queued(message, n, "discord"),
        11 => delivered(message, n, "discord"),
        12 => refused(message, n, "discord"),
        13 => asked(n),
        14 => denied(n),
        _ => note("그 밖에"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn positions_and_versions_have_no_gap_and_conflicts_are_exact(batches in prop::collection::vec(parts(), 1..25)) {
        let dir = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let journal = Journal::open(dir.path()).unwrap();
            let (mut counts, mut last) = (HashMap::new(), 0);
            for parts in &batches {
                let appends = parts.iter().map(|part| Append {
                    stream: format!("stream/{}", part.stream),
                    expected: part.expected,
                    decisions: vec![note("x"); part.n_decisions],
                });
                let outcome = journal.append(Batch(appends.collect())).await;
                match (model(&mut counts, parts), outcome) {
                    (Ok(n), Ok(committed)) => {
                        prop_assert_eq!(committed.first, Position(last + 1));
                        last += n;
                        prop_assert_eq!(committed.last, Position(last));
                    }
                    (Err((stream, expected, actual)), Err(error)) => {
                        let stream = format!("stream/{stream}");
                        prop_assert_eq!(error, AppendError::Conflict { stream, expected, actual });
                    }
                    (model, outcome) => prop_assert!(false, "{model:?} and {outcome:?}"),
                }
            }
            let entries = whole(&journal).await;
            let mut seen: HashMap<String, u64> = HashMap::new();
            for (n, entry) in entries.iter().enumerate() {
                prop_assert_eq!(entry.position, Position(n as u64 + 1));
                let version = seen.entry(entry.stream.clone()).or_default();
                *version += 1;
                prop_assert_eq!(entry.version, *version);
            }
            for (stream, version) in &seen {
                let entries = journal.read_stream(stream, 0, 1_000).await.unwrap();
                prop_assert_eq!(entries.len() as u64, *version);
                let tail = journal.read_stream(stream, version - 1, 1_000).await.unwrap();
                prop_assert_eq!(tail.len(), 1);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_rebuild_gives_what_was_there(decisions in prop::collection::vec(any_decision(), 1..80), chunk in 1..12_usize) {
        let dir = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let journal = Journal::open(dir.path()).unwrap();
            for decisions in decisions.chunks(chunk) {
                journal.append(decisions.to_vec().into()).await.unwrap();
            }
            let before = tables(&journal).await;
            journal.close().await.unwrap();
            let verified = verify(dir.path()).unwrap();
            let rebuilt = rebuild(dir.path()).unwrap();
            prop_assert_eq!(rebuilt.entries, decisions.len() as u64);
            prop_assert_eq!(rebuilt.skipped, verified.skipped);
            let journal = Journal::open(dir.path()).unwrap();
            prop_assert_eq!(tables(&journal).await, before);
            Ok(())
        })?;
    }

    #[test]
    fn numbers_read_back_to_the_last_bit(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
        let mut decision = fired(1);
        if let nightcrew_model::decision::Fact::AlertFired { alert } = &mut decision.fact
            && let Some(sample) = &mut alert.evidence
        {
            use nightcrew_model::sample::{Observation, Reading};
            use nightcrew_model::unit::{Quantity, Unit};
            let quantity = Quantity::new(value, Unit::Percent).unwrap();
            sample.observation = Observation::Read(Reading::Quantity(quantity));
        }
        let json = serde_json::to_string(&decision).unwrap();
        prop_assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    }
}

async fn tables(journal: &Journal) -> String {
    let alerts = journal.alerts(None, 1_000).await.unwrap();
    let incidents = journal.incidents(Which::All, None, 1_000).await.unwrap();
    let due = journal.outbox_due(crate::sample::at(1_000), 1_000).await.unwrap();
    let counts = journal.outbox_counts().await.unwrap();
    format!("{alerts:?} {incidents:?} {due:?} {counts:?}")
}
