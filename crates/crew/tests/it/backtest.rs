//! Backtests: what was recorded, under the settings that are tried.

use std::path::Path;

use jiff::Timestamp;
use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, Trial, TrialSection, load_trial};
use nightcrew_config::settings::Settings;
use nightcrew_crew::backtest::{Backtest, Ending, Outcome, Recorded, Tried};
use nightcrew_model::alert::{IncomingAlert, Source};
use nightcrew_model::id::Target;
use nightcrew_model::incident::IncidentKey;
use nightcrew_model::labels::Labels;
use nightcrew_model::sample::{Observation, Reading, Sample, Status};
use nightcrew_model::severity::Severity;
use nightcrew_model::unit::{Millis, Quantity, Unit};

const CONFIGURATION: &str = r#"{
  services: { web: { process: { child: true }, start: { argv: ["sleep", "9999"] } } },
  thresholds: { disk_usage: { warning: 80, critical: 90, samples: 3 } },
  playbooks: {
    process_down: {
      condition: "process_status == 'stopped'",
      actions: [{ type: "restart_process" }],
    },
  },
}"#;

fn begins() -> Timestamp {
    "2026-10-05T00:00:00Z".parse().unwrap()
}

fn at(seconds: u64) -> Timestamp {
    Millis::from_secs(seconds).after(begins())
}

fn settings(folder: &Path, trials: &[Trial]) -> Settings {
    let path = folder.join("nightcrew.json5");
    std::fs::write(&path, CONFIGURATION).unwrap();
    let loaded = load_trial(ConfigSource::Path(path), trials, &Env::default(), begins());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded.settings.unwrap_or_else(|| panic!("{problems:#?}"))
}

fn sample(target: Target, metric: &str, at: Timestamp, reading: Reading) -> Sample {
    let observation = Observation::Read(reading);
    Sample { target, metric: metric.into(), at, observation, detail: None }
}

fn process(at: Timestamp, status: Status) -> Sample {
    sample(Target::service("web".into()), "process_status", at, Reading::Status(status))
}

fn disk(at: Timestamp, percent: f64) -> Sample {
    let used = Reading::Quantity(Quantity::new(percent, Unit::Percent).unwrap());
    sample(Target::part("host".into(), "/var"), "disk_usage", at, used)
}

fn replay(settings: &Settings, samples: impl IntoIterator<Item = Sample>, hours: u64) -> Outcome {
    let mut backtest = Backtest::new(settings, begins());
    for sample in samples {
        backtest.take(sample.at, Recorded::Sample(sample));
    }
    backtest.end(at(hours * 3_600))
}

/// A process that was down for a minute, and came back.
fn down() -> impl Iterator<Item = Sample> {
    (0..240).map(|n| {
        let status = if (100..104).contains(&n) { Status::Stopped } else { Status::Running };
        process(at(n * 15), status)
    })
}

#[test]
fn a_process_that_was_down_would_have_been_restarted_and_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &[]);
    let outcome = replay(&settings, down(), 2);
    let [case] = outcome.cases.as_slice() else { panic!("{:#?}", outcome.cases) };
    assert_eq!((case.at, case.symptom.as_str()), (at(1_500), "process_down"));
    let [remedy] = case.remedies.as_slice() else { panic!("{case:#?}") };
    assert_eq!((remedy.playbook.as_str(), remedy.at), ("process_down", at(1_500)));
    assert_eq!(remedy.tried, Tried::Proven);
    assert!(matches!(case.ending, Ending::Resolved { verified: true, .. }), "{case:#?}");
    assert_eq!(outcome.n_samples, 240);
    assert!(!settings.run_dir().exists());
}

#[test]
fn other_limits_find_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let growing = || (0..100).map(|n| disk(at(n * 60), 70.0 + 0.25 * n as f64));
    let found = |settings: &Settings| {
        let outcome = replay(settings, growing(), 2);
        let by_limit =
            outcome.cases.into_iter().filter(|case| case.symptom.as_str() == "disk_space_low");
        by_limit.map(|case| (case.at, case.severity)).collect::<Vec<_>>()
    };
    // More than 80 % from the 41st minute on, and the third sample decides.
    assert_eq!(found(&settings(folder.path(), &[])), [(at(43 * 60), Severity::Warning)]);
    let path = folder.path().join("trial.json");
    std::fs::write(&path, r#"{"disk_usage": {"warning": 95, "critical": 99}}"#).unwrap();
    let trial = Trial { section: TrialSection::Thresholds, path: path.clone() };
    assert_eq!(found(&settings(folder.path(), &[trial])), []);
    std::fs::write(&path, r#"{"thresholds": {"disk_usage": {"critical": 75, "samples": 1}}}"#)
        .unwrap();
    let trial = Trial { section: TrialSection::Thresholds, path };
    assert_eq!(found(&settings(folder.path(), &[trial])), [(at(21 * 60), Severity::Critical)]);
}

#[test]
fn alerts_of_other_systems_are_taken_and_go_to_people() {
    let folder = tempfile::tempdir().unwrap();
    let mut backtest = Backtest::new(&settings(folder.path(), &[]), begins());
    let told = |ends_at| Recorded::Alerts {
        source: Source::Alertmanager,
        alerts: vec![IncomingAlert {
            labels: [("alertname", "느림"), ("service", "결제")].into_iter().collect(),
            annotations: Labels::default(),
            starts_at: None,
            ends_at,
            generator_url: String::new(),
        }],
    };
    backtest.take(at(60), told(None));
    backtest.take(at(600), told(Some(at(600))));
    let outcome = backtest.end(at(7_200));
    let [case] = outcome.cases.as_slice() else { panic!("{:#?}", outcome.cases) };
    assert_eq!(case.handed_over, Some(at(60)));
    assert!(matches!(case.ending, Ending::Resolved { verified: false, .. }), "{case:#?}");
    assert_eq!(outcome.noticed[0].until, Some(at(600)));
    assert_eq!(outcome.messages.values().sum::<u64>(), 2, "{:?}", outcome.messages);
    assert_eq!(outcome.n_alerts, 2);
}

#[test]
fn what_really_was_stands_beside_what_would_have_been() {
    let folder = tempfile::tempdir().unwrap();
    let mut outcome = replay(&settings(folder.path(), &[]), down(), 2);
    let key = |symptom: &str| IncidentKey {
        target: Target::service("web".into()),
        symptom: symptom.into(),
    };
    outcome.compare([
        (at(1_560), key("process_down")),
        (at(1_600), key("process_down")),
        (at(1_560), key("latency_high")),
    ]);
    assert_eq!(outcome.cases[0].was, Some(at(1_560)));
    let unseen: Vec<_> =
        outcome.unseen.iter().map(|unseen| (unseen.at, unseen.symptom.as_str())).collect();
    assert_eq!(unseen, [(at(1_600), "process_down"), (at(1_560), "latency_high")]);
}

#[test]
fn the_same_records_give_the_same_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), &[]);
    let samples =
        || down().chain((0..100).map(|n| disk(at(3_600 + n * 60), 70.0 + 0.3 * n as f64)));
    assert_eq!(replay(&settings, samples(), 6), replay(&settings, samples(), 6));
}

#[test]
fn a_sample_out_of_order_moves_no_time_back() {
    let folder = tempfile::tempdir().unwrap();
    let late = [disk(at(600), 50.0), disk(at(0), 99.0), disk(at(615), 50.0)];
    let outcome = replay(&settings(folder.path(), &[]), late, 1);
    assert!(outcome.noticed.iter().all(|noticed| noticed.at >= at(600)), "{:#?}", outcome.noticed);
}
