//! Programs that must act on the machine still do, under the profiles that their grammars grant.
//! Each acts on what the test made.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use nightcrew_act::grammar::{Hold, Network, SandboxProfile, Signals, Sockets};
use nightcrew_act::sandbox::launch::EXIT_NOT_STARTED;
use nightcrew_act::sandbox::layer::{Layer, State};
use nightcrew_act::sandbox::{LAUNCHER_WORD, Launcher, probe};
use nightcrew_config::settings::SandboxPolicy;
use nightcrew_model::argv::Argv;
use nightcrew_model::plan::{Action, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;

use crate::machine::real_gate;
use crate::sandbox::{Run, launcher};

/// Whether a program is here; says which test goes without it.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn is_here(program: &str, test: &str) -> bool {
    let found = Path::new(program).exists();
    if !found {
        eprintln!("skipped: {test}: {program} is not installed");
    }
    found
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn is_root(test: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: {test}: it needs root");
    }
    is_root
}

#[tokio::test]
async fn programs_that_only_look_need_no_grant() {
    let mut run = Run::new();
    let programs: [&[&str]; 6] = [
        &["df", "-h"],
        &["free", "-m"],
        &["uptime"],
        &["ps", "aux"],
        &["find", "/var/log", "-maxdepth", "1", "-type", "f"],
        &["du", "-s", "/etc/apt"],
    ];
    for argv in programs {
        run.policy = SandboxPolicy::Off;
        let plain = run.program(argv).await;
        run.policy = SandboxPolicy::Required;
        let confined = run.program(argv).await;
        assert_eq!(confined.status, plain.status, "{argv:?}: {}", confined.output);
        assert_eq!(confined.output.is_empty(), plain.output.is_empty(), "{argv:?}");
    }
}

#[tokio::test]
async fn programs_that_talk_to_servers_say_the_same_as_without_a_sandbox() {
    let sockets = SandboxProfile { unix_sockets: Sockets::Open, ..SandboxProfile::default() };
    let network = SandboxProfile { network: Network::Open, ..SandboxProfile::default() };
    let programs: [(&[&str], &SandboxProfile); 5] = [
        (&["/usr/bin/docker", "-H", "unix:///no/such/docker.sock", "ps"], &sockets),
        (&["/usr/bin/docker", "--version"], &sockets),
        (&["/usr/bin/systemctl", "is-active", "no-such-unit.service", "--no-pager"], &sockets),
        (&["/usr/bin/journalctl", "-n", "1", "--no-pager", "-D", "/no/such/folder"], &sockets),
        (&["/usr/bin/redis-cli", "-h", "127.0.0.1", "-p", "1", "PING"], &network),
    ];
    for (argv, profile) in programs {
        if !is_here(argv[0], "programs_that_talk_to_servers_say_the_same") {
            continue;
        }
        let mut run = Run { profile: profile.clone(), ..Run::new() };
        let confined = run.program(argv).await;
        run.policy = SandboxPolicy::Off;
        let plain = run.program(argv).await;
        assert_eq!((confined.status, confined.output), (plain.status, plain.output), "{argv:?}");
    }
}

#[test]
fn the_shipped_grammars_grant_what_these_programs_need() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.log");
    fs::write(&log, "x").unwrap();
    let gate = real_gate(folder.path(), folder.path(), Vec::new());
    let profile = |line: &str| {
        let action = Action::Run { argv: Argv::parse(line).unwrap() };
        let judgement = gate.admit(&action, Clock::System.now());
        let admitted = judgement.admitted.unwrap_or_else(|| panic!("{line}"));
        admitted.profile().unwrap().clone()
    };
    assert_eq!(profile("nginx -t").network, Network::Open);
    let reload = profile("nginx -s reload");
    assert_eq!((reload.signals, reload.network), (Signals::Any, Network::None));
    assert_eq!(profile("docker ps").unix_sockets, Sockets::Open);
    assert_eq!(profile("openclaw gateway restart").hold, Hold::Free);
    for line in ["df -h", "uptime", &format!("gzip {}", log.display())] {
        assert_eq!(profile(line), SandboxProfile::default(), "{line}");
    }
}

#[tokio::test]
async fn a_launcher_that_a_person_starts_says_whose_it_is() {
    let run = Run { policy: SandboxPolicy::Off, ..Run::new() };
    let launcher = launcher();
    let outcome = run.program(&[launcher.path.to_str().unwrap(), LAUNCHER_WORD, "true"]).await;
    assert_eq!(outcome.status, StepStatus::Exited { code: Some(EXIT_NOT_STARTED.into()) });
    assert!(outcome.output.contains("started by the crew itself"), "{}", outcome.output);
}

#[tokio::test]
async fn logrotate_rotates_and_tells_the_writer() {
    let name = "logrotate_rotates_and_tells_the_writer";
    if !is_here("/usr/sbin/logrotate", name) || !is_root(name) {
        return;
    }
    let mut run = Run::new();
    let at = |name: &str| run.path(name).to_str().unwrap().to_owned();
    fs::create_dir(run.path("log")).unwrap();
    fs::write(run.path("log/app.log"), "한 줄\n".repeat(1_000)).unwrap();
    let config = format!(
        "{}/*.log {{\n rotate 3\n compress\n create 0640 nobody nogroup\n postrotate\n \
         echo told > {}\n endscript\n}}\n",
        at("log"),
        at("log/told")
    );
    fs::write(run.path("rotate.conf"), config).unwrap();
    fs::set_permissions(run.path("rotate.conf"), fs::Permissions::from_mode(0o644)).unwrap();
    let (state, config) = (at("log/state"), at("rotate.conf"));
    run.profile = SandboxProfile {
        writes: vec![run.path("log")],
        unix_sockets: Sockets::Open,
        signals: Signals::Any,
        ..SandboxProfile::default()
    };
    let outcome = run.program(&["/usr/sbin/logrotate", "-f", "-s", &state, &config]).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(run.path("log/app.log.1.gz").exists() && run.path("log/told").exists());
    assert_eq!(fs::metadata(run.path("log/app.log")).unwrap().len(), 0);
}

/// What nginx answers, after a while.
fn answered(port: u16, expected: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    (0..500).any(|_| {
        std::thread::park_timeout(Duration::from_millis(10));
        ask().is_ok_and(|text| text.ends_with(expected))
    })
}

#[tokio::test]
async fn nginx_is_tested_and_reloaded() {
    let name = "nginx_is_tested_and_reloaded";
    if !is_here("/usr/sbin/nginx", name) {
        return;
    }
    let mut run = Run::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = run.folder.path().to_str().unwrap().to_owned();
    let file = run.path("nginx.conf");
    let config = |answer: &str| {
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {at}/temp-{kind}; "))
            .concat();
        let text = format!(
            "pid {at}/pid; error_log {at}/error.log; events {{}} http {{ access_log off; \
             {temporary} server {{ listen 127.0.0.1:{port}; return 200 {answer}; }} }}"
        );
        fs::write(&file, text).unwrap();
    };
    config("before");
    let nginx = |words: &[&'static str]| {
        [&["/usr/sbin/nginx", "-c", file.to_str().unwrap()], words].concat()
    };
    // It is started as a supervisor would: without a sandbox.
    run.policy = SandboxPolicy::Off;
    assert_eq!(run.program(&nginx(&[])).await.status, StepStatus::Succeeded);
    assert!(answered(port, "before"));
    config("after");
    run.policy = SandboxPolicy::Required;
    run.profile = SandboxProfile {
        writes: vec![run.folder.path().to_owned()],
        signals: Signals::Any,
        ..SandboxProfile::default()
    };
    let mut told = vec![run.program(&nginx(&["-s", "reload"])).await];
    // A test opens the sockets that the configuration names.
    run.profile.network = Network::Open;
    told.push(run.program(&nginx(&["-t"])).await);
    let is_new = answered(port, "after");
    run.policy = SandboxPolicy::Off;
    let stopped = run.program(&nginx(&["-s", "stop"])).await;
    assert_eq!(stopped.status, StepStatus::Succeeded, "{}", stopped.output);
    for outcome in told {
        assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    }
    assert!(is_new);
    for _ in 0..500 {
        if !run.path("pid").exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nginx did not end");
}

#[tokio::test]
async fn all_of_it_holds_for_an_ordinary_user_as_for_root() {
    let name = "all_of_it_holds_for_an_ordinary_user_as_for_root";
    if !is_here("/usr/bin/setpriv", name) || !is_root(name) {
        return;
    }
    let run = Run { policy: SandboxPolicy::Off, timeout: Millis::from_secs(60), ..Run::new() };
    // The test itself, where nobody can reach it.
    fs::set_permissions(run.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "#!/bin/sh\nexport TMPDIR=/tmp\nexec setpriv --reuid=65534 --regid=65534 --clear-groups \
         {} --test-threads=1 sandbox::\n",
        std::env::current_exe().unwrap().display()
    );
    fs::write(run.path("told.sh"), script).unwrap();
    fs::set_permissions(run.path("told.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = run.program(&[run.path("told.sh").to_str().unwrap()]).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(outcome.output.contains("test result: ok."), "{}", outcome.output);
}

#[tokio::test]
async fn a_crew_in_a_terminal_keeps_it_for_itself() {
    if !is_here("/usr/bin/script", "a_crew_in_a_terminal_keeps_it_for_itself") {
        return;
    }
    let run = Run { policy: SandboxPolicy::Off, timeout: Millis::from_secs(60), ..Run::new() };
    let script = format!(
        "#!/bin/sh\nexec script -qec '(: < /dev/tty) && {} --exact {}' /dev/null\n",
        std::env::current_exe().unwrap().display(),
        "sandbox::exit_code_output_name_and_arguments_are_as_without_a_sandbox"
    );
    fs::write(run.path("told.sh"), script).unwrap();
    fs::set_permissions(run.path("told.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = run.program(&[run.path("told.sh").to_str().unwrap()]).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(outcome.output.contains("test result: ok. 1 passed"), "{}", outcome.output);
}

#[tokio::test]
async fn a_probe_says_which_layers_hold_and_what_is_lost_without_one() {
    for standing in probe::probe(Some(&launcher())).await {
        // Control groups are for root.
        if standing.layer != Layer::Cgroup {
            assert_eq!(standing.state, State::InForce, "{standing:?}");
        }
    }
    let landlock = libc::SYS_landlock_create_ruleset.to_string();
    let words = ["without", &landlock, "sandbox-exec"].map(str::to_owned).to_vec();
    let standings = probe::probe(Some(&Launcher { words, ..launcher() })).await;
    for standing in &standings {
        let is_landlock = matches!(standing.layer, Layer::Files | Layer::Signals);
        match &standing.state {
            State::Missing { why, lost } if is_landlock => {
                assert!(why.contains("the kernel has no Landlock"), "{why}");
                assert_eq!(*lost, standing.layer.lost());
            }
            State::Missing { .. } => assert_eq!(standing.layer, Layer::Cgroup, "{standing:?}"),
            State::InForce => assert!(!is_landlock, "{standing:?}"),
        }
    }
    assert_eq!(standings.len(), Layer::ALL.len());
    for standing in probe::probe(Some(&Launcher::of("/no/such/launcher"))).await {
        match standing.state {
            State::Missing { why, .. } if standing.layer.can_be_required() => {
                assert!(why.contains("cannot be started"), "{why}");
            }
            _ => assert_eq!(standing.layer, Layer::Cgroup),
        }
    }
}
