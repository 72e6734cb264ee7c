use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::capture::OUTPUT_BYTES_MAX;
use crate::environment::Environment;
use crate::spawn::{command, pin};

fn script(folder: &Path, body: &str) -> Prepared {
    let file = folder.join("script.sh");
    fs::write(&file, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let environment = Environment {
        home: folder.to_owned(),
        tz: Some("Asia/Seoul".into()),
        ..Environment::default()
    };
    let mut command = command(&pin(file.to_str().unwrap()).unwrap(), &environment);
    command.current_dir(folder);
    Prepared { command, folder: None, confinement: None }
}

const LONG: Duration = Duration::from_secs(20);

/// Waits until the process whose number the script wrote to a file is gone.
async fn is_gone(file: PathBuf) -> bool {
    let text = fs::read_to_string(file).unwrap();
    let pid = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    for _ in 0..200 {
        let stat = nightcrew_runtime::process::stat(pid).unwrap();
        if !stat.is_some_and(|stat| stat.is_alive()) {
            return true;
        }
        sleep(LOOK_EVERY).await;
    }
    false
}

#[tokio::test]
async fn output_of_both_streams_and_the_exit_code_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (status, output) =
        run(script(folder.path(), "echo 안녕; echo oops >&2; exit 3"), LONG).await;
    assert_eq!(status, StepStatus::Exited { code: Some(3) });
    assert!(output.contains("안녕\n") && output.contains("oops\n"), "{output}");
    let (status, _) = run(script(folder.path(), "kill -9 $$"), LONG).await;
    assert_eq!(status, StepStatus::Exited { code: None });
}

#[tokio::test]
async fn the_environment_is_what_is_named_and_the_input_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let (status, output) =
        run(script(folder.path(), "cat; tr '\\0' '\\n' < /proc/self/environ"), LONG).await;
    assert_eq!(status, StepStatus::Succeeded);
    let mut names: Vec<&str> = output.lines().filter_map(|line| line.split('=').next()).collect();
    // The shell of the script adds where it is.
    names.retain(|name| *name != "PWD" && *name != "_" && *name != "OLDPWD" && *name != "SHLVL");
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "TZ"]);
}

#[tokio::test]
async fn a_flood_is_cut_and_does_not_outrun_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let flood = "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done";
    let began = Instant::now();
    let (status, output) = run(script(folder.path(), flood), Duration::from_millis(300)).await;
    assert_eq!(status, StepStatus::TimedOut);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(output.len() > OUTPUT_BYTES_MAX / 2 && output.len() <= OUTPUT_BYTES_MAX + 60);
}

#[tokio::test]
async fn a_time_out_ends_the_whole_group_and_one_that_ignores_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let body = "trap '' TERM\nsleep 1000 &\necho $! > worker\necho $$ > leader\necho ready\nwait";
    let began = Instant::now();
    let (status, output) = run(script(folder.path(), body), Duration::from_millis(300)).await;
    assert_eq!(status, StepStatus::TimedOut);
    assert_eq!(output, "ready\n");
    assert!(began.elapsed() >= TERM_GRACE);
    assert!(is_gone(folder.path().join("leader")).await);
    assert!(is_gone(folder.path().join("worker")).await);
}

#[tokio::test]
async fn a_program_that_ends_when_told_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let (status, _) =
        run(script(folder.path(), "exec sleep 1000"), Duration::from_millis(100)).await;
    assert_eq!(status, StepStatus::TimedOut);
    assert!(began.elapsed() < TERM_GRACE);
}

#[tokio::test]
async fn a_child_that_keeps_the_output_open_does_not_hold_up_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let (status, output) =
        run(script(folder.path(), "sleep 1000 &\necho $! > worker; echo done"), LONG).await;
    assert_eq!((status, output.as_str()), (StepStatus::Succeeded, "done\n"));
    assert!(began.elapsed() < Duration::from_secs(10));
    let text = fs::read_to_string(folder.path().join("worker")).unwrap();
    let worker = Pid::from_raw(text.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(worker, Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_run_that_is_dropped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let prepared =
        script(folder.path(), "sleep 1000 &\necho $! > worker.new\nmv worker.new worker\nwait");
    let worker = folder.path().join("worker");
    let written = async {
        while !worker.exists() {
            sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        _ = run(prepared, LONG) => panic!("it ended by itself"),
        () = written => {}
    }
    assert!(is_gone(folder.path().join("worker")).await);
}
