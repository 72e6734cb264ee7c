//! Programs in the sandbox, through the gate: what they can do, what they cannot, and that they
//! behave as without it otherwise.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nightcrew_act::executor::Executor;
use nightcrew_act::gate::{Facts, Gate};
use nightcrew_act::grammar::{Hold, Network, SandboxProfile, Signals, Sockets};
use nightcrew_act::sandbox::Launcher;
use nightcrew_act::surroundings::Surroundings;
use nightcrew_config::settings::{Check, GatePolicy, Probe, SandboxPolicy, Service};
use nightcrew_model::plan::{StepOutcome, StepStatus};
use nightcrew_model::unit::Millis;
use nightcrew_runtime::clock::Clock;

use crate::machine::service;

/// The binary that confines, as the crew's own does.
pub(crate) fn launcher() -> Launcher {
    Launcher::of(env!("CARGO_BIN_EXE_act-test-launcher"))
}

/// The same on a kernel that lacks system calls.
fn launcher_without(calls: &[libc::c_long]) -> Launcher {
    let calls: Vec<String> = calls.iter().map(ToString::to_string).collect();
    let words = ["without", &calls.join(","), "sandbox-exec"].map(str::to_owned).to_vec();
    Launcher { words, ..launcher() }
}

/// One run of a script under a profile.
pub(crate) struct Run {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) profile: SandboxProfile,
    pub(crate) policy: SandboxPolicy,
    pub(crate) launcher: Option<Launcher>,
    pub(crate) timeout: Millis,
}

impl Run {
    /// Everything denied, every layer required.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            profile: SandboxProfile::default(),
            policy: SandboxPolicy::Required,
            launcher: Some(launcher()),
            timeout: Millis::from_secs(20),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a shell script; `%` stands for the folder of the test.
    async fn script(&self, body: &str) -> StepOutcome {
        self.interpreted("/bin/bash", body).await
    }

    /// Runs a script by its interpreter.
    async fn interpreted(&self, interpreter: &str, body: &str) -> StepOutcome {
        let script = self.path("told.sh");
        let body = body.replace('%', self.folder.path().to_str().unwrap());
        fs::write(&script, format!("#!{interpreter}\n{body}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        self.program(&[script.to_str().unwrap()]).await
    }

    /// Runs a program that a check declares.
    pub(crate) async fn program(&self, argv: &[&str]) -> StepOutcome {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let probe = Probe::Command { argv: argv.clone(), expect_exit: 0, expect_output: None };
        let interval = Millis::from_secs(15);
        let checks = vec![Check { probe, interval, timeout: self.timeout }];
        let service = Service { checks, ..service("결제") };
        let policy = GatePolicy { sandbox: self.policy, ..GatePolicy::default() };
        let facts = Facts {
            launcher: self.launcher.clone(),
            check_profile: self.profile.clone(),
            ..Facts::new(self.path("data"))
        };
        let gate = Gate::new(&policy, &[(service.name.clone(), service)].into(), facts);
        let admitted = gate.admit_check(&argv).admitted.unwrap();
        let surroundings = Surroundings::new(Clock::System);
        Executor::Live.execute(admitted, self.timeout, &surroundings).await
    }
}

fn assert_succeeded(outcome: &StepOutcome) {
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
}

/// A Perl script that makes system calls and prints `name errno` for each; `0` is success.
fn calls(calls: &[(&str, libc::c_long, &str)]) -> String {
    let line = |(name, number, arguments): &(&str, libc::c_long, &str)| {
        format!("$! = 0; syscall({number}, {arguments}); print \"{name} \", $! + 0, \"\\n\";\n")
    };
    calls.iter().map(line).collect()
}

#[tokio::test]
async fn a_program_writes_below_its_grants_and_nowhere_else() {
    let mut run = Run::new();
    fs::create_dir(run.path("granted")).unwrap();
    fs::create_dir(run.path("other")).unwrap();
    fs::write(run.path("other/kept"), "kept").unwrap();
    fs::write(run.path("single"), "").unwrap();
    run.profile.writes =
        vec![run.path("granted"), run.path("single"), run.path("not there"), "/nope/x".into()];
    let outcome = run
        .script(
            "echo in > %/granted/a; mkdir %/granted/deep; mv %/granted/a %/granted/deep/b
             echo one > %/single; echo quiet > /dev/null
             exec 2>/dev/null
             echo out > %/other/new || echo no-create
             : > %/other/kept || echo no-truncate
             echo x >> %/other/kept || echo no-append
             rm %/other/kept || echo no-remove
             ln %/other/kept %/granted/link || echo no-link
             mv %/other/kept %/granted/kept || echo no-move
             ln -s %/other %/granted/way; echo x > %/granted/way/new || echo no-detour",
        )
        .await;
    assert_succeeded(&outcome);
    let told: Vec<&str> = outcome.output.lines().collect();
    let all = ["create", "truncate", "append", "remove", "link", "move", "detour"];
    assert_eq!(told, all.map(|what| format!("no-{what}")));
    assert_eq!(fs::read_to_string(run.path("granted/deep/b")).unwrap(), "in\n");
    assert_eq!(fs::read_to_string(run.path("single")).unwrap(), "one\n");
    assert_eq!(fs::read_to_string(run.path("other/kept")).unwrap(), "kept");
    assert_eq!(fs::read_dir(run.path("other")).unwrap().count(), 1);
}

#[tokio::test]
async fn the_private_folder_can_be_written_and_is_gone_afterwards() {
    let run = Run::new();
    let outcome = run.script("mktemp; mkdir $TMPDIR/deep; echo $TMPDIR; ls -d $TMPDIR/*").await;
    assert_succeeded(&outcome);
    assert!(outcome.output.contains("/data/scratch/step-"), "{}", outcome.output);
    assert_eq!(fs::read_dir(run.path("data/scratch")).unwrap().count(), 0);
}

#[tokio::test]
async fn tcp_and_other_networks_need_a_grant() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && echo connected");
    let udp = "exec 3<>/dev/udp/127.0.0.1/9 && echo sent";
    let mut run = Run::new();
    for body in [connect.as_str(), udp] {
        let outcome = run.script(body).await;
        assert_eq!(outcome.status, StepStatus::Exited { code: Some(1) });
        assert!(outcome.output.contains("not permitted"), "{}", outcome.output);
    }
    run.profile.network = Network::Open;
    assert_eq!(run.script(&connect).await.output, "connected\n");
    assert_eq!(run.script(udp).await.output, "sent\n");
    // Packets of every program are nobody's business, with or without a network.
    let raw =
        calls(&[("packet", libc::SYS_socket, "17, 3, 0"), ("raw", libc::SYS_socket, "2, 3, 1")]);
    assert_eq!(run.interpreted("/usr/bin/perl", &raw).await.output, "packet 1\nraw 1\n");
}

#[tokio::test]
async fn unix_sockets_need_a_grant() {
    let mut run = Run::new();
    let socket = calls(&[("unix", libc::SYS_socket, "1, 1, 0")]);
    assert_eq!(run.interpreted("/usr/bin/perl", &socket).await.output, "unix 1\n");
    run.profile.unix_sockets = Sockets::Open;
    assert_eq!(run.interpreted("/usr/bin/perl", &socket).await.output, "unix 0\n");
}

#[tokio::test]
async fn what_administers_the_machine_or_looks_into_others_is_refused_whoever_asks() {
    let mut run = Run::new();
    run.profile = SandboxProfile {
        writes: vec![run.folder.path().to_owned()],
        network: Network::Open,
        unix_sockets: Sockets::Open,
        signals: Signals::Any,
        hold: Hold::Held,
    };
    let refused = [
        ("mount", libc::SYS_mount, "0, 0, 0, 0, 0"),
        ("umount", libc::SYS_umount2, "0, 0"),
        ("pivot_root", libc::SYS_pivot_root, "0, 0"),
        ("unshare", libc::SYS_unshare, "0x10000000"),
        ("setns", libc::SYS_setns, "0, 0"),
        ("clone-user", libc::SYS_clone, "0x10000011, 0, 0, 0, 0"),
        ("clone-net", libc::SYS_clone, "0x40000011, 0, 0, 0, 0"),
        ("ptrace", libc::SYS_ptrace, "0, 0, 0, 0"),
        ("vm_read", libc::SYS_process_vm_readv, "1, 0, 0, 0, 0, 0"),
        ("bpf", libc::SYS_bpf, "0, 0, 0"),
        ("perf", libc::SYS_perf_event_open, "0, 0, 0, 0, 0"),
        ("userfaultfd", libc::SYS_userfaultfd, "0"),
        ("keyctl", libc::SYS_keyctl, "0, 0, 0, 0, 0"),
        ("reboot", libc::SYS_reboot, "0, 0, 0, 0"),
        ("kexec", libc::SYS_kexec_load, "0, 0, 0, 0"),
        ("module", libc::SYS_init_module, "0, 0, 0"),
        ("swapon", libc::SYS_swapon, "0, 0"),
        ("io_uring", libc::SYS_io_uring_setup, "0, 0"),
        ("typing", libc::SYS_ioctl, "0, 0x5412, 0"),
        ("typing-high", libc::SYS_ioctl, "0, 0x700005412, 0"),
    ];
    let outcome = run.interpreted("/usr/bin/perl", &calls(&refused)).await;
    assert_succeeded(&outcome);
    let expected: Vec<String> = refused.iter().map(|(name, ..)| format!("{name} 1")).collect();
    assert_eq!(outcome.output.lines().collect::<Vec<_>>(), expected);
    // Those that a C library goes without, and a table that no library uses.
    let absent =
        [("clone3", libc::SYS_clone3, "0, 0"), ("x32", 0x4000_0000 + libc::SYS_mount, "0")];
    let outcome = run.interpreted("/usr/bin/perl", &calls(&absent)).await;
    assert_eq!(outcome.output, "clone3 38\nx32 38\n");
    // A file is fine, a device is not: not even in a folder that may be written.
    let outcome = run
        .script("exec 2>/dev/null; mkfifo %/pipe && echo pipe; mknod %/disk b 8 0 || mknod %/tty c 5 0 || echo no")
        .await;
    assert!(outcome.output.starts_with("pipe\n") && outcome.output.ends_with("no\n"));
    assert!(!run.path("disk").exists() && !run.path("tty").exists());
}

#[tokio::test]
async fn children_and_what_they_leave_behind_are_held_too() {
    let run = Run::new();
    fs::create_dir(run.path("other")).unwrap();
    let body = "setsid bash -c '(echo x > %/other/a) 2>/dev/null || echo no' &\nwait\n\
                perl -e 'exec \"touch\", \"%/other/b\"' 2>/dev/null || echo no";
    let outcome = run.script(body).await;
    assert_eq!(outcome.output, "no\nno\n");
    assert_eq!(fs::read_dir(run.path("other")).unwrap().count(), 0);
}

#[tokio::test]
async fn others_are_not_signalled_without_a_grant_and_ones_own_children_are() {
    let mut run = Run::new();
    let me = std::process::id();
    let body = format!(
        "kill -0 {me} 2>/dev/null && echo reached || echo no\n\
                        sleep 60 & kill $! && echo own"
    );
    assert_eq!(run.script(&body).await.output, "no\nown\n");
    run.profile.signals = Signals::Any;
    assert_eq!(run.script(&body).await.output, "reached\nown\n");
}

#[tokio::test]
async fn limits_hold_and_are_those_that_are_named() {
    let run = Run::new();
    let outcome = run
        .script(
            "ulimit -c; ulimit -n; ulimit -Hn; ulimit -f; test $(ulimit -u) -le 16384 && echo u",
        )
        .await;
    let kibibytes = 256 * 1_024 * 1_024;
    assert_eq!(outcome.output, format!("0\n4096\n4096\n{kibibytes}\nu\n"));
    let run = Run { timeout: Millis::from_secs(3), ..run };
    let open = "open($f[$_], '<', '/dev/null') || last for 0..9999; print scalar(@f), \"\\n\";";
    let outcome = run.interpreted("/usr/bin/perl", open).await;
    let opened: u32 = outcome.output.trim().parse().unwrap();
    assert!((4_000..=4_096).contains(&opened), "{opened}");
    let grow = "truncate -s 200G $TMPDIR/big && echo fits
                (truncate -s 300G $TMPDIR/big) || echo held";
    let outcome = run.script(grow).await;
    // The shell's own word about it comes on the other stream, at any place.
    assert!(outcome.output.contains("fits\n") && outcome.output.contains("held\n"));
    let processors = std::thread::available_parallelism().unwrap().get();
    assert_eq!(run.script("ulimit -t").await.output, format!("{}\n", 4 * processors));
}

#[tokio::test]
async fn nothing_is_gained_through_setuid_files_and_root_gives_up_what_it_does_not_need() {
    let run = Run::new();
    let outcome = run.script("grep -E 'NoNewPrivs|CapBnd|CapEff|Seccomp:' /proc/self/status").await;
    let told = |name: &str| {
        let line = outcome.output.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!((told("NoNewPrivs").as_str(), told("Seccomp").as_str()), ("1", "2"));
    if rustix::process::geteuid().is_root() {
        let bits = |name| u64::from_str_radix(&told(name), 16).unwrap();
        // Module, raw I/O, ptrace, administration, boot, time, device files.
        let dropped = [16, 17, 19, 21, 22, 25, 27].map(|bit| 1_u64 << bit);
        for name in ["CapBnd", "CapEff"] {
            assert!(dropped.iter().all(|bit| bits(name) & bit == 0), "{}", outcome.output);
        }
        assert_ne!(bits("CapEff") & 2, 0, "root still reads what belongs to others");
    }
}

#[tokio::test]
async fn exit_code_output_name_and_arguments_are_as_without_a_sandbox() {
    let run = Run::new();
    let outcome =
        run.script("cat; echo 안녕; echo oops >&2; ps -o pgid= -p $$ | grep -qw $$ || echo no-group; (: < /dev/tty) 2>/dev/null && echo tty; exit 3").await;
    assert_eq!(outcome.status, StepStatus::Exited { code: Some(3) });
    assert!(outcome.output.contains("안녕\n") && outcome.output.contains("oops\n"));
    assert!(!outcome.output.contains("no-group") && !outcome.output.contains("tty"));
    let outcome = run.script("kill -9 $$").await;
    assert_eq!(outcome.status, StepStatus::Exited { code: None });
    // A binary is executed by its open file, and still called by its name.
    let outcome = run.program(&["printf", "%s|", "하나", "", "-x", "둘 셋"]).await;
    assert_eq!(
        (outcome.status, outcome.output.as_str()),
        (StepStatus::Succeeded, "하나||-x|둘 셋|")
    );
    let outcome = run.program(&["ls", "--no-such-option"]).await;
    assert!(outcome.output.contains("ls: unrecognized option"), "{}", outcome.output);
    let outcome = run.program(&["tr", "\\0", "\\n", "/proc/self/environ"]).await;
    assert_eq!(outcome.status, StepStatus::Exited { code: Some(1) });
    let outcome = run.interpreted("/no/such/interpreter", "").await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("could not be started"), "{}", outcome.output);
}

#[tokio::test]
async fn a_time_out_ends_the_whole_group() {
    let run = Run { timeout: Millis(400), ..Run::new() };
    let run = Run {
        profile: SandboxProfile {
            writes: vec![run.folder.path().to_owned()],
            ..SandboxProfile::default()
        },
        ..run
    };
    let outcome =
        run.script("trap '' TERM\nsleep 1000 &\necho $! > %/worker\necho ready\nwait").await;
    assert_eq!((outcome.status, outcome.output.as_str()), (StepStatus::TimedOut, "ready\n"));
    let worker = fs::read_to_string(run.path("worker")).unwrap();
    let is_left = || match fs::read_to_string(format!("/proc/{}/stat", worker.trim())) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => false,
    };
    for _ in 0..200 {
        if !is_left() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(!is_left());
    assert_eq!(fs::read_dir(run.path("data/scratch")).unwrap().count(), 0);
}

#[tokio::test]
async fn where_a_required_layer_is_missing_nothing_starts_and_the_step_says_which() {
    for (calls, layer) in [
        (&[libc::SYS_landlock_create_ruleset][..], "Landlock files: the kernel has no Landlock"),
        (&[libc::SYS_setsid, libc::SYS_setpgid], "no terminal: "),
        (&[libc::SYS_seccomp], "seccomp: the kernel does not take a filter"),
        (&[libc::SYS_capset], "no new privileges: "),
    ] {
        let run = Run { launcher: Some(launcher_without(calls)), ..Run::new() };
        let effect = run.path("effect");
        let run = Run {
            profile: SandboxProfile {
                writes: vec![run.folder.path().to_owned()],
                ..SandboxProfile::default()
            },
            ..run
        };
        let outcome = run.script("touch %/effect").await;
        assert_eq!(outcome.status, StepStatus::Failed, "{layer}: {}", outcome.output);
        assert!(outcome.output.starts_with("sandbox: "), "{}", outcome.output);
        assert!(outcome.output.contains(layer), "{}", outcome.output);
        assert!(!effect.exists());
        // The other policy does what it can.
        let run = Run { policy: SandboxPolicy::BestEffort, ..run };
        assert_succeeded(&run.script("touch %/effect").await);
        assert!(effect.exists());
    }
}

#[tokio::test]
async fn without_a_launcher_a_required_sandbox_refuses_and_the_others_run_as_the_crew_does() {
    let mut run = Run { launcher: None, ..Run::new() };
    let outcome = run.program(&["true"]).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("no launcher"), "{}", outcome.output);
    for policy in [SandboxPolicy::BestEffort, SandboxPolicy::Off] {
        run = Run { policy, ..run };
        assert_succeeded(&run.script("touch %/effect").await);
    }
}

#[tokio::test]
async fn a_binary_that_is_no_launcher_starts_nothing() {
    let strangers = [("exit 0", "ended without a word"), ("echo hello >&0", "cannot be read")];
    for (stranger, why) in strangers {
        let words = ["-c", stranger].map(str::to_owned).to_vec();
        let launcher = Launcher { path: "/bin/sh".into(), words };
        let outcome = Run { launcher: Some(launcher), ..Run::new() }.program(&["true"]).await;
        assert_eq!(outcome.status, StepStatus::Failed);
        assert!(outcome.output.contains(why), "{stranger}: {}", outcome.output);
    }
    let launcher = Launcher { path: "/no/such".into(), words: Vec::new() };
    let outcome = Run { launcher: Some(launcher), ..Run::new() }.program(&["true"]).await;
    assert!(outcome.output.contains("could not be started"), "{}", outcome.output);
    // One that never answers is ended with the step.
    let launcher = Launcher { path: "/bin/sleep".into(), words: vec!["60".to_owned()] };
    let run = Run { launcher: Some(launcher), timeout: Millis(200), ..Run::new() };
    assert_eq!(run.program(&["true"]).await.status, StepStatus::TimedOut);
}

#[tokio::test]
async fn a_program_that_starts_what_outlives_it_is_free() {
    let mut run = Run::new();
    run.profile.hold = Hold::Free;
    assert_succeeded(
        &run.script("touch %/effect; grep -q 'NoNewPrivs:.0' /proc/self/status").await,
    );
    assert!(run.path("effect").exists());
}

#[tokio::test]
async fn a_relative_grant_is_refused() {
    let mut run = Run::new();
    run.profile.writes = vec![Path::new("etc").to_owned()];
    let outcome = run.program(&["true"]).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("absolute path"), "{}", outcome.output);
    assert!(fs::metadata("/etc").unwrap().mode() != 0);
}
