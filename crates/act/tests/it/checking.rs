//! The programs of checks.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nightcrew_act::executor::Executor;
use nightcrew_act::gate::{Gate, Judgement};
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::{Check, Probe, Service};
use nightcrew_model::plan::StepStatus;
use nightcrew_model::unit::Millis;
use nightcrew_model::verdict::{RiskClass, Ruling};
use nightcrew_runtime::clock::Clock;

use crate::machine::{real_gate, service};

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}

/// A gate with one service whose checks are these commands.
fn gate(folder: &Path, commands: &[&[&str]]) -> Gate {
    let check = |argv: &&[&str]| Check {
        probe: Probe::Command { argv: words(argv), expect_exit: 0, expect_output: None },
        interval: Millis::from_secs(15),
        timeout: Millis::from_secs(5),
    };
    let checks = commands.iter().map(check).collect();
    real_gate(folder, folder, vec![Service { checks, ..service("결제") }])
}

#[tokio::test]
async fn a_declared_check_runs_without_a_shell_and_in_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("check");
    fs::write(&script, "#!/bin/sh\necho \"$1 $HOME\"; exit 3\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    let (said, slow) = ([script, "$(id) ; 둘"], ["sleep", "60"]);
    let gate = gate(folder.path(), &[&said, &slow]);
    let run = async |argv: &[&str], timeout| {
        let Judgement { verdict, admitted } = gate.admit_check(&words(argv));
        assert_eq!((verdict.verdict, verdict.class), (Ruling::Admitted, RiskClass::Observe));
        Executor::Live.execute(admitted.unwrap(), timeout, &Surroundings::new(Clock::System)).await
    };
    let outcome = run(&said, Millis::from_secs(5)).await;
    assert_eq!(outcome.status, StepStatus::Exited { code: Some(3) });
    assert_eq!(outcome.output.trim(), format!("$(id) ; 둘 {}", folder.path().display()));
    assert_eq!(run(&slow, Millis(50)).await.status, StepStatus::TimedOut);
}

#[test]
fn what_nobody_declared_or_a_shell_would_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bell = ["true", "\u{7}"];
    let commands: [&[&str]; 3] = [&["true"], &["/bin/bash", "-c", "true"], &bell];
    let gate = gate(folder.path(), &commands);
    for (argv, why) in [
        (&["true", "-x"][..], "no check of a declared service"),
        (&[], "the command is empty"),
        (&["/bin/bash", "-c", "true"], "bash starts another program"),
        (&bell, "control character"),
    ] {
        let Judgement { verdict, admitted } = gate.admit_check(&words(argv));
        assert!(admitted.is_none() && verdict.reason.contains(why), "{argv:?}: {verdict:?}");
        assert_eq!(verdict.verdict, Ruling::Refused);
    }
    assert!(gate.admit_check(&words(&["true"])).admitted.is_some());
}
