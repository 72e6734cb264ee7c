//! Removing old files for real.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use nightcrew_act::executor::Executor;
use nightcrew_act::gate::Gate;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_model::argv::Argv;
use nightcrew_model::plan::{Action, StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::machine::real_gate;

/// Writes a file that was last changed in 2001.
fn old_file(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "오래된 것").unwrap();
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = FileTimes::new().set_modified(long_ago).set_accessed(long_ago);
    File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

fn clean(root: &Path, name: Option<&str>) -> Action {
    Action::CleanFiles {
        root: root.to_owned(),
        name: name.map(str::to_owned),
        older_than: Millis::from_secs(3_600),
    }
}

async fn execute(gate: &Gate, action: &Action) -> StepOutcome {
    let judgement = gate.admit(action, Clock::System.now());
    let admitted = judgement.admitted.unwrap_or_else(|| panic!("{}", judgement.verdict.reason));
    Executor::Live.execute(admitted, Millis::from_secs(20), &Surroundings::new(Clock::System)).await
}

#[tokio::test]
async fn old_regular_files_go_and_everything_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("clean");
    old_file(&root.join("old.tmp"));
    old_file(&root.join("깊은/곳/오래된 파일.tmp"));
    old_file(&root.join("old.keep"));
    old_file(&folder.path().join("victim/file.tmp"));
    fs::write(root.join("young.tmp"), "x").unwrap();
    symlink(folder.path().join("victim"), root.join("link.tmp")).unwrap();
    symlink(folder.path().join("victim/file.tmp"), root.join("file-link.tmp")).unwrap();
    let gate = real_gate(&root, &folder.path().join("data"), Vec::new());
    let outcome = execute(&gate, &clean(&root, Some("*.tmp"))).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(outcome.output.starts_with("removed 2 files, freed "), "{}", outcome.output);
    for stays in ["old.keep", "young.tmp", "깊은/곳", "../victim/file.tmp"] {
        assert!(root.join(stays).exists(), "{stays}");
    }
    assert!(root.join("link.tmp").is_symlink() && root.join("file-link.tmp").is_symlink());
}

#[tokio::test]
async fn find_delete_is_carried_out_by_the_same_walk() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("clean");
    for name in ["a.log.1", "b.log.2", "c.txt", "deep/d.log.3", "deep/er/e.log.4"] {
        old_file(&root.join(name));
    }
    old_file(&root.join("2001년 보고서.log.5"));
    let gate = real_gate(&root, &folder.path().join("data"), Vec::new());
    let line =
        format!("find {} -maxdepth 2 -type f -name '*.log.*' -mtime +30 -delete", root.display());
    let outcome = execute(&gate, &Action::Run { argv: Argv::parse(&line).unwrap() }).await;
    assert!(outcome.output.starts_with("removed 4 files"), "{}", outcome.output);
    assert!(root.join("c.txt").exists() && root.join("deep/er/e.log.4").exists());
    let single = format!("find {}/c.txt -type f -mtime +30 -delete", root.display());
    let outcome = execute(&gate, &Action::Run { argv: Argv::parse(&single).unwrap() }).await;
    assert!(outcome.output.starts_with("removed 1 files"), "{}", outcome.output);
}

#[tokio::test]
async fn the_crew_never_sweeps_its_own_house() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nightcrew");
    old_file(&data.join("run/web.pid"));
    old_file(&folder.path().join("other/old"));
    let gate = real_gate(folder.path(), &data, Vec::new());
    let outcome = execute(&gate, &clean(folder.path(), None)).await;
    assert!(outcome.output.starts_with("removed 1 files"), "{}", outcome.output);
    let outcome = execute(&gate, &clean(&data, None)).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(data.join("run/web.pid").exists());
}

#[tokio::test]
async fn a_root_that_is_not_there_is_a_failed_step() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("gone");
    let gate = real_gate(&root, &folder.path().join("data"), Vec::new());
    let outcome = execute(&gate, &clean(&root, None)).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("No such file"), "{}", outcome.output);
}

#[tokio::test]
async fn a_dry_run_removes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    old_file(&folder.path().join("old"));
    let gate = real_gate(folder.path(), &folder.path().join("data"), Vec::new());
    let admitted = gate.admit(&clean(folder.path(), None), Clock::System.now()).admitted.unwrap();
    let outcome = Executor::DryRun
        .execute(admitted, Millis::from_secs(1), &Surroundings::new(Clock::System))
        .await;
    assert_eq!(outcome.status, StepStatus::Shown);
    assert!(folder.path().join("old").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_turns_into_a_link_while_it_is_swept_leads_nowhere() {
    const ROUNDS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let (root, victim) = (folder.path().join("clean"), folder.path().join("victim"));
    let names: Vec<String> = (0..20).map(|n| format!("{n}.tmp")).collect();
    for name in &names {
        old_file(&victim.join("b").join(name));
        old_file(&victim.join(name));
    }
    fs::create_dir_all(root.join("a/b")).unwrap();
    symlink(&victim, folder.path().join("trap")).unwrap();
    let over = AtomicBool::new(false);
    let later = jiff::Timestamp::from_second(4_000_000_000).unwrap();
    let (trap, runtime) = (folder.path().join("trap"), tokio::runtime::Handle::current());
    let swaps = std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0_u64;
            while !over.load(Ordering::Relaxed) {
                // The folder and the link change places in one step, again and again.
                renameat_with(CWD, root.join("a"), CWD, &trap, RenameFlags::EXCHANGE).unwrap();
                swaps += 1;
            }
            swaps
        });
        tokio::task::block_in_place(|| {
            for _ in 0..ROUNDS {
                // Whichever of the two is the folder now gets something to remove.
                for name in &names {
                    let _ = fs::write(trap.join("b").join(name), "x");
                }
                // A gate of its own for each round, because of the hourly cap.
                let gate = real_gate(&root, &folder.path().join("data"), Vec::new());
                let admitted = gate.admit(&clean(&root, None), later).admitted.unwrap();
                let around = Surroundings::new(Clock::starting_at(later));
                let work = Executor::Live.execute(admitted, Millis::from_secs(20), &around);
                let outcome = runtime.block_on(work);
                assert!(outcome.status != StepStatus::TimedOut, "{}", outcome.output);
            }
        });
        over.store(true, Ordering::Relaxed);
        swapper.join().unwrap()
    });
    assert!(swaps > 100, "only {swaps} swaps");
    for name in &names {
        assert!(victim.join(name).exists(), "{name} of the victim is gone");
        assert!(victim.join("b").join(name).exists(), "b/{name} of the victim is gone");
    }
}
