//! Restarting real processes.  Every test ends what it started.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nightcrew_act::executor::Executor;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::{ProcessMatch, Service};
use nightcrew_model::plan::{Action, StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;
use nightcrew_runtime::process::{self, Identity};
use rustix::process::{Pid, Signal};

use crate::machine::{real_gate, service, start};

/// A folder, a service in it, and the duty to end what was started.
struct Stage {
    folder: tempfile::TempDir,
    service: Service,
    /// Processes that were started beside the service.
    others: Vec<Child>,
}

impl Stage {
    /// A service that runs a script of the given lines.
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("service.sh");
        fs::write(&script, body).unwrap();
        let mut start = start(["/bin/sh", script.to_str().unwrap()]);
        start.dir = Some(folder.path().to_owned());
        start.env.insert("GREETING".into(), "안녕".into());
        let service = Service { start: Some(start), ..service("web") };
        Self { folder, service, others: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn restart(&self) -> StepOutcome {
        let gate = real_gate(Path::new("/tmp"), self.folder.path(), vec![self.service.clone()]);
        let action = Action::RestartService { service: "web".into() };
        let judgement = gate.admit(&action, Clock::System.now());
        let admitted = judgement.admitted.unwrap_or_else(|| panic!("{}", judgement.verdict.reason));
        Executor::Live
            .execute(admitted, Millis::from_secs(20), &Surroundings::new(Clock::System))
            .await
    }

    fn child(&self) -> Identity {
        process::read_child_pid_file(&self.path("run/web.pid")).unwrap().unwrap()
    }

    /// Waits for a number in a file that a script writes.
    async fn number_in(&self, name: &str) -> Identity {
        let file = self.path(name);
        until(|| fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n'))).await;
        identity(fs::read_to_string(&file).unwrap().trim().parse().unwrap())
    }

    /// Starts a process that has nothing to do with the service.
    #[expect(clippy::disallowed_methods, reason = "a stranger is not started by the crew")]
    fn stranger(&mut self, program: &Path, words: &[&str]) -> Identity {
        let child = Command::new(program)
            .args(words)
            .current_dir(self.folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let identity = identity(i32::try_from(child.id()).unwrap());
        self.others.push(child);
        identity
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let child = process::read_child_pid_file(&self.path("run/web.pid")).ok().flatten();
        if let Some(child) = child {
            let _ = rustix::process::kill_process_group(child.pid, Signal::KILL);
        }
        for other in &mut self.others {
            let group = Pid::from_raw(i32::try_from(other.id()).unwrap()).unwrap();
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            let _ = other.wait();
        }
    }
}

fn identity(pid: i32) -> Identity {
    let pid = Pid::from_raw(pid).unwrap();
    Identity { pid, start_ticks: process::stat(pid).unwrap().unwrap().start_ticks }
}

fn lives(identity: Identity) -> bool {
    process::is_alive(identity).unwrap()
}

async fn until(condition: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come about");
}

const FOREVER: &str = "echo started $GREETING\nexec sleep 1000\n";

#[tokio::test]
async fn a_stopped_service_is_started_and_remembered() {
    let stage = Stage::new(FOREVER);
    let outcome = stage.restart().await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    let child = stage.child();
    assert_eq!(outcome.output, format!("nothing was running; started pid {}", child.pid));
    assert!(lives(child));
    assert_eq!(rustix::process::getpgid(Some(child.pid)).unwrap(), child.pid);
    let log = stage.path("logs/web.log");
    assert_eq!(fs::read_to_string(log).unwrap(), "started 안녕\n");
    let environ = fs::read_to_string(format!("/proc/{}/environ", child.pid)).unwrap();
    let mut names: Vec<&str> =
        environ.split('\0').filter_map(|pair| pair.split('=').next()).collect();
    names.retain(|name| !name.is_empty() && *name != "PWD" && *name != "_" && *name != "OLDPWD");
    names.sort_unstable();
    assert_eq!(names, ["GREETING", "HOME", "LANG", "PATH", "TZ"]);
}

#[tokio::test]
async fn a_running_service_is_replaced() {
    let stage = Stage::new(FOREVER);
    stage.restart().await;
    let first = stage.child();
    let outcome = stage.restart().await;
    let second = stage.child();
    assert_eq!(outcome.output, format!("stopped pid {}; started pid {}", first.pid, second.pid));
    assert!(!lives(first) && lives(second));
}

#[tokio::test]
async fn one_that_ignores_the_request_is_killed_after_its_time() {
    let mut stage = Stage::new("trap '' TERM\necho $$ > ready\nwhile :; do sleep 0.05; done\n");
    stage.service.stop_timeout = Millis(200);
    stage.restart().await;
    let first = stage.number_in("ready").await;
    let outcome = stage.restart().await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(outcome.output.contains("had to kill"), "{}", outcome.output);
    assert!(!lives(first));
}

#[tokio::test]
async fn a_halted_service_can_end_by_itself() {
    let stage =
        Stage::new("trap 'echo bye; exit 0' TERM\necho $$ > ready\nwhile :; do sleep 0.05; done\n");
    stage.restart().await;
    let first = stage.number_in("ready").await;
    rustix::process::kill_process(first.pid, Signal::STOP).unwrap();
    let outcome = stage.restart().await;
    assert!(!outcome.output.contains("kill"), "{}", outcome.output);
    assert!(fs::read_to_string(stage.path("logs/web.log")).unwrap().contains("bye"));
}

#[tokio::test]
async fn the_workers_of_a_child_end_with_it() {
    let stage = Stage::new("sleep 1000 &\necho $! > worker\nwait\n");
    stage.restart().await;
    let worker = stage.number_in("worker").await;
    stage.restart().await;
    assert!(!lives(worker));
}

#[tokio::test]
async fn workers_that_a_dead_child_left_behind_end_but_strangers_in_its_group_do_not() {
    let stage = Stage::new(
        "sleep 1000 &\necho $! > worker\nsleep 1000 > /dev/null 2>&1 &\necho $! > other\nwait\n",
    );
    stage.restart().await;
    let (leader, worker, other) =
        (stage.child(), stage.number_in("worker").await, stage.number_in("other").await);
    rustix::process::kill_process(leader.pid, Signal::KILL).unwrap();
    until(|| !lives(leader)).await;
    assert!(lives(worker));
    stage.restart().await;
    let other_lived = lives(other);
    let _ = rustix::process::kill_process(other.pid, Signal::KILL);
    assert!(!lives(worker) && other_lived);
}

#[tokio::test]
async fn a_start_that_fails_shows_the_end_of_its_log() {
    let stage = Stage::new("echo '설정 파일이 없습니다' >&2\nexit 3\n");
    fs::create_dir(stage.path("logs")).unwrap();
    fs::write(stage.path("logs/web.log"), "yesterday\n").unwrap();
    let outcome = stage.restart().await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("exit status: 3"), "{}", outcome.output);
    assert!(outcome.output.contains("설정 파일이 없습니다"), "{}", outcome.output);
    assert!(!outcome.output.contains("yesterday"), "{}", outcome.output);
}

#[tokio::test]
async fn only_the_end_of_a_long_log_is_shown() {
    let stage = Stage::new("head -c 20000 /dev/zero | tr '\\0' x\necho '마지막 줄'\nexit 1\n");
    let outcome = stage.restart().await;
    assert!(outcome.output.ends_with("마지막 줄\n"), "{}", outcome.output);
    assert!(outcome.output.len() < 4_096 + 200);
}

#[tokio::test]
async fn a_child_that_goes_into_the_background_is_no_success() {
    let outcome = Stage::new("exit 0\n").restart().await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("find it by pid_file"), "{}", outcome.output);
}

#[tokio::test]
async fn nothing_is_stopped_when_the_start_cannot_work() {
    let mut stage = Stage::new(FOREVER);
    stage.restart().await;
    let child = stage.child();
    let good = stage.service.start.clone().unwrap();
    let mut no_program = good.clone();
    no_program.argv[0] = "/no/such/program".into();
    let mut no_folder = good.clone();
    no_folder.dir = Some("/no/such/folder".into());
    let mut link_for_log = good.clone();
    symlink("/etc/passwd", stage.path("link.log")).unwrap();
    link_for_log.log = Some(stage.path("link.log"));
    for broken in [no_program, no_folder, link_for_log] {
        stage.service.start = Some(broken);
        let outcome = stage.restart().await;
        assert_eq!(outcome.status, StepStatus::Failed);
        assert!(outcome.output.contains("was not restarted"), "{}", outcome.output);
        assert!(lives(child), "{}", outcome.output);
    }
}

#[tokio::test]
async fn a_reused_number_is_never_hit() {
    let mut stage = Stage::new(FOREVER);
    let stranger = stage.stranger(Path::new("/bin/sleep"), &["1000"]);
    let stale = Identity { start_ticks: stranger.start_ticks - 1, ..stranger };
    process::write_child_pid_file(&stage.path("run/web.pid"), stale).unwrap();
    let outcome = stage.restart().await;
    assert!(outcome.output.starts_with("nothing was running"), "{}", outcome.output);
    assert!(lives(stranger));
}

#[tokio::test]
async fn the_crew_and_the_first_process_are_never_stopped() {
    let mut stage = Stage::new(FOREVER);
    let file = stage.path("pid");
    stage.service.process = Some(ProcessMatch::PidFile(file.clone()));
    for (pid, why) in
        [(std::process::id(), "the crew itself"), (1, "the first process of the machine")]
    {
        fs::write(&file, format!("{pid}\n")).unwrap();
        let outcome = stage.restart().await;
        assert_eq!(outcome.status, StepStatus::Failed);
        assert!(outcome.output.contains(why), "{}", outcome.output);
    }
}

#[tokio::test]
async fn unrelated_processes_of_one_name_are_left_alone_and_related_ones_end_together() {
    let mut stage = Stage::new(FOREVER);
    let name = format!("ncs{}", std::process::id());
    let program = stage.path(&name);
    fs::copy("/bin/sleep", &program).unwrap();
    stage.service.process = Some(ProcessMatch::Name(name.clone()));
    let (one, two) = (stage.stranger(&program, &["1000"]), stage.stranger(&program, &["1000"]));
    let outcome = stage.restart().await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("several unrelated processes"), "{}", outcome.output);
    assert!(outcome.output.contains(&one.pid.to_string()), "{}", outcome.output);
    assert!(lives(one) && lives(two));
    for other in &mut stage.others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    let both = format!("./{name} 1000 & echo $! > one; ./{name} 1000 & echo $! > two; wait");
    stage.stranger(Path::new("/bin/sh"), &["-c", &both]);
    let (one, two) = (stage.number_in("one").await, stage.number_in("two").await);
    let executes =
        |pid: Pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    until(|| executes(one.pid) && executes(two.pid)).await;
    let outcome = stage.restart().await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(!lives(one) && !lives(two));
}

#[tokio::test]
async fn a_dry_run_starts_nothing() {
    let stage = Stage::new(FOREVER);
    let gate = real_gate(Path::new("/tmp"), stage.folder.path(), vec![stage.service.clone()]);
    let action = Action::RestartProcess { service: "web".into() };
    let admitted = gate.admit(&action, Clock::System.now()).admitted.unwrap();
    let outcome = Executor::DryRun
        .execute(admitted, Millis::from_secs(20), &Surroundings::new(Clock::System))
        .await;
    assert_eq!(outcome.status, StepStatus::Shown);
    assert!(!stage.path("run/web.pid").exists() && !stage.path("logs").exists());
}
