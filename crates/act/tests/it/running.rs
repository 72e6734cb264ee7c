//! Programs that the gate admitted, run for real.

use std::fs;
use std::os::unix::fs::symlink;

use nightcrew_act::executor::Executor;
use nightcrew_act::gate::Gate;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_model::argv::Argv;
use nightcrew_model::plan::{Action, StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;

use crate::machine::real_gate;

async fn run(gate: &Gate, executor: Executor, line: &str) -> StepOutcome {
    let action = Action::Run { argv: Argv::parse(line).unwrap() };
    let judgement = gate.admit(&action, Clock::System.now());
    let admitted =
        judgement.admitted.unwrap_or_else(|| panic!("{line}: {}", judgement.verdict.reason));
    executor.execute(admitted, Millis::from_secs(20), &Surroundings::new(Clock::System)).await
}

#[tokio::test]
async fn a_program_runs_and_its_output_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let gate = real_gate(folder.path(), folder.path(), Vec::new());
    let outcome = run(&gate, Executor::Live, "df -k /").await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(outcome.output.contains('/'));
}

#[tokio::test]
async fn a_dry_run_shows_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.log");
    fs::write(&file, "x").unwrap();
    let gate = real_gate(folder.path(), folder.path(), Vec::new());
    let outcome = run(&gate, Executor::DryRun, &format!("gzip {}", file.display())).await;
    assert_eq!(outcome.status, StepStatus::Shown);
    assert_eq!(outcome.output, format!("would run: gzip {}", file.display()));
    assert!(file.exists());
}

#[tokio::test]
async fn files_are_compressed_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("log");
    fs::create_dir(&root).unwrap();
    for name in ["하나.log", "-k.log", "three.txt"] {
        fs::write(root.join(name), "x".repeat(1_000)).unwrap();
    }
    let gate = real_gate(&root, folder.path(), Vec::new());
    let outcome = run(&gate, Executor::Live, &format!("gzip -9 {}/*.log", root.display())).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    let mut names: Vec<String> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["-k.log.gz", "three.txt", "하나.log.gz"]);
}

#[tokio::test]
async fn a_folder_swapped_for_a_link_after_the_judgement_stops_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (root, victim) = (folder.path().join("log"), folder.path().join("victim"));
    fs::create_dir_all(root.join("app")).unwrap();
    fs::create_dir_all(&victim).unwrap();
    fs::write(root.join("app/secret"), "mine").unwrap();
    fs::write(victim.join("secret"), "theirs").unwrap();
    let gate = real_gate(&root, folder.path(), Vec::new());
    for line in ["gzip {}/app/secret", "find {}/app/secret -type f"] {
        let line = line.replace("{}", root.to_str().unwrap());
        let action = Action::Run { argv: Argv::parse(&line).unwrap() };
        let admitted = gate.admit(&action, Clock::System.now()).admitted.unwrap();
        fs::rename(root.join("app"), root.join("old")).unwrap();
        symlink(&victim, root.join("app")).unwrap();
        let outcome = Executor::Live
            .execute(admitted, Millis::from_secs(20), &Surroundings::new(Clock::System))
            .await;
        assert_eq!(outcome.status, StepStatus::Failed, "{}", outcome.output);
        assert!(outcome.output.contains("no longer what the gate saw"), "{}", outcome.output);
        assert_eq!(fs::read_to_string(victim.join("secret")).unwrap(), "theirs");
        fs::remove_file(root.join("app")).unwrap();
        fs::rename(root.join("old"), root.join("app")).unwrap();
    }
}

#[tokio::test]
async fn a_program_that_is_not_installed_fails_with_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let gate = real_gate(folder.path(), folder.path(), Vec::new());
    let outcome = run(&gate, Executor::Live, "/opt/homebrew/bin/brew cleanup").await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("/opt/homebrew/bin/brew"), "{}", outcome.output);
}
