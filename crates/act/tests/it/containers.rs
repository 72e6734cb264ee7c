//! A real Docker Engine of the test's own, and a real container.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nightcrew_act::gate::{Facts, Gate};
use nightcrew_config::settings::{ContainerGrants, ContainerVerb, GatePolicy, Service, Supervisor};
use nightcrew_model::id::ServiceName;
use nightcrew_model::plan::{Action, StepStatus};
use rustix::process::{Pid, Signal};

use crate::machine::service;
use crate::stage::{act, number, until};

const PARTS: [&str; 3] = ["/usr/sbin/dockerd", "/usr/local/bin/docker", "/usr/bin/busybox"];

/// An Engine in a folder; it ends with the test, with its containers.
struct Engine {
    daemon: Child,
    folder: tempfile::TempDir,
}

impl Engine {
    /// Starts one; none: a part of it is not installed.
    #[expect(clippy::disallowed_methods, reason = "the Engine is the test's own")]
    fn start() -> Option<Self> {
        PARTS.iter().all(|part| Path::new(part).exists()).then_some(())?;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let daemon = Command::new(PARTS[0])
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .args(["--storage-driver=vfs".to_owned(), format!("--data-root={}", at("root"))])
            .args([format!("--exec-root={}", at("exec")), format!("--pidfile={}", at("pid"))])
            .args(["-H".to_owned(), format!("unix://{}", at("docker.sock"))])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap();
        Some(Self { daemon, folder })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Runs the client; whether it went well.
    #[expect(clippy::disallowed_methods, reason = "the client prepares what is tested")]
    fn docker(&self, words: &[&str]) -> bool {
        let mut client = Command::new(PARTS[1]);
        client.arg("-H").arg(format!("unix://{}", self.socket().display())).args(words);
        client.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().unwrap().success()
    }

    /// An image that holds nothing but busybox.
    fn import(&self) {
        let root = self.folder.path().join("image/bin");
        fs::create_dir_all(&root).unwrap();
        fs::copy(PARTS[2], root.join("busybox")).unwrap();
        std::os::unix::fs::symlink("busybox", root.join("sleep")).unwrap();
        std::os::unix::fs::symlink("busybox", root.join("false")).unwrap();
        let archive = self.folder.path().join("image.tar");
        assert!(tar(&self.folder.path().join("image"), &archive));
        assert!(self.docker(&["import", archive.to_str().unwrap(), "box:1"]));
    }
}

#[expect(clippy::disallowed_methods, reason = "the archive of the image is the test's own")]
fn tar(folder: &Path, archive: &Path) -> bool {
    Command::new("tar")
        .arg("-C")
        .arg(folder)
        .arg("-cf")
        .arg(archive)
        .arg(".")
        .status()
        .unwrap()
        .success()
}

impl Drop for Engine {
    fn drop(&mut self) {
        for container in ["web-1", "quits", "api-1", "api-2", "db-1", "db-2"] {
            self.docker(&["rm", "-f", container]);
        }
        let group = Pid::from_raw(i32::try_from(self.daemon.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process(group, Signal::TERM);
        let _ = self.daemon.wait();
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

fn boxed(name: &str, container: &str) -> Service {
    Service {
        supervisor: Some(Supervisor::Docker { container: container.into() }),
        memory_limit_max_mb: Some(60),
        containers: ContainerGrants {
            allowed: vec![ContainerVerb::Restart, ContainerVerb::Update],
            blocked: Vec::new(),
        },
        stop_timeout: nightcrew_model::unit::Millis::from_secs(1),
        ..service(name)
    }
}

/// A service of Compose whose file nobody gave.
fn composed(name: &str, inside: &str) -> Service {
    let supervisor = Supervisor::Compose { service: inside.into(), file: None };
    Service { supervisor: Some(supervisor), ..boxed(name, "") }
}

fn gate(engine: &Engine) -> Gate {
    let policy = GatePolicy { docker_socket: engine.socket(), ..GatePolicy::default() };
    let services = [
        boxed("web", "web-1"),
        boxed("quits", "quits"),
        boxed("gone", "gone"),
        composed("shop", "api"),
        composed("both", "db"),
        composed("nothing", "cache"),
    ];
    let services = services.map(|service| (service.name.clone(), service)).into();
    Gate::new(&policy, &services, Facts::new(engine.folder.path().join("data")))
}

fn restart(name: &str) -> Action {
    Action::RestartService { service: ServiceName::from(name) }
}

#[tokio::test]
async fn a_container_is_restarted_and_its_limit_is_raised() {
    let Some(engine) = Engine::start() else {
        eprintln!("SKIPPED a_container_is_restarted_and_its_limit_is_raised: needs {PARTS:?}");
        return;
    };
    until("the Engine", || engine.docker(&["version"])).await;
    engine.import();
    let run = ["run", "-d", "--network=none", "--memory=32m", "--memory-swap=32m"];
    let words = |name, program| [&run[..], &["--name", name, "box:1"], program].concat();
    assert!(engine.docker(&words("web-1", &["/bin/sleep", "1000"])));
    assert!(engine.docker(&words("quits", &["/bin/false"])));
    for (name, service, project) in [
        ("api-1", "api", "shop"),
        ("api-2", "api", "shop"),
        ("db-1", "db", "a"),
        ("db-2", "db", "b"),
    ] {
        let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
        let (service, project) = (label("service", service), label("project", project));
        let labels = ["--label", &service, "--label", &project, "--name", name];
        assert!(engine.docker(&[&run[..], &labels, &["box:1", "/bin/sleep", "1000"]].concat()));
    }
    let gate = gate(&engine);

    let outcome = act(&gate, &restart("shop")).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    assert!(outcome.output.contains("api-1") && outcome.output.contains("api-2"));
    let outcome = act(&gate, &restart("both")).await;
    assert!(outcome.output.contains("several projects of Compose"), "{}", outcome.output);
    let outcome = act(&gate, &restart("nothing")).await;
    assert!(outcome.output.starts_with("0 containers belong"), "{}", outcome.output);

    let outcome = act(&gate, &restart("web")).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    let outcome = act(&gate, &restart("quits")).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains("did not stay up: exit code 1"), "{}", outcome.output);
    let outcome = act(&gate, &restart("gone")).await;
    assert!(outcome.output.contains("No such container"), "{}", outcome.output);

    let collect = Action::CollectMemory { service: "web".into() };
    let outcome = act(&gate, &collect).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    let raise = Action::RaiseMemoryLimit { service: "web".into(), by_percent: 50 };
    let outcome = act(&gate, &raise).await;
    assert_eq!(outcome.status, StepStatus::Succeeded, "{}", outcome.output);
    let mebibytes = f64::from(1 << 20) / 1_000_000.0;
    assert!((number(&outcome, "before_mb").unwrap() - 32.0 * mebibytes).abs() < 0.01);
    assert!((number(&outcome, "after_mb").unwrap() - 48.0 * mebibytes).abs() < 0.01);
    let outcome = act(&gate, &raise).await;
    assert!((number(&outcome, "after_mb").unwrap() - 60.0).abs() < 0.1, "{}", outcome.output);
    let outcome = act(&gate, &raise).await;
    assert!(outcome.output.contains("memory_limit_max_mb is 60.0"), "{}", outcome.output);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let policy = GatePolicy { docker_socket: socket.clone(), ..GatePolicy::default() };
    let services = [("web".into(), boxed("web", "web-1"))].into();
    let gate = Gate::new(&policy, &services, Facts::new(folder.path().join("data")));
    let outcome = act(&gate, &restart("web")).await;
    assert_eq!(outcome.status, StepStatus::Failed);
    assert!(outcome.output.contains(socket.to_str().unwrap()), "{}", outcome.output);
    assert!(outcome.output.contains("policy.docker_socket"), "{}", outcome.output);
}
