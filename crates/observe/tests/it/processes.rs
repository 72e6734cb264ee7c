use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nightcrew_config::settings::{Breaker, ProcessMatch};
use nightcrew_model::catalogue::{PROCESS_CPU, PROCESS_MEMORY_MB, PROCESS_STATUS};
use nightcrew_model::sample::{Observation, Unknown};
use nightcrew_observe::process::{EARLY_LOOKS_MAX, ProcessWatch};
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::process::{Identity, Stat, write_child_pid_file};
use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::fixture::{Process, of, said, service, value, watch};

/// Long enough for a busy machine, far below the interval of an hour.
const SOON: Duration = Duration::from_millis(100);

const CLOCK: Clock = Clock::System;

fn pid_file(folder: &TempDir, pid: Pid) -> PathBuf {
    let path = folder.path().join("api.pid");
    fs::write(&path, format!("{pid}\n")).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_child_is_seen_at_once_and_how_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::sleep();
    let pid = process.pid();
    let mut watch = watch(ProcessMatch::PidFile(pid_file(&folder, pid)));
    let samples = watch.next(&CLOCK).await;
    let (status, words) = said(&samples, PROCESS_STATUS);
    assert_eq!(status, "running");
    assert!(words.starts_with(&format!("pid {pid} running for ")), "{words}");
    assert!(value(&samples, PROCESS_MEMORY_MB) > 0.0);

    kill_process(pid, Signal::KILL).unwrap();
    let samples = watch.next(&CLOCK).await;
    let expected = format!("pid {pid} was ended by signal 9 (SIGKILL)");
    assert_eq!(said(&samples, PROCESS_STATUS), ("stopped".into(), expected.clone()));
    for metric in [PROCESS_CPU, PROCESS_MEMORY_MB] {
        let sample = of(&samples, metric).unwrap();
        assert_eq!(sample.observation, Observation::Unknown(Unknown::Absent));
    }
    // And it stays said, also by a look in between.
    assert_eq!(said(&watch.look(&CLOCK).await, PROCESS_STATUS).1, expected);
}

/// A busy machine may be late once; the interval is an hour, so one that is in time proves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_seen_within_a_tenth_of_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut took = Vec::new();
    for _ in 0..5 {
        let process = Process::sleep();
        let mut watch = watch(ProcessMatch::PidFile(pid_file(&folder, process.pid())));
        watch.next(&CLOCK).await;
        let killed_at = Instant::now();
        kill_process(process.pid(), Signal::KILL).unwrap();
        let samples = watch.next(&CLOCK).await;
        took.push(killed_at.elapsed());
        assert_eq!(said(&samples, PROCESS_STATUS).0, "stopped");
    }
    assert!(took.iter().any(|took| *took < SOON), "seen after {took:?}");
}

#[tokio::test]
async fn an_exit_code_is_seen_too() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("문");
    let script = format!("while [ ! -e '{}' ]; do :; done; exit 3", gate.display());
    let process = Process::start("/bin/sh", &["-c", &script]);
    let mut watch = watch(ProcessMatch::PidFile(pid_file(&folder, process.pid())));
    watch.next(&CLOCK).await;
    fs::write(gate, "").unwrap();
    let words = said(&watch.next(&CLOCK).await, PROCESS_STATUS).1;
    assert_eq!(words, format!("pid {} ended with exit code 3", process.pid()));
}

#[tokio::test]
async fn the_end_of_somebody_elses_child_is_seen_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.pid");
    // The shell is our child and the sleeper is its: when the shell has ended, nobody's of ours.
    let script = format!("/bin/sleep 86412 & echo $! > '{}'", path.display());
    let mut shell = Process::start("/bin/sh", &["-c", &script]);
    shell.0.wait().unwrap();
    let number: i32 = fs::read_to_string(&path).unwrap().trim().parse().unwrap();
    let pid = Pid::from_raw(number).unwrap();
    let mut watch = watch(ProcessMatch::PidFile(path));
    assert_eq!(said(&watch.next(&CLOCK).await, PROCESS_STATUS).0, "running");
    kill_process(pid, Signal::KILL).unwrap();
    let samples = watch.next(&CLOCK).await;
    let expected = ("stopped".into(), format!("pid {pid} is gone"));
    assert_eq!(said(&samples, PROCESS_STATUS), expected);
}

#[tokio::test]
async fn a_suspended_process_is_running() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::sleep();
    let mut watch = watch(ProcessMatch::PidFile(pid_file(&folder, process.pid())));
    watch.next(&CLOCK).await;
    kill_process(process.pid(), Signal::STOP).unwrap();
    loop {
        let (status, words) = said(&watch.look(&CLOCK).await, PROCESS_STATUS);
        assert_eq!(status, "running");
        if words.ends_with("suspended by a signal") {
            break;
        }
    }
    let early = timeout(SOON, watch.next(&CLOCK)).await;
    assert!(early.is_err(), "a stop signal is no end");
}

#[tokio::test]
async fn what_does_not_exist_at_first_is_stopped_and_then_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.pid");
    let mut watch = watch(ProcessMatch::PidFile(path.clone()));
    let expected = format!("no process found by pid file {}", path.display());
    assert_eq!(said(&watch.next(&CLOCK).await, PROCESS_STATUS), ("stopped".into(), expected));
    let process = Process::sleep();
    pid_file(&folder, process.pid());
    assert_eq!(said(&watch.look(&CLOCK).await, PROCESS_STATUS).0, "running");
}

#[tokio::test]
async fn a_stale_pid_file_is_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::sleep();
    let path = pid_file(&folder, process.pid());
    let file = fs::File::options().write(true).open(&path).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written - Duration::from_secs(60)).unwrap();
    let mut watch = watch(ProcessMatch::PidFile(path));
    assert_eq!(said(&watch.next(&CLOCK).await, PROCESS_STATUS).0, "stopped");
}

#[tokio::test]
async fn an_unreadable_pid_file_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.pid");
    fs::write(&path, "").unwrap();
    let mut watch = watch(ProcessMatch::PidFile(path));
    let samples = watch.next(&CLOCK).await;
    let status = &of(&samples, PROCESS_STATUS).unwrap().observation;
    assert!(matches!(status, Observation::Unknown(Unknown::Failed(_))), "{status}");
}

#[tokio::test]
async fn a_reused_number_is_not_the_child() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::sleep();
    let service = service(Some(ProcessMatch::Child), Vec::new());
    let path = folder.path().join(format!("{}.pid", service.name));
    let mut watch =
        ProcessWatch::new(&service, folder.path(), Breaker::default()).unwrap().unwrap();
    write_child_pid_file(&path, process.identity()).unwrap();
    assert_eq!(said(&watch.next(&CLOCK).await, PROCESS_STATUS).0, "running");
    let reused = Identity { start_ticks: process.identity().start_ticks - 1, ..process.identity() };
    write_child_pid_file(&path, reused).unwrap();
    let (status, words) = said(&watch.look(&CLOCK).await, PROCESS_STATUS);
    assert_eq!(status, "stopped");
    let lives = format!("pid {} is no longer the one found by child", process.pid());
    assert!(words.starts_with(&lives), "{words}");
}

#[tokio::test]
async fn a_dropped_wait_loses_no_end() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::sleep();
    let mut watch = watch(ProcessMatch::PidFile(pid_file(&folder, process.pid())));
    watch.next(&CLOCK).await;
    assert!(timeout(Duration::from_millis(1), watch.next(&CLOCK)).await.is_err());
    kill_process(process.pid(), Signal::TERM).unwrap();
    let samples = watch.next(&CLOCK).await;
    let words = said(&samples, PROCESS_STATUS).1;
    assert!(words.ends_with("signal 15 (SIGTERM)"), "{words}");
}

#[tokio::test]
async fn processes_that_come_and_go_do_not_drive_the_looks() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = watch(ProcessMatch::PidFile(folder.path().join("api.pid")));
    watch.next(&CLOCK).await;
    for _ in 0..EARLY_LOOKS_MAX {
        let process = Process::sleep();
        pid_file(&folder, process.pid());
        watch.look(&CLOCK).await;
        drop(process);
        watch.next(&CLOCK).await;
    }
    let process = Process::sleep();
    pid_file(&folder, process.pid());
    watch.look(&CLOCK).await;
    drop(process);
    assert!(timeout(SOON, watch.next(&CLOCK)).await.is_err());
}

#[tokio::test]
async fn several_processes_are_summed_and_their_cpu_time_is_measured() {
    let busy = "while :; do :; done # nightcrew-바쁨-7391";
    let _first = Process::start("/bin/sh", &["-c", busy]);
    let _second = Process::start("/bin/sh", &["-c", busy]);
    let mut watch = watch(ProcessMatch::CommandLine("nightcrew-바쁨-7391$".into()));
    loop {
        let samples = watch.look(&CLOCK).await;
        let (_, words) = said(&samples, PROCESS_STATUS);
        let both = words.ends_with(", with 1 more");
        if both && of(&samples, PROCESS_CPU).is_some() && value(&samples, PROCESS_CPU) > 5.0 {
            break;
        }
    }
}

#[test]
fn a_bad_pattern_names_the_service() {
    let service = service(Some(ProcessMatch::CommandLine("(".into())), Vec::new());
    let error = ProcessWatch::new(&service, "/".as_ref(), Breaker::default()).unwrap_err();
    let expected = "the command line pattern of service `결제-api` is not a regular expression";
    assert_eq!(error.to_string(), expected);
}

proptest! {
    #[test]
    fn any_name_of_a_process_reads_back(comm in prop::collection::vec(any::<u8>(), 0..15), start in any::<u64>()) {
        let mut line = b"4711 (".to_vec();
        line.extend(&comm);
        line.extend(b") S 1 1 1 0 -1 0 0 0 0 0 5 6 0 0 20 0 3 0 ");
        line.extend(format!("{start} 1000 250 0\n").bytes());
        let stat = Stat::parse(&line).unwrap();
        prop_assert_eq!(stat.comm, comm);
        prop_assert_eq!((stat.parent, stat.threads, stat.start_ticks), (1, 3, start));
    }

    #[test]
    fn any_bytes_are_taken_as_a_stat(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        Stat::parse(&bytes).ok();
    }
}
