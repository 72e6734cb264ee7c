//! The sample with every key, judged by the gate.

use std::path::Path;

use nightcrew_act::gate::{Facts, Gate};
use nightcrew_act::lint::lint;
use nightcrew_config::env::Env;
use nightcrew_config::load::{ConfigSource, load};

#[test]
fn the_gate_admits_what_the_sample_with_every_key_would_do() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nightcrew.json5");
    let settings = load(ConfigSource::Path(path), &Env::default()).settings.unwrap();
    let gate = Gate::new(&settings.policy, &settings.services, Facts::new("/nowhere".into()));
    let said: Vec<String> = lint(&gate, &settings.playbooks)
        .into_iter()
        .map(|it| format!("{} {}: {}", it.playbook, it.step.0, it.verdict.reason))
        .collect();
    assert_eq!(said, [""; 0]);
}
