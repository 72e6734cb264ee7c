//! Samples go through the judge: what it finds becomes alerts, and only what must wakes people.

use jiff::Timestamp;
use nightcrew_detect::burn::Objective;
use nightcrew_detect::judge::rules::{Events, Slo};
use nightcrew_detect::threshold::Threshold;
use nightcrew_model::catalogue;
use nightcrew_model::condition::{Condition, Operand, Operator};
use nightcrew_model::id::Target;
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Quantity, Unit};

use crate::receiver::webhook;
use crate::stage_virtual::{EPOCH, Scene, quiet};

fn above(metric: &str, critical: f64) -> Threshold {
    Threshold {
        metric: metric.into(),
        service: None,
        symptom: catalogue::symptom_of(&metric.into()),
        warning: None,
        critical: Some(Condition {
            metric: metric.into(),
            operator: Operator::Greater,
            operand: Operand::Number(critical),
        }),
        needed: 3,
        of: 3,
        hysteresis: 0.0,
        lasting: Millis(0),
        min_requests: None,
    }
}

/// A sample some seconds before the test begins.
fn sample(metric: &str, ago: i64, observation: Observation) -> Sample {
    let begin: Timestamp = EPOCH.parse().unwrap();
    Sample {
        target: Target::service("web".into()),
        metric: metric.into(),
        at: Timestamp::from_second(begin.as_second() - ago).unwrap(),
        observation,
        detail: None,
    }
}

fn number(value: f64, unit: Unit) -> Observation {
    Observation::Read(Reading::Quantity(Quantity::new(value, unit).unwrap()))
}

/// The alerts that fire: symptom, severity, whether there is a picture, whether an incident.
async fn firing(scene: &Scene) -> Vec<(String, Severity, bool, bool)> {
    let look = scene.handle.view(|state, _, _| {
        let alerts = state.alerts().map(|alert| {
            let incident = state.incident_of(alert.fingerprint).is_some();
            (alert.symptom.to_string(), alert.severity, alert.chart.is_some(), incident)
        });
        let mut alerts: Vec<_> = alerts.collect();
        alerts.sort();
        alerts
    });
    look.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_anomaly_is_listed_and_wakes_nobody_until_a_limit_is_crossed() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("pager")]);
    settings.thresholds = vec![above("api_latency_ms", 2_000.0)];
    let scene = Scene::begin(settings).await;
    let two_days = 2 * 86_400;
    let at = |ago: i64, value: f64| {
        let noise = f64::from(u8::try_from(ago.rem_euclid(97)).unwrap()) / 10.0;
        sample("api_latency_ms", ago, number(value + noise, Unit::Milliseconds))
    };
    let past = (0..two_days).rev().step_by(60);
    let mut samples: Vec<Sample> =
        past.map(|ago| at(ago, if ago < 900 { 700.0 } else { 100.0 })).collect();
    scene.handle.look(std::mem::take(&mut samples)).await;
    let listed = async || (!firing(&scene).await.is_empty()).then_some(());
    scene.until(60, "an anomaly", listed).await;
    let unusual = || ("api_latency_ms_unusual".to_owned(), Severity::Info, true);
    let (symptom, severity, picture) = unusual();
    assert_eq!(firing(&scene).await, [(symptom, severity, picture, false)]);
    scene.pass(300).await;
    assert!(scene.receivers.taken("pager").is_empty(), "nobody is woken");
    let crossed = (1..=3).map(|n| at(-n * 60, 5_000.0)).collect();
    scene.handle.look(crossed).await;
    scene.taken("pager", 1, 60).await;
    let (symptom, severity, picture) = unusual();
    let both = [
        (symptom, severity, picture, true),
        ("latency_high".to_owned(), Severity::Critical, false, true),
    ];
    assert_eq!(firing(&scene).await, both, "it stands beside the incident");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_burns_wakes_somebody() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = quiet(folder.path(), vec![webhook("pager")]);
    settings.slos = vec![Slo {
        name: "응답".into(),
        service: "web".into(),
        events: Events::Looks(Condition {
            metric: "health_status".into(),
            operator: Operator::Equal,
            operand: Operand::Status(Status::Passing),
        }),
        objective: Objective::new(0.99, 30 * 24).unwrap(),
    }];
    let scene = Scene::begin(settings).await;
    let look = |ago: i64| {
        let bad = ago < 1_800 && ago % 60 < 30;
        let status = if bad { Status::Failing } else { Status::Passing };
        sample("health_status", ago, Observation::Read(Reading::Status(status)))
    };
    scene.handle.look((0..86_400).rev().step_by(15).map(look).collect()).await;
    scene.taken("pager", 1, 60).await;
    let alerts = firing(&scene).await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!((alerts[0].0.as_str(), alerts[0].1), ("slo_응답_burns", Severity::Critical));
    let slos = scene.handle.slos().await.unwrap();
    assert_eq!(slos.len(), 1);
    assert_eq!(slos[0].name.as_str(), "응답");
    scene.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_before_a_restart_is_known_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let settings = quiet(folder.path(), vec![webhook("pager")]);
    let at = |ago: i64, value: f64| {
        let noise = f64::from(u8::try_from(ago.rem_euclid(97)).unwrap()) / 10.0;
        sample("api_latency_ms", ago, number(value + noise, Unit::Milliseconds))
    };
    let unusual = || (0..900).rev().step_by(60).map(|ago| at(ago, 700.0)).collect::<Vec<_>>();
    let before = Scene::begin(settings.clone()).await;
    let usual = (900..2 * 86_400).rev().step_by(60).map(|ago| at(ago, 100.0));
    before.handle.look(usual.collect()).await;
    let stored = async || {
        let stats = before.handle.series_status().stats?;
        (stats.appended.accepted >= 2_800).then_some(())
    };
    before.until(60, "the samples are stored", stored).await;
    assert_eq!(firing(&before).await, []);
    before.stop().await;

    let after = Scene::begin(settings).await;
    let learned = async || after.handle.series_status().stats.map(drop);
    after.until(60, "the store is open", learned).await;
    after.pass(31).await;
    after.handle.look(unusual()).await;
    let listed = async || (!firing(&after).await.is_empty()).then_some(());
    after.until(60, "an anomaly against what was stored", listed).await;
    let alerts = firing(&after).await;
    assert_eq!(alerts[0].0, "api_latency_ms_unusual", "{alerts:?}");
    after.stop().await;

    // Without a past there is nothing that it could be unlike.
    let elsewhere = tempfile::tempdir().unwrap();
    let fresh = Scene::begin(quiet(elsewhere.path(), vec![webhook("pager")])).await;
    fresh.pass(31).await;
    fresh.handle.look(unusual()).await;
    fresh.pass(60).await;
    assert_eq!(firing(&fresh).await, []);
    fresh.stop().await;
}
