//! A Docker Engine that a test starts for itself: one image, no network, nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::mounts::Mounts;
use crate::scenario::is_over;
use crate::shop;
use crate::stage::{Part, Stage, until};

/// What it needs.
pub(crate) const NEEDS: [&str; 4] = ["dockerd", "docker", "busybox", "tar"];

/// One engine.
pub(crate) struct Engine<'a> {
    stage: &'a Stage,
    daemon: Part,
    socket: PathBuf,
    group: String,
    _mounts: Mounts,
}

impl<'a> Engine<'a> {
    /// Starts it, with its data in this folder of the stage and its socket in `run`.
    ///
    /// # Errors
    /// Where a Docker Engine does not run here at all.
    pub(crate) fn start(stage: &'a Stage, data: &str) -> Result<Self, String> {
        fs::create_dir_all(stage.path("run")).unwrap();
        let socket = stage.path("run/docker.sock");
        let group = format!("nightcrew-scenario-{}", std::process::id());
        let option = |name: &str, value: &str| format!("--{name}={value}");
        let daemon = stage.start_part(
            "dockerd",
            &[
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--storage-driver=vfs",
                &option("data-root", &stage.text(data)),
                &option("exec-root", &stage.text("exec")),
                &option("pidfile", &stage.text("docker.pid")),
                &option("cgroup-parent", &format!("/{group}")),
                &option("host", &format!("unix://{}", socket.display())),
            ],
        );
        let engine = Self { stage, daemon, socket, group, _mounts: Mounts::below(stage) };
        until("the Docker Engine", || {
            if is_over(&engine.daemon) {
                return Some(Err(()));
            }
            (engine.try_run(&["version"]).0 == Some(0)).then_some(Ok(()))
        })
        .map_err(|()| {
            let said = stage.output("dockerd", "err");
            format!("dockerd does not run here: {}", said.lines().last().unwrap_or_default())
        })?;
        for applet in ["sh", "dd", "sleep", "mkfifo", "httpd", "cat"] {
            let place = stage.path(&format!("image/bin/{applet}"));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("busybox", place).unwrap();
        }
        fs::create_dir_all(stage.path("image/work")).unwrap();
        fs::create_dir_all(stage.path("work")).unwrap();
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().map(Path::new);
        let busybox = busybox.into_iter().find(|path| path.exists()).unwrap();
        fs::copy(busybox, stage.path("image/bin/busybox")).unwrap();
        let tar = stage.tool("tar", &["-C", "image", "-cf", "image.tar", "."]);
        assert_eq!(tar.code, Some(0), "{}", tar.err);
        engine.run(&["import", "image.tar", "bb:1"]);
        Ok(engine)
    }

    fn try_run(&self, args: &[&str]) -> (Option<i32>, String) {
        let host = format!("--host=unix://{}", self.socket.display());
        let done = self.stage.tool("docker", &[&[host.as_str()][..], args].concat());
        (done.code, format!("{}{}", done.out, done.err).trim().to_owned())
    }

    /// Runs a command of the client, which has to end well.
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let (code, said) = self.try_run(args);
        assert_eq!(code, Some(0), "docker {args:?}: {said}");
        said
    }

    /// What is known of a container.
    pub(crate) fn inspect(&self, container: &str) -> Value {
        let said = self.run(&["inspect", container]);
        let inspected: Value = serde_json::from_str(&said).unwrap();
        inspected[0].clone()
    }

    /// A configuration whose crew sees the containers of this engine.
    pub(crate) fn config(&self, services: &Value, playbooks: &Value) -> String {
        let more = json!({
            "sources": { "docker": {
                "kind": "docker", "socket": self.socket, "interval_ms": 500, "timeout_ms": 490,
            } },
            "policy": { "docker_socket": self.socket },
        });
        shop::config(services, playbooks, &more)
    }
}

impl Drop for Engine<'_> {
    fn drop(&mut self) {
        let (_, ids) = self.try_run(&["ps", "-aq"]);
        for id in ids.split_whitespace() {
            self.try_run(&["rm", "-f", id]);
        }
        // It ends its own containerd.
        let _ = kill_process(self.daemon.pid(), Signal::TERM);
        for _ in 0..500 {
            if !self.stage.path("docker.pid").exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
        for hierarchy in hierarchies {
            // A control group is removed from below, and holds files that cannot be removed.
            let group = hierarchy.path().join(&self.group);
            for child in fs::read_dir(&group).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(child.path());
            }
            let _ = fs::remove_dir(group);
        }
    }
}
