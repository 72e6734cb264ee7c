//! What a crew recorded, under other limits, while it runs on.

use serde_json::Value;

use crate::crew::Crew;
use crate::stage::{Done, Stage, until};

/// Looks at memory five times a second and finds nothing wrong with it.
const CONFIG: &str = "{ host: { interval_ms: 200 },
  thresholds: { memory_usage: { critical: 99.9, samples: 1 } } }";

fn outcome(done: &Done) -> Value {
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    serde_json::from_str(&done.out).unwrap()
}

#[test]
fn other_limits_over_what_was_recorded_say_what_would_have_been() {
    let stage = Stage::new();
    let trial = stage.write("trial.json", r#"{"memory_usage": {"critical": 0.01, "samples": 3}}"#);
    let config = stage.write("nightcrew.json5", CONFIG);
    let crew = Crew::up(&stage, CONFIG);
    let sent = crew.ask(&["alerts", "send", "alertname=느림", "service=결제"]);
    assert_eq!(sent.code, Some(0), "{}", sent.err);
    let args = ["backtest", "--since", "1h", "--config", config.to_str().unwrap()];
    let args = [&args[..], &["--data", "data", "--json"]].concat();
    let as_it_was = until("the first samples and the alert are stored", || {
        let found = outcome(&stage.nightcrew(&args));
        let is_there = found["n_samples"].as_u64() > Some(20) && found["n_alerts"] == 1;
        is_there.then_some(found)
    });
    let symptoms = |found: &Value| {
        let cases = found["cases"].as_array().unwrap();
        cases.iter().map(|case| case["symptom"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(symptoms(&as_it_was), ["느림"]);
    assert!(!as_it_was["cases"][0]["was"].is_null(), "{as_it_was:#}");
    assert_eq!(as_it_was["cases"][0]["ending"]["state"], "open", "{as_it_was:#}");
    assert_eq!(as_it_was["unseen"].as_array().unwrap().len(), 0);

    let trial = [&args[..], &["--thresholds", trial.to_str().unwrap()]].concat();
    let otherwise = outcome(&stage.nightcrew(&trial));
    assert!(symptoms(&otherwise).contains(&"memory_high".to_owned()), "{otherwise:#}");
    let memory = otherwise["cases"].as_array().unwrap().iter();
    let memory = memory.clone().find(|case| case["symptom"] == "memory_high").unwrap();
    assert!(memory["was"].is_null(), "{memory:#}");
    assert!(memory["why"].as_str().unwrap().contains("memory_usage > 0.01"), "{memory:#}");
    // Nobody heard of it: it was only asked.
    assert!(crew.incident("host", "memory_high").is_none());

    let said = stage.nightcrew(&args[..args.len() - 1]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("incidents would have been opened"), "{}", said.out);
    crew.stop();
}

#[test]
fn a_folder_without_records_says_so() {
    let stage = Stage::new();
    let data = stage.path("empty");
    let done = stage.nightcrew(&["backtest", "--data", data.to_str().unwrap()]);
    assert_eq!(done.code, Some(1), "{}{}", done.out, done.err);
    assert!(done.err.contains("nothing can be replayed from"), "{}", done.err);
    let bad = stage.nightcrew(&["backtest", "--since", "soon"]);
    assert_eq!(bad.code, Some(2), "{}", bad.err);
}
